"""Houses for devices that insist on port 3610: network namespaces, made and removed here.

Nothing in a namespace can reach anything outside it: the bridge between them is in a
namespace of its own and has no way out.
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent


class Process:
    """A child whose output is JSON lines."""

    def __init__(self, command: list[str]) -> None:
        self._child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._pump, daemon=True)
        self._reader.start()
        self.records: list[dict[str, object]] = []

    def _pump(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._lines.put(line)

    def wait_for(self, event: str, timeout_s: float = 20.0) -> dict[str, object]:
        """Next record of an event."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                self.end()
                assert self._child.stderr is not None
                raise AssertionError(f"no {event!r}: {self._child.stderr.read()}") from None
            record = json.loads(line)
            self.records.append(record)
            if record.get("event") == event:
                return record

    def finish(self) -> list[dict[str, object]]:
        """End the child and return all that it said."""
        self.end()
        self._reader.join(5.0)
        return self.drain()

    def drain(self) -> list[dict[str, object]]:
        """All records so far."""
        while not self._lines.empty():
            self.records.append(json.loads(self._lines.get()))
        return self.records

    def end(self) -> None:
        """End the child, by force if it must be."""
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(5.0)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait(5.0)


class Village:
    """A bridge, and a house per device, each a network namespace with one address."""

    def __init__(self, ip: str) -> None:
        self._ip = ip
        self._prefix = f"vpp{os.getpid()}"
        self._switch = f"{self._prefix}-sw"
        self._houses: dict[str, str] = {}
        self._processes: list[Process] = []
        self._made: list[str] = []

    def build(self) -> None:
        """Make the bridge, in a namespace of its own."""
        self._add(self._switch)
        self._run("-n", self._switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        self._run("-n", self._switch, "link", "set", "br0", "up")

    def raze(self) -> None:
        """End what runs in the houses and remove them all."""
        for process in self._processes:
            process.end()
        for name in reversed(self._made):
            subprocess.run([self._ip, "netns", "delete", name], timeout=10, check=False)

    def house(self, name: str) -> str:
        """Make a house; return its address."""
        space = f"{self._prefix}-{name}"
        self._add(space)
        number = len(self._houses) + 1
        self._houses[name] = space
        port, address = f"p{number}", f"10.99.61.{number}"
        link = ("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", space)
        self._run("-n", self._switch, *link)
        self._run("-n", self._switch, "link", "set", port, "master", "br0", "up")
        self._run("-n", space, "address", "add", f"{address}/24", "dev", "eth0")
        self._run("-n", space, "link", "set", "lo", "up")
        self._run("-n", space, "link", "set", "eth0", "up")
        self._run("-n", space, "route", "add", "224.0.0.0/4", "dev", "eth0")
        return address

    def start(self, name: str, command: list[str]) -> Process:
        """Start a program in a house."""
        process = Process([self._ip, "netns", "exec", self._houses[name], *command])
        self._processes.append(process)
        return process

    def _add(self, name: str) -> None:
        self._run("netns", "add", name)
        self._made.append(name)

    def _run(self, *arguments: str) -> None:
        subprocess.run([self._ip, *arguments], timeout=10, check=True, capture_output=True)


@pytest.fixture
def village(peer: Callable[[str], str]) -> Iterator[Village]:
    """Make a bridge with no houses yet."""
    made = Village(peer("namespaces"))
    try:
        made.build()
        yield made
    finally:
        made.raze()


@pytest.fixture
def battery_js(peer: Callable[[str], str]) -> Callable[[str], list[str]]:
    """Command of the independent battery of a kind."""
    package, node = peer("echonet-lite"), peer("node")
    return lambda kind: [node, str(HERE / "battery.js"), package, kind]


@pytest.fixture
def drive() -> Callable[[str, str], list[str]]:
    """Command of our driver at an address, with one battery at another."""
    return lambda gateway, device: [sys.executable, str(HERE / "drive.py"), gateway, device]


@pytest.fixture
def processes() -> Iterator[Callable[[list[str]], Process]]:
    """Start programs without a house; they are ended with the test."""
    started: list[Process] = []

    def start(command: list[str]) -> Process:
        started.append(Process(command))
        return started[-1]

    yield start
    for process in started:
        process.end()
