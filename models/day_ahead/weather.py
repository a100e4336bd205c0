"""Weather seen until the gate, as numbers of the day: never a later observation."""

from typing import Final

import numpy as np

from models.day_ahead.history import History, Series
from models.day_ahead.places import STATION_PLACE, STATIONS
from models.day_ahead.sky import clear_sky
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY

GATE_SLOT: Final = 20
"""Slots of the day before that have ended at 10:00 JST."""
_MORNING: Final = slice(12, GATE_SLOT)
_BRIGHT_W_PER_M2: Final = 50.0


def known_mean(values: FloatArray) -> float:
    """Mean of what is known; NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def mean_rows(rows: FloatArray) -> FloatArray:
    """Mean over the first axis of what is known, NaN where nothing is."""
    known = np.isfinite(rows)
    number = known.sum(axis=0)
    total = np.where(known, rows, 0.0).sum(axis=0)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _last_day(rows: FloatArray, back: int) -> FloatArray:
    """Return the 48 slots that end ``back`` days before the gate (10:00 of the day before)."""
    flat = rows.reshape(-1)
    end = len(flat) - 2 * SLOTS_A_DAY + GATE_SLOT - back * SLOTS_A_DAY
    return flat[end - SLOTS_A_DAY : end]


def clearness(irradiance: FloatArray, clear: FloatArray) -> float:
    """Measured over clear-sky irradiation of the bright slots known; NaN where there is none."""
    usable = np.isfinite(irradiance) & (clear > _BRIGHT_W_PER_M2)
    return float(irradiance[usable].sum() / clear[usable].sum()) if usable.any() else float("nan")


def station_weather(known: History, station: str) -> list[float]:
    """Sixteen numbers of one station.

    Parameters
    ----------
    known : History
        Cut at the gate; its last row is the forecast day.
    station : str
        One of STATIONS.

    Returns
    -------
    list of float
        Temperature: means of the last two days, lowest and highest of the last, last 3 h, last
        3 h against the day before, mean of the week; dew point depression last day and last
        3 h; pressure last hour, change in 3 h and 24 h; clearness of the morning and of the two
        days before; rain of the last day, wind of the last day.
    """
    temperature = known.column(Series.TEMPERATURE, station)
    now, before = _last_day(temperature, 0), _last_day(temperature, 1)
    dew = _last_day(known.column(Series.DEW_POINT, station), 0)
    pressure = _last_day(known.column(Series.PRESSURE, station), 0)
    sun = known.column(Series.IRRADIANCE, station)
    clear = clear_sky(STATION_PLACE[station], known.first_day, known.days)
    return [
        known_mean(now),
        known_mean(before),
        _lowest(now),
        -_lowest(-now),
        known_mean(now[-6:]),
        known_mean(now[-6:]) - known_mean(before[-6:]),
        known_mean(temperature[-9:]),
        known_mean(now - dew),
        known_mean(now[-6:] - dew[-6:]),
        float(pressure[-1]),
        float(pressure[-1] - pressure[-7]),
        float(pressure[-1] - pressure[0]),
        clearness(sun[-2, _MORNING], clear[-2, _MORNING]),
        clearness(sun[-3], clear[-3]),
        known_mean(_last_day(known.column(Series.RAIN, station), 0)),
        known_mean(_last_day(known.column(Series.WIND, station), 0)),
    ]


def _lowest(values: FloatArray) -> float:
    """Lowest known value; NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.min()) if len(known) else float("nan")


def weather_of_all(known: History) -> FloatArray:
    """Numbers of all stations, shape (16 x 5,)."""
    return np.array([number for name in STATIONS for number in station_weather(known, name)])


def latest_profile(rows: FloatArray) -> FloatArray:
    """Last 48 known slots by time of day: of the day before until the gate, else of two before.

    Parameters
    ----------
    rows : FloatArray
        Shape (days, 48), cut at the gate; the last row is the forecast day.

    Returns
    -------
    FloatArray
        Shape (48,).
    """
    found: FloatArray = np.where(np.isfinite(rows[-2]), rows[-2], rows[-3])
    return found
