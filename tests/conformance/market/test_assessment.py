"""Assessments, penalties, strikes and rounding as japan-market R6 to R10, R14, R17, R19 to R21."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest

from cloud_coordinator.market.availability import (
    Charge,
    Filing,
    Outcome,
    SlotAward,
    available_of_demand_kw,
    charge,
    compound_kw,
    nothing_counts,
    share_out,
)
from cloud_coordinator.market.bands import Band, Called, CommandStep, band
from cloud_coordinator.market.performance import judge
from cloud_coordinator.market.product import LineKind, ProductRule
from cloud_coordinator.market.punctuality import Arrival, Sample, arrival, counts, due_at
from cloud_coordinator.market.rules import load_rule_book
from cloud_coordinator.market.standing import Failure, suspensions
from cloud_coordinator.services.holidays import calendar_around
from cloud_coordinator.settlement.money import whole_kw, whole_kwh, whole_yen
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import jst_moment
from protocols.vocabulary.identifiers import ObligationId
from protocols.vocabulary.obligation import Service

BOOK = load_rule_book()
DAY = date(2025, 7, 22)
BLOCK = datetime(2025, 7, 22, 1, tzinfo=UTC)
"""10:00 JST."""
T0 = int(BLOCK.timestamp())
CALENDAR = calendar_around(DAY)


def rule(service: Service) -> ProductRule:
    return BOOK.settling(service, DAY)


def jst(hour: int, minute: int, second: int = 0, *, day: int = 22) -> datetime:
    at = datetime(2025, 7, day, hour, minute, second, tzinfo=UTC)
    return jst_moment(at.date(), at.time())


def kw(*minutes: float) -> FloatArray:
    """One-minute powers in kW as seconds in W."""
    return np.repeat(np.array(minutes) * 1e3, 60)


def called(power_kw: float, at: datetime, *, target: datetime | None = None) -> Called:
    step = CommandStep(
        at_s=at.timestamp(),
        power_w=power_kw * 1e3,
        target_s=None if target is None else target.timestamp(),
    )
    return Called(award_w=1e6, steps=(step,))


def bounds_kw(found: Band) -> list[tuple[float, float]]:
    return [(low / 1e3, high / 1e3) for low, high in zip(found.lower_w, found.upper_w, strict=True)]


def charged(award_kw: int, price: str, outcome: Outcome, *, service: Service) -> Charge:
    award = SlotAward(award_kw=Decimal(award_kw), price_jpy=Decimal(price))
    return charge(award, outcome, rule(service))


def test_r6_availability_of_a_demand_list() -> None:
    """If it fails, curtailment is sold twice and nobody is charged."""
    available_kw = available_of_demand_kw(Decimal(1500), Decimal(200))
    assert available_kw == 1300
    found = charged(1400, "5.00", Outcome(available_kw=available_kw), service=Service.SECONDARY_2)
    assert round(found.shortfall_ratio * 100, 6) == Decimal("7.142857")
    assert found.shortfall_jpy == 750
    outside = Outcome(available_kw=available_kw, constrained=True)
    assert charged(1400, "5.00", outside, service=Service.SECONDARY_2).shortfall_jpy == 500


def test_r7_several_awards_the_cheapest_first() -> None:
    """If it fails, the wrong award of two is charged."""
    awards = [
        SlotAward(award_kw=Decimal(500), price_jpy=Decimal("5.00")),
        SlotAward(award_kw=Decimal(1000), price_jpy=Decimal("3.00")),
    ]
    left = share_out(awards, Decimal(1200))
    assert left == (Decimal(200), Decimal(1000))
    found = [
        charge(award, Outcome(available_kw=kw), rule(Service.SECONDARY_2))
        for award, kw in zip(awards, left, strict=True)
    ]
    assert found[0].shortfall_ratio == Decimal("0.6")
    assert found[0].shortfall_jpy == 2250
    assert found[1].shortfall_jpy == 0
    assert share_out(awards, Decimal(-5)) == (0, 0)


def test_r8_secondary_2_by_simple_command() -> None:
    """If it fails, a block that was kept is charged, or the other way round."""
    order = called(800.0, jst(9, 59), target=jst(10, 5))
    minutes = np.arange(T0, T0 + 1800, 60, dtype=np.float64)
    found = bounds_kw(band(minutes, order, rule(Service.SECONDARY_2)))
    assert found[:5] == [(-100.0, 900.0)] * 5
    assert found[5:] == [(700.0, 900.0)] * 25
    delivered = kw(*([0.0] * 5 + [700.0] * 22 + [690.0, 650.0, 695.0]))
    verdict = judge(T0, delivered, called=order, rule=rule(Service.SECONDARY_2))
    assert (verdict.inside.tolist(), verdict.passed.tolist()) == ([27], [True])
    delivered[5 * 60 : 6 * 60] = 699e3
    verdict = judge(T0, delivered, called=order, rule=rule(Service.SECONDARY_2))
    assert (verdict.inside.tolist(), verdict.passed.tolist()) == ([26], [False])
    failed = Outcome(available_kw=Decimal(1000), performed=False)
    assert charged(1000, "3.00", failed, service=Service.SECONDARY_2).performance_jpy == 3000


def test_r8_a_missing_minute_is_out_of_range() -> None:
    """If it fails, a silent site is paid for having been silent."""
    order = called(800.0, jst(9, 59), target=jst(10, 5))
    delivered = kw(*([800.0] * 30))
    for minute in (7, 8, 9):
        delivered[minute * 60 : (minute + 1) * 60] = np.nan
    verdict = judge(T0, delivered, called=order, rule=rule(Service.SECONDARY_2))
    assert (verdict.points.tolist(), verdict.inside.tolist()) == ([30], [27])
    assert verdict.passed.all()
    delivered[10 * 60 : 11 * 60] = np.nan
    assert not judge(T0, delivered, called=order, rule=rule(Service.SECONDARY_2)).passed.any()


def test_r8_overlapping_changes_open_the_band_to_all_of_them() -> None:
    """If it fails, a second command makes the first response a failure."""
    steps = (
        CommandStep(at_s=T0, power_w=800e3),
        CommandStep(at_s=T0 + 150, power_w=200e3),
    )
    found = band(
        np.arange(T0, T0 + 600, 60, dtype=np.float64),
        Called(award_w=1e6, steps=steps),
        rule(Service.SECONDARY_2),
    )
    assert bounds_kw(found) == [
        *[(-100.0, 900.0)] * 5,
        *[(100.0, 900.0)] * 3,
        *[(100.0, 300.0)] * 2,
    ]


def test_r9_tertiary_2_by_the_mean_of_the_slot() -> None:
    """If it fails, a slow product is judged by single minutes."""
    law = rule(Service.TERTIARY_2)
    held = called(600.0, jst(8, 0))
    for mean_kw, passed in ((512.0, True), (495.0, False), (500.0, True), (700.0, True)):
        minutes = np.tile([mean_kw - 90.0, mean_kw + 90.0], 15)
        verdict = judge(T0, kw(*minutes), called=held, rule=law)
        assert verdict.passed.tolist() == [passed]
    ramping = called(600.0, jst(9, 30), target=jst(10, 30))
    assert set(bounds_kw(band(np.arange(T0, T0 + 1800.0, 60.0), ramping, law))) == {(-100.0, 700.0)}
    for mean_kw, passed in ((-100.0, True), (-101.0, False), (700.0, True), (701.0, False)):
        verdict = judge(T0, kw(*[mean_kw] * 30), called=ramping, rule=law)
        assert verdict.passed.tolist() == [passed]
    gap = kw(*[600.0] * 30)
    gap[:60] = np.nan
    assert not judge(T0, gap, called=held, rule=law).passed.any()


@pytest.mark.parametrize(
    ("applied_on", "t_s", "lower_kw"),
    [
        (date(2022, 1, 1), 100, -100.0),
        (date(2022, 1, 1), 212, 400.0),
        (date(2022, 1, 1), 302, 900.0),
        (date(2024, 1, 1), 100, 151.852),
        (date(2024, 1, 1), 212, 566.667),
        (date(2024, 1, 1), 302, 900.0),
    ],
)
def test_r10_secondary_1_while_ramping(applied_on: date, t_s: int, lower_kw: float) -> None:
    """If it fails, a ramp that the market accepts is judged a failure."""
    order = Called(
        award_w=1e6,
        steps=(CommandStep(at_s=0.0, power_w=1e6),),
        uplink_s=2.0,
        applied_on=applied_on,
    )
    (found,) = bounds_kw(band(np.array([float(t_s)]), order, rule(Service.SECONDARY_1)))
    assert found == (pytest.approx(lower_kw, abs=1e-3), 1100.0)


def test_r14_both_penalties() -> None:
    """If it fails, the bill of a bad slot is wrong."""
    both = Outcome(available_kw=Decimal(800), performed=False)
    found = charged(1000, "4.00", both, service=Service.SECONDARY_2)
    assert (found.shortfall_jpy, found.performance_jpy, found.total_jpy) == (1200, 3200, 4400)
    unable = Outcome(available_kw=Decimal(1000), unable_kw=Decimal(300))
    found = charged(1000, "4.00", unable, service=Service.SECONDARY_2)
    assert (found.award_kw, found.total_jpy) == (700, 1800)


def test_r14_a_price_above_the_cap_counts_as_the_cap() -> None:
    """If it fails, a penalty is larger than the market may ask."""
    failed = Outcome(available_kw=Decimal(1000), performed=False)
    assert charged(1000, "99", failed, service=Service.SECONDARY_1).performance_jpy == 19510
    assert charged(1000, "99", failed, service=Service.TERTIARY_2).performance_jpy == 99000


@pytest.mark.parametrize(
    ("filing", "reason"),
    [
        (Filing(), ""),
        (Filing(plan_in_time=False), "plan not registered in time"),
        (Filing(right_pattern=False), "wrong pattern number"),
        (Filing(breakdown_in_time=False), "breakdown not filed in time"),
    ],
)
def test_r14_what_was_not_filed_is_not_available(filing: Filing, reason: str) -> None:
    """If it fails, a forgotten plan costs nothing in our books and everything in the market's."""
    assert nothing_counts(rule(Service.TERTIARY_1), filing) == reason


