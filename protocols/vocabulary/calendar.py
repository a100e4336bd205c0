"""Japanese market time: half-hour slots, market days, gates and rest days. Pure.

The only place that knows Japan Standard Time (UTC+9, no summer time). Everything outside is
aware UTC; public holidays are passed in, because a law changes them.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final

from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Interval

SLOT_MINUTES: Final = 30
SLOT_S: Final = 60 * SLOT_MINUTES
SLOTS_A_DAY: Final = 48
_JST: Final = timezone(timedelta(hours=9), "JST")
_SLOT: Final = timedelta(seconds=SLOT_S)
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Slot:
    """A half hour of a market day.

    Attributes
    ----------
    day : date
        Market day, JST.
    number : int
        1 (00:00-00:30) to 48 (23:30-24:00).
    """

    day: date
    number: int

    def __post_init__(self) -> None:
        """Check the number."""
        assert 1 <= self.number <= SLOTS_A_DAY, f"slot {self.number} is not in 1..48"

    @property
    def interval(self) -> Interval:
        """Its half hour, aware UTC."""
        start = jst_moment(self.day, time()) + (self.number - 1) * _SLOT
        return Interval(start=start, end=start + _SLOT)


def jst_moment(day: date, at: time) -> datetime:
    """Aware UTC moment of a wall-clock time of a market day."""
    return datetime.combine(day, at, tzinfo=_JST).astimezone(UTC)


def market_day(moment: datetime) -> date:
    """Market day (JST) that holds an aware moment."""
    return moment.astimezone(_JST).date()


def slot_of(moment: datetime) -> Slot:
    """Slot that holds an aware moment.

    Notes
    -----
    japan-market R18: number = hour x 2 + (minute >= 30) + 1.
    """
    local = moment.astimezone(_JST)
    number = (local.hour * 60 + local.minute) // SLOT_MINUTES + 1
    return Slot(day=local.date(), number=number)


def slots_of(interval: Interval) -> tuple[Slot, ...]:
    """Slots that share any moment with an interval, by time."""
    found = [slot_of(interval.start)]
    while found[-1].interval.end < interval.end:
        found.append(slot_of(found[-1].interval.end))
    return tuple(found)


def day_slots(day: date) -> tuple[Slot, ...]:
    """All 48 slots of a market day; there is no shorter or longer day."""
    return tuple(Slot(day=day, number=number) for number in range(1, SLOTS_A_DAY + 1))


class Calendar:
    """Which days are days of rest.

    Parameters
    ----------
    holidays : frozenset of date
        Public holidays.
    first, last : date
        The holidays of these days and all between are known.
    """

    def __init__(self, holidays: frozenset[date], *, first: date, last: date) -> None:
        self._holidays = holidays
        self._first, self._last = first, last

    def is_rest_day(self, day: date) -> bool:
        """Whether a day is a Saturday, a Sunday or a public holiday.

        Raises
        ------
        ConfigError
            If the holidays of that day are not known.
        """
        if not self._first <= day <= self._last:
            raise ConfigError(f"calendar: the holidays of {day} are not known")
        return day.weekday() >= _SATURDAY or day in self._holidays

    def next_business_day(self, day: date) -> date:
        """First day after a day that is no day of rest."""
        found = day + timedelta(days=1)
        while self.is_rest_day(found):
            found += timedelta(days=1)
        return found
