"""Scores of forecasts: mean absolute error, pinball loss, and how often the 80 % band held."""

from dataclasses import dataclass

import numpy as np

from models.day_ahead.frame import Float32Array
from models.training.baselines import SCORED
from models.training.samples import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Of one model over many slots.

    Attributes
    ----------
    mae, pinball : float
        In units; pinball is the mean over the quantiles 0.1, 0.5 and 0.9.
    coverage : float
        Part of the truths between the quantiles 0.1 and 0.9; 0.8 is right.
    slots : int
        How many were looked at.
    """

    mae: float
    pinball: float
    coverage: float
    slots: int


def score(answer: Float32Array, samples: Samples, *, place: int | None = None) -> Score:
    """Score quantiles against the truth.

    Parameters
    ----------
    answer : Float32Array
        Shape (n, 48, 3), quantiles SCORED, in units. A slot without an answer, or in
        which nothing can come (night), is not scored.
    samples : Samples
        With the truth.
    place : int or None
        Only this place; all if None.
    """
    truth = samples.truth
    usable = np.isfinite(truth) & np.isfinite(answer).all(axis=2) & (samples.frame[:, :, 1] > 0.0)
    if place is not None:
        usable &= (samples.place == place)[:, None]
    found, right = answer[usable].astype(np.float64), truth[usable].astype(np.float64)
    if not len(right):
        nothing = float("nan")
        return Score(mae=nothing, pinball=nothing, coverage=nothing, slots=0)
    error = right[:, None] - found
    part = np.array(SCORED)
    loss = np.maximum(part * error, (part - 1.0) * error)
    inside = (right >= found[:, 0]) & (right <= found[:, -1])
    return Score(
        mae=float(np.abs(error[:, SCORED.index(0.5)]).mean()),
        pinball=float(loss.mean()),
        coverage=float(inside.mean()),
        slots=len(right),
    )
