"""How often each device has been written today.

Settings kept in flash memory wear out. The lease asks the ledger before it writes; a device
with a budget is not written beyond it, except to give it back. Days are UTC.
"""

import sqlite3
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final, Protocol

import structlog

from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.intervals import Clock

LEDGER_FILE: Final = "device-writes.sqlite"
DAYS_KEPT: Final = 400
"""Days whose counts are kept: a year and some."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS writes (
    day TEXT NOT NULL, resource_id TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (day, resource_id)
) WITHOUT ROWID
"""
_ADD: Final = """
INSERT INTO writes (day, resource_id, count) VALUES (?, ?, ?)
ON CONFLICT (day, resource_id) DO UPDATE SET count = excluded.count
"""

log = structlog.get_logger(__name__)


class WriteLedger(Protocol):
    """Counts writes per device and UTC day."""

    def spend(self, resource_id: ResourceId, writes: int, budget: int | None) -> bool:
        """Count writes that are about to be sent.

        Parameters
        ----------
        resource_id : ResourceId
            Whose.
        writes : int
            How many, > 0.
        budget : int or None
            Most in a day; None: count them whatever they come to.

        Returns
        -------
        bool
            False if the day's budget would be exceeded, or the count cannot be kept: then
            nothing was counted and nothing may be written.
        """

    def count(self, resource_id: ResourceId) -> int:
        """Count of a device's writes so far today."""


class FileLedger:
    """The ledger in a file of the data folder, made with the first write; outlives the agent.

    Parameters
    ----------
    data_dir : Path
        Folder of the file; made if it is missing.
    clock : Clock
        Says which day it is.

    Raises
    ------
    ConfigError
        If there is such a file and it cannot be opened.

    Notes
    -----
    A file that is damaged is set aside and the day begins at nothing: a few writes too many
    wear less than a gateway that does not start.
    """

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self._clock = clock
        self._day = clock.now().date()
        self._path = data_dir / LEDGER_FILE
        self._db: sqlite3.Connection | None = None
        self._counts: dict[ResourceId, int] = {}
        self._failing = False
        try:
            if self._path.exists():
                self._db = self._opened_or_new()
                self._counts = counts_of(self._db, self._day)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"data_dir: {self._path}: {error}") from error

    def spend(self, resource_id: ResourceId, writes: int, budget: int | None) -> bool:
        """Count writes that are about to be sent; see :class:`WriteLedger`."""
        assert writes > 0, "nothing to count"
        self._turn_day()
        count = self._counts.get(resource_id, 0) + writes
        if budget is not None and count > budget:
            return False
        try:
            if self._db is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._db = _opened(self._path, self._day)
            self._db.execute(_ADD, (self._day.isoformat(), resource_id, count))
        except (OSError, sqlite3.Error) as error:
            if not self._failing:
                log.warning("ledger.unwritten", resource_id=resource_id, cause=str(error))
            self._failing = True
            if budget is not None:
                return False
        else:
            self._failing = False
        self._counts[resource_id] = count
        return True

    def count(self, resource_id: ResourceId) -> int:
        """Count of a device's writes so far today."""
        self._turn_day()
        return self._counts.get(resource_id, 0)

    def close(self) -> None:
        """Let go of the file."""
        if self._db is not None:
            self._db.close()

    def _opened_or_new(self) -> sqlite3.Connection:
        """Open the file that is there; a damaged one is set aside."""
        try:
            return _opened(self._path, self._day)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            aside = self._path.with_name(f"{self._path.name}.damaged")
            self._path.replace(aside)
            log.warning("ledger.set_aside", path=str(aside), cause=str(error))
            return _opened(self._path, self._day)

    def _turn_day(self) -> None:
        """Begin a new day; a clock set back does not give a spent budget back."""
        today = self._clock.now().date()
        if today > self._day:
            self._day = today
            self._counts = {}


def _opened(path: Path, day: date) -> sqlite3.Connection:
    """Open the file; days long gone are forgotten."""
    db = sqlite3.connect(path, isolation_level=None, timeout=1.0)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(_SCHEMA)
        oldest = date.fromordinal(day.toordinal() - DAYS_KEPT).isoformat()
        db.execute("DELETE FROM writes WHERE day < ?", (oldest,))
    except sqlite3.Error:
        db.close()
        raise
    return db


def counts_of(db: sqlite3.Connection, day: date) -> dict[ResourceId, int]:
    """Read the counts of a day by device."""
    rows = db.execute("SELECT resource_id, count FROM writes WHERE day = ?", (day.isoformat(),))
    return {ResourceId(str(name)): int(count) for name, count in rows}


def read_ledger(data_dir: Path, day: date) -> Mapping[ResourceId, int]:
    """Read the counts of a UTC day beside a running agent; empty if there are none."""
    path = data_dir / LEDGER_FILE
    if not path.is_file():
        return {}
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1.0)
    try:
        return counts_of(db, day)
    except sqlite3.Error:
        return {}
    finally:
        db.close()
