"""Rows at the sites against rows in the store: what is lost, counted twice or foreign."""

import math

import pytest

from firmware_sim.demo.counting import (
    SampleCount,
    chain_faults,
    compare_meters,
    count_samples,
    is_drained,
    merged_quantiles,
    mode_changes,
    total,
)
from firmware_sim.demo.records import JournalAccount, MeterReading, StreamAccount


def journal(
    site_id: str = "a", journal_id: str = "j1", samples: int = 100, **more: object
) -> JournalAccount:
    """Account of a journal in order."""
    fields: dict[str, object] = {
        "path": f"{site_id}.sqlite",
        "aside": False,
        "chain_ok": True,
        "fault": "",
        "repeated_s": 0,
        "skipped_s": 0,
        "gaps": (),
        "mode_changes": (),
        "cycle_ms": {},
        "steps_ms": {},
        **more,
    }
    return JournalAccount(site_id=site_id, journal_id=journal_id, samples=samples, **fields)  # type: ignore[arg-type]


def stream(
    site_id: str = "a",
    journal_id: str = "j1",
    distinct: int = 100,
    *,
    rows: int | None = None,
    last: int | None = None,
) -> StreamAccount:
    """Account of what the store holds of a journal."""
    return StreamAccount(
        site_id=site_id,
        journal_id=journal_id,
        rows=distinct if rows is None else rows,
        distinct=distinct,
        first_sequence=1,
        last_sequence=distinct if last is None else last,
    )


@pytest.mark.parametrize(
    ("journals", "streams", "lost", "duplicated", "foreign"),
    [
        ([journal()], [stream()], 0, 0, 0),
        ([journal()], [stream(distinct=97)], 3, 0, 0),
        ([journal()], [stream(distinct=97, last=100)], 3, 0, 0),
        ([journal()], [], 100, 0, 0),
        ([journal()], [stream(rows=102)], 0, 2, 0),
        ([journal(repeated_s=1)], [stream()], 0, 1, 0),
        ([journal()], [stream(distinct=105)], 0, 0, 5),
        ([journal()], [stream(distinct=100, last=101)], 1, 0, 1),
        ([journal()], [stream(), stream(journal_id="j9", distinct=7)], 0, 0, 7),
        ([journal(), journal(journal_id="j2", samples=5, aside=True)], [stream()], 5, 0, 0),
        ([journal("a"), journal("b", "k")], [stream("a"), stream("b", "k", 99)], 1, 0, 0),
        ([journal("a")], [stream("b")], 100, 0, 100),
    ],
)
def test_every_row_is_counted_on_both_sides(
    journals: list[JournalAccount],
    streams: list[StreamAccount],
    *,
    lost: int,
    duplicated: int,
    foreign: int,
) -> None:
    """The report could say that nothing was lost or counted twice when it was."""
    found = total(count_samples(journals, streams))
    assert (found.lost, found.duplicated, found.foreign) == (lost, duplicated, foreign)
    assert found.expected == sum(one.samples for one in journals)
    assert found.stored + found.lost == found.expected


def test_a_journal_that_cannot_be_named_is_not_counted_as_kept() -> None:
    """A damaged file without an id could make rows of a good one look lost or found."""
    found = count_samples([journal(), journal(journal_id="", samples=0)], [stream()])
    assert found == [
        SampleCount(site_id="a", expected=100, stored=100, lost=0, duplicated=0, foreign=0)
    ]


@pytest.mark.parametrize(
    ("wanted", "drained"),
    [({"j1": 100}, True), ({"j1": 101}, False), ({"j1": 100, "j2": 1}, False), ({"j2": 0}, True)],
)
def test_the_run_waits_until_the_store_holds_everything(
    wanted: dict[str, int], *, drained: bool
) -> None:
    """The count could begin while rows are on their way, and call them lost."""
    assert is_drained(wanted, [stream()]) is drained


def test_a_reading_is_judged_by_the_truth_of_its_second() -> None:
    """An agent that reports a wrong meter power could be called true."""
    truth = {"a": {10: (100.0, 90.0), 11: (200.0, 150.0), 12: (200.0, 200.0)}}
    readings = [
        MeterReading(site_id="a", second=10, meter_w=130.0),
        MeterReading(site_id="a", second=11, meter_w=230.0),
        MeterReading(site_id="a", second=12, meter_w=0.0),
        MeterReading(site_id="b", second=10, meter_w=0.0),
    ]
    found = compare_meters(readings, truth)
    assert found.compared == 2
    assert found.max_w == 30.0
    assert found.median_w == 15.0
    assert found.energy_reported_wh == pytest.approx(360.0 / 3600.0)
    assert found.energy_true_wh == pytest.approx(350.0 / 3600.0)


def test_without_a_truth_nothing_is_claimed() -> None:
    """A comparison with nothing could look like a perfect one."""
    found = compare_meters([MeterReading(site_id="a", second=1, meter_w=1.0)], {})
    assert found.compared == 0
    assert math.isnan(found.max_w)


def test_a_broken_chain_is_named_unless_it_was_set_aside() -> None:
    """A changed journal could pass as evidence."""
    bad = journal(chain_ok=False, fault="tel 7: digest differs")
    aside = journal("b", chain_ok=False, aside=True)
    assert chain_faults([journal(), bad, aside]) == ["a: a.sqlite: tel 7: digest differs"]
    assert chain_faults([journal(chain_ok=False)]) == ["a: a.sqlite: the chain does not hold"]


def test_quantiles_are_of_all_cycles_or_of_the_worst_site() -> None:
    """The slowest site's cycles could vanish in an average."""
    known = merged_quantiles([], [float(ms) for ms in range(1, 102)])
    assert known["p50"] == 51.0
    assert known["p99"] == 100.0
    assert known["samples"] == 101.0
    fast = journal(cycle_ms={"p50": 1.0, "p99": 2.0, "p999": 3.0, "samples": 10.0})
    slow = journal("b", cycle_ms={"p50": 4.0, "p99": 5.0, "p999": 6.0, "samples": 20.0})
    worst = {"p50": 4.0, "p99": 5.0, "p999": 6.0, "samples": 30.0}
    assert merged_quantiles([fast, slow], []) == worst


def test_mode_changes_are_told_by_time() -> None:
    """A reader could not follow what happened first."""
    early, late = {"at": "2026-07-22T01:00:00Z"}, {"at": "2026-07-22T01:00:05Z"}
    found = mode_changes([journal(mode_changes=(late,)), journal("b", mode_changes=(early,))])
    assert [change["site_id"] for change in found] == ["b", "a"]
