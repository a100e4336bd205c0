"""What the markets published, of all areas and stations, as the columns the models look at."""

from datetime import date, time, timedelta
from typing import Final

from cloud_coordinator.services.forecasting import balancing_place
from cloud_coordinator.services.market_history import HalfHours, MarketHistory, MarketSeries
from models.day_ahead.balancing import EVERYWHERE
from models.day_ahead.history import Column, History, Series
from models.day_ahead.places import AREAS, PRICE_AREAS, PV_AREAS, STATION_OF, SYSTEM
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY, jst_moment
from protocols.vocabulary.obligation import Service

_OF_AREAS: Final = (
    (MarketSeries.SPOT, Series.SPOT, PRICE_AREAS),
    (MarketSeries.DEMAND, Series.DEMAND, AREAS),
    (MarketSeries.PV, Series.PV, PV_AREAS),
)
_OF_STATIONS: Final = {
    MarketSeries.TEMPERATURE: Series.TEMPERATURE,
    MarketSeries.IRRADIANCE: Series.IRRADIANCE,
    MarketSeries.DEW_POINT: Series.DEW_POINT,
    MarketSeries.PRESSURE: Series.PRESSURE,
    MarketSeries.WIND: Series.WIND,
    MarketSeries.RAIN: Series.RAIN,
}
_OF_THE_EXCHANGE: Final = {
    MarketSeries.SPOT: Series.SPOT,
    MarketSeries.SELL_BIDS: Series.SELL_BIDS,
    MarketSeries.BUY_BIDS: Series.BUY_BIDS,
}


class MarketColumns:
    """Columns for the model forecasts; they cut them at their moment themselves.

    Parameters
    ----------
    history : MarketHistory
        What was published; what is absent becomes columns that are not known.
    products : tuple of Service
        Whose balancing results.
    areas : tuple of str
        In which areas; the national result is looked at beside them.
    """

    def __init__(
        self, history: MarketHistory, *, products: tuple[Service, ...], areas: tuple[str, ...]
    ) -> None:
        self._history = history
        self._products = products
        self._areas = areas

    def history(self, *, until: date, days: int) -> History:
        """Columns of the days up to and including ``until``."""
        first = until - timedelta(days=days - 1)
        columns = {
            Column(series, area): self._history.column(market, area)
            for market, series, areas in _OF_AREAS
            for area in areas
        }
        for market, series in _OF_THE_EXCHANGE.items():
            columns[Column(series, SYSTEM)] = self._history.column(market, SYSTEM)
        for area, station in STATION_OF.items():
            for market, series in _OF_STATIONS.items():
                columns[Column(series, station)] = self._history.column(market, area)
        for product in self._products:
            for area in (*self._areas, EVERYWHERE):
                place = balancing_place(product.value, area)
                results = self._history.balancing(product, area)
                columns[Column(Series.BALANCING, place)] = results.price_mean
        start_s = int(jst_moment(first, time()).timestamp())
        return History(
            first_day=first,
            days=days,
            columns={name: _rows(found, start_s, days) for name, found in columns.items()},
        )


def _rows(column: HalfHours, start_s: int, days: int) -> FloatArray:
    """Rows of market days, shape (days, 48)."""
    return column.between(start_s, days * SLOTS_A_DAY).reshape(days, SLOTS_A_DAY)
