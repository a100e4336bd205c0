"""Dispatch: the multiplier at which the following sites' curves sum to what is required.

Pure and exact: the aggregated curve is piecewise linear and does not fall, so the root is a
search and one division. Called every second and at every command by ``services``.
"""

from dataclasses import dataclass

import numpy as np

from cloud_coordinator.allocation.curves import AggregateCurve


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a multiplier reaches.

    Attributes
    ----------
    multiplier : float
        JPY/kWh; 0.0 when there is no curve.
    reached_w : float
        Sum of the curves there, W.
    shortfall_w : float
        Required less reached, W: positive when upward power is missing, negative when
        downward power is; 0.0 unless the curves saturate.
    """

    multiplier: float
    reached_w: float
    shortfall_w: float


def dispatch(curve: AggregateCurve, required_w: float) -> Call:
    """Find the lowest multiplier at which the aggregated curve gives the required power.

    Parameters
    ----------
    curve : AggregateCurve
        Sum of the curves of the sites that follow.
    required_w : float
        W relative to their baselines, finite.

    Returns
    -------
    Call
        Saturated at an end of the curve if the power is out of reach, the shortfall stated.
    """
    powers, points = curve.power_w, curve.multipliers
    if len(points) == 0:
        return Call(multiplier=0.0, reached_w=0.0, shortfall_w=required_w)
    if required_w >= powers[-1]:
        first = int(np.searchsorted(powers, powers[-1], side="left"))
        return _saturated(float(points[first]), float(powers[-1]), required_w)
    if required_w <= powers[0]:
        return _saturated(float(points[0]), float(powers[0]), required_w)
    upper = int(np.searchsorted(powers, required_w, side="left"))
    low_w, high_w = float(powers[upper - 1]), float(powers[upper])
    low, high = float(points[upper - 1]), float(points[upper])
    return Call(
        multiplier=low + (high - low) * ((required_w - low_w) / (high_w - low_w)),
        reached_w=required_w,
        shortfall_w=0.0,
    )


def _saturated(multiplier: float, reached_w: float, required_w: float) -> Call:
    return Call(multiplier=multiplier, reached_w=reached_w, shortfall_w=required_w - reached_w)
