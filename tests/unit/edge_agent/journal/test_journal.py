"""The journal: gap-free, chained, exclusive, and what happens to a file that cannot be used."""

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.journal.aside import kept_aside
from edge_agent.journal.faults import JournalInUseError
from edge_agent.journal.journal import Journal
from edge_agent.journal.reader import JournalReader
from edge_agent.journal.records import Draft, JournalStream, Retention
from edge_agent.journal.verify import verify
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.identifiers import SiteId

SITE = SiteId("site-001")
TICK, TEL, EVT, OFFER = JournalStream


@dataclass
class FakeClock:
    """Moves one second with each look at the wall."""

    wall: datetime = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
    monotonic: int = 5

    def now(self) -> datetime:
        self.wall += timedelta(seconds=1)
        return self.wall

    def monotonic_ns(self) -> int:
        self.monotonic += 1_000_000_000
        return self.monotonic


def entropy_of(number: int) -> Callable[[int], bytes]:
    return lambda count: number.to_bytes(count, "big")


def opened(path: Path, site: SiteId = SITE, number: int = 1) -> Journal:
    return Journal.open(path, site, FakeClock(), entropy=entropy_of(number))


def draft(stream: JournalStream, cycle: int, payload: bytes = b"x") -> Draft:
    return Draft(stream=stream, cycle=cycle, kind="row", payload=payload)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "site-001.journal.sqlite"


def test_each_stream_counts_from_one_without_gaps(path: Path) -> None:
    """If this fails, the coordinator waits for ever for a sequence that does not exist."""
    journal = opened(path)
    assert journal.report.created
    assert journal.last(TEL) == 0
    assert journal.append([draft(TICK, 1), draft(TEL, 1)]) == {TICK: 1, TEL: 1}
    assert journal.append([draft(TICK, 2), draft(EVT, 2), draft(EVT, 2)]) == {TICK: 2, EVT: 2}
    assert [entry.sequence for entry in journal.read(EVT, 1, 9)] == [1, 2]
    assert journal.last(OFFER) == 0
    assert journal.oldest(OFFER) == 1
    journal.close()
    assert verify(path).ok


def test_a_journal_goes_on_where_it_stood(path: Path) -> None:
    """If this fails, a restart sends a second under a number that is already settled."""
    first = opened(path)
    first.append([draft(TEL, 1, b"a")], {"control": b"s1"})
    first.close()
    again = opened(path, number=2)
    assert not again.report.created
    assert again.journal_id == first.journal_id
    assert again.state("control") == b"s1"
    assert again.append([draft(TEL, 2, b"b")], {"control": b"s2"}) == {TEL: 2}
    assert again.state("control") == b"s2"
    assert again.state("nothing") is None
    entries = again.read(TEL, 1, 2)
    assert [entry.payload for entry in entries] == [b"a", b"b"]
    assert entries[0].recorded_at.utcoffset() == timedelta(0)
    again.close()
    assert verify(path).ok


def test_appending_nothing_but_state_commits_it(path: Path) -> None:
    """If this fails, an acknowledgement is forgotten because no entry came with it."""
    journal = opened(path)
    assert journal.append([], {"durable:tel": b"7"}) == {}
    journal.close()
    assert opened(path).state("durable:tel") == b"7"


def test_two_agents_cannot_write_one_journal(path: Path) -> None:
    """If this fails, two agents of one site fight over its battery and its record."""
    journal = opened(path)
    with pytest.raises(JournalInUseError, match=r"in use by process [0-9]+; one agent"):
        opened(path)
    journal.close()
    opened(path).close()


