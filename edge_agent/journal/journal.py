"""The site's record: append-only streams, gap-free and chained, one FULL commit per tick.

It survives kill -9 and torn writes as a prefix. What it is not: a queue (the link reads it and
forgets nothing by itself) or a place of decisions. Called by the cycle, from a worker thread
for appending and from the loop's thread for reading.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from edge_agent.journal.chain import entry_digest, state_digest
from edge_agent.journal.faults import DamagedJournalError, journal_error
from edge_agent.journal.instants import microseconds_of
from edge_agent.journal.opening import Opening, lock, prepare, suspect_mark
from edge_agent.journal.reader import JournalReader
from edge_agent.journal.records import Draft, JournalStream, OpenReport, Retention, TrimReport
from edge_agent.journal.retention import forget_oldest
from edge_agent.journal.schema import STATEMENTS
from edge_agent.journal.writeahead import PAGES_UNTIL_INLINE, copy_into_database, reserve
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.identifiers import JournalId, SiteId
from protocols.vocabulary.intervals import Clock
from protocols.vocabulary.setpoint import JournalEntry

BUSY_TIMEOUT_S: Final = 2.0
WAL_BYTES_KEPT: Final = 16_000_000
_UPSERT_STATE: Final = (
    "INSERT INTO state (key, value, digest) VALUES (?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value, digest = excluded.digest"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Last sequence of a stream and its digest."""

    sequence: int
    digest: bytes


