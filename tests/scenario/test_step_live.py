"""``edge-agent primary test --live`` against simulated devices of three protocols, as programs.

What really happened is taken from the simulator's own record. Loopback 127.56.x.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge_agent.watchdog.lock import running_pid

NET = "127.56"
CHARGER_W = 1300.0
"""A third of the charger's step of 4400 W: it needs more than the 4 s to go all the way."""
SITE = f"""
site_id = "site-step"
zone = "tokyo"
data_dir = "data"
[link]
brokers = ["mqtt://127.0.0.1:9"]
[limits]
contract_import_w = 40000
export_limit_w = 5000
[tariff]
import_jpy_per_kwh = 30.0
export_jpy_per_kwh = 8.0
[pv]
peak_w = 5000
[location]
latitude = 35.6
longitude = 139.7
[echonet]
address = "{NET}.1.1"
group = "239.192.56.1"
timeout_s = 0.5
[ocpp]
address = "{NET}.4.1"
port = 8887
[[devices]]
id = "meter"
template = "echonet-meter"
address = "{NET}.1.10"
[[devices]]
id = "battery-e"
template = "echonet-battery-amount"
address = "{NET}.1.11"
[[devices]]
id = "battery-s"
template = "sunspec-battery-704"
address = "{NET}.2.11:1502/1"
[[devices]]
id = "pv"
template = "echonet-pv-watt"
address = "{NET}.1.12"
[[devices]]
id = "charger"
template = "ocpp-201-ac-22kw"
identity = "charger"
"""
SCENARIO = {
    "seed": 1,
    "start": "2026-06-01T03:00:00Z",
    "port": 3610,
    "sources": ["devices are made from templates, the load is flat"],
    "faults": [],
    "sites": [
        {
            "site_id": "site-step",
            "group": "239.192.56.1",
            "gateway": f"{NET}.1.1",
            "load": {
                "kind": "measured",
                "source": "flat",
                "times_s": [0, 100000],
                "power_w": [1500, 1500],
            },
            "devices": [
                {"id": "meter", "template": "echonet-meter", "address": f"{NET}.1.10"},
                {"id": "battery-e", "template": "echonet-battery-amount", "address": f"{NET}.1.11"},
                {
                    "id": "battery-s",
                    "template": "sunspec-battery-704",
                    "address": f"{NET}.2.11",
                    "port": 1502,
                },
                {"id": "pv", "template": "echonet-pv-watt", "address": f"{NET}.1.12"},
                {
                    "id": "charger",
                    "template": "ocpp-201-ac-22kw",
                    "address": f"{NET}.4.1",
                    "port": 8887,
                },
            ],
        }
    ],
}


def _script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _until(happened: Callable[[], bool], timeout_s: float, what: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.1)


