"""One product from the caller's columns to an answer, with units that are switched or without.

Pure. Called by :mod:`cloud_coordinator.allocation.allocate`.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cloud_coordinator.allocation.balance import Answer, Demand, balance
from cloud_coordinator.allocation.columns import Single, refuse_unsound
from cloud_coordinator.allocation.groups import Groups, leaf_of_rows, with_rows
from cloud_coordinator.allocation.rows import Engine, PriceColumns
from cloud_coordinator.allocation.switching import Units, committed, relaxation, switched
from protocols.vocabulary.arrays import FloatArray

JPY_W_PER_KWH: Final = 1000.0
FULL: Final = 1.0 - 1e-6
"""Part of its cheapest output from which a unit is on without question."""
FEW: Final = 1e-6
"""Part of its cheapest output below which a unit is off without question."""
TRIES_MAX: Final = 24
"""Units near the price that are switched to see whether that is cheaper."""

_Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Everything but the resources.

    Attributes
    ----------
    groups : Groups
        The grid.
    caps : tuple of FloatArray
        Shape (nodes,) each.
    demand : Demand
        What is required.
    engine : Engine
        That does the rows.
    hint : float
        A price to begin with, or NaN.
    """

    groups: Groups
    caps: tuple[FloatArray, FloatArray]
    demand: Demand
    engine: Engine
    hint: float


def _balanced(task: Task, single: Single) -> Answer:
    """Sort, look the rows over, balance. Powers stay sorted.

    Raises
    ------
    AllocationInputError
        If a row is not sound.
    """
    order = task.groups.order
    c, q, low, high = (
        column if order is None else column[order]
        for column in (single.c, single.q, single.low, single.high)
    )
    rows = task.engine.price_rows(
        PriceColumns(
            c=c,
            q=q,
            low=low,
            high=high,
            starts=task.groups.starts,
            required=task.demand.required,
            hint=task.hint,
        )
    )
    if rows is None:
        refuse_unsound(single)
    assert rows is not None, "an unsound row was named"
    return balance(task.groups, rows, engine=task.engine, demand=task.demand, caps=task.caps)


def switched_balance(
    task: Task,
    single: Single,
    *,
    least_w: FloatArray | None,
    fixed_jpy_per_h: FloatArray | None,
) -> Answer:
    """Balance one product, with units on or off where there are such.

    Parameters
    ----------
    task : Task
        Everything but the resources.
    single : Single
        Columns in the caller's order.
    least_w, fixed_jpy_per_h : FloatArray or None
        Shape (n,), least output when on and cost of being on.

    Raises
    ------
    AllocationInputError
        If a row is not sound.
    """
    if least_w is None and fixed_jpy_per_h is None:
        return _balanced(task, single)
    fixed = None if fixed_jpy_per_h is None else np.asarray(fixed_jpy_per_h) * JPY_W_PER_KWH
    unsound = ~(np.isfinite(single.c) & np.isfinite(single.q) & (single.q >= 0.0))
    if (unsound | ~(single.low <= single.high)).any():
        refuse_unsound(single)
    units = switched(single, least_w, fixed)
    if units is None:
        return _balanced(task, single)
    convex, row = relaxation(single, units)
    leaf = leaf_of_rows(task.groups)
    wide = replace(task, groups=with_rows(task.groups, leaf[row]))
    bound = _balanced(wide, convex)
    order = wide.groups.order
    assert order is not None, "more rows are always sorted"
    power = np.empty(len(row))
    power[order] = bound.power[0]
    least_cost = _score(bound, task.demand)[1] - bound.gap
    return _best(task, single, units=units, part=power[units.rows], least_cost=least_cost)


def _score(answer: Answer, demand: Demand) -> tuple[float, float]:
    """Rank an answer: caps that give way and what is missing, then cost."""
    widened = float(answer.caps.widened_low.sum() + answer.caps.widened_high.sum())
    missing = abs(demand.required - float(answer.delivered[0]))
    if not np.isfinite(demand.price_cap):
        return round(widened + missing, 3), answer.cost
    return round(widened, 3), answer.cost + demand.price_cap * missing


def _best(
    task: Task, single: Single, *, units: Units, part: FloatArray, least_cost: float
) -> Answer:
    """Round what is partly on, dispatch again, and try the units near the price."""
    order = np.lexsort((units.rows, units.average))
    share = np.divide(part, units.knee_w, out=np.zeros_like(part), where=units.knee_w > 0.0)
    sure = share >= FULL
    between = order[(share[order] > FEW) & ~sure[order]]
    reach = np.cumsum(units.knee_w[between])
    enough = int(np.searchsorted(reach, part[between].sum() * FULL)) + 1
    trials = []
    for count in sorted({0, max(enough - 1, 0), min(enough, len(between))}):
        is_on = sure.copy()
        is_on[between[:count]] = True
        trials.append(_dispatched(task, single, units=units, is_on=is_on))
    best = min(trials, key=lambda trial: trial[0])
    near = order[np.argsort(np.abs(units.average[order] - best[1].price[0]), kind="stable")]
    for unit in near[:TRIES_MAX]:
        is_on = best[2].copy()
        is_on[unit] = not is_on[unit]
        trial = _dispatched(task, single, units=units, is_on=is_on)
        best = min(best, trial, key=lambda one: one[0])
    answer = best[1]
    return replace(answer, gap=_score(answer, task.demand)[1] - least_cost, rounds=len(trials))


def _dispatched(
    task: Task, single: Single, *, units: Units, is_on: _Mask
) -> tuple[tuple[float, float], Answer, _Mask]:
    """Dispatch with every unit fixed; the cost of those that are on is counted."""
    answer = _balanced(task, committed(single, units, is_on))
    answer = replace(answer, cost=answer.cost + float(units.fixed[is_on].sum()))
    return _score(answer, task.demand), answer, is_on
