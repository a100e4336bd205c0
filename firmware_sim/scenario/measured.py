"""Measured household loads and PV as courses for simulated sites.

Files are gzipped CSV of a data directory. A value stands for its interval; between the middles
of intervals the power is a straight line. An interval without a value, and both its
neighbours, are not used: no course is laid across a gap.
"""

import csv
import gzip
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from protocols.vocabulary.errors import ConfigError

DAY_S = 86_400
_WEEK_SLOTS = 672
_SLOT_S = 900
_W_PER_KWH_PER_SLOT = 4000.0
_PEAK_QUANTILE = 0.995
_WIDTH_TOLERANCE_S = 1.0

HOMES_FILE = "household/ch_heatpump_households_15min_w44_w48.csv.gz"
HOME_1MIN_GLOB = "household/uci_household_fr_1min_*.csv.gz"
PV_1MIN_FILE = "pv/nrel_serf_east_1min_part1.csv.gz"
PV_5MIN_GLOB = "pv/us_rooftop_*_5min_part1.csv.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One measured quantity.

    Attributes
    ----------
    source : str
        File and column.
    step_s : int
        Length of an interval.
    middles_s : tuple of float
        Middles of the intervals, rising, s; multiples of a day are midnights (local time of
        homes; solar time of PV).
    power_w : tuple of float or None
        Mean power of each interval, None where it must not be used.
    """

    source: str
    step_s: int
    middles_s: tuple[float, ...]
    power_w: tuple[float | None, ...]

    @property
    def days(self) -> range:
        """Numbers of the days it touches."""
        return range(int(self.middles_s[0] // DAY_S), int(self.middles_s[-1] // DAY_S) + 1)

    @property
    def peak_w(self) -> float:
        """Power that 99.5 % of the intervals do not exceed."""
        known = sorted(power for power in self.power_w if power is not None)
        return known[int(_PEAK_QUANTILE * (len(known) - 1))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A piece of a series: offsets from its beginning in s and W."""

    source: str
    times_s: tuple[float, ...]
    power_w: tuple[float, ...]

    @property
    def mean_w(self) -> float:
        """Mean of the points."""
        return math.fsum(self.power_w) / len(self.power_w)

    @property
    def movement_w(self) -> float:
        """Mean change from point to point."""
        pairs = zip(self.power_w, self.power_w[1:], strict=False)
        return math.fsum(abs(late - early) for early, late in pairs) / len(self.power_w)


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """What a data directory offers: homes of 15 minutes, of 1 minute, and PV systems."""

    homes: tuple[Series, ...]
    homes_1min: tuple[Series, ...]
    pv: tuple[Series, ...]


def read_library(data: Path) -> Library:
    """Read the files of a data directory that drive sites.

    Raises
    ------
    ConfigError
        If the directory or a file is missing or holds something else.
    """
    if not data.is_dir():
        raise ConfigError(f"{data}: --data: no such directory")
    homes = _read_homes(_one(data, HOMES_FILE))
    homes_1min = tuple(_read_home_1min(path) for path in _some(data, HOME_1MIN_GLOB))
    pv_paths = [_one(data, PV_1MIN_FILE), *_some(data, PV_5MIN_GLOB)]
    return Library(
        homes=homes, homes_1min=homes_1min, pv=tuple(_read_pv(path) for path in pv_paths)
    )


def cut_course(series: Series, *, begin_s: float, length_s: float) -> Course | None:
    """Cut a piece out of a series.

    Parameters
    ----------
    series : Series
        Where from.
    begin_s, length_s : float
        In the series' own time.

    Returns
    -------
    Course or None
        None if a part of the piece is missing or beside a gap.
    """
    first = _last_at_or_before(series.middles_s, begin_s)
    last = _last_at_or_before(series.middles_s, begin_s + length_s) + 1
    if first < 0 or last >= len(series.middles_s):
        return None
    middles = series.middles_s[first : last + 1]
    if middles[-1] - middles[0] > (last - first) * series.step_s + _WIDTH_TOLERANCE_S:
        return None
    powers = [power for power in series.power_w[first : last + 1] if power is not None]
    if len(powers) != len(middles):
        return None
    return Course(
        source=f"{series.source} from {_moment(begin_s)}",
        times_s=tuple(middle - begin_s for middle in middles),
        power_w=tuple(powers),
    )


