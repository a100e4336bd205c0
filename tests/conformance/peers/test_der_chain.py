"""The whole chain with a foreign program at each end: openleadr's VTN orders, py20305 applies.

openleadr VTN -> our VEN -> control -> our IEEE 2030.5 server -> py20305, and back as a report.
Loopback 127.71.5.x.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.peers.ieee2030_5_bed import wait_for
from tests.conformance.peers.ven_bed import ForeignVtn
from tests.pki import Pki
from tests.ports import free_port

NET = "127.71.5"
HERE = Path(__file__).parent
HOUSE_W = -1000.0
IMPORT_W = 3500.0
"""What the event asks for at the meter."""
CHARGE_W = -2500.0
"""What that is of the battery."""
NEAR_W = 60.0
pytestmark = [pytest.mark.peer("openleadr"), pytest.mark.peer("py20305"), pytest.mark.timeout(150)]


class Chain:
    """All programs of the chain.

    Parameters
    ----------
    folder : Path
        Where their files are.
    python : str
        Of the peers' environment.
    """

    def __init__(self, folder: Path, python: str) -> None:
        self._folder, self._python = folder, python
        self._pki = Pki(folder / "pki")
        self._battery = self._pki.device("battery")
        self.place = folder / "battery.json"
        self.sep_port, self.notice_port = free_port(), free_port()
        self.meter_port, self.vtn_port = free_port(), free_port()
        self._children: list[subprocess.Popen[bytes]] = []
        settings = {"host": f"{NET}.1", "port": self.vtn_port, "report_s": 2}
        self.vtn = ForeignVtn(python, settings)

    def start(self) -> None:
        """Start everything but the VTN, which runs."""
        self.vtn.wait_for("listening")
        meter = [str(HERE / "der_meter.py"), f"{NET}.3", str(self.meter_port), str(HOUSE_W)]
        self._run("meter", [sys.executable, *meter, str(self.place)])
        site = self._folder / "site.toml"
        site.write_text(self._site(), encoding="utf-8")
        agent = str(Path(sys.executable).with_name("edge-agent"))
        self._run("agent", [agent, "run", "--config", str(site), "--verbose"])
        client = self._folder / "client.yaml"
        client.write_text(json.dumps(self._client()), encoding="utf-8")  # YAML reads JSON
        self._run("client", [self._python, "-m", "py20305", "--config", str(client)])

    def _run(self, name: str, command: list[str]) -> None:
        root = HERE.parents[2]
        paths = os.pathsep.join([str(root), str(HERE)])
        with (self._folder / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(
                command,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": paths},
            )
        self._children.append(child)

    def end(self) -> None:
        """End everything, the youngest first."""
        for child in reversed(self._children):
            child.terminate()
        for child in reversed(self._children):
            try:
                child.wait(15.0)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.vtn.end()

    def log(self, name: str) -> str:
        """Read what a program has said."""
        return (self._folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def told(self) -> list[float]:
        """Powers that the battery was told, W toward the grid, in their order."""
        try:
            told = json.loads(self.place.read_text())["told"]
        except OSError:
            return []
        return [float(params["watts"]) for _, params in told if params.get("mode_enable")]

    def _client(self) -> dict[str, Any]:
        return {
            "server": {
                "url": f"https://{NET}.2:{self.sep_port}",
                "server_2018_compat": True,
            },
            "tls": {
                "client_cert": str(self._battery.certificate),
                "client_key": str(self._battery.key),
                "ca_cert": str(self._pki.serca),
            },
            "connection": {"initial_delay_seconds": 1.0, "backoff_factor": 1.0},
            "register_on_start": True,
            "telemetry": {"post_rate_seconds": 2, "power_direction": "net"},
            "subscription": {
                "enabled": True,
                "notification_host": "127.0.0.1",
                "notification_port": self.notice_port,
                "notification_external_host": "127.0.0.1",
            },
            "devices": [
                {
                    "type": "custom",
                    "lfdi": self._battery.lfdi,
                    "class_path": "py20305_battery.Battery",
                    "init_kwargs": {"place": str(self.place)},
                }
            ],
        }

    def _site(self) -> str:
        server = self._pki.server("localhost", f"{NET}.2")
        return f"""
site_id = "site-chain"
zone = "tokyo"
data_dir = "data"
[link]
brokers = ["mqtt://127.0.0.1:9"]
[limits]
contract_import_w = 10000
export_limit_w = 0
[tariff]
import_jpy_per_kwh = 30.0
export_jpy_per_kwh = 8.0
[location]
latitude = 35.6
longitude = 139.7
[ieee2030_5_server]
address = "{NET}.2"
port = {self.sep_port}
certificate = "{server.certificate}"
key = "{server.key}"
ca = "{self._pki.authorities}"
[openadr_ven]
url = "http://{NET}.1:{self.vtn_port}/OpenADR2/Simple/2.0b"
ven_name = "chain"
poll_s = 1.0
[[devices]]
id = "meter"
template = "sunspec-meter-203"
address = "{NET}.3:{self.meter_port}/1"
[[devices]]
id = "battery"
template = "ieee2030-5-battery"
identity = "{self._battery.lfdi}"
"""


@pytest.fixture
def chain(tmp_path: Path, peer: Callable[[str], str]) -> Iterator[Chain]:
    peer("openleadr")
    made = Chain(tmp_path, peer("py20305"))
    try:
        made.start()
        yield made
    finally:
        made.end()


def is_near(power_w: float, wanted_w: float) -> bool:
    return abs(power_w - wanted_w) <= NEAR_W


def test_an_order_of_the_grid_reaches_the_battery_and_comes_back_as_a_report(chain: Chain) -> None:
    """If it fails, what a system operator orders is not what the customer's battery does."""
    ven_id = chain.vtn.wait_for("registered")["ven_id"]
    wait_for(lambda: "device.found" in chain.log("agent"), what="the battery", timeout_s=30.0)
    chain.vtn.do(
        "add",
        ven_id=ven_id,
        event_id="charge",
        start=datetime.now(UTC).isoformat(),
        intervals=[[600, IMPORT_W]],
        signal_name="LOAD_DISPATCH",
        signal_type="setpoint",
    )
    chain.vtn.wait_for("responded", where=lambda seen: seen["opt_type"] == "optIn")
    wait_for(
        lambda: bool(chain.told()) and is_near(chain.told()[-1], CHARGE_W),
        what=f"{CHARGE_W:.0f} W at the battery, it was told {chain.told()}",
        timeout_s=45.0,
    )

    def reported(seen: dict[str, Any]) -> bool:
        return any(is_near(float(value), IMPORT_W) for _, value in seen["values"])

    chain.vtn.wait_for("values", where=reported)
