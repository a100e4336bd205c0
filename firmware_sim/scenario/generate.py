"""Makes a scenario of any number of sites from a seed, measured data driving them if given."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from firmware_sim.physics.noise import between, uniform
from firmware_sim.scenario.measured import (
    DAY_S,
    Course,
    Library,
    Series,
    cut_course,
    read_library,
)
from protocols.vocabulary.errors import ConfigError

DEFAULT_START: Final = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
"""10:00 in Japan, so that PV moves."""

SITES_MAX: Final = 10_000
WINDOW_S: Final = 4 * 3600.0
"""Length of the measured courses; after it the last value stays."""

_LEAD_S = 60.0
_JST_S = 9 * 3600.0
_LATITUDE, _LONGITUDE = 35.68, 139.77
_BLOCK = 250
_FIRST_DEVICE = 11
_TRIES = 200
_LOAD_W = (150.0, 3000.0)
_LOAD_W_PEAK = 6000.0
_PV_SHARE_MIN = 0.15
_PV_MOVEMENT_MIN = 0.004

Plain = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Dice:
    """Numbers of one site, by name of what they decide."""

    seed: int
    site: int

    def between(self, low: float, high: float, what: int) -> float:
        return between(low, high, seed=self.seed, counters=(self.site, what))

    def rounded(self, low: float, high: float, *, what: int, to: float) -> float:
        return round(self.between(low, high, what) / to) * to

    def share(self, what: int, again: int = 0) -> float:
        return uniform(self.seed, self.site, what, again)


def make_scenario(
    sites: int,
    seed: int,
    *,
    data: Path | None = None,
    start: datetime = DEFAULT_START,
    window_s: float = WINDOW_S,
) -> Plain:
    """Make a scenario.

    Parameters
    ----------
    sites : int
        1..10000. Site i has the gateway 127.1.i.1, devices from 127.1.i.11 on and the group
        239.192.i.1 (the second number rises after 250 sites).
    seed : int
        The same seed makes the same scenario.
    data : Path or None
        Directory with measured loads and PV; without it they are modelled.
    start : datetime
        World time at the start, aware UTC.
    window_s : float
        How much of measured courses is taken, s.

    Returns
    -------
    dict
        Plain data that :func:`firmware_sim.scenario.load.parse_scenario` accepts as JSON.

    Raises
    ------
    ConfigError
        If the number of sites is out of range or the data cannot be used.
    """
    if not 1 <= sites <= SITES_MAX:
        raise ConfigError(f"--sites {sites}: use 1 to {SITES_MAX}")
    library = None if data is None else read_library(data)
    made = [
        _site(number, _Dice(seed, number), library, start=start, window_s=window_s)
        for number in range(1, sites + 1)
    ]
    return {
        "seed": seed,
        "start": start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "sources": _sources(data),
        "sites": made,
        "faults": [],
    }


def _sources(data: Path | None) -> list[str]:
    """Say what the courses are made of, for whoever reads the scenario."""
    if data is None:
        return ["household loads and PV are modelled from the seed"]
    return [
        f"household loads and PV are measured, from {data}; each load and course names its file",
        "a value is the mean of its interval; straight lines between the middles of intervals",
        "PV is scaled to the site's rating and set to solar time; its calendar day is another",
    ]


def _site(
    number: int, dice: _Dice, library: Library | None, *, start: datetime, window_s: float
) -> Plain:
    """Make one site."""
    block, place = divmod(number - 1, _BLOCK)
    net = f"127.{1 + block}.{place + 1}"
    devices = _devices(number, dice, library, start=start, window_s=window_s)
    for offset, device in enumerate(devices):
        device["address"] = f"{net}.{_FIRST_DEVICE + offset}"
    load: Plain = {
        "kind": "household",
        "base_w": dice.rounded(120.0, 350.0, what=1, to=10.0),
        "seed": number,
    }
    if library is not None:
        local_s = start.timestamp() + _JST_S
        load = _measured_load(dice, library, local_s=local_s, window_s=window_s)
    return {
        "site_id": f"site-{number:03d}",
        "group": f"239.{192 + block}.{place + 1}.1",
        "gateway": f"{net}.1",
        "location": {"latitude": _LATITUDE, "longitude": _LONGITUDE},
        "load": load,
        "devices": devices,
    }


def _devices(
    number: int, dice: _Dice, library: Library | None, *, start: datetime, window_s: float
) -> list[Plain]:
    """Devices of a site, the meter first."""
    devices: list[Plain] = [
        {
            "id": "meter",
            "kind": "meter",
            "energy_wh_imported": dice.rounded(1e6, 2e7, what=2, to=100.0),
            "energy_wh_exported": dice.rounded(0.0, 1e7, what=3, to=100.0),
        },
        _battery(dice),
    ]
    if dice.share(4) < 0.8:  # noqa: PLR2004 - most homes with a battery have PV
        devices.append(_pv(number, dice, library, start=start, window_s=window_s))
    if number % 3 == 2:  # noqa: PLR2004 - a third
        devices.append(_ev(dice, both_ways=number % 2 == 0))
    if number % 5 == 3:  # noqa: PLR2004 - a fifth
        devices.append(_fuel_cell() if number % 2 else _heat_pump(number, dice))
    return devices


def _battery(dice: _Dice) -> Plain:
    power_w = dice.rounded(5_000.0, 10_000.0, what=5, to=500.0)
    return {
        "id": "battery-1",
        "kind": "battery",
        "energy_wh_capacity": dice.rounded(10_000.0, 20_000.0, what=6, to=500.0),
        "power_w_charge_max": power_w,
        "power_w_discharge_max": power_w,
        "soc_start": round(dice.between(0.4, 0.7, 7), 3),
        "efficiency_charge": round(dice.between(0.94, 0.975, 8), 4),
        "efficiency_discharge": round(dice.between(0.94, 0.975, 9), 4),
        "ramp_w_per_s": dice.rounded(2_000.0, 6_000.0, what=10, to=500.0),
        "standby_w": dice.rounded(5.0, 25.0, what=11, to=1.0),
    }


def _pv(
    number: int, dice: _Dice, library: Library | None, *, start: datetime, window_s: float
) -> Plain:
    rated_w = dice.rounded(3_000.0, 6_000.0, what=12, to=100.0)
    course: Plain = {
        "kind": "sky",
        "seed": number,
        "cloudiness": round(dice.between(0.2, 0.6, 13), 2),
    }
    if library is not None:
        solar_s = start.timestamp() + _LONGITUDE * 240.0
        course = _measured_pv(dice, library, rated_w=rated_w, solar_s=solar_s, window_s=window_s)
    return {"id": "pv-1", "kind": "pv", "power_w_rated": rated_w, "course": course}


def _ev(dice: _Dice, *, both_ways: bool) -> Plain:
    here = dice.share(14) < 0.7  # noqa: PLR2004 - most cars are there already
    arrival_s = dice.rounded(-3600.0, -60.0, what=15, to=1.0)
    if not here:
        arrival_s = dice.rounded(30.0, 300.0, what=15, to=1.0)
    power_w = dice.rounded(3_000.0, 6_000.0, what=16, to=500.0)
    device: Plain = {
        "id": "ev-1",
        "kind": "ev-v2h" if both_ways else "ev-charger",
        "energy_wh_capacity": dice.rounded(40_000.0, 60_000.0, what=17, to=1_000.0),
        "power_w_charge_max": power_w,
        "sessions": [
            {
                "arrival_s": arrival_s,
                "departure_s": dice.rounded(7_200.0, 21_600.0, what=18, to=60.0),
                "arrival_soc": round(dice.between(0.3, 0.7, 19), 2),
                "energy_wh_needed": dice.rounded(2_000.0, 10_000.0, what=20, to=100.0),
            }
        ],
    }
    if both_ways:
        device["power_w_discharge_max"] = power_w
    return device


def _fuel_cell() -> Plain:
    return {"id": "fuel-cell-1", "kind": "fuel-cell", "power_w_rated": 700.0, "power_w_min": 200.0}


def _heat_pump(number: int, dice: _Dice) -> Plain:
    return {
        "id": "heat-pump-1",
        "kind": "heat-pump",
        "power_w_rated": dice.rounded(900.0, 1_500.0, what=21, to=50.0),
        "filling_start": round(dice.between(0.2, 0.9, 22), 2),
        "seed": number,
    }


def _measured_load(dice: _Dice, library: Library, *, local_s: float, window_s: float) -> Plain:
    """Course of a home at the same time of day: every second site from 1-minute data."""
    minutes = dice.site % 2 == 0
    homes = library.homes_1min if minutes else library.homes
    spread_s = 5400.0 if minutes else 1800.0
    for again in range(_TRIES):
        series = homes[int(dice.share(30, again) * len(homes))]
        day = series.days[int(dice.share(31, again) * len(series.days))]
        offset_s = round(spread_s * (2.0 * dice.share(32, again) - 1.0))
        course = _course_at(series, day, (local_s + offset_s) % DAY_S, window_s=window_s)
        if course is not None and _is_a_home(course):
            return _plain(course, scale=1.0)
    raise ConfigError(f"{homes[0].source}: no stretch of {window_s:.0f} s without a gap")


def _is_a_home(course: Course) -> bool:
    """Whether a course is one household's and not an empty or a whole house."""
    low_w, high_w = _LOAD_W
    return low_w <= course.mean_w <= high_w and max(course.power_w) <= _LOAD_W_PEAK


