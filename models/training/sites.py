"""Reads the homes and roofs of the data catalogue as half hours of one site each.

None of them is Japanese. Each site is scaled to a mean load of 1 kW or a peak of 1 kW, so that
all weigh the same. Clocks are the sites' own; where a roof stands east or west is read from the
middle of its output, because two of the sources do not say it.
"""

import csv
import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from models.clear_sky import clear_irradiance, cosine_of_zenith
from models.site.past import SitePlace
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY
from protocols.vocabulary.errors import ConfigError

SCALE_W: Final = 1000.0
LEAST_DAYS: Final = 5
LEAST_MEAN: Final = 1e-3
EMPTY_PART: Final = 0.9
"""A series with more zeros than this is no site at work."""
PEAK_PART: Final = 0.995
NEW_EVERY: Final = 5
"""One home of so many is never learned from, one calibrates."""
_HOUR_SLOTS: Final = 2
_SUMMER: Final = datetime(2016, 3, 27, 2, tzinfo=UTC)
"""Beginning of German summer time 2016, by the clock."""
_WINTER_MONDAY: Final = datetime(2018, 10, 29, tzinfo=UTC)
"""A Monday of ISO week 44; the year of the Swiss homes is not told."""
_TRADE: Final = ("G0_A", "G1_A", "G3_A", "G4_A", "G6_A", "L0_A")
_HOMES: Final = ("H0_A", "H0_B", "H0_C", "H0_G", "H0_H", "H0_L")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One site of the catalogue.

    Attributes
    ----------
    name, origin : str
        Which one, of which file.
    start : datetime
        Of the first half hour, by the site's clock written as UTC.
    values_w : FloatArray
        Shape (n,), load or PV, positive, W; NaN where not known.
    place : SitePlace
        Where.
    """

    name: str
    origin: str
    start: datetime
    values_w: FloatArray
    place: SitePlace


def load_sites(data: Path) -> list[Site]:
    """Read all series of load.

    Raises
    ------
    ConfigError
        If there are none, or a file is not what the catalogue says.
    """
    found = [
        *_swiss(data),
        *_citylearn(data, "load_", "_kwh"),
        *_simbench(data, [*_TRADE, *_HOMES]),
        *_columns(data, "household/uci_household_fr_1min", "active_power_kw", origin="uci"),
    ]
    return _usable([_metered(one) for one in found], data, _mean_scaled)


def pv_sites(data: Path) -> list[Site]:
    """Read all series of PV.

    Raises
    ------
    ConfigError
        If there are none, or a file is not what the catalogue says.
    """
    german = [f"PV{number}" for number in range(1, 9)]
    found = [
        *(_placed(one, 34.1) for one in _citylearn(data, "pv_", "_w_per_kwp")),
        *(_placed(_standard_time(one), 51.3) for one in _simbench(data, german)),
        *(
            _placed(one, latitude)
            for name, column, origin, latitude in (
                ("pv/nrel_serf_east_15min", "ac_power_w", "nrel", 39.7),
                ("pv/us_rooftop_27kw", "ac_power_kw", "rooftop27", 38.0),
                ("pv/us_rooftop_7kw", "ac_power_kw", "rooftop7", 38.0),
            )
            for one in _columns(data, name, column, origin=origin)
        ),
    ]
    return _usable(found, data, _peak_scaled)


def _rows(data: Path, name: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a file by the beginning of its name; nothing where it is missing."""
    paths = sorted(data.glob(f"{name}*.csv.gz"))
    if not paths:
        return [], []
    try:
        with gzip.open(paths[-1], "rt", encoding="utf-8", newline="") as lines:
            header, *rows = csv.reader(lines)
    except (OSError, EOFError, ValueError) as error:
        raise ConfigError(f"{paths[-1]}: cannot be read: {error}") from error
    if any(len(row) != len(header) for row in rows):
        raise ConfigError(f"{paths[-1]}: a row has not the columns of the header")
    return header, rows


def _numbers(texts: Sequence[str], name: str) -> FloatArray:
    """Numbers of a column; NaN where empty."""
    try:
        return np.array([float(text) if text else np.nan for text in texts])
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from error


def _site(name: str, origin: str, line: tuple[datetime, FloatArray]) -> Site:
    """Make a site by its own clock; its place is not known yet."""
    place = SitePlace(latitude=35.0, longitude=0.0, clock_s=0, peak_w=SCALE_W)
    return Site(name=name, origin=origin, start=line[0], values_w=line[1], place=place)


def _means(values: FloatArray, per: int) -> FloatArray:
    """Means of whole blocks; NaN where any value is missing."""
    whole = len(values) // per * per
    found: FloatArray = values[:whole].reshape(-1, per).mean(axis=1)
    return found


def _swiss(data: Path) -> list[Site]:
    header, rows = _rows(data, "household/ch_heatpump_households_15min")
    columns = list(zip(*rows, strict=True))
    return [
        _site(name, "swiss", (_WINTER_MONDAY, _means(_numbers(columns[k], name), 2)))
        for k, name in enumerate(header)
        if name.startswith("kwh_")
    ]


