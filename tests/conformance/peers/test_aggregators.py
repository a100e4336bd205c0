"""`vpp coordinator` dispatches aggregators that are not ours, each in its own protocol.

Two openleadr VENs, each behind a VTN of its own, and a battery behind py20305, all three in one
zone and in one process of ours. Loopback 127.71.7.x. After the restart nothing new is asked of
py20305: 0.16.1 may stop polling for good when a server was away for five polls (its rediscovery
cancels the task that it runs in).
"""

import json
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.peers.vtn_bed import HERE, Talker
from tests.pki import Pki
from tests.ports import free_port
from tests.scenario.hostile.conftest import Program, script, until

NET = "127.71.7"
AWARD = "award-1"
STEP_S = 3
TERMS = f'zone = "tokyo"\nresponse_s = 20\nstep_s = {STEP_S}\ndeadband_w = 20\n'
pytestmark = [pytest.mark.peer("openleadr"), pytest.mark.peer("py20305"), pytest.mark.timeout(240)]


class Bed:
    """A coordinator with three aggregators."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder = folder
        self._http, self._mqtt = free_port(), free_port()
        self._vtn_ports = (free_port(), free_port())
        self._server_port, self.notice_port = free_port(), free_port()
        self._pki = Pki(folder / "pki")
        self._battery = self._pki.device("battery")
        self.place = folder / "battery.json"
        self._files()
        self.coordinator = self.start()
        self._vens = [self._ven(python, number) for number in (0, 1)]
        settings = folder / "client.yaml"
        settings.write_text(json.dumps(self._client()))
        self._client_program = self._battery_program(python, settings)

    def _files(self) -> None:
        for number, (price, up_w) in enumerate(((20, 3000), (30, 1000))):
            (self.folder / f"vtn-{number}.toml").write_text(
                f'vtn_id = "Vtn{number}"\nlisten = "{NET}.{number + 1}:{self._vtn_ports[number]}"\n'
                f"poll_s = 1\nreading_s = 1\n"
                f'[[aggregator]]\nsite_id = "agg-{number}"\nven = "ven <{number}>"\n'
                f"up_w = {up_w}\nup_price_first = {price}\n{TERMS}"
            )
        holder = self._pki.server("localhost", f"{NET}.3")
        (self.folder / "server.toml").write_text(
            f'listen = "{NET}.3:{self._server_port}"\ncertificate = "{holder.certificate}"\n'
            f'key = "{holder.key}"\nca = "{self._pki.authorities}"\npoll_s = 10\npost_s = 2\n'
            f'[[aggregator]]\nsite_id = "battery"\nlfdi = "{self._battery.lfdi}"\n'
            f'frame = "generator"\nup_w = 2000\ndown_w = 2000\nup_price_first = 25\n{TERMS}'
        )

    def start(self) -> Program:
        """Start the coordinator, again if it ran before."""
        command = [script("vpp"), "coordinator", "--data-dir", str(self.folder / "coordinator")]
        command += ["--http", f"127.0.0.1:{self._http}", "--mqtt-port", str(self._mqtt)]
        command += ["--openadr-vtn", str(self.folder / "vtn-0.toml")]
        command += ["--openadr-vtn", str(self.folder / "vtn-1.toml")]
        command += ["--ieee2030-5", str(self.folder / "server.toml")]
        self.coordinator = Program(command, self.folder, "coordinator")
        self.coordinator.ready()
        return self.coordinator

    def restart(self) -> None:
        """Kill the coordinator and start it again."""
        self.coordinator.process.kill()
        self.coordinator.process.wait(5.0)
        self.start()

    def _ven(self, python: str, number: int) -> Talker:
        url = f"http://{NET}.{number + 1}:{self._vtn_ports[number]}/OpenADR2/Simple/2.0b"
        settings = {"ven_name": f"ven <{number}>", "url": url, "level_w": 5000.0 - 3000.0 * number}
        command = [python, str(HERE / "openleadr_ven.py"), json.dumps(settings)]
        return Talker(command, self.folder / f"ven-{number}.log")

    def _battery_program(self, python: str, settings: Path) -> Program:
        runner = (
            f"import os, sys; os.chdir({str(self.folder)!r}); sys.path.insert(0, {str(HERE)!r}); "
            f"sys.argv = ['py20305', '--config', {str(settings)!r}]; "
            "import runpy; runpy.run_module('py20305', run_name='__main__')"
        )
        return Program([python, "-c", runner], self.folder, "client")

    def _client(self) -> dict[str, Any]:
        return {
            "server": {"url": f"https://{NET}.3:{self._server_port}", "server_2018_compat": True},
            "tls": {
                "client_cert": str(self._battery.certificate),
                "client_key": str(self._battery.key),
                "ca_cert": str(self._pki.serca),
            },
            "connection": {"initial_delay_seconds": 1.0, "backoff_factor": 1.0},
            "register_on_start": False,
            "telemetry": {"post_rate_seconds": 2, "power_direction": "net"},
            "devices": [
                {
                    "type": "custom",
                    "lfdi": self._battery.lfdi,
                    "class_path": "py20305_battery.Battery",
                    "init_kwargs": {"place": str(self.place)},
                }
            ],
        }

    def ask(self, path: str, body: dict[str, object] | None = None) -> Any:
        """Read from the API, or write to it."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._http}/api/v1{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=5.0) as answer:
            return json.load(answer)

    def command(self, power_w: float) -> None:
        """Command the award, as its operator."""
        body = {"issued_at": datetime.now(UTC).isoformat(), "power_w": power_w}
        self.ask(f"/obligations/{AWARD}/commands", body)

    def battery_w(self) -> float:
        """Power that the battery has really taken up."""
        return float(json.loads(self.place.read_text())["power_w"])

    def asked_w(self, number: int, power_w: float) -> None:
        """Wait until a VEN is asked for a power, + consumption."""

        def fits(said: dict[str, Any]) -> bool:
            return abs(float(said["signals"][0]["values"][-1]) - power_w) < 60.0

        self._vens[number].wait_for("update", fits)

    def delivered_w(self) -> float:
        """Mean of the last five seconds of which all three have told their readings."""
        delivery = self.ask(f"/obligations/{AWARD}/delivery")
        rows = zip(delivery["delivered_w"], delivery["complete"], strict=True)
        whole = [power_w for power_w, is_whole in rows if is_whole][-5:]
        return sum(whole) / len(whole) if whole else 0.0

    def end(self) -> None:
        """End everything."""
        for ven in self._vens:
            ven.end()
        self._client_program.end()
        self.coordinator.end()


