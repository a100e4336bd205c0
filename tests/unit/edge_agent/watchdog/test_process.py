"""The watchdog as a process: it outlives a killed agent and gives the devices back."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.drivers.lease_book import LeasedDevice
from edge_agent.watchdog.heartbeat import Heartbeat
from edge_agent.watchdog.lock import running_pid
from edge_agent.watchdog.loop import REPORT_FILE
from edge_agent.watchdog.process import start_watchdog
from edge_agent.watchdog.recipe import ReleaseRecipe
from protocols.echonet_lite.frame import Esv, Frame, Property, decode_frame, encode_frame
from protocols.vocabulary.identifiers import ResourceId

GATEWAY, DEVICE = "127.8.8.1", "127.8.8.11"
LEASED = LeasedDevice(
    resource_id=ResourceId("site-1/battery-1"),
    wire="echonet-lite",
    address=DEVICE,
    port=0,
    frames=(bytes.fromhex("1081000005ff01027d016101da0146"),),
    check_frame=bytes.fromhex("1081000005ff01027d016201da00"),
    expected=b"\xda\x01\x46",
    restores="mode auto (DA=46)",
    valid_until=datetime.now(UTC) + timedelta(seconds=60),
)

AGENT = """
import sys, time
from pathlib import Path
from edge_agent.watchdog.heartbeat import Heartbeat
heartbeat = Heartbeat(Path(sys.argv[1]))
print("beating", flush=True)
for _ in range(600):
    heartbeat.beat()
    time.sleep(0.05)
"""


class Battery:
    """A device on a real socket that answers to the gateway's port, as most stacks do."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((DEVICE, 0))
        self._socket.settimeout(0.05)
        self.port = self._socket.getsockname()[1]
        self.mode = b"\x42"
        self.refuses = False
        self.silent = False
        self.answer_to: int | None = None
        self.sets = 0
        self.sources: list[tuple[str, int]] = []
        self._ended = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended = True
        self._thread.join(2.0)
        self._socket.close()

    def _serve(self) -> None:
        while not self._ended:
            with contextlib.suppress(TimeoutError):
                data, source = self._socket.recvfrom(2048)
                self.sources.append(source)
                if not self.silent:
                    address = (source[0], self.answer_to or source[1])
                    self._socket.sendto(encode_frame(self._answer(decode_frame(data))), address)

    def _answer(self, frame: Frame) -> Frame:
        if frame.esv is Esv.GET:
            told = (Property(0xDA, self.mode),)
            return Frame(frame.tid, frame.deoj, frame.seoj, Esv.GET_RES, told)
        self.sets += 1
        if self.refuses:
            return Frame(frame.tid, frame.deoj, frame.seoj, Esv.SET_C_SNA, frame.properties)
        self.mode = frame.properties[0].edt
        return Frame(frame.tid, frame.deoj, frame.seoj, Esv.SET_RES, (Property(0xDA),))


@pytest.fixture
def battery() -> Iterator[Battery]:
    device = Battery()
    yield device
    device.close()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((GATEWAY, 0))
        return probe.getsockname()[1]


def wait_for(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def lease(folder: Path, battery: Battery, port: int) -> ReleaseRecipe:
    book = ReleaseRecipe(folder, gateway_address=GATEWAY, gateway_port=port)
    book.hold(replace(LEASED, port=battery.port))
    return book


def report(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / REPORT_FILE).read_text())
    return found


@contextlib.contextmanager
def ended(folder: Path) -> Iterator[None]:
    """End the watchdog of a folder whatever happens."""
    try:
        yield
    finally:
        pid = running_pid(folder)
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: running_pid(folder) is None)


