"""Ranges of a second: every limit composed by authority, devices and meter together.

Level by level, strongest first: a level tightens the resources and sums of them, then the meter.
Within a level what may be kept by no power at all (ceilings) comes before what demands power
(targets). What the stronger levels demand of the sum (contract power, ban of reverse flow) stays
reachable: a weaker limit that would forbid it is opened by just as much, and named. What the
devices cannot reach at all relaxes the meter's limit, and is named too. At the end limits on sums
are split into the resources' ranges (:mod:`edge_agent.control.sums`). Called by decide and offer.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edge_agent.control.limits import (
    SUMS,
    TOLERANCE_W,
    Limit,
    Range,
    Relaxed,
    ScopeKind,
    narrow,
)
from edge_agent.control.sums import HeldSum, Ranges, Surroundings, hold
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.obligation import Authority

OPENING_STEPS = 60
"""Bisections when a weaker limit must be opened: exact to 1e-18 of its width."""
ALONE = Surroundings()
"""Nothing beside the resources, and all equally dear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What this second's limits leave.

    Attributes
    ----------
    ranges : mapping of ResourceId to Range
        Per resource, W; whatever is chosen inside them keeps every limit on a sum.
    flexible : Range
        Of the sum of the resources, from the meter's limits and the residual, with margin.
    relaxed : tuple of Relaxed
        What gave way.
    """

    ranges: Mapping[ResourceId, Range]
    flexible: Range
    relaxed: tuple[Relaxed, ...]


class _Composition:
    """Ranges on their way from the strongest level to the weakest."""

    def __init__(
        self,
        nameplates: Mapping[ResourceId, Range],
        residual_w: float,
        *,
        margin_w: float,
        beside: Surroundings,
    ) -> None:
        self.ranges: Ranges = dict(nameplates)
        self.residual_w = residual_w
        self.margin_w = margin_w
        self.beside = beside
        self.sums: list[HeldSum] = []
        self.flexible = Range(low_w=-math.inf, high_w=math.inf, low_by="", high_by="")
        self.relaxed: list[Relaxed] = []

    def apply(self, level: Sequence[Limit]) -> None:
        """Apply limits of one authority that all demand power, or all do not."""
        before, noted = dict(self.ranges), len(self.sums)
        for limit in level:
            if limit.scope.kind is ScopeKind.RESOURCE:
                self._tighten_resource(limit)
            elif limit.scope.kind in SUMS:
                self.sums.append(HeldSum(limit=limit, floor=before))
        self._keep_reachable(before, noted)
        for limit in level:
            if limit.scope.kind is ScopeKind.METER:
                self._tighten_meter(limit)

    def finish(self) -> Bounds:
        """Split the sums and give the answer."""
        ranges, gave_way = hold(self.ranges, self.sums, self.beside)
        return Bounds(ranges=ranges, flexible=self.flexible, relaxed=(*self.relaxed, *gave_way))

    def reach(self, ranges: Ranges) -> tuple[float, float]:
        """Least and greatest sum of the resources, W."""
        if self.sums:
            ranges, _ = hold(ranges, self.sums, self.beside)
        low_w = math.fsum(r.low_w for r in ranges.values())
        high_w = math.fsum(r.high_w for r in ranges.values())
        return low_w, high_w

    def given(self, ranges: Ranges, sums: Sequence[HeldSum]) -> tuple[float, float]:
        """Least and greatest sum now, W: a source gives no more than there is."""
        if sums:
            ranges, _ = hold(ranges, sums, self.beside)
        low_w = math.fsum(r.low_w for r in ranges.values())
        high_w = math.fsum(
            self.beside.supply(key, r).high_w if key in self.beside.sudden_w else r.high_w
            for key, r in ranges.items()
        )
        return low_w, high_w

    def _note(self, relaxed: Relaxed | None) -> None:
        """Keep a contradiction."""
        if relaxed is not None:
            self.relaxed.append(relaxed)

    def _tighten_resource(self, limit: Limit) -> None:
        """Apply a limit of one resource, if the resource is here."""
        for member in limit.scope.members:
            if member in self.ranges:
                self.ranges[member], relaxed = narrow(self.ranges[member], limit)
                self._note(relaxed)

    def _tighten_meter(self, limit: Limit) -> None:
        """Apply a limit at the meter to the sum, keeping the margin where there is room."""
        margin_w = min(self.margin_w, (limit.power_w_max - limit.power_w_min) / 2.0)
        wanted = replace(
            limit,
            power_w_min=limit.power_w_min - self.residual_w + margin_w,
            power_w_max=limit.power_w_max - self.residual_w - margin_w,
        )
        low_w, high_w = self.reach(self.ranges)
        outer = Range(
            low_w=max(self.flexible.low_w, low_w),
            high_w=min(self.flexible.high_w, high_w),
            low_by=self.flexible.low_by if self.flexible.low_w >= low_w else "reach",
            high_by=self.flexible.high_by if self.flexible.high_w <= high_w else "reach",
        )
        self.flexible, relaxed = narrow(outer, wanted)
        if relaxed is not None and relaxed.amount_w > margin_w + TOLERANCE_W:
            self.relaxed.append(replace(relaxed, amount_w=relaxed.amount_w - margin_w))

    def _keep_reachable(self, before: Ranges, noted: int) -> None:
        """Open what this level closed, as far as the stronger levels' demand on the sum asks."""
        low_w, high_w = self.given(self.ranges, self.sums)
        upward = high_w < self.flexible.low_w - TOLERANCE_W
        if not upward and low_w <= self.flexible.high_w + TOLERANCE_W:
            return
        by = self.flexible.low_by if upward else self.flexible.high_by
        demand_w = self.flexible.low_w if upward else self.flexible.high_w
        part = self._opening(before, demand_w, upward=upward)
        opened = _opened(before, self.ranges, part, upward=upward)
        for name, amount_w in _openings(self.ranges, opened):
            self._note(Relaxed(name=name, amount_w=amount_w, by=by))
        self.ranges = opened
        self._widen(noted, demand_w, upward=upward, by=by)

    def _widen(self, noted: int, demand_w: float, *, upward: bool, by: str) -> None:
        """Let this level's limits on sums give way where they alone stand against the demand."""
        if noted == len(self.sums):
            return
        low_w, high_w = self.given(self.ranges, self.sums)
        free_low_w, free_high_w = self.given(self.ranges, self.sums[:noted])
        missing_w = max(min(demand_w, free_high_w) - high_w, 0.0)
        if not upward:
            missing_w = min(max(demand_w, free_low_w) - low_w, 0.0)
        if abs(missing_w) <= TOLERANCE_W:
            return
        for row in range(noted, len(self.sums)):
            one = replace(self.sums[row], widened_w=missing_w)
            self.sums[row] = one
            self._note(Relaxed(name=one.limit.name, amount_w=abs(missing_w), by=by))

    def _opening(self, before: Ranges, demand_w: float, *, upward: bool) -> float:
        """Smallest part 0..1 of the way back that makes the demand reachable."""
        closed, opened = 0.0, 1.0
        for _ in range(OPENING_STEPS):
            part = (closed + opened) / 2.0
            opening = _opened(before, self.ranges, part, upward=upward)
            low_w, high_w = self.given(opening, self.sums)
            enough = high_w >= demand_w if upward else low_w <= demand_w
            closed, opened = (closed, part) if enough else (part, opened)
        return opened


