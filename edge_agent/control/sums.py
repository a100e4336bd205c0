"""Limits on sums of resources, split into a range for each: groups, generation, consumption.

Each resource gets the part of the sum that the cheapest split gives it at the limit itself. At any
lesser total the common price lies nearer to zero, so nobody wants more than its part: the split
costs nothing as long as the limit does not bind, is the cheapest one when it does, and holds
whatever the devices do with their parts. Since only ranges are left, a resource may be in any
number of sums; of net sums that overlap in part a later one may find no room and is then named.
Pure; called by bounds.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edge_agent.control.limits import TOLERANCE_W, Limit, Range, Relaxed, ScopeKind
from edge_agent.control.supply import Curve, fill
from protocols.vocabulary.identifiers import ResourceId

Ranges = dict[ResourceId, Range]


def evenly(_: ResourceId, inside: Range) -> Curve:
    """Return the supply of a resource that is as dear as any other: sums are split by width."""
    if inside.high_w <= inside.low_w:
        return Curve((0.0,), (inside.low_w,))
    return Curve((0.0, 1.0), (inside.low_w, inside.high_w))


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a sum depends on beside the ranges of the resources that are dispatched.

    Attributes
    ----------
    supply : callable
        Supply curve of a resource inside a range; it may end below the range's upper end
        where there is no more to be had now.
    sudden_w : mapping of ResourceId to float
        Of each resource that gives what its source gives (sun): by how much that may rise
        before it is asked again, W.
    others : mapping of ResourceId to Range
        Power of each resource that is not dispatched, W: a point where it is measured, all it
        may do where it is not.
    unseen_w : float
        Power at the meter that no resource accounts for, W: the house, or what nobody told of.
    """

    supply: Callable[[ResourceId, Range], Curve] = evenly
    sudden_w: Mapping[ResourceId, float] = field(default_factory=dict)
    others: Mapping[ResourceId, Range] = field(default_factory=dict)
    unseen_w: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSum:
    """A limit on a sum, noted at its level of authority.

    Attributes
    ----------
    limit : Limit
        Its scope is a sum.
    floor : mapping of ResourceId to Range
        What stronger limits left to each resource: as far as weaker ones may be opened.
    widened_w : float
        By how much it gave way to a stronger demand on the whole site, W: above 0 its upper
        side, below 0 its lower.
    """

    limit: Limit
    floor: Mapping[ResourceId, Range]
    widened_w: float = 0.0


@dataclass(frozen=True, slots=True)
class _Part:
    """One resource's part in a sum: its range in the direction that counts."""

    resource_id: ResourceId
    inside: Range


def hold(
    ranges: Ranges, sums: Sequence[HeldSum], beside: Surroundings
) -> tuple[Ranges, list[Relaxed]]:
    """Narrow ranges so that they keep all sums, whatever is chosen inside them.

    Parameters
    ----------
    ranges : dict of ResourceId to Range
        Of the resources that are dispatched, all other limits applied.
    sums : sequence of HeldSum
        Strongest first.
    beside : Surroundings
        What else counts.

    Returns
    -------
    tuple of dict and list of Relaxed
        Non-empty ranges, and what gave way: weaker limits of resources, or the sum itself
        where the resources, or what nobody controls, leave no choice.
    """
    relaxed: list[Relaxed] = []
    kept: set[str] = set()
    for one in sorted(sums, key=_precedence):
        ranges, gave_way = _upper(ranges, one, beside, kept=kept)
        relaxed += gave_way
        ranges, gave_way = _lower(ranges, one, beside, kept=kept)
        relaxed += gave_way
        kept.add(one.limit.name)
    return ranges, relaxed


def _precedence(one: HeldSum) -> tuple[int, bool, bool, float]:
    """Strongest first; then ceilings, those of one direction, and those of few members.

    What was split before is not opened again by what comes after.
    """
    limit = one.limit
    net, members = limit.scope.kind is ScopeKind.GROUP, len(limit.scope.members)
    return limit.authority, limit.demands_power, net, members or math.inf


