"""Our driver with every SunSpec and Modbus template's simulated device, on real sockets.

What counts is the device: its power and its registers are looked at, not our log.
Uses 127.3.3.x, port 15300.
"""

import asyncio
import math

import pytest

from edge_agent.drivers.lease_book import WIRE_MODBUS_TCP, WIRE_NONE
from edge_agent.drivers.port import WriteState
from edge_agent.watchdog.errand import Errand, ReleaseState
from edge_agent.watchdog.modbus_wire import release_modbus
from firmware_sim.faults import Fault, FaultKind
from protocols.templates.catalogue import catalogue
from protocols.templates.modbus import MODBUS_QUIRKS, ModbusWire
from protocols.templates.sunspec import SUNSPEC_QUIRKS, SunspecWire
from protocols.templates.template import LeaseMechanism, Template
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.resource import Capability, ResourceKind
from tests.unit.edge_agent.drivers.sunspec.bench import (
    WORKER,
    Entry,
    Plant,
    Running,
    hosted,
    plant,
    running,
)

HOST, PORT = f"127.3.3.{WORKER + 1}", 15_300
WIRES = (SunspecWire, ModbusWire)
ALL = [template for template in catalogue().values() if isinstance(template.wire, WIRES)]
COMMANDED = [template for template in ALL if template.lease.mechanism is not LeaseMechanism.NONE]
TAKES = {Capability.TAKES_SETPOINT, Capability.TAKES_LIMIT, Capability.TAKES_ON_OFF}


def entry(template_id: str, *, port: int = PORT, unit: int = 1, name: str = "device-1") -> Entry:
    return Entry(device_id=name, template_id=template_id, address=f"{HOST}:{port}/{unit}")


def power_of(made: Plant) -> float:
    return made.devices["unit"].reading.power_w


def wanted_w(template: Template) -> float:
    """Power to order: a third of what it can, in a direction it has."""
    plate = template.nameplate
    if template.kind in {ResourceKind.HEAT_PUMP}:
        return plate.power_w_min
    least = plate.power_w_max or plate.power_w_min
    return math.copysign(max(abs(least) / 3.0, plate.power_w_least), least)


async def _met(on: Running) -> None:
    await on.until(lambda: on.good("device-1.power_w") is not None)


@pytest.mark.parametrize("template", ALL, ids=lambda template: template.template_id)
def test_reads_the_power_of_every_template(template: Template) -> None:
    """If it fails, a product family is offered that cannot be read."""

    async def run() -> None:
        async with plant(unit=hosted(template.template_id, HOST, PORT)) as made:
            made.pass_s(3.0)
            async with running(entry(template.template_id)) as on:
                await _met(on)
                measured_w = on.good("device-1.power_w")
                assert measured_w == pytest.approx(power_of(made), abs=10.0)
                (resource,) = on.family.resources()
                assert Capability.READS_POWER in resource.capabilities
                assert bool(resource.capabilities & TAKES) == (template in COMMANDED)
                timed = template.lease.mechanism is LeaseMechanism.DEVICE_TIMER
                assert (Capability.HAS_LEASE_TIMER in resource.capabilities) == timed
                plate = template.nameplate
                assert resource.power_w_min == pytest.approx(plate.power_w_min, rel=0.01)
                assert resource.power_w_max == pytest.approx(plate.power_w_max, rel=0.01)

    asyncio.run(run())


@pytest.mark.parametrize("template", COMMANDED, ids=lambda template: template.template_id)
def test_commands_every_template_and_lets_it_go(template: Template) -> None:
    """If it fails, a device is said to be commanded, or released, and is not."""

    async def run() -> None:
        async with plant(unit=hosted(template.template_id, HOST, PORT)) as made:
            made.pass_s(1.0)
            async with running(entry(template.template_id)) as on:
                await _met(on)
                outcome = await on.write("device-1", wanted_w(template), 3600.0)
                assert outcome.state is WriteState.DONE, outcome
                made.pass_s(600.0 if template.kind is ResourceKind.FUEL_CELL else 30.0)
                if Capability.TAKES_LIMIT in on.family.resources()[0].capabilities:
                    assert abs(power_of(made)) <= abs(wanted_w(template)) + 1.0
                else:
                    assert power_of(made) == pytest.approx(wanted_w(template), rel=0.02)
                outcome = await on.release("device-1")
                assert outcome.state is WriteState.DONE, outcome
                assert outcome.read_back_w is None
                assert on.book.held == {}

    asyncio.run(run())


