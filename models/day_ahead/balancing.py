"""Features of the balancing market's capacity price: what was last accepted, here and anywhere.

Prices exist only where something was accepted; so a slot is told its last known price, how old
the history is, and what the spot market did. Relative to the last month's median.
"""

from typing import Final

import numpy as np

from models.day_ahead.context import Context
from models.day_ahead.frame import DayFeatures, area_row, clock_rows
from models.day_ahead.history import Series
from models.day_ahead.places import PRICE_AREAS
from models.day_ahead.price import LARGEST, price_level
from models.day_ahead.weather import known_mean, mean_rows
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY
from protocols.vocabulary.obligation import Service

PRODUCTS: Final = tuple(one.value for one in Service if one is not Service.ENERGY)
BALANCING_PLACES: Final = tuple(f"{product} {area}" for product in PRODUCTS for area in PRICE_AREAS)
LEAST_LEVEL_JPY: Final = 0.2
MONTH: Final = slice(-29, -1)
LAGS: Final = (1, 2, 3, 7)
EVERYWHERE: Final = "total"


def last_known(rows: FloatArray) -> FloatArray:
    """Last known value of each slot, shape (48,); NaN where there is none."""
    found = np.full(rows.shape[1], np.nan)
    for row in rows:
        found = np.where(np.isfinite(row), row, found)
    return found


def _level(rows: FloatArray) -> float:
    """Median of the last month's known prices, at least LEAST_LEVEL_JPY."""
    known = rows[MONTH][np.isfinite(rows[MONTH])]
    return max(float(np.median(known)), LEAST_LEVEL_JPY) if len(known) else LEAST_LEVEL_JPY


def _range(rows: FloatArray) -> list[FloatArray]:
    """Lowest and highest of each slot's known prices; NaN where there is none."""
    lowest = np.where(np.isfinite(rows), rows, np.inf).min(axis=0)
    highest = np.where(np.isfinite(rows), rows, -np.inf).max(axis=0)
    known = np.isfinite(lowest)
    return [np.where(known, one, np.nan) for one in (lowest, highest)]


def balancing_features(context: Context, place: str) -> DayFeatures:
    """Make the inputs of a product in an area (``"tertiary2 tokyo"``)."""
    product, _, area = place.partition(" ")
    known = context.known
    rows = known.column(Series.BALANCING, place)[-43:]
    level = _level(rows)
    own = np.minimum(rows / level, LARGEST)
    total = known.column(Series.BALANCING, f"{product} {EVERYWHERE}")[-43:] / level
    spot = known.column(Series.SPOT, area)[-43:]
    spot = spot / price_level(spot)
    last = last_known(own[MONTH])
    columns = [
        last,
        *(own[-1 - lag] for lag in LAGS),
        mean_rows(own[-8:-1]),
        mean_rows(own[MONTH]),
        *_range(own[MONTH]),
        np.isfinite(own[MONTH]).mean(axis=0),
        np.minimum(last_known(total[MONTH]), LARGEST),
        np.minimum(mean_rows(total[-8:-1]), LARGEST),
        np.minimum(spot[-2], LARGEST),
        np.minimum(mean_rows(spot[-8:-1]), LARGEST),
        np.isfinite(own[-2]).astype(np.float64),
    ]
    day = [
        np.log(level),
        known_mean(own[-2]),
        known_mean(own[-3]),
        known_mean(own[-8:-1]),
        known_mean(np.abs(own[-8:-2] - own[-7:-1])),
        float(np.isfinite(own[-8:-1]).mean()),
        known_mean(total[-2]) - known_mean(total[-8:-1]),
        float(np.log(price_level(known.column(Series.SPOT, area)[-43:]))),
    ]
    kinds = np.eye(len(PRODUCTS))[PRODUCTS.index(product)]
    return DayFeatures(
        slots=np.concatenate([np.stack(columns, axis=1), clock_rows()], axis=1),
        day=np.concatenate([area_row(area), kinds, context.calendar, context.clearness, day]),
        offset=np.zeros(SLOTS_A_DAY),
        unit=np.full(SLOTS_A_DAY, level),
        level=level,
    )
