"""Baselines as japan-market R1 to R5 count them; loads in kW, consumption positive."""

from datetime import date, timedelta

import numpy as np
import pytest

from cloud_coordinator.market.availability import Filing, nothing_counts
from cloud_coordinator.market.baselines import (
    BaselineFault,
    DayHistory,
    Event,
    StandardBaseline,
    adjusted,
    guideline_of,
    pre_block_baseline_w,
    reduction_wh,
    rolling_baseline_w,
    standard_baseline,
)
from cloud_coordinator.market.product import BaselineMethod
from cloud_coordinator.market.rules import load_rule_book
from cloud_coordinator.services.holidays import calendar_around
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.obligation import Service

DAY = date(2026, 7, 22)
EVENT = Event(day=DAY, slots=(34, 35, 36))
LOADS = {
    21: (1000, 1040, 1020),
    17: (980, 1000, 990),
    16: (1100, 1120, 1080),
    15: (900, 920, 910),
    14: (1060, 1050, 1040),
}
GUIDELINE = guideline_of(DAY)
CALENDAR = calendar_around(DAY)


def load(event_kw: tuple[float, ...], *, morning_kw: float = 1100.0) -> FloatArray:
    day = np.full(48, 500.0)
    day[23:29] = morning_kw
    day[33:36] = event_kw
    return day


def history(
    loads: dict[int, tuple[float, ...]], *, events: frozenset[date] = frozenset()
) -> DayHistory:
    days = {date(2026, 7, day): load(kw) for day, kw in loads.items()}
    for day in (18, 19, 20):
        days[date(2026, 7, day)] = load((1.0, 1.0, 1.0))
    return DayHistory(load_w=days, event_days=events)


def found(past: DayHistory, event: Event = EVENT) -> StandardBaseline:
    return standard_baseline(event, past, calendar=CALENDAR, guideline=GUIDELINE)


def test_r1_high_4_of_5() -> None:
    """If it fails, customers are paid for another reduction than they made."""
    past = history(LOADS)
    means = [past.load_w[date(2026, 7, day)][33:36].mean() for day in LOADS]
    assert means == [1020, 990, 1100, 910, 1050]
    assert np.mean(means) * GUIDELINE.low_percent / 100 == 253.5
    outcome = found(past)
    assert outcome.chosen == tuple(date(2026, 7, day) for day in (21, 17, 16, 14))
    assert outcome.power_w.tolist() == [1035.0, 1052.5, 1032.5]
    assert outcome.guideline_id == "erab-2025-11-19"


@pytest.mark.parametrize(
    ("today_kw", "step_kw", "baseline_kw", "slots_kwh", "total_kwh"),
    [
        (1160.0, 60.0, [1095.0, 1112.5, 1092.5], [197.50, 231.25, 186.25], 615.0),
        (1030.0, -70.0, [965.0, 982.5, 962.5], [132.5, 166.25, 121.25], 420.0),
    ],
)
def test_r2_same_day_adjustment(
    *,
    today_kw: float,
    step_kw: float,
    baseline_kw: list[float],
    slots_kwh: list[float],
    total_kwh: float,
) -> None:
    """If it fails, a hot day is counted as a failure, or a mild one as a reduction."""
    past = history(LOADS)
    today = load((700.0, 650.0, 720.0), morning_kw=today_kw)
    past = DayHistory(load_w={**past.load_w, DAY: today})
    outcome = adjusted(found(past), EVENT, past, guideline=GUIDELINE)
    assert outcome.adjustment_w == step_kw
    assert outcome.power_w.tolist() == baseline_kw
    reduced = reduction_wh(outcome.power_w, today[33:36])
    assert reduced.tolist() == slots_kwh
    assert reduced.sum() == total_kwh


def test_r2_adjustment_that_cannot_be_made_is_said() -> None:
    """If it fails, a missing morning counts as no load, and the baseline falls."""
    past = history(LOADS)
    assert adjusted(found(past), EVENT, past, guideline=GUIDELINE).fault is (
        BaselineFault.NO_DATA_TODAY
    )
    early = Event(day=DAY, slots=(10, 11))
    outcome = adjusted(found(past, early), early, past, guideline=GUIDELINE)
    assert outcome.fault is BaselineFault.TOO_EARLY_TO_ADJUST


