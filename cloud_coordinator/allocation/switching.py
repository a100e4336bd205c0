"""Units that give nothing or at least a least output: threshold commit and re-dispatch.

A unit's cost from nothing to where its average cost is lowest is replaced by that average: the
convex problem that remains can only be cheaper, so its dual value bounds the loss. Its answer
commits the units in the order of their average cost; those in between are switched on or off,
whichever is cheaper after dispatching all again. Pure.
"""

from dataclasses import dataclass

import numpy as np

from cloud_coordinator.allocation.columns import Single
from cloud_coordinator.allocation.problem import AllocationInputError, finite_column, refuse_rows
from protocols.vocabulary.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Rows that can be switched.

    Attributes
    ----------
    rows : IntArray
        Shape (s,), which.
    least_w : FloatArray
        Shape (s,), least output when on.
    fixed : FloatArray
        Shape (s,), cost of being on, in JPY/h times 1000.
    knee_w, average : FloatArray
        Shape (s,), output of the lowest average cost, and that cost per W.
    """

    rows: IntArray
    least_w: FloatArray
    fixed: FloatArray
    knee_w: FloatArray
    average: FloatArray


def switched(
    single: Single, running_w_min: FloatArray | None, running_cost: FloatArray | None
) -> Units | None:
    """Find the units that can be switched, and where their average cost is lowest.

    Parameters
    ----------
    single : Single
        Columns of all rows; checked.
    running_w_min, running_cost : FloatArray or None
        Shape (n,), least output when on, and cost of being on in JPY/h times 1000.

    Returns
    -------
    Units or None
        None if there is none.

    Raises
    ------
    AllocationInputError
        If a unit could also absorb power, or its least output is above its most.
    """
    if running_w_min is None and running_cost is None:
        return None
    count = len(single.c)
    zero = np.zeros(count)
    least = zero if running_w_min is None else finite_column("running_w_min", running_w_min, count)
    fixed = (
        zero if running_cost is None else finite_column("running_jpy_per_h", running_cost, count)
    )
    can = (least > 0.0) | (fixed > 0.0)
    if not can.any():
        return None
    refuse_rows("running_w_min", can & (single.low != 0.0), "a unit whose power is not from 0 up")
    usable = can & (single.high >= least) & (single.high > 0.0)
    rows = np.flatnonzero(can)
    c, q, high = single.c[rows], single.q[rows], single.high[rows]
    least, fixed, is_usable = least[rows], fixed[rows], usable[rows]
    with np.errstate(divide="ignore", invalid="ignore"):
        lowest = np.sqrt(2.0 * fixed / q)
    lowest = np.where(q > 0.0, lowest, np.where(fixed > 0.0, np.inf, 0.0))
    knee = np.where(is_usable, np.minimum(np.maximum(lowest, least), high), 0.0)
    knee = np.where(is_usable & (knee <= 0.0), high, knee)
    with np.errstate(divide="ignore", invalid="ignore"):
        average = np.where(knee > 0.0, (fixed + c * knee + 0.5 * q * knee**2) / knee, 0.0)
    if not np.isfinite(average).all():
        raise AllocationInputError("running_jpy_per_h: numbers so large that costs overflow")
    return Units(rows=rows, least_w=least, fixed=fixed, knee_w=knee, average=average)


def relaxation(single: Single, units: Units) -> tuple[Single, IntArray]:
    """Columns of the convex problem: each unit up to its knee, and beyond it.

    Returns
    -------
    tuple
        Columns of shape (n + s,), and for each of them its row.
    """
    rows, knee = units.rows, units.knee_w
    c, q, low, high = (a.copy() for a in (single.c, single.q, single.low, single.high))
    c[rows], q[rows], high[rows] = units.average, 0.0, knee
    more = np.maximum(single.high[rows] - knee, 0.0)
    more[knee <= 0.0] = 0.0
    # Past the knee the marginal cost is at least the average, but for a knee at the bounds.
    marginal = np.maximum(single.c[rows] + single.q[rows] * knee, units.average)
    return (
        Single(
            c=np.concatenate([c, marginal]),
            q=np.concatenate([q, single.q[rows]]),
            low=np.concatenate([low, np.zeros(len(rows))]),
            high=np.concatenate([high, more]),
            relaxed=single.relaxed,
        ),
        np.concatenate([np.arange(len(c)), rows]),
    )


def committed(
    single: Single, units: Units, is_on: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> Single:
    """Columns with every unit fixed on or off."""
    low, high = single.low.copy(), single.high.copy()
    low[units.rows] = np.where(is_on, units.least_w, 0.0)
    high[units.rows] = np.where(is_on, single.high[units.rows], 0.0)
    return Single(c=single.c, q=single.q, low=low, high=high, relaxed=single.relaxed)