def test_killed_agent_has_its_device_released(tmp_path: Path, battery: Battery) -> None:
    """The battery of a crashed gateway process would go on at its last setpoint."""
    port = free_port()
    lease(tmp_path, battery, port)
    agent = subprocess.Popen(
        [sys.executable, "-c", AGENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert agent.stdout is not None
    assert agent.stdout.readline() == "beating\n"
    with ended(tmp_path):
        watchdog = start_watchdog(tmp_path, timeout_s=1.0)
        wait_for(lambda: watchdog.pid is not None)
        time.sleep(1.5)
        assert battery.sets == 0, "the agent lives"
        agent.kill()
        agent.wait(5.0)
        wait_for((tmp_path / REPORT_FILE).exists)
        assert battery.mode == b"\x46"
        found = report(tmp_path)
        assert found["sent_from"] == "gateway port"
        assert battery.sources[0] == (GATEWAY, port)
        assert [entry["state"] for entry in found["devices"]] == ["released"]
        time.sleep(2.0)
        assert battery.sets == 1, "once per silence"
    agent.stdout.close()


def test_stuck_agent_that_keeps_the_port_has_its_device_released(
    tmp_path: Path, battery: Battery
) -> None:
    """An agent that hangs would keep the battery forced just because it holds the socket."""
    port = free_port()
    lease(tmp_path, battery, port)
    Heartbeat(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stuck, ended(tmp_path):
        stuck.bind((GATEWAY, port))
        start_watchdog(tmp_path, timeout_s=0.5)
        wait_for((tmp_path / REPORT_FILE).exists)
        assert battery.mode == b"\x46"
        found = report(tmp_path)
        assert found["sent_from"] == "ephemeral port"
        assert [entry["state"] for entry in found["devices"]] == ["released"]


def test_agent_that_comes_back_gets_its_devices_and_its_port_back(
    tmp_path: Path, battery: Battery
) -> None:
    """The restarted agent could not bind its port, or be undone by its own watchdog."""
    port = free_port()
    lease(tmp_path, battery, port)
    heartbeat = Heartbeat(tmp_path)
    battery.silent = True
    with ended(tmp_path):
        start_watchdog(tmp_path, timeout_s=0.5)
        wait_for(lambda: battery.sources)
        heartbeat.beat()
        wait_for((tmp_path / REPORT_FILE).exists, 3.0)
        found = report(tmp_path)
        assert [entry["state"] for entry in found["devices"]] == ["handed-back"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
            bound.bind((GATEWAY, port))


def test_refusal_is_reported_and_not_hammered(tmp_path: Path, battery: Battery) -> None:
    """A device that refuses would get thousands of frames, or be called released."""
    lease(tmp_path, battery, free_port())
    heartbeat = Heartbeat(tmp_path)
    battery.refuses = True
    with ended(tmp_path):
        start_watchdog(tmp_path, timeout_s=0.5)
        wait_for(lambda: battery.sets >= 3)
        heartbeat.beat()
        wait_for((tmp_path / REPORT_FILE).exists, 3.0)
        assert battery.sets <= 5
        assert battery.mode == b"\x42"


def test_clean_stop_ends_it_and_releases_what_is_still_held(
    tmp_path: Path, battery: Battery
) -> None:
    """A stop whose release failed would leave the battery forced and nobody watching."""
    lease(tmp_path, battery, free_port())
    heartbeat = Heartbeat(tmp_path)
    with ended(tmp_path):
        start_watchdog(tmp_path, timeout_s=30.0)
        wait_for(lambda: running_pid(tmp_path) is not None)
        heartbeat.stop()
        wait_for(lambda: running_pid(tmp_path) is None)
        assert battery.mode == b"\x46"
        assert report(tmp_path)["cause"] == "clean stop"


def test_second_start_adopts_the_first_and_a_killed_one_is_replaced(tmp_path: Path) -> None:
    """Two watchdogs would fight, or none be left after one was killed."""
    Heartbeat(tmp_path)
    with ended(tmp_path):
        first = start_watchdog(tmp_path, timeout_s=30.0)
        wait_for(lambda: first.pid is not None)
        pid = first.pid
        second = start_watchdog(tmp_path, timeout_s=30.0)
        assert second.ensure() is False
        assert second.pid == pid
        assert pid is not None
        assert os.getsid(pid) != os.getsid(0)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: first.ensure() or first.pid not in {None, pid})
        wait_for(lambda: first.pid not in {None, pid})


def test_watchdog_is_small_and_does_without_numpy(tmp_path: Path) -> None:
    """On a small gateway the safety net would cost as much as the agent."""
    Heartbeat(tmp_path)
    with ended(tmp_path):
        watchdog = start_watchdog(tmp_path, timeout_s=30.0)
        wait_for(lambda: watchdog.pid is not None)
        time.sleep(0.5)
        status = Path(f"/proc/{watchdog.pid}/status").read_text()
        resident_kb = int(status.split("VmRSS:")[1].split()[0])
        assert resident_kb < 20 * 1024
        maps = Path(f"/proc/{watchdog.pid}/maps").read_text()
        assert "numpy" not in maps
        assert "_asyncio" not in maps


def test_wrong_folder_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    """An operator would see a traceback instead of the wrong path."""
    command = [sys.executable, "-m", "edge_agent.watchdog", "--state", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert done.stderr == f"watchdog: --state: {tmp_path / 'none'} is not a folder\n"
