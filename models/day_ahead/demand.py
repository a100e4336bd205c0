"""Features of area demand: the days like this one, yesterday's departure from them, the weather.

Everything is relative to the mean of the last full week, so that a year of another level looks
the same to the model.
"""

from datetime import date
from typing import Final

import numpy as np

from models.day_ahead.context import RECENT_DAYS, Context
from models.day_ahead.frame import DayFeatures, area_row, clock_rows
from models.day_ahead.history import Series
from models.day_ahead.places import PV_PLACE, STATION_PLACE, station_of
from models.day_ahead.sky import clear_sky
from models.day_ahead.weather import GATE_SLOT, known_mean, latest_profile, mean_rows
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY

WEEK: Final = slice(-9, -2)
"""Rows of the last seven full days: eight to two days before."""
LAGS: Final = (2, 3, 7, 8, 14, 21, 28)
LIKE_DAYS: Final = 4
SUN_W_PER_M2: Final = 1000.0
_LATE_MORNING: Final = slice(14, GATE_SLOT)
_YEAR_ROWS: Final = 364


def like_days(context: Context, rows: FloatArray, *, last: int) -> FloatArray:
    """Profile of days of the kind of row ``last``: recent ones before it, newest first in weight.

    Parameters
    ----------
    context : Context
        Kinds of days.
    rows : FloatArray
        Shape (days, 48).
    last : int
        Negative row; looked for are rows at least two days before it (one for itself known).

    Returns
    -------
    FloatArray
        Shape (48,); of any days when there is none of the kind.
    """
    kind = context.types[last]
    places = range(last - 2, last - 2 - RECENT_DAYS, -1)
    found = [k for k in places if context.types[k] == kind and np.isfinite(rows[k]).all()]
    if not found:
        return mean_rows(rows[last - 9 : last - 1])
    chosen = found[:LIKE_DAYS]
    weights = 0.75 ** np.arange(len(chosen))
    profile: FloatArray = np.average(rows[chosen], axis=0, weights=weights)
    return profile


def week_level(rows: FloatArray) -> float:
    """Mean of the last full week, of the last six weeks if it is not known, else 1."""
    for part in (rows[WEEK], rows[-RECENT_DAYS - 1 :]):
        level = known_mean(part)
        if np.isfinite(level) and level > 0.0:
            return level
    return 1.0


def _last_year(context: Context, relative: FloatArray) -> list[FloatArray]:
    """Compare the same weekday and date of last year with the week before each."""
    day = context.day
    leap = (day.month, day.day) == (2, 29)
    same_date = (day - date(day.year - 1, day.month, 28 if leap else day.day)).days
    found = []
    for back in (_YEAR_ROWS, same_date):
        row = -1 - back
        level = known_mean(relative[row - 8 : row - 1])
        found.append(relative[row] / level - 1.0)
    return found


def demand_features(context: Context, area: str) -> DayFeatures:
    """Make the inputs of the demand model of one area."""
    rows = context.known.column(Series.DEMAND, area)
    level = week_level(rows)
    relative = rows / level
    like = like_days(context, relative, last=-1)
    missed = relative[-2] - like_days(context, relative, last=-2)
    two_days = relative[-3] - like_days(context, relative, last=-3)
    columns = [
        like - 1.0,
        *(relative[-1 - lag] - like for lag in LAGS),
        latest_profile(missed[None].repeat(3, axis=0)),
        two_days,
        relative[-3] - relative[-10],
        mean_rows(relative[WEEK]) - like,
        *_last_year(context, relative),
        *_weather_columns(context, area),
    ]
    numbers = [
        known_mean(missed[_LATE_MORNING]),
        known_mean(missed[: _LATE_MORNING.start]),
        known_mean(two_days),
        known_mean(relative[-4] - like_days(context, relative, last=-4)),
        known_mean(rows[-16:-9]) / level - 1.0,
        known_mean(rows[-30:-16]) / level - 1.0,
        *_warmth(context, area),
    ]
    return DayFeatures(
        slots=np.concatenate([np.stack(columns, axis=1), clock_rows()], axis=1),
        day=np.concatenate([area_row(area), context.calendar, context.weather, numbers]),
        offset=np.where(np.isfinite(like), like, 1.0) * level,
        unit=np.full(SLOTS_A_DAY, level),
        level=level,
    )


def _weather_columns(context: Context, area: str) -> list[FloatArray]:
    """Temperature and sun of each slot: as last seen, against like days and the week."""
    station = station_of(area)
    warm = context.known.column(Series.TEMPERATURE, station)
    sun = context.known.column(Series.IRRADIANCE, station)
    clear = clear_sky(STATION_PLACE[station], context.known.first_day, context.known.days)
    latest = latest_profile(warm)
    return [
        latest / 30.0,
        (latest - like_days(context, warm, last=-1)) / 10.0,
        (latest - warm[-8]) / 10.0,
        clear_sky(PV_PLACE[area], context.day, 1)[0] / SUN_W_PER_M2,
        np.where(np.isfinite(sun[-2]), sun[-2], sun[-3]) / SUN_W_PER_M2,
        (mean_rows(sun[WEEK]) - mean_rows(clear[WEEK])) / SUN_W_PER_M2,
    ]


def _warmth(context: Context, area: str) -> list[float]:
    """Temperature of the week, and of the last day against that of like days."""
    warm = context.known.column(Series.TEMPERATURE, station_of(area))
    like_warm = like_days(context, warm, last=-1)
    return [
        known_mean(warm[WEEK]) / 30.0,
        (known_mean(latest_profile(warm)) - known_mean(like_warm)) / 10.0,
    ]
