"""What a site has, and the powers that an order's number comes to there. Pure.

Called by refusals and meaning.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from edge_agent.northbound.port import GridOrder, Ratings
from edge_agent.northbound.signals import OrderScope, Reference, Signal, Unit
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.resource import Resource

WHOLE_EPSILON: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFacts:
    """What orders are scaled by.

    Attributes
    ----------
    resources : tuple of Resource
        Every resource of the site except the meter.
    contract_import_w : float
        Contracted power, W > 0.
    devices : int
        Resources that the configuration names; while fewer are known, nothing is refused for
        want of a resource.
    """

    resources: tuple[Resource, ...]
    contract_import_w: float
    devices: int = 0

    @property
    def complete(self) -> bool:
        """Whether every resource that is configured is known."""
        return len(self.resources) >= self.devices

    @property
    def ders(self) -> tuple[Resource, ...]:
        """Generators and stores."""
        return tuple(one for one in self.resources if is_der(one))


def is_der(resource: Resource) -> bool:
    """Whether it generates or stores, as 2030.5 means a DER."""
    return resource.power_w_max > 0.0 or resource.energy_wh_capacity > 0.0


def ratings_of(resources: Iterable[Resource]) -> Ratings:
    """Ratings that percentages count from."""
    everything = tuple(resources)
    ders = [one for one in everything if is_der(one)]
    stores = [one for one in ders if one.energy_wh_capacity > 0.0]
    return Ratings(
        max_w=math.fsum(one.power_w_max for one in ders),
        max_charge_w=math.fsum(-one.power_w_min for one in stores),
        max_discharge_w=math.fsum(one.power_w_max for one in stores),
        load_w=math.fsum(-one.power_w_min for one in everything),
        energy_wh=math.fsum(one.energy_wh_capacity for one in stores),
    )


def scoped(
    signal: Signal, order: GridOrder, facts: SiteFacts
) -> tuple[OrderScope, list[tuple[tuple[ResourceId, ...], tuple[Resource, ...]]]]:
    """Scope, and members of each limit with the resources its percentage counts from."""
    assert signal.scope is not None, "checked by the parser"
    if order.targets or signal.scope in {OrderScope.EACH_DER, OrderScope.EACH_LOAD}:
        loads = signal.scope is OrderScope.EACH_LOAD or signal.is_load_frame
        able = [one for one in facts.resources if _takes_part(one, order, loads=loads)]
        scope = OrderScope.EACH_LOAD if loads else OrderScope.EACH_DER
        return scope, [((one.resource_id,), (one,)) for one in able]
    if signal.scope is OrderScope.DER:
        members = tuple(one.resource_id for one in facts.ders)
        return signal.scope, [(members, facts.ders)]
    return signal.scope, [((), facts.resources)]


def _takes_part(resource: Resource, order: GridOrder, *, loads: bool) -> bool:
    """Whether a limit of single resources is about this one."""
    able = resource.power_w_min < 0.0 if loads else is_der(resource)
    return able and (not order.targets or short_name(resource) in order.targets)


def reaches(signal: Signal, order: GridOrder, facts: SiteFacts) -> bool:
    """Whether there is anything here that the limit is about."""
    if signal.scope is OrderScope.METER and not order.targets:
        return True
    if signal.scope in {OrderScope.GENERATION, OrderScope.DER}:
        return bool(facts.ders)
    if signal.scope is OrderScope.CONSUMPTION:
        return True
    _, limits = scoped(signal, order, facts)
    return bool(limits)


def power_w_of(
    order: GridOrder, signal: Signal, facts: SiteFacts, *, of_members: tuple[Resource, ...]
) -> float:
    """Power an order names, W, generator frame."""
    power_w = order.value
    if signal.unit is Unit.OFF:
        power_w = 0.0
    elif signal.unit in {Unit.RATIO, Unit.LEVEL}:
        ratio = order.value
        if signal.unit is Unit.LEVEL:
            level = level_ratio(signal, order.value)
            assert level is not None, "an order with another level is refused"
            ratio = level
        of = signal.of_negative if ratio < 0.0 and signal.of_negative else signal.of
        assert of is not None, "checked by the parser"
        if order.targets:
            of = Reference.RATING
        power_w = ratio * _reference_w(of, signal, facts, of_members=of_members)
    return (-power_w if signal.is_load_frame else power_w) + 0.0


def _reference_w(
    of: Reference, signal: Signal, facts: SiteFacts, *, of_members: tuple[Resource, ...]
) -> float:
    """Power that a ratio is a part of, W >= 0."""
    ratings = ratings_of(of_members)
    if of is Reference.RATING:
        return ratings.load_w if signal.is_load_frame else ratings.max_w
    if of is Reference.CONTRACT_IMPORT_W:
        return facts.contract_import_w
    return ratings.max_w if of is Reference.MAX_W else ratings.max_charge_w


def level_ratio(signal: Signal, value: float) -> float | None:
    """Ratio of a level, None if there is no such level."""
    index = round(value)
    if abs(value - index) > WHOLE_EPSILON or not 0 <= index < len(signal.levels):
        return None
    return signal.levels[index]


def short_name(resource: Resource) -> str:
    """Name of a resource without its site."""
    return resource.resource_id.removeprefix(f"{resource.site_id}/")
