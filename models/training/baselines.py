"""What a model must beat: the naive days, a linear regression, and boosted trees; same features.

Each is fitted on everything before the test and answers the quantiles that scores look at.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

import numpy as np

from models.day_ahead.context import gate_of
from models.day_ahead.frame import Float32Array
from models.day_ahead.history import History
from models.day_ahead.targets import Target
from models.training.samples import IntArray, Samples, normalised_truth
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY

SCORED: Final = (0.1, 0.5, 0.9)
RIDGE: Final = 10.0
TREES: Final = {
    "num_leaves": 63,
    "learning_rate": 0.07,
    "min_data_in_leaf": 100,
    "max_bin": 127,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "feature_fraction": 0.5,
    "num_threads": 1,
    "deterministic": True,
    "verbosity": -1,
}
TREE_ROUNDS: Final = 250
TREE_ROWS: Final = 250_000
LEARN_DAYS: Final = 365
"""A naive rule takes its quantiles from its own errors of the last year before the test."""


def naive(history: History, target: Target, samples: Samples, *, back: int) -> Float32Array:
    """Repeat the same slot of an earlier day, the latest that the gate lets through.

    Parameters
    ----------
    history : History
        Everything.
    target : Target
        Quantity.
    samples : Samples
        Rows to answer.
    back : int
        1 for the day, 7 for the week: the value of that many days before; where it was not
        known at the gate, as many days further back.

    Returns
    -------
    Float32Array
        Shape (n, 48), in units; NaN where nothing was known.
    """
    found = np.full(samples.truth.shape, np.nan, dtype=np.float32)
    for ordinal in np.unique(samples.ordinal):
        day = date.fromordinal(int(ordinal))
        known = history.window(day, before=3 * back).known_at(gate_of(day))
        for row in np.flatnonzero(samples.ordinal == ordinal):
            values = known.column(target.series, target.places[samples.place[row]])
            answer = np.full(SLOTS_A_DAY, np.nan)
            for times in (1, 2, 3):
                answer = np.where(np.isfinite(answer), answer, values[-1 - times * back])
            found[row] = answer
    return found


def with_error_quantiles(answer: Float32Array, samples: Samples, test_from: date) -> Float32Array:
    """Add quantiles of a point forecast's own errors, by place and slot, relative to the level.

    Parameters
    ----------
    answer : Float32Array
        Shape (n, 48), in units, of samples before and in the test.
    samples : Samples
        The same rows.
    test_from : date
        First day of the test; only earlier errors are used.

    Returns
    -------
    Float32Array
        Shape (n, 48, 3): quantiles SCORED; the middle one is the answer itself.
    """
    learn = samples.ordinal < test_from.toordinal()
    learn &= samples.ordinal >= (test_from - timedelta(days=LEARN_DAYS)).toordinal()
    error = (samples.truth - answer) / samples.level[:, None]
    result = np.repeat(answer[:, :, None], len(SCORED), axis=2)
    for place in np.unique(samples.place):
        here = samples.place == place
        past = error[here & learn]
        if not len(past):
            past = error[learn]
        low, high = np.nanquantile(past, [SCORED[0], SCORED[-1]], axis=0)
        result[here, :, 0] += low * samples.level[here, None]
        result[here, :, 2] += high * samples.level[here, None]
    return result


def rows_of(samples: Samples, chosen: IntArray | None = None) -> Float32Array:
    """Slots' and day's numbers side by side, one row a slot.

    Parameters
    ----------
    samples : Samples
        n of them.
    chosen : IntArray or None
        Numbers of rows of the n x 48; all if None.

    Returns
    -------
    Float32Array
        Shape (m, k + s); NaN where not known.
    """
    rows = np.arange(len(samples.truth) * SLOTS_A_DAY) if chosen is None else chosen
    sample = rows // SLOTS_A_DAY
    slots = samples.slots.reshape(-1, samples.slots.shape[2])[rows]
    return np.concatenate([slots, samples.day[sample]], axis=1)


class Linear:
    """Ridge regression of the model's number on all features.

    Parameters
    ----------
    samples : Samples
        To fit on.
    """

    def __init__(self, samples: Samples) -> None:
        truth, weight = normalised_truth(samples)
        self._mean, self._scale = _standard(samples)
        size = samples.slots.shape[2] + samples.day.shape[1] + 1
        left, right = RIDGE * np.eye(size), np.zeros(size)
        for part in np.array_split(np.arange(len(samples.truth)), len(samples.truth) // 500 + 1):
            numbers = self._numbers(samples.of(part))
            heavy = weight[part].reshape(-1, 1).astype(np.float64)
            left += numbers.T @ (numbers * heavy)
            right += numbers.T @ (truth[part].reshape(-1) * heavy[:, 0])
        self._solution = np.linalg.solve(left, right)

    def _numbers(self, samples: Samples) -> FloatArray:
        rows = (rows_of(samples) - self._mean) / self._scale
        rows = np.clip(np.where(np.isfinite(rows), rows, 0.0), -6.0, 6.0)
        return np.concatenate([rows, np.ones((len(rows), 1))], axis=1).astype(np.float64)

    def answer(self, samples: Samples) -> Float32Array:
        """Shape (n, 48), in units."""
        parts = np.array_split(np.arange(len(samples.truth)), len(samples.truth) // 500 + 1)
        number = np.concatenate([self._numbers(samples.of(k)) @ self._solution for k in parts])
        return in_units(samples, number.reshape(-1, SLOTS_A_DAY, 1))[:, :, 0]


def _standard(samples: Samples) -> tuple[Float32Array, Float32Array]:
    """Mean and spread of each feature over a part of the rows."""
    count = len(samples.truth) * SLOTS_A_DAY
    rows = rows_of(samples, np.arange(0, count, 7))
    known = np.isfinite(rows)
    number = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, rows, 0.0).sum(axis=0) / number
    spread = np.sqrt(np.where(known, (rows - mean) ** 2, 0.0).sum(axis=0) / number)
    return mean.astype(np.float32), np.maximum(spread, 1e-6).astype(np.float32)


def in_units(samples: Samples, number: np.ndarray) -> Float32Array:
    """Model's numbers (n, 48, q) as units, not below zero."""
    offset, unit = samples.frame[:, :, 0, None], samples.frame[:, :, 1, None]
    found: Float32Array = np.maximum(offset + unit * number, 0.0).astype(np.float32)
    return found


