"""Samples of a target: features as at run time, the truth, and the split by time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from models.day_ahead.context import context_of
from models.day_ahead.frame import MISSING_MAX, Float32Array
from models.day_ahead.history import History
from models.day_ahead.targets import Target
from protocols.vocabulary.calendar import SLOTS_A_DAY

IntArray = npt.NDArray[np.int64]
TEST_PART: Final = 0.2
"""The last part of the days is never seen by training, validation or calibration."""
HELD_DAYS: Final = 365
"""A network does not learn from one whole year: its weeks stop the training and calibrate, in
turn. A year of its own, because weeks between those learned from look easier than the future."""
HELD_WEEKS: Final = 5
"""Where no year can be spared: one week of so many of the last two years."""
FIRST_DAYS: Final = 60
"""Days at the beginning that only serve as history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Columns of samples; one row is one place and one day.

    Attributes
    ----------
    slots, day, frame : Float32Array
        Inputs, shapes (n, 48, k), (n, s), (n, 48, 2).
    truth : Float32Array
        Shape (n, 48), in units; NaN where not measured.
    level : Float32Array
        Shape (n,), in units.
    place : IntArray
        Shape (n,), number of the place within the target.
    ordinal : IntArray
        Shape (n,), day as a proleptic ordinal.
    """

    slots: Float32Array
    day: Float32Array
    frame: Float32Array
    truth: Float32Array
    level: Float32Array
    place: IntArray
    ordinal: IntArray

    def of(self, chosen: npt.NDArray[np.bool_] | IntArray) -> "Samples":
        """Rows chosen."""
        return Samples(**{one.name: getattr(self, one.name)[chosen] for one in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Samples of one network by purpose."""

    fit: Samples
    validation: Samples
    calibration: Samples


def days_with_truth(history: History, target: Target) -> list[date]:
    """Days on which any place has a value."""
    rows = np.zeros(history.days, dtype=bool)
    for place in target.places:
        rows |= np.isfinite(history.column(target.series, place)).any(axis=1)
    return [history.first_day + timedelta(days=int(k)) for k in np.flatnonzero(rows)]


def test_begins(days: list[date]) -> date:
    """First day of the last fifth."""
    return days[round((1.0 - TEST_PART) * len(days))]


def build_samples(
    history: History, target: Target, *, days: list[date], tick: Callable[[], None]
) -> Samples:
    """Make the samples of days.

    Parameters
    ----------
    history : History
        Everything; each day sees only what its gate lets through.
    target : Target
        Quantity.
    days : list of date
        Market days; places with too little of the truth are left out.
    tick : callable
        Called after each day.
    """
    needed = history.only(target.needs)
    found: dict[str, list[object]] = {one.name: [] for one in fields(Samples)}
    for day in days:
        context = context_of(needed, day)
        row = (day - history.first_day).days
        for number, place in enumerate(target.places):
            truth = history.column(target.series, place)[row]
            if np.isfinite(truth).mean() < target.least_truth:
                continue
            features = target.build(context, place)
            if features.missing > MISSING_MAX:
                continue
            tensors = features.tensors()
            for name, values in tensors.items():
                found[name].append(values[0])
            found["truth"].append(truth.astype(np.float32))
            found["level"].append(np.float32(features.level))
            found["place"].append(number)
            found["ordinal"].append(day.toordinal())
        tick()
    return Samples(**_stacked(found))


def _stacked(found: Mapping[str, list[object]]) -> dict[str, np.ndarray]:
    """Turn lists into arrays."""
    return {name: np.array(values) for name, values in found.items()}


def split(samples: Samples, test_from: date, *, held_year: int) -> Split:
    """Hold a part back; what lies in the test is in none of the parts.

    Parameters
    ----------
    samples : Samples
        All.
    test_from : date
        First day of the test.
    held_year : int
        1 for the year before the test, 2 for the one before that; 0 for single weeks.
    """
    ordinal = samples.ordinal
    week = ordinal // 7
    test = ordinal >= test_from.toordinal()
    if held_year:
        last = test_from.toordinal() - HELD_DAYS * (held_year - 1)
        held = (ordinal < last) & (ordinal >= last - HELD_DAYS)
        odd = week % 2 == 1
    else:
        recent = ordinal >= test_from.toordinal() - 2 * HELD_DAYS
        held = ~test & recent & (week % HELD_WEEKS == 0)
        odd = week // HELD_WEEKS % 2 == 1
    return Split(
        fit=samples.of(~test & ~held),
        validation=samples.of(held & ~odd),
        calibration=samples.of(held & odd),
    )


def normalised_truth(samples: Samples) -> tuple[Float32Array, Float32Array]:
    """Truth as the model's number, and the weight of each slot.

    Returns
    -------
    tuple of Float32Array
        Shape (n, 48) each; the weight is 0 where there is no truth or nothing can come, else
        the unit over the level.
    """
    offset, unit = samples.frame[:, :, 0], samples.frame[:, :, 1]
    known = np.isfinite(samples.truth) & (unit > 0.0)
    number = (samples.truth - offset) / np.where(unit > 0.0, unit, 1.0)
    weight = np.where(known, unit / samples.level[:, None], 0.0)
    assert number.shape[1] == SLOTS_A_DAY, "a day has 48 slots"
    return np.where(known, number, 0.0).astype(np.float32), weight.astype(np.float32)
