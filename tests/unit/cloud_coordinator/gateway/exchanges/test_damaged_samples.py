"""Every sample, as published and damaged: imported whole or refused whole."""

import dataclasses
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_coordinator.gateway.exchanges.files import (
    ImportRefusedError,
    decode_published,
    open_published,
)
from cloud_coordinator.gateway.exchanges.importing import ImportContext, import_published
from cloud_coordinator.gateway.exchanges.layouts import LAYOUTS, read_publication
from cloud_coordinator.store.registry import Registry

ROOT = Path(__file__).parents[5]
VECTORS = sorted((ROOT / "tests" / "vectors" / "published").iterdir())
PUBLISHED = ROOT.parent / "shared" / "data" / "raw_samples"
NOW = ImportContext(at=datetime(2027, 1, 1, tzinfo=UTC), by="test")
LARGE_BYTES = 60_000
PIECES = (b"", b",", b"-", b"9", b".", b"\xff", b"\x00", b"25:00", b"nan", b"-5", b"1e9", b"\n")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    found = Registry.open(tmp_path / "registry.sqlite3")
    yield found
    found.close()


def samples() -> list[Path]:
    found = sorted(path for path in PUBLISHED.rglob("*") if path.is_file())
    if not found:
        pytest.skip(f"no samples as published: {PUBLISHED} is not there")
    return found


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Flip, cut, drop, double or swap something."""
    at = chance.randrange(len(data))
    kind = chance.randrange(5)
    if kind == 0:
        return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
    if kind == 1:
        return data[:at]
    if kind == 2:
        return data[:at] + chance.choice(PIECES) + data[at + chance.randrange(2) :]
    lines = data.split(b"\n")
    first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
    if kind == 3:
        lines[first], lines[second] = lines[second], lines[first]
    else:
        lines[first : first + 1] = [lines[first]] * chance.choice((0, 2))
    return b"\n".join(lines)


def try_damaged(path: Path, registry: Registry, *, seed: int, times: int) -> None:
    """Damage a sample and import it: it fits its layout still, or the store is as before."""
    chance = random.Random(seed)
    data = path.read_bytes()
    whole = read_publication(decode_published(data, source=str(path)))
    kinds = {(one.kind, one.area, one.step_s) for one in whole.series}
    for _ in range(times):
        before = registry.publications.imports()
        try:
            file = decode_published(damaged(data, chance), source=str(path))
            done = import_published(file, registry.publications, NOW)
        except ImportRefusedError:
            assert registry.publications.imports() == before, f"seed {seed}"
            continue
        again = read_publication(file)
        assert done.record.rows == again.rows > 0, f"seed {seed}"
        assert {(one.kind, one.step_s) for one in again.series} <= {
            (kind, step_s) for kind, _, step_s in kinds
        }, f"seed {seed}"


def test_every_sample_as_published_is_imported_once(registry: Registry) -> None:
    """If it fails, a file that a market or a grid company publishes cannot be taken in."""
    for path in samples():
        file = open_published(path)
        assert len([one for one in LAYOUTS if one.recognises(file)]) == 1, path
        assert import_published(file, registry.publications, NOW).is_new, path
        assert not import_published(file, registry.publications, NOW).is_new, path
    found = registry.publications.imports()
    assert len(found) == len(samples())
    assert all(one.rows > one.missing for one in found)


def test_a_damaged_copy_of_a_published_file_never_half_imports(registry: Registry) -> None:
    """If it fails, a file that was damaged on its way crashes the import or leaves a part."""
    for number, path in enumerate(samples()):
        times = 1 if path.stat().st_size > LARGE_BYTES else 5
        try_damaged(path, registry, seed=number, times=times)


@given(seed=st.integers(0, 2**32))
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.name)
def test_a_damaged_vector_never_half_imports(path: Path, registry: Registry, seed: int) -> None:
    """If it fails, where the published samples are absent nobody notices that damage passes."""
    try_damaged(path, registry, seed=seed, times=4)


def test_a_file_of_the_future_is_refused(registry: Registry) -> None:
    """If it fails, one wrong year in a file outranks every true publication after it."""
    early = dataclasses.replace(NOW, at=datetime(2021, 5, 2, 14, 0, tzinfo=UTC))
    tepco = next(path for path in VECTORS if path.name == "tokyo_20210502_power_usage.csv")
    with pytest.raises(ImportRefusedError, match="not yet come"):
        import_published(open_published(tepco), registry.publications, early)
    assert registry.publications.imports() == []