@dataclass
class _Site:
    """The site's files and what the simulator says of it."""

    folder: Path

    @property
    def named(self) -> list[str]:
        return ["--config", str(self.folder / "site.toml")]

    def command(self, *words: str) -> list[str]:
        return [_script("edge-agent"), "primary", "test", *words, *self.named]

    def live(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command("--live", "--yes", *words),
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    def begin(self, device: str, *words: str) -> "subprocess.Popen[str]":
        """Begin a test that lasts."""
        return subprocess.Popen(
            self.command("--live", "--yes", "--device", device, "--hold", "60", *words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def truth(self) -> list[dict[str, Any]]:
        lines = (self.folder / "truth.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    def power_w(self, device_id: str) -> float:
        power_w: float = self.truth()[-1]["powers_w"][device_id]
        return power_w

    def leased(self) -> list[Any]:
        path = self.folder / "data" / "watchdog" / "release.json"
        found: list[Any] = json.loads(path.read_text(encoding="utf-8"))["devices"]
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Site]:
    """Put the site's devices on the wire."""
    folder = tmp_path_factory.mktemp("live")
    (folder / "site.toml").write_text(SITE, encoding="utf-8")
    (folder / "scenario.json").write_text(json.dumps(SCENARIO), encoding="utf-8")
    names = ["--scenario", "scenario.json", "--truth", "truth.jsonl"]
    command = [_script("vpp"), "sim", *names]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as simulator:
        assert simulator.stdout is not None
        assert json.loads(simulator.stdout.readline())["event"] == "sim.ready"
        made = _Site(folder)
        _until(lambda: len(made.truth()) > 1, 10.0, "the simulator's record begins")
        yield made
        simulator.terminate()


def test_doctor_asks_devices_of_every_protocol(site: _Site) -> None:
    """If it fails, an installer leaves a charger behind that never called."""
    done = subprocess.run(
        [_script("edge-agent"), "doctor", "--devices", "--json", *site.named],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    checks = {one["name"]: one for one in json.loads(done.stdout)["checks"]}
    asked = {name: one["ok"] for name, one in checks.items() if name.startswith("device ")}
    names = ("meter", "battery-e", "battery-s", "pv", "charger")
    assert asked == {f"device {name}": True for name in names}, checks
    ports = f"UDP {NET}.1.1:3610, TCP {NET}.4.1:8887 free"
    assert checks["port"]["detail"] == ports
    assert done.returncode == 0


@pytest.mark.slow
def test_devices_of_three_protocols_are_moved_alone_and_given_back(site: _Site) -> None:
    """If it fails, commissioning on site says yes without a device having moved."""
    before = site.truth()[-1]["powers_w"]
    began = len(site.truth())
    done = site.live("--hold", "4", "--json")
    assert done.returncode == 1, done.stderr
    page = json.loads(done.stdout)
    runs = {run["device_id"]: run for run in page["live"]["devices"]}
    assert set(runs) == {"battery-e", "battery-s", "charger"}
    truth = [line["powers_w"] for line in site.truth()[began:]]
    for name, run in runs.items():
        assert run["stopped"] == "", run
        assert run["released"]["state"] == "DONE"
        for step in run["steps"]:
            nearest = min(abs(line[name] - step["power_w"]) for line in truth)
            assert nearest <= (CHARGER_W if name == "charger" else 50.0), (name, step)
    assert page["live"]["frequency_from"] == "battery-s"
    assert page["frequency_s"] == pytest.approx(0.1, abs=0.05)
    assert page["best"] is None, "four seconds prove no ten"
    assert site.leased() == []
    _until(lambda: abs(site.power_w("pv") - before["pv"]) < 200.0, 10.0, "the PV was left alone")
    again = subprocess.run(
        [*site.command("--json"), "--recording", page["live"]["recording"]],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert json.loads(again.stdout)["combinations"] == page["combinations"]


@pytest.mark.slow
def test_a_battery_that_follows_qualifies_and_is_kept(site: _Site) -> None:
    """If it fails, a technician cannot make the record that the market asks for."""
    done = site.live("--device", "battery-s", "--hold", "10.5", "--save", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    page = json.loads(done.stdout)
    assert page["best"]["names"] == ["battery-s"]
    assert page["best"]["available_w"] == pytest.approx(1000.0, rel=0.05)
    kept = json.loads((site.folder / "data" / "primary-members.json").read_text())
    assert kept["members"] == ["site-step/battery-s"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("device", "step_w", "number"),
    [
        ("battery-s", 2500.0, signal.SIGINT),
        ("battery-s", 2500.0, signal.SIGKILL),
        ("battery-e", 1500.0, signal.SIGKILL),
    ],
)
def test_a_test_that_is_stopped_leaves_no_device_under_its_order(
    site: _Site, *, device: str, step_w: float, number: signal.Signals
) -> None:
    """If it fails, Ctrl-C or a dead gateway program leaves a battery at a technician's power."""

    def stepped() -> bool:
        return abs(site.power_w(device) - step_w) < 5.0

    with site.begin(device, "--share", "0.5") as run:
        _until(stepped, 40.0, "a step")
        assert [one["resource_id"] for one in site.leased()] == [f"site-step/{device}"]
        refused = site.live()
        assert refused.returncode == 2
        assert f"process {run.pid} speaks with the devices" in refused.stderr
        run.send_signal(number)
        code = run.wait(20.0)
    assert code == (130 if number is signal.SIGINT else -number)
    _until(lambda: not stepped(), 25.0, "the device is let go, by the watchdog or its own timer")
    watchdog = running_pid(site.folder / "data" / "watchdog")
    if number is signal.SIGINT:
        assert site.leased() == []
        assert watchdog is None
        recordings = (site.folder / "data").glob("step-test-*.csv")
        assert "2500.0" in max(recordings).read_text(encoding="utf-8")
    else:
        assert watchdog is not None, "it waits for the agent's next life"
        os.kill(watchdog, signal.SIGTERM)
