"""What the markets and the grid published, as half-hour columns, and when each was known.

The port that forecasts, bids and the day read. A column never says by itself when it was known:
:func:`known` cuts it at a moment, by the rule of its series, so that nothing later than a gate
is used.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Protocol

import numpy as np

from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY, jst_moment, market_day
from protocols.vocabulary.obligation import Service

SPOT_KNOWN_AT: Final = time(12, 0)
"""JST of the day before delivery: results of the 10:00 auction, late rather than early."""
RESULTS_KNOWN_AT: Final = time(15, 0)
"""JST of the day before delivery: balancing results. Weekly auctions were published earlier;
the later moment never tells too much."""
METERED_AFTER: Final = timedelta(minutes=30)
"""Demand, PV and weather are known so long after the end of their half hour."""


class MarketSeries(enum.Enum):
    """A column of an area, and its unit.

    SPOT JPY/kWh; INTRADAY JPY/kWh (national mean of the continuous market); DEMAND and PV MW,
    the operators' sign (demand and generation positive); TEMPERATURE and DEW_POINT degC;
    IRRADIANCE W/m2; PRESSURE hPa at sea level; WIND m/s; RAIN mm/h; SELL_BIDS and BUY_BIDS of
    the day-ahead auction, kWh, of the whole exchange.
    """

    SPOT = "spot"
    INTRADAY = "intraday"
    DEMAND = "demand"
    PV = "pv"
    TEMPERATURE = "temperature"
    IRRADIANCE = "irradiance"
    DEW_POINT = "dew_point"
    PRESSURE = "pressure"
    WIND = "wind"
    RAIN = "rain"
    SELL_BIDS = "sell_bids"
    BUY_BIDS = "buy_bids"


OF_THE_AUCTION: Final = frozenset(
    {MarketSeries.SPOT, MarketSeries.SELL_BIDS, MarketSeries.BUY_BIDS}
)
"""Known with the results of the day-ahead auction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfHours:
    """A column without gaps in time: what is missing is NaN.

    Attributes
    ----------
    start_s : int
        Unix second at which the first half hour begins; 0 of an empty column.
    values : FloatArray
        Shape (n,), consecutive half hours.
    """

    start_s: int
    values: FloatArray

    @property
    def end_s(self) -> int:
        """Unix second at which the column ends."""
        return self.start_s + len(self.values) * SLOT_S

    def of_day(self, day: date) -> FloatArray:
        """Values of a market day, shape (48,); NaN where nothing is known."""
        return self.between(_begin_s(day), SLOTS_A_DAY)

    def between(self, first_s: int, count: int) -> FloatArray:
        """Values of ``count`` half hours from a half hour's beginning; NaN where not known."""
        found = np.full(count, np.nan)
        offset = (first_s - self.start_s) // SLOT_S
        low, high = max(offset, 0), min(offset + count, len(self.values))
        if low < high:
            found[low - offset : high - offset] = self.values[low:high]
        return found

    def until(self, end_s: int) -> "HalfHours":
        """Cut what begins at or after a moment."""
        count = max(0, min(len(self.values), -((self.start_s - end_s) // SLOT_S)))
        return HalfHours(start_s=self.start_s, values=self.values[:count])


EMPTY: Final = HalfHours(start_s=0, values=np.empty(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancingColumns:
    """Results of one product in one area; a block is repeated in each of its half hours.

    Attributes
    ----------
    required_mw, offered_mw, awarded_mw : HalfHours
        NaN where no row was published.
    price_highest, price_lowest, price_mean : HalfHours
        Accepted capacity prices, JPY per kW and half hour; NaN where nothing was accepted.
    block_minutes : HalfHours
        Length of the block a half hour belongs to.
    """

    required_mw: HalfHours
    offered_mw: HalfHours
    awarded_mw: HalfHours
    price_highest: HalfHours
    price_lowest: HalfHours
    price_mean: HalfHours
    block_minutes: HalfHours

    def until(self, end_s: int) -> "BalancingColumns":
        """Cut every column."""
        return BalancingColumns(
            required_mw=self.required_mw.until(end_s),
            offered_mw=self.offered_mw.until(end_s),
            awarded_mw=self.awarded_mw.until(end_s),
            price_highest=self.price_highest.until(end_s),
            price_lowest=self.price_lowest.until(end_s),
            price_mean=self.price_mean.until(end_s),
            block_minutes=self.block_minutes.until(end_s),
        )


NO_RESULTS: Final = BalancingColumns(
    required_mw=EMPTY,
    offered_mw=EMPTY,
    awarded_mw=EMPTY,
    price_highest=EMPTY,
    price_lowest=EMPTY,
    price_mean=EMPTY,
    block_minutes=EMPTY,
)


class MarketHistory(Protocol):
    """Published data. What is not there is an empty column, and a line in ``missing``."""

    def column(self, series: MarketSeries, area: str) -> HalfHours:
        """All half hours there are."""
        ...

    def balancing(self, product: Service, area: str) -> BalancingColumns:
        """All results of a product in an area."""
        ...

    def missing(self) -> Sequence[str]:
        """One line per source that was asked for and is absent or refused: which, and why."""
        ...


def known_end_s(series: MarketSeries, at: datetime) -> int:
    """Unix second before which half hours of a series must end to be known at a moment."""
    if series in OF_THE_AUCTION:
        return _days_known_s(at, SPOT_KNOWN_AT)
    whole = int((at - METERED_AFTER).timestamp())
    return whole - whole % SLOT_S


def known(column: HalfHours, series: MarketSeries, at: datetime) -> HalfHours:
    """Cut a column to what was known at a moment (aware UTC)."""
    return column.until(known_end_s(series, at))


def known_results(columns: BalancingColumns, at: datetime) -> BalancingColumns:
    """Cut results to those published at a moment (aware UTC)."""
    return columns.until(_days_known_s(at, RESULTS_KNOWN_AT))


def available_from(series: MarketSeries, slot_start: datetime) -> datetime:
    """When the value of a half hour is known, aware UTC."""
    if series in OF_THE_AUCTION:
        return jst_moment(market_day(slot_start) - timedelta(days=1), SPOT_KNOWN_AT)
    return slot_start + timedelta(seconds=SLOT_S) + METERED_AFTER


class KnownHistory:
    """A history as it was at a moment; the same port, so that a use case cannot see more.

    Parameters
    ----------
    history : MarketHistory
        All there is.
    at : datetime
        The gate, aware UTC.
    """

    def __init__(self, history: MarketHistory, at: datetime) -> None:
        self._history = history
        self._at = at

    def column(self, series: MarketSeries, area: str) -> HalfHours:
        """Return what was known of a column."""
        return known(self._history.column(series, area), series, self._at)

    def balancing(self, product: Service, area: str) -> BalancingColumns:
        """Return what was known of the results."""
        return known_results(self._history.balancing(product, area), self._at)

    def missing(self) -> Sequence[str]:
        """Name the sources that are absent."""
        return self._history.missing()


def _days_known_s(at: datetime, published: time) -> int:
    """End of the last delivery day whose results are out at a moment."""
    today = market_day(at)
    days = 2 if at >= jst_moment(today, published) else 1
    return _begin_s(today + timedelta(days=days))


def _begin_s(day: date) -> int:
    return int(jst_moment(day, time()).astimezone(UTC).timestamp())
