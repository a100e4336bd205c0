"""npm ocpp-rpc, strict: a charge point for our driver, a central system for our charger.

Loopback 127.5.2.x, port 8887.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_agent.drivers.ocpp.transaction_book import FILE
from tests.unit.edge_agent.drivers.ocpp.site import PORT, Served, charging, served, site

pytestmark = [pytest.mark.peer("ocpp-rpc")]

CHARGER_JS = Path(__file__).parent / "charger.js"
CSMS_JS = Path(__file__).parent / "csms.js"


@dataclass(frozen=True)
class Case:
    """A version, the template that fits the charge point, and powers it can be limited to."""

    version: str
    template_id: str
    address: str
    first_w: float
    second_w: float


CASES = [
    Case("1.6", "ocpp-16-ac-6kw", "127.5.2", -2500.0, -3000.0),
    Case("2.0.1", "ocpp-201-ac-22kw", "127.5.2", -4830.0, -4140.0),
]
every_version = pytest.mark.parametrize("case", CASES, ids=lambda case: case.version)


class Peer:
    """The charge point's process and what it said."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self._child = child
        self.records: list[dict[str, object]] = []

    async def listen(self) -> None:
        assert self._child.stdout is not None
        async for line in self._child.stdout:
            self.records.append(json.loads(line))

    def go_on(self) -> None:
        """Let it cut the connection and come back."""
        assert self._child.stdin is not None
        self._child.stdin.write(b"\n")

    async def until(self, event: str) -> None:
        """Wait until it has said something."""
        for _ in range(100):
            if self.told(event):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"no {event!r}: {self.records}")

    def told(self, event: str) -> list[dict[str, object]]:
        return [record for record in self.records if record["event"] == event]


@dataclass(frozen=True)
class Run:
    """What the charge point said, and what we found."""

    peer: Peer
    found: dict[str, object]
    folder: Path


@pytest.fixture
def run(peer: Callable[[str], str], tmp_path: Path) -> Callable[[Case, int], Run]:
    """Let the charge point call us; read it, limit it, give it back, let it reconnect."""
    package, node = peer("ocpp-rpc"), peer("node")

    def begin(case: Case, number: int) -> Run:
        address = f"{case.address}.{10 * number + CASES.index(case)}"
        command = [node, str(CHARGER_JS), package, f"ws://{address}:{PORT}/ocpp", "cp-1"]
        return asyncio.run(_drive([*command, case.version], case, tmp_path, address=address))

    return begin


async def _drive(command: list[str], case: Case, folder: Path, *, address: str) -> Run:
    found: dict[str, object] = {}
    async with served(site(folder, case.template_id, address)) as us:
        child = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        peer = Peer(child)
        listening = asyncio.create_task(peer.listen())
        try:
            await _converse(us, peer, case, found=found)
        finally:
            child.kill()
            await child.wait()
            await asyncio.gather(listening, return_exceptions=True)
    return Run(peer, found, folder)


async def _converse(us: Served, peer: Peer, case: Case, *, found: dict[str, object]) -> None:
    assert await us.until(lambda: us.value("power_w") == -6000.0), peer.records
    found["known"] = (await us.family.discover())[0].about
    outcome = await us.write(case.first_w)
    found["limit"] = (outcome.state.value, outcome.read_back_w)
    found["limited"] = await us.until(lambda: us.value("power_w") == case.first_w)
    outcome = await us.release()
    found["release"] = outcome.state.value
    found["back"] = await us.until(lambda: us.value("power_w") == -6000.0)
    outcome = await us.write(case.second_w, lease_s=4.0)
    found["second"] = outcome.state.value
    found["limited again"] = await us.until(lambda: us.value("power_w") == case.second_w)
    peer.go_on()
    found["again"] = await us.until(lambda: bool(peer.told("again")))


@every_version
def test_independent_charger_is_read_limited_and_given_back(
    case: Case, run: Callable[[Case, int], Run]
) -> None:
    """If it fails, our central system works only with our own simulated chargers."""
    done = run(case, 1)
    told, found = done.peer, done.found
    assert not told.told("failed"), "a message of ours breaks the schema, or was refused"
    assert not told.told("unknown"), "we ask for what was not offered"
    assert told.told("booted")[0]["status"] == "Accepted"
    assert found["known"] == "Independent ocpp-rpc"
    assert found["limit"] == ("done", case.first_w)
    assert found["release"] == found["second"] == "done"
    assert found["limited"]
    assert found["back"]
    assert found["limited again"]
    assert told.told("setting"), "it is told what to measure, and how often"
    assert told.told("composite"), "a limit counts only when it was read back"
    assert told.told("cleared")


@every_version
def test_every_profile_ends_by_itself(case: Case, run: Callable[[Case, int], Run]) -> None:
    """If it fails, a charger keeps our limit for ever when the gateway dies."""
    profiles = run(case, 2).peer.told("profile")
    assert profiles
    for record in profiles:
        params = record["params"]
        assert isinstance(params, dict)
        content = params.get("csChargingProfiles") or params["chargingProfile"]
        schedule = content["chargingSchedule"]
        schedule = schedule if isinstance(schedule, dict) else schedule[0]
        assert 0 < schedule["duration"] < 120
        assert schedule["startSchedule"].endswith("Z")
        assert schedule["chargingSchedulePeriod"][0]["startPeriod"] == 0


@every_version
def test_a_reconnect_loses_and_doubles_no_transaction(
    case: Case, run: Callable[[Case, int], Run]
) -> None:
    """If it fails, a charge is billed twice, or its end is lost with the connection."""
    done = run(case, 3)
    told = done.peer
    assert done.found["again"], told.records
    assert told.told("again")[0]["transactionId"] == told.told("started")[0]["transactionId"]
    book = sqlite3.connect(done.folder / FILE)
    rows = book.execute("SELECT phase, id_token, connector FROM transactions").fetchall()
    book.close()
    assert rows == [("ended", "CAR", 1)]


@every_version
def test_our_simulated_charger_keeps_to_the_schemas(case: Case, peer: Callable[[str], str]) -> None:
    """If it fails, our driver is tested against chargers that no other system understands."""
    address = f"{case.address}.{40 + CASES.index(case)}"
    command = [peer("node"), str(CSMS_JS), peer("ocpp-rpc"), address, str(PORT), case.version]
    told = asyncio.run(_be_asked(command, case, address))
    assert not told.told("broken"), told.told("broken")
    assert told.told("connected")[0]["identity"] == "cp-1"
    methods = [str(record["method"]) for record in told.told("call")]
    assert methods[0] == "BootNotification"
    started = "StartTransaction" if case.version == "1.6" else "TransactionEvent"
    assert {"StatusNotification", "MeterValues", "Heartbeat", started} <= set(methods)
    results = [record["result"] for record in told.told("answer")]
    assert len(results) == 8
    statuses = [result.get("status") for result in results[2:] if isinstance(result, dict)]
    assert statuses == ["Accepted"] * 5 + ["Unknown"]
    assert "2500" in str(results[5]) or "'limit': 7" in str(results[5])


async def _be_asked(command: list[str], case: Case, address: str) -> Peer:
    """Let our simulated charger call the independent central system."""
    child = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    peer = Peer(child)
    listening = asyncio.create_task(peer.listen())
    try:
        async with charging(case.template_id, address), asyncio.timeout(15.0):
            await peer.until("asked")
            await asyncio.sleep(1.5)  # a heartbeat, and values at the pause it was set to
    finally:
        child.kill()
        await child.wait()
        await asyncio.gather(listening, return_exceptions=True)
    return peer
