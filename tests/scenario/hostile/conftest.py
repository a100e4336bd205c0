"""Real programs under bad input: simulators, agents, a broker and a coordinator as processes.

Everything a fixture starts is ended by it, whatever happens; every wait has an end. Addresses
are 127.91-93.x.y and the multicast groups 239.192.91-93.x, one pair per process and site.
"""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from cloud_coordinator.gateway.broker_config import find_binary
from edge_agent.watchdog.lock import running_pid
from firmware_sim.demo.site_file import SiteLink, site_toml
from tests.ports import free_port

ZONE = "tokyo"
PORT = 3610
START_S, STOP_S = 60.0, 20.0
_SITES = itertools.count(1)
_ENVIRONMENT = {
    **os.environ,
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "PYTHONUNBUFFERED": "1",
}


def script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def until(condition: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """Wait for something true and return it."""
    end = time.monotonic() + timeout_s
    while True:
        if found := condition():
            return found
        assert time.monotonic() < end, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.05)


@dataclass
class Ended:
    """How a program ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def line(self) -> str:
        """The one line on standard error."""
        assert self.code == 2, f"exit code {self.code}: {self.stderr}"
        assert self.stdout == ""
        lines = self.stderr.splitlines()
        assert len(lines) == 1, self.stderr
        return lines[0]


class Program:
    """A started program; its standard error is a file of JSON lines."""

    def __init__(self, command: list[str], folder: Path, name: str) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._out = folder / f"{name}.out"
        with self.log.open("ab") as err, self._out.open("wb") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=_ENVIRONMENT
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def ready(self) -> dict[str, Any]:
        """Wait for the line that says that it works."""

        def said() -> Any:
            assert self.running, f"{self.name} ended: {self.log.read_text()[-2000:]}"
            first, newline, _ = self._out.read_text().partition("\n")
            return json.loads(first) if newline else None

        return dict(until(said, START_S, f"{self.name} is ready"))

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """Events it logged, all or those of one name; what is no JSON is event ``""``."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"event": "", "text": line}
            if not name or entry["event"] == name:
                found.append(entry)
        return found

    def end(self) -> int:
        """Stop it, by force if it does not hear."""
        if self.running:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(2.0)