def trees(fitted: Samples, asked: Samples, *, seed: int, tick: Callable[[], None]) -> Float32Array:
    """LightGBM quantile trees on the same rows.

    Parameters
    ----------
    fitted, asked : Samples
        To fit on; to answer.
    seed : int
        Of the rows and trees.
    tick : callable
        Called after each quantile.

    Returns
    -------
    Float32Array
        Shape (n, 48, 3): quantiles SCORED, in units, sorted.
    """
    import lightgbm  # noqa: PLC0415 only an evaluation needs it

    truth, weight = normalised_truth(fitted)
    usable = np.flatnonzero(weight.reshape(-1) > 0.0)
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(usable)[:TREE_ROWS])
    rows, heavy = rows_of(fitted, chosen), weight.reshape(-1)[chosen]
    goal, questions = truth.reshape(-1)[chosen], rows_of(asked)
    table = lightgbm.Dataset(rows, goal, weight=heavy, free_raw_data=False)
    found = []
    for quantile in SCORED:
        settings = TREES | {"objective": "quantile", "alpha": quantile, "seed": seed}
        model = lightgbm.train(settings, table, num_boost_round=TREE_ROUNDS)
        found.append(np.asarray(model.predict(questions)).reshape(-1, SLOTS_A_DAY))
        tick()
    return np.sort(in_units(asked, np.stack(found, axis=2)), axis=2)
