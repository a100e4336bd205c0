"""The durable records of a role: a small SQLite file that survives kill -9.

Implements ``protocols.sansio.records.RecordBook``. What was put is on the disk when ``put``
returns; a shell answers its peer only afterwards. The file is bounded: beyond the bound a put
is refused and nothing changes. A damaged file is set aside: the peer tells everything again,
and the site holds its defaults meanwhile.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import structlog

from protocols.sansio.records import Change
from protocols.vocabulary.errors import ConfigError, StoreError
from protocols.vocabulary.intervals import Clock

BYTES_MAX: Final = 16_000_000
"""Most bytes of keys and values together that one role may keep."""
_BUSY_MS: Final = 2000
_DAMAGE_CODES: Final = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
)
_PRIMARY_CODE: Final = 0xFF
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID
"""
_PUT: Final = """
INSERT INTO records (key, value) VALUES (?, ?)
ON CONFLICT (key) DO UPDATE SET value = excluded.value
"""
_SIZE: Final = "SELECT coalesce(sum(length(CAST(key AS BLOB)) + length(value)), 0) FROM records"

log = structlog.get_logger(__name__)


class RecordFile:
    """Records of one role in one file.

    Parameters
    ----------
    path : Path
        The file; its folder is made if it is missing.
    clock : Clock
        Names a file that is set aside.
    bytes_max : int
        Most bytes of keys and values together.

    Raises
    ------
    ConfigError
        If the file cannot be opened and cannot be set aside.
    """

    def __init__(self, path: Path, clock: Clock, *, bytes_max: int = BYTES_MAX) -> None:
        self._path = path
        self._bytes_max = bytes_max
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = self._opened(clock)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"data_dir: {path}: {error}") from error

    def _opened(self, clock: Clock) -> sqlite3.Connection:
        try:
            return _open(self._path)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & _PRIMARY_CODE not in _DAMAGE_CODES:
                raise
            cause = str(error)
        stamp = clock.now().strftime("%Y%m%dT%H%M%SZ")
        aside = self._path.with_name(f"{self._path.name}.damaged-{stamp}")
        self._path.rename(aside)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(f"{self._path.name}{suffix}").unlink(missing_ok=True)
        log.warning("records.set_aside", path=str(aside), cause=cause)
        return _open(self._path)

    def load(self) -> Mapping[str, bytes]:
        """Everything kept.

        Raises
        ------
        StoreError
            If the file cannot be read.
        """
        try:
            return dict(self._database.execute("SELECT key, value FROM records").fetchall())
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error

    def put(self, changes: Iterable[Change]) -> None:
        """Keep or delete records, all or none; durable when it returns.

        Raises
        ------
        StoreError
            If the disk refuses, or the bound would be passed: nothing has changed then.
        """
        try:
            with self._database:
                for change in changes:
                    if change.value is None:
                        self._database.execute("DELETE FROM records WHERE key = ?", (change.key,))
                    else:
                        self._database.execute(_PUT, (change.key, change.value))
                (size,) = self._database.execute(_SIZE).fetchone()
                if size > self._bytes_max:
                    raise StoreError(
                        f"{self._path}: {size} bytes would be more than {self._bytes_max}"
                    )
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def _open(path: Path) -> sqlite3.Connection:
    """Open, check and prepare; commits are on the disk when they return."""
    database = sqlite3.connect(path, check_same_thread=False)
    try:
        database.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            fault = sqlite3.DatabaseError(verdict)
            fault.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise fault
        database.execute(_SCHEMA)
        database.commit()
    except sqlite3.Error:
        database.close()
        raise
    return database
