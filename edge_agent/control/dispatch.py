"""The second's balance: how much is wanted of the counted resources, and who gives it.

Wanted power = meter target minus residual plus the integrator, or what the tariff makes
worthwhile when nothing is owed; held inside the limits, then inside what the devices can reach in
time, then shared out at one price. Called by decide.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.control.bounds import Bounds
from edge_agent.control.inputs import Binding, ControlParameters, CycleInputs, Tariff
from edge_agent.control.limits import Limit, Range, resource_scope
from edge_agent.control.observe import Seen
from edge_agent.control.sinks import demand_of
from edge_agent.control.sums import Surroundings
from edge_agent.control.supply import (
    Curve,
    default_stored_value,
    fill,
    is_sink,
    is_storage,
    supply_of,
    takes_limit_only,
    takes_power,
    total_of,
)
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.obligation import Authority

SECONDS_PER_HOUR = 3600.0
PROBE_RATIO = 0.05
"""Part of the rating by which a curtailed generator's limit is lifted to see what there is."""
HELD_RATIO = 0.01
"""Part of its rating that a generator must have had below its limit to show what it takes."""
SUDDEN_RATIO = 0.1
"""Part of its rating by which a source under a limit on a sum may rise before the next second."""
UNRESPONSIVE = "unresponsive"
NOTICEABLE_W = 1.0
"""A shortfall below this many watts is rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The counted resources of a second and the powers they can be asked for.

    Attributes
    ----------
    seen : tuple of Seen
        The counted resources.
    ranges : tuple of Range
        What the limits leave to each, W.
    reachable : tuple of Range
        What each can reach in time within that, W.
    values : tuple of float
        JPY/kWh of stored energy; 0 without storage.
    """

    seen: tuple[Seen, ...]
    ranges: tuple[Range, ...]
    reachable: tuple[Range, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What each resource is asked for.

    Attributes
    ----------
    powers_w : tuple of float
        W, in the order of the windows; each inside its range.
    total_w : float
        Sum that is counted on, W.
    price : float
        Marginal price, JPY/kWh.
    within_limits_w : float
        The sum that the limits would allow, were the devices quick enough, W.
    saturated : bool
        Whether less or more than wanted was reached.
    """

    powers_w: tuple[float, ...]
    total_w: float
    price: float
    within_limits_w: float
    saturated: bool


def nameplate(one: Seen) -> Range:
    """Return what a resource can do by its nature, W; a sink no more than it asks for now."""
    resource = one.binding.resource
    if is_sink(one.binding) and one.power_w is not None:
        return demand_of(one)
    return Range(
        low_w=resource.power_w_min,
        high_w=resource.power_w_max,
        low_by="nameplate",
        high_by="nameplate",
    )


def soc_limits(one: Seen, parameters: ControlParameters) -> tuple[Limit, ...]:
    """Limits that follow from the state of charge: the store's own, and its owner's.

    Each keeps its bound from being reached within the horizon, so that the power fades out
    instead of switching at the bound.
    """
    if one.soc is None or not is_storage(one.binding):
        return ()
    resource = one.binding.resource
    hours = max(parameters.lease_s, parameters.soc_horizon_s) / SECONDS_PER_HOUR

    def bound(name: str, authority: Authority, bounds: tuple[float, float]) -> Limit:
        assert one.soc is not None, "checked above"
        above_wh = max(one.soc - bounds[0], 0.0) * resource.energy_wh_capacity
        below_wh = max(bounds[1] - one.soc, 0.0) * resource.energy_wh_capacity
        return Limit(
            name=name,
            authority=authority,
            scope=resource_scope(resource.resource_id),
            power_w_min=-below_wh / resource.efficiency_charge / hours,
            power_w_max=above_wh * resource.efficiency_discharge / hours,
            source="soc",
        )

    return (
        bound("store-bounds", Authority.DEVICE_SAFETY, (0.0, 1.0)),
        bound("owner-soc", Authority.OWNER, (resource.soc_min, resource.soc_max)),
    )


def windows_of(inputs: CycleInputs, seen: Sequence[Seen], bounds: Bounds) -> Windows:
    """Work out what each counted resource can be asked for."""
    ranges = tuple(bounds.ranges[one.resource_id] for one in seen)
    parameters = inputs.frame.parameters
    return Windows(
        seen=tuple(seen),
        ranges=ranges,
        reachable=tuple(
            _reachable(one, allowed, parameters) for one, allowed in zip(seen, ranges, strict=True)
        ),
        values=tuple(stored_value(one, inputs) for one in seen),
    )


def _reachable(one: Seen, allowed: Range, parameters: ControlParameters) -> Range:
    """Part of the allowed range that the device can reach in time."""
    assert one.power_w is not None, "only counted resources are dispatched"
    if one.idle_cycles >= parameters.unresponsive_cycles:
        return Range(
            low_w=one.power_w, high_w=one.power_w, low_by=UNRESPONSIVE, high_by=UNRESPONSIVE
        )
    if takes_limit_only(one.binding):
        top_w = allowed.clip(available_w(one))
        return Range(
            low_w=min(allowed.low_w, top_w), high_w=top_w, low_by=allowed.low_by, high_by="source"
        )
    step_w = one.binding.resource.ramp_w_per_s * parameters.ramp_horizon_s
    stands_w = one.power_w - one.response_w
    low_w = min(max(allowed.low_w, stands_w - step_w), allowed.high_w)
    high_w = max(min(allowed.high_w, stands_w + step_w), low_w)
    return Range(low_w=low_w, high_w=high_w, low_by="ramp", high_by="ramp")


def available_w(one: Seen) -> float:
    """Power a limited generator could give, W: what it gives, and a probe while it is held.

    One that had room below its limit and took less than half of it is not held by the limit: its
    source, or its own ramp, gives no more. To count on the probe then would move the others by
    as much, to and fro each second.
    """
    assert one.power_w is not None, "only counted resources are dispatched"
    rated_w = one.binding.resource.power_w_max
    setpoint = one.memory.setpoint
    probe_w = PROBE_RATIO * rated_w
    if setpoint is None or one.power_w < setpoint.power_w - probe_w / 2.0:
        return one.power_w
    before_w = one.power_w if one.memory.power_w is None else one.memory.power_w
    room_w = setpoint.power_w - before_w
    if room_w > HELD_RATIO * rated_w and one.power_w - before_w < room_w / 2.0:
        return one.power_w
    return max(one.power_w, setpoint.power_w) + probe_w


def stored_value(one: Seen, inputs: CycleInputs) -> float:
    """Value of stored energy: the plan's if it covers now, else from the tariff, JPY/kWh."""
    if not is_storage(one.binding):
        return 0.0
    plan = inputs.plan
    step = None if plan is None else plan.step_at(inputs.now)
    if plan is not None and step is not None and one.resource_id in plan.resource_ids:
        row = plan.resource_ids.index(one.resource_id)
        return max(float(plan.stored_value_jpy_per_kwh[row, step]), 0.0)
    return default_stored_value(one.binding, inputs.frame.tariff, one.soc or 0.0)


def curves_of(windows: Windows, ranges: Sequence[Range]) -> list[Curve]:
    """Supply curve of each resource inside the given ranges."""
    return [
        supply_of(one.binding, inside.low_w, inside.high_w, stored_value=value)
        for one, inside, value in zip(windows.seen, ranges, windows.values, strict=True)
    ]


def economic_total(windows: Windows, tariff: Tariff, residual_w: float) -> float:
    """Sum that is worthwhile when nothing is owed, W.

    Power is bought, sold or kept at home where the site's marginal cost meets the tariff:
    between the two prices the meter stays at zero.
    """
    total = total_of(curves_of(windows, windows.reachable))
    selling_w = total.power_at(min(tariff.export_jpy_per_kwh, tariff.import_jpy_per_kwh))
    buying_w = total.power_at(tariff.import_jpy_per_kwh)
    return min(max(-residual_w, selling_w), buying_w)


def balance(windows: Windows, bounds: Bounds, wanted_w: float) -> Balance:
    """Share a wanted sum out.

    Parameters
    ----------
    windows : Windows
        At least one counted resource.
    bounds : Bounds
        This second's limits.
    wanted_w : float
        Sum wanted of the resources, W.

    Returns
    -------
    Balance
        The nearest sum that limits and devices allow, at least cost.
    """
    allowed = windows.ranges
    limited_w = min(
        max(bounds.flexible.clip(wanted_w), math.fsum(r.low_w for r in allowed)),
        math.fsum(r.high_w for r in allowed),
    )
    price, powers = fill(curves_of(windows, windows.reachable), limited_w)
    asked = powers
    if any(inside.low_by == UNRESPONSIVE for inside in windows.reachable):
        asked = _with_retries(windows, powers, limited_w)
    total_w = math.fsum(powers)
    return Balance(
        powers_w=tuple(
            allowed_range.clip(power)
            for allowed_range, power in zip(windows.ranges, asked, strict=True)
        ),
        total_w=total_w,
        price=price,
        within_limits_w=limited_w,
        saturated=abs(total_w - wanted_w) > NOTICEABLE_W,
    )


def _with_retries(windows: Windows, powers: list[float], total_w: float) -> list[float]:
    """Ask an unresponsive device again for what would be its part, were it well."""
    _, whole = fill(curves_of(windows, windows.ranges), total_w)
    return [
        retry if inside.low_by == UNRESPONSIVE else power
        for retry, inside, power in zip(whole, windows.reachable, powers, strict=True)
    ]


def surroundings(
    inputs: CycleInputs, seen: Sequence[Seen], active: Sequence[Seen], *, residual_w: float
) -> Surroundings:
    """Say what limits on sums depend on beside the ranges of the active resources.

    Parameters
    ----------
    inputs : CycleInputs
        This cycle.
    seen, active : sequence of Seen
        Every controllable resource, and those that the balance dispatches.
    residual_w : float
        Power at the meter beside the active resources, W.
    """
    by_id = {one.resource_id: one for one in active}
    known = {one.resource_id: one for one in seen}

    def supply(resource_id: ResourceId, inside: Range) -> Curve:
        one = by_id[resource_id]
        high_w = inside.high_w
        if takes_limit_only(one.binding):
            high_w = inside.clip(available_w(one))
        return supply_of(one.binding, inside.low_w, high_w, stored_value=stored_value(one, inputs))

    sudden_w = {
        one.resource_id: SUDDEN_RATIO * one.binding.resource.power_w_max
        for one in active
        if takes_limit_only(one.binding)
    }
    others: dict[ResourceId, Range] = {}
    unseen_w = residual_w
    for binding in inputs.frame.bindings:
        resource_id = binding.resource.resource_id
        if resource_id in by_id:
            continue
        power_w = inputs.image.value(binding.power_point)
        if power_w is not None and math.isfinite(power_w):
            others[resource_id] = Range(low_w=power_w, high_w=power_w, low_by="", high_by="")
            unseen_w -= power_w
        else:
            others[resource_id] = _may_do(binding, known.get(resource_id))
    return Surroundings(supply=supply, sudden_w=sudden_w, others=others, unseen_w=unseen_w)


def _may_do(binding: Binding, one: Seen | None) -> Range:
    """Powers a resource that cannot be seen may have, W: what it was told, or does by itself."""
    resource = binding.resource
    if one is None or not takes_power(binding):
        low_w, high_w = resource.power_w_min, resource.power_w_max
    else:
        told = one.memory.setpoint
        powers = [0.0, resource.default_power_w, one.memory.power_w or 0.0]
        powers += [] if told is None else [told.power_w]
        powers += [resource.power_w_max] if takes_limit_only(binding) else []
        powers += [resource.power_w_min] if is_sink(binding) else []
        low_w, high_w = min(powers), max(powers)
    return Range(low_w=low_w, high_w=high_w, low_by="unseen", high_by="unseen")
