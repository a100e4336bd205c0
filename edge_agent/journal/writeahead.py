"""Keeps a commit's wait for the disk short: room made beforehand, copying done elsewhere.

A commit that makes the write-ahead log longer waits for the file system's own journal, and on
a busy disk that takes hundreds of milliseconds. So the log is filled once when a journal is
opened and then written over in place, and its content is copied into the database by a
connection and a thread of its own. Called by :class:`Journal` only.
"""

import sqlite3
from pathlib import Path
from typing import Final

RESERVED_BYTES: Final = 2_000_000
"""Room in the log: ten seconds of a site with 50 devices."""
PAGES_UNTIL_INLINE: Final = 4_000
"""Size in pages at which a commit copies by itself, should nobody else do it."""


def reserve(connection: sqlite3.Connection, path: Path) -> None:
    """Fill the log, and as much of the database, so that commits need not make them longer.

    Parameters
    ----------
    connection : sqlite3.Connection
        The writer's, in write-ahead mode.
    path : Path
        The database's file.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size >= RESERVED_BYTES:
        return
    connection.execute("CREATE TABLE reserve (filler BLOB)")
    connection.execute("INSERT INTO reserve VALUES (zeroblob(?))", (RESERVED_BYTES,))
    connection.execute("DROP TABLE reserve")
    connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()


def copy_into_database(path: Path, *, timeout_s: float) -> None:
    """Copy what the log holds into the database, beside a writer that goes on writing.

    Raises
    ------
    sqlite3.Error
        If the disk refuses; the log keeps everything then.
    """
    connection = sqlite3.connect(path, isolation_level=None, timeout=timeout_s)
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    finally:
        connection.close()
