"""Reads a journal file: the agent's second connection, and the technician's only one.

Never writes. Works on the file of a running agent and on files kept aside.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from edge_agent.journal.chain import state_digest
from edge_agent.journal.faults import DamagedJournalError, journal_error
from edge_agent.journal.instants import microseconds_of, moment_of
from edge_agent.journal.records import JournalStream
from edge_agent.journal.schema import STATEMENTS, Meta, connect_read_only, read_meta
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.setpoint import JournalEntry

READ_MAX: Final = 100_000
"""Most entries that one call of :meth:`JournalReader.read` returns."""
_BATCH: Final = 500

Row = tuple[int, int, int, int, str, bytes, bytes]


def entry_of(row: Row) -> JournalEntry:
    """Turn a row of a stream's table into an entry."""
    return JournalEntry(
        sequence=row[0],
        recorded_at=moment_of(row[1]),
        monotonic_ns=row[2],
        cycle=row[3],
        kind=row[4],
        payload=row[5],
        digest=row[6],
    )


class JournalReader:
    """A read-only view of one journal file.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    DamagedJournalError, ForeignJournalError
        If it is not a journal this program can read.
    JournalError
        If the file is missing or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection = connect_read_only(path)
        try:
            self.meta: Meta = read_meta(self._connection)
        except sqlite3.Error as error:
            self._connection.close()
            raise journal_error(path, error) from None
        except JournalError as error:
            self._connection.close()
            raise type(error)(f"{path}: {error}") from None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def bounds(self, stream: JournalStream) -> tuple[int, int]:
        """First and last sequence held; ``last == first - 1`` for an empty stream."""
        first = self.anchor(stream)[0] + 1
        last = self._rows(STATEMENTS[stream].last, ())
        return first, int(last[0][0]) if last else first - 1

    def read(self, stream: JournalStream, first: int, last: int) -> list[JournalEntry]:
        """Entries ``first..last`` that are held, ascending, at most ``READ_MAX``."""
        last = min(last, first + READ_MAX - 1)
        return [entry_of(row) for row in self._rows(STATEMENTS[stream].between, (first, last))]

    def scan(
        self, stream: JournalStream, first: int, last: int, *, kind: str | None = None
    ) -> Iterator[JournalEntry]:
        """Entries ``first..last`` one after the other, of one kind or all, in little memory."""
        statements = STATEMENTS[stream]
        for low in range(first, last + 1, _BATCH):
            high = min(low + _BATCH - 1, last)
            if kind is None:
                rows = self._rows(statements.between, (low, high))
            else:
                rows = self._rows(statements.of_kind, (kind, low, high))
            for row in rows:
                yield entry_of(row)

    def last_of_kind(self, stream: JournalStream, kind: str, *, until: int) -> JournalEntry | None:
        """Return the newest entry of a kind with a sequence of at most ``until``."""
        rows = self._rows(STATEMENTS[stream].kind_before, (kind, until))
        return entry_of(rows[0]) if rows else None

    def sequence_at(self, stream: JournalStream, moment: datetime) -> int:
        """First sequence recorded at or after a moment; one past the last if none was.

        Found by halving, so where the wall clock was set back it is one of several.
        """
        wanted_us = microseconds_of(moment)
        low, high = self.bounds(stream)
        high += 1
        while low < high:
            middle = (low + high) // 2
            rows = self._rows(STATEMENTS[stream].times, (middle, 1))
            if rows and int(rows[0][1]) < wanted_us:
                low = int(rows[0][0]) + 1
            else:
                high = middle
        return low

    def state(self, key: str) -> bytes | None:
        """Value of a state key as last committed, None if there is none.

        Raises
        ------
        DamagedJournalError
            If the value is.
        """
        rows = self._rows("SELECT value, digest FROM state WHERE key = ?", (key,))
        if not rows:
            return None
        value, digest = bytes(rows[0][0]), bytes(rows[0][1])
        if digest != state_digest(key, value):
            raise DamagedJournalError(f"{self.path}: state {key!r} is damaged")
        return value

    def damage(self, *, pages: bool) -> str:
        """Look for damage in the states and, if asked, in every page of the file.

        Returns
        -------
        str
            The first fault; empty if all is well.
        """
        try:
            found = self._rows("PRAGMA quick_check(1)", ()) if pages else []
            for row in self._rows("SELECT key FROM state", ()):
                self.state(str(row[0]))
        except DamagedJournalError as error:
            return str(error).removeprefix(f"{self.path}: ")
        text = " ".join(str(found[0][0]).split()) if found else "ok"
        return "" if text == "ok" else text

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """See one state of the file while an agent goes on writing it; keep it short."""
        self._rows("BEGIN", ())
        try:
            yield
        finally:
            with contextlib.suppress(JournalError):
                self._rows("COMMIT", ())

    def anchor(self, stream: JournalStream) -> tuple[int, bytes]:
        """Sequence and digest that stand before the first entry held."""
        rows = self._rows("SELECT sequence, digest FROM anchor WHERE stream = ?", (stream.value,))
        if not rows:
            raise DamagedJournalError(f"{self.path}: stream {stream.value} has no anchor")
        return int(rows[0][0]), bytes(rows[0][1])

    def _rows(self, statement: str, parameters: tuple[object, ...]) -> list[Any]:
        try:
            with self._lock:
                return self._connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise journal_error(self.path, error) from error