def _counts(limit: Limit, resource_id: ResourceId) -> bool:
    return not limit.scope.members or resource_id in limit.scope.members


def _directed(limit: Limit, inside: Range) -> Range:
    """Part of a range in the direction that counts."""
    if limit.scope.kind is ScopeKind.GENERATION:
        return replace(inside, low_w=max(inside.low_w, 0.0), high_w=max(inside.high_w, 0.0))
    if limit.scope.kind is ScopeKind.CONSUMPTION:
        return replace(inside, low_w=min(inside.low_w, 0.0), high_w=min(inside.high_w, 0.0))
    return inside


def others_of(limit: Limit, ranges: Ranges, beside: Surroundings) -> Range:
    """Return what resources not dispatched, and the rest of the site, add to a sum, W."""
    counted = [
        _directed(limit, inside)
        for key, inside in beside.others.items()
        if key not in ranges and _counts(limit, key)
    ]
    low_w = math.fsum(one.low_w for one in counted)
    high_w = math.fsum(one.high_w for one in counted)
    if not limit.scope.members:
        unseen = Range(low_w=beside.unseen_w, high_w=beside.unseen_w, low_by="", high_by="")
        unseen = _directed(limit, unseen)
        low_w, high_w = low_w + unseen.low_w, high_w + unseen.high_w
    return Range(low_w=low_w, high_w=high_w, low_by="others", high_by="others")


def _parts(limit: Limit, ranges: Ranges) -> list[_Part]:
    return [
        _Part(key, _directed(limit, inside))
        for key, inside in ranges.items()
        if _counts(limit, key)
    ]


def _upper(
    ranges: Ranges, one: HeldSum, beside: Surroundings, *, kept: Collection[str]
) -> tuple[Ranges, list[Relaxed]]:
    """Keep the upper side of a sum."""
    limit = one.limit
    if math.isinf(limit.power_w_max):
        return ranges, []
    most_w = limit.power_w_max + max(one.widened_w, 0.0) - others_of(limit, ranges, beside).high_w
    ranges, relaxed = _opened_down(ranges, one, most_w, kept=kept)
    parts = _parts(limit, ranges)
    least_w = math.fsum(part.inside.low_w for part in parts)
    if least_w > most_w + TOLERANCE_W:
        by = parts[0].inside.low_by if parts else "others"
        relaxed.append(Relaxed(name=limit.name, amount_w=least_w - most_w, by=by))
    if math.fsum(part.inside.high_w for part in parts) <= most_w:
        return ranges, relaxed
    caps = _caps(parts, max(most_w, least_w), beside, steered=limit.demands_power)
    after = dict(ranges)
    for part in parts:
        inside, cap_w = ranges[part.resource_id], caps[part.resource_id]
        if cap_w < inside.high_w:
            high_w = max(cap_w, inside.low_w)
            after[part.resource_id] = replace(inside, high_w=high_w, high_by=limit.name)
    return after, relaxed


def _caps(
    parts: Sequence[_Part], most_w: float, beside: Surroundings, *, steered: bool
) -> dict[ResourceId, float]:
    """Split the upper side of a sum, W.

    A source that gives all it has keeps room to rise; what that takes from the others is small.
    Under a target it is not capped at all: the others follow it, second by second.
    """
    curves = [beside.supply(part.resource_id, part.inside) for part in parts]
    sources = [part.resource_id in beside.sudden_w for part in parts]
    reserve_w = math.fsum(
        min(beside.sudden_w[part.resource_id], part.inside.high_w - curve.high_w)
        for part, curve, source in zip(parts, curves, sources, strict=True)
        if source and not steered
    )
    _, powers = fill(curves, most_w - reserve_w)
    spare_w = max(most_w - math.fsum(powers), 0.0)
    caps: dict[ResourceId, float] = {}
    rows = sorted(range(len(parts)), key=lambda row: not sources[row])
    for row in rows:
        part, power_w = parts[row], powers[row]
        if steered and sources[row] and power_w >= curves[row].high_w - TOLERANCE_W:
            caps[part.resource_id] = part.inside.high_w
            continue
        extra_w = min(max(part.inside.high_w - power_w, 0.0), spare_w)
        spare_w -= extra_w
        caps[part.resource_id] = power_w + extra_w
    return caps


