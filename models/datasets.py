"""Reads the data catalogue for training and evaluation; a program at run time never calls it.

Files are found by the beginning of their names, so that a later edition with more months is read
the same way. A missing file leaves its columns out.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from models.day_ahead.history import Column, History, Series
from models.day_ahead.places import AREAS, PRICE_AREAS, PV_AREAS, STATIONS, SYSTEM
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY, jst_moment
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.obligation import Service

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR_SLOTS: Final = 2
_WEATHER: Final = {
    Series.TEMPERATURE: "temp_c",
    Series.DEW_POINT: "dewpoint_c",
    Series.PRESSURE: "sea_level_pressure_hpa",
    Series.IRRADIANCE: "ghi_wm2",
    Series.WIND: "wind_mps",
    Series.RAIN: "precip_mm",
}
_PRODUCT: Final = {
    "composite": Service.COMPOUND.value,
    "primary_offline": Service.PRIMARY_OFFLINE.value,
}
_BALANCING_PRICE: Final = "price_avg_jpy_per_kw_30min"


class Grid:
    """Half hours of market days, into which readings are put.

    Parameters
    ----------
    first_day, last_day : date
        First and last market day.
    """

    def __init__(self, first_day: date, last_day: date) -> None:
        self.first_day = first_day
        self.days = (last_day - first_day).days + 1
        start = jst_moment(first_day, time())
        self._start_s = (start - _EPOCH) // timedelta(seconds=1)
        self.columns: dict[Column, FloatArray] = {}

    def put(self, name: Column, start_s: FloatArray, values: FloatArray, *, slots: int = 1) -> None:
        """Write known values into a column.

        Parameters
        ----------
        name : Column
            Made when it is new.
        start_s : FloatArray
            Start of each value, s since 1970, shape (n,).
        values : FloatArray
            Shape (n,); NaN leaves what is there.
        slots : int
            Half hours that each value holds for.
        """
        rows = self.columns.setdefault(name, np.full((self.days, SLOTS_A_DAY), np.nan))
        flat = rows.reshape(-1)
        first = ((start_s - self._start_s) // SLOT_S).astype(np.int64)
        for ahead in range(slots):
            place = first + ahead
            usable = (place >= 0) & (place < len(flat)) & np.isfinite(values)
            flat[place[usable]] = values[usable]

    def history(self) -> History:
        """All columns."""
        return History(first_day=self.first_day, days=self.days, columns=self.columns)


def _found(folder: Path, pattern: str) -> list[Path]:
    """Files of a pattern, in order."""
    return sorted(folder.glob(pattern))


def _table(path: Path) -> Mapping[str, np.ndarray]:
    """Columns of a file: times in s since 1970, numbers with NaN, words.

    Raises
    ------
    ConfigError
        If the file cannot be read as a table.
    """
    import pyarrow as pa  # noqa: PLC0415 training only, not for a gateway
    from pyarrow import csv  # noqa: PLC0415 see above

    try:
        table = csv.read_csv(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    found: dict[str, np.ndarray] = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_timestamp(column.type):
            seconds = column.cast(pa.timestamp("s", tz="UTC")).cast(pa.int64())
            found[name] = seconds.to_numpy(zero_copy_only=False).astype(np.float64)
        elif pa.types.is_string(column.type):
            found[name] = np.array(column.to_pylist(), dtype=object)
        else:
            found[name] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return found


def _start(path: Path, table: Mapping[str, np.ndarray], name: str) -> FloatArray:
    """Column of times of a table."""
    found = table.get(name)
    if found is None or found.dtype == object:
        raise ConfigError(f"{path}: has no column of times {name!r}")
    return found


def _half_hours_of_hours(hourly: FloatArray) -> FloatArray:
    """Half-hour means of a curve of hourly means; each hour keeps its mean.

    Only the hour before is looked at: one that is not over must not show in one that is.

    Parameters
    ----------
    hourly : FloatArray
        Shape (n,); NaN where not known.

    Returns
    -------
    FloatArray
        Shape (2n,).
    """
    change = hourly - np.concatenate([hourly[:1], hourly[:-1]])
    slope = np.where(np.isfinite(change), change / 4.0, 0.0)
    return np.stack([hourly - slope, hourly + slope], axis=1).reshape(-1)


def _read_demand(folder: Path, grid: Grid) -> None:
    """Demand of all areas; half-hour values where there are any, else hourly ones."""
    for path in _found(folder, "tso/demand_hourly_10areas_*.csv*"):
        table = _table(path)
        start = _start(path, table, "start_jst")
        halves = (start[:, None] + np.array([0.0, SLOT_S])).reshape(-1)
        for area in AREAS:
            if (values := table.get(f"{area}_demand_mw")) is not None:
                grid.put(Column(Series.DEMAND, area), halves, _half_hours_of_hours(values))
    for path in _found(folder, "tso/demand_pv_30min_7areas_*.csv*"):
        table = _table(path)
        start = _start(path, table, "start_jst")
        for area in PV_AREAS:
            for series in (Series.DEMAND, Series.PV):
                if (values := table.get(f"{area}_{series.value[0]}_mw")) is not None:
                    grid.put(Column(series, area), start, values)


def _read_prices(folder: Path, grid: Grid) -> None:
    """Spot prices and the bids behind them."""
    names = {f"{area}_price_jpy_per_kwh": Column(Series.SPOT, area) for area in PRICE_AREAS}
    names["system_price_jpy_per_kwh"] = Column(Series.SPOT, SYSTEM)
    names["sell_bid_kwh"] = Column(Series.SELL_BIDS, SYSTEM)
    names["buy_bid_kwh"] = Column(Series.BUY_BIDS, SYSTEM)
    for path in _found(folder, "jepx/jepx_spot_30min_*.csv*"):
        table = _table(path)
        start = _start(path, table, "start_jst")
        for name, column in names.items():
            if (values := table.get(name)) is not None:
                grid.put(column, start, values)


def _read_weather(folder: Path, grid: Grid) -> None:
    """Observations; an hour's number holds for the two half hours that end with it."""
    for station in STATIONS:
        for path in _found(folder, f"weather/jma_hourly_{station}_*.csv*"):
            table = _table(path)
            start = _start(path, table, "hour_ending_jst") - _HOUR_SLOTS * SLOT_S
            for series, name in _WEATHER.items():
                if (values := table.get(name)) is not None and values.dtype != object:
                    grid.put(Column(series, station), start, values, slots=_HOUR_SLOTS)


