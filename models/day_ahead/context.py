"""What is known of everything at the gate of a market day; each builder reads only this."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from models.day_ahead.clouds import area_clearness
from models.day_ahead.daytypes import calendar_of, day_types
from models.day_ahead.history import History
from models.day_ahead.weather import weather_of_all
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import jst_moment

GATE: Final = time(10, 0)
"""JST on the day before: the gate of the JEPX spot market."""
BEFORE_DAYS: Final = 378
"""A year and two weeks, so that the same season of last year can be seen."""
RECENT_DAYS: Final = 42


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The gate's view.

    Attributes
    ----------
    day : date
        Market day to forecast.
    known : History
        Last row: the day itself; everything later than the gate is NaN.
    types : tuple of int
        Kind of each row's day.
    calendar, weather, clearness : FloatArray
        Numbers of the day: of the calendar, of the stations, of the areas' PV.
    """

    day: date
    known: History
    types: tuple[int, ...]
    calendar: FloatArray
    weather: FloatArray
    clearness: FloatArray


def gate_of(day: date) -> datetime:
    """Moment until which things may be known for a market day, aware UTC."""
    return jst_moment(day - timedelta(days=1), GATE)


def context_of(history: History, day: date, *, known_at: datetime | None = None) -> Context:
    """Cut a history to what is known.

    Parameters
    ----------
    history : History
        May hold more than is known; missing days are NaN.
    day : date
        Market day to forecast.
    known_at : datetime or None
        Moment, aware; the gate if None or later than it: a model is only as good as what
        it was trained on.
    """
    gate = gate_of(day) if known_at is None else min(known_at, gate_of(day))
    known = history.window(day, before=BEFORE_DAYS).known_at(gate)
    return Context(
        day=day,
        known=known,
        types=tuple(day_types(known.first_day, known.days)),
        calendar=calendar_of(day),
        weather=weather_of_all(known),
        clearness=area_clearness(known),
    )
