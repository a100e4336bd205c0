"""A run is called good only if nothing was lost, counted twice, broken or dropped."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from firmware_sim.demo.plots import draw_all
from firmware_sim.demo.records import (
    Command,
    Cut,
    DeliveryTable,
    JournalAccount,
    Kill,
    RunRecord,
    StreamAccount,
)
from firmware_sim.demo.report_files import csv_text, html_text
from firmware_sim.demo.verdict import DEFINITIONS, build_report, finite

START_S, DURATION_S, AWARD_W = 1_000, 30, 1_000.0
SECOND = np.arange(START_S, START_S + DURATION_S, dtype=np.int64)
JOURNAL = JournalAccount(
    site_id="a",
    journal_id="j1",
    path="a.sqlite",
    aside=False,
    chain_ok=True,
    fault="",
    samples=40,
    repeated_s=0,
    skipped_s=2,
    gaps=(),
    mode_changes=({"at": "2026-07-22T01:00:00Z", "from": "NORMAL", "to": "AUTONOMOUS"},),
    cycle_ms={"p50": 1.0, "p99": 2.0, "p999": 3.0, "samples": 40.0},
    steps_ms={},
)
STREAM = StreamAccount(
    site_id="a", journal_id="j1", rows=40, distinct=40, first_sequence=1, last_sequence=40
)
CUT = Cut(site_id="a", kind="closed", begin_s=START_S + 10.0, end_s=START_S + 20.0)
KILL = Kill(victim="broker", site_id="", at_s=START_S + 5.0, back_s=START_S + 7.0)


def record(**change: Any) -> RunRecord:
    """Return a run in which all went well, with a change."""
    table = DeliveryTable(
        site_ids=("a",),
        second=SECOND,
        delivered_w=np.full((1, DURATION_S), 500.0),
        share_w=np.full((1, DURATION_S), 500.0),
        tolerance_w=np.array([50.0]),
    )
    good = RunRecord(
        start_s=START_S,
        duration_s=DURATION_S,
        award_w=AWARD_W,
        tolerance_w=100.0,
        commands=(Command(issued_at_s=float(START_S), power_w=500.0, taken=True),),
        table=table,
        cuts=(CUT,),
        kills=(KILL,),
        streams=(STREAM,),
        journals=(JOURNAL,),
        statement={},
        truth={},
        context={
            "machine": {},
            "versions": {},
            "signal": {"generated": True, "source": "generated from seed 1"},
        },
    )
    return replace(good, **change)


def test_a_good_run_is_called_good() -> None:
    """A run without a fault could be called a failure."""
    report = build_report(record())
    assert report["ok"], report["verdict"]
    assert report["chain_verified"]
    assert report["samples_expected"] == 40
    assert report["samples_lost"] == report["samples_duplicated"] == 0
    assert report["seconds_without_sample"] == 2
    assert report["delivered_within_5pct_ratio"] == 1.0
    assert report["obligation_held_while_cut_ratio"] == 1.0
    assert report["sites_cut"] == 1
    assert report["mode_changes"] == 1
    assert report["error_max_pct"] == 0.0


def _delivered(power_w: float) -> DeliveryTable:
    table = record().table
    return replace(table, delivered_w=np.full((1, DURATION_S), power_w))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"streams": (replace(STREAM, rows=38, distinct=38),)}, "2 samples lost"),
        ({"streams": ()}, "40 samples lost"),
        ({"streams": (replace(STREAM, rows=43),)}, "3 samples duplicated"),
        ({"journals": (replace(JOURNAL, repeated_s=1),)}, "1 samples duplicated"),
        ({"journals": (replace(JOURNAL, samples=30),)}, "10 stored samples that no agent recorded"),
        ({"journals": (), "streams": ()}, "no samples were recorded at all"),
        (
            {"journals": (replace(JOURNAL, chain_ok=False, fault="tel 7: digest differs"),)},
            "journal: a: a.sqlite: tel 7: digest differs",
        ),
        ({"table": _delivered(551.0)}, "cut sites held their obligation in 0.0 %"),
        ({"kills": (replace(KILL, back_s=None),)}, "the broker did not come back"),
    ],
)
def test_each_fault_alone_is_enough_and_is_named(change: dict[str, Any], said: str) -> None:
    """A run that lost, doubled, broke or dropped something could pass."""
    report = build_report(record(**change))
    assert not report["ok"]
    assert said in report["verdict"]


def test_poor_following_is_told_but_nothing_was_broken() -> None:
    """A fleet that follows badly could look as if it had lost data, or hide that it did badly."""
    report = build_report(record(table=_delivered(400.0), cuts=()))
    assert report["ok"]
    assert report["delivered_within_5pct_ratio"] == 0.0
    assert report["error_rms_pct"] == 10.0
    assert report["obligation_held_while_cut_ratio"] is None


def test_every_figure_is_defined_and_the_report_is_json() -> None:
    """A reader could not tell what a number means, or a program not read it."""
    report = build_report(record(table=_delivered(float("nan"))))
    text = json.dumps(report, allow_nan=False)
    assert json.loads(text)["definitions"] == dict(DEFINITIONS)
    for key in ("samples_lost", "delivered_within_5pct_ratio", "obligation_held_while_cut_ratio"):
        assert report["definitions"][key]


def test_numbers_that_are_none_become_null() -> None:
    """A NaN in the report could make the whole file unreadable."""
    tree = {"a": float("nan"), "b": [np.float64(1.5), np.int64(2)], "c": {"d": float("inf")}}
    assert finite(tree) == {"a": None, "b": [1.5, 2], "c": {"d": None}}


def test_the_table_has_a_line_for_each_second() -> None:
    """Somebody who checks the figures with a spreadsheet could miss seconds."""
    lines = csv_text(record()).splitlines()
    assert len(lines) == DURATION_S + 1
    assert len({line.count(",") for line in lines}) == 1


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """The report could be empty on a machine without a network."""
    made = record()
    page = html_text(build_report(made), draw_all(made))
    assert page.count("<svg") == 5
    assert "<script src" not in page
    assert 'rel="stylesheet"' not in page
    assert "generated from seed 1" in page
