"""The data catalogue: a folder of published results and measurements as compressed CSV.

Implements :class:`cloud_coordinator.services.market_history.MarketHistory`. A file is read once,
when it is first asked for; a file that is absent or malformed is refused whole, gives an empty
column and a line in :meth:`Catalogue.missing`. Layout: ``jepx/``, ``eprx/``, ``tso/``,
``weather/`` with one header line, units in the column names and ISO 8601 times with offset.
"""

import csv
import gzip
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

from cloud_coordinator.services.market_history import (
    EMPTY,
    NO_RESULTS,
    BalancingColumns,
    HalfHours,
    MarketSeries,
)
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_MINUTES, SLOT_S
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.obligation import Service

HOUR_S: Final = 3600
STATIONS: Final = {
    "hokkaido": "sapporo",
    "tohoku": "sendai",
    "tokyo": "tokyo",
    "chubu": "nagoya",
    "hokuriku": "kanazawa",
}
"""Weather station that stands for an area."""
PRODUCTS: Final = {
    "primary": Service.PRIMARY,
    "primary_offline": Service.PRIMARY_OFFLINE,
    "secondary1": Service.SECONDARY_1,
    "secondary2": Service.SECONDARY_2,
    "tertiary1": Service.TERTIARY_1,
    "tertiary2": Service.TERTIARY_2,
    "composite": Service.COMPOUND,
}
_BALANCING: Final = {
    "required_mw": "required_mw",
    "offered_mw": "offered_mw",
    "awarded_mw": "awarded_mw",
    "price_highest": "price_max_jpy_per_kw_30min",
    "price_lowest": "price_min_jpy_per_kw_30min",
    "price_mean": "price_avg_jpy_per_kw_30min",
    "block_minutes": "block_min",
}
_SOURCES: Final[Mapping[MarketSeries, Sequence[tuple[str, str]]]] = {
    MarketSeries.SPOT: (("jepx/jepx_spot_30min_*", "{area}_price_jpy_per_kwh"),),
    MarketSeries.SELL_BIDS: (("jepx/jepx_spot_30min_*", "sell_bid_kwh"),),
    MarketSeries.BUY_BIDS: (("jepx/jepx_spot_30min_*", "buy_bid_kwh"),),
    MarketSeries.INTRADAY: (("jepx/jepx_intraday_30min_*", "avg_jpy_per_kwh"),),
    MarketSeries.DEMAND: (
        ("tso/demand_pv_30min_*", "{area}_demand_mw"),
        ("tso/demand_hourly_*", "{area}_demand_mw"),
    ),
    MarketSeries.PV: (("tso/demand_pv_30min_*", "{area}_pv_mw"),),
}
"""Files and columns of a series, the finest first."""
_WEATHER: Final = {
    MarketSeries.TEMPERATURE: "temp_c",
    MarketSeries.IRRADIANCE: "ghi_wm2",
    MarketSeries.DEW_POINT: "dewpoint_c",
    MarketSeries.PRESSURE: "sea_level_pressure_hpa",
    MarketSeries.WIND: "wind_mps",
    MarketSeries.RAIN: "precip_mm",
}
_PRICES: Final = ("price_highest", "price_lowest", "price_mean")
_HALF_HOURS_MAX: Final = 40 * 366 * 48
"""A column longer than forty years is a wrong date, not data."""
_Columns = Mapping[str, HalfHours]


