"""From wanted powers to leases: what is written now, what still holds, what is let go.

Every setpoint expires. One that still holds and says the same is not written again before half of
its life is over; a device that can no longer be counted on gets nothing new, so its lease ends
and it is released. Called by decide.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from edge_agent.control.bounds import ALONE
from edge_agent.control.inputs import (
    ControlState,
    CycleInputs,
    Release,
    ResourceMemory,
)
from edge_agent.control.limits import TOLERANCE_W, Limit, Range, ScopeKind, narrow
from edge_agent.control.observe import Seen
from edge_agent.control.rooms import Rooms
from edge_agent.control.sinks import NOTICEABLE_W, held_inside, is_movable
from edge_agent.control.sums import Surroundings
from edge_agent.control.supply import is_sink, takes_limit_only
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.obligation import Authority
from protocols.vocabulary.setpoint import Setpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What one device should be told.

    Attributes
    ----------
    power_w : float or None
        W; None lets it go.
    allowed : Range
        The setpoint lies inside.
    reason : str
        The rule that decided.
    """

    power_w: float | None
    allowed: Range
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The outcome for all devices."""

    setpoints: tuple[Setpoint, ...]
    releases: tuple[Release, ...]
    memories: tuple[ResourceMemory, ...]
    sequence: int


def write(
    inputs: CycleInputs,
    state: ControlState,
    seen: Sequence[Seen],
    *,
    wishes: Mapping[ResourceId, Wish],
    lent: Collection[ResourceId] = (),
) -> Written:
    """Turn wishes into leases.

    Parameters
    ----------
    inputs, state : CycleInputs, ControlState
        This cycle and the memory of the last.
    seen : sequence of Seen
        Every controllable resource.
    wishes : mapping of ResourceId to Wish
        A resource without a wish keeps its lease until it ends.
    lent : collection of ResourceId
        Devices that the primary loop writes to; they are only remembered.

    Returns
    -------
    Written
        What to write, whom to release, and what to remember.
    """
    setpoints: list[Setpoint] = []
    releases: list[Release] = []
    memories: list[ResourceMemory] = []
    sequence = state.sequence
    known = {memory.resource_id for memory in state.memories}
    for one in seen:
        held = _still_held(inputs, one)
        wish = wishes.get(one.resource_id)
        if one.resource_id in lent:
            pass
        elif wish is None:
            if held is None and one.memory.setpoint is not None:
                releases.append(Release(resource_id=one.resource_id, reason="lease.ended"))
        elif wish.power_w is None:
            if one.memory.setpoint is not None or one.resource_id not in known:
                releases.append(Release(resource_id=one.resource_id, reason=wish.reason))
            held = None
        elif held is None or _must_write(inputs, held, wish):
            sequence += 1
            held = _lease(inputs, one, wish, sequence=sequence)
            setpoints.append(held)
        memories.append(
            ResourceMemory(
                resource_id=one.resource_id,
                power_w=one.memory.power_w if one.power_w is None else one.power_w,
                idle_cycles=one.idle_cycles,
                setpoint=held,
            )
        )
    return Written(
        setpoints=tuple(setpoints),
        releases=tuple(releases),
        memories=tuple(memories),
        sequence=sequence,
    )


def _still_held(inputs: CycleInputs, one: Seen) -> Setpoint | None:
    """Lease in force on a device, if it has not ended (and does not come from the future)."""
    setpoint = one.memory.setpoint
    if setpoint is None or not setpoint.valid_from <= inputs.now < setpoint.valid_until:
        return None
    return setpoint


def _must_write(inputs: CycleInputs, held: Setpoint, wish: Wish) -> bool:
    """Whether the lease in force must be replaced or prolonged."""
    assert wish.power_w is not None, "a wish to write has a power"
    parameters = inputs.frame.parameters
    left_s = (held.valid_until - inputs.now).total_seconds()
    outside = not (
        wish.allowed.low_w - TOLERANCE_W <= held.power_w <= wish.allowed.high_w + TOLERANCE_W
    )
    changed = abs(wish.power_w - held.power_w) > parameters.write_deadband_w
    return outside or changed or left_s <= parameters.lease_s / 2.0


def _lease(inputs: CycleInputs, one: Seen, wish: Wish, *, sequence: int) -> Setpoint:
    """Make a setpoint, in whole watts where the range allows."""
    assert wish.power_w is not None, "a wish to write has a power"
    whole_w = float(round(wish.power_w))
    inside = wish.allowed.low_w <= whole_w <= wish.allowed.high_w
    return Setpoint(
        resource_id=one.resource_id,
        power_w=whole_w if inside else wish.allowed.clip(wish.power_w),
        valid_from=inputs.now,
        valid_until=inputs.now + timedelta(seconds=inputs.frame.parameters.lease_s),
        reason=wish.reason,
        cycle=inputs.cycle,
        sequence=sequence,
    )


def capped(one: Seen, asked_w: float, *, room_w: float, allowed: Range) -> float | None:
    """Limit to set on a generator that only takes limits, W, or None for no lease.

    Parameters
    ----------
    one : Seen
        The generator.
    asked_w : float
        What the balance asks of it, W.
    room_w : float
        How much more the meter's limits would take, W >= 0.
    allowed : Range
        The setpoint lies inside.

    Returns
    -------
    float or None
        Held back: what is asked. Running free: what it gives now plus the room, so that a
        cloud that passes cannot break the limit; None when that is beyond its rating.
    """
    assert one.power_w is not None, "only counted resources are dispatched"
    rated_w = one.binding.resource.power_w_max
    if asked_w < one.power_w - TOLERANCE_W:
        return asked_w
    cap_w = max(asked_w, one.power_w) + max(room_w, 0.0)
    if cap_w >= rated_w and allowed.high_w >= rated_w:
        return None
    return allowed.clip(cap_w)


def resting(
    seen: Sequence[Seen],
    limits: Sequence[Limit],
    *,
    reason: str,
    load_w: float = 0.0,
    beside: Surroundings = ALONE,
) -> dict[ResourceId, Wish]:
    """Wishes for devices that are let go: their own defaults, held inside the limits.

    Parameters
    ----------
    seen : sequence of Seen
        The devices.
    limits : sequence of Limit
        In force, strongest first.
    reason : str
        Why they rest.
    load_w : float
        What is known to be taken by what nobody here controls, W >= 0; sinks must leave it.
    beside : Surroundings
        What else counts toward limits on sums.

    Returns
    -------
    dict of ResourceId to Wish
        Release, where the device's default breaks no limit still in force; else a lease at
        the nearest power that breaks none, counting on no load to take what is generated.
        "Released" is never "unlimited". The default of a sink is to take what it wants.
    """
    rooms = Rooms(limits, beside, load_w=load_w)
    wishes: dict[ResourceId, Wish] = {}
    for one in seen:
        if is_sink(one.binding):
            continue
        allowed, ordered = _alone(one, limits)
        default_w = _default_power(one)
        power_w = rooms.take(one.resource_id, allowed.clip(default_w))
        free = power_w == default_w and not ordered
        allowed = replace(allowed, low_w=min(allowed.low_w, power_w))
        allowed = replace(allowed, high_w=max(allowed.high_w, power_w))
        wishes[one.resource_id] = Wish(
            power_w=None if free else power_w, allowed=allowed, reason=reason
        )
    return wishes | _resting_sinks(seen, limits, reason=reason, room_w=rooms.left_for_sinks())


def _resting_sinks(
    seen: Sequence[Seen], limits: Sequence[Limit], *, reason: str, room_w: float
) -> dict[ResourceId, Wish]:
    """Wishes for sinks that are let go: free, as far as they fit into the room together."""
    sinks = [one for one in seen if is_sink(one.binding)]
    ranges = {one.resource_id: _alone(one, limits)[0] for one in sinks}
    powers = held_inside(sinks, ranges, room_w=room_w)
    wishes: dict[ResourceId, Wish] = {}
    for one in sinks:
        allowed = ranges[one.resource_id]
        power_w = powers.get(one.resource_id, allowed.low_w)
        wants_w = one.binding.resource.power_w_min
        if one.memory.setpoint is None and one.power_w is not None and allowed.low_w <= wants_w:
            wants_w = max(wants_w, one.power_w)
        free = power_w <= wants_w + NOTICEABLE_W or not is_movable(one)
        wishes[one.resource_id] = Wish(
            power_w=None if free else power_w, allowed=allowed, reason=reason
        )
    return wishes


def _alone(one: Seen, limits: Sequence[Limit]) -> tuple[Range, bool]:
    """Range of a device by itself, and whether somebody stronger than its owner narrowed it."""
    resource = one.binding.resource
    allowed = Range(
        low_w=resource.power_w_min,
        high_w=resource.power_w_max,
        low_by="nameplate",
        high_by="nameplate",
    )
    ordered = False
    for limit in limits:
        alone = limit.scope.kind in {ScopeKind.RESOURCE, ScopeKind.GROUP}
        if alone and limit.scope.members == (resource.resource_id,):
            narrowed, _ = narrow(allowed, limit)
            stronger = limit.authority in {Authority.EMERGENCY_STOP, Authority.GRID_CODE}
            ordered = ordered or (stronger and narrowed != allowed)
            allowed = narrowed
    return allowed, ordered


def _default_power(one: Seen) -> float:
    """Power of a device once it is let go, W: a limited generator may give all it has."""
    resource = one.binding.resource
    return resource.power_w_max if takes_limit_only(one.binding) else resource.default_power_w