def test_r17_a_compound_is_the_greatest_of_its_products() -> None:
    """If it fails, one battery is sold four times over."""
    assert compound_kw([Decimal(n) * 1000 for n in (5, 8, 10, 15)]) == 15000
    failed = Outcome(available_kw=Decimal(15000), performed=False)
    assert charged(15000, "2.00", failed, service=Service.COMPOUND).performance_jpy == 30000
    members = BOOK.members_of(rule(Service.COMPOUND), DAY)
    assert [one.service for one in members] == [
        Service.PRIMARY,
        Service.SECONDARY_1,
        Service.SECONDARY_2,
        Service.TERTIARY_1,
    ]


def fail(name: str, day: int, *, month: int = 7, abnormal: bool = False) -> Failure:
    at = datetime(2025, month, day, 3, tzinfo=UTC)
    return Failure(obligation_id=ObligationId(name), at=at, abnormal=abnormal)


def test_r19_three_strikes_in_a_month() -> None:
    """If it fails, a pattern that must not bid bids, or a good one is kept out."""
    law = rule(Service.SECONDARY_2)
    struck = [fail("a", 1), fail("b", 5), fail("b", 5), fail("c", 9)]
    (found,) = suspensions(struck, [], law)
    assert found.since == datetime(2025, 7, 9, 3, tzinfo=UTC)
    assert not found.holds(datetime(2025, 7, 9, 2, 59, tzinfo=UTC))
    assert found.holds(datetime(2025, 12, 1, tzinfo=UTC)), "a new month does not lift it"
    tested = datetime(2025, 7, 20, tzinfo=UTC)
    (found,) = suspensions(struck[::-1], [tested], law)
    assert found.until == tested
    assert not found.holds(tested)
    again = [*struck, fail("d", 21), fail("e", 22)]
    assert len(suspensions(again, [tested], law)) == 1, "what was before the test counts no more"
    assert len(suspensions([*again, fail("f", 23)], [tested], law)) == 2


