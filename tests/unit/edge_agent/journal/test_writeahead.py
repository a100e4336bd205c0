"""The write-ahead log does not grow under a running agent."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.journal.journal import Journal
from edge_agent.journal.records import Draft, JournalStream
from edge_agent.journal.verify import verify
from edge_agent.journal.writeahead import RESERVED_BYTES
from protocols.vocabulary.identifiers import SiteId


class FixedClock:
    def now(self) -> datetime:
        return datetime(2026, 7, 22, tzinfo=UTC)

    def monotonic_ns(self) -> int:
        return 7


def ticks(journal: Journal, count: int) -> None:
    for cycle in range(count):
        draft = Draft(
            stream=JournalStream.TICK,
            cycle=cycle,
            kind="cycle",
            payload=bytes([cycle % 251]) * 3000,
        )
        journal.append([draft], {"counters": b"x"})


def test_commits_write_over_the_log_in_place(tmp_path: Path) -> None:
    """Each commit would make the file longer and wait for the file system's own journal."""
    path = tmp_path / "site.journal.sqlite"
    log = tmp_path / "site.journal.sqlite-wal"
    journal = Journal.open(path, SiteId("site-001"), FixedClock())
    reserved = log.stat().st_size
    assert reserved >= RESERVED_BYTES
    for _ in range(10):
        ticks(journal, 60)
        journal.tidy()
    assert log.stat().st_size == reserved
    assert journal.last(JournalStream.TICK) == 600
    journal.close()
    assert verify(path).ok


def test_what_was_copied_is_in_the_database_alone(tmp_path: Path) -> None:
    """Tidying would pretend: the whole record would still hang on the log."""
    path = tmp_path / "site.journal.sqlite"
    journal = Journal.open(path, SiteId("site-001"), FixedClock())
    ticks(journal, 5)
    journal.tidy()
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(path.read_bytes())
    connection = sqlite3.connect(copy)
    assert connection.execute("SELECT count(*) FROM tick").fetchone() == (5,)
    connection.close()
    journal.close()


def test_a_crowded_log_is_copied_without_help(tmp_path: Path) -> None:
    """An agent whose upkeep hangs would fill the disk with its log."""
    path = tmp_path / "site.journal.sqlite"
    journal = Journal.open(path, SiteId("site-001"), FixedClock())
    ticks(journal, 3_000)
    assert (tmp_path / "site.journal.sqlite-wal").stat().st_size < 25_000_000
    journal.close()