def _measured_pv(
    dice: _Dice, library: Library, *, rated_w: float, solar_s: float, window_s: float
) -> Plain:
    """Course of a PV system at the same solar time, on a day on which it moves."""
    best: tuple[float, Course, float] | None = None
    for again in range(_TRIES):
        series = library.pv[int(dice.share(33, again) * len(library.pv))]
        day = series.days[int(dice.share(34, again) * len(series.days))]
        offset_s = round(3600.0 * (dice.share(35, again) - 0.5))
        course = _course_at(series, day, (solar_s + offset_s) % DAY_S, window_s=window_s)
        if course is None:
            continue
        peak_w = series.peak_w
        movement = course.movement_w / peak_w * (60.0 / series.step_s)
        if course.mean_w < _PV_SHARE_MIN * peak_w:
            continue
        if movement >= _PV_MOVEMENT_MIN:
            return _plain(course, scale=rated_w / peak_w)
        if best is None or movement > best[0]:
            best = (movement, course, rated_w / peak_w)
    if best is None:
        raise ConfigError(f"{library.pv[0].source}: no daytime of {window_s:.0f} s without a gap")
    return _plain(best[1], scale=best[2])


def _course_at(series: Series, day: int, second_of_day: float, *, window_s: float) -> Course | None:
    """Course of a day around a time of day, with a little before it."""
    return cut_course(
        series,
        begin_s=day * DAY_S + second_of_day - _LEAD_S,
        length_s=window_s + _LEAD_S,
    )


def _plain(course: Course, *, scale: float) -> Plain:
    """Course as the scenario writes it; its time 0 is the scenario's start."""
    scaled = f" x {scale:.4f}" if scale != 1.0 else ""
    return {
        "kind": "measured",
        "source": f"{course.source}{scaled}",
        "times_s": [round(time_s - _LEAD_S, 3) for time_s in course.times_s],
        "power_w": [round(power_w * scale, 2) for power_w in course.power_w],
    }