class Catalogue:
    """Reader of the folder.

    Parameters
    ----------
    root : Path
        The folder that holds ``jepx``, ``eprx``, ``tso`` and ``weather``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._tables: dict[str, _Columns] = {}
        self._results: dict[str, Mapping[Service, BalancingColumns]] = {}
        self._missing: dict[str, str] = {}

    def column(self, series: MarketSeries, area: str) -> HalfHours:
        """Half hours of a series; hourly means are repeated in both half hours."""
        if series in _WEATHER:
            return self._weather(area, _WEATHER[series])
        lacking: dict[str, str] = {}
        for pattern, name in _SOURCES[series]:
            found = self._of(pattern, name.format(area=area), lacking)
            if len(found.values):
                return found
        self._missing |= lacking
        return EMPTY

    def balancing(self, product: Service, area: str) -> BalancingColumns:
        """Results of a product."""
        if area not in self._results:
            self._results[area] = self._read_results(area)
        return self._results[area].get(product, NO_RESULTS)

    def missing(self) -> Sequence[str]:
        """Name what was asked for and is absent or refused."""
        return tuple(self._missing.values())

    def _weather(self, area: str, name: str) -> HalfHours:
        station = STATIONS.get(area)
        if station is None:
            self._missing.setdefault(f"weather/{area}", f"weather: no station for {area}")
            return EMPTY
        return self._of(f"weather/jma_hourly_{station}_*", name, self._missing)

    def _of(self, pattern: str, name: str, lacking: dict[str, str]) -> HalfHours:
        """Column of a file; what it lacks is noted: it counts only where no other file has it."""
        if pattern not in self._tables:
            self._tables[pattern] = self._read(pattern)
        found = self._tables[pattern]
        if not found:
            return EMPTY
        if name not in found:
            where = f"{self._root / pattern}"
            lacking.setdefault(f"{pattern}:{name}", f"{where}: has no {name}")
            return EMPTY
        return found[name]

    def _read(self, pattern: str) -> _Columns:
        paths = self._paths(pattern)
        try:
            return _joined([_read_table(path) for path in paths])
        except ConfigError as error:
            self._missing[pattern] = f"{error}"
            return {}

    def _read_results(self, area: str) -> Mapping[Service, BalancingColumns]:
        paths = self._paths("eprx/eprx_results_*")
        try:
            return _read_results(paths, area)
        except ConfigError as error:
            self._missing["eprx"] = f"{error}"
            return {}

    def _paths(self, pattern: str) -> list[Path]:
        found = sorted(self._root.glob(f"{pattern}.csv.gz")) + sorted(
            self._root.glob(f"{pattern}.csv")
        )
        if not found:
            self._missing[pattern] = f"{self._root / pattern}.csv.gz: is not there"
        return found


def _rows(path: Path) -> Iterator[list[str]]:
    """Read lines of a table; what breaks on the way names the file."""
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
                yield from csv.reader(text)
        else:
            with path.open(encoding="utf-8", newline="") as text:
                yield from csv.reader(text)
    except (OSError, EOFError, zlib.error, csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _read_table(path: Path) -> _Columns:
    rows = _rows(path)
    header = next(rows, [])
    back_s = _back_s(header, path)
    starts: list[int] = []
    columns: list[list[float]] = []
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ConfigError(f"{path}:{line}: has {len(row)} fields, not {len(header)}")
        try:
            starts.append(int(datetime.fromisoformat(row[0]).timestamp()) - back_s)
            columns.append([float(one) if one else math.nan for one in row[1:]])
        except ValueError as error:
            raise ConfigError(f"{path}:{line}: {error}") from error
    if not starts:
        raise ConfigError(f"{path}: has no rows")
    values = np.array(columns, dtype=np.float64)
    place = _Grid(np.array(starts, dtype=np.int64), repeat=1 + bool(back_s or _hourly(path)))
    return {name: place.column(values[:, k], path) for k, name in enumerate(header[1:])}


def _hourly(path: Path) -> bool:
    return "_hourly_" in path.name


def _back_s(header: Sequence[str], path: Path) -> int:
    """Seconds from the time in a row back to the beginning of its interval."""
    match header[:1]:
        case ["start_jst"]:
            return 0
        case ["hour_ending_jst"]:
            return HOUR_S
    raise ConfigError(f"{path}:1: the first column is neither start_jst nor hour_ending_jst")


class _Grid:
    """Rows placed on consecutive half hours."""

    def __init__(self, starts_s: np.typing.NDArray[np.int64], *, repeat: int) -> None:
        self._offsets = starts_s
        self._repeat = repeat
        self._first_s = int(starts_s.min())
        self._count = (int(starts_s.max()) - self._first_s) // SLOT_S + repeat

    def column(self, values: FloatArray, path: Path) -> HalfHours:
        """Place one column."""
        if self._count > _HALF_HOURS_MAX or self._first_s % SLOT_S:
            raise ConfigError(f"{path}: its times are no half hours of one period")
        found = np.full(self._count, np.nan)
        place = (self._offsets - self._first_s) // SLOT_S
        for step in range(self._repeat):
            found[place + step] = values
        found.flags.writeable = False
        return HalfHours(start_s=self._first_s, values=found)


def _joined(parts: Sequence[_Columns]) -> _Columns:
    """Join files of one kind; where two speak of a half hour, the later file counts."""
    found: dict[str, HalfHours] = {}
    for part in parts:
        for name, column in part.items():
            found[name] = _join(found[name], column) if name in found else column
    return found


def _join(one: HalfHours, two: HalfHours) -> HalfHours:
    first_s = min(one.start_s, two.start_s)
    count = (max(one.end_s, two.end_s) - first_s) // SLOT_S
    old, new = one.between(first_s, count), two.between(first_s, count)
    return HalfHours(start_s=first_s, values=np.where(np.isnan(new), old, new))


def _read_results(paths: Sequence[Path], area: str) -> Mapping[Service, BalancingColumns]:
    rows: dict[Service, list[tuple[int, list[float]]]] = {}
    for path in paths:
        lines = _rows(path)
        read = _result_reader(next(lines, []), path)
        for line, row in enumerate(lines, start=2):
            try:
                product, where, start_s, values = read(row)
            except (ValueError, IndexError) as error:
                raise ConfigError(f"{path}:{line}: {error}") from error
            if where == area and product in PRODUCTS:
                rows.setdefault(PRODUCTS[product], []).append((start_s, values))
    return {service: _balancing(found) for service, found in rows.items()}


def _result_reader(
    header: Sequence[str], path: Path
) -> Callable[[Sequence[str]], tuple[str, str, int, list[float]]]:
    needed = ("start_jst", "product", "area", *_BALANCING.values())
    lacking = [name for name in needed if name not in header]
    if lacking:
        raise ConfigError(f"{path}:1: has no column {', '.join(lacking)}")
    start, product, area = (header.index(name) for name in needed[:3])
    numbers = [header.index(name) for name in _BALANCING.values()]

    def read(row: Sequence[str]) -> tuple[str, str, int, list[float]]:
        if len(row) != len(header):
            raise ValueError(f"has {len(row)} fields, not {len(header)}")
        return (
            row[product],
            row[area],
            int(datetime.fromisoformat(row[start]).timestamp()),
            [float(row[k]) if row[k] else math.nan for k in numbers],
        )

    return read


def _balancing(rows: Sequence[tuple[int, list[float]]]) -> BalancingColumns:
    starts = np.array([start for start, _ in rows], dtype=np.int64)
    table = np.array([values for _, values in rows], dtype=np.float64)
    names = tuple(_BALANCING)
    length = (table[:, names.index("block_minutes")] // SLOT_MINUTES).astype(np.int64)
    first_s = int(starts.min())
    count = int(((starts - first_s) // SLOT_S + length).max())
    nothing = ~(table[:, names.index("awarded_mw")] > 0.0)
    columns: dict[str, HalfHours] = {}
    for k, name in enumerate(names):
        values = np.where(nothing, np.nan, table[:, k]) if name in _PRICES else table[:, k]
        found = np.full(count, np.nan)
        place = (starts - first_s) // SLOT_S
        for step in range(int(length.max())):
            inside = length > step
            found[place[inside] + step] = values[inside]
        found.flags.writeable = False
        columns[name] = HalfHours(start_s=first_s, values=found)
    return BalancingColumns(**columns)
