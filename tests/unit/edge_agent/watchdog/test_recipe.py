"""The release recipe: written in one step, read back as written, foreign files refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.drivers.lease_book import LeasedDevice
from edge_agent.watchdog.recipe import RECIPE_FILE, ReleaseRecipe, load_recipe
from protocols.vocabulary.errors import ConfigError, JournalError
from protocols.vocabulary.identifiers import ResourceId

NOW = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
LEASED = LeasedDevice(
    resource_id=ResourceId("site-1/battery-1"),
    wire="echonet-lite",
    address="127.1.1.11",
    port=3610,
    frames=(bytes.fromhex("1081000005ff01027d016101da0146"),),
    check_frame=bytes.fromhex("1081000005ff01027d016201da00"),
    expected=b"\xda\x01\x46",
    restores="mode auto (DA=46)",
    valid_until=NOW + timedelta(seconds=5),
)


def recipe(folder: Path) -> ReleaseRecipe:
    return ReleaseRecipe(folder, gateway_address="127.1.1.1", gateway_port=3610)


def test_what_is_held_is_on_disk_when_hold_returns(tmp_path: Path) -> None:
    """A crash right after the first write of a lease would leave nobody who can undo it."""
    book = recipe(tmp_path)
    book.hold(LEASED)
    loaded = load_recipe(tmp_path)
    assert loaded is not None
    assert loaded.devices == (LEASED,)
    assert (loaded.gateway_address, loaded.gateway_port) == ("127.1.1.1", 3610)
    assert not list(tmp_path.glob("*.new"))
    book.drop(LEASED.resource_id)
    loaded = load_recipe(tmp_path)
    assert loaded is not None
    assert loaded.devices == ()


def test_next_life_gets_what_was_left_and_keeps_it(tmp_path: Path) -> None:
    """A restarted agent would forget the forced battery when it writes its own recipe."""
    recipe(tmp_path).hold(LEASED)
    book = recipe(tmp_path)
    assert book.left_over() == (LEASED,)
    other = replace(LEASED, resource_id=ResourceId("site-1/battery-2"))
    book.hold(other)
    loaded = load_recipe(tmp_path)
    assert loaded is not None
    assert set(loaded.devices) == {LEASED, other}


def test_prolonging_spares_the_disk_and_changes_do_not_wait(tmp_path: Path) -> None:
    """An SD card would be written each second; or a moved device be released elsewhere."""
    book = recipe(tmp_path)
    book.hold(LEASED)
    before = (tmp_path / RECIPE_FILE).stat().st_mtime_ns
    book.hold(replace(LEASED, valid_until=NOW + timedelta(seconds=9)))
    assert (tmp_path / RECIPE_FILE).stat().st_mtime_ns == before
    later = replace(LEASED, valid_until=NOW + timedelta(seconds=16))
    book.hold(later)
    loaded = load_recipe(tmp_path)
    assert loaded is not None
    assert loaded.devices == (later,)
    moved = replace(later, address="127.1.1.12")
    with (tmp_path / RECIPE_FILE).open() as reader:
        book.hold(moved)
        assert "127.1.1.11" in reader.read(), "replaced in one step, never written over"
    loaded = load_recipe(tmp_path)
    assert loaded is not None
    assert loaded.devices == (moved,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"version": 2, "devices": []}',
        '{"version": 1, "gateway_address": "a", "gateway_port": 1, "devices": [{}]}',
        '{"version": 1, "gateway_address": "a", "gateway_port": "x", "devices": []}',
    ],
)
def test_recipe_that_cannot_be_read_is_told_and_not_written_over(tmp_path: Path, text: str) -> None:
    """Devices leased by the damaged recipe would be forgotten without a word."""
    path = tmp_path / RECIPE_FILE
    path.write_text(text)
    with pytest.raises(ConfigError, match=RECIPE_FILE):
        recipe(tmp_path)
    assert path.read_text() == text


def test_lease_that_cannot_be_written_down_is_refused(tmp_path: Path) -> None:
    """With a full disk devices would be forced and nobody know how to give them back."""
    book = recipe(tmp_path)
    book.hold(LEASED)
    (tmp_path / f"{RECIPE_FILE}.new").mkdir()
    other = replace(LEASED, resource_id=ResourceId("site-1/battery-2"))
    with pytest.raises(JournalError, match="cannot be written down"):
        book.hold(other)
    book.drop(LEASED.resource_id)
    (tmp_path / f"{RECIPE_FILE}.new").rmdir()
    book.hold(other)
    loaded = load_recipe(tmp_path)
    assert loaded is not None
    assert loaded.devices == (other,)
