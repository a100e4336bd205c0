"""What a site's forecast is made from: its own half hours of two weeks, and where it stands."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY

PAST_DAYS: Final = 14
PAST_SLOTS: Final = PAST_DAYS * SLOTS_A_DAY
LEAST_DAYS: Final = 1.0
"""With less than this known, in days, a model is neither taught nor asked."""
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePlace:
    """Where a site is: degrees north and east, its clock less UTC in s, its rated PV in W."""

    latitude: float
    longitude: float
    clock_s: int
    peak_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePast:
    """Two weeks of half hours that ended at a moment, oldest first.

    Attributes
    ----------
    until : datetime
        End of the last half hour, aware UTC, on the half hour.
    consumption_w, pv_w : FloatArray
        Shape (672,), mean W, positive; NaN where not known.
    place : SitePlace
        Where.
    """

    until: datetime
    consumption_w: FloatArray
    pv_w: FloatArray
    place: SitePlace

    def __post_init__(self) -> None:
        """Check shapes and the grid."""
        assert self.consumption_w.shape == self.pv_w.shape == (PAST_SLOTS,), "two weeks are asked"
        assert self.until.timestamp() % SLOT_S == 0, "a site's past ends on the half hour"

    def local_days(self) -> tuple[FloatArray, FloatArray]:
        """Days since 1970-01-01 by the site's clock: of past half hours and of the next 48.

        Returns
        -------
        tuple of FloatArray
            Shapes (14, 48) and (48,); the fraction is the time of day at the slot's middle.
        """
        first_s = self.until.timestamp() + self.place.clock_s
        steps = np.arange(-PAST_SLOTS, SLOTS_A_DAY) + 0.5
        days = (first_s + SLOT_S * steps) / (SLOT_S * SLOTS_A_DAY)
        return days[:PAST_SLOTS].reshape(PAST_DAYS, SLOTS_A_DAY), days[PAST_SLOTS:]


def by_day(values: FloatArray) -> FloatArray:
    """Past values as rows of 48 that end at ``until``: column k is the time of day of slot k."""
    return values.reshape(PAST_DAYS, SLOTS_A_DAY)


def is_weekend(days: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Tell which days since 1970-01-01, a Thursday, are Saturdays or Sundays."""
    return (np.floor(days).astype(np.int64) + 3) % 7 >= _SATURDAY


def known_days(values: FloatArray) -> float:
    """Half hours that are known, in days."""
    return float(np.isfinite(values).sum()) / SLOTS_A_DAY


def mean_known(values: FloatArray, *, axis: int = 0) -> FloatArray:
    """Mean of the known values along an axis; NaN where none is known."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def extreme_known(values: FloatArray, *, largest: bool) -> FloatArray:
    """Largest or least known value of each column; NaN where none is known."""
    known = np.isfinite(values)
    sign = 1.0 if largest else -1.0
    found = sign * np.where(known, sign * values, -np.inf).max(axis=0)
    return np.where(known.any(axis=0), found, np.nan)


def smooth(values: FloatArray) -> FloatArray:
    """Mean of each value of a day and its two neighbours, as far as they are known."""
    return mean_known(np.stack([np.roll(values, 1), values, np.roll(values, -1)]))


def clock_columns(days: FloatArray) -> FloatArray:
    """Time of day as two waves, shape (48, 4)."""
    angle = 2.0 * np.pi * (days % 1.0)
    rows: FloatArray = np.stack(
        [np.sin(angle), np.cos(angle), np.sin(2.0 * angle), np.cos(2.0 * angle)], axis=1
    )
    return rows