class Journal:
    """One site's journal, open for writing. Made by :meth:`open`.

    Parameters
    ----------
    reader : JournalReader
        The same file, for reading.
    clock : Clock
        For the times of entries.
    lock_descriptor : int
        Holds the exclusive lock.
    report : OpenReport
        What opening did.
    """

    def __init__(
        self, reader: JournalReader, clock: Clock, *, lock_descriptor: int, report: OpenReport
    ) -> None:
        self.path: Final = reader.path
        self.report: Final = report
        self._reader = reader
        self._clock = clock
        self._lock_descriptor = lock_descriptor
        self._writing = threading.Lock()
        self._connection = _connect(self.path)
        self._heads: dict[JournalStream, Head] = {}
        self._heads_known = False
        with self._writing:
            self._load_heads()

    @classmethod
    def open(
        cls,
        path: Path,
        site_id: SiteId,
        clock: Clock,
        *,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> Self:
        """Open a site's journal, or begin one.

        Parameters
        ----------
        path : Path
            Its file; the folder is made if it is missing.
        site_id : SiteId
            Whose journal it must be.
        clock : Clock
            Time.
        entropy : callable
            Gives that many random bytes, for the id of a new journal.

        Returns
        -------
        Journal
            Its ``report`` says whether it was begun and what was kept aside for it.

        Raises
        ------
        JournalInUseError
            If another process writes it.
        JournalError
            If the disk refuses. A damaged or foreign file is no error: it is kept aside.
        """
        opening = Opening(path=path, site_id=site_id, now=clock.now(), entropy=entropy)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = lock(path)
        except OSError as error:
            raise JournalError(f"{path}: cannot be opened: {error.strerror}") from None
        try:
            report = prepare(opening)
            return cls(JournalReader(path), clock, lock_descriptor=descriptor, report=report)
        except OSError as error:
            os.close(descriptor)
            raise JournalError(f"{path}: cannot be opened: {error.strerror}") from None
        except sqlite3.Error as error:
            os.close(descriptor)
            raise journal_error(path, error) from None
        except JournalError:
            os.close(descriptor)
            raise

    @property
    def journal_id(self) -> JournalId:
        """Id of this journal; a new one when a file was kept aside."""
        return self._reader.meta.journal_id

    def append(
        self, entries: Sequence[Draft], state: Mapping[str, bytes] | None = None
    ) -> dict[JournalStream, int]:
        """Append entries and replace states in one durable commit.

        Parameters
        ----------
        entries : sequence of Draft
            In their order within each stream.
        state : mapping of str to bytes, optional
            Keys to be replaced in the same commit.

        Returns
        -------
        dict of JournalStream to int
            Last sequence of every stream that got an entry.

        Raises
        ------
        JournalError
            If nothing was written. All or nothing: a later call goes on without a gap.
        """
        with self._writing, self._transaction():
            recorded_us = microseconds_of(self._clock.now())
            monotonic_ns = self._clock.monotonic_ns()
            heads = dict(self._heads)
            for draft in entries:
                before = heads[draft.stream]
                numbers = (before.sequence + 1, recorded_us, monotonic_ns, draft.cycle)
                digest = entry_digest(
                    before.digest,
                    draft.stream.value,
                    numbers,
                    kind=draft.kind,
                    payload=draft.payload,
                )
                self._connection.execute(
                    STATEMENTS[draft.stream].insert,
                    (*numbers, draft.kind, draft.payload, digest),
                )
                heads[draft.stream] = Head(sequence=numbers[0], digest=digest)
            for key, value in (state or {}).items():
                self._connection.execute(_UPSERT_STATE, (key, value, state_digest(key, value)))
            self._connection.execute("COMMIT")
            self._heads = heads
        return {draft.stream: heads[draft.stream].sequence for draft in entries}

    def last(self, stream: JournalStream) -> int:
        """Last committed sequence, 0 if there never was an entry."""
        return self._heads[stream].sequence

    def oldest(self, stream: JournalStream) -> int:
        """First sequence still held; one past the last if none is."""
        return self._reader.bounds(stream)[0]

    def read(self, stream: JournalStream, first: int, last: int) -> list[JournalEntry]:
        """Entries ``first..last`` that are held, ascending, at most ``READ_MAX``."""
        with self._marking_damage():
            return self._reader.read(stream, first, last)

    def state(self, key: str) -> bytes | None:
        """Value of a state key as last committed, None if there is none."""
        with self._marking_damage():
            return self._reader.state(key)

    def trim(self, retention: Retention) -> TrimReport:
        """Forget the oldest entries that may be forgotten, at most ``rows_max`` of them.

        Parameters
        ----------
        retention : Retention
            What may go.

        Returns
        -------
        TrimReport
            What went; call again while ``over_bytes`` is above 0 and something was removed.

        Notes
        -----
        The digest before the first entry left is kept, so the chain stays verifiable.
        """
        with self._writing, self._transaction():
            report = forget_oldest(self._connection, retention, self._clock.now())
            self._connection.execute("COMMIT")
        return report

    def tidy(self) -> None:
        """Copy the write-ahead log into the database; every few seconds, from a worker thread.

        Raises
        ------
        JournalError
            If the disk refuses; nothing is lost by it.
        """
        try:
            copy_into_database(self.path, timeout_s=BUSY_TIMEOUT_S)
        except sqlite3.Error as error:
            raise self._told(journal_error(self.path, error)) from error

    def close(self) -> None:
        """Write everything into the one file and let go of the lock."""
        with self._writing:
            self._reader.close()
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()
            os.close(self._lock_descriptor)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Begin; roll back and tell the caller if anything fails."""
        try:
            if not self._heads_known:
                self._load_heads()
            self._connection.execute("BEGIN IMMEDIATE")
            yield
        except sqlite3.Error as error:
            self._heads_known = False
            with contextlib.suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            raise self._told(journal_error(self.path, error)) from error

    @contextlib.contextmanager
    def _marking_damage(self) -> Iterator[None]:
        """Let the next start check every page if a read found damage."""
        try:
            yield
        except DamagedJournalError as error:
            raise self._told(error) from error

    def _told(self, error: JournalError) -> JournalError:
        if isinstance(error, DamagedJournalError):
            with contextlib.suppress(OSError):
                suspect_mark(self.path).touch()
        return error

    def _load_heads(self) -> None:
        """Read where each stream stands; after a failed commit, memory may not say."""
        heads: dict[JournalStream, Head] = {}
        for stream in JournalStream:
            row = self._connection.execute(STATEMENTS[stream].last).fetchone()
            if row is None:
                row = self._connection.execute(
                    "SELECT sequence, digest FROM anchor WHERE stream = ?", (stream.value,)
                ).fetchone()
            heads[stream] = Head(sequence=int(row[0]), digest=bytes(row[-1]))
        self._heads = heads
        self._heads_known = True


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_S
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES_UNTIL_INLINE}")
    reserve(connection, path)
    return connection
