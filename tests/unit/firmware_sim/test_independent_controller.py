"""pychonet, a controller that is not ours, reads and drives the simulated battery."""

import asyncio
import json
import os

import pytest

from firmware_sim.main import SystemClock
from firmware_sim.scenario.build import build_sites
from firmware_sim.scenario.load import parse_scenario
from firmware_sim.server import SimulationServer
from protocols.echonet_lite.frame import PORT

pychonet = pytest.importorskip("pychonet", reason="pychonet (PyPI) is not installed")
udpserver = pytest.importorskip("pychonet.lib.udpserver", reason="pychonet is not installed")

NET = f"127.{152 + os.getpid() % 40}.{1 + os.getpid() // 40 % 250}"
BATTERY = f"{NET}.12"


def _scenario() -> str:
    devices = [
        {"id": "meter", "kind": "meter", "address": f"{NET}.11"},
        {
            "id": "battery-1",
            "kind": "battery",
            "address": BATTERY,
            "energy_wh_capacity": 10_000,
            "power_w_charge_max": 5_000,
            "power_w_discharge_max": 5_000,
            "soc_start": 0.62,
        },
    ]
    site = {"site_id": "s1", "group": "239.192.79.1", "devices": devices}
    return json.dumps({"port": PORT, "sites": [site]})


async def _drive() -> tuple[list[object], list[bool], list[object]]:
    """Read, set and read again with pychonet."""
    wire = udpserver.UDPServer(local_ip=f"{NET}.1")
    wire.run(f"{NET}.1", PORT, loop=asyncio.get_running_loop())
    try:
        client = pychonet.ECHONETAPIClient(server=wire)
        await client.discover(BATTERY)
        for _ in range(20):
            if 2 in client._state.get(BATTERY, {}).get("instances", {}):
                break
            await asyncio.sleep(0.1)
        await client.getAllPropertyMaps(BATTERY, 0x02, 0x7D, 0x01)
        battery = pychonet.Factory(BATTERY, client, 0x02, 0x7D, 0x01)
        before = [await battery.update(epc) for epc in (0xE4, 0xDA)]
        done = [
            await battery.setMessage(0xC1, 0x03),
            await battery.setMessage(0xEB, 2000, 4),
            await battery.setMessage(0xDA, 0x42),
        ]
        await asyncio.sleep(1.5)
        after = [await battery.update(epc) for epc in (0xD3, 0xDA, 0xCF, 0xEB)]
    finally:
        wire.close()
    return before, done, after


@pytest.mark.peer("pychonet")
def test_pychonet_reads_and_drives_the_battery() -> None:
    """Our simulator could speak a dialect that only our own driver understands."""

    async def run() -> None:
        clock = SystemClock()
        scenario = parse_scenario(_scenario(), origin="test")
        sites = build_sites(scenario, now_s=clock.now().timestamp())
        server = SimulationServer(sites, clock=clock)
        await server.start()
        stop = asyncio.Event()
        task = asyncio.create_task(server.run(stop))
        try:
            before, done, after = await asyncio.wait_for(_drive(), 30.0)
            power_w = server.status()["s1/battery-1"]["power_w"]
        finally:
            stop.set()
            await task
            await server.close()
        assert before == [62, "auto"]
        assert done == [True, True, True]
        assert after == [2000, "charging", "charging", 2000]
        assert power_w == -2000.0

    asyncio.run(run())
