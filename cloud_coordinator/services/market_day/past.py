"""The forecast that is none: it knows everything, and is the ceiling no strategy reaches."""

from datetime import date, datetime
from typing import Final

import numpy as np

from cloud_coordinator.services.forecasting import (
    QUANTILES,
    QuantileForecast,
)
from cloud_coordinator.services.market_history import MarketHistory, MarketSeries
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import day_slots
from protocols.vocabulary.obligation import Service

FORESIGHT: Final = "foresight"


class Foresight:
    """Answers with what will be: all quantiles are the actual value; 0 where there is none.

    Parameters
    ----------
    history : MarketHistory
        With the day itself in it.
    """

    def __init__(self, history: MarketHistory) -> None:
        self._history = history

    def demand(self, area: str, day: date, known_at: datetime) -> QuantileForecast:
        """Area demand, MW."""
        del known_at
        return certain(self._history.column(MarketSeries.DEMAND, area).of_day(day), day)

    def pv(self, area: str, day: date, known_at: datetime) -> QuantileForecast:
        """Area PV output, MW."""
        del known_at
        return certain(self._history.column(MarketSeries.PV, area).of_day(day), day)

    def spot_price(self, area: str, day: date, known_at: datetime) -> QuantileForecast:
        """Spot price, JPY/kWh."""
        del known_at
        return certain(self._history.column(MarketSeries.SPOT, area).of_day(day), day)

    def balancing_price(
        self, product: str, area: str, *, day: date, known_at: datetime
    ) -> QuantileForecast:
        """Highest price that was accepted: what a bid may ask at most and still be taken."""
        del known_at
        results = self._history.balancing(Service(product), area)
        return certain(results.price_highest.of_day(day), day)


def certain(values: FloatArray, day: date) -> QuantileForecast:
    """Forecast without any spread."""
    known = np.nan_to_num(values)
    return QuantileForecast(
        slot_start=tuple(slot.interval.start for slot in day_slots(day)),
        quantiles=QUANTILES,
        values=np.repeat(known[:, None], len(QUANTILES), axis=1),
        source=FORESIGHT,
        reason=None,
    )