def _read_balancing(folder: Path, grid: Grid) -> None:
    """Mean accepted prices of each product and area where something was accepted."""
    for path in _found(folder, "eprx/eprx_results_*.csv*"):
        table = _table(path)
        start = _start(path, table, "start_jst")
        price = np.where(table["awarded_mw"] > 0.0, table[_BALANCING_PRICE], np.nan)
        slots = np.round(table["block_min"] * 60.0 / SLOT_S)
        keys = np.array(
            [
                f"{_PRODUCT.get(product, product)} {area}"
                for product, area in zip(table["product"], table["area"], strict=True)
            ]
        )
        for key in np.unique(keys):
            for length in np.unique(slots):
                chosen = (keys == key) & (slots == length)
                column = Column(Series.BALANCING, str(key))
                grid.put(column, start[chosen], price[chosen], slots=int(length))


def read_catalogue(
    folder: Path, *, first_day: date = date(2016, 1, 1), last_day: date = date(2030, 12, 31)
) -> History:
    """Read everything that the models are trained with.

    Parameters
    ----------
    folder : Path
        The catalogue.
    first_day, last_day : date
        Days wanted; days at the ends without any value are left out.

    Returns
    -------
    History
        Half-hour columns.

    Raises
    ------
    ConfigError
        If the folder holds none of the tables, or one of them cannot be read.
    """
    grid = Grid(first_day, last_day)
    for read in (_read_demand, _read_prices, _read_weather, _read_balancing):
        read(folder, grid)
    if not grid.columns:
        raise ConfigError(f"{folder}: none of the tables of the data catalogue is here")
    everything = grid.history()
    rows = np.zeros(everything.days, dtype=bool)
    for name, values in everything.columns.items():
        if name.series in {Series.DEMAND, Series.PV, Series.SPOT, Series.BALANCING}:
            rows |= np.isfinite(values).any(axis=1)
    if not rows.any():
        raise ConfigError(f"{folder}: the tables hold no values of these days")
    used = np.flatnonzero(rows)
    last = first_day + timedelta(days=int(used[-1]))
    return everything.window(last, before=int(used[-1] - used[0]))
