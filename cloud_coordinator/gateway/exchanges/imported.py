"""Imported publications as the columns that forecasts, bids and the day read.

Implements :class:`cloud_coordinator.services.market_history.MarketHistory` on what
``vpp market import | fetch`` and the service's own fetches recorded. Finer slots stand above
coarser ones; an hourly value stands in both its half hours. What is not there, or is older than
it should be by now, is a line in :meth:`ImportedHistory.missing` and never a number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import numpy as np

from cloud_coordinator.services.market_history import (
    EMPTY,
    NO_RESULTS,
    BalancingColumns,
    HalfHours,
    MarketHistory,
    MarketSeries,
    known_end_s,
)
from cloud_coordinator.services.publications import Series
from models.day_ahead.places import STATION_OF
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_MINUTES, SLOT_S
from protocols.vocabulary.intervals import Interval, utc_from_seconds
from protocols.vocabulary.obligation import Service

BACK: Final = timedelta(days=420)
"""Models look back a year and some weeks."""
AHEAD: Final = timedelta(days=14)
STALE: Final = timedelta(hours=24)
"""A column that ends so long before what should be known by now is said to be old."""
_HOUR_S: Final = 3600
_FIVE_MINUTES_S: Final = 300
_BLOCK_S: Final = 3 * _HOUR_S


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """How a column was published: kind, factor to our unit, place of the whole exchange."""

    kind: str
    factor: float = 1.0
    place: str = ""
    of_station: bool = False


_KINDS: Final = {
    MarketSeries.SPOT: _Kind(kind="spot_price_jpy_per_kwh"),
    MarketSeries.INTRADAY: _Kind(kind="intraday_mean_jpy_per_kwh", place="system"),
    MarketSeries.DEMAND: _Kind(kind="demand_w", factor=1e-6),
    MarketSeries.PV: _Kind(kind="pv_w", factor=1e-6),
    MarketSeries.SELL_BIDS: _Kind(kind="spot_sell_bid_wh", factor=1e-3, place="system"),
    MarketSeries.BUY_BIDS: _Kind(kind="spot_buy_bid_wh", factor=1e-3, place="system"),
    MarketSeries.TEMPERATURE: _Kind(kind="temperature_c", of_station=True),
    MarketSeries.IRRADIANCE: _Kind(kind="irradiance_w_per_m2", of_station=True),
    MarketSeries.DEW_POINT: _Kind(kind="dew_point_c", of_station=True),
    MarketSeries.PRESSURE: _Kind(kind="sea_level_pressure_pa", factor=0.01, of_station=True),
    MarketSeries.WIND: _Kind(kind="wind_speed_m_per_s", of_station=True),
    MarketSeries.RAIN: _Kind(kind="precipitation_m", factor=1e3, of_station=True),
}
_RESULTS: Final = {
    "required_mw": ("required_w", 1e-6),
    "offered_mw": ("offered_w", 1e-6),
    "awarded_mw": ("awarded_w", 1e-6),
    "price_highest": ("highest_jpy_per_kw_30min", 1.0),
    "price_lowest": ("lowest_jpy_per_kw_30min", 1.0),
    "price_mean": ("mean_jpy_per_kw_30min", 1.0),
}


class PublishedSeries(Protocol):
    """Port: reads what was imported."""

    def series(
        self, kind: str, area: str, *, step_s: int, interval: Interval, known_at: datetime
    ) -> Series:
        """Values that begin in an interval, as known at a moment; empty if nothing is."""


class ImportedHistory:
    """The columns.

    Parameters
    ----------
    published : PublishedSeries
        The import store.
    area : str
        Whose columns must be there; those of the others are used where they are.
    at : datetime
        Now, aware UTC.
    older : MarketHistory or None
        Fills what was never imported, such as the years before the first import.
    """

    def __init__(
        self,
        published: PublishedSeries,
        *,
        area: str,
        at: datetime,
        older: MarketHistory | None = None,
    ) -> None:
        self._published = published
        self._area = area
        self._at = at
        self._older = older
        first_s = int((at - BACK).timestamp()) // SLOT_S * SLOT_S
        self._first_s = first_s
        self._count = int((at + AHEAD).timestamp() - first_s) // SLOT_S
        self._columns: dict[tuple[MarketSeries, str], HalfHours] = {}
        self._results: dict[tuple[Service, str], BalancingColumns] = {}
        self._missing: dict[str, str] = {}

    def column(self, series: MarketSeries, area: str) -> HalfHours:
        """Return half hours of a series."""
        key = (series, area)
        if key not in self._columns:
            found = self._imported(series, area)
            if area == self._area:
                self._judge(series, found)
            older = EMPTY if self._older is None else self._older.column(series, area)
            self._columns[key] = _over(found, older)
        return self._columns[key]

    def balancing(self, product: Service, area: str) -> BalancingColumns:
        """Return results of a product."""
        key = (product, area)
        if key not in self._results:
            self._results[key] = self._read_results(product, area)
        return self._results[key]

    def missing(self) -> Sequence[str]:
        """Name what was asked for and is not there, or is old."""
        older = () if self._older is None else self._older.missing()
        return (*self._missing.values(), *older)

    def _imported(self, series: MarketSeries, area: str) -> HalfHours:
        how = _KINDS[series]
        place = how.place or area
        if how.of_station:
            if area not in STATION_OF:
                return EMPTY
            place = STATION_OF[area]
        values = self._half_hours(how.kind, place)
        return self._cut(values * how.factor)

    def _half_hours(self, kind: str, place: str) -> FloatArray:
        """Values of all steps they are published in, shape (n,)."""
        found = self._of_step(kind, place, SLOT_S)
        for step_s in (_FIVE_MINUTES_S, _HOUR_S):
            if np.isnan(found).any():
                found = np.where(np.isnan(found), self._of_step(kind, place, step_s), found)
        return found

    def _of_step(self, kind: str, place: str, step_s: int) -> FloatArray:
        interval = Interval(
            start=utc_from_seconds(self._first_s),
            end=utc_from_seconds(self._first_s + self._count * SLOT_S),
        )
        read = self._published.series(
            kind, place, step_s=step_s, interval=interval, known_at=self._at
        )
        at = (read.start_s - self._first_s) // SLOT_S
        found = np.full(self._count, np.nan)
        if step_s < SLOT_S:
            parts = SLOT_S // step_s
            usable = np.isfinite(read.value)
            count = np.bincount(at[usable], minlength=self._count)
            total = np.bincount(at[usable], weights=read.value[usable], minlength=self._count)
            return np.where(count == parts, total / parts, np.nan)
        for further in range(step_s // SLOT_S):
            inside = at + further < self._count
            found[at[inside] + further] = read.value[inside]
        return found

    def _read_results(self, product: Service, area: str) -> BalancingColumns:
        prefix = product.value.replace("-", "_")
        columns: dict[str, HalfHours] = {}
        block = np.full(self._count, np.nan)
        for name, (kind, factor) in _RESULTS.items():
            values = np.full(self._count, np.nan)
            for step_s in (SLOT_S, _BLOCK_S):
                read = self._of_step(f"{prefix}_{kind}", area, step_s)
                fresh = np.isnan(values) & np.isfinite(read)
                values = np.where(fresh, read * factor, values)
                if name == "required_mw":
                    block = np.where(fresh, step_s / SLOT_S * SLOT_MINUTES, block)
            columns[name] = self._cut(values)
        if not len(columns["awarded_mw"].values):
            if self._older is not None:
                return self._older.balancing(product, area)
            if area == self._area:
                line = f"results of {product.value} in {area}: none is imported"
                self._missing[f"{product.value}"] = line
            return NO_RESULTS
        found = BalancingColumns(**columns, block_minutes=self._cut(block))
        return (
            found
            if self._older is None
            else _results_over(found, self._older.balancing(product, area))
        )

    def _cut(self, values: FloatArray) -> HalfHours:
        """Leave out what is not known at both ends."""
        known = np.flatnonzero(np.isfinite(values))
        if not len(known):
            return EMPTY
        first, last = int(known[0]), int(known[-1])
        kept = values[first : last + 1].copy()
        kept.flags.writeable = False
        return HalfHours(start_s=self._first_s + first * SLOT_S, values=kept)

    def _judge(self, series: MarketSeries, found: HalfHours) -> None:
        if not len(found.values):
            line = f"{series.value} of {self._area}: nothing is imported"
            self._missing[series.value] = line
            return
        late_s = known_end_s(series, self._at) - found.end_s
        if late_s > STALE.total_seconds():
            line = (
                f"{series.value} of {self._area}: what is imported ends {late_s // _HOUR_S} h ago"
            )
            self._missing[series.value] = line


def _over(new: HalfHours, old: HalfHours) -> HalfHours:
    """Put one column above another: the other fills what the first has not."""
    if not len(old.values) or not len(new.values):
        return new if len(new.values) else old
    first_s = min(new.start_s, old.start_s)
    count = (max(new.end_s, old.end_s) - first_s) // SLOT_S
    above, below = new.between(first_s, count), old.between(first_s, count)
    return HalfHours(start_s=first_s, values=np.where(np.isnan(above), below, above))


def _results_over(new: BalancingColumns, old: BalancingColumns) -> BalancingColumns:
    """Do so with every column."""
    return BalancingColumns(
        required_mw=_over(new.required_mw, old.required_mw),
        offered_mw=_over(new.offered_mw, old.offered_mw),
        awarded_mw=_over(new.awarded_mw, old.awarded_mw),
        price_highest=_over(new.price_highest, old.price_highest),
        price_lowest=_over(new.price_lowest, old.price_lowest),
        price_mean=_over(new.price_mean, old.price_mean),
        block_minutes=_over(new.block_minutes, old.block_minutes),
    )
