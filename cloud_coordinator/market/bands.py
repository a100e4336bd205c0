"""Bands: between which powers delivery counts as kept, point by point.

One engine for live control, bid simulation and settlement. Pure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud_coordinator.market.product import ProductRule, Shape
from protocols.vocabulary.arrays import FloatArray

TOUCH_W: Final = 1e-6
"""A power this close to a bound is inside it."""
_MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStep:
    """A command and when it holds.

    Attributes
    ----------
    at_s : float
        Unix seconds of its sending; on a dedicated line the response begins then.
    power_w : float
        W.
    target_s : float or None
        The time by which it must be reached (到達時刻), where the command names one; the
        response then begins a response time earlier.
    """

    at_s: float
    power_w: float
    target_s: float | None = None

    def begins_s(self, response_s: float) -> float:
        """When the response begins, Unix seconds."""
        return self.at_s if self.target_s is None else self.target_s - response_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Inclusive bounds, W, shape (n,)."""

    lower_w: FloatArray
    upper_w: FloatArray

    def holds(self, power_w: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
        """Tell point by point whether a power, shape (..., n), lies inside; NaN does not."""
        inside = (power_w >= self.lower_w - TOUCH_W) & (power_w <= self.upper_w + TOUCH_W)
        return np.asarray(inside, dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What was called.

    Attributes
    ----------
    award_w : float
        W, > 0.
    steps : tuple of CommandStep
        By time; before the first the command is 0 W.
    uplink_s : float
        Delay of the telemetry on its way up, s.
    applied_on : date or None
        Day of the plant's application for connection, for the lag; None where not known.
    """

    award_w: float
    steps: tuple[CommandStep, ...]
    uplink_s: float = 0.0
    applied_on: date | None = None


def band(seconds: FloatArray, called: Called, rule: ProductRule) -> Band:
    """Band of any product that follows commands.

    Parameters
    ----------
    seconds : FloatArray
        Shape (n,), Unix seconds at which the points begin, ascending.
    called : Called
        Award and commands.
    rule : ProductRule
        Of shape RAMP, WINDOW or MEAN.

    Returns
    -------
    Band
        While changes are under way, the union of their bands.
    """
    assert rule.tolerance.shape in {Shape.RAMP, Shape.WINDOW, Shape.MEAN}, "no band of commands"
    if rule.tolerance.shape is Shape.RAMP:
        return _ramp_band(seconds, called, rule)
    return _window_band(seconds, called, rule)


def command_at(
    seconds: FloatArray, steps: Sequence[CommandStep], *, response_s: float = 0.0
) -> FloatArray:
    """Command in force at each second: the latest step, held; 0 W before the first.

    A step is in force from where its response begins; ``response_s`` counts for steps that name
    a target only.
    """
    times = np.array([step.begins_s(response_s) for step in steps], dtype=np.float64)
    powers = np.array([0.0, *(step.power_w for step in steps)], dtype=np.float64)
    return np.asarray(powers[np.searchsorted(times, seconds, side="right")], dtype=np.float64)


def _ramp_band(seconds: FloatArray, called: Called, rule: ProductRule) -> Band:
    """Band of secondary 1.

    Notes
    -----
    EPRX trading rules (2025-04-01), Assessment II of secondary 1. Rising: until lag + uplink
    [before - tol, after + tol]; then the lower bound rises by award / (response - lag) per
    second up to after - tol; from response + uplink on after +- tol. Falling: mirror image.
    """
    steps, award_w, uplink_s = called.steps, called.award_w, called.uplink_s
    lag_s = rule.lag.of(called.applied_on)
    held = _held(seconds, called, rule)
    before_w = 0.0
    for step in steps:
        begin_s = step.begins_s(rule.response_s)
        first, last = np.searchsorted(
            seconds, [begin_s, begin_s + rule.response_s + uplink_s], side="left"
        )
        elapsed_s = seconds[first:last] - begin_s - lag_s - uplink_s
        moved_w = np.maximum(elapsed_s, 0.0) * (award_w / (rule.response_s - lag_s))
        half_w = _half_width(rule, award_w, max(abs(before_w), abs(step.power_w)))
        low_w: FloatArray | float = min(before_w, step.power_w)
        high_w: FloatArray | float = max(before_w, step.power_w)
        if step.power_w >= before_w:
            low_w = np.minimum(before_w + moved_w, step.power_w)
        else:
            high_w = np.maximum(before_w - moved_w, step.power_w)
        piece = slice(first, last)
        held.lower_w[piece] = np.minimum(held.lower_w[piece], low_w - half_w)
        held.upper_w[piece] = np.maximum(held.upper_w[piece], high_w + half_w)
        before_w = step.power_w
    return held


def _window_band(seconds: FloatArray, called: Called, rule: ProductRule) -> Band:
    """Band of secondary 2, tertiary 1 and tertiary 2.

    Notes
    -----
    EPRX trading rules (2025-04-01), Assessment II: while responding, widened to whole minutes,
    [min(before, after) - tol, max(before, after) + tol]; overlapping changes: of all of them.
    """
    held = _held(seconds, called, rule)
    before_w = 0.0
    for step in called.steps:
        begin_s = step.begins_s(rule.response_s)
        end_s = begin_s + rule.response_s + called.uplink_s
        first, last = np.searchsorted(
            seconds,
            [
                math.floor(begin_s / _MINUTE_S) * _MINUTE_S,
                math.ceil(end_s / _MINUTE_S) * _MINUTE_S,
            ],
            side="left",
        )
        half_w = _half_width(rule, called.award_w, max(abs(before_w), abs(step.power_w)))
        piece = slice(first, last)
        low_w, high_w = min(before_w, step.power_w), max(before_w, step.power_w)
        held.lower_w[piece] = np.minimum(held.lower_w[piece], low_w - half_w)
        held.upper_w[piece] = np.maximum(held.upper_w[piece], high_w + half_w)
        before_w = step.power_w
    return held


def _held(seconds: FloatArray, called: Called, rule: ProductRule) -> Band:
    """Band around commands that have been reached."""
    command_w = command_at(seconds, called.steps, response_s=rule.response_s)
    half_w = _half_width(rule, called.award_w, np.abs(command_w))
    return Band(lower_w=command_w - half_w, upper_w=command_w + half_w)


def _half_width(rule: ProductRule, award_w: float, command_w: FloatArray | float) -> FloatArray:
    tolerance = rule.tolerance
    floor_w = float(tolerance.floor_pct_of_award) / 100.0 * award_w
    basis_w = award_w if tolerance.basis == "award" else command_w
    return np.asarray(np.maximum(float(tolerance.pct) / 100.0 * basis_w, floor_w), dtype=np.float64)