def _moment(time_s: float) -> str:
    """Day number and time of day, for the scenario's reader."""
    minute = int(time_s % DAY_S // 60)
    return f"day {int(time_s // DAY_S)} {minute // 60:02d}:{minute % 60:02d}"


def _last_at_or_before(values: Sequence[float], wanted: float) -> int:
    """Index of the last value that is not above; -1 if all are."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if values[middle] <= wanted:
            low = middle + 1
        else:
            high = middle
    return low - 1


def _one(data: Path, name: str) -> Path:
    """Path of a file that has to be there."""
    path = data / name
    if not path.is_file():
        raise ConfigError(f"{path}: --data: no such file")
    return path


def _some(data: Path, pattern: str) -> list[Path]:
    """Paths of a pattern that has to match."""
    found = sorted(data.glob(pattern))
    if not found:
        raise ConfigError(f"{data / pattern}: --data: no such file")
    return found


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Lines of a gzipped CSV that has the columns, with their numbers."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise ConfigError(f"{path}: line 1: column {missing[0]!r} is missing")
            for row in reader:
                yield reader.line_num, row
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None


def _number(path: Path, line: int, text: str | None) -> float | None:
    """Read a field as a number; None for an empty one."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise ConfigError(f"{path}: line {line}: {text!r} is no number") from None
    return value if math.isfinite(value) else None


def _utc_s(path: Path, line: int, text: str) -> float:
    """Unix time of an ISO 8601 field with its offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{path}: line {line}: {text!r} is no time") from None
    if moment.tzinfo is None:
        raise ConfigError(f"{path}: line {line}: {text!r} has no UTC offset")
    return moment.timestamp()


def _local_s(path: Path, line: int, text: str) -> float:
    """Seconds of an ISO 8601 field's own local time, midnights at multiples of a day."""
    unix_s = _utc_s(path, line, text)
    offset = datetime.fromisoformat(text).utcoffset()
    assert offset is not None, "checked with the time"
    return unix_s + offset.total_seconds()


def _careful(
    starts_s: Sequence[float], powers: Sequence[float | None], step_s: int
) -> tuple[float | None, ...]:
    """Powers without those beside a missing value or a gap in time."""
    kept: list[float | None] = []
    last = len(powers) - 1
    for index, power in enumerate(powers):
        before = index == 0 or _adjacent(starts_s, powers, index - 1, step_s=step_s)
        after = index == last or _adjacent(starts_s, powers, index, step_s=step_s)
        kept.append(power if before and after else None)
    return tuple(kept)


def _adjacent(
    starts_s: Sequence[float], powers: Sequence[float | None], index: int, *, step_s: int
) -> bool:
    """Whether an interval and the next one are both there and touch."""
    touches = abs(starts_s[index + 1] - starts_s[index] - step_s) <= _WIDTH_TOLERANCE_S
    return touches and powers[index] is not None and powers[index + 1] is not None


def _series(
    source: str, starts_s: Sequence[float], powers: Sequence[float | None], *, step_s: int
) -> Series:
    """Series of intervals given by their starts."""
    return Series(
        source=source,
        step_s=step_s,
        middles_s=tuple(start + 0.5 * step_s for start in starts_s),
        power_w=_careful(starts_s, powers, step_s),
    )


def _read_homes(path: Path) -> tuple[Series, ...]:
    """Read homes with kWh per 15 minutes; slot 0 of a week is Monday 00:00 local time."""
    starts_s: list[float] = []
    columns: dict[str, list[float | None]] = {}
    first_week: float | None = None
    for line, row in _rows(path, ("iso_week", "slot_15min")):
        week, slot = _number(path, line, row["iso_week"]), _number(path, line, row["slot_15min"])
        if week is None or slot is None:
            raise ConfigError(f"{path}: line {line}: iso_week or slot_15min is empty")
        first_week = week if first_week is None else first_week
        starts_s.append(((week - first_week) * _WEEK_SLOTS + slot) * _SLOT_S)
        for name, text in row.items():
            if name.startswith("kwh_"):
                energy_kwh = _number(path, line, text)
                power_w = None if energy_kwh is None else energy_kwh * _W_PER_KWH_PER_SLOT
                columns.setdefault(name, []).append(power_w)
    return tuple(
        _series(f"{_short(path)} {name}", starts_s, powers, step_s=_SLOT_S)
        for name, powers in columns.items()
    )


def _read_home_1min(path: Path) -> Series:
    """Read a home with kW per minute in local time."""
    starts_s: list[float] = []
    powers: list[float | None] = []
    for line, row in _rows(path, ("time_local", "active_power_kw")):
        starts_s.append(_local_s(path, line, row["time_local"]))
        power_kw = _number(path, line, row["active_power_kw"])
        powers.append(None if power_kw is None else 1000.0 * power_kw)
    return _series(f"{_short(path)} active_power_kw", starts_s, powers, step_s=60)


def _read_pv(path: Path) -> Series:
    """Read a PV system; its time is shifted so that its energy is centred on 12:00."""
    header = "time_utc" if "rooftop" in path.name else "time_local"
    column, scale = ("ac_power_kw", 1000.0) if "rooftop" in path.name else ("ac_power_w", 1.0)
    step_s = 300 if "5min" in path.name else 60
    starts_s: list[float] = []
    powers: list[float | None] = []
    for line, row in _rows(path, (header, column)):
        starts_s.append(_utc_s(path, line, row[header]))
        power = _number(path, line, row[column])
        powers.append(None if power is None else max(0.0, scale * power))
    shift_s = 0.5 * DAY_S - _centre_s(starts_s, powers)
    solar_s = [start + shift_s for start in starts_s]
    return _series(f"{_short(path)} {column}", solar_s, powers, step_s=step_s)


def _centre_s(starts_s: Sequence[float], powers: Sequence[float | None]) -> float:
    """Time of day around which the energy lies, s; a mean on the circle of the day."""
    angles = [2.0 * math.pi * (start % DAY_S) / DAY_S for start in starts_s]
    sine = math.fsum((p or 0.0) * math.sin(a) for a, p in zip(angles, powers, strict=True))
    cosine = math.fsum((p or 0.0) * math.cos(a) for a, p in zip(angles, powers, strict=True))
    return (math.atan2(sine, cosine) / (2.0 * math.pi) % 1.0) * DAY_S


def _short(path: Path) -> str:
    """Folder and name of a file."""
    return f"{path.parent.name}/{path.name}"
