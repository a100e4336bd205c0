"""A small made-up country: columns of all series with days, weeks and years in them."""

from datetime import date, timedelta

import numpy as np

from models.day_ahead.balancing import EVERYWHERE, PRODUCTS
from models.day_ahead.history import Column, History, Series
from models.day_ahead.places import AREAS, PRICE_AREAS, PV_AREAS, PV_PLACE, STATIONS, SYSTEM
from models.day_ahead.sky import clear_sky
from protocols.vocabulary.arrays import FloatArray

LAST_DAY = date(2025, 6, 20)
DAYS = 400
FIRST_DAY = LAST_DAY - timedelta(days=DAYS - 1)


def country(*, seed: int = 5, areas: tuple[str, ...] = AREAS) -> History:
    """Make columns of DAYS days that end with LAST_DAY; nothing of it was measured anywhere."""
    random = np.random.default_rng(seed)
    slot = np.arange(48) / 48.0
    weekday = np.array([(FIRST_DAY + timedelta(days=k)).weekday() for k in range(DAYS)])
    busy = np.where(weekday < 5, 1.0, 0.85)[:, None]
    columns: dict[Column, FloatArray] = {}

    def rough(size: float) -> FloatArray:
        return random.normal(0.0, size, (DAYS, 48)) + random.normal(0.0, size, (DAYS, 1))

    shape = 1.0 - 0.2 * np.cos(2 * np.pi * slot)
    for number, area in enumerate(areas):
        demand = 1000.0 * (number + 1) * busy * shape[None] * (1.0 + rough(0.01))
        columns[Column(Series.DEMAND, area)] = demand
        if area in PV_AREAS:
            cloud = np.clip(0.6 + rough(0.2), 0.05, 1.0)
            columns[Column(Series.PV, area)] = (
                clear_sky(PV_PLACE[area], FIRST_DAY, DAYS) * cloud * (number + 1)
            )
        if area in PRICE_AREAS:
            price = 12.0 * busy * shape[None] * np.exp(rough(0.1))
            columns[Column(Series.SPOT, area)] = price
    for station in STATIONS:
        columns[Column(Series.TEMPERATURE, station)] = 20.0 + rough(3.0)
        columns[Column(Series.DEW_POINT, station)] = 12.0 + rough(2.0)
        columns[Column(Series.PRESSURE, station)] = 1010.0 + rough(3.0)
        columns[Column(Series.IRRADIANCE, station)] = np.abs(rough(200.0))
        columns[Column(Series.WIND, station)] = np.abs(rough(2.0))
        columns[Column(Series.RAIN, station)] = np.maximum(rough(1.0), 0.0)
    columns[Column(Series.SPOT, SYSTEM)] = 12.0 * shape[None] * np.exp(rough(0.1))
    for series in (Series.SELL_BIDS, Series.BUY_BIDS):
        columns[Column(series, SYSTEM)] = 1e7 * np.exp(rough(0.05))
    for product in PRODUCTS:
        for place in (*PRICE_AREAS, EVERYWHERE):
            values = 2.0 * np.exp(rough(0.2))
            values[random.random((DAYS, 48)) < 0.3] = np.nan
            columns[Column(Series.BALANCING, f"{product} {place}")] = values
    return History(first_day=FIRST_DAY, days=DAYS, columns=columns)