def test_r19_the_count_begins_again_on_the_first() -> None:
    """If it fails, failures of two months suspend a pattern; the month is the market's."""
    law = rule(Service.SECONDARY_2)
    assert not suspensions([fail("a", 30), fail("b", 31), fail("c", 1, month=8)], [], law)
    late = Failure(obligation_id=ObligationId("c"), at=datetime(2025, 7, 31, 15, tzinfo=UTC))
    assert not suspensions([fail("a", 30), fail("b", 31), late], [], law), "1 August in Japan"


def test_r19_one_failure_in_abnormal_time_is_enough() -> None:
    """If it fails, a resource that lets the frequency fall goes on being paid."""
    law = rule(Service.PRIMARY)
    assert len(suspensions([fail("a", 1, abnormal=True)], [], law)) == 1
    assert not suspensions([fail("a", 1), fail("b", 2)], [], law)
    assert not suspensions([fail("a", 1, abnormal=True)], [], rule(Service.PRIMARY_OFFLINE))


def test_r20_rounding_at_the_very_end() -> None:
    """If it fails, the statement differs from the market's by a yen here and there."""
    assert whole_kw(Decimal("1234.5")) == 1235
    assert whole_kw(Decimal("1234.4999")) == 1234
    assert whole_kwh(Decimal("499.9")) == 0
    assert whole_kwh(500) == 1
    assert whole_yen(Decimal("5520.99")) == 5520
    assert whole_yen(Decimal("-5520.99")) == -5520


