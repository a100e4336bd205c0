"""Caution: whether the market is one the strategies were made for. Pure.

They were trained and checked on ordinary years. After prices they have hardly seen a person
decides whether they go on.
"""

from datetime import date, datetime, timedelta
from typing import Final

import numpy as np

from cloud_coordinator.services.market_history import HalfHours, MarketSeries, known

PRICE_JPY_PER_KWH: Final = 80.0
"""A half hour of the day-ahead auction above this is a scarcity (January 2021, March 2022)."""
TIMES: Final = 3.0
"""A day's mean above so many times the usual one is abnormal."""
USUAL_DAYS: Final = 28
USUAL_DAYS_MIN: Final = 7


def abnormality(spot: HalfHours, day: date, at: datetime) -> str:
    """Say what is abnormal in the day-ahead prices known before a gate; empty if nothing is.

    Parameters
    ----------
    spot : HalfHours
        Day-ahead prices of the area, JPY/kWh.
    day : date
        Market day that is bid for; the two days before it are judged.
    at : datetime
        The gate, aware UTC; what is later is not looked at.
    """
    seen = known(spot, MarketSeries.SPOT, at)
    usual = [_mean(seen, day - timedelta(days=back)) for back in range(3, 3 + USUAL_DAYS)]
    usual = [one for one in usual if np.isfinite(one)]
    for back in (1, 2):
        near = day - timedelta(days=back)
        prices = seen.of_day(near)
        if not np.isfinite(prices).any():
            continue
        highest = float(np.nanmax(prices))
        if highest > PRICE_JPY_PER_KWH:
            return f"{near}: {highest:.2f} JPY/kWh day-ahead"
        if len(usual) >= USUAL_DAYS_MIN:
            middle, mean = float(np.median(usual)), float(np.nanmean(prices))
            if mean > TIMES * max(middle, 1.0):
                return f"{near}: {mean:.2f} JPY/kWh on average, usual are {middle:.2f}"
    return ""


def _mean(spot: HalfHours, day: date) -> float:
    """Mean price of a day, NaN if it is not known whole."""
    return float(np.mean(spot.of_day(day)))
