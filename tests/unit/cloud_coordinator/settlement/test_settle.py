"""Statements: energy, ratios, what is missing, and that settling twice is settling once."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from cloud_coordinator.market.bands import CommandStep
from cloud_coordinator.market.rules import load_rule_book
from cloud_coordinator.settlement.assessing import Ruling
from cloud_coordinator.settlement.records import (
    AwardTermsOf,
    DeliveredRows,
    Promise,
    Statement,
)
from cloud_coordinator.settlement.settle import settle
from protocols.vocabulary.identifiers import ObligationId, SiteId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service

START = datetime(2026, 7, 22, tzinfo=UTC)
FIRST = int(START.timestamp())
BOOK = load_rule_book()
RULING = Ruling(rule=BOOK.settling(Service.SECONDARY_1, date(2026, 7, 22)))
PROMISE = Promise(steps=(CommandStep(at_s=float(FIRST), power_w=1000.0),))


def terms(seconds: int = 3600) -> AwardTermsOf:
    return AwardTermsOf(
        obligation_id=ObligationId("award-1"),
        zone=ZoneId("tokyo"),
        service=Service.SECONDARY_1,
        interval=Interval(start=START, end=START + timedelta(seconds=seconds)),
        award_w=1000.0,
        tolerance_w=50.0,
        price_jpy_per_kw_30min=Decimal("10.50"),
        sites=(SiteId("site-b"), SiteId("site-a")),
        child_w=(600.0, 400.0),
        available_w=(1000.0,) * -(-seconds // 1800),
        final_at=START + timedelta(days=2),
    )


def rows(seconds: int = 3600, b_w: float = 600.0, a_w: float = 400.0) -> DeliveredRows:
    second = np.repeat(np.arange(FIRST, FIRST + seconds), 2)
    return DeliveredRows(
        site_index=np.tile([0, 1], seconds),
        second=second,
        delivered_w=np.tile([b_w, a_w], seconds),
    )


def without(kept: DeliveredRows, mask: np.ndarray) -> DeliveredRows:
    return DeliveredRows(
        site_index=kept.site_index[~mask],
        second=kept.second[~mask],
        delivered_w=kept.delivered_w[~mask],
    )


def made(delivered: DeliveredRows, seconds: int = 3600) -> Statement:
    return settle(terms(seconds), PROMISE, delivered, ruling=RULING)


def test_perfect_hour() -> None:
    """Kept promises would not be paid."""
    statement = made(rows())
    assert (statement.promised_wh, statement.delivered_wh) == (1000, 1000)
    assert statement.within_tolerance_ratio == statement.within_band_ratio == 1.0
    assert statement.band_kept
    assert statement.error_rms_w == 0.0
    assert statement.missing == ()
    assert [(s.site_id, s.energy_wh) for s in statement.sites] == [("site-a", 400), ("site-b", 600)]
    assert statement.capacity_value_jpy == Decimal("21.00")


def test_missing_seconds_are_stated_and_outside() -> None:
    """A hole in the record would be paid as if delivered."""
    full = rows()
    hole = (full.site_index == 1) & (full.second >= FIRST + 100) & (full.second < FIRST + 460)
    statement = made(without(full, hole))
    assert statement.missing == ((FIRST + 100, FIRST + 460),)
    assert statement.seconds_complete == 3240
    assert statement.within_tolerance_ratio == pytest.approx(0.9)
    assert not statement.band_kept
    assert statement.delivered_wh == 960
    assert statement.sites[0].seconds_missing == 360
    assert statement.error_rms_w == 0.0, "an unknown second is not an error of a known size"


def test_a_row_without_a_number_is_missing() -> None:
    """A dead meter would count as zero delivered or as delivered."""
    statement = made(rows(seconds=10, a_w=float("nan")), seconds=10)
    assert statement.seconds_complete == 0
    assert statement.error_rms_w is None
    assert statement.sites[0].seconds_missing == 10


def test_same_data_same_statement() -> None:
    """Settling again after late rows arrived in another order would give another bill."""
    full = rows(b_w=613.77, a_w=381.31)
    order = np.random.default_rng(1).permutation(len(full.second))
    doubled = np.concatenate([order, order[:500]])
    shuffled = DeliveredRows(
        site_index=full.site_index[doubled],
        second=full.second[doubled],
        delivered_w=full.delivered_w[doubled],
    )
    assert made(full) == made(shuffled)
    assert made(full).statement_id != made(rows()).statement_id


def test_tolerance_includes_its_edge() -> None:
    """A second exactly at the tolerance would fail by rounding."""
    assert made(rows(seconds=10, b_w=650.0), seconds=10).within_tolerance_ratio == 1.0
    assert made(rows(seconds=10, b_w=650.1), seconds=10).within_tolerance_ratio == 0.0


@pytest.mark.parametrize(("power_w", "energy_wh"), [(1800.0, 1), (1799.0, 0), (-1800.0, -1)])
def test_energy_rounds_half_up(power_w: float, energy_wh: int) -> None:
    """Whole watt-hours would be cut instead of rounded."""
    statement = made(rows(seconds=1, b_w=power_w, a_w=0.0), seconds=1)
    assert statement.sites[1].energy_wh == energy_wh
    assert statement.delivered_wh == sum(site.energy_wh for site in statement.sites)
