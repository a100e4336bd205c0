"""What draws show of a promise, and what past events teach of the next.

Pure: drawn randomness is an argument.
"""

import math
from typing import Final

import numpy as np

from cloud_coordinator.allocation.promise import Promise, check_promise
from cloud_coordinator.allocation.reliability import TOLERANCE
from protocols.vocabulary.arrays import FloatArray

BATCH: Final = 4_000_000
"""Draws of single sites at once."""
PRIOR_EVENTS: Final = 20.0
SPREAD_MAX: Final = 4.0


def simulated_probability(
    promise: Promise, required_w: float, *, draws: int, random: np.random.Generator
) -> float:
    """Share of draws in which at least the required power is delivered.

    Parameters
    ----------
    promise : Promise
        What was promised.
    required_w : float
        W.
    draws : int
        How often, > 0.
    random : Generator
        Draws.
    """
    check_promise(promise)
    count = len(promise.power_w)
    required_w -= TOLERANCE * float(promise.power_w.sum())
    batch = max(1, BATCH // max(count, 1))
    kept = done = 0
    reliability = promise.reliability.astype(np.float32)
    while done < draws:
        size = min(batch, draws - done)
        up = random.random((size, count), dtype=np.float32) < reliability
        for cause in promise.causes:
            down = np.flatnonzero(random.random(size) < cause.outage_probability)
            if len(down) and len(cause.members):
                up[np.ix_(down, cause.members)] = False
        kept += int((up @ promise.power_w >= required_w).sum())
        done += size
    return kept / draws


def learned_spread(
    promised_w: FloatArray, deviation_w: FloatArray, delivered_w: FloatArray
) -> float:
    """How much wider than promised the deliveries of the past were.

    Parameters
    ----------
    promised_w, deviation_w, delivered_w : FloatArray
        Shape (k,): mean and deviation that were expected of each event, and what came, W.

    Returns
    -------
    float
        Factor of the deviation, 1 ... 4. Twenty events of a prior that says 1 stand beside what
        was seen, and no single event counts more than four deviations, so one broken meter
        cannot widen it much.
    """
    known = deviation_w > 0.0
    if not known.any():
        return 1.0
    off = (promised_w[known] - delivered_w[known]) / deviation_w[known]
    off = np.clip(np.where(np.isfinite(off), off, SPREAD_MAX), -SPREAD_MAX, SPREAD_MAX)
    seen = float((off**2).sum())
    spread = math.sqrt((PRIOR_EVENTS + seen) / (PRIOR_EVENTS + len(off)))
    return min(max(spread, 1.0), SPREAD_MAX)