@pytest.mark.parametrize(
    ("received", "filed", "outcome"),
    [
        (jst(10, 59, 59), None, Arrival.IN_TIME),
        (jst(11, 0), None, Arrival.IN_TIME),
        (jst(11, 0, 1), None, Arrival.LATE),
        (None, None, Arrival.MISSING),
        (jst(11, 0, 1), jst(17, 0, day=23), Arrival.FILED),
        (None, jst(17, 0, day=23), Arrival.FILED),
        (None, jst(0, 0, 1, day=24), Arrival.MISSING),
        (jst(11, 0, 1), jst(9, 0, day=24), Arrival.LATE),
    ],
)
def test_r21_late_telemetry(
    received: datetime | None, filed: datetime | None, outcome: Arrival
) -> None:
    """If it fails, what came late is paid as if it had come, or what was filed is not."""
    sample = Sample(taken_at=jst(10, 7), received_at=received, filed_at=filed)
    law = rule(Service.SECONDARY_2)
    found = arrival(sample, LineKind.SIMPLE, rule=law, calendar=CALENDAR)
    assert found is outcome
    assert counts(found) is (outcome in {Arrival.IN_TIME, Arrival.FILED})


def test_r21_business_days_and_other_lines() -> None:
    """If it fails, a Friday's sample could be filed on Sunday only."""
    law = rule(Service.SECONDARY_2)
    friday = Sample(taken_at=jst(10, 7, day=18), received_at=None, filed_at=jst(23, 59, day=22))
    found = arrival(friday, LineKind.SIMPLE, rule=law, calendar=CALENDAR)
    assert found is Arrival.FILED, "21 July 2025 is a holiday"
    assert due_at(jst(10, 7), LineKind.DEDICATED, law) == jst(10, 7, 5)
    assert due_at(jst(10, 7), LineKind.OFFLINE, law) == jst_moment(
        date(2025, 8, 11), datetime.min.time()
    )
