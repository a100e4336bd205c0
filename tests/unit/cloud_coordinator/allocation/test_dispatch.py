"""The multiplier search: cases a person can read."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from cloud_coordinator.allocation.curves import aggregate, curve_table, shares
from cloud_coordinator.allocation.dispatch import dispatch
from protocols.vocabulary.arrays import column
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.offer import OfferCurve, share

START = datetime(2026, 7, 22, tzinfo=UTC)


def curve(multipliers: list[float], power_w: list[float]) -> OfferCurve:
    return OfferCurve(
        site_id=SiteId("site-1"),
        service=Service.SECONDARY_1,
        version=1,
        multipliers=column(multipliers),
        power_w=column(power_w),
        interval=Interval(start=START, end=START + timedelta(hours=1)),
    )


CHEAP = curve([10.0, 20.0], [0.0, 1000.0])
DEAR = curve([15.0, 25.0, 35.0], [-500.0, 0.0, 500.0])


@pytest.mark.parametrize(
    ("required_w", "multiplier", "shortfall_w"),
    [
        (-500.0, 10.0, 0.0),
        (-600.0, 10.0, -100.0),
        (0.0, 15.0, 0.0),
        (300.0, 17.0, 0.0),
        (1000.0, 25.0, 0.0),
        (1500.0, 35.0, 0.0),
        (2000.0, 35.0, 500.0),
    ],
)
def test_root(required_w: float, multiplier: float, shortfall_w: float) -> None:
    """The zone would get more or less power than commanded, or a shortfall go unsaid."""
    call = dispatch(aggregate(curve_table([CHEAP, DEAR])), required_w)
    assert call.shortfall_w == pytest.approx(shortfall_w)
    reached = sum(share(c, {Service.SECONDARY_1: call.multiplier}) for c in (CHEAP, DEAR))
    assert reached == pytest.approx(required_w - shortfall_w, abs=1e-6)
    assert call.multiplier == pytest.approx(multiplier)


def test_no_curves() -> None:
    """An empty zone would crash the tick instead of stating the whole command as missing."""
    call = dispatch(aggregate(curve_table([])), 1000.0)
    assert (call.reached_w, call.shortfall_w) == (0.0, 1000.0)


def test_constant_curves() -> None:
    """A site that cannot move would make the search divide by zero."""
    call = dispatch(
        aggregate(curve_table([curve([1.0], [200.0]), curve([1.0, 2.0], [5.0, 5.0])])), 300.0
    )
    assert call.reached_w == 205.0
    assert call.shortfall_w == 95.0


def test_a_very_steep_curve_leaves_no_trace_above_it() -> None:
    """Rounding left by one odd site's near-vertical offer would shift everybody's share."""
    steep = curve([10.0, 10.0 + 1e-12], [0.0, 5000.0])
    flat = [curve([11.0, 40.0], [0.0, 1000.0]) for _ in range(50)]
    total = aggregate(curve_table([steep, *flat]))
    for required_w in (6000.0, 30_000.0, 54_999.0):
        call = dispatch(total, required_w)
        reached = math.fsum(shares(curve_table([steep, *flat]), call.multiplier))
        assert abs(reached - required_w) < 1e-6
