"""The small steps of a live test: how far a device may be moved, and when it must stop. Pure.

Every step lies within what the device says it can do now, its owner's state of charge, and
what the contract and the export limit leave at the meter while everything else stays as it is.
Called by the technician's live test. Powers in W, generator frame.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from edge_agent.control.limits import Limit, Range, measured_range, narrow, resource_scope
from protocols.vocabulary.obligation import Authority
from protocols.vocabulary.resource import Capability, Resource

SHARE: Final = 0.2
"""Part of a device's greater rating that a step has where nobody names another."""
STEP_W_LEAST: Final = 100.0
"""A smaller step is lost in what a device gives by itself."""
METER_MARGIN_W: Final = 100.0
"""Kept free at the meter for what the household does meanwhile."""
SETTLE_S: Final = 5.0
"""How long a device is held at its base before the first step."""
AFTER_S: Final = 5.0
"""Time a step is held beyond what the rule looks at."""
_S_PER_H: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a device and its site stand before a test.

    Attributes
    ----------
    power_w : float
        What the device gives, W.
    meter_w : float
        At the site's meter, W.
    low_w, high_w : float or None
        What the device says it can do now, W; None where it says nothing.
    soc : float or None
        0..1 of usable energy; None for a device without a store.
    """

    power_w: float
    meter_w: float
    low_w: float | None = None
    high_w: float | None = None
    soc: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One power that is held for a while.

    Attributes
    ----------
    name : str
        ``"base"``, ``"up"`` or ``"down"``.
    power_w : float
        Whole W.
    hold_s : float
        How long, s.
    """

    name: str
    power_w: float
    hold_s: float


def room_of(
    resource: Resource, standing: Standing, limits: Sequence[Limit], *, test_s: float
) -> Range:
    """Return the powers a device may be told during a test, and what bounds them.

    Parameters
    ----------
    resource : Resource
        The device; its bounds are the configured ones where there are any.
    standing : Standing
        How it stands.
    limits : sequence of Limit
        Of the site's meter.
    test_s : float
        Length of the test, s: a store must have energy, and space, for all of it.

    Returns
    -------
    Range
        Where limits leave nothing, both ends are the same.
    """
    room = Range(
        low_w=resource.power_w_min,
        high_w=resource.power_w_max,
        low_by="its rating",
        high_by="its rating",
    )
    others_w = standing.meter_w - standing.power_w
    inner = [_device_range(resource, standing), *_store_range(resource, standing.soc, test_s)]
    for limit in (*inner, *(_beside(resource, limit, others_w) for limit in limits)):
        room, _ = narrow(room, limit)
    return room


def _device_range(resource: Resource, standing: Standing) -> Limit:
    low_w = -math.inf if standing.low_w is None else standing.low_w
    high_w = math.inf if standing.high_w is None else standing.high_w
    return measured_range(resource.resource_id, low_w, high_w)


def _store_range(resource: Resource, soc: float | None, test_s: float) -> Iterable[Limit]:
    """Bound a store by the energy and the space its owner leaves to the test."""
    if Capability.HAS_SOC not in resource.capabilities:
        return
    hours = test_s / _S_PER_H
    capacity_wh = resource.energy_wh_capacity or math.inf
    known = soc is not None and math.isfinite(soc)
    above, below = (
        (soc - resource.soc_min, resource.soc_max - soc)
        if soc is not None and known
        else (0.0, 0.0)
    )
    out_wh = above * capacity_wh if above > 0.0 else 0.0
    in_wh = below * capacity_wh if below > 0.0 else 0.0
    yield Limit(
        name="state-of-charge" if known else "unknown-state-of-charge",
        authority=Authority.OWNER,
        scope=resource_scope(resource.resource_id),
        power_w_min=-in_wh / resource.efficiency_charge / hours,
        power_w_max=out_wh * resource.efficiency_discharge / hours,
    )


def _beside(resource: Resource, limit: Limit, others_w: float) -> Limit:
    """Turn a limit at the meter into one of the device, with the others as they are."""
    low_w = limit.power_w_min - others_w + METER_MARGIN_W
    high_w = limit.power_w_max - others_w - METER_MARGIN_W
    return Limit(
        name=limit.name,
        authority=limit.authority,
        scope=resource_scope(resource.resource_id),
        power_w_min=min(low_w, high_w),
        power_w_max=max(low_w, high_w),
    )


def steps_for(resource: Resource, room: Range, *, share: float, hold_s: float) -> tuple[Step, ...]:
    """Plan a step up and a step down, each from the base and back to it.

    Parameters
    ----------
    resource : Resource
        The device.
    room : Range
        Of :func:`room_of`; no step leaves it.
    share : float
        Size of a step as a part of the device's greater rating, 0..1.
    hold_s : float
        How long each is held, s, > 0.

    Returns
    -------
    tuple of Step
        Empty where the room is too small for a step.
    """
    low_w, high_w = math.ceil(room.low_w), math.floor(room.high_w)
    rated_w = max(resource.power_w_max, -resource.power_w_min)
    step_w = math.floor(min(share * rated_w, (high_w - low_w) / 2.0))
    if step_w < STEP_W_LEAST:
        return ()
    base_w = float(min(max(0, low_w + step_w), high_w - step_w))
    base = Step(name="base", power_w=base_w, hold_s=hold_s)
    return (
        Step(name="base", power_w=base_w, hold_s=SETTLE_S),
        Step(name="up", power_w=base_w + step_w, hold_s=hold_s),
        base,
        Step(name="down", power_w=base_w - step_w, hold_s=hold_s),
        base,
    )


def length_s(hold_s: float) -> float:
    """How long one device is moved, s."""
    return SETTLE_S + 4.0 * hold_s


def no_room(room: Range) -> str:
    """Say why a room is too small for a step."""
    bounds = f"{room.low_w:+,.0f} W by {room.low_by}, {room.high_w:+,.0f} W by {room.high_by}"
    return f"no room for two steps of {STEP_W_LEAST:g} W: {bounds}"


def broken_limit(limits: Sequence[Limit], meter_w: float) -> str:
    """Say which limit the meter is beyond; empty if it is within all of them."""
    for limit in limits:
        if not limit.power_w_min <= meter_w <= limit.power_w_max:
            return f"the meter is at {meter_w:+,.0f} W, beyond {limit.name}"
    return ""
