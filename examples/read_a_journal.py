"""Write a site's journal, read it, and find out that somebody changed it.

A commit is one transaction that is on the disk when ``append`` returns. Each entry's digest
holds the one before, so a changed or missing entry cannot be hidden.

Prints::

    1 mode.changed at cycle 7: NORMAL -> AUTONOMOUS
    2 mode.changed at cycle 9: AUTONOMOUS -> NORMAL
    verified: ok
    after a change: entry 2 was changed: its digest does not fit
"""

import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgpack

from edge_agent.journal.journal import Journal
from edge_agent.journal.reader import JournalReader
from edge_agent.journal.records import Draft, JournalStream
from edge_agent.journal.verify import verify
from protocols.vocabulary.identifiers import SiteId


class StoppedClock:
    """A clock that stands still: nothing but the wiring of a program reads the real one."""

    def now(self) -> datetime:
        """Return the same moment always."""
        return datetime(2026, 7, 22, 1, 0, tzinfo=UTC)

    def monotonic_ns(self) -> int:
        """Return the same reading always."""
        return 0


def changed(cycle: int, words: str) -> Draft:
    """Make an event; the journal gives it its number, times and digest."""
    return Draft(
        stream=JournalStream.EVENT, cycle=cycle, kind="mode.changed", payload=msgpack.packb(words)
    )


def main() -> None:
    """Append, read, verify, meddle, verify."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site-001.journal.sqlite"
        journal = Journal.open(path, SiteId("site-001"), StoppedClock())
        journal.append([changed(7, "NORMAL -> AUTONOMOUS"), changed(9, "AUTONOMOUS -> NORMAL")])
        journal.close()

        reader = JournalReader(path)  # read-only; a running agent would not be disturbed
        first, last = reader.bounds(JournalStream.EVENT)
        for entry in reader.read(JournalStream.EVENT, first, last):
            words = msgpack.unpackb(entry.payload)
            print(f"{entry.sequence} {entry.kind} at cycle {entry.cycle}: {words}")
        reader.close()
        print(f"verified: {'ok' if verify(path).ok else 'not ok'}")

        with closing(sqlite3.connect(path)) as meddler, meddler:
            meddler.execute("UPDATE evt SET cycle = 8 WHERE sequence = 2")
        print(f"after a change: {verify(path).streams[JournalStream.EVENT].fault}")


if __name__ == "__main__":
    main()
