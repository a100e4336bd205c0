"""The telemetry history: each sequence stored once, durable when it says so, readable."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from cloud_coordinator.store.catalog import Catalog
from cloud_coordinator.store.history import UNKNOWN_MODE, History
from cloud_coordinator.store.segments import SegmentName
from cloud_coordinator.store.telemetry import TelemetrySettings, TelemetryStore
from protocols.link.messages import Telemetry
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.identifiers import JournalId, SiteId, partition_of
from protocols.vocabulary.intervals import Interval, utc_from_seconds
from protocols.vocabulary.measurement import Quality

T0 = 1_784_682_000  # 2026-07-22T01:00:00Z
SITE = SiteId("site-001")
JOURNAL = JournalId("j-1")


class FixedClock:
    """Wall time that a test moves by hand."""

    def __init__(self) -> None:
        self.time_s = float(T0)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time_s, tz=UTC)

    def monotonic_ns(self) -> int:
        return int(self.time_s * 1e9)


def rows(
    first: int, count: int, *, journal: str = JOURNAL, resources: int = 2, time_s: int | None = None
) -> Telemetry:
    """Rows whose every value can be foretold from sequence and column."""
    start_s = T0 + first if time_s is None else time_s
    width = 6 + 4 * resources
    sequences = np.arange(first, first + count)
    return Telemetry(
        journal_id=JournalId(journal),
        first_sequence=first,
        layout_version=1,
        times_s=np.arange(start_s, start_s + count, dtype=np.int64),
        signal_ids=sequences * 10,
        values=(sequences[:, None] * 100 + np.arange(width)[None, :]).astype(np.float32),
    )


def open_store(root: Path, **more: int) -> TelemetryStore:
    return TelemetryStore(TelemetrySettings(root=root, **more), FixedClock())


def span(start: int, end: int) -> Interval:
    return Interval(start=utc_from_seconds(T0 + start), end=utc_from_seconds(T0 + end))


def test_stored_rows_come_back_as_they_were_sent(tmp_path: Path) -> None:
    """A statement would be calculated from powers that nobody measured."""
    store = open_store(tmp_path)
    store.append(SITE, rows(1, 100))
    store.append(SiteId("site-002"), rows(1, 3, resources=0))
    store.flush()
    history = History(store)
    got = history.site_seconds([SITE], span(10, 13))
    assert got.second.tolist() == [T0 + 10, T0 + 11, T0 + 12]
    assert got.signal_id.tolist() == [100, 110, 120]
    assert got.meter_w.tolist() == [1000.0, 1100.0, 1200.0]
    assert got.baseline_w.tolist() == [1001.0, 1101.0, 1201.0]
    assert got.share_w.tolist() == [1002.0, 1102.0, 1202.0]
    second = history.resource_seconds(SITE, {(JOURNAL, 1): 1}, span(10, 12))
    assert second.power_w.tolist() == [1010.0, 1110.0]
    assert second.setpoint_w.tolist() == [1011.0, 1111.0]
    assert second.soc.tolist() == [1012.0, 1112.0]
    none = history.resource_seconds(SITE, {(JOURNAL, 2): 0}, span(10, 12))
    assert none.second.tolist() == []


def test_sites_are_told_apart_and_sorted_by_second(tmp_path: Path) -> None:
    """One site's delivery would be booked to another."""
    store = open_store(tmp_path)
    sites = [SiteId("b"), SiteId("a"), SiteId("c")]
    for index, site in enumerate(sites):
        store.append(site, rows(1 + index, 2, resources=index))
    store.flush()
    got = History(store).site_seconds([SiteId("c"), SiteId("a")], span(0, 100))
    assert got.sites == ("c", "a")
    pairs = list(zip(got.second.tolist(), got.site_index.tolist(), strict=True))
    assert pairs == [(T0 + 2, 1), (T0 + 3, 0), (T0 + 3, 1), (T0 + 4, 0)]


def test_missing_numbers_stay_missing(tmp_path: Path) -> None:
    """A meter that gave no number would be paid as 0 W."""
    message = rows(1, 1)
    message.values[0, :] = np.nan
    store = open_store(tmp_path)
    store.append(SITE, message)
    store.flush()
    got = History(store).site_seconds([SITE], span(0, 9))
    assert np.isnan(got.meter_w).all()
    assert got.mode.tolist() == [UNKNOWN_MODE]
    assert got.quality.tolist() == [Quality.BAD]


