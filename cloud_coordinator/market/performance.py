"""Assessment II: was delivered what was called, slot by slot. Pure.

The one engine behind live control, bid simulation and settlement: each hands it powers and
commands, one series or many at once, and gets verdicts of slots.
"""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud_coordinator.market.bands import TOUCH_W, Band, Called, band
from cloud_coordinator.market.product import ProductRule, Shape
from protocols.vocabulary.arrays import IntArray
from protocols.vocabulary.calendar import SLOT_S

KNOWN_RATIO: Final = 0.5
"""Part of the seconds of a longer point that must be there for the point to be known."""
_BLOCK_VALUES: Final = 8_000_000
"""Powers that are judged in one piece, so that many sites fit into memory."""

_Bools = npt.NDArray[np.bool_]
_Powers = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotVerdicts:
    """Verdicts of the slots that a series touches, by time.

    Attributes
    ----------
    start_s : IntArray
        Shape (m,), Unix seconds; the first slot may have begun before the series.
    points : IntArray
        Shape (m,), points that were due.
    inside : IntArray
        Shape (..., m), points that were there and inside the band.
    passed : ndarray of bool
        Shape (..., m).
    """

    start_s: IntArray
    points: IntArray
    inside: IntArray
    passed: _Bools


def judge(first_s: int, power_w: _Powers, *, called: Called, rule: ProductRule) -> SlotVerdicts:
    """Judge one-second powers by the rule of a product that follows commands.

    Parameters
    ----------
    first_s : int
        Unix time of the first second.
    power_w : ndarray of float
        Shape (..., n): supplied power of every second, W, + upward; NaN where it is missing or
        came too late. Leading axes are series that are judged alike (sites, scenarios).
    called : Called
        Award and commands, the same for every series.
    rule : ProductRule
        Of shape RAMP, WINDOW or MEAN.

    Returns
    -------
    SlotVerdicts
        A missing point counts as outside.

    Notes
    -----
    japan-market R8, R9, R10.
    """
    n = power_w.shape[-1]
    rows = power_w.reshape(-1, n)
    step = rule.telemetry_period_s
    seconds = _point_times(first_s, n, step)
    slots, starts = _slots(seconds)
    bounds = band(seconds.astype(np.float64), called, rule)
    points = np.diff(np.append(starts, len(seconds)))
    inside = np.empty((len(rows), len(starts)), dtype=np.int64)
    height = max(_BLOCK_VALUES // max(n, 1), 1)
    for top in range(0, len(rows), height):
        values = _points(rows[top : top + height], first_s, step)
        if rule.tolerance.shape is Shape.MEAN:
            kept = _mean_kept(values, bounds, starts) * points
        else:
            kept = np.add.reduceat(bounds.holds(values), starts, axis=-1, dtype=np.int64)
        inside[top : top + height] = kept
    needed = _needed(points, rule.tolerance.pass_ratio)
    inside = inside.reshape(*power_w.shape[:-1], len(starts))
    return SlotVerdicts(
        start_s=slots * SLOT_S, points=points, inside=inside, passed=inside >= needed
    )


def _point_times(first_s: int, n: int, step: int) -> IntArray:
    """Begins of the points that n seconds touch, on the grid of the period."""
    return np.arange(first_s // step, -(-(first_s + n) // step), dtype=np.int64) * step


def _slots(seconds: IntArray) -> tuple[IntArray, IntArray]:
    """Slot numbers since the epoch, and where each begins among the points."""
    numbers, starts = np.unique(seconds // SLOT_S, return_index=True)
    return numbers.astype(np.int64), starts.astype(np.int64)


def _points(rows: _Powers, first_s: int, step: int) -> _Powers:
    """Means of the periods, NaN where too little of one is known; shape (k, points)."""
    if step == 1:
        return rows
    lead = first_s % step
    edges = np.arange(-lead, rows.shape[-1], step)
    starts = np.maximum(edges, 0)
    known = np.isfinite(rows)
    counts = np.add.reduceat(known, starts, axis=-1, dtype=np.int64)
    sums = np.add.reduceat(np.where(known, rows, 0.0), starts, axis=-1)
    due = np.diff(np.append(starts, rows.shape[-1]))
    enough = counts >= np.maximum(np.ceil(KNOWN_RATIO * due), 1)
    return np.asarray(np.where(enough, sums / np.maximum(counts, 1), np.nan))


def _mean_kept(values: _Powers, bounds: Band, starts: IntArray) -> _Bools:
    """Whether the mean of each slot lies in the band of the slot; unknown with a point missing."""
    counts = np.diff(np.append(starts, values.shape[-1]))
    means = np.add.reduceat(values, starts, axis=-1) / counts
    lower_w = np.minimum.reduceat(bounds.lower_w, starts)
    upper_w = np.maximum.reduceat(bounds.upper_w, starts)
    return np.asarray((means >= lower_w - TOUCH_W) & (means <= upper_w + TOUCH_W), dtype=np.bool_)


def _needed(points: IntArray, ratio: Decimal) -> IntArray:
    """Fewest points that reach the ratio, counted without binary fractions."""
    return np.array([math.ceil(Decimal(int(n)) * ratio) for n in points], dtype=np.int64)