def _lower(
    ranges: Ranges, one: HeldSum, beside: Surroundings, *, kept: Collection[str]
) -> tuple[Ranges, list[Relaxed]]:
    """Keep the lower side of a sum."""
    limit = one.limit
    if math.isinf(limit.power_w_min):
        return ranges, []
    least_w = limit.power_w_min + min(one.widened_w, 0.0) - others_of(limit, ranges, beside).low_w
    ranges, relaxed = _opened_up(ranges, one, least_w, kept=kept)
    parts = _parts(limit, ranges)
    curves = [beside.supply(part.resource_id, part.inside) for part in parts]
    most_w = math.fsum(curve.high_w for curve in curves)
    if most_w < least_w - TOLERANCE_W:
        by = parts[0].inside.high_by if parts else "others"
        relaxed.append(Relaxed(name=limit.name, amount_w=least_w - most_w, by=by))
    if math.fsum(part.inside.low_w for part in parts) >= least_w or not parts:
        return ranges, relaxed
    _, powers = fill(curves, min(least_w, most_w))
    after = dict(ranges)
    for part, power_w in zip(parts, powers, strict=True):
        inside = ranges[part.resource_id]
        if power_w > inside.low_w and part.resource_id not in beside.sudden_w:
            low_w = min(power_w, inside.high_w)
            after[part.resource_id] = replace(inside, low_w=low_w, low_by=limit.name)
    return after, relaxed


def _opened_down(
    ranges: Ranges, one: HeldSum, most_w: float, *, kept: Collection[str]
) -> tuple[Ranges, list[Relaxed]]:
    """Open what weaker limits demand, by as much as the upper side of a sum asks."""
    parts = _parts(one.limit, ranges)
    over_w = math.fsum(part.inside.low_w for part in parts) - most_w
    rooms = [
        0.0
        if part.inside.low_by in kept
        else part.inside.low_w - _directed(one.limit, one.floor[part.resource_id]).low_w
        for part in parts
    ]
    room_w = math.fsum(max(room, 0.0) for room in rooms)
    if over_w <= TOLERANCE_W or room_w <= 0.0:
        return ranges, []
    ratio = min(over_w / room_w, 1.0)
    after, relaxed = dict(ranges), []
    for part, room in zip(parts, rooms, strict=True):
        if room > 0.0:
            inside, down_w = ranges[part.resource_id], ratio * room
            after[part.resource_id] = replace(inside, low_w=part.inside.low_w - down_w)
            relaxed.append(Relaxed(name=inside.low_by, amount_w=down_w, by=one.limit.name))
    return after, relaxed


def _opened_up(
    ranges: Ranges, one: HeldSum, least_w: float, *, kept: Collection[str]
) -> tuple[Ranges, list[Relaxed]]:
    """Open what weaker limits forbid, by as much as the lower side of a sum asks."""
    parts = _parts(one.limit, ranges)
    under_w = least_w - math.fsum(part.inside.high_w for part in parts)
    rooms = [
        0.0
        if part.inside.high_by in kept
        else _directed(one.limit, one.floor[part.resource_id]).high_w - part.inside.high_w
        for part in parts
    ]
    room_w = math.fsum(max(room, 0.0) for room in rooms)
    if under_w <= TOLERANCE_W or room_w <= 0.0:
        return ranges, []
    ratio = min(under_w / room_w, 1.0)
    after, relaxed = dict(ranges), []
    for part, room in zip(parts, rooms, strict=True):
        if room > 0.0:
            inside, up_w = ranges[part.resource_id], ratio * room
            after[part.resource_id] = replace(inside, high_w=part.inside.high_w + up_w)
            relaxed.append(Relaxed(name=inside.high_by, amount_w=up_w, by=one.limit.name))
    return after, relaxed
