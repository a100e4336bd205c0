"""Named limits, in order of authority.

A limit is data, never an ``if`` around a write. Limits are composed from the strongest
authority to the weakest: a weaker one tightens what is left and never breaks a stronger one.
Where they contradict, the weaker is relaxed by just as much as it must be, and the answer says
which, by how much and because of what. Called by :mod:`edge_agent.control.bounds`; the
builders are called where a site's configuration, its coordinator or its technician speaks.
"""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.obligation import Authority
from protocols.vocabulary.resource import Resource

DEMAND = "demand"
"""Name of the bound that a sink takes no more than it wants. It is no limit: one that meets it
takes its place, for it binds as soon as more is wanted."""
TOLERANCE_W = 1e-6
"""Differences below this many watts are rounding, not a contradiction."""


class ScopeKind(enum.Enum):
    """What a limit bounds.

    GENERATION and CONSUMPTION count one direction alone: a store that charges takes nothing off
    the generation, a generator nothing off the consumption.
    """

    RESOURCE = "resource"
    METER = "meter"
    GROUP = "group"
    GENERATION = "generation"
    CONSUMPTION = "consumption"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The thing a limit bounds.

    Attributes
    ----------
    kind : ScopeKind
        RESOURCE: one resource. METER: the site's meter. GROUP: the sum of some resources.
        GENERATION: the sum of what generates or discharges. CONSUMPTION: the sum of what is
        consumed or charged.
    members : tuple of ResourceId
        One for RESOURCE, none for METER, the members for GROUP. None for GENERATION and
        CONSUMPTION: the whole site, with what nobody controls. A resource may be in several.
    """

    kind: ScopeKind
    members: tuple[ResourceId, ...] = ()


METER = Scope(kind=ScopeKind.METER)
GENERATION = Scope(kind=ScopeKind.GENERATION)
CONSUMPTION = Scope(kind=ScopeKind.CONSUMPTION)
SUMS = frozenset({ScopeKind.GROUP, ScopeKind.GENERATION, ScopeKind.CONSUMPTION})


def resource_scope(resource_id: ResourceId) -> Scope:
    """Scope of one resource."""
    return Scope(kind=ScopeKind.RESOURCE, members=(resource_id,))


def group_scope(members: Iterable[ResourceId]) -> Scope:
    """Scope of the sum of some resources, for example behind one power conditioner."""
    return Scope(kind=ScopeKind.GROUP, members=tuple(members))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A named bound on a power, generator frame.

    Attributes
    ----------
    name : str
        For people, for example ``"contract-import"``.
    authority : Authority
        Who wins a contradiction; the lower number is the stronger.
    scope : Scope
        What is bounded.
    power_w_min, power_w_max : float
        W; ``-inf`` and ``inf`` for an open side.
    valid_until : datetime or None
        Aware UTC; None holds until it is taken away.
    source : str
        Who set it, for people.
    """

    name: str
    authority: Authority
    scope: Scope
    power_w_min: float
    power_w_max: float
    valid_until: datetime | None = None
    source: str = "configuration"

    def __post_init__(self) -> None:
        """Refuse a limit that is upside down."""
        assert self.power_w_min <= self.power_w_max, "limit is upside down"

    def holds_at(self, now: datetime) -> bool:
        """Whether the limit is in force."""
        return self.valid_until is None or now < self.valid_until

    @property
    def demands_power(self) -> bool:
        """Whether no power at all would break it: a target or a floor, not a ceiling."""
        return self.power_w_min > 0.0 or self.power_w_max < 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxed:
    """A limit that could not be kept in full.

    Attributes
    ----------
    name : str
        The weaker limit (or obligation) that gave way.
    amount_w : float
        By how much, W, > 0.
    by : str
        The stronger limit that made it give way.
    """

    name: str
    amount_w: float
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The powers left open, and who bounds each side.

    Attributes
    ----------
    low_w, high_w : float
        W, ``low_w <= high_w``.
    low_by, high_by : str
        Name of the limit that binds that side.
    """

    low_w: float
    high_w: float
    low_by: str
    high_by: str

    def clip(self, power_w: float) -> float:
        """Return the power in W of the range nearest to the one given."""
        return min(max(power_w, self.low_w), self.high_w)


def narrow(outer: Range, limit: Limit) -> tuple[Range, Relaxed | None]:
    """Tighten a range by a weaker limit.

    Parameters
    ----------
    outer : Range
        What the stronger limits left open.
    limit : Limit
        The next weaker limit.

    Returns
    -------
    tuple of Range and Relaxed or None
        A non-empty range inside ``outer``. If the two do not meet, it is the end of
        ``outer`` nearest to the limit, and the second value says what gave way.
    """
    if limit.power_w_min > outer.high_w:
        amount_w = limit.power_w_min - outer.high_w
        point = Range(
            low_w=outer.high_w, high_w=outer.high_w, low_by=limit.name, high_by=outer.high_by
        )
        return point, _relaxed(limit.name, amount_w, outer.high_by)
    if limit.power_w_max < outer.low_w:
        amount_w = outer.low_w - limit.power_w_max
        point = Range(
            low_w=outer.low_w, high_w=outer.low_w, low_by=outer.low_by, high_by=limit.name
        )
        return point, _relaxed(limit.name, amount_w, outer.low_by)
    low_w, low_by = outer.low_w, outer.low_by
    high_w, high_by = outer.high_w, outer.high_by
    if limit.power_w_min > low_w or (limit.power_w_min == low_w and low_by == DEMAND):
        low_w, low_by = limit.power_w_min, limit.name
    if limit.power_w_max < high_w:
        high_w, high_by = limit.power_w_max, limit.name
    return Range(low_w=low_w, high_w=high_w, low_by=low_by, high_by=high_by), None


def _relaxed(name: str, amount_w: float, by: str) -> Relaxed | None:
    """Record of a contradiction, unless it is rounding."""
    if amount_w <= TOLERANCE_W:
        return None
    return Relaxed(name=name, amount_w=amount_w, by=by)


def in_order(limits: Iterable[Limit], now: datetime) -> list[Limit]:
    """Return the limits in force, strongest first; equals by name, so that order never matters."""
    held = [limit for limit in limits if limit.holds_at(now)]
    held.sort(key=lambda limit: (limit.authority, limit.name, limit.scope.members))
    return held


def contract_import(power_w: float) -> Limit:
    """Bound the import at the meter by the contracted power, W > 0."""
    return Limit(
        name="contract-import",
        authority=Authority.GRID_CODE,
        scope=METER,
        power_w_min=-power_w,
        power_w_max=float("inf"),
    )


def export_limit(power_w: float) -> Limit:
    """Bound the export at the meter, W >= 0; 0 is the ban of reverse flow."""
    return Limit(
        name="reverse-flow-ban" if power_w == 0.0 else "export-limit",
        authority=Authority.GRID_CODE,
        scope=METER,
        power_w_min=-float("inf"),
        power_w_max=power_w,
    )


def curtailment(power_w_max: float, *, valid_until: datetime | None, source: str) -> Limit:
    """Bound the export at the meter by an order of the grid operator (output curtailment)."""
    return Limit(
        name="curtailment-order",
        authority=Authority.GRID_CODE,
        scope=METER,
        power_w_min=-float("inf"),
        power_w_max=power_w_max,
        valid_until=valid_until,
        source=source,
    )


def owner_range(resource_id: ResourceId, power_w_min: float, power_w_max: float) -> Limit:
    """Bound one resource by its owner's wish, W."""
    return Limit(
        name="owner-range",
        authority=Authority.OWNER,
        scope=resource_scope(resource_id),
        power_w_min=power_w_min,
        power_w_max=power_w_max,
    )


def measured_range(resource_id: ResourceId, power_w_min: float, power_w_max: float) -> Limit:
    """Bound one resource by what its device says it can do now, W."""
    return Limit(
        name="device-range",
        authority=Authority.DEVICE_SAFETY,
        scope=resource_scope(resource_id),
        power_w_min=min(power_w_min, 0.0),
        power_w_max=max(power_w_max, 0.0),
        source="device",
    )


def emergency_stop(resources: Sequence[Resource], *, source: str) -> tuple[Limit, ...]:
    """Hold every resource at zero until the stop is taken away."""
    return tuple(
        Limit(
            name="emergency-stop",
            authority=Authority.EMERGENCY_STOP,
            scope=resource_scope(resource.resource_id),
            power_w_min=0.0,
            power_w_max=0.0,
            source=source,
        )
        for resource in resources
    )


def technician_override(
    resource_id: ResourceId, power_w: float, *, valid_until: datetime, source: str
) -> Limit:
    """Hold one resource at a power by a technician's hand; it always expires."""
    return Limit(
        name="technician-override",
        authority=Authority.TECHNICIAN,
        scope=resource_scope(resource_id),
        power_w_min=power_w,
        power_w_max=power_w,
        valid_until=valid_until,
        source=source,
    )
