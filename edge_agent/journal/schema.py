"""Tables of the journal file: made whole or not at all, and checked before use.

One table per stream with the sequence as row id, so appending and forgetting touch the ends
of a B-tree only. Called by the journal and its readers.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

import sqlite_utils

from edge_agent.journal.chain import origin_digest
from edge_agent.journal.faults import DamagedJournalError, ForeignJournalError, journal_error
from edge_agent.journal.records import JournalStream
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.identifiers import JournalId, SiteId

APPLICATION_ID: Final = 0x5650504A
"""``VPPJ`` in the header of the file: a journal, and no other program's database."""
SCHEMA_VERSION: Final = 1
_ENTRY_COLUMNS: Final = {
    "sequence": int,
    "recorded_us": int,
    "monotonic_ns": int,
    "cycle": int,
    "kind": str,
    "payload": bytes,
    "digest": bytes,
}
_TABLES: Final = {*(stream.value for stream in JournalStream), "meta", "anchor", "state"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """Who a journal belongs to."""

    journal_id: JournalId
    site_id: SiteId
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """Prepared text of the statements of one stream's table."""

    insert: str
    last: str
    between: str
    forget: str
    times: str
    of_kind: str
    kind_before: str


def _statements(stream: JournalStream) -> Statements:
    table = stream.value  # one of our four constants, never a caller's text
    columns = "sequence, recorded_us, monotonic_ns, cycle, kind, payload, digest"
    select = f"SELECT {columns} FROM {table}"  # noqa: S608 - table is a constant of ours
    return Statements(
        insert=f"INSERT INTO {table} ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - as above
        last=f"{select} ORDER BY sequence DESC LIMIT 1",
        between=f"{select} WHERE sequence BETWEEN ? AND ? ORDER BY sequence",
        forget=f"DELETE FROM {table} WHERE sequence <= ?",  # noqa: S608 - as above
        times=(
            f"SELECT sequence, recorded_us FROM {table} "  # noqa: S608 - as above
            "WHERE sequence >= ? ORDER BY sequence LIMIT ?"
        ),
        of_kind=f"{select} WHERE kind = ? AND sequence BETWEEN ? AND ? ORDER BY sequence",
        kind_before=(f"{select} WHERE kind = ? AND sequence <= ? ORDER BY sequence DESC LIMIT 1"),
    )


STATEMENTS: Final[Mapping[JournalStream, Statements]] = MappingProxyType(
    {stream: _statements(stream) for stream in JournalStream}
)


def create(path: Path, meta: Meta) -> None:
    """Make an empty journal file.

    Parameters
    ----------
    path : Path
        Must not exist. The file is complete, or a kill leaves one that nobody opens.
    meta : Meta
        Whose it is.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        _create_tables(sqlite_utils.Database(connection), meta)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def _create_tables(database: sqlite_utils.Database, meta: Meta) -> None:
    for stream in JournalStream:
        database.create_table(
            stream.value,
            _ENTRY_COLUMNS,
            pk="sequence",
            not_null=_ENTRY_COLUMNS.keys() - {"sequence"},
            strict=True,
        )
    database.create_table("meta", {"key": str, "value": str}, pk="key", strict=True)
    database.create_table(
        "anchor", {"stream": str, "sequence": int, "digest": bytes}, pk="stream", strict=True
    )
    database.create_table(
        "state", {"key": str, "value": bytes, "digest": bytes}, pk="key", strict=True
    )
    facts = {
        "journal_id": meta.journal_id,
        "site_id": meta.site_id,
        "created_at": meta.created_at.isoformat(),
    }
    connection = database.conn
    connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", facts.items())
    connection.executemany(
        "INSERT INTO anchor (stream, sequence, digest) VALUES (?, 0, ?)",
        [
            (stream.value, origin_digest(meta.journal_id, meta.site_id, stream.value))
            for stream in JournalStream
        ],
    )


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a journal file for reading, while an agent writes it or not.

    Raises
    ------
    JournalError
        If there is no such file or it cannot be opened.
    """
    if not path.is_file():
        raise JournalError(f"{path}: no such journal")
    try:
        return sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=2.0,
        )
    except sqlite3.Error as error:
        raise journal_error(path, error) from None


def read_meta(connection: sqlite3.Connection) -> Meta:
    """Check that a database is a journal of this version and say whose it is.

    Raises
    ------
    ForeignJournalError
        If it is a sound database of another program.
    DamagedJournalError
        If it is a journal of another version, or its tables are not those of a journal.
    sqlite3.DatabaseError
        If it is not a database, or damaged.
    """
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    database = sqlite_utils.Database(connection)
    names = set(database.table_names())
    if not names:
        raise DamagedJournalError("an empty database")
    if application != APPLICATION_ID:
        raise ForeignJournalError("a database of another program")
    if version != SCHEMA_VERSION:
        raise DamagedJournalError(f"schema version {version}, this program reads {SCHEMA_VERSION}")
    if not names >= _TABLES:
        raise DamagedJournalError(f"tables missing: {', '.join(sorted(_TABLES - names))}")
    facts = {str(row["key"]): str(row["value"]) for row in database["meta"].rows}
    try:
        return Meta(
            journal_id=JournalId(facts["journal_id"]),
            site_id=SiteId(facts["site_id"]),
            created_at=datetime.fromisoformat(facts["created_at"]).astimezone(UTC),
        )
    except (KeyError, ValueError) as error:
        raise DamagedJournalError(f"its meta table is damaged: {error}") from None
