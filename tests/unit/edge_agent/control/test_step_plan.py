"""Steps of a live test: within every limit, or not at all."""

from typing import Any

import pytest

from edge_agent.control.limits import contract_import, export_limit
from edge_agent.control.step_plan import (
    METER_MARGIN_W,
    Standing,
    broken_limit,
    length_s,
    no_room,
    room_of,
    steps_for,
)
from protocols.vocabulary.identifiers import ResourceId, SiteId
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

LIMITS = (contract_import(10_000.0), export_limit(5_000.0))
SOC = Capability.HAS_SOC


def _device(least_w: float = -5000.0, most_w: float = 5000.0, **changes: Any) -> Resource:
    return Resource(
        resource_id=ResourceId("site-001/battery-1"),
        site_id=SiteId("site-001"),
        kind=ResourceKind.BATTERY,
        power_w_min=least_w,
        power_w_max=most_w,
        ramp_w_per_s=1000.0,
        **changes,
    )


def _planned(resource: Resource, standing: Standing, share: float = 0.2) -> list[float]:
    room = room_of(resource, standing, LIMITS, test_s=length_s(15.0))
    return [step.power_w for step in steps_for(resource, room, share=share, hold_s=15.0)]


def test_a_battery_steps_up_and_down_around_nothing() -> None:
    """If it fails, one direction of a device is never seen."""
    standing = Standing(power_w=300.0, meter_w=-1000.0)
    assert _planned(_device(), standing) == [0.0, 1000.0, 0.0, -1000.0, 0.0]


def test_a_charger_steps_around_a_power_it_can_take() -> None:
    """If it fails, a charger is told to feed a car's battery into the house."""
    standing = Standing(power_w=-2000.0, meter_w=-3000.0, low_w=-6000.0, high_w=0.0)
    planned = _planned(_device(-6000.0, 0.0), standing)
    assert planned == [-1200.0, 0.0, -1200.0, -2400.0, -1200.0]


@pytest.mark.parametrize(
    ("standing", "most_w", "by"),
    [
        (Standing(power_w=0.0, meter_w=4_500.0), 500.0 - METER_MARGIN_W, "export-limit"),
        (Standing(power_w=2_000.0, meter_w=4_500.0), 2_500.0 - METER_MARGIN_W, "export-limit"),
        (Standing(power_w=0.0, meter_w=0.0, high_w=700.0), 700.0, "device-range"),
        (Standing(power_w=0.0, meter_w=-1.0), 4_901.0, "export-limit"),
    ],
)
def test_the_upper_end_is_the_tightest_limit(standing: Standing, most_w: float, by: str) -> None:
    """If it fails, a test trips what protects the house or breaks what the grid allows."""
    room = room_of(_device(), standing, LIMITS, test_s=100.0)
    assert room.high_w == pytest.approx(most_w)
    assert room.high_by == by
    assert max(_planned(_device(), standing, 1.0)) <= most_w


def test_the_contract_bounds_the_lower_end() -> None:
    """If it fails, a step down opens the main breaker."""
    room = room_of(_device(), Standing(power_w=0.0, meter_w=-9_000.0), LIMITS, test_s=100.0)
    assert room.low_w == pytest.approx(-1000.0 + METER_MARGIN_W)
    assert room.low_by == "contract-import"


def test_a_store_keeps_its_owners_bounds_for_the_whole_test() -> None:
    """If it fails, a test empties what the owner keeps for a power cut."""
    store = _device(
        capabilities=frozenset({SOC}), energy_wh_capacity=10_000.0, soc_min=0.3, soc_max=0.9
    )
    standing = Standing(power_w=0.0, meter_w=-1000.0, soc=0.31)
    room = room_of(store, standing, LIMITS, test_s=3600.0)
    assert room.high_w == pytest.approx(100.0)
    assert room.high_by == "state-of-charge"
    assert room_of(store, Standing(power_w=0.0, meter_w=0.0), LIMITS, test_s=60.0).high_w == 0.0
    unknown = _device(capabilities=frozenset({SOC}))
    standing = Standing(power_w=0.0, meter_w=-1000.0, soc=0.5)
    assert room_of(unknown, standing, LIMITS, test_s=3600.0).high_w == 5000.0


def test_too_small_a_room_is_no_test_and_says_why() -> None:
    """If it fails, a technician learns nothing from a device that did not move."""
    room = room_of(_device(), Standing(power_w=0.0, meter_w=6_000.0), LIMITS, test_s=60.0)
    assert steps_for(_device(), room, share=0.2, hold_s=15.0) != ()
    tight = room_of(
        _device(), Standing(power_w=0.0, meter_w=0.0, low_w=-50.0, high_w=50.0), LIMITS, test_s=60.0
    )
    assert steps_for(_device(), tight, share=0.2, hold_s=15.0) == ()
    assert "by device-range" in no_room(tight)


def test_a_meter_beyond_a_limit_is_named() -> None:
    """If it fails, a running test goes on over the contract."""
    assert broken_limit(LIMITS, -9_999.0) == ""
    assert "beyond contract-import" in broken_limit(LIMITS, -10_001.0)
    assert "beyond export-limit" in broken_limit(LIMITS, 5_001.0)
