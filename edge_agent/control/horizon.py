"""From a site's frame and forecasts to the horizon problem's inputs.

Called by the cycle before it hands a problem to its worker; the worker calls the solver.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from edge_agent.control.inputs import Binding, Frame
from edge_agent.control.limits import METER, Limit, Range, in_order, narrow, resource_scope
from edge_agent.control.nouns import HeldShare
from edge_agent.control.problem import PlanInputs, PlannedGenerator, PlannedStore
from edge_agent.control.shares import (
    OVER,
    beside_orders,
    ordered_w,
    orders_at,
    replaces_schedule,
)
from edge_agent.control.supply import (
    default_stored_value,
    is_controllable,
    is_generator,
    is_storage,
    takes_limit_only,
)
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.intervals import step_index
from protocols.vocabulary.obligation import RelativeTo

SHORTAGE_JPY_PER_KWH = 200.0
"""Price of missing an obligation, above any tariff and below breaking a limit."""
HALF_FULL = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is expected over the horizon of n steps.

    Attributes
    ----------
    start, step_s : datetime, float
        The grid.
    residual_w : FloatArray
        Shape (n,), W that nobody here plans: also what sinks take.
    generation_w : mapping of ResourceId to FloatArray
        Shape (n,) each, W: what each controllable generator could give.
    import_jpy_per_kwh, export_jpy_per_kwh : FloatArray or None
        Shape (n,), prices by step; None for the frame's tariff.
    """

    start: datetime
    step_s: float
    residual_w: FloatArray
    generation_w: Mapping[ResourceId, FloatArray]
    import_jpy_per_kwh: FloatArray | None = None
    export_jpy_per_kwh: FloatArray | None = None


def plan_inputs_of(
    frame: Frame,
    outlook: Outlook,
    *,
    plan_id: str,
    socs: Mapping[ResourceId, float],
    shares: Sequence[HeldShare] = (),
) -> PlanInputs:
    """Put the horizon problem's inputs together.

    Parameters
    ----------
    frame : Frame
        Resources, limits, commitments, tariff.
    outlook : Outlook
        Forecasts.
    plan_id : str
        For the plan to be made; unique within the journal.
    socs : mapping of ResourceId to float
        Known states of charge; a store without one is left out.
    shares : sequence of HeldShare
        Shares in force: expected to last to the end of their obligations.

    Returns
    -------
    PlanInputs
        Limits as they are at the start.
    """
    n = len(outlook.residual_w)
    limits = in_order(frame.limits, outlook.start)
    meter = _narrowed(METER_OPEN, [limit for limit in limits if limit.scope == METER])
    target_w, owed = _targets(frame, outlook, shares)
    tariff = frame.tariff
    buying, selling = outlook.import_jpy_per_kwh, outlook.export_jpy_per_kwh
    return PlanInputs(
        plan_id=plan_id,
        start=outlook.start,
        step_s=outlook.step_s,
        stores=tuple(
            _store(frame, binding, limits, soc=socs[binding.resource.resource_id], steps=n)
            for binding in frame.bindings
            if is_controllable(binding)
            and is_storage(binding)
            and binding.resource.resource_id in socs
        ),
        generators=tuple(
            PlannedGenerator(
                resource_id=binding.resource.resource_id,
                available_w=outlook.generation_w[binding.resource.resource_id],
                cost_jpy_per_kwh=0.0
                if takes_limit_only(binding)
                else binding.degradation_jpy_per_kwh,
            )
            for binding in frame.bindings
            if is_generator(binding) and binding.resource.resource_id in outlook.generation_w
        ),
        residual_w=outlook.residual_w,
        import_jpy_per_kwh=np.full(n, tariff.import_jpy_per_kwh) if buying is None else buying,
        export_jpy_per_kwh=np.full(n, tariff.export_jpy_per_kwh) if selling is None else selling,
        meter_w_min=np.full(n, min(meter.low_w, 0.0)),
        meter_w_max=np.full(n, meter.high_w),
        target_meter_w=target_w,
        shortage_jpy_per_kwh=np.where(owed, SHORTAGE_JPY_PER_KWH, 0.0),
    )


METER_OPEN = Range(low_w=-math.inf, high_w=math.inf, low_by="open", high_by="open")


def _narrowed(outer: Range, limits: Sequence[Limit]) -> Range:
    """Tighten a range by limits, strongest first."""
    for limit in limits:
        outer, _ = narrow(outer, limit)
    return outer


def _store(
    frame: Frame, binding: Binding, limits: Sequence[Limit], *, soc: float, steps: int
) -> PlannedStore:
    """Describe a store over the horizon, inside its own limits."""
    resource = binding.resource
    own = [limit for limit in limits if limit.scope == resource_scope(resource.resource_id)]
    nameplate = Range(
        low_w=resource.power_w_min,
        high_w=resource.power_w_max,
        low_by="nameplate",
        high_by="nameplate",
    )
    allowed = _narrowed(nameplate, own)
    return PlannedStore(
        resource_id=resource.resource_id,
        power_w_min=np.full(steps, min(allowed.low_w, 0.0)),
        power_w_max=np.full(steps, max(allowed.high_w, 0.0)),
        energy_wh_capacity=resource.energy_wh_capacity,
        efficiency_charge=resource.efficiency_charge,
        efficiency_discharge=resource.efficiency_discharge,
        soc=soc,
        soc_min=resource.soc_min,
        soc_max=resource.soc_max,
        wear_jpy_per_kwh=binding.degradation_jpy_per_kwh,
        end_value_jpy_per_kwh=default_stored_value(binding, frame.tariff, HALF_FULL),
    )


def _targets(
    frame: Frame, outlook: Outlook, shares: Sequence[HeldShare]
) -> tuple[FloatArray, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Meter power owed in each step, and whether anything is owed in it."""
    n = len(outlook.residual_w)
    held = {share.obligation_id: share.power_w for share in shares}
    target_w, owed = np.zeros(n), np.zeros(n, dtype=np.bool_)
    for t in range(n):
        middle = outlook.start + timedelta(seconds=(t + HALF_FULL) * outlook.step_s)
        running = [
            c
            for c in frame.commitments
            if c.obligation.interval.contains(middle) and c.obligation.state not in OVER
        ]
        orders = orders_at(frame, middle)
        running = beside_orders(running, orders)
        if not running and not orders:
            continue
        owed[t] = True
        target_w[t] = ordered_w(orders, middle)
        target_w[t] += math.fsum(held.get(c.obligation.obligation_id, 0.0) for c in running)
        if replaces_schedule(orders):
            continue
        if not running:
            target_w[t] += orders[0].baseline_w
        elif all(c.obligation.relative_to is RelativeTo.BASELINE for c in running):
            baseline = max(running, key=lambda c: c.baseline.computed_at).baseline
            if baseline.interval.contains(middle):
                step = step_index(baseline.interval, baseline.step_s, middle)
                target_w[t] += float(baseline.power_w[min(step, len(baseline.power_w) - 1)])
    return target_w, owed
