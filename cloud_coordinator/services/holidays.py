"""Public holidays of Japan: the border to the library that knows them."""

import functools
from datetime import date

import jpholiday

from protocols.vocabulary.calendar import Calendar


def calendar_around(day: date) -> Calendar:
    """Calendar of the year of a day and of the years beside it."""
    return _calendar(day.year)


@functools.cache
def _calendar(year: int) -> Calendar:
    first, last = date(year - 1, 1, 1), date(year + 1, 12, 31)
    holidays = frozenset(day for day, _ in jpholiday.between(first, last))
    return Calendar(holidays, first=first, last=last)
