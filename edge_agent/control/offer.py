"""The offer: what a site promises for an interval, from its resources' own costs.

Curve, envelope and baseline are made together, so that they fit each other: the curve is the sum
of the resources' supply curves, inside what devices, owner, energy and the meter's limits allow
for the whole interval, relative to what the site would do anyway. Called by the cycle when the
coordinator asks for an offer.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise

import numpy as np

from edge_agent.control.bounds import Bounds, compose
from edge_agent.control.dispatch import nameplate, soc_limits
from edge_agent.control.inputs import Binding, Frame, ResourceMemory
from edge_agent.control.limits import Range, in_order
from edge_agent.control.observe import Seen
from edge_agent.control.plan import Plan
from edge_agent.control.sinks import device_limits
from edge_agent.control.supply import (
    Curve,
    default_stored_value,
    is_controllable,
    is_sink,
    is_storage,
    supply_of,
    takes_limit_only,
    total_of,
)
from protocols.vocabulary.arrays import FloatArray, column
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.identifiers import ModelId, ResourceId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.offer import OfferCurve

STEP_S = 1800.0
SECONDS_PER_HOUR = 3600.0
BASELINE_MODEL = ModelId("persistence-300s")
RAMP_MAX_W_PER_S = 1e6
"""A device that states no ramp is taken to be this quick."""
PRICE_TICK = 1e-3
"""Corners of a promised curve lie on this grid, JPY/kWh, so that they stay apart on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumption:
    """What a sink can be relied on to take, and what it can be held at, W, <= 0."""

    power_w: float
    least_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRequest:
    """What an offer is made from.

    Attributes
    ----------
    frame : Frame
        Resources, limits, tariff.
    service : Service
        The product.
    version : int
        Of the curve; rises with each offer.
    interval : Interval
        To be promised.
    now, data_until : datetime
        Moment of the offer, and the latest measurement in the history; aware UTC.
    residual_w : FloatArray
        Shape (k,), k >= 1: the last 300 s of the power nobody controls, and sinks with it, W.
    socs : mapping of ResourceId to float
        State of charge expected at the start; a store without one is left out.
    generation_w : mapping of ResourceId to float
        What each controllable generator would give, W.
    plan : Plan or None
        The plan in force.
    sinks : mapping of ResourceId to Consumption
        Sinks that may be promised: those that nobody held down lately.
    """

    frame: Frame
    service: Service
    version: int
    interval: Interval
    now: datetime
    data_until: datetime
    residual_w: FloatArray
    socs: Mapping[ResourceId, float]
    generation_w: Mapping[ResourceId, float]
    plan: Plan | None = None
    sinks: Mapping[ResourceId, Consumption] = field(default_factory=dict)


def make_offer(request: OfferRequest) -> tuple[OfferCurve, Envelope, Baseline]:
    """Make curve, envelope and baseline of one interval.

    Parameters
    ----------
    request : OfferRequest
        What is known.

    Returns
    -------
    tuple of OfferCurve, Envelope and Baseline
        Relative to the baseline, W; the baseline is power at the meter, W. The multipliers
        rise strictly.
    """
    stores = tuple(_offered(request))
    residual_w = float(np.mean(request.residual_w)) + _fixed_generation(request, stores)
    residual_w -= math.fsum(one.power_w or 0.0 for one in stores if is_sink(one.binding))
    parameters = replace(request.frame.parameters, soc_horizon_s=request.interval.duration_s)
    own = [limit for one in stores for limit in (*soc_limits(one, parameters), *device_limits(one))]
    bounds = compose(
        {one.resource_id: nameplate(one) for one in stores},
        in_order([*request.frame.limits, *own], request.now),
        residual_w=residual_w,
        margin_w=_margin(request, len(stores)),
    )
    total = _total(request, stores, bounds)
    planned_w = _economy(request, total, residual_w)
    span = Range(
        low_w=total.low_w - planned_w,
        high_w=total.high_w - planned_w,
        low_by=_limited_by(bounds, stores, upward=False),
        high_by=_limited_by(bounds, stores, upward=True),
    )
    return (
        _curve(request, total, planned_w),
        _envelope(request, span, stores),
        _baseline(request, residual_w + planned_w),
    )


def _margin(request: OfferRequest, count: int) -> float:
    """Distance to keep from the meter's limits, W, as the balance will keep it."""
    parameters = request.frame.parameters
    steps_w = np.abs(np.diff(request.residual_w))
    change_w = float(steps_w.mean()) if len(steps_w) else 0.0
    least_w = parameters.write_deadband_w * count
    return least_w + min(parameters.margin_gain * change_w, parameters.margin_cap_w)


def _offered(request: OfferRequest) -> list[Seen]:
    """Resources that take part: stores with a known SoC, generators that take a power, sinks.

    A sink that a room's comfort may free at any time is not promised.
    """
    found = []
    for binding in request.frame.bindings:
        resource_id = binding.resource.resource_id
        soc = request.socs.get(resource_id)
        known = soc is not None if is_storage(binding) else resource_id in request.generation_w
        sink = request.sinks.get(resource_id) if is_sink(binding) else None
        if sink is not None and not binding.bound_by_comfort:
            found.append(_offered_sink(binding, sink))
        elif is_sink(binding):
            continue
        elif known and is_controllable(binding) and not takes_limit_only(binding):
            found.append(
                Seen(
                    binding=binding,
                    power_w=request.generation_w.get(resource_id, 0.0),
                    soc=soc,
                    memory=ResourceMemory(resource_id=resource_id),
                    idle_cycles=0,
                    counted=True,
                )
            )
    return found


