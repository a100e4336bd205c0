"""What may be generated and consumed together while devices are let go: limits as shrinking rooms.

A device that is let go does what it does by itself, so nobody balances it: what one may generate
is taken off the room of the others, and no load is counted on to take it. Pure; called by leases.
"""

import math
from collections.abc import Sequence

from edge_agent.control.limits import METER, SUMS, Limit, Range, ScopeKind, narrow
from edge_agent.control.sums import Surroundings, others_of
from protocols.vocabulary.identifiers import ResourceId


class _Room:
    """Room of one limit; of every resource when it names none."""

    def __init__(self, members: tuple[ResourceId, ...], out_w: float, in_w: float) -> None:
        self._members = members
        self.out_w = max(out_w, 0.0)
        self.in_w = max(in_w, 0.0)

    def counts(self, resource_id: ResourceId) -> bool:
        return not self._members or resource_id in self._members


class Rooms:
    """The rooms of all limits on the meter and on sums.

    Parameters
    ----------
    limits : sequence of Limit
        In force, strongest first.
    beside : Surroundings
        What else counts toward sums.
    load_w : float
        What is known to be taken by what nobody here controls, W >= 0.
    """

    def __init__(self, limits: Sequence[Limit], beside: Surroundings, *, load_w: float) -> None:
        meter = Range(low_w=-math.inf, high_w=math.inf, low_by="", high_by="")
        for limit in limits:
            if limit.scope == METER:
                meter, _ = narrow(meter, limit)
        self._load_w = load_w
        self._meter = _Room((), meter.high_w, -meter.low_w)
        self._sums: list[_Room] = []
        self._consumption: list[_Room] = []
        for limit in limits:
            if limit.scope.kind in SUMS:
                others = others_of(limit, {}, beside)
                out_w, in_w = limit.power_w_max - others.high_w, others.low_w - limit.power_w_min
                room = _Room(limit.scope.members, out_w, in_w)
                whole = limit.scope.kind is ScopeKind.CONSUMPTION and not limit.scope.members
                (self._consumption if whole else self._sums).append(room)

    def take(self, resource_id: ResourceId, power_w: float) -> float:
        """Fit a power into all rooms and take it off them.

        Returns
        -------
        float
            W, no further from zero than what was wanted.
        """
        rooms = [
            room
            for room in (self._meter, *self._sums, *self._consumption)
            if room.counts(resource_id)
        ]
        out_w, in_w = min(room.out_w for room in rooms), min(room.in_w for room in rooms)
        fitted_w = min(max(power_w, -in_w), out_w)
        for room in rooms:
            room.out_w -= max(fitted_w, 0.0)
            room.in_w -= max(-fitted_w, 0.0)
        return fitted_w

    def left_for_sinks(self) -> float:
        """Power that sinks may take together, W >= 0."""
        meter_w = max(self._meter.in_w - self._load_w, 0.0)
        return min([meter_w, *(room.in_w for room in self._consumption)])
