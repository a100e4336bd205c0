"""Bands: between which powers delivery counts as kept, second by second.

One engine for live control, bid simulation and settlement. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cloud_coordinator.market.rules import ProductRule
from protocols.vocabulary.arrays import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStep:
    """A command in force from a time on: ``at_s`` Unix seconds, ``power_w`` W."""

    at_s: float
    power_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Inclusive bounds, W, shape (n,)."""

    lower_w: FloatArray
    upper_w: FloatArray

    def holds(self, power_w: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Tell point by point whether a power lies inside; NaN does not."""
        inside = (self.lower_w <= power_w) & (power_w <= self.upper_w)
        return np.asarray(inside, dtype=np.bool_)


def ramp_band(
    seconds: FloatArray,
    steps: Sequence[CommandStep],
    rule: ProductRule,
    *,
    award_w: float,
    uplink_s: float = 0.0,
) -> Band:
    """Band of secondary 1 around a stepping command.

    Parameters
    ----------
    seconds : FloatArray
        Shape (n,), Unix seconds, ascending.
    steps : sequence of CommandStep
        By time; before the first the command is 0 W.
    rule : ProductRule
        Lag, response time and tolerance.
    award_w : float
        W, > 0.
    uplink_s : float
        Delay of the telemetry, s.

    Returns
    -------
    Band
        While changes are under way, the union of their bands.

    Notes
    -----
    EPRX trading rules (2025-04-01), Assessment II of secondary 1. Rising: until lag + uplink
    [before - tol, after + tol]; then the lower bound rises by award / (response - lag) per
    second up to after - tol; from response + uplink on after +- tol. Falling: mirror image.
    """
    command_w = command_at(seconds, steps)
    half_w = _half_width(rule, award_w, np.abs(command_w))
    lower_w, upper_w = command_w - half_w, command_w + half_w
    before_w = 0.0
    for step in steps:
        first, last = np.searchsorted(
            seconds, [step.at_s, step.at_s + rule.response_s + uplink_s], side="left"
        )
        elapsed_s = seconds[first:last] - step.at_s - rule.lag_s - uplink_s
        moved_w = np.maximum(elapsed_s, 0.0) * (award_w / (rule.response_s - rule.lag_s))
        largest_w = np.array([max(abs(before_w), abs(step.power_w))])
        half = float(_half_width(rule, award_w, largest_w)[0])
        low, high = min(before_w, step.power_w), max(before_w, step.power_w)
        if step.power_w >= before_w:
            low_w = np.minimum(before_w + moved_w, step.power_w)
            high_w = np.full(last - first, high)
        else:
            low_w = np.full(last - first, low)
            high_w = np.maximum(before_w - moved_w, step.power_w)
        lower_w[first:last] = np.minimum(lower_w[first:last], low_w - half)
        upper_w[first:last] = np.maximum(upper_w[first:last], high_w + half)
        before_w = step.power_w
    return Band(lower_w=lower_w, upper_w=upper_w)


def command_at(seconds: FloatArray, steps: Sequence[CommandStep]) -> FloatArray:
    """Command in force at each second: the latest step, held; 0 W before the first."""
    times = np.array([step.at_s for step in steps], dtype=np.float64)
    powers = np.array([0.0, *(step.power_w for step in steps)], dtype=np.float64)
    return np.asarray(powers[np.searchsorted(times, seconds, side="right")], dtype=np.float64)


def _half_width(rule: ProductRule, award_w: float, command_w: FloatArray) -> FloatArray:
    tolerance = rule.tolerance
    floor_w = float(tolerance.floor_pct_of_award) / 100.0 * award_w
    basis_w = np.full(len(command_w), award_w) if tolerance.basis == "award" else command_w
    return np.asarray(np.maximum(float(tolerance.pct) / 100.0 * basis_w, floor_w))