def _citylearn(data: Path, begins: str, ends: str) -> list[Site]:
    header, rows = _rows(data, "household/citylearn2022")
    columns = list(zip(*rows, strict=True))
    found = []
    for k, name in enumerate(header):
        if name.startswith(begins) and name.endswith(ends):
            start = _moment(columns[0][0]) - timedelta(hours=1)
            values = np.repeat(_numbers(columns[k], name), _HOUR_SLOTS)
            found.append(_site(name, "citylearn", (start, values)))
    return found


def _simbench(data: Path, names: Sequence[str]) -> list[Site]:
    """German local time: the hour that summer time leaves out stays unknown."""
    header, rows = _rows(data, "household/simbench_profiles_15min")
    found = []
    for name in names if rows else ():
        column = next(k for k, title in enumerate(header) if title.startswith(f"{name}_pu"))
        values = _gridded([row[0] for row in rows], _numbers([row[column] for row in rows], name))
        found.append(_site(name, "simbench", values))
    return found


def _columns(data: Path, name: str, column: str, *, origin: str) -> list[Site]:
    """One series with its own times."""
    header, rows = _rows(data, name)
    if not rows:
        return []
    values = _numbers([row[header.index(column)] for row in rows], name)
    return [_site(origin, origin, _gridded([row[0] for row in rows], values))]


def _moment(text: str) -> datetime:
    """Clock time as written, whatever its offset, as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _gridded(times: Sequence[str], values: FloatArray) -> tuple[datetime, FloatArray]:
    """Means of the known values of each half hour of whole days."""
    seconds = np.array([int(_moment(text).timestamp()) for text in times])
    day_s = SLOT_S * SLOTS_A_DAY
    first_s = int(seconds.min()) // day_s * day_s
    slots = (seconds - first_s) // SLOT_S
    count = (int(slots.max()) // SLOTS_A_DAY + 1) * SLOTS_A_DAY
    known = np.isfinite(values)
    number = np.bincount(slots[known], minlength=count)
    total = np.bincount(slots[known], weights=values[known], minlength=count)
    mean = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    return datetime.fromtimestamp(first_s, UTC), mean


def _standard_time(site: Site) -> Site:
    """Move what lies in summer time back to the sun's clock."""
    change = int((_SUMMER - site.start) / timedelta(seconds=SLOT_S))
    values = np.delete(site.values_w, slice(change, change + _HOUR_SLOTS))
    return replace(site, values_w=values)


def _placed(site: Site, latitude: float) -> Site:
    """Find the longitude by the middle of the output; nights that were left out are dark."""
    slots = np.arange(len(site.values_w)) % SLOTS_A_DAY
    angle = 2.0 * np.pi * (slots + 0.5) / SLOTS_A_DAY
    power = np.where(np.isfinite(site.values_w), np.maximum(site.values_w, 0.0), 0.0)
    middle = np.arctan2((power * np.sin(angle)).sum(), (power * np.cos(angle)).sum())
    longitude = float(np.degrees(np.pi - middle % (2.0 * np.pi)))
    place = SitePlace(latitude=latitude, longitude=longitude, clock_s=0, peak_w=SCALE_W)
    clear = clear_irradiance(
        cosine_of_zenith(
            site.start, SLOT_S, len(site.values_w), latitude=latitude, longitude=longitude
        )
    )
    dark = np.isnan(site.values_w) & (clear <= 0.0)
    values = np.where(dark, 0.0, np.maximum(site.values_w, 0.0))
    return replace(site, values_w=values, place=place)


def _metered(site: Site) -> Site:
    """Make a day and more without any load unknown: the meter was away, not the fridge."""
    values = site.values_w.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], values == 0.0, [False]]).astype(int)))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        if last - first >= SLOTS_A_DAY:
            values[first:last] = np.nan
    return replace(site, values_w=values)


def _mean_scaled(values: FloatArray) -> float:
    return float(np.nanmean(values))


def _peak_scaled(values: FloatArray) -> float:
    return float(np.nanquantile(values, PEAK_PART))


def _usable(sites: Sequence[Site], data: Path, size: Callable[[FloatArray], float]) -> list[Site]:
    """Scale each site; leave out those that are empty."""
    found = []
    for site in sites:
        if np.isfinite(site.values_w).sum() < LEAST_DAYS * SLOTS_A_DAY:
            continue
        scale = size(site.values_w)
        if scale > LEAST_MEAN and np.mean(site.values_w == 0.0) < EMPTY_PART:
            found.append(replace(site, values_w=site.values_w * (SCALE_W / scale)))
    if not found:
        raise ConfigError(f"{data}: no homes or roofs in it (household/*, pv/*)")
    return found


def roles(sites: Sequence[Site]) -> Mapping[str, list[int]]:
    """Numbers of the sites that are ``known``, ``held`` (stop, calibrate) and ``new``."""
    found: dict[str, list[int]] = {"known": [], "held": [], "new": []}
    counts: dict[str, int] = {}
    for number, site in enumerate(sites):
        place = counts.get(site.origin, 0)
        counts[site.origin] = place + 1
        role = {1: "new", 3: "held"}.get(place % NEW_EVERY, "known")
        found[role].append(number)
    return found