def _opened(before: Ranges, after: Ranges, part: float, *, upward: bool) -> Ranges:
    """Return ranges with one side a part of the way back from ``after`` to ``before``."""
    if upward:
        return {
            key: replace(inner, high_w=inner.high_w + part * (before[key].high_w - inner.high_w))
            for key, inner in after.items()
        }
    return {
        key: replace(inner, low_w=inner.low_w + part * (before[key].low_w - inner.low_w))
        for key, inner in after.items()
    }


def _openings(closed: Ranges, opened: Ranges) -> list[tuple[str, float]]:
    """Name and amount of each limit that was opened noticeably."""
    found = []
    for key, inner in closed.items():
        for name, amount_w in (
            (inner.high_by, opened[key].high_w - inner.high_w),
            (inner.low_by, inner.low_w - opened[key].low_w),
        ):
            if amount_w > TOLERANCE_W:
                found.append((name, amount_w))
    return found


def compose(
    nameplates: Mapping[ResourceId, Range],
    limits: Sequence[Limit],
    *,
    residual_w: float,
    margin_w: float,
    beside: Surroundings = ALONE,
) -> Bounds:
    """Compose all limits of a second.

    Parameters
    ----------
    nameplates : mapping of ResourceId to Range
        What each counted resource can do by its nature.
    limits : sequence of Limit
        In force, strongest first (:func:`edge_agent.control.limits.in_order`).
    residual_w : float
        Power at the meter that nobody here controls, W.
    margin_w : float
        Kept free of each meter limit where there is room, W >= 0.
    beside : Surroundings
        What limits on sums depend on beside the resources themselves.

    Returns
    -------
    Bounds
        Non-empty ranges; ``relaxed`` names what contradicted.
    """
    composition = _Composition(nameplates, residual_w, margin_w=margin_w, beside=beside)
    for authority in Authority:
        for demanding in (False, True):
            level = [
                limit
                for limit in limits
                if limit.authority is authority and limit.demands_power is demanding
            ]
            if level:
                composition.apply(level)
    return composition.finish()