def test_r3_a_day_far_below_the_others_is_replaced() -> None:
    """If it fails, a day on which the factory stood still lowers what it is paid."""
    loads = LOADS | {15: (190, 210, 200), 13: (1180, 1220, 1200)}
    outcome = found(history(loads))
    assert date(2026, 7, 15) not in outcome.chosen
    assert date(2026, 7, 17) not in outcome.chosen
    assert outcome.power_w.tolist() == [1085.0, 1107.5, 1085.0]
    short = found(history(LOADS | {15: (190, 210, 200)}))
    assert short.fault is BaselineFault.TOO_FEW_DAYS


def test_r4_of_two_equal_days_the_older_is_left_out() -> None:
    """If it fails, the baseline depends on the order in which days are read."""
    loads = LOADS | {15: (980, 1000, 990), 17: (980, 1000, 990)}
    outcome = found(history(loads))
    assert date(2026, 7, 17) in outcome.chosen
    assert date(2026, 7, 15) not in outcome.chosen


@pytest.mark.parametrize("day", [date(2026, 7, 25), date(2026, 7, 26), date(2026, 8, 11)])
def test_r4_days_of_rest_use_the_best_two_of_three(day: date) -> None:
    """If it fails, a Sunday is measured by working days."""
    rest = [day - timedelta(days=k) for k in range(1, 31)]
    rest = [one for one in rest if CALENDAR.is_rest_day(one)][:3]
    past = DayHistory(
        load_w={one: load((kw,) * 3) for one, kw in zip(rest, (300.0, 100.0, 200.0), strict=True)}
        | {day - timedelta(days=k): load((9e9,) * 3) for k in (30,)}
    )
    outcome = found(past, Event(day=day, slots=(34, 35, 36)))
    assert outcome.chosen == (rest[0], rest[2])
    assert outcome.power_w.tolist() == [250.0] * 3


def test_r4_too_few_days_is_an_error_and_no_guess() -> None:
    """If it fails, somebody is billed by a baseline that nobody may use."""
    outcome = found(history({day: LOADS[day] for day in (21, 17, 16, 15)}))
    assert outcome.fault is BaselineFault.TOO_FEW_DAYS
    assert outcome.power_w.size == 0
    event_day = found(history(LOADS, events=frozenset({date(2026, 7, 21)})))
    assert event_day.fault is BaselineFault.TOO_FEW_DAYS, "earlier event days are left out"
    far = DayHistory(
        load_w={DAY - timedelta(days=k): load((1.0,) * 3) for k in (*range(1, 6), *range(31, 60))}
    )
    assert found(far).fault is BaselineFault.TOO_FEW_DAYS, "no day beyond thirty"


def test_r5_measured_before_the_block() -> None:
    """If it fails, a lost minute lowers a baseline, or a lost link costs nothing."""
    minutes = np.array([1200.0, 1210.0, 1190.0, 1205.0, 1195.0])
    assert pre_block_baseline_w(minutes) == 1200.0
    minutes[2] = np.nan
    assert pre_block_baseline_w(minutes) == 1202.5
    assert np.isnan(pre_block_baseline_w(np.full(5, np.nan)))
    rule = load_rule_book().settling(Service.SECONDARY_2, DAY)
    filing = Filing(baseline=BaselineMethod.PRE_BLOCK, samples_before=0)
    assert nothing_counts(rule, filing) == "no sample in the five minutes before"
    assert not nothing_counts(rule, Filing(baseline=BaselineMethod.PRE_BLOCK, samples_before=1))


def test_r5_the_rolling_baseline_changes_every_five_minutes() -> None:
    """If it fails, primary reserve is counted from a load of half an hour ago."""
    before = np.full(5, 100.0)
    block = np.repeat([200.0, 300.0, 400.0], 5)
    block[0] = np.nan
    baseline = rolling_baseline_w(before, block)
    assert baseline.tolist() == [100.0] * 5 + [200.0] * 5 + [300.0] * 5
    silent = rolling_baseline_w(np.full(5, np.nan), block)
    assert np.isnan(silent[:5]).all()
    rule = load_rule_book().settling(Service.SECONDARY_2, DAY)
    refused = nothing_counts(rule, Filing(baseline=BaselineMethod.ROLLING))
    assert refused == "baseline rolling is not permitted for secondary2"
