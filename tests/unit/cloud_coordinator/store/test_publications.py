"""Published values in the store: once, whole, and the most final first."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from cloud_coordinator.services.publications import (
    Origin,
    Publication,
    Quality,
    Series,
    Stage,
)
from cloud_coordinator.store.registry import Registry
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.intervals import Interval, utc_from_seconds

HOUR = 3600
NOW = datetime(2031, 5, 3, tzinfo=UTC)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    found = Registry.open(tmp_path / "registry.sqlite3")
    yield found
    found.close()


def publication(
    *values: float,
    first: int = 0,
    stage: Stage = Stage.PRELIMINARY,
    published_at: datetime | None = None,
    kind: str = "demand_w",
) -> Publication:
    """Hourly values from an hour on; NaN is blank."""
    value = np.array(values, dtype=np.float64)
    quality = np.where(np.isnan(value), Quality.BLANK, Quality.GOOD).astype(np.int8)
    series = Series(
        kind=kind,
        area="tokyo",
        step_s=HOUR,
        start_s=HOUR * (first + np.arange(value.size, dtype=np.int64)),
        value=value,
        quality=quality,
    )
    return Publication(
        layout="test",
        publisher="Test",
        stage=stage,
        published_at=published_at,
        series=(series,),
    )


def add(registry: Registry, what: Publication, name: str, *, at: datetime = NOW) -> bool:
    origin = Origin(source=f"{name}.csv", sha256=name * 8, size_bytes=9, encoding="utf-8")
    return registry.publications.add(what, origin, at=at, by="test")[1]


def values(registry: Registry, *, known_at: datetime = NOW, hours: int = 9) -> list[float]:
    interval = Interval(start=utc_from_seconds(0), end=utc_from_seconds(hours * HOUR))
    found = registry.publications.series(
        "demand_w", "tokyo", step_s=HOUR, interval=interval, known_at=known_at
    )
    return [float(one) for one in found.value]


def test_the_same_file_again_changes_nothing(registry: Registry) -> None:
    """If it fails, a nightly import doubles what is stored, and nobody can say which counts."""
    assert add(registry, publication(1.0, 2.0), "a")
    before = registry.publications.imports()
    assert not add(registry, publication(1.0, 2.0), "a", at=NOW + timedelta(days=1))
    assert registry.publications.imports() == before
    assert values(registry) == [1.0, 2.0]


def test_a_newer_publication_supersedes_and_both_stay_known(registry: Registry) -> None:
    """If it fails, a preliminary value overrules the final one, or its origin is lost."""
    evening = NOW - timedelta(hours=2)
    assert add(registry, publication(1.0, 2.0, 3.0, published_at=NOW), "a")
    assert add(registry, publication(5.0, 6.0, first=1, stage=Stage.FINAL), "b")
    assert add(registry, publication(9.0, 9.0, 9.0, 9.0, published_at=evening), "c")
    assert values(registry) == [1.0, 5.0, 6.0, 9.0]
    assert [one.current_rows for one in registry.publications.imports()] == [1, 2, 1]
    assert [one.origin.source for one in registry.publications.imports()] == [
        "a.csv",
        "b.csv",
        "c.csv",
    ]


def test_a_question_of_the_past_gets_what_was_known_then(registry: Registry) -> None:
    """If it fails, a backtest bids with prices and demands that came after its gate."""
    early, late = NOW - timedelta(days=2), NOW - timedelta(days=1)
    add(registry, publication(1.0, 2.0, published_at=early), "a")
    add(registry, publication(7.0, published_at=late), "b")
    add(registry, publication(8.0, first=4), "c")
    assert values(registry, known_at=early) == [1.0, 2.0]
    assert values(registry, known_at=late) == [7.0, 2.0]
    assert values(registry, known_at=late - timedelta(seconds=1)) == [1.0, 2.0]
    assert values(registry) == [7.0, 2.0, 8.0]
    assert values(registry, hours=1) == [7.0]
    assert values(registry, known_at=early - timedelta(days=1)) == []


def test_a_missing_value_keeps_its_reason(registry: Registry) -> None:
    """If it fails, an empty field comes back as a demand of zero."""
    add(registry, publication(1.0, float("nan")), "a")
    interval = Interval(start=utc_from_seconds(0), end=utc_from_seconds(9 * HOUR))
    found = registry.publications.series(
        "demand_w", "tokyo", step_s=HOUR, interval=interval, known_at=NOW
    )
    assert np.isnan(found.value[1])
    assert found.quality.tolist() == [Quality.GOOD, Quality.BLANK]
    assert registry.publications.imports()[0].missing == 1


def test_an_import_that_fails_midway_leaves_nothing(registry: Registry) -> None:
    """If it fails, a full disk leaves half a file that is never imported again."""
    add(registry, publication(1.0), "a")
    before = registry.publications.imports()
    with registry.database.writing() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON area_series WHEN NEW.kind = 'pv_w' "
            "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    with pytest.raises(StoreError, match="disk is full"):
        add(registry, publication(2.0, kind="pv_w"), "b")
    assert registry.publications.imports() == before
    assert values(registry) == [1.0]
