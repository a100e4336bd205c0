"""Watches whether a forecast still keeps its word: against persistence, and by its own band.

Pure: told losses and coverages of past days, says what to do. Called by the coordinator for its
areas and by the gateway for its site.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

from protocols.vocabulary.arrays import FloatArray

WATCHED_DAYS: Final = 14
LEAST_DAYS: Final = 7
"""With fewer days known nothing is judged."""
WORSE_RATIO: Final = 1.0
"""A model whose mean pinball loss is above this part of persistence's is not asked."""
COVERAGE_LEAST: Final = 0.6
"""Below this part of the truths inside its 80 % band a model's band is widened."""
BAND: Final = 0.8
WIDEST: Final = 2.0


class Advice(Enum):
    """What to do with a model's answer."""

    TAKE = "take"
    WIDEN = "widen"
    FALL_BACK = "fall back"


@dataclass(frozen=True, slots=True, kw_only=True)
class DayScore:
    """How one past day went.

    Attributes
    ----------
    model_loss, persistence_loss : float
        Mean pinball loss of the day, in units.
    coverage : float
        Part of the slots inside the 80 % band, 0..1.
    """

    model_loss: float
    persistence_loss: float
    coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Advice, the factor for the distances from the median (>= 1), and the reason in words."""

    advice: Advice
    widening: float
    reason: str | None


def pinball(values: FloatArray, truth: FloatArray, quantiles: Sequence[float]) -> float:
    """Mean pinball loss over slots with a truth and over the quantiles; NaN without any.

    Parameters
    ----------
    values : FloatArray
        Shape (n, q).
    truth : FloatArray
        Shape (n,); NaN where not known.
    quantiles : sequence of float
        Of the last axis.
    """
    known = np.isfinite(truth)
    if not known.any():
        return float("nan")
    part = np.array(quantiles)
    error = truth[known, None] - values[known]
    return float(np.maximum(part * error, (part - 1.0) * error).mean())


def judge(scores: Sequence[DayScore]) -> Verdict:
    """Judge a model by its last days.

    Parameters
    ----------
    scores : sequence of DayScore
        Of at most WATCHED_DAYS past days; days without truth are left out by the caller.

    Returns
    -------
    Verdict
        FALL_BACK when the model lost against persistence, WIDEN when its band held too little.
    """
    if len(scores) < LEAST_DAYS:
        return Verdict(advice=Advice.TAKE, widening=1.0, reason=None)
    model = float(np.mean([one.model_loss for one in scores]))
    naive = float(np.mean([one.persistence_loss for one in scores]))
    coverage = float(np.mean([one.coverage for one in scores]))
    if model > WORSE_RATIO * naive:
        words = (
            f"over {len(scores)} days worse than persistence: pinball {model:.3g} to {naive:.3g}"
        )
        return Verdict(advice=Advice.FALL_BACK, widening=1.0, reason=words)
    if coverage < COVERAGE_LEAST:
        widening = min(BAND / max(coverage, 1.0 - BAND), WIDEST)
        words = f"its 80 % band held {coverage:.0%} over {len(scores)} days: {widening:.2f} as wide"
        return Verdict(advice=Advice.WIDEN, widening=widening, reason=words)
    return Verdict(advice=Advice.TAKE, widening=1.0, reason=None)