@pytest.fixture
def bed(tmp_path: Path, peer: Callable[[str], str]) -> Iterator[Bed]:
    made = Bed(tmp_path, peer("openleadr"))
    try:
        yield made
    finally:
        made.end()


def _award(start: datetime) -> dict[str, object]:
    return {
        "obligation_id": AWARD,
        "service": "secondary1",
        "zone": "tokyo",
        "start": start.isoformat(),
        "end": (start + timedelta(minutes=5)).isoformat(),
        "power_w": 5_000.0,
        "tolerance_w": 500.0,
        "price_jpy_per_kw_30min": "10.50",
    }


def test_an_award_is_delivered_by_aggregators_of_two_protocols(bed: Bed) -> None:
    """If it fails, an outside aggregator is not dispatched, or what it delivers is lost."""
    until(lambda: len(bed.ask("/sites")["items"]) == 3, 60.0, "all three are sites")
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=30)
    bed.ask("/obligations", _award(start))

    def accepted() -> bool:
        found = bed.ask(f"/obligations/{AWARD}")
        return [child["state"] for child in found["sites"]] == ["accepted"] * 3

    until(accepted, 60.0, "all three have said that they take part")
    until(lambda: bed.ask(f"/obligations/{AWARD}")["state"] == "active", 40.0, "it begins")

    bed.command(4000.0)
    bed.asked_w(0, 2000.0)
    until(lambda: abs(bed.battery_w() - 1000.0) < 60.0, 30.0, "the dear one makes up the rest")
    until(lambda: abs(bed.delivered_w() - 4000.0) < 200.0, 30.0, "their readings are delivery")

    bed.command(2000.0)
    bed.asked_w(0, 3000.0)
    until(lambda: abs(bed.battery_w()) < 60.0, 30.0, "the dear one is let go first")

    bed.restart()
    bed.command(1000.0)
    bed.asked_w(0, 4000.0)
    until(lambda: abs(bed.delivered_w() - 1000.0) < 200.0, 60.0, "also after the restart")
    accounts = bed.ask("/telemetry/accounting")["items"]
    assert all(one["rows"] == one["distinct"] for one in accounts)
