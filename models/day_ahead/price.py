"""Features of the JEPX spot price: yesterday's prices of all areas, the week, demand and sun.

Relative to the median of the last week, so that an expensive year and a cheap one look alike.
"""

from typing import Final

import numpy as np

from models.day_ahead.context import Context
from models.day_ahead.demand import like_days, week_level
from models.day_ahead.frame import DayFeatures, area_row, clock_rows
from models.day_ahead.history import Series
from models.day_ahead.places import PRICE_AREAS, PV_PLACE, SYSTEM
from models.day_ahead.sky import clear_sky
from models.day_ahead.weather import known_mean, mean_rows
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY

LEAST_LEVEL_JPY: Final = 3.0
LARGEST: Final = 8.0
"""Relative prices are cut here before a model sees them."""
FLOOR_JPY: Final = 0.011
LAGS: Final = (1, 2, 3, 7, 14)
WEEK: Final = slice(-8, -1)
FORTNIGHT: Final = slice(-15, -1)
DEMAND_AREAS: Final = ("tokyo", "kansai", "kyushu")
SUN_W_PER_M2: Final = 1000.0


def price_level(rows: FloatArray) -> float:
    """Median of the last week with yesterday, at least LEAST_LEVEL_JPY."""
    for part in (rows[WEEK], rows):
        known = part[np.isfinite(part)]
        if len(known):
            return max(float(np.median(known)), LEAST_LEVEL_JPY)
    return LEAST_LEVEL_JPY


def _relative(rows: FloatArray, level: float) -> FloatArray:
    """Prices over the level, cut at LARGEST."""
    return np.minimum(rows / level, LARGEST)


def _slot_columns(context: Context, area: str, level: float) -> list[FloatArray]:
    """Numbers of each slot."""
    known = context.known
    own = _relative(known.column(Series.SPOT, area), level)
    system = _relative(known.column(Series.SPOT, SYSTEM), level)
    month = own[-29:-1]
    full = month[np.isfinite(month).all(axis=1)]
    spread = [np.quantile(full, part, axis=0) for part in (0.1, 0.5, 0.9)] if len(full) else []
    spread = spread or [np.full(SLOTS_A_DAY, np.nan)] * 3
    floor = np.where(np.isfinite(own), own * level <= FLOOR_JPY, np.nan)
    columns = [
        *(own[-1 - lag] for lag in LAGS),
        mean_rows(own[WEEK]),
        mean_rows(own[-4:-1]),
        like_days_now(context, own),
        mean_rows(own[FORTNIGHT]),
        *spread,
        mean_rows(floor[WEEK].astype(np.float64)),
        system[-2],
        system[-8],
    ]
    columns += [_relative(known.column(Series.SPOT, one), level)[-2] for one in PRICE_AREAS]
    for one in DEMAND_AREAS:
        demand = known.column(Series.DEMAND, one)
        relative = demand / week_level(demand)
        columns += [like_days(context, relative, last=-1), relative[-3]]
    columns += [
        clear_sky(PV_PLACE[one], context.day, 1)[0] / SUN_W_PER_M2 for one in (area, "kyushu")
    ]
    return columns


def like_days_now(context: Context, rows: FloatArray) -> FloatArray:
    """Mean of the last three days of the day's kind, yesterday among them; NaN if there is none."""
    kind = context.types[-1]
    found = [k for k in range(-2, -30, -1) if context.types[k] == kind]
    usable = [k for k in found if np.isfinite(rows[k]).any()][:3]
    return mean_rows(rows[usable]) if usable else np.full(SLOTS_A_DAY, np.nan)


def _day_numbers(context: Context, area: str, level: float) -> list[float]:
    """Numbers of the day."""
    known = context.known
    own = known.column(Series.SPOT, area)
    found = [
        np.log(level),
        known_mean(own[-2]) / level,
        known_mean(own[-3]) / level,
        known_mean(own[-8]) / level,
        known_mean(own[-15:-8]) / level,
        known_mean(own[-29:-15]) / level,
        known_mean(np.abs(own[-2] - own[-3])) / level,
        known_mean(np.abs(own[-8:-2] - own[-7:-1])) / level,
    ]
    for one in DEMAND_AREAS:
        demand = known.column(Series.DEMAND, one)
        relative = demand / week_level(demand)
        missed = relative[-2] - like_days(context, relative, last=-2)
        found += [known_mean(missed), known_mean(relative[-3]) - 1.0]
    for back in (2, 8):
        sell = known_mean(known.column(Series.SELL_BIDS, SYSTEM)[-back])
        buy = known_mean(known.column(Series.BUY_BIDS, SYSTEM)[-back])
        found.append(sell / buy - 1.0 if buy else float("nan"))
    return found


def price_features(context: Context, area: str) -> DayFeatures:
    """Make the inputs of the spot price model of one area."""
    level = price_level(context.known.column(Series.SPOT, area)[-43:])
    day = np.concatenate(
        [
            area_row(area),
            context.calendar,
            context.weather,
            context.clearness,
            np.clip(_day_numbers(context, area, level), -LARGEST, LARGEST),
        ]
    )
    columns = np.stack(_slot_columns(context, area, level), axis=1)
    return DayFeatures(
        slots=np.concatenate([columns, clock_rows()], axis=1),
        day=day,
        offset=np.zeros(SLOTS_A_DAY),
        unit=np.full(SLOTS_A_DAY, level),
        level=level,
    )