def test_nothing_is_durable_before_the_flush_and_all_after(tmp_path: Path) -> None:
    """A gateway would trim rows that a crash of the coordinator then loses."""
    store = open_store(tmp_path)
    store.append(SITE, rows(1, 5))
    assert store.received() == {(SITE, JOURNAL): 5}
    assert store.durable() == {}
    assert open_store(tmp_path).durable() == {}
    store.flush()
    assert store.durable() == {(SITE, JOURNAL): 5}
    assert open_store(tmp_path).durable() == {(SITE, JOURNAL): 5}


def test_a_sequence_is_stored_once_whatever_is_appended(tmp_path: Path) -> None:
    """Energy would be settled twice after a resend."""
    store = open_store(tmp_path)
    store.append(SITE, rows(1, 10))
    store.append(SITE, rows(1, 10))
    store.flush()
    store.append(SITE, rows(8, 5))
    store.flush()
    store = open_store(tmp_path)
    store.append(SITE, rows(5, 10))
    store.flush()
    (account,) = History(store).accounts()
    assert (account.rows, account.distinct) == (14, 14)
    assert (account.missing, account.duplicated) == (0, 0)
    assert (account.received, account.durable) == (14, 14)
    assert store.overlaps == 8


def test_a_gap_is_seen_in_the_accounts(tmp_path: Path) -> None:
    """Lost seconds would be reported as a complete record."""
    store = open_store(tmp_path)
    store.append(SITE, rows(1, 3))
    store.append(SITE, rows(6, 2))
    store.append(SITE, rows(1, 4, journal="j-2", time_s=T0 + 50))
    store.flush()
    first, second = History(store).accounts()
    assert (first.journal_id, first.missing, first.rows) == ("j-1", 2, 5)
    assert (second.journal_id, second.missing, second.rows) == ("j-2", 0, 4)


def test_rows_that_wait_are_in_the_accounts_as_received_only(tmp_path: Path) -> None:
    """An operator would think that data on the way is lost, or that it is safe."""
    store = open_store(tmp_path)
    store.append(SITE, rows(1, 3))
    (account,) = History(store).accounts()
    assert (account.rows, account.received, account.durable) == (0, 3, 0)


def test_a_second_recorded_twice_counts_once_and_always_the_same(tmp_path: Path) -> None:
    """A clock that stepped back would be paid twice, or the statement would change later."""
    store = open_store(tmp_path)
    clock = FixedClock()
    store = TelemetryStore(TelemetrySettings(root=tmp_path), clock)
    store.append(SITE, rows(1, 3, time_s=T0))
    store.flush()
    clock.time_s += 10
    store.append(SITE, rows(4, 3, time_s=T0))
    store.flush()
    got = History(store).site_seconds([SITE], span(0, 10))
    assert got.second.tolist() == [T0, T0 + 1, T0 + 2]
    assert got.meter_w.tolist() == [100.0, 200.0, 300.0]


def test_merging_changes_files_and_nothing_else(tmp_path: Path) -> None:
    """Compaction would lose, double or reorder the record it tidies."""
    store = open_store(tmp_path)
    history = History(store)
    for flush in range(30):
        store.append(SITE, rows(1 + 5 * flush, 5))
        store.append(SiteId("z-site"), rows(1 + 5 * flush, 5, resources=3))
        store.flush()
        store.compact()
    levels = [segment.name.level for segment in store.catalog.segments()]
    assert levels.count(1) == 2
    assert len(levels) == 8
    on_disk = sorted(path.name for path in tmp_path.glob("*/*"))
    assert len(on_disk) == 8
    for account in history.accounts():
        assert (account.rows, account.distinct, account.missing) == (150, 150, 0)
    got = history.site_seconds([SITE], span(0, 200))
    assert got.meter_w.tolist() == [100.0 * number for number in range(1, 151)]
    again = open_store(tmp_path)
    assert again.durable() == store.durable()
    assert again.catalog.report.segments == 8


