"""An independent controller (pychonet) reads and drives our simulated battery.

pychonet is told its own address, so both sides live on loopback addresses and nobody needs a
namespace. Its answers are checked against the simulator's truth, which is not on the wire:
pychonet calls a refused Set a success.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.conformance.peers.conftest import Process

pytestmark = pytest.mark.peer("pychonet")

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
NETWORK = f"127.6.{WORKER}"  # pychonet knows one port only, so workers differ by address
CONTROLLER, METER, BATTERY = f"{NETWORK}.1", f"{NETWORK}.10", f"{NETWORK}.11"
SCENARIO = {
    "seed": 1,
    "start": "2026-07-22T01:00:00Z",
    "sites": [
        {
            "site_id": "site-1",
            "group": f"239.192.66.{WORKER}",
            "gateway": CONTROLLER,
            "devices": [
                {"id": "meter", "kind": "meter", "address": METER},
                {
                    "id": "battery-1",
                    "kind": "battery",
                    "address": BATTERY,
                    "energy_wh_capacity": 10_000.0,
                    "power_w_charge_max": 4_000.0,
                    "power_w_discharge_max": 4_000.0,
                    "soc_start": 0.5,
                },
            ],
        }
    ],
}


@pytest.fixture
def truth(
    tmp_path: Path, peer: Callable[[str], str], processes: Callable[[list[str]], Process]
) -> Path:
    """Start the simulator; return where it writes what really is."""
    peer("pychonet")
    scenario, log = tmp_path / "scenario.json", tmp_path / "truth.jsonl"
    scenario.write_text(json.dumps(SCENARIO))
    vpp = str(Path(sys.executable).with_name("vpp"))
    simulator = processes([vpp, "sim", "--scenario", str(scenario), "--truth", str(log)])
    simulator.wait_for("sim.ready")
    end = time.monotonic() + 5.0
    while not log.read_text().endswith("\n"):
        assert time.monotonic() < end, "the simulator writes no truth"
        time.sleep(0.05)
    return log


def true_power_w(truth: Path) -> float:
    """Power of the battery as it really is, W, + toward the grid."""
    lines = truth.read_text().splitlines()
    assert lines, "the simulator has written nothing yet"
    return float(json.loads(lines[-1])["powers_w"]["battery-1"])


@asynccontextmanager
async def controller() -> AsyncIterator[object]:
    from pychonet import ECHONETAPIClient
    from pychonet.lib.udpserver import UDPServer

    server = UDPServer(local_ip=CONTROLLER)
    server.run(CONTROLLER, 3610, loop=asyncio.get_running_loop())
    try:
        yield ECHONETAPIClient(server)
    finally:
        server.close()


async def battery_of(client: object) -> object:
    from pychonet import StorageBattery

    assert await client.discover(BATTERY)
    async with asyncio.timeout(5.0):
        while not client._state[BATTERY].get("discovered"):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.05)
    assert list(client._state[BATTERY]["instances"]) == [0x02]
    assert await client.getAllPropertyMaps(BATTERY, 0x02, 0x7D, 0x01)
    return StorageBattery(BATTERY, client)


async def settles(truth: Path, power_w: float) -> None:
    """Wait until the battery really does it."""
    end = time.monotonic() + 8.0
    while abs(true_power_w(truth) - power_w) > 60.0:
        assert time.monotonic() < end, f"it is at {true_power_w(truth)} W"
        await asyncio.sleep(0.2)


def test_an_independent_controller_reads_the_battery(truth: Path) -> None:
    """Our simulator and our driver would agree with each other and with nobody else."""

    async def test() -> None:
        async with controller() as client:
            battery = await battery_of(client)
            maps = client._state[BATTERY]["instances"][0x02][0x7D][0x01]
            assert {0xD3, 0xDA, 0xCF, 0xE4, 0xEB, 0xEC} <= set(maps[0x9F])
            assert {0xDA, 0xEB, 0xEC} <= set(maps[0x9E])
            assert await battery.update(0xE4) == 50
            assert await battery.update(0xDA) == "auto"
            values = await battery.update([0xA0, 0xC8, 0xD3, 0xDA, 0xE4])
            assert values[0xE4] == 50
            assert "4000" in values[0xC8]
            await settles(truth, -await battery.update(0xD3))  # it counts charging as positive

    asyncio.run(test())


def test_an_independent_controller_drives_the_battery(truth: Path) -> None:
    """The simulated battery would obey frames that only our own driver sends."""

    async def test() -> None:
        async with controller() as client:
            battery = await battery_of(client)
            assert await battery.setMessage(0xC1, 0x03)
            assert await battery.setMessage(0xEB, 2_000, 4)
            assert await battery.setOperationMode(0x42)
            await settles(truth, -2_000.0)
            assert await battery.update(0xDA) == "charging"
            measured = await battery.update(0xD3)
            assert abs(measured - 2_000) < 60
            assert await battery.setMessage(0xC2, 0x03)
            assert await battery.setMessage(0xEC, 1_500, 4)
            assert await battery.setOperationMode(0x43)
            await settles(truth, 1_500.0)
            assert await battery.setOperationMode(0x44)
            await settles(truth, 0.0)

    asyncio.run(test())


def test_a_set_that_is_wrong_changes_nothing(truth: Path) -> None:
    """A number of the wrong size would be taken, and move the battery by something else."""

    async def test() -> None:
        async with controller() as client:
            battery = await battery_of(client)
            before = await battery.getMessage(0xEB)
            await battery.setMessage(0xEB, 200, 1)
            await battery.setMessage(0xDA, 0x7F)
            assert await battery.getMessage(0xEB) == before
            assert await battery.update(0xDA) == "auto"

    asyncio.run(test())
