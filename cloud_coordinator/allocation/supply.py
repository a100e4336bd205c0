"""Supply: offer curves turned into marginal-cost rows of one direction, from zero to a cap.

A row says at which multiplier the next watt comes. Pure. Called by
:mod:`cloud_coordinator.allocation.capacity`.
"""

from dataclasses import dataclass

import numpy as np

from cloud_coordinator.allocation.curves import CurveTable
from protocols.vocabulary.arrays import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Rows that rise from 0 W; equal multipliers in a row are a jump (a flat price).

    Attributes
    ----------
    multipliers : FloatArray
        Shape (n, k), JPY/kWh, not decreasing along a row, padded with inf.
    power_w : FloatArray
        Shape (n, k), W, not decreasing, from 0 to the row's cap.
    """

    multipliers: FloatArray
    power_w: FloatArray

    @property
    def cap_w(self) -> FloatArray:
        """What each row reaches at most, W."""
        return self.power_w[:, -1]


def upward(table: CurveTable, cap_w: FloatArray) -> Supply:
    """Marginal-cost rows of the part of each curve between 0 and a cap.

    Parameters
    ----------
    table : CurveTable
        n curves.
    cap_w : FloatArray
        Shape (n,), W, >= 0.

    Returns
    -------
    Supply
        Power below zero is cut off; what a curve gives already at its first breakpoint
        costs that breakpoint's multiplier.
    """
    powers = np.clip(table.power_w, 0.0, cap_w[:, None])
    first = table.multipliers[:, :1]
    extra = [_crossing(table, np.zeros_like(cap_w)), _crossing(table, cap_w)]
    multipliers = np.concatenate([table.multipliers, first, *[e[:, None] for e in extra]], axis=1)
    top = powers[:, -1]
    extra_w = [
        np.where(np.isfinite(extra[0]), 0.0, top),
        np.where(np.isfinite(extra[1]), cap_w, top),
    ]
    padded = np.where(np.isfinite(table.multipliers), powers, top[:, None])
    power_w = np.concatenate(
        [padded, np.zeros((len(top), 1)), *[e[:, None] for e in extra_w]], axis=1
    )
    return Supply(multipliers=np.sort(multipliers, axis=1), power_w=np.sort(power_w, axis=1))


def mirrored(table: CurveTable) -> CurveTable:
    """Turn curves upside down: downward power as positive, its multiplier negated."""
    n, width = table.multipliers.shape
    columns = table.lengths[:, None] - 1 - np.arange(width)
    inside = columns >= 0
    columns = np.maximum(columns, 0)
    rows = np.arange(n)[:, None]
    return CurveTable(
        multipliers=np.where(inside, -table.multipliers[rows, columns], np.inf),
        power_w=-table.power_w[rows, columns],
        lengths=table.lengths,
    )


def _crossing(table: CurveTable, level_w: FloatArray) -> FloatArray:
    """Multiplier at which each curve passes strictly through a level; inf where it does not."""
    n, width = table.multipliers.shape
    if width == 1:
        return np.full(n, np.inf)
    below = table.power_w[:, :-1] < level_w[:, None]
    through = below & (table.power_w[:, 1:] > level_w[:, None])
    segment = np.argmax(through, axis=1)
    rows = np.arange(n)
    low, high = table.multipliers[rows, segment], table.multipliers[rows, segment + 1]
    low_w, high_w = table.power_w[rows, segment], table.power_w[rows, segment + 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        crossing = low + (high - low) * ((level_w - low_w) / (high_w - low_w))
    return np.where(through.any(axis=1), crossing, np.inf)


def supplied(supply: Supply, multiplier: float, *, after_jump: bool) -> FloatArray:
    """Power of every row at a multiplier.

    Parameters
    ----------
    supply : Supply
        n rows.
    multiplier : float
        JPY/kWh.
    after_jump : bool
        Whether a jump that lies exactly there is taken.

    Returns
    -------
    FloatArray
        Shape (n,), W.
    """
    points, powers = supply.multipliers, supply.power_w
    passed = points <= multiplier if after_jump else points < multiplier
    upper = passed.sum(axis=1)
    rows = np.arange(len(upper))
    high = np.minimum(upper, points.shape[1] - 1)
    low = np.maximum(upper - 1, 0)
    low_price, high_price = points[rows, low], points[rows, high]
    low_w, high_w = powers[rows, low], powers[rows, high]
    inside = (upper > 0) & (upper < points.shape[1]) & np.isfinite(high_price)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = low_w + (high_w - low_w) * ((multiplier - low_price) / (high_price - low_price))
    return np.where(inside, between, np.where(upper == 0, powers[:, 0], low_w))


def cost_jpy_per_h(supply: Supply, power_w: FloatArray) -> FloatArray:
    """Cost of every row at a power: the integral of its multiplier from 0.

    Parameters
    ----------
    supply : Supply
        n rows.
    power_w : FloatArray
        Shape (n,), W, each between 0 and its cap.

    Returns
    -------
    FloatArray
        Shape (n,), JPY/h.
    """
    points, powers = supply.multipliers, supply.power_w
    low_w, high_w = powers[:, :-1], powers[:, 1:]
    taken = np.clip(power_w[:, None], low_w, high_w) - low_w
    span = high_w - low_w
    rising = span > 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(rising, (points[:, 1:] - points[:, :-1]) / span, 0.0)
        area = taken * (points[:, :-1] + slope * taken / 2.0)
    return np.asarray(np.where(rising, area, 0.0).sum(axis=1) / 1000.0, dtype=np.float64)