def test_merging_reaches_the_higher_levels(tmp_path: Path) -> None:
    """Months of small files would make every question slow."""
    settings = TelemetrySettings(root=tmp_path, merge_fan_in=(3, 3, 3), merge_rows_max=40)
    store = TelemetryStore(settings, FixedClock())
    for flush in range(60):
        store.append(SITE, rows(1 + flush, 1))
        store.flush()
        store.compact()
    segments = store.catalog.segments()
    assert [segment.name.level for segment in segments] == [3, 3, 1, 1]
    assert max(segment.rows for segment in segments) <= 40
    assert sum(segment.rows for segment in segments) == 60
    (account,) = History(open_store(tmp_path)).accounts()
    assert (account.rows, account.distinct, account.missing) == (60, 60, 0)


def test_files_stay_while_a_reader_uses_them(tmp_path: Path) -> None:
    """A page opened during compaction would show an error instead of the delivery."""
    store = open_store(tmp_path)
    for flush in range(12):
        store.append(SITE, rows(1 + flush, 1))
        store.flush()
    with store.catalog.reading() as segments:
        assert store.compact() == 12
        assert all((tmp_path / segment.name.path).exists() for segment in segments)
    assert len(list(tmp_path.glob("*/*"))) == 1


def test_questions_open_only_files_of_their_minutes_and_partitions(tmp_path: Path) -> None:
    """A question about one minute would read the history of the whole fleet."""
    store = open_store(tmp_path, partitions_per_segment=1)
    for index in range(8):
        store.append(SiteId(f"site-{index}"), rows(1, 60, time_s=T0))
        store.flush()
        store.append(SiteId(f"site-{index}"), rows(61, 60, time_s=T0 + 3600))
        store.flush()
    for path in tmp_path.glob("*/*"):
        name = SegmentName.parse(path.name)
        assert name is not None
        mine = name.first_partition == name.last_partition == partition_of(SiteId("site-1"))
        if not (mine and name.last_minute * 60 == T0):
            path.write_bytes(b"not Parquet: whoever opens this fails")
    got = History(store).site_seconds([SiteId("site-1")], span(0, 60))
    assert len(got.second) == 60
    assert not list(tmp_path.glob("*/*.corrupt"))


def test_a_disk_that_refuses_loses_no_row_and_says_so(tmp_path: Path) -> None:
    """A full disk would acknowledge rows that are nowhere, or store them twice afterwards."""
    root = tmp_path / "history"
    store = open_store(root, buffer_rows_max=6)
    store.append(SITE, rows(1, 3))
    store.flush()
    day = next(root.iterdir())
    parked = day.rename(tmp_path / "parked")
    day.write_text("a file where the directory should be")
    store.append(SITE, rows(4, 3))
    with pytest.raises(StoreError, match="history"):
        store.flush()
    store.append(SITE, rows(7, 3))
    assert store.durable() == {(SITE, JOURNAL): 3}
    assert store.full
    with pytest.raises(StoreError, match="6 rows"):
        store.append(SITE, rows(10, 1))
    day.unlink()
    parked.rename(day)
    store.flush()
    assert not store.full
    (account,) = History(store).accounts()
    assert (account.rows, account.distinct, account.missing) == (9, 9, 0)


