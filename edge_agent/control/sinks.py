"""Sinks: loads, heating and chargers without a state of charge, held down by a ceiling.

A setpoint of a sink is a ceiling on what it takes, W <= 0 in the generator frame. What it would
take is only seen while nobody holds it; while it stands at its ceiling its power is a bound, and
the ceiling is lifted a little at a time to see what there is. A sink that nobody needs has no
ceiling at all. Pure; called by dispatch, decide and leases.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from edge_agent.control.limits import DEMAND, Limit, Range, resource_scope
from edge_agent.control.observe import Seen
from edge_agent.control.supply import fill, is_sink, supply_of
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.obligation import Authority

PROBE_RATIO: Final = 0.05
"""Part of the rating by which a ceiling is lifted each second, to see how much is wanted."""
NOTICEABLE_W: Final = 1.0
"""To go without less than this is rounding."""


def demand_of(one: Seen) -> Range:
    """Powers a counted sink can be brought to, as far as they can be seen, W.

    Parameters
    ----------
    one : Seen
        A sink with a known power.

    Returns
    -------
    Range
        From what it takes to nothing. At its ceiling it may want more: then a probe more. One
        that cannot be held lower than it is stays where it is.
    """
    assert one.power_w is not None, "only counted resources are dispatched"
    low_w = min(one.power_w, 0.0)
    setpoint = one.memory.setpoint
    probe_w = _probe(one)
    if setpoint is not None and is_movable(one) and low_w <= setpoint.power_w + probe_w / 2.0:
        most_w = min(one.binding.resource.power_w_min, low_w)
        low_w = max(min(low_w, setpoint.power_w) - probe_w, most_w)
    return Range(low_w=low_w, high_w=0.0, low_by=DEMAND, high_by="nameplate")


def is_movable(one: Seen) -> bool:
    """Whether the device lets itself be held below its rating now."""
    return one.least_w > one.binding.resource.power_w_min + NOTICEABLE_W


def free_w(one: Seen) -> float:
    """Ceiling that is none any more, W: beyond it a device would be told to take more."""
    resource = one.binding.resource
    default_w = resource.default_power_w
    return max(default_w, resource.power_w_min) if default_w < 0.0 else resource.power_w_min


def device_limits(one: Seen) -> tuple[Limit, ...]:
    """Limits that follow from what a sink says of itself: how far it can be held down."""
    if not is_sink(one.binding) or one.least_w >= 0.0:
        return ()
    low_w = -math.inf if one.power_w is None else demand_of(one).low_w
    return (
        Limit(
            name="device-range",
            authority=Authority.DEVICE_SAFETY,
            scope=resource_scope(one.resource_id),
            power_w_min=-math.inf,
            power_w_max=max(one.least_w, low_w),
            source="device",
        ),
    )


def ceilings(one: Seen, allowed: Range) -> Range:
    """Where a ceiling may lie, W: above what is wanted now it does no harm."""
    if allowed.low_by != DEMAND:
        return allowed
    low_w = min(one.binding.resource.power_w_min, allowed.low_w)
    return replace(allowed, low_w=low_w, low_by="nameplate")


def ceiling(one: Seen, asked_w: float, *, room_w: float, allowed: Range) -> float | None:
    """Ceiling to set on a sink, W, or None for no lease.

    Parameters
    ----------
    one : Seen
        A counted sink.
    asked_w : float
        What the balance asks of it, W.
    room_w : float
        How much more may be taken, W >= 0.
    allowed : Range
        What the limits leave, W, from what it wants.

    Returns
    -------
    float or None
        Held down: what is asked; a little less comfort than asked stays, so that a device with
        stages is not switched to and fro. No more need: the ceiling is lifted by a probe, never
        beyond the room, until it is no ceiling any more.
    """
    setpoint, probe_w = one.memory.setpoint, _probe(one)
    if asked_w > demand_of(one).low_w + NOTICEABLE_W:
        told_w = max(asked_w, free_w(one))
        if setpoint is not None and 0.0 <= setpoint.power_w - asked_w < probe_w / 2.0:
            told_w = setpoint.power_w
    elif setpoint is None or not is_movable(one):
        return None
    else:
        lifted_w = max(setpoint.power_w - probe_w, asked_w - room_w)
        told_w = min(setpoint.power_w, lifted_w)
        if told_w <= free_w(one) + NOTICEABLE_W and allowed.low_by == DEMAND:
            return None
    return ceilings(one, allowed).clip(told_w)


def held_inside(
    sinks: Sequence[Seen], ranges: Mapping[ResourceId, Range], *, room_w: float
) -> dict[ResourceId, float]:
    """Ceilings for sinks that are let go, where what they may take does not fit.

    Parameters
    ----------
    sinks : sequence of Seen
        With or without a known power.
    ranges : mapping of ResourceId to Range
        What the limits leave to each by itself, W.
    room_w : float
        What they may take together, W >= 0.

    Returns
    -------
    dict of ResourceId to float
        W; empty where everything fits. One that is held may take all its rating, any other
        what it takes.
    """
    lows = {one.resource_id: ranges[one.resource_id].clip(_may_take(one)) for one in sinks}
    if -math.fsum(lows.values()) <= room_w + NOTICEABLE_W:
        return {}
    curves = [
        supply_of(
            one.binding,
            lows[one.resource_id],
            max(ranges[one.resource_id].high_w, lows[one.resource_id]),
            stored_value=0.0,
        )
        for one in sinks
    ]
    _, powers = fill(curves, -room_w)
    return {
        one.resource_id: max(power_w, free_w(one))
        for one, power_w in zip(sinks, powers, strict=True)
    }


def _may_take(one: Seen) -> float:
    """Power a sink may have once it is let go, W <= 0."""
    rated_w = one.binding.resource.power_w_min
    power_w = one.memory.power_w if one.power_w is None else one.power_w
    if power_w is None or (one.memory.setpoint is not None and is_movable(one)):
        return min(rated_w, power_w or 0.0)
    return min(power_w, 0.0)


def _probe(one: Seen) -> float:
    """Watts by which a ceiling is lifted in a second."""
    return -PROBE_RATIO * one.binding.resource.power_w_min
