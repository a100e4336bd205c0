"""Sharing an award: cases a person can read."""

from datetime import UTC, datetime, timedelta

import pytest

from cloud_coordinator.allocation.capacity import Bound, CapacityOffer, allocate_capacity, bounds
from protocols.vocabulary.arrays import column
from protocols.vocabulary.envelope import Envelope
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.offer import OfferCurve

START = datetime(2026, 7, 22, tzinfo=UTC)
HOUR = Interval(start=START, end=START + timedelta(hours=1))


def offer(
    name: str, multipliers: list[float], power_w: list[float], *, cap_w: float = 1e9
) -> CapacityOffer:
    curve = OfferCurve(
        site_id=SiteId(name),
        service=Service.SECONDARY_1,
        version=1,
        multipliers=column(multipliers),
        power_w=column(power_w),
        interval=HOUR,
    )
    return CapacityOffer(
        site_id=SiteId(name),
        curve=curve,
        up=Bound(power_w=min(cap_w, power_w[-1]), limited_by="test"),
        down=Bound(power_w=min(cap_w, -power_w[0]), limited_by="test"),
    )


def test_cheapest_first() -> None:
    """Owners of dear resources would be called while cheap ones idle."""
    result = allocate_capacity(
        [offer("dear", [30, 31], [0, 1000]), offer("cheap", [10, 11], [0, 1000])], up_w=1500.0
    )
    assert result.sites == ("cheap", "dear")
    assert result.up.power_w.tolist() == [1000.0, 500.0]
    assert result.up.multiplier == pytest.approx(30.5)
    assert result.up.limited_by == ("test", "")


def test_equal_offers_share_in_proportion() -> None:
    """Of two equal neighbours one would carry everything."""
    result = allocate_capacity(
        [offer("b", [20, 20 + 1e-9], [0, 1000]), offer("a", [20, 20 + 1e-9], [0, 3000])],
        up_w=1000.0,
    )
    assert result.up.power_w.tolist() == pytest.approx([750.0, 250.0], abs=1e-6)


def test_shortfall_is_stated() -> None:
    """An award larger than the fleet would look fulfilled."""
    result = allocate_capacity([offer("a", [10, 20], [0, 700])], up_w=1000.0, down_w=50.0)
    assert result.up.power_w.tolist() == [700.0]
    assert result.up.shortfall_w == 300.0
    assert result.down.power_w.tolist() == [0.0]
    assert result.down.shortfall_w == 50.0


def test_downward_takes_the_highest_willingness_first() -> None:
    """Charging would go to the site that values it least."""
    result = allocate_capacity(
        [offer("low", [5, 15], [-1000, 0]), offer("high", [20, 25], [-1000, 0])],
        up_w=0.0,
        down_w=1200.0,
    )
    assert result.down.power_w.tolist() == pytest.approx([-1000.0, -200.0])
    assert result.down.multiplier == pytest.approx(13.0)


def test_power_owed_from_the_first_breakpoint_can_be_left_out() -> None:
    """A minimum-output offer would be committed even when nothing was awarded to it."""
    result = allocate_capacity(
        [offer("jump", [30, 40], [800, 1000]), offer("smooth", [10, 20], [0, 1000])], up_w=500.0
    )
    assert result.up.power_w.tolist() == pytest.approx([0.0, 500.0])


def test_bounds_name_what_binds() -> None:
    """A battery would be promised for an hour with energy for ten minutes."""
    curve = offer("a", [10, 20], [-4000, 4000]).curve
    envelope = Envelope(
        target="a",
        interval=HOUR,
        step_s=1800.0,
        power_w_min=column([-3000.0, -3500.0]),
        power_w_max=column([3000.0, 2500.0]),
        energy_wh_min=column([0.0, -2000.0, -5000.0]),
        energy_wh_max=column([0.0, 500.0, 600.0]),
        ramp_w_per_s=100.0,
        limited_by="contract",
    )
    up, down = bounds(curve, envelope, HOUR, response_s=300.0)
    assert (up.power_w, up.limited_by) == (600.0, "energy")
    assert (down.power_w, down.limited_by) == (3000.0, "contract")
    up, down = bounds(curve, envelope, HOUR, response_s=5.0)
    assert (up.power_w, down.power_w, down.limited_by) == (500.0, 500.0, "ramp")


def test_no_offers() -> None:
    """An award without any site would crash instead of being short."""
    result = allocate_capacity([], up_w=10.0)
    assert result.sites == ()
    assert result.up.shortfall_w == 10.0