@pytest.mark.parametrize("template", COMMANDED, ids=lambda template: template.template_id)
def test_what_ends_an_order_when_everything_of_ours_has_died(template: Template) -> None:
    """If it fails, a device goes on with the order of a gateway that is no more."""

    async def run() -> None:
        async with plant(unit=hosted(template.template_id, HOST, PORT)) as made:
            made.pass_s(1.0)
            async with running(entry(template.template_id)) as on:
                await _met(on)
                outcome = await on.write("device-1", wanted_w(template), 20.0)
                assert outcome.state is WriteState.DONE, outcome
                (record,) = on.book.held.values()
            if template.lease.mechanism is LeaseMechanism.DEVICE_TIMER:
                assert record.wire == WIRE_NONE
                made.pass_s(21.0)
            else:
                assert record.wire == WIRE_MODBUS_TCP
                loop = asyncio.get_running_loop()
                errand = Errand(
                    monotonic_s=loop.time, silent=lambda: True, until_s=loop.time() + 3.0
                )
                ((state, detail),) = await asyncio.to_thread(release_modbus, [record], errand)
                assert state is ReleaseState.RELEASED, detail
            async with running(entry(template.template_id)) as on:
                await on.until(lambda: on.good("device-1.power_w") is not None)
                point = "limit_w" if _limits(template) else "setpoint_w"
                told = on.seen.get(f"device-1.{point}")  # type: ignore[call-overload]
                assert told is None or "decides itself" in told.reason

    asyncio.run(run())


def test_a_lost_link_ends_at_the_devices_own_timer() -> None:
    """If it fails, a cable that is pulled leaves a battery discharging to the end."""

    async def run() -> None:
        async with (
            plant(unit=hosted("sunspec-battery-704", HOST, PORT)) as made,
            running(entry("sunspec-battery-704")) as on,
        ):
            await _met(on)
            assert (await on.write("device-1", 2000.0, 15.0)).state is WriteState.DONE
            made.devices["unit"].switch_on(Fault(kind=FaultKind.HALF_OPEN), made.now_s)
            made.pass_s(10.0)
            assert power_of(made) == pytest.approx(2000.0, abs=5.0)
            made.pass_s(10.0)
            assert power_of(made) == pytest.approx(0.0, abs=5.0)

    asyncio.run(run())


def test_a_timer_that_does_not_take_is_found_before_anything_is_enabled() -> None:
    """If it fails, a device that only pretends to have a timer is left without one."""

    async def run() -> None:
        async with (
            plant(unit=hosted("sunspec-battery-704", HOST, PORT)) as made,
            running(entry("sunspec-battery-704")) as on,
        ):
            await _met(on)
            made.devices["unit"].switch_on(Fault(kind=FaultKind.NO_EFFECT), made.now_s)
            outcome = await on.write("device-1", 2000.0)
            assert outcome.state is WriteState.REFUSED
            assert "timer was not set" in outcome.detail
            made.devices["unit"].switch_off(FaultKind.NO_EFFECT)
            outcome = await on.write("device-1", 2000.0)
            assert outcome.state is WriteState.DONE, outcome
            (record,) = on.book.held.values()
            assert record.wire == WIRE_MODBUS_TCP, "the watchdog has to end it now"

    asyncio.run(run())


def test_the_end_of_a_lease_keeps_a_limit_that_is_in_force() -> None:
    """If it fails, an inverter feeds in more than it may as soon as a setpoint ends."""

    async def run() -> None:
        async with plant(unit=hosted("sunspec-battery-704", HOST, PORT)) as made:
            async with running(entry("sunspec-battery-704")) as on:
                await _met(on)
                on.family.revert_to(ResourceId("site-1/device-1"), 500.0)
                assert (await on.write("device-1", 3000.0, 15.0)).state is WriteState.DONE
            made.pass_s(5.0)
            assert power_of(made) == pytest.approx(3000.0, abs=5.0)
            made.pass_s(15.0)
            assert power_of(made) == pytest.approx(500.0, abs=5.0)

    asyncio.run(run())


def test_units_behind_one_gateway_share_it_and_do_not_hold_each_other_up() -> None:
    """If it fails, one dead inverter stops the readings of all that share its gateway."""

    async def run() -> None:
        first = hosted("sunspec-pv-123", HOST, PORT, unit=1, name="one")
        second = hosted("sunspec-pv-123", HOST, PORT, unit=2, name="two")
        entries = (
            entry("sunspec-pv-123", name="one"),
            entry("sunspec-pv-123", unit=2, name="two"),
        )
        async with plant(one=first, two=second) as made, running(*entries) as on:
            made.pass_s(1.0)
            await on.until(lambda: None not in {on.good("one.power_w"), on.good("two.power_w")})
            identities = {found.identity for found in await on.family.discover()}
            assert {i.rpartition("/")[2] for i in identities} == {"one", "two"}
            made.devices["two"].switch_on(Fault(kind=FaultKind.SILENT), made.now_s)
            for _ in range(8):
                on.seen.clear()
                await on.until(lambda: on.good("one.power_w") is not None, 1.5)
            made.devices["two"].switch_off(FaultKind.SILENT)
            on.seen.clear()
            await on.until(lambda: on.good("two.power_w") is not None, 8.0)

    asyncio.run(run())


@pytest.mark.parametrize("template", ALL, ids=lambda template: template.template_id)
def test_quirks_are_known(template: Template) -> None:
    """If it fails, a template names a deviation that neither driver nor simulator knows."""
    known = SUNSPEC_QUIRKS if isinstance(template.wire, SunspecWire) else MODBUS_QUIRKS
    assert set(template.quirks) <= known


def _limits(template: Template) -> bool:
    wire = template.wire
    return isinstance(wire, SunspecWire | ModbusWire) and wire.command in {
        "limit",
        "123",
        "704-limit",
    }
