"""How well the fleet followed the command, and cut sites their last share. Pure.

Powers in W relative to the baseline, + toward the grid. Nothing is filled in: a sample that the
store does not hold adds nothing to the fleet's sum, and is not held.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_sim.demo.records import Command, Cut, DeliveryTable, FloatArray, IntArray, Kill

NEAR_SHARE: Final = 0.05
FLOOR_SHARE: Final = 0.01
LOST_S: Final = 3.0
"""A link counts as lost this long after it was cut: three missed ticks."""
LAG_S_MAX: Final = 10
_TOUCH_W: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """The fleet against the command; errors in per cent of the award.

    Attributes
    ----------
    within_award_ratio : float
        Part of the seconds with an error of at most 5 % of the award.
    within_command_ratio : float
        The same with 5 % of that second's command, at least 1 % of the award.
    rms_pct, median_pct, max_pct : float
        Of the magnitude of the error.
    lag_s : int
        Delay at which the delivered course fits the promised one best.
    rms_at_lag_pct : float
        Error at that delay.
    """

    within_award_ratio: float
    within_command_ratio: float
    rms_pct: float
    median_pct: float
    max_pct: float
    lag_s: int
    rms_at_lag_pct: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What one cut site delivered while its link was gone.

    Attributes
    ----------
    site_id : str
        Which.
    share_w : float
        The last share it received, NaN if none is known.
    seconds, held : int
        Cut seconds that count, and those within the tolerance of the share.
    unsampled : int
        Cut seconds without a sample; they count as not held.
    left_share : int
        Cut seconds in which the site itself no longer named that share (it was limited).
    worst_w : float
        Greatest distance from the share.
    """

    site_id: str
    share_w: float
    seconds: int
    held: int
    unsampled: int
    left_share: int
    worst_w: float


def promised_w(seconds: IntArray, commands: Sequence[Command]) -> FloatArray:
    """Power that was owed in each second: the latest command issued until then, else 0."""
    issued = np.array([command.issued_at_s for command in commands], dtype=np.float64)
    powers = np.array([0.0, *(command.power_w for command in commands)], dtype=np.float64)
    return powers[np.searchsorted(issued, seconds.astype(np.float64) + _TOUCH_W, side="right")]


def fleet_w(table: DeliveryTable) -> FloatArray:
    """Sum of the sites' samples, shape (n,)."""
    return np.asarray(np.nansum(table.delivered_w, axis=0), dtype=np.float64)


def track(promised: FloatArray, delivered: FloatArray, *, award_w: float) -> Tracking:
    """Compare two courses second by second.

    Parameters
    ----------
    promised, delivered : FloatArray
        Shape (n,), n >= 1, W.
    award_w : float
        W, > 0.
    """
    assert len(promised) == len(delivered) > 0, "courses of one length, not empty"
    error = np.abs(delivered - promised)
    near_award = error <= NEAR_SHARE * award_w + _TOUCH_W
    allowed = np.maximum(NEAR_SHARE * np.abs(promised), FLOOR_SHARE * award_w)
    lag_s, at_lag_w = _best_lag(promised, delivered)
    return Tracking(
        within_award_ratio=float(near_award.mean()),
        within_command_ratio=float((error <= allowed + _TOUCH_W).mean()),
        rms_pct=100.0 * _rms(error) / award_w,
        median_pct=100.0 * float(np.median(error)) / award_w,
        max_pct=100.0 * float(error.max()) / award_w,
        lag_s=lag_s,
        rms_at_lag_pct=100.0 * at_lag_w / award_w,
    )


def holding(table: DeliveryTable, cut: Cut) -> Holding:
    """Compare a cut site with the last share it received.

    Parameters
    ----------
    table : DeliveryTable
        From the store, after the record was made whole.
    cut : Cut
        Whole seconds from three seconds after the cut to the heal count.

    Notes
    -----
    The last received share is the one the site names in the first second after the cut: no
    signal can have reached it later.
    """
    row = table.row_of(cut.site_id)
    counted = (table.second >= cut.begin_s + LOST_S) & (table.second + 1 <= cut.end_s)
    if row is None:
        return _nothing_held(cut, int(counted.sum()))
    after = np.flatnonzero((table.second >= cut.begin_s) & np.isfinite(table.share_w[row]))
    after = after[table.second[after] < cut.end_s]
    if len(after) == 0:
        return _nothing_held(cut, int(counted.sum()))
    share_w = float(table.share_w[row, after[0]])
    delivered, named = table.delivered_w[row][counted], table.share_w[row][counted]
    distance = np.abs(delivered - share_w)
    known = np.isfinite(distance)
    return Holding(
        site_id=cut.site_id,
        share_w=share_w,
        seconds=len(distance),
        held=int((distance[known] <= table.tolerance_w[row] + _TOUCH_W).sum()),
        unsampled=int((~known).sum()),
        left_share=int((np.abs(named[np.isfinite(named)] - share_w) > 1.0).sum()),
        worst_w=float(distance[known].max()) if known.any() else math.nan,
    )


def held_ratio(holdings: Sequence[Holding]) -> float | None:
    """Part of all cut seconds in which the cut site held its share; None without any."""
    seconds = sum(one.seconds for one in holdings)
    return sum(one.held for one in holdings) / seconds if seconds else None


def undisturbed(seconds: IntArray, cuts: Sequence[Cut], kills: Sequence[Kill]) -> FloatArray:
    """Mask (1.0 or 0.0) of seconds in which nothing was cut, killed or just coming back."""
    mask = np.ones(len(seconds))
    for cut in cuts:
        mask[(seconds >= cut.begin_s) & (seconds < cut.end_s + LOST_S)] = 0.0
    for kill in kills:
        back_s = math.inf if kill.back_s is None else kill.back_s + LOST_S
        mask[(seconds >= kill.at_s) & (seconds < back_s)] = 0.0
    return mask


def _nothing_held(cut: Cut, seconds: int) -> Holding:
    return Holding(
        site_id=cut.site_id,
        share_w=math.nan,
        seconds=seconds,
        held=0,
        unsampled=seconds,
        left_share=0,
        worst_w=math.nan,
    )


def _best_lag(promised: FloatArray, delivered: FloatArray) -> tuple[int, float]:
    """Delay in s with the least error, and that error, W."""
    best = (0, _rms(delivered - promised))
    for lag_s in range(1, min(LAG_S_MAX, len(promised) - 1) + 1):
        found_w = _rms(delivered[lag_s:] - promised[:-lag_s])
        if found_w < best[1] - _TOUCH_W:
            best = (lag_s, found_w)
    return best


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
