"""Slots of a statement: money, exclusions, primary reserve and compounds."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from cloud_coordinator.market.availability import Filing
from cloud_coordinator.market.bands import CommandStep
from cloud_coordinator.market.rules import load_rule_book
from cloud_coordinator.settlement.assessing import Ruling
from cloud_coordinator.settlement.records import (
    AwardTermsOf,
    Circumstances,
    DeliveredRows,
    Performance,
    PrimaryTerms,
    Promise,
    Statement,
)
from cloud_coordinator.settlement.settle import settle
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import Slot
from protocols.vocabulary.commitment import Droop
from protocols.vocabulary.droop import Owing
from protocols.vocabulary.identifiers import ObligationId, SiteId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service

BOOK = load_rule_book()
DAY = date(2026, 7, 22)
START = datetime(2026, 7, 22, 1, tzinfo=UTC)
FIRST = int(START.timestamp())
SLOTS = (Slot(day=DAY, number=21), Slot(day=DAY, number=22))
DROOP = Droop(nominal_hz=50.0, droop=0.04, dead_band_hz=0.010, delay_s=2.0)


def terms(service: Service = Service.SECONDARY_2, **changes: Any) -> AwardTermsOf:
    return replace(
        AwardTermsOf(
            obligation_id=ObligationId("award-1"),
            zone=ZoneId("tokyo"),
            service=service,
            interval=Interval(start=START, end=START + timedelta(hours=1)),
            award_w=1e6,
            tolerance_w=50e3,
            price_jpy_per_kw_30min=Decimal("4.00"),
            sites=(SiteId("site-a"),),
            child_w=(1e6,),
            available_w=(1e6, 1e6),
            final_at=START + timedelta(days=2),
        ),
        **changes,
    )


def settled(
    about: AwardTermsOf, power_w: FloatArray, *, steps: tuple[CommandStep, ...]
) -> Statement:
    rule = BOOK.settling(about.service, DAY)
    second = np.arange(FIRST, FIRST + len(power_w))
    rows = DeliveredRows(site_index=np.zeros_like(second), second=second, delivered_w=power_w)
    ruling = Ruling(rule=rule, members=BOOK.members_of(rule, DAY))
    return settle(about, Promise(steps=steps), rows, ruling=ruling)


FULL = (CommandStep(at_s=FIRST - 3600.0, power_w=1e6),)
KEPT = np.full(3600, 1e6)
FAILED = np.concatenate([np.full(1800, 1e6), np.full(1800, 0.0)])


def test_sums_are_the_slots() -> None:
    """If it fails, the slots of a statement do not add up to what is paid."""
    found = settled(terms(available_w=(1e6, 800e3)), FAILED, steps=FULL)
    assert [one.slot for one in found.slots] == list(SLOTS)
    assert [one.performance for one in found.slots] == [Performance.PASSED, Performance.FAILED]
    assert found.capacity_value_jpy == sum(one.fee_jpy for one in found.slots) == 8000
    assert found.penalty_availability_jpy == 1200
    assert found.penalty_performance_jpy == 3200
    assert found.amount_yen == 8000 - 4400
    assert not found.band_kept
    assert not found.available
    assert found.rule_version.startswith("eprx-2026-03-14@")


def test_a_kept_award_is_paid_in_full() -> None:
    """If it fails, penalties are charged for nothing."""
    found = settled(terms(), KEPT, steps=FULL)
    assert (found.band_kept, found.available, found.amount_yen) == (True, True, 8000)


def test_what_was_not_filed_costs_the_whole_of_penalty_i() -> None:
    """If it fails, a forgotten plan looks like a good day until the market's sheet comes."""
    about = Circumstances(filing=Filing(plan_in_time=False))
    found = settled(terms(circumstances=about), KEPT, steps=FULL)
    assert found.slots[0].nothing_counts == "plan not registered in time"
    assert found.penalty_availability_jpy == 12000
    assert found.amount_yen == -4000


def test_excluded_constrained_and_unable_slots() -> None:
    """If it fails, a command outside the contract or a grid fault is charged to us."""
    about = Circumstances(
        excluded=frozenset({SLOTS[1]}),
        constrained=frozenset({SLOTS[1]}),
        unable_kw=((SLOTS[0], Decimal(300)),),
    )
    found = settled(terms(circumstances=about, available_w=(1e6, 0.0)), FAILED, steps=FULL)
    assert found.slots[1].performance is Performance.EXCLUDED
    assert [one.charge.shortfall_jpy for one in found.slots] == [1800, 4000]
    assert found.penalty_performance_jpy == 0
    assert found.slots[0].charge.award_kw == 700


