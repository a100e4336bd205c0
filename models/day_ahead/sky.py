"""Irradiance of a clear sky per half hour of market days, by pvlib.

pvlib and pandas are imported with the first question: a gateway never asks it.
"""

import functools
from datetime import date, datetime, time, timedelta

import numpy as np

from models.day_ahead.places import Place
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY, jst_moment


def clear_sky(place: Place, first_day: date, days: int) -> FloatArray:
    """Global horizontal irradiance under a clear sky in the middle of each slot.

    Parameters
    ----------
    place : Place
        Where.
    first_day : date
        Market day of the first row.
    days : int
        Number of rows.

    Returns
    -------
    FloatArray
        Shape (days, 48), W/m2, 0 at night.

    Notes
    -----
    Haurwitz (1945) on the apparent zenith; pvlib's ephemeris.
    """
    last = first_day + timedelta(days=days - 1)
    years = range(first_day.year, last.year + 1)
    rows = np.concatenate([_year(place, year) for year in years])
    first = (first_day - date(first_day.year, 1, 1)).days
    return rows[first : first + days]


@functools.lru_cache(maxsize=256)
def _year(place: Place, year: int) -> FloatArray:
    """All days of a year, shape (365 or 366, 48)."""
    import pandas as pd  # noqa: PLC0415 see the module's words
    from pvlib import clearsky, solarposition  # noqa: PLC0415 see the module's words

    days = (date(year + 1, 1, 1) - date(year, 1, 1)).days
    start: datetime = jst_moment(date(year, 1, 1), time()) + timedelta(seconds=SLOT_S / 2)
    moments = pd.date_range(start, periods=days * SLOTS_A_DAY, freq=f"{SLOT_S}s")
    sun = solarposition.get_solarposition(
        moments, place.latitude, place.longitude, method="ephemeris"
    )
    irradiance = clearsky.haurwitz(sun["apparent_zenith"])["ghi"].to_numpy(dtype=np.float64)
    rows: FloatArray = irradiance.reshape(days, SLOTS_A_DAY)
    return rows