def test_a_failed_append_leaves_nothing_and_no_gap(path: Path) -> None:
    """If this fails, half a tick is settled, or the sequence has a hole after a full disk."""
    journal = opened(path)
    journal.append([draft(TEL, 1)])
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("CREATE TRIGGER t BEFORE INSERT ON evt BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(JournalError):
        journal.append([draft(TEL, 2), draft(EVT, 2)], {"control": b"half"})
    blocker.execute("DROP TRIGGER t")
    blocker.close()
    assert journal.last(TEL) == 1
    assert journal.state("control") is None
    assert journal.append([draft(TEL, 3), draft(EVT, 3)]) == {TEL: 2, EVT: 1}
    journal.close()
    assert verify(path).ok


def test_the_loop_reads_while_a_worker_appends(path: Path) -> None:
    """If this fails, sending backfill stalls the cycle, or reads half a commit."""
    journal = opened(path)
    faults: list[str] = []

    def append() -> None:
        for cycle in range(200):
            journal.append([draft(TICK, cycle), draft(TEL, cycle)], {"n": str(cycle).encode()})

    worker = threading.Thread(target=append)
    worker.start()
    while worker.is_alive():
        last = journal.last(TEL)
        entries = journal.read(TEL, 1, last)
        if [entry.sequence for entry in entries] != list(range(1, last + 1)):
            faults.append(f"{last}: {len(entries)}")
    worker.join()
    assert not faults
    assert journal.last(TEL) == 200
    journal.close()


def test_a_foreign_journal_is_kept_aside_and_readable(path: Path) -> None:
    """If this fails, one household's record is sent, or overwritten, under another's name."""
    other = opened(path, SiteId("site-002"), 1)
    other.append([draft(TEL, 1)])
    other.close()
    journal = opened(path, SITE, 2)
    (aside,) = journal.report.set_aside
    assert aside.cause == "foreign"
    assert "site-002" in aside.reason
    assert journal.journal_id != other.journal_id
    assert journal.last(TEL) == 0
    assert kept_aside(path) == (aside.path,)
    kept = verify(aside.path)
    assert kept.ok
    assert kept.site_id == "site-002"
    assert kept.streams[TEL].count == 1


def test_another_programs_database_is_kept_aside(path: Path) -> None:
    """If this fails, a wrong data_dir destroys somebody's database."""
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE photos (name)")
    connection.close()
    (aside,) = opened(path).report.set_aside
    assert aside.cause == "foreign"
    assert sqlite3.connect(aside.path).execute("SELECT * FROM photos").fetchall() == []


def garbage(path: Path) -> None:
    path.write_bytes(b"this is not a database" * 500)


def half(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def torn_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096 * 4 : 4096 * 5] = b"\xa5" * 4096
    path.write_bytes(bytes(data))


def newer_schema(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def empty_meta(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM meta")
    connection.commit()
    connection.close()


def missing_entry(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM tel WHERE sequence = 30")
    connection.commit()
    connection.close()


def changed_entry(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE tel SET payload = X'00' WHERE sequence = 30")
    connection.commit()
    connection.close()


def changed_state(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE state SET value = X'00'")
    connection.commit()
    connection.close()


def zero_bytes(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES = [
    garbage,
    half,
    torn_page,
    newer_schema,
    empty_meta,
    missing_entry,
    changed_entry,
    changed_state,
    zero_bytes,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_journal_is_kept_aside_as_it_is(
    path: Path, damage: Callable[[Path], None]
) -> None:
    """If this fails, a damaged record is overwritten, trusted, or stops the site."""
    journal = opened(path)
    for cycle in range(60):
        journal.append([draft(TICK, cycle, b"t" * 300), draft(TEL, cycle)], {"control": b"s"})
    journal.close()
    damage(path)
    before = path.read_bytes()
    again = opened(path, number=2)
    (aside,) = again.report.set_aside
    assert aside.cause == "corrupt", aside.reason
    assert aside.path.read_bytes() == before
    assert "\n" not in aside.reason
    assert again.report.created
    assert again.journal_id != journal.journal_id
    assert again.append([draft(TEL, 1)]) == {TEL: 1}
    again.close()
    assert verify(path).ok
    assert not verify(aside.path).ok


def test_two_set_aside_in_one_second_do_not_overwrite_each_other(path: Path) -> None:
    """If this fails, the second damaged journal of a bad morning erases the first."""
    path.parent.mkdir()
    for number in range(3):
        garbage(path)
        moment = FakeClock()
        Journal.open(path, SITE, moment, entropy=entropy_of(number)).close()
    assert len(kept_aside(path)) == 3


def test_a_log_without_its_database_is_kept(path: Path) -> None:
    """If this fails, a half-copied journal loses the entries that were in its log."""
    path.parent.mkdir()
    path.with_name(path.name + "-wal").write_bytes(b"entries")
    (aside,) = opened(path).report.set_aside
    assert aside.path.with_name(aside.path.name + "-wal").read_bytes() == b"entries"


def test_a_kill_while_beginning_leaves_nothing_half(path: Path) -> None:
    """If this fails, a site that lost power at its first start never starts again."""
    path.parent.mkdir()
    path.with_name(path.name + ".new").write_bytes(b"half a database")
    journal = opened(path)
    assert journal.report.set_aside == ()
    journal.append([draft(TEL, 1)])
    journal.close()
    assert verify(path).ok


def test_a_path_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    """If this fails, an installer sees a stack trace for a missing right."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(JournalError, match="cannot be opened"):
        opened(tmp_path / "file" / "journal.sqlite")
    (tmp_path / "folder").mkdir()
    with pytest.raises(JournalError, match="is not a file"):
        opened(tmp_path / "folder")


def test_trimming_keeps_the_chain_and_what_is_not_acknowledged(path: Path) -> None:
    """If this fails, seconds that the coordinator never got are gone, or the proof breaks."""
    journal = opened(path)
    for cycle in range(100):
        journal.append([draft(TICK, cycle, b"t" * 3000), draft(TEL, cycle, b"r" * 3000)])
    tight = Retention(
        bytes_max=1, tick_age_s_max=1e9, durable={TEL: 40}, rows_max=30, ticks_kept_min=10
    )
    for _ in range(10):
        report = journal.trim(tight)
    assert journal.oldest(TICK) == 91
    assert journal.oldest(TEL) == 41
    assert journal.last(TEL) == 100
    assert report.over_bytes > 0
    assert journal.append([draft(TEL, 101)]) == {TEL: 101}
    assert verify(path).ok
    journal.close()
    journal = opened(path)
    assert not journal.report.set_aside
    assert journal.oldest(TEL) == 41
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM tel WHERE sequence = 41")
    connection.commit()
    connection.close()
    assert "entry 41 is missing" in verify(path).fault


def test_ticks_go_by_age_and_telemetry_stays(path: Path) -> None:
    """If this fails, 60 days of 1-s power are thrown away with the replay inputs."""
    journal = opened(path)
    for cycle in range(100):
        journal.append([draft(TICK, cycle), draft(TEL, cycle)])
    retention = Retention(bytes_max=10**9, tick_age_s_max=20.0, durable={TEL: 100})
    report = journal.trim(retention)
    assert report.removed[TICK] == pytest.approx(80, abs=2)
    assert report.removed[TEL] == 0
    assert journal.oldest(TEL) == 1
    journal.append([draft(TICK, 101)])
    assert verify(path).ok


def test_a_stream_trimmed_to_nothing_goes_on_counting(path: Path) -> None:
    """If this fails, a restart after a quiet month begins at sequence 1 again."""
    journal = opened(path)
    journal.append([draft(EVT, 1), draft(EVT, 1)])
    empty = Retention(bytes_max=1, tick_age_s_max=1e9, durable={EVT: 2}, ticks_kept_min=0)
    journal.trim(empty)
    assert journal.oldest(EVT) == 3
    journal.close()
    journal = opened(path)
    assert journal.last(EVT) == 2
    assert journal.append([draft(EVT, 2)]) == {EVT: 3}
    assert verify(path).ok


def test_a_reader_finds_a_moment_while_the_agent_runs(path: Path) -> None:
    """If this fails, a technician cannot look at a running site."""
    journal = opened(path)
    for cycle in range(50):
        journal.append([draft(TICK, cycle)])
    reader = JournalReader(path)
    moment = journal.read(TICK, 20, 20)[0].recorded_at
    assert reader.sequence_at(TICK, moment) == 20
    assert reader.sequence_at(TICK, moment - timedelta(days=1)) == 1
    assert reader.sequence_at(TICK, moment + timedelta(days=1)) == 51
    assert reader.sequence_at(OFFER, moment) == 1
    journal.append([draft(TICK, 99)])
    assert reader.bounds(TICK) == (1, 51)
    assert [entry.cycle for entry in reader.scan(TICK, 49, 60)] == [48, 49, 99]
    newest = reader.last_of_kind(TICK, "row", until=50)
    assert newest is not None
    assert newest.sequence == 50
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connection.execute("DELETE FROM tick")


def test_damage_found_at_run_time_is_looked_for_at_the_next_start(path: Path) -> None:
    """If this fails, a large damaged journal is opened again and again."""
    journal = opened(path)
    journal.append([], {"control": b"s"})
    connection = sqlite3.connect(path)
    connection.execute("UPDATE state SET value = X'00'")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="state 'control' is damaged"):
        journal.state("control")
    assert path.with_name(path.name + ".suspect").exists()
    journal.close()
    assert opened(path, number=2).report.set_aside[0].cause == "corrupt"
    assert not path.with_name(path.name + ".suspect").exists()
