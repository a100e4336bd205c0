"""``edge-agent devices`` against simulated devices on real sockets, as a technician uses it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic_ns

import pytest

from edge_agent.technician.app import run_app

SITE = """
site_id = "site-007"
zone = "tokyo"
data_dir = "data"
[link]
brokers = ["mqtt://127.0.0.1:1"]
[limits]
contract_import_w = 10000
export_limit_w = 5000
[tariff]
import_jpy_per_kwh = 30.0
export_jpy_per_kwh = 8.0
[location]
latitude = 35.6
longitude = 139.7
[echonet]
address = "127.7.1.1"
group = "239.192.7.1"
timeout_s = 0.5
[[devices]]
id = "meter"
template = "echonet-meter"
address = "127.7.1.11"
[[devices]]
id = "battery-1"
template = "echonet-battery-amount"
address = "127.7.1.12"
"""
MISSING = """
[[devices]]
id = "battery-2"
template = "echonet-battery-amount"
address = "127.7.1.13"
"""
SCENARIO = {
    "sites": [
        {
            "site_id": "site-007",
            "group": "239.192.7.1",
            "devices": [
                {"id": "meter", "kind": "meter", "address": "127.7.1.11"},
                {
                    "id": "battery-1",
                    "kind": "battery",
                    "address": "127.7.1.12",
                    "energy_wh_capacity": 10000.0,
                    "power_w_charge_max": 3000.0,
                    "power_w_discharge_max": 3000.0,
                    "soc_start": 0.5,
                },
            ],
        }
    ]
}


class _Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        return monotonic_ns()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Put the site's file in a folder and its devices on the wire."""
    path = tmp_path_factory.mktemp("devices")
    (path / "site.toml").write_text(SITE, encoding="utf-8")
    (path / "two.toml").write_text(SITE + MISSING, encoding="utf-8")
    (path / "scenario.json").write_text(json.dumps(SCENARIO), encoding="utf-8")
    command = [
        str(Path(sys.executable).parent / "vpp"),
        "sim",
        "--scenario",
        str(path / "scenario.json"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:
        assert simulator.stdout is not None
        assert json.loads(simulator.stdout.readline())["event"] == "sim.ready"
        yield path
        simulator.terminate()


def run(folder: Path, *words: str, file: str = "site.toml") -> int:
    return run_app(_Clock(), ["devices", *words, "--config", str(folder / file)])


def test_discover_names_what_answers_and_what_does_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, an installer takes a dead device for a good one, or looks for a good one."""
    assert run(folder, "discover", "--json") == 0
    found = {one["device_id"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["battery-1"]["address"] == "127.7.1.12"
    assert found["battery-1"]["identity"].startswith("FE")
    assert run(folder, "discover", file="two.toml") == 1
    printed = capsys.readouterr().out
    line = next(line for line in printed.splitlines() if line.startswith("battery-2"))
    assert "does not answer" in line


def test_probe_tells_values_and_shows_frames(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, a technician on the roof cannot see what the device really says."""
    assert run(folder, "probe", "battery-1", "--json", "--frames") == 0
    told = capsys.readouterr()
    page = json.loads(told.out)
    values = {point: measurement["value"] for point, measurement in page["values"]}
    assert values["battery-1.soc"] == pytest.approx(0.5, abs=0.01)
    assert not any(point.startswith("meter.") for point in values)
    frames = told.err.splitlines()
    assert any(line.startswith("--> 127.7.1.12") and "10 81" in line for line in frames)
    assert any(line.startswith("<-- 127.7.1.12") and "10 81" in line for line in frames)


def test_test_moves_a_device_and_gives_it_back(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, commissioning says yes without the device, or leaves it under our order."""
    assert (
        run(folder, "test", "battery-1", "--power", "400", "--hold", "1.5", "--yes", "--json") == 0
    )
    page = json.loads(capsys.readouterr().out)
    assert page["written"]["state"] == page["released"]["state"] == "DONE"
    held = {point: measurement["value"] for point, measurement in page["held"]}
    assert held["battery-1.power_w"] == pytest.approx(400.0, abs=20.0)
    assert run(folder, "list", "--json") == 0
    lines = {line["device_id"]: line for line in json.loads(capsys.readouterr().out)}
    assert lines["battery-1"]["writes_today"] >= 2
    assert not json.loads((folder / "data" / "watchdog" / "release.json").read_text())["devices"]


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (
            ("probe", "batery-1"),
            "'batery-1' is not a device of site-007; there are meter, battery-1",
        ),
        (("test", "meter", "--yes"), "meter: can be read, not driven"),
    ],
)
def test_a_slip_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], *, words: tuple[str, ...], cause: str
) -> None:
    """If it fails, a technician reads a stack trace instead of what to do."""
    assert run(folder, *words) == 2
    assert capsys.readouterr().err.strip().splitlines()[-1] == f"edge-agent: {cause}"


def test_doctor_asks_every_device(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If it fails, a battery that is unplugged is found only when it is needed."""
    words = ["doctor", "--devices", "--json", "--config"]
    assert run_app(_Clock(), [*words, str(folder / "site.toml")]) == 0
    checks = {one["name"]: one for one in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["device battery-1"]["detail"].startswith("answers at 127.7.1.12, maker ")
    assert checks["port"]["detail"] == "UDP 127.7.1.1:3610 free"
    assert run_app(_Clock(), [*words, str(folder / "two.toml")]) == 1
    checks = {one["name"]: one for one in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["device battery-1"]["ok"]
    assert checks["device battery-2"]["detail"] == "no answer from 127.7.1.13 (echonet-lite)"


def test_templates_say_how_far_they_were_checked(capsys: pytest.CaptureFixture[str]) -> None:
    """If it fails, nobody can tell a verified product family from a guess."""
    assert run_app(_Clock(), ["devices", "templates", "--json"]) == 0
    lines = json.loads(capsys.readouterr().out)
    assert {line["proof"] for line in lines} <= {"verified", "simulated", "exempt"}
    assert run_app(_Clock(), ["devices", "templates", "--protocol", "echonet-lite"]) == 0
    assert "verified 実証済" in capsys.readouterr().out
    assert run_app(_Clock(), ["devices", "templates", "--protocol", "zigbee"]) == 2


def test_a_device_that_is_silent_is_not_well(folder: Path) -> None:
    """If it fails, a dead device counts as probed."""
    assert run(folder, "probe", "battery-2", file="two.toml") == 1
