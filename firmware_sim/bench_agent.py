"""A real agent on fifty simulated devices: the benchmark's site, and its run.

Simulator and agent are processes, started as an operator would. The agent has no broker: its
link stays down, as at a site that is cut off, and the cycle is all that is measured.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from firmware_sim.demo.machine import cpu_s
from firmware_sim.demo.ports import ECHONET_PORTS, echonet_port
from firmware_sim.demo.processes import Child, Family, Program, ProgramError
from firmware_sim.demo.programs import command_path, environment
from firmware_sim.demo.readings import ask_doctor
from firmware_sim.demo.site_file import SiteLink, site_toml

NET: Final = "127.60.1"
GROUP: Final = "239.192.60.1"
SITE_ID: Final = "site-bench"
BATTERIES, PVS, CHARGERS, V2HS = 25, 12, 6, 6
NO_BROKER: Final = "mqtt://127.0.0.1:9"
"""The discard port: nobody listens, and the agent works on without a link."""
READY_TIMEOUT_S: Final = 30.0
WARM_UP_S: Final = 3.0
"""Time for all devices to answer before the processor time is counted."""
_FIRST_DEVICE: Final = 11
_TICK_S: Final = 1.0

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCost:
    """What one agent process cost.

    Attributes
    ----------
    devices : int
        Simulated devices of its site.
    cycle_ms : mapping of str to float
        p50, p99, p999, max and samples of a cycle's own work, waiting for devices left out.
    steps_ms : mapping of str to mapping
        The same per step, ``read`` (waiting for devices) among them.
    cpu_share : float or None
        Processor time of the agent's process by wall time, 1.0 is one core; None if unknown.
    skipped_s : int
        Seconds without a row.
    """

    devices: int
    cycle_ms: Mapping[str, float]
    steps_ms: Mapping[str, Mapping[str, float]]
    cpu_share: float | None
    skipped_s: int


def fifty_devices(port: int) -> Plain:
    """Make the scenario: one site with a meter, 25 batteries, 12 PV, 12 cars' chargers.

    Parameters
    ----------
    port : int
        UDP port of every node.
    """
    devices: list[Plain] = [{"id": "meter", "kind": "meter"}]
    devices += [_battery(number) for number in range(1, BATTERIES + 1)]
    devices += [_pv(number) for number in range(1, PVS + 1)]
    devices += [_charger(number, both_ways=False) for number in range(1, CHARGERS + 1)]
    devices += [_charger(number, both_ways=True) for number in range(1, V2HS + 1)]
    for offset, device in enumerate(devices):
        device["address"] = f"{NET}.{_FIRST_DEVICE + offset}"
    site = {
        "site_id": SITE_ID,
        "group": GROUP,
        "gateway": f"{NET}.1",
        "location": {"latitude": 35.68, "longitude": 139.77},
        "load": {"kind": "household", "base_w": 400.0, "seed": 1},
        "devices": devices,
    }
    return {
        "seed": 1,
        "start": "2026-07-22T01:00:00Z",
        "port": port,
        "sites": [site],
    }


def write_site(folder: Path) -> Path:
    """Write scenario and configuration into a folder; return the configuration.

    Raises
    ------
    ConfigError
        If no UDP port is free at all addresses.
    """
    site = fifty_devices(ECHONET_PORTS.start)["sites"][0]
    addresses = [site["gateway"], *(device["address"] for device in site["devices"])]
    port = echonet_port(addresses)
    scenario = fifty_devices(port)
    (folder / "scenario.json").write_text(json.dumps(scenario), encoding="utf-8")
    config = folder / "site.toml"
    link = SiteLink(broker=NO_BROKER, echonet_port=port)
    config.write_text(site_toml(scenario["sites"][0], link), encoding="utf-8")
    return config


async def measure_agent(folder: Path, seconds: int, progress: Callable[[int], None]) -> AgentCost:
    """Run simulator and agent for some seconds, end both, and ask the agent's doctor.

    Parameters
    ----------
    folder : Path
        Empty; receives everything.
    seconds : int
        Length of the measurement, s.
    progress : callable
        Is told the second.

    Raises
    ------
    VppError
        If a program fails; both are ended then too.
    """
    config = write_site(folder)
    family = Family(environment())
    try:
        simulator = await family.start(_simulator(folder))
        await simulator.ready(READY_TIMEOUT_S)
        agent = await family.start(_agent(folder, config))
        await agent.ready(READY_TIMEOUT_S)
        cpu_share = await _watched(family, agent, seconds=seconds, progress=progress)
    finally:
        await family.end((("agent",), ("simulator",)))
    command = (command_path("edge-agent"), "doctor", "--config", str(config), "--json")
    found = [journal for journal in await ask_doctor(command) if not journal.aside]
    if not found or not found[0].cycle_ms.get("samples"):
        raise ProgramError(agent.complaint("journaled no cycle"))
    return AgentCost(
        devices=len(fifty_devices(ECHONET_PORTS.start)["sites"][0]["devices"]),
        cycle_ms=found[0].cycle_ms,
        steps_ms=found[0].steps_ms,
        cpu_share=cpu_share,
        skipped_s=found[0].skipped_s,
    )


async def _watched(
    family: Family, agent: Child, *, seconds: int, progress: Callable[[int], None]
) -> float | None:
    """Let it run; return the agent's share of a core."""
    await asyncio.sleep(WARM_UP_S)
    begin_s, used_s = time.monotonic(), cpu_s(agent.pid)
    for second in range(1, seconds + 1):
        await asyncio.sleep(max(0.0, begin_s + second * _TICK_S - time.monotonic()))
        family.check()
        progress(second)
    now_used_s = cpu_s(agent.pid)
    if used_s is None or now_used_s is None:
        return None
    return (now_used_s - used_s) / (time.monotonic() - begin_s)


def _simulator(folder: Path) -> Program:
    return Program(
        name="simulator",
        command=(
            command_path("vpp"),
            "sim",
            "--json",
            *("--scenario", str(folder / "scenario.json")),
        ),
        log=folder / "simulator.log",
        ready_event="sim.ready",
    )


def _agent(folder: Path, config: Path) -> Program:
    return Program(
        name="agent",
        command=(command_path("edge-agent"), "run", "--config", str(config)),
        log=folder / "agent.log",
        ready_event="agent.ready",
    )


def _battery(number: int) -> Plain:
    return {
        "id": f"battery-{number}",
        "kind": "battery",
        "energy_wh_capacity": 10_000.0 + 250.0 * number,
        "power_w_charge_max": 5_000.0,
        "power_w_discharge_max": 5_000.0,
        "soc_start": 0.4 + 0.01 * number,
        "ramp_w_per_s": 2_500.0,
    }


def _pv(number: int) -> Plain:
    course = {"kind": "sky", "seed": number, "cloudiness": 0.4}
    return {"id": f"pv-{number}", "kind": "pv", "power_w_rated": 4_000.0, "course": course}


def _charger(number: int, *, both_ways: bool) -> Plain:
    session = {
        "arrival_s": -600.0,
        "departure_s": 14_400.0,
        "arrival_soc": 0.5,
        "energy_wh_needed": 8_000.0,
    }
    device: Plain = {
        "id": f"v2h-{number}" if both_ways else f"ev-{number}",
        "kind": "ev-v2h" if both_ways else "ev-charger",
        "energy_wh_capacity": 50_000.0,
        "power_w_charge_max": 4_000.0,
        "sessions": [session],
    }
    if both_ways:
        device["power_w_discharge_max"] = 4_000.0
    return device
