"""Features of area PV: the clear sky, what PV lately made of it, and the weather on its way.

Capacity grows; so everything is relative to what the area's PV lately gave under its brightest
sky. Japan's weather comes from the west, so the morning of all areas is told.
"""

from typing import Final

import numpy as np

from models.day_ahead.clouds import MONTH, brightest_ratio
from models.day_ahead.context import Context
from models.day_ahead.frame import DayFeatures, area_row, clock_rows
from models.day_ahead.history import Series
from models.day_ahead.places import PV_PLACE
from models.day_ahead.sky import clear_sky
from models.day_ahead.weather import known_mean, mean_rows
from protocols.vocabulary.arrays import FloatArray

DIM_W_PER_M2: Final = 5.0
SUN_W_PER_M2: Final = 1000.0
LAGS: Final = (2, 3, 4, 5, 7)
MEANS: Final = (3, 7, 14, 30)
RATIO_MAX: Final = 3.0
_LAST_YEAR: Final = slice(-374, -359)


def sky_ratio(output: FloatArray, clear: FloatArray, *, brightest: float) -> FloatArray:
    """Output against that of a clear sky, 0..3; NaN at night and where not known."""
    safe = np.maximum(clear, DIM_W_PER_M2)
    ratio = np.clip(output / (safe * brightest), 0.0, RATIO_MAX)
    return np.where(clear > DIM_W_PER_M2, ratio, np.nan)


def envelope(output: FloatArray, clear_day: FloatArray, *, brightest: float) -> FloatArray:
    """Most that a slot may give: the best of the last month, its neighbours and the clear sky.

    Returns
    -------
    FloatArray
        Shape (48,), MW, 0 at night.
    """
    rows = np.where(np.isfinite(output[MONTH]), output[MONTH], 0.0)
    best = rows.max(axis=0) if len(rows) else np.zeros_like(clear_day)
    wide = np.maximum(best, np.maximum(np.roll(best, 1), np.roll(best, -1)))
    sun = clear_day * brightest
    light = (clear_day > 0.0) | (best > 0.0)
    return np.where(light, np.maximum(0.5 * (best + wide), 0.5 * sun), 0.0)


def pv_features(context: Context, area: str) -> DayFeatures:
    """Make the inputs of the PV model of one area."""
    output = context.known.column(Series.PV, area)
    clear = clear_sky(PV_PLACE[area], context.known.first_day, context.known.days)
    best = brightest_ratio(output, clear)
    ratio = sky_ratio(output, clear, brightest=best)
    unit = envelope(output, clear[-1], brightest=best)
    level = SUN_W_PER_M2 * best
    safe = np.maximum(unit, 0.01 * level)
    month = output[MONTH] / safe
    lags = [output[-1 - lag] / safe for lag in LAGS]
    columns = [
        unit / level,
        clear[-1] / SUN_W_PER_M2,
        np.where(np.isfinite(output[-2]), output[-2] / safe, np.nan),
        *lags,
        *(mean_rows(output[-2 - days : -2]) / safe for days in MEANS),
        *_spread(month),
        mean_rows(ratio[_LAST_YEAR]),
        ratio[-3],
        mean_rows(ratio[-9:-2]),
    ]
    day = np.concatenate(
        [
            area_row(area),
            context.calendar[:4],
            context.weather,
            context.clearness,
            [known_mean(clear[-1]) / SUN_W_PER_M2],
        ]
    )
    return DayFeatures(
        slots=np.concatenate([np.stack(columns, axis=1), clock_rows()], axis=1),
        day=day,
        offset=np.zeros_like(unit),
        unit=unit,
        level=level,
    )


def _spread(rows: FloatArray) -> list[FloatArray]:
    """Lowest, lower and upper quarter of each slot of the month; NaN where it is not known."""
    known = np.isfinite(rows).all(axis=1)
    if not known.any():
        return [np.full(rows.shape[1], np.nan)] * 3
    return [np.quantile(rows[known], part, axis=0) for part in (0.05, 0.25, 0.75)]
