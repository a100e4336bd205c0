"""What a counterpart has received and answered, durable before it answers.

The same request again gets the same answer, also after a restart: that is what lets a client
whose answer was lost ask again without bidding twice.
"""

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from protocols.vocabulary.errors import ConfigError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL,
    body BLOB NOT NULL, answer BLOB NOT NULL, UNIQUE (kind, key)
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request with its answer.

    Attributes
    ----------
    kind, key : str
        What it is, and its id.
    digest : str
        SHA-256 of the body, hexadecimal.
    body, answer : bytes
        As they came and went.
    """

    kind: str
    key: str
    digest: str
    body: bytes
    answer: bytes


class Ledger:
    """Entries in one SQLite file.

    Parameters
    ----------
    path : Path or None
        None keeps them in memory.

    Raises
    ------
    ConfigError
        If the file cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        try:
            self._connection = sqlite3.connect(
                ":memory:" if path is None else path, isolation_level=None
            )
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute(_SCHEMA)
        except sqlite3.Error as error:
            raise ConfigError(f"ledger {path}: {error}") from error

    def find(self, kind: str, key: str) -> Entry | None:
        """Return an entry, if there is one."""
        rows = self._connection.execute(
            "SELECT kind, key, digest, body, answer FROM entries WHERE kind = ? AND key = ?",
            (kind, key),
        ).fetchall()
        return _entry(rows[0]) if rows else None

    def keep(self, kind: str, key: str, *, body: bytes, answer: bytes) -> Entry:
        """Keep a new entry; durable on return."""
        entry = Entry(kind=kind, key=key, digest=digest_of(body), body=body, answer=answer)
        self._connection.execute(
            "INSERT INTO entries (kind, key, digest, body, answer) VALUES (?, ?, ?, ?, ?)",
            (entry.kind, entry.key, entry.digest, entry.body, entry.answer),
        )
        return entry

    def entries(self, kind: str) -> Sequence[Entry]:
        """All entries of a kind, as they came."""
        rows = self._connection.execute(
            "SELECT kind, key, digest, body, answer FROM entries WHERE kind = ? ORDER BY number",
            (kind,),
        ).fetchall()
        return [_entry(row) for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def digest_of(body: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def _entry(row: tuple[str, str, str, bytes, bytes]) -> Entry:
    return Entry(kind=row[0], key=row[1], digest=row[2], body=row[3], answer=row[4])
