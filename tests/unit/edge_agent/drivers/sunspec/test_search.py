"""Finding Modbus devices that moved, and strangers. Uses 127.3.40.x and on, port 15400."""

import asyncio

from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.frames import NO_TAP
from edge_agent.drivers.sunspec import family as family_room
from edge_agent.drivers.sunspec.probe import probing
from edge_agent.drivers.sunspec.search import ModbusSearch
from edge_agent.drivers.sunspec.unit import Lines, Unit, UnitPorts
from firmware_sim.faults import Fault, FaultKind
from firmware_sim.main import SystemClock
from protocols.templates.catalogue import template_of
from tests.unit.edge_agent.drivers.conftest import FakeBook, FakeLedger
from tests.unit.edge_agent.drivers.sunspec.bench import (
    WORKER,
    Entry,
    Running,
    hosted,
    plant,
    running,
    site_config,
)

NETWORK = f"127.3.{40 + WORKER}"
HERE, THERE, PORT = f"{NETWORK}.10", f"{NETWORK}.77", 15_400
IDENTITY = "VPP simulator/sunspec-battery-704/sim/b"


def _impatient(*entries: Entry) -> DeviceFamily:
    """Make a family that searches at once."""
    ports = FamilyPorts(clock=SystemClock(), book=FakeBook(), ledger=FakeLedger(), tap=NO_TAP)
    config = site_config(*entries)
    lines = Lines(timeout_s=0.3, tap=NO_TAP)
    units = [
        Unit(
            config.site_id,
            device,
            template_of(device.template_id or ""),
            ports=UnitPorts(lines=lines, clock=ports.clock, timeout_s=0.3),
        )
        for device in config.devices_of("sunspec", "modbus")
    ]
    search = ModbusSearch(units, probing(NO_TAP), pause_s=0.5)
    devices = [family_room.field_device(unit) for unit in units]
    family = DeviceFamily("modbus", devices, ports, search=search, close=lines.close)
    search.serve(family)
    return family


def test_a_device_with_another_address_is_found_by_who_it_is() -> None:
    """If it fails, a new lease of the router's loses us a battery until somebody drives there."""

    async def run() -> None:
        battery = hosted("sunspec-battery-704", HERE, PORT, name="b")
        entry = Entry(device_id="b", template_id="sunspec-battery-704", address=f"{HERE}:{PORT}/1")
        stranger = hosted("sunspec-battery-704", f"{NETWORK}.50", PORT, name="not-b")
        async with plant(unit=battery, other=stranger) as made:
            family = _impatient(entry)
            task = asyncio.create_task(family.run())
            on = Running(family, FakeBook())
            await on.until(lambda: on.good("b.power_w") is not None)
            moved = Fault(kind=FaultKind.ADDRESS_CHANGE, address=THERE)
            made.devices["unit"].switch_on(moved, made.now_s)
            await made.listener.tick(made.now_s)
            on.seen.clear()
            await on.until(lambda: _at(family) == f"{THERE}:{PORT}/1", 10.0)
            on.seen.clear()
            await on.until(lambda: on.good("b.power_w") is not None)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def _at(family: DeviceFamily) -> str:
    (resource,) = family.resources()
    found = family.worker(resource.resource_id).describe()
    return "" if found is None else found.address


def test_strangers_on_the_network_are_told_and_left_alone() -> None:
    """If it fails, a technician does not see the device that was just plugged in."""

    async def run() -> None:
        battery = hosted("sunspec-battery-704", HERE, PORT, name="b")
        meter = hosted("sunspec-meter-203", THERE, PORT, name="m")
        entry = Entry(device_id="b", template_id="sunspec-battery-704", address=f"{HERE}:{PORT}/1")
        async with plant(unit=battery, other=meter), running(entry) as on:
            await on.until(lambda: on.good("b.power_w") is not None)
            found = await on.family.discover()
            assert [(one.address, one.device_id) for one in found] == [
                (f"{HERE}:{PORT}/1", "b"),
                (f"{THERE}:{PORT}/1", ""),
            ]
            assert found[0].identity == IDENTITY
            assert found[1].about == "VPP simulator sunspec-meter-203"

    asyncio.run(run())
