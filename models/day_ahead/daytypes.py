"""What kind of day a market day is: working day, Saturday or day of rest, and its season."""

import functools
from datetime import date, timedelta
from typing import Final

import jpholiday
import numpy as np

from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import Calendar

WORKING, SATURDAY, REST = 0, 1, 2
_SATURDAY_NUMBER: Final = 5
_YEAR_DAYS: Final = 365.2425
_NEAR_DAYS: Final = 7.0
"""Within so many days of New Year and of mid August a day is told how far it is from them."""


@functools.lru_cache(maxsize=64)
def _calendar(year: int) -> Calendar:
    """Rest days of a year and of those beside it."""
    first, last = date(year - 1, 1, 1), date(year + 1, 12, 31)
    holidays = frozenset(day for day, _ in jpholiday.between(first, last))
    return Calendar(holidays, first=first, last=last)


@functools.lru_cache(maxsize=8192)
def day_type(day: date) -> int:
    """WORKING, SATURDAY or REST; the company holidays at New Year count as rest."""
    new_year = (day.month, day.day) in {(12, 31), (1, 2), (1, 3)}
    if new_year or (_calendar(day.year).is_rest_day(day) and day.weekday() != _SATURDAY_NUMBER):
        return REST
    if day.weekday() == _SATURDAY_NUMBER:
        rest = day in {found for found, _ in jpholiday.between(day, day)}
        return REST if rest else SATURDAY
    return WORKING


def day_types(first_day: date, days: int) -> list[int]:
    """Types of days in a row."""
    return [day_type(first_day + timedelta(days=k)) for k in range(days)]


def season(day: date) -> FloatArray:
    """Two waves of the year, nearness of New Year and of mid August with their signs.

    Parameters
    ----------
    day : date
        Market day.

    Returns
    -------
    FloatArray
        Shape (8,), -1..1.
    """
    angle = 2.0 * np.pi * day.timetuple().tm_yday / _YEAR_DAYS
    year = date(day.year + (day.month > 6), 1, 1)  # noqa: PLR2004 second half: next New Year
    found = [np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)]
    for middle in (year, date(day.year, 8, 14)):
        apart = (day - middle).days
        near = max(1.0 - abs(apart) / _NEAR_DAYS, 0.0)
        found += [near, near * np.sign(apart)]
    return np.array(found)


def calendar_of(day: date) -> FloatArray:
    """Season, weekday and the types of the day before, the day and the day after.

    Returns
    -------
    FloatArray
        Shape (24,).
    """
    weekday = np.eye(7)[day.weekday()]
    types = [np.eye(3)[kind] for kind in day_types(day - timedelta(days=1), 3)]
    return np.concatenate([season(day), weekday, *types])
