"""Scenarios: what is refused and how it is said, and what the generator makes."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.scenario.build import build_sites
from firmware_sim.scenario.generate import make_scenario
from firmware_sim.scenario.load import load_scenario, parse_scenario
from firmware_sim.scenario.measured import cut_course, read_library
from protocols.vocabulary.errors import ConfigError

DATA = Path(__file__).parents[4] / "shared" / "data"
BATTERY: dict[str, Any] = {
    "id": "battery-1",
    "kind": "battery",
    "address": "127.9.1.12",
    "energy_wh_capacity": 10_000,
    "power_w_charge_max": 5_000,
    "power_w_discharge_max": 5_000,
}
METER: dict[str, Any] = {"id": "meter", "kind": "meter", "address": "127.9.1.11"}


def scenario(*devices: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Scenario of one site with a meter and these devices."""
    site = {"site_id": "s1", "group": "239.192.9.1", "devices": [METER, *devices]}
    return {"sites": [site], **more}


WRONG: list[tuple[str, dict[str, Any], str]] = [
    (
        "unknown key",
        scenario({**BATTERY, "power_kw": 5}),
        r"sites\[0\].devices\[1\].power_kw: unknown key; did you mean 'power_w",
    ),
    (
        "kW written as W",
        scenario({**BATTERY, "power_w_charge_max": 5}),
        r"sites\[0\].devices\[1\].power_w_charge_max: .*greater than or equal to 50, not 5",
    ),
    (
        "number with its unit",
        scenario({**BATTERY, "energy_wh_capacity": "10 kWh"}),
        r"energy_wh_capacity: .*valid number, not 10 kWh",
    ),
    (
        "missing key",
        scenario({key: BATTERY[key] for key in BATTERY if key != "energy_wh_capacity"}),
        r"devices\[1\].energy_wh_capacity: is missing",
    ),
    (
        "one id twice",
        scenario(BATTERY, {**BATTERY, "address": "127.9.1.13"}),
        r"devices\[2\].id: two devices have the id 'battery-1'",
    ),
    (
        "one address twice",
        scenario({**BATTERY, "address": "127.9.1.11"}),
        r"devices\[1\].address: two devices have the address '127.9.1.11'",
    ),
    (
        "address outside of this machine",
        scenario({**BATTERY, "address": "192.168.0.7"}),
        r"devices\[1\].address: 192.168.0.7 is not in 127.0.0.0/8",
    ),
    (
        "no meter",
        {"sites": [{"site_id": "s1", "group": "239.192.9.1", "devices": [BATTERY]}]},
        r"sites\[0\].devices: a site has exactly one meter, this one has 0",
    ),
    (
        "object of another class",
        scenario({**BATTERY, "eoj": "027901"}),
        r"devices\[1\].eoj: a battery is of class 027D",
    ),
    (
        "fault of nobody",
        scenario(BATTERY, faults=[{"at_s": 1, "device": "s1/pv-9", "fault": "silent"}]),
        r"faults\[0\].device: no device 's1/pv-9'",
    ),
    (
        "fault nobody knows",
        scenario(BATTERY, faults=[{"at_s": 1, "device": "s1/battery-1", "fault": "tired"}]),
        r"faults\[0\].fault: .*'silent'.*not tired",
    ),
    ("time without zone", scenario(BATTERY, start="2026-07-22T01:00:00"), r"start: use UTC"),
    ("group that is none", {"sites": [{"site_id": "s1", "group": "10.0.0.1"}]}, r"group: 10.0.0"),
    (
        "ramp slower than the taper",
        scenario({**BATTERY, "energy_wh_capacity": 1000, "ramp_w_per_s": 10}),
        r"ramp_w_per_s is too slow",
    ),
]


@pytest.mark.parametrize(("name", "wrong", "line"), WRONG, ids=[entry[0] for entry in WRONG])
def test_what_is_wrong_is_said_in_one_line(name: str, wrong: dict[str, Any], line: str) -> None:
    """A slip in a scenario could run as something else, or end in a traceback."""
    with pytest.raises(ConfigError, match=line) as caught:
        parse_scenario(json.dumps(wrong), origin="plant.json")
    text = str(caught.value)
    assert text.startswith("plant.json: ")
    assert "\n" not in text


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sites":[]}', '{"sites":[{"site_id":"X y"}]}'])
def test_what_is_no_scenario_is_refused(text: str) -> None:
    """A file that is something else could crash the simulator with a traceback."""
    with pytest.raises(ConfigError, match=r"^plant\.json: ") as caught:
        parse_scenario(text, origin="plant.json")
    assert "\n" not in str(caught.value)


def test_missing_file_names_itself(tmp_path: Path) -> None:
    """A wrong path could be reported as an empty scenario."""
    with pytest.raises(ConfigError, match=r"none\.json: cannot be read"):
        load_scenario(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"bytes\.json: cannot be read: it is not UTF-8"):
        load_scenario(tmp_path / "bytes.json")


