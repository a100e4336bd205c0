"""The one feature builder, for training and for inference.

A model sees what this makes of a site's history and nothing else; both sides call it, so that
they cannot drift apart. Plain numpy, no clock. A change of what comes out raises
``FEATURES_VERSION``, and a model trained with another version is refused.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from models.contract import TensorSpec
from protocols.vocabulary.arrays import FloatArray

FEATURES_VERSION: Final = 1
HISTORY: Final = "history"
KNOWN: Final = "known"
FORECAST: Final = "forecast"
CHANNELS: Final = 2
"""Load and PV, in this order."""
CYCLES_S: Final = (86_400.0, 604_800.0, 31_556_952.0)
"""Day, week and mean year, in s; each gives a sine and a cosine."""

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteHistory:
    """What a site did, on a regular grid, generator frame.

    Attributes
    ----------
    until : datetime
        End of the last step, aware UTC.
    step_s : float
        Length of a step, s.
    load_w : FloatArray
        Shape (n,), W that nobody controls, without PV; NaN where it is not known.
    pv_w : FloatArray
        Shape (n,), W of PV; NaN where it is not known.
    """

    until: datetime
    step_s: float
    load_w: FloatArray
    pv_w: FloatArray

    def __post_init__(self) -> None:
        """Check shapes and awareness."""
        assert len(self.load_w) == len(self.pv_w), "history columns differ in length"
        assert self.until.utcoffset() == timedelta(0), "history must end at an aware UTC time"


def known_mean(values: FloatArray) -> float | None:
    """Mean of the numbers of a column that are known, None if none is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def resampled(history: SiteHistory, *, step_s: float, count: int) -> tuple[FloatArray, FloatArray]:
    """Means of load and PV over the last ``count`` steps of another length.

    Parameters
    ----------
    history : SiteHistory
        On its own grid.
    step_s : float
        A whole multiple of the history's step, s.
    count : int
        Steps, ending at ``history.until``.

    Returns
    -------
    tuple of FloatArray
        Load and PV of shape (count,), W; NaN where no sample is known.
    """
    per = round(step_s / history.step_s)
    assert per >= 1, "features are coarser than the history"
    return _means(history.load_w, per, count), _means(history.pv_w, per, count)


def _means(values: FloatArray, per: int, count: int) -> FloatArray:
    """Means of the known samples of each of the last blocks."""
    padded = np.full(per * count, np.nan)
    tail = values[-per * count :]
    if len(tail):
        padded[-len(tail) :] = tail
    blocks = padded.reshape(count, per)
    known = np.isfinite(blocks)
    number = known.sum(axis=1)
    total = np.where(known, blocks, 0.0).sum(axis=1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def missing_ratio(values: FloatArray) -> float:
    """Part of a column that is not known, 0..1."""
    return float(np.isnan(values).mean()) if len(values) else 1.0


def without_gaps(values: FloatArray) -> FloatArray:
    """Column with gaps filled on straight lines, its ends held; zeros if nothing is known."""
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(len(values))
    places = np.arange(len(values))
    return np.interp(places, places[known], values[known])


def calendar(start: datetime, *, step_s: float, count: int) -> FloatArray:
    """Sine and cosine of day, week and year at the middle of each step.

    Parameters
    ----------
    start : datetime
        Start of the first step, aware UTC.
    step_s : float
        Length of a step, s.
    count : int
        Number of steps.

    Returns
    -------
    FloatArray
        Shape (count, 6), -1..1.
    """
    first_s = start.astimezone(UTC).timestamp()
    seconds = first_s + step_s * (np.arange(count) + 0.5)
    angles = 2.0 * np.pi * seconds[:, None] / np.array(CYCLES_S)[None, :]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def input_specs(*, lookback: int, horizon: int) -> tuple[TensorSpec, ...]:
    """Tensors the builder makes."""
    known = 2 * len(CYCLES_S)
    return (
        TensorSpec(name=HISTORY, shape=(1, lookback, CHANNELS), unit="scale_w"),
        TensorSpec(name=KNOWN, shape=(1, lookback + horizon, known), unit="1"),
    )


def build_features(
    history: SiteHistory, *, step_s: float, lookback: int, horizon: int, scale_w: float
) -> dict[str, Float32Array]:
    """Make a model's inputs.

    Parameters
    ----------
    history : SiteHistory
        Of the site, up to the moment of the forecast.
    step_s : float
        Of the model, s.
    lookback, horizon : int
        Steps back and ahead.
    scale_w : float
        Powers are divided by it, W.

    Returns
    -------
    dict of str to Float32Array
        ``history`` of shape (1, lookback, 2): load and PV over ``scale_w``; ``known`` of
        shape (1, lookback + horizon, 6): calendar of all steps.
    """
    load_w, pv_w = resampled(history, step_s=step_s, count=lookback)
    past = np.stack([without_gaps(load_w), without_gaps(pv_w)], axis=1) / scale_w
    start = history.until - timedelta(seconds=step_s * lookback)
    known = calendar(start, step_s=step_s, count=lookback + horizon)
    return {
        HISTORY: past[None].astype(np.float32),
        KNOWN: known[None].astype(np.float32),
    }
