"""Market time: slots and days of rest."""

from datetime import UTC, date, datetime, timedelta

import pytest

from protocols.vocabulary.calendar import Calendar, Slot, market_day, slot_of, slots_of
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Interval

MARINE_DAY = date(2026, 7, 20)
CALENDAR = Calendar(frozenset({MARINE_DAY}), first=date(2026, 1, 1), last=date(2026, 12, 31))


def test_days_of_rest() -> None:
    """A holiday would count as a working day in somebody's baseline."""
    assert [CALENDAR.is_rest_day(date(2026, 7, day)) for day in range(17, 22)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert CALENDAR.next_business_day(date(2026, 7, 17)) == date(2026, 7, 21)


def test_a_year_whose_holidays_are_not_known_is_refused() -> None:
    """Every holiday of a year that nobody entered would silently be a working day."""
    with pytest.raises(ConfigError, match="2027-01-01"):
        CALENDAR.is_rest_day(date(2027, 1, 1))
    with pytest.raises(ConfigError, match="2027-01-01"):
        CALENDAR.next_business_day(date(2026, 12, 31))


def test_slots_of_an_award_that_begins_within_one() -> None:
    """A slot at either end of an award would be forgotten or paid twice."""
    start = datetime(2026, 7, 22, 14, 50, tzinfo=UTC)
    found = slots_of(Interval(start=start, end=start + timedelta(minutes=11)))
    assert found == (
        Slot(day=date(2026, 7, 22), number=48),
        Slot(day=date(2026, 7, 23), number=1),
    )
    whole = slots_of(found[0].interval)
    assert whole == (found[0],), "an interval ends before its end"
    assert market_day(start) == date(2026, 7, 22)
    assert slot_of(found[1].interval.start) == found[1]