@dataclass
class Site:
    """One site: files, simulator and agent."""

    folder: Path
    site_id: str
    net: str
    group: str
    broker: str
    agent: Program | None = None
    simulator: Program | None = None
    programs: list[Program] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "site.toml"

    @property
    def journal(self) -> Path:
        return self.folder / "data" / f"{self.site_id}.journal.sqlite"

    @property
    def gateway(self) -> str:
        return f"{self.net}.1"

    def address(self, device: str) -> str:
        return f"{self.net}.{ {'meter': 11, 'battery-1': 12, 'pv-1': 13}[device] }"

    @property
    def scenario(self) -> dict[str, Any]:
        """A house of 600 W, a battery and a PV system of 3 kW in a steady sun."""
        flat = {"kind": "measured", "source": "flat", "times_s": [0, 1]}
        devices = [
            {"id": "meter", "kind": "meter", "address": self.address("meter")},
            {
                "id": "battery-1",
                "kind": "battery",
                "address": self.address("battery-1"),
                "energy_wh_capacity": 10_000,
                "power_w_charge_max": 3_000,
                "power_w_discharge_max": 3_000,
                "ramp_w_per_s": 30_000,
            },
            {
                "id": "pv-1",
                "kind": "pv",
                "address": self.address("pv-1"),
                "power_w_rated": 3_000,
                "course": {**flat, "power_w": [1500.0, 1500.0]},
            },
        ]
        return {
            "port": PORT,
            "sites": [
                {
                    "site_id": self.site_id,
                    "group": self.group,
                    "gateway": self.gateway,
                    "location": {"latitude": 35.7, "longitude": 139.8},
                    "load": {**flat, "power_w": [600.0, 600.0]},
                    "devices": devices,
                }
            ],
        }

    def write(self) -> None:
        """Write scenario and configuration."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "scenario.json").write_text(json.dumps(self.scenario))
        link = SiteLink(broker=self.broker, echonet_port=PORT)
        self.config.write_text(site_toml(self.scenario["sites"][0], link))

    def start(self, command: list[str], name: str) -> Program:
        program = Program(command, self.folder, name)
        self.programs.append(program)
        program.ready()
        return program

    def start_simulator(self) -> Program:
        options = ("scenario.json", "truth.jsonl", "sim.sock")
        names = ("--scenario", "--truth", "--control")
        flat = [
            part
            for name, file in zip(names, options, strict=True)
            for part in (name, str(self.folder / file))
        ]
        self.simulator = self.start([script("vpp"), "sim", "--json", *flat], "sim")
        return self.simulator

    def start_agent(self) -> Program:
        command = [script("edge-agent"), "run", "--config", str(self.config)]
        self.agent = self.start(command, "agent")
        return self.agent

    def end(self) -> None:
        """End everything, the watchdog too: a clean stop of the agent ends it."""
        for program in reversed(self.programs):
            program.end()
        until(lambda: self.watchdog_pid() is None, 15.0, "the watchdog has ended")

    def watchdog_pid(self) -> int | None:
        state_dir = self.folder / "data" / "watchdog"
        return running_pid(state_dir) if state_dir.is_dir() else None

    def technician(self, *words: str) -> Any:
        """Answer of a technician's command, in JSON."""
        done = subprocess.run(
            [script("edge-agent"), *words, "--config", str(self.config), "--json"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            env=_ENVIRONMENT,
        )
        assert done.returncode in {0, 1}, done.stderr
        return json.loads(done.stdout)


def make_site(folder: Path, broker: str = "mqtt://127.0.0.1:1") -> Site:
    """Site at addresses of its own; the broker is one that is not there unless named."""
    number = next(_SITES)
    high, low = 91 + os.getpid() % 3, (os.getpid() // 3 + 37 * number) % 250
    site = Site(
        folder=folder / f"site-{number}",
        site_id=f"site-{number:03d}",
        net=f"127.{high}.{low}",
        group=f"239.192.{high}.{low}",
        broker=broker,
    )
    site.write()
    return site


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a module's programs."""
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def make(folder: Path) -> Iterator[Callable[..., Site]]:
    """Make sites and end what runs in them."""
    with contextlib.ExitStack() as ending:

        def made(broker: str = "mqtt://127.0.0.1:1") -> Site:
            site = make_site(folder, broker)
            ending.callback(site.end)
            return site

        yield made


@dataclass(frozen=True)
class Broker:
    """A nats-server without rights: whoever reaches it may say anything."""

    native: str
    mqtt_port: int

    @property
    def mqtt(self) -> str:
        return f"mqtt://127.0.0.1:{self.mqtt_port}"

    async def say(self, messages: list[tuple[str, bytes]]) -> None:
        """Publish messages as a stranger, in order."""
        async with aiomqtt.Client("127.0.0.1", self.mqtt_port, timeout=5.0) as client:
            for topic, payload in messages:
                await client.publish(topic, payload, qos=0, timeout=5.0)


@pytest.fixture(scope="module")
def broker(folder: Path) -> Iterator[Broker]:
    """Run an open nats-server with MQTT."""
    native, mqtt = free_port(), free_port()
    configuration = folder / "nats.conf"
    configuration.write_text(
        f'host: "127.0.0.1"\nport: {native}\nserver_name: "open"\n'
        f'jetstream {{ store_dir: "{folder}/js" }}\n'
        f'mqtt {{ host: "127.0.0.1", port: {mqtt} }}\n'
    )
    with (folder / "nats.log").open("wb") as log:
        process = subprocess.Popen(
            [str(find_binary(None)), "-c", str(configuration)], stdout=log, stderr=log
        )
    try:
        until(lambda: _answers(mqtt) and _answers(native), 8.0, "the broker listens")
        yield Broker(native=f"nats://127.0.0.1:{native}", mqtt_port=mqtt)
    finally:
        process.terminate()
        process.wait(5.0)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Web:
    """A coordinator and its API."""

    program: Program
    address: str

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.address}{path}", timeout=5.0) as answer:
            return json.load(answer)

    def healthy(self) -> bool:
        """Whether /healthz answers 200."""
        try:
            return bool(self.get("/healthz")["status"] == "up")
        except urllib.error.HTTPError:
            return False


@pytest.fixture(scope="module")
def coordinator(folder: Path, broker: Broker) -> Iterator[Web]:
    """``vpp coordinator`` at the open broker."""
    command = [script("vpp"), "coordinator", "--data-dir", str(folder / "coordinator")]
    command += ["--http", "127.0.0.1:0", "--broker", broker.native]
    program = Program(command, folder, "coordinator")
    try:
        web = Web(program=program, address=program.ready()["http"].rstrip("/"))
        until(web.healthy, 8.0, "the coordinator has ticked")
        yield web
    finally:
        program.end()


@pytest.fixture(scope="module")
def run_program() -> Callable[..., Ended]:
    """Run a program to its end."""

    def run(name: str, *options: str, timeout_s: float = 20.0) -> Ended:
        done = subprocess.run(
            [script(name), *options],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env=_ENVIRONMENT,
        )
        return Ended(code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    return run


@pytest.fixture(scope="module")
def until_true() -> Callable[..., Any]:
    """Wait with an end."""
    return until