def test_telemetry_that_was_lost_is_out_of_range() -> None:
    """If it fails, what came late and was never filed is paid."""
    lost = tuple(range(FIRST + 60 * 5, FIRST + 60 * 9))
    found = settled(terms(circumstances=Circumstances(lost_s=lost)), KEPT, steps=FULL)
    assert [one.points_inside for one in found.slots] == [26, 30]
    assert [one.performance for one in found.slots] == [Performance.FAILED, Performance.PASSED]


def test_an_award_of_a_part_of_a_slot_is_paid_in_part() -> None:
    """If it fails, five minutes are paid as half an hour."""
    part = Interval(start=START + timedelta(minutes=25), end=START + timedelta(minutes=35))
    about = terms(interval=part)
    power_w = np.full(2100, 1e6)
    found = settled(about, power_w, steps=FULL)
    assert [one.seconds for one in found.slots] == [300, 300]
    assert [one.points for one in found.slots] == [5, 5]
    assert found.capacity_value_jpy == sum(one.fee_jpy for one in found.slots)
    assert found.amount_yen == 1333


def frequency(low: slice = slice(0, 0)) -> FloatArray:
    hertz = 50.0 + 0.04 * np.sin(np.arange(3600) / 7.0)
    hertz[low] = 49.70
    return hertz


def primary(hertz: FloatArray, *, award_w: float = 200e3, service: Service) -> AwardTermsOf:
    owing = Owing(droop=DROOP, rated_w=2e6, award_w=award_w)
    return terms(
        service,
        award_w=award_w,
        available_w=(award_w, award_w),
        primary=PrimaryTerms(owing=owing, frequency_hz=hertz),
    )


def follow(about: AwardTermsOf, *, delay_s: int = 2, sign: float = 1.0) -> FloatArray:
    assert about.primary is not None
    law = [about.primary.owing.theory_w(one) for one in about.primary.frequency_hz.tolist()]
    return sign * np.concatenate([np.zeros(delay_s), np.array(law)[: 3600 - delay_s]])


@pytest.mark.parametrize("service", [Service.PRIMARY, Service.PRIMARY_OFFLINE])
def test_primary_reserve_that_follows_is_paid(service: Service) -> None:
    """If it fails, a resource that follows the frequency is suspended."""
    about = primary(frequency(slice(600, 660)), service=service)
    found = settled(about, follow(about), steps=())
    assert found.band_kept
    assert found.promised_wh > 0


@pytest.mark.parametrize(
    ("service", "failed"),
    [(Service.PRIMARY, True), (Service.PRIMARY_OFFLINE, False)],
)
def test_one_miss_after_a_fall_fails_the_slot_online_only(
    service: Service, *, failed: bool
) -> None:
    """If it fails, the worst failure of all goes unseen, or offline reserve is judged by it."""
    about = primary(frequency(slice(600, 660)), service=service)
    power_w = follow(about)
    power_w[630] = 179e3
    found = settled(about, power_w, steps=())
    assert [one.abnormal for one in found.slots] == [failed, False]
    assert [one.performance is Performance.FAILED for one in found.slots] == [failed, False]
    power_w[630] = np.nan
    assert settled(about, power_w, steps=()).slots[0].abnormal is failed


def test_primary_reserve_against_the_frequency_fails() -> None:
    """If it fails, a resource with the wrong sign is paid for pushing the frequency away."""
    about = primary(frequency(), service=Service.PRIMARY)
    found = settled(about, follow(about, sign=-1.0), steps=())
    assert not found.band_kept
    assert not found.slots[0].abnormal


def test_a_frequency_that_asks_for_nothing_fails_nobody() -> None:
    """If it fails, a quiet half hour suspends a resource that had nothing to do."""
    about = primary(np.full(3600, 50.005), service=Service.PRIMARY)
    assert settled(about, np.zeros(3600), steps=()).band_kept


def test_primary_reserve_without_a_record_fails() -> None:
    """If it fails, reserve that nobody measured is paid."""
    found = settled(terms(Service.PRIMARY), KEPT, steps=())
    assert not found.band_kept


def test_a_compound_must_keep_every_product_in_it() -> None:
    """If it fails, a compound is paid for its easiest product."""
    about = primary(np.full(3600, 50.0), award_w=1e6, service=Service.COMPOUND)
    assert settled(about, KEPT, steps=FULL).band_kept
    wrong = KEPT.copy()
    wrong[:200] = 0.0
    found = settled(about, wrong, steps=FULL)
    assert [one.performance for one in found.slots] == [Performance.FAILED, Performance.PASSED]