def _offered_sink(binding: Binding, sink: Consumption) -> Seen:
    """Sink as the offer sees it: it takes what it can be relied on to take."""
    resource_id = binding.resource.resource_id
    return Seen(
        binding=binding,
        power_w=min(sink.power_w, 0.0),
        soc=None,
        memory=ResourceMemory(resource_id=resource_id),
        idle_cycles=0,
        counted=True,
        least_w=sink.least_w,
    )


def _fixed_generation(request: OfferRequest, offered: tuple[Seen, ...]) -> float:
    """Power of the generators that do not take part, such as PV, W."""
    taking_part = {one.resource_id for one in offered}
    return math.fsum(
        power_w for key, power_w in request.generation_w.items() if key not in taking_part
    )


def _total(request: OfferRequest, stores: tuple[Seen, ...], bounds: Bounds) -> Curve:
    """Sum of the resources' curves inside all limits."""
    curves = []
    for one in stores:
        allowed = bounds.ranges[one.resource_id]
        value = _stored_value(request, one)
        curves.append(supply_of(one.binding, allowed.low_w, allowed.high_w, stored_value=value))
    return total_of(curves).clipped(bounds.flexible.low_w, bounds.flexible.high_w)


def _stored_value(request: OfferRequest, one: Seen) -> float:
    """Value of stored energy over the interval, JPY/kWh: the plan's mean, else the tariff's."""
    plan = request.plan
    if plan is not None and one.resource_id in plan.resource_ids:
        row = plan.resource_ids.index(one.resource_id)
        steps = _steps_of(plan, request.interval)
        if steps:
            return float(np.maximum(plan.stored_value_jpy_per_kwh[row, steps], 0.0).mean())
    return default_stored_value(one.binding, request.frame.tariff, one.soc or 0.0)


def _steps_of(plan: Plan, interval: Interval) -> list[int]:
    """List steps of the plan whose middle lies in the interval, or the one that holds its start."""
    first_s = (plan.interval.start - interval.start).total_seconds()
    middles = first_s + plan.step_s * (np.arange(len(plan.meter_w)) + 0.5)
    inside = np.nonzero((middles >= 0.0) & (middles < interval.duration_s))[0]
    if len(inside):
        return [int(i) for i in inside]
    step = plan.step_at(interval.start)
    return [] if step is None else [step]


def _economy(request: OfferRequest, total: Curve, residual_w: float) -> float:
    """Return what the offered resources would do without an obligation, W.

    The same rule as the balance follows (``dispatch.economic_total``), so that the baseline is
    what the site would really do; a plan speaks through the value of stored energy.
    """
    tariff = request.frame.tariff
    selling_w = total.power_at(min(tariff.export_jpy_per_kwh, tariff.import_jpy_per_kwh))
    return min(max(-residual_w, selling_w), total.power_at(tariff.import_jpy_per_kwh))


def _limited_by(bounds: Bounds, stores: tuple[Seen, ...], *, upward: bool) -> str:
    """Name what binds one side: the meter's limit, or the resources' own."""
    inner = [bounds.ranges[one.resource_id] for one in stores]
    meter = bounds.flexible
    if upward and meter.high_w < math.fsum(r.high_w for r in inner):
        return meter.high_by
    if not upward and meter.low_w > math.fsum(r.low_w for r in inner):
        return meter.low_by
    return "|".join(sorted({r.high_by if upward else r.low_by for r in inner}))


def _curve(request: OfferRequest, total: Curve, planned_w: float) -> OfferCurve:
    """Promised curve: the corners of the total on the price grid, relative to the plan."""
    corners: list[tuple[int, float]] = []
    for price, power_w in zip(total.prices, total.powers_w, strict=True):
        tick = round(price / PRICE_TICK)
        if corners and corners[-1][0] >= tick:
            corners[-1] = (corners[-1][0], power_w)
        else:
            corners.append((tick, power_w))
    assert all(a[0] < b[0] for a, b in pairwise(corners)), "multipliers must rise"
    return OfferCurve(
        site_id=request.frame.site_id,
        service=request.service,
        version=request.version,
        multipliers=column(tick * PRICE_TICK for tick, _ in corners),
        power_w=column(power_w - planned_w for _, power_w in corners),
        interval=request.interval,
    )


def _envelope(request: OfferRequest, span: Range, stores: tuple[Seen, ...]) -> Envelope:
    """Envelope of the span held for the whole interval."""
    steps = max(math.ceil(request.interval.duration_s / STEP_S), 1)
    hours = np.minimum(np.arange(steps + 1) * STEP_S, request.interval.duration_s)
    hours = hours / SECONDS_PER_HOUR
    ramps = [one.binding.resource.ramp_w_per_s for one in stores]
    widest = span.high_by if span.high_w <= -span.low_w else span.low_by
    return Envelope(
        target=request.frame.site_id,
        interval=request.interval,
        step_s=STEP_S,
        power_w_min=column([min(span.low_w, 0.0)] * steps),
        power_w_max=column([max(span.high_w, 0.0)] * steps),
        energy_wh_min=column(min(span.low_w, 0.0) * hours),
        energy_wh_max=column(max(span.high_w, 0.0) * hours),
        ramp_w_per_s=min(max(math.fsum(ramps), 1.0), RAMP_MAX_W_PER_S),
        limited_by=widest or "no resource",
    )


def _baseline(request: OfferRequest, power_w: float) -> Baseline:
    """Baseline at the meter, the same for the whole interval."""
    steps = max(math.ceil(request.interval.duration_s / STEP_S), 1)
    return Baseline(
        target=request.frame.site_id,
        interval=request.interval,
        step_s=STEP_S,
        power_w=column([power_w] * steps),
        method="persistence-300s",
        computed_at=request.now,
        data_until=request.data_until,
        model_id=BASELINE_MODEL,
    )