def test_a_torn_segment_is_kept_aside_and_reported(tmp_path: Path) -> None:
    """A damaged file would stop the coordinator, or be deleted with the evidence in it."""
    store = open_store(tmp_path)
    for first in (1, 11, 21):
        store.append(SITE, rows(first, 10))
        store.flush()
    last = sorted(tmp_path.glob("*/*.parquet"), key=lambda path: path.name[-20:])[-1]
    content = last.read_bytes()
    last.write_bytes(content[: len(content) // 2])
    again = open_store(tmp_path)
    report = again.catalog.report
    assert len(report.corrupt) == 1
    assert last.name in report.corrupt[0]
    assert last.with_name(last.name + ".corrupt").read_bytes() == content[: len(content) // 2]
    assert again.durable() == {(SITE, JOURNAL): 20}
    again.append(SITE, rows(21, 10))
    again.flush()
    (account,) = History(open_store(tmp_path)).accounts()
    assert (account.rows, account.distinct, account.missing) == (30, 30, 0)


def test_a_page_that_rots_later_does_not_take_the_rest_with_it(tmp_path: Path) -> None:
    """One bad sector would make every statement of the fleet unreadable."""
    store = open_store(tmp_path)
    store.append(SITE, rows(1, 2000))
    store.flush()
    store.append(SITE, rows(2001, 10))
    store.flush()
    victim = min(tmp_path.glob("*/*.parquet"), key=lambda path: path.name[-20:])
    content = bytearray(victim.read_bytes())
    content[200:2200] = bytes(2000)
    victim.write_bytes(content)
    history = History(store)
    (account,) = history.accounts()
    assert (account.rows, account.first_sequence, account.durable) == (10, 2001, 2010)
    assert len(list(tmp_path.glob("*/*.corrupt"))) == 1


def test_the_leftovers_of_a_crash_are_removed_and_foreign_files_are_not(tmp_path: Path) -> None:
    """Half a write would be read as data, or an operator's own file would be deleted."""
    store = open_store(tmp_path)
    store.append(SITE, rows(1, 3))
    store.flush()
    (segment,) = tmp_path.glob("*/*.parquet")
    torn = segment.with_name(segment.name.replace(".s0000000001.parquet", ".s0000000002.tmp"))
    torn.write_bytes(segment.read_bytes()[:100])
    note = segment.with_name("note.tmp")
    note.write_text("mine")
    catalog = Catalog(tmp_path)
    assert (catalog.report.swept, catalog.report.segments) == (1, 1)
    assert not torn.exists()
    assert note.exists()
    assert catalog.next_number() == 3


def test_a_merge_that_was_not_finished_is_finished(tmp_path: Path) -> None:
    """A kill between the rename and the removal would count an hour of rows twice."""
    store = open_store(tmp_path)
    for flush in range(12):
        store.append(SITE, rows(1 + flush, 1))
        store.flush()
    saved = {path: path.read_bytes() for path in tmp_path.glob("*/*.parquet")}
    store.compact()
    for path, content in saved.items():
        path.write_bytes(content)
    again = open_store(tmp_path)
    assert again.catalog.report.finished == 12
    (account,) = History(again).accounts()
    assert (account.rows, account.distinct) == (12, 12)


def test_the_cache_counts_where_no_segment_does(tmp_path: Path) -> None:
    """Rows of a month that was archived away would be asked for and stored again."""
    store = TelemetryStore(TelemetrySettings(root=tmp_path), FixedClock(), {(SITE, JOURNAL): 100})
    store.append(SITE, rows(95, 10))
    store.flush()
    assert store.durable() == {(SITE, JOURNAL): 104}
    (account,) = History(store).accounts()
    assert (account.rows, account.first_sequence) == (4, 101)


def test_a_clock_of_another_age_does_not_stop_the_flush(tmp_path: Path) -> None:
    """One gateway with a broken clock would stop the record of the whole fleet."""
    store = open_store(tmp_path)
    store.append(SITE, rows(1, 2, time_s=-(10**15)))
    store.append(SiteId("b"), rows(1, 2, time_s=10**15))
    store.append(SiteId("c"), rows(1, 2))
    store.flush()
    accounts = History(open_store(tmp_path)).accounts()
    assert [account.rows for account in accounts] == [2, 2, 2]


def test_appending_while_flushing_loses_nothing(tmp_path: Path) -> None:
    """Rows that arrive during the fsync would never be stored, yet be acknowledged later."""
    store = open_store(tmp_path)
    stop = threading.Event()

    def flusher() -> None:
        while not stop.is_set():
            store.flush()

    thread = threading.Thread(target=flusher)
    thread.start()
    for number in range(1, 2001):
        store.append(SITE, rows(number, 1))
    stop.set()
    thread.join()
    store.flush()
    (account,) = History(store).accounts()
    assert (account.rows, account.distinct, account.last_sequence) == (2000, 2000, 2000)


def test_a_directory_that_cannot_be_is_one_clear_line(tmp_path: Path) -> None:
    """The operator would see a traceback for a wrong --data-dir."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        open_store(tmp_path / "file")
