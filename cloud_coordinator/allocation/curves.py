"""Many offer curves side by side, and their sum as one curve.

Pure. :func:`shares` is ``protocols.vocabulary.offer.share`` for all rows at once, bit for bit.
Called by :mod:`cloud_coordinator.allocation.dispatch` and ``services``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.offer import OfferCurve

_STEEPNESS_CLASS: Final = 16.0
"""Segments whose slopes differ by more than this power of two are added up apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveTable:
    """Curves as padded rows.

    Attributes
    ----------
    multipliers : FloatArray
        Shape (n, m), JPY/kWh; a row's end is padded with inf.
    power_w : FloatArray
        Shape (n, m), W relative to the baseline; padded with the row's last power.
    lengths : IntArray
        Shape (n,), breakpoints per row.
    """

    multipliers: FloatArray
    power_w: FloatArray
    lengths: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateCurve:
    """The sum of curves: linear between its points, constant outside.

    Attributes
    ----------
    multipliers : FloatArray
        Shape (k,), JPY/kWh, strictly increasing; empty when there is no curve.
    power_w : FloatArray
        Shape (k,), W, not decreasing.
    """

    multipliers: FloatArray
    power_w: FloatArray


def curve_table(curves: Sequence[OfferCurve]) -> CurveTable:
    """Lay curves side by side, in the given order."""
    lengths = np.array([len(curve.multipliers) for curve in curves], dtype=np.int64)
    width = int(lengths.max()) if len(curves) else 1
    multipliers = np.full((len(curves), width), np.inf)
    power_w = np.empty((len(curves), width))
    for row, curve in enumerate(curves):
        end = len(curve.multipliers)
        multipliers[row, :end] = curve.multipliers
        power_w[row, :end] = curve.power_w
        power_w[row, end:] = curve.power_w[-1]
    return CurveTable(multipliers=multipliers, power_w=power_w, lengths=lengths)


def shares(table: CurveTable, multiplier: float | FloatArray) -> FloatArray:
    """Power of every curve at a multiplier.

    Parameters
    ----------
    table : CurveTable
        n curves.
    multiplier : float or FloatArray
        JPY/kWh, one for all or one per row, finite.

    Returns
    -------
    FloatArray
        Shape (n,), W, equal to ``share`` of each curve.
    """
    price = np.broadcast_to(np.asarray(multiplier, dtype=np.float64), table.lengths.shape)
    upper = (table.multipliers <= price[:, None]).sum(axis=1)
    rows = np.arange(len(upper))
    high = np.minimum(upper, table.lengths - 1)
    low = np.maximum(high - 1, 0)
    low_price, high_price = table.multipliers[rows, low], table.multipliers[rows, high]
    low_w, high_w = table.power_w[rows, low], table.power_w[rows, high]
    inside = (upper > 0) & (upper < table.lengths)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = low_w + (high_w - low_w) * ((price - low_price) / (high_price - low_price))
    return np.where(inside, between, np.where(upper == 0, table.power_w[:, 0], high_w))


def aggregate(table: CurveTable) -> AggregateCurve:
    """Add all curves up, exactly to float rounding.

    Notes
    -----
    The slope of the sum is a running sum of what begins and what ends. A steep segment that
    ends would leave its rounding error behind, so slopes of different size are added apart,
    in extended precision, and a size of which nothing is active counts exactly zero.
    """
    n, width = table.multipliers.shape
    if n == 0:
        return AggregateCurve(multipliers=np.empty(0), power_w=np.empty(0))
    valid = np.arange(width) < table.lengths[:, None]
    points, inverse = np.unique(table.multipliers[valid], return_inverse=True)
    position = np.zeros((n, width), dtype=np.int64)
    position[valid] = inverse
    rising = valid[:, 1:] & (table.power_w[:, 1:] > table.power_w[:, :-1])
    begin, end = position[:, :-1][rising], position[:, 1:][rising]
    rise_w = (table.power_w[:, 1:] - table.power_w[:, :-1])[rising]
    slope = rise_w.astype(np.longdouble) / (
        points[end].astype(np.longdouble) - points[begin].astype(np.longdouble)
    )
    steepness = np.floor(np.frexp(slope)[1] / _STEEPNESS_CLASS)
    total = np.zeros(len(points) - 1, dtype=np.longdouble)
    for size in np.unique(steepness):
        chosen = steepness == size
        total += _running_slope(begin[chosen], end[chosen], slope[chosen], gaps=len(points) - 1)
    power_w = np.empty(len(points))
    power_w[0] = math.fsum(table.power_w[:, 0])
    power_w[1:] = power_w[0] + np.cumsum(total * np.diff(points))
    power_w[-1] = math.fsum(table.power_w[:, -1])
    power_w = np.minimum(np.maximum.accumulate(power_w), power_w[-1])
    return AggregateCurve(multipliers=points, power_w=power_w)


def _running_slope(
    begin: IntArray, end: IntArray, slope: npt.NDArray[np.longdouble], *, gaps: int
) -> npt.NDArray[np.longdouble]:
    """Sum of the slopes active in each gap between neighbouring points."""
    change = np.zeros(gaps + 1, dtype=np.longdouble)
    np.add.at(change, begin, slope)
    np.subtract.at(change, end, slope)
    active = np.bincount(begin, minlength=gaps + 1) - np.bincount(end, minlength=gaps + 1)
    running = change.cumsum()[:-1]
    return np.asarray(np.where(active.cumsum()[:-1] > 0, running, 0), dtype=np.longdouble)
