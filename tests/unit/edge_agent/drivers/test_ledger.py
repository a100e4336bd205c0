"""The ledger: what was written today is known after a restart, and not after midnight."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from edge_agent.drivers.ledger import LEDGER_FILE, FileLedger, read_ledger
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ResourceId

BATTERY = ResourceId("site-1/battery-1")


@dataclass
class Wall:
    """A clock that is set by hand."""

    moment: datetime = datetime(2026, 7, 22, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic_ns(self) -> int:
        return 0


def test_count_survives_a_restart_and_bounds_the_day(tmp_path: Path) -> None:
    """If it fails, an agent that restarts each hour writes 24 budgets a day into a flash."""
    ledger = FileLedger(tmp_path, Wall())
    assert ledger.spend(BATTERY, 4, 6)
    assert not ledger.spend(BATTERY, 4, 6)
    # Not closed: a killed process closes nothing.
    again = FileLedger(tmp_path, Wall())
    assert again.count(BATTERY) == 4
    assert not again.spend(BATTERY, 3, 6)
    assert again.spend(BATTERY, 2, 6)
    assert again.spend(BATTERY, 1, None), "a release is never refused"
    assert read_ledger(tmp_path, Wall().now().date()) == {BATTERY: 7}
    ledger.close()
    again.close()


def test_new_utc_day_begins_at_nothing_and_a_clock_set_back_gives_nothing_back(
    tmp_path: Path,
) -> None:
    """If it fails, a budget is never given again, or twice because the clock was set."""
    wall = Wall()
    ledger = FileLedger(tmp_path, wall)
    assert ledger.spend(BATTERY, 6, 6)
    wall.moment += timedelta(hours=12)
    assert ledger.count(BATTERY) == 0
    assert ledger.spend(BATTERY, 5, 6)
    wall.moment -= timedelta(hours=13)
    assert ledger.count(BATTERY) == 5
    assert not ledger.spend(BATTERY, 2, 6)
    assert read_ledger(tmp_path, wall.now().date()) == {BATTERY: 6}
    ledger.close()


def test_damaged_file_is_set_aside_and_counting_goes_on(tmp_path: Path) -> None:
    """If it fails, a gateway stays down because a file that only counts was torn."""
    (tmp_path / LEDGER_FILE).write_bytes(b"not a database, certainly not" * 40)
    assert read_ledger(tmp_path, Wall().now().date()) == {}
    with structlog.testing.capture_logs() as logged:
        ledger = FileLedger(tmp_path, Wall())
    assert [entry["event"] for entry in logged] == ["ledger.set_aside"]
    assert ledger.spend(BATTERY, 2, 6)
    assert read_ledger(tmp_path, Wall().now().date()) == {BATTERY: 2}
    ledger.close()
    assert read_ledger(tmp_path / "nowhere", Wall().now().date()) == {}


def test_folder_that_cannot_hold_the_file_is_told_in_one_line(tmp_path: Path) -> None:
    """If it fails, the agent starts and every write to a flash device goes uncounted."""
    (tmp_path / LEDGER_FILE).mkdir()
    with pytest.raises(ConfigError, match=r"device-writes\.sqlite"):
        FileLedger(tmp_path, Wall())


def test_count_that_cannot_be_kept_allows_no_budgeted_write(tmp_path: Path) -> None:
    """If it fails, a full disk lets a flash be written as often as anybody likes."""
    (tmp_path / "data").write_bytes(b"a file where the folder should be")
    ledger = FileLedger(tmp_path / "data", Wall())
    with structlog.testing.capture_logs() as logged:
        assert not ledger.spend(BATTERY, 1, 6)
        assert ledger.spend(BATTERY, 1, None)
    assert ledger.count(BATTERY) == 1
    assert [entry["event"] for entry in logged] == ["ledger.unwritten"]


def test_nothing_is_made_before_the_first_write(tmp_path: Path) -> None:
    """If it fails, an agent that cannot start leaves files behind that say it ran."""
    ledger = FileLedger(tmp_path / "data", Wall())
    assert ledger.count(BATTERY) == 0
    assert not (tmp_path / "data").exists()
    assert ledger.spend(BATTERY, 1, 6)
    assert read_ledger(tmp_path / "data", Wall().now().date()) == {BATTERY: 1}
    ledger.close()
