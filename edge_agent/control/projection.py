"""Closed-form projection of powers onto what devices and stores can do, step by step.

The floor under the solver: whatever it says, a plan's powers lie inside the devices' bounds and
its state of charge inside the store's. Also shifts the plan before into the present. Called by
the solver.
"""

from datetime import datetime

import numpy as np

from edge_agent.control.plan import Plan
from edge_agent.control.problem import W_PER_KW, PlanInputs, PlannedStore
from protocols.vocabulary.arrays import FloatArray


def project_store(
    store: PlannedStore, power_w: FloatArray, hours: float
) -> tuple[FloatArray, FloatArray]:
    """Clip a store's powers, forward in time.

    Parameters
    ----------
    store : PlannedStore
        The store.
    power_w : FloatArray
        Shape (n,), wanted W.
    hours : float
        Length of a step.

    Returns
    -------
    tuple of FloatArray
        Powers of shape (n,) in W inside the bounds, and the state of charge they lead to, of
        shape (n+1,), inside its bounds.
    """
    capacity = store.energy_wh_capacity
    soc = np.empty(len(power_w) + 1)
    kept = np.empty(len(power_w))
    soc[0] = store.soc_start
    for t in range(len(power_w)):
        most_out = (soc[t] - store.soc_min) * capacity * store.efficiency_discharge / hours
        most_in = (store.soc_max - soc[t]) * capacity / store.efficiency_charge / hours
        low = max(float(store.power_w_min[t]), -most_in)
        high = min(float(store.power_w_max[t]), most_out)
        power = min(max(float(power_w[t]), low), high)
        stored = -power * store.efficiency_charge
        if power > 0.0:
            stored = -power / store.efficiency_discharge
        kept[t] = power
        after = soc[t] + stored * hours / capacity
        soc[t + 1] = min(max(after, store.soc_min), store.soc_max)
    return kept, soc


def project(inputs: PlanInputs, wanted_w: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Project the powers of all planned resources.

    Parameters
    ----------
    inputs : PlanInputs
        Bounds and state.
    wanted_w : FloatArray
        Shape (r, n): stores first, then generators, W.

    Returns
    -------
    tuple of FloatArray
        Powers (r, n) in W, states of charge (r, n+1), and the meter (n,) in W.
    """
    power_w = np.empty_like(wanted_w)
    soc = np.zeros((len(wanted_w), inputs.steps + 1))
    for i, store in enumerate(inputs.stores):
        power_w[i], soc[i] = project_store(store, wanted_w[i], inputs.hours)
    for j, generator in enumerate(inputs.generators, start=len(inputs.stores)):
        power_w[j] = np.clip(wanted_w[j], 0.0, np.maximum(generator.available_w, 0.0))
    return power_w, soc, inputs.residual_w + power_w.sum(axis=0)


def steps_between(earlier: datetime, later: datetime, step_s: float) -> int:
    """Whole steps, rounded, by which one start lies after another."""
    return round((later - earlier).total_seconds() / step_s)


def shifted(column: FloatArray, steps: int) -> FloatArray:
    """Move the last axis to the left by some steps and repeat its last value."""
    n = column.shape[-1]
    return np.asarray(column[..., np.minimum(np.arange(n) + max(steps, 0), n - 1)])


def rows_from(plan: Plan, inputs: PlanInputs) -> tuple[FloatArray, FloatArray] | None:
    """Powers and stored values of a former plan, moved to the inputs' start.

    Returns
    -------
    tuple of FloatArray or None
        Both of shape (r, n), W and JPY/kWh; None if the plan does not fit the inputs.
    """
    wanted = [s.resource_id for s in inputs.stores] + [g.resource_id for g in inputs.generators]
    steps = steps_between(plan.interval.start, inputs.start, inputs.step_s)
    n = inputs.steps
    fits = plan.step_s == inputs.step_s and 0 <= steps < len(plan.meter_w) == n
    if not fits or list(plan.resource_ids) != wanted:
        return None
    return shifted(plan.power_w, steps), shifted(plan.stored_value_jpy_per_kwh, steps)


def idle_rows(inputs: PlanInputs) -> tuple[FloatArray, FloatArray]:
    """Powers without any plan: stores rest, what must be charged charges, generators run.

    Returns
    -------
    tuple of FloatArray
        Powers and stored values, both of shape (r, n), W and JPY/kWh.
    """
    n = inputs.steps
    count = len(inputs.stores) + len(inputs.generators)
    power_w, value = np.zeros((count, n)), np.zeros((count, n))
    for i, store in enumerate(inputs.stores):
        value[i] = store.end_value_jpy_per_kwh
        missing_wh = (store.soc_needed - store.soc_start) * store.energy_wh_capacity
        if missing_wh > 0.0:
            per_step_wh = -store.power_w_min * store.efficiency_charge * inputs.hours
            before = np.concatenate([[0.0], np.cumsum(per_step_wh)[:-1]])
            part = np.clip((missing_wh - before) / np.maximum(per_step_wh, 1.0 / W_PER_KW), 0, 1)
            power_w[i] = store.power_w_min * part
    for j, generator in enumerate(inputs.generators, start=len(inputs.stores)):
        power_w[j] = generator.available_w
    return power_w, value