def test_generated_scenario_is_valid_repeatable_and_mixed() -> None:
    """The demo could start with a scenario its own simulator refuses, or never the same one."""
    made = make_scenario(40, 7)
    assert made == make_scenario(40, 7)
    assert made != make_scenario(40, 8)
    parsed = parse_scenario(json.dumps(made), origin="made")
    kinds = [{device.kind for device in site.devices} for site in parsed.sites]
    assert all({"meter", "battery"} <= own for own in kinds)
    for kind, least in (("pv", 24), ("ev-v2h", 4), ("ev-charger", 4), ("fuel-cell", 3)):
        assert sum(kind in own for own in kinds) >= least, kind
    assert parsed.sites[6].gateway == "127.1.7.1"
    assert parsed.sites[6].group == "239.192.7.1"
    build_sites(parsed, now_s=1_800_000_000.0)


def test_many_sites_have_addresses_of_their_own() -> None:
    """A large demo could put two sites at one address."""
    parsed = parse_scenario(json.dumps(make_scenario(600, 1)), origin="made")
    assert parsed.sites[250].gateway == "127.2.1.1"
    assert len({site.group for site in parsed.sites}) == 600


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no measured data at {DATA}")
def test_measured_data_drives_the_sites() -> None:
    """A demo with --data could show modelled loads and call them measured."""
    made = make_scenario(6, 3, data=DATA)
    parsed = parse_scenario(json.dumps(made), origin="made")
    loads = [site.load for site in parsed.sites]
    assert all(load.kind == "measured" for load in loads)
    sources = {load.source for load in loads if load.kind == "measured"}
    assert len(sources) == 6
    assert any("uci_household" in source for source in sources)
    for site in parsed.sites:
        for device in site.devices:
            if device.kind == "pv":
                course = device.course
                assert course.kind == "measured"
                assert course.source.startswith("pv/")
                assert max(course.power_w) <= 1.2 * device.power_w_rated
                assert course.times_s[0] <= 0.0
                assert course.times_s[-1] >= 4 * 3600.0


def _library(folder: Path, *, home: str = "", pv_values: str = "") -> Path:
    """Write a small data directory; ``home`` and ``pv_values`` replace a value of the middle."""
    (folder / "household").mkdir()
    (folder / "pv").mkdir()

    def write(name: str, lines: list[str]) -> None:
        with gzip.open(folder / name, "wt", encoding="utf-8") as stream:
            stream.write("\n".join(lines) + "\n")

    homes = [f"44,{slot},{home if slot == 48 else 0.25}" for slot in range(96)]
    write(
        "household/ch_heatpump_households_15min_w44_w48.csv.gz",
        ["iso_week,slot_15min,kwh_1", *homes],
    )
    minutes = [f"2006-12-16T{m // 60:02d}:{m % 60:02d}:00+01:00,0.5" for m in range(1440)]
    write("household/uci_household_fr_1min_a.csv.gz", ["time_local,active_power_kw", *minutes])
    sun = [
        f"2022-03-18T{m // 60:02d}:{m % 60:02d}:00-07:00,"
        f"{pv_values if pv_values and m == 720 else 1000 + m % 7 * 100}"
        for m in range(360, 1080)
    ]
    write("pv/nrel_serf_east_1min_part1.csv.gz", ["time_local,ac_power_w", *sun])
    write(
        "pv/us_rooftop_7kw_5min_part1.csv.gz",
        ["time_utc,ac_power_kw", "2016-03-05T19:45:00Z,1.0", "2016-03-05T19:50:00Z,1.1"],
    )
    return folder


def test_energy_per_interval_becomes_power_between_middles(tmp_path: Path) -> None:
    """KWh of a quarter of an hour could be taken for kW, four times too small."""
    home = read_library(_library(tmp_path, home="0.5")).homes[0]
    course = cut_course(home, begin_s=43_000.0, length_s=3000.0)
    assert course is not None
    assert course.power_w == (1000.0, 2000.0, 1000.0, 1000.0, 1000.0)
    assert course.times_s[1] == 43_200.0 + 450.0 - 43_000.0


def test_no_course_is_laid_across_a_gap(tmp_path: Path) -> None:
    """A missing measurement could be invented by a straight line."""
    home = read_library(_library(tmp_path, home="")).homes[0]
    assert cut_course(home, begin_s=43_000.0, length_s=600.0) is None
    assert home.power_w[47] is None
    assert home.power_w[49] is None
    assert home.power_w[46] == 1000.0
    assert cut_course(home, begin_s=30_000.0, length_s=3_600.0) is not None
    assert cut_course(home, begin_s=80_000.0, length_s=9_000.0) is None


def test_data_that_is_not_there_or_broken_is_named(tmp_path: Path) -> None:
    """A wrong --data could silently fall back to modelled loads."""
    with pytest.raises(ConfigError, match=r"nowhere: --data: no such directory"):
        make_scenario(1, 1, data=tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ConfigError, match=r"ch_heatpump.*no such file"):
        make_scenario(1, 1, data=empty)
    texts = tmp_path / "texts"
    texts.mkdir()
    with pytest.raises(ConfigError, match=r"ch_heatpump.*line 50: 'abc' is no number"):
        read_library(_library(texts, home="abc"))
    broken = tmp_path / "broken"
    broken.mkdir()
    _library(broken)
    (broken / "pv" / "nrel_serf_east_1min_part1.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(ConfigError, match=r"nrel_serf.*cannot be read"):
        read_library(broken)
