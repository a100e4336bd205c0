"""What every day-ahead model is given, and how its answer is put back into units."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.contract import TensorSpec
from models.day_ahead.places import AREAS
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY

DAY_AHEAD_VERSION: Final = 1
"""Of all builders of this package; a model made for another one is refused."""
SLOTS: Final = "slots"
DAY: Final = "day"
FRAME: Final = "frame"
FORECAST: Final = "forecast"
QUANTILES: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)

MISSING_MAX: Final = 0.35
"""With more of the slots' numbers missing than this a model is neither taught nor asked."""

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFeatures:
    """Inputs of one area and one day.

    Attributes
    ----------
    slots : FloatArray
        Shape (48, k): numbers of each slot, normalised; NaN where not known.
    day : FloatArray
        Shape (s,): numbers of the day; NaN where not known.
    offset, unit : FloatArray
        Shape (48,): an answer in units is offset + unit x the model's number. ``unit`` >= 0.
    level : float
        What errors are compared with: mean demand, PV's peak or price level, in units, > 0.
    """

    slots: FloatArray
    day: FloatArray
    offset: FloatArray
    unit: FloatArray
    level: float

    @property
    def missing(self) -> float:
        """Part of the slots' numbers that is not known, 0..1."""
        return float(np.isnan(self.slots).mean())

    def tensors(self) -> dict[str, Float32Array]:
        """Return the inputs of the model, batch of one."""
        frame = np.stack([self.offset, self.unit], axis=1)
        return {
            SLOTS: self.slots[None].astype(np.float32),
            DAY: self.day[None].astype(np.float32),
            FRAME: frame[None].astype(np.float32),
        }


def input_specs(features: DayFeatures, unit: str) -> tuple[TensorSpec, ...]:
    """Tensors of these features; ``unit`` is that of offset and unit."""
    return (
        TensorSpec(name=SLOTS, shape=(1, *features.slots.shape), unit="1"),
        TensorSpec(name=DAY, shape=(1, *features.day.shape), unit="1"),
        TensorSpec(name=FRAME, shape=(1, SLOTS_A_DAY, 2), unit=unit),
    )


def area_row(area: str) -> FloatArray:
    """Which area it is, shape (10,)."""
    row: FloatArray = np.eye(len(AREAS))[AREAS.index(area)]
    return row


def clock_rows() -> FloatArray:
    """Time of day of the slots: number over 48 and two waves, shape (48, 5)."""
    part = (np.arange(SLOTS_A_DAY) + 0.5) / SLOTS_A_DAY
    angle = 2.0 * np.pi * part
    rows: FloatArray = np.stack(
        [part, np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)], axis=1
    )
    return rows
