"""How well a delivered course follows the commands: shares, and scores as PJM makes them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from protocols.vocabulary.arrays import FloatArray, IntArray

NEAR: Final = 0.05
CLOSE: Final = 0.01
DELAY_S_MAX: Final = 300
SETTLED_S: Final = 3
"""A disturbance counts as made up from the first second after which so many are within 5 %."""

DEFINITIONS: Final[Mapping[str, str]] = {
    "within_5pct": "part of the seconds with |delivered - commanded| <= 5 % of the award; "
    "delivered: sum of meter less baseline, each site at its own cycle of that second; commanded: "
    "the latest command issued until the second began",
    "within_1pct": "the same with 1 % of the award",
    "within_5pct_of_command": "the same with 5 % of that second's command, at least 1 % of the "
    "award",
    "at_lag": "the same shares after the delivered course is shifted by the delay of the best "
    "correlation, which takes the way of the command out of the figure",
    "correlation": "greatest correlation of commanded and delivered over delays of 0 to 300 s (at "
    "most half of the run), as PJM's correlation score",
    "delay_score": "1 - delay / 300 s at that greatest correlation",
    "precision": "1 - mean |delivered - commanded| / mean |commanded|, seconds without shift",
    "performance": "mean of the three, as PJM's performance score",
    "compensated_s": "seconds from the disturbance until the first of three seconds in a row "
    "within 5 % of the award; None: not within the run",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """As :data:`DEFINITIONS` says; ratios 0..1."""

    seconds: int
    within_5pct: float
    within_1pct: float
    within_5pct_of_command: float
    within_5pct_at_lag: float
    within_1pct_at_lag: float
    rms_pct: float
    lag_s: int
    correlation: float
    delay_score: float
    precision: float
    performance: float


def score(commanded_w: FloatArray, delivered_w: FloatArray, *, award_w: float) -> Scores:
    """Compare two courses second by second.

    Parameters
    ----------
    commanded_w, delivered_w : FloatArray
        Shape (n,), n >= 2, W.
    award_w : float
        W, > 0.
    """
    assert len(commanded_w) == len(delivered_w) > 1, "courses of one length"
    error = np.abs(delivered_w - commanded_w)
    floor = np.maximum(NEAR * np.abs(commanded_w), CLOSE * award_w)
    lag_s, correlation = _best_lag(commanded_w, delivered_w)
    shifted = np.abs(delivered_w[lag_s:] - commanded_w[: len(commanded_w) - lag_s])
    delay = 1.0 - lag_s / DELAY_S_MAX
    mean = float(np.abs(commanded_w).mean())
    precision = max(0.0, 1.0 - float(error.mean()) / mean) if mean > 0.0 else 0.0
    return Scores(
        seconds=len(error),
        within_5pct=float((error <= NEAR * award_w).mean()),
        within_1pct=float((error <= CLOSE * award_w).mean()),
        within_5pct_of_command=float((error <= floor).mean()),
        within_5pct_at_lag=float((shifted <= NEAR * award_w).mean()),
        within_1pct_at_lag=float((shifted <= CLOSE * award_w).mean()),
        rms_pct=100.0 * float(np.sqrt((error**2).mean())) / award_w,
        lag_s=lag_s,
        correlation=correlation,
        delay_score=delay,
        precision=precision,
        performance=(max(0.0, correlation) + delay + precision) / 3.0,
    )


def compensated_s(
    seconds: IntArray, error_w: FloatArray, *, at_s: float, award_w: float
) -> float | None:
    """Time from a disturbance until the error is, and for three seconds stays, within 5 %.

    Parameters
    ----------
    seconds : IntArray
        Unix seconds, rising.
    error_w : FloatArray
        Delivered less commanded, W.
    at_s : float
        Unix time of the disturbance.
    award_w : float
        W.
    """
    after = np.flatnonzero(seconds >= at_s)
    good = np.abs(error_w[after]) <= NEAR * award_w
    for place in range(len(after) - SETTLED_S + 1):
        if good[place : place + SETTLED_S].all():
            return float(seconds[after[place]] - at_s)
    return None


def _best_lag(commanded_w: FloatArray, delivered_w: FloatArray) -> tuple[int, float]:
    best = (0, _correlation(commanded_w, delivered_w))
    for lag_s in range(1, min(DELAY_S_MAX, len(commanded_w) // 2) + 1):
        found = _correlation(commanded_w[:-lag_s], delivered_w[lag_s:])
        if found > best[1]:
            best = (lag_s, found)
    return best


def _correlation(one: FloatArray, other: FloatArray) -> float:
    if one.std() == 0.0 or other.std() == 0.0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
