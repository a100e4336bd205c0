"""Our driver over a serial line, a pseudo-terminal with a simulated unit at its other end."""

import asyncio
import contextlib
import os
import tty
from collections.abc import AsyncIterator

import pytest

from edge_agent.config.addresses import SerialUnit
from edge_agent.drivers.frames import NO_TAP
from edge_agent.drivers.port import WriteState
from edge_agent.drivers.sunspec.line import ModbusLine
from firmware_sim.devices.contract import SimulatedDevice, Span
from firmware_sim.faults import Fault, FaultKind
from firmware_sim.servers.modbus import SerialLine, Units
from firmware_sim.servers.port import World
from protocols.sunspec.chain import Span as Registers
from protocols.sunspec.modbus import READ_HOLDING
from protocols.vocabulary.errors import DeviceTimeoutError
from tests.unit.edge_agent.drivers.sunspec.bench import Entry, hosted, running


@contextlib.asynccontextmanager
async def line(template_id: str, unit: int = 1) -> AsyncIterator[tuple[str, SimulatedDevice]]:
    """Path of a serial line, and the device on it."""
    master, slave = os.openpty()
    tty.setraw(master)
    tty.setraw(slave)
    entry = hosted(template_id, "", 0, unit=unit)
    world = World(now_s=lambda: 0.0, catch_up=lambda _name: None)
    serving = SerialLine(master, Units([entry], world))
    serving.start()
    try:
        yield os.ttyname(slave), entry.device
    finally:
        serving.close()
        os.close(slave)


def test_a_battery_on_a_serial_line_is_read_and_commanded() -> None:
    """If it fails, inverters without a network plug cannot be used."""

    async def run() -> None:
        async with line("sunspec-battery-124", unit=7) as (path, device):
            for quarter in range(8):
                device.advance(Span(start_s=quarter / 4, end_s=(quarter + 1) / 4))
            entry = Entry(
                device_id="b", template_id="sunspec-battery-124", address=f"{path}:115200/7"
            )
            async with running(entry) as on:
                await on.until(lambda: on.good("b.power_w") is not None)
                assert on.good("b.soc") == pytest.approx(0.5, abs=0.001)
                outcome = await on.write("b", -1500.0)
                assert outcome.state is WriteState.DONE, outcome
                for quarter in range(16):
                    device.advance(Span(start_s=2 + quarter / 4, end_s=2 + (quarter + 1) / 4))
                assert device.reading.power_w == pytest.approx(-1500.0, abs=5.0)
                await on.until(lambda: (on.good("b.power_w") or 0.0) < -1490.0)

    asyncio.run(run())


def test_without_a_timer_nothing_is_ordered_on_a_serial_line() -> None:
    """If it fails, an inverter stays limited for ever: the watchdog cannot reach its line."""

    async def run() -> None:
        async with line("sunspec-pv-untimed") as (path, _):
            entry = Entry(device_id="p", template_id="sunspec-pv-untimed", address=f"{path}:9600/1")
            async with running(entry) as on:
                await on.until(lambda: on.good("p.power_w") is not None)
                outcome = await on.write("p", 1000.0)
                assert outcome.state is WriteState.REFUSED
                assert "no timer" in outcome.detail
                (resource,) = on.family.resources()
                assert "takes-limit" not in {one.value for one in resource.capabilities}

    asyncio.run(run())


def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    """If it fails, a serial line without transaction numbers gives one register for another."""

    async def run() -> None:
        async with line("sunspec-battery-704") as (path, device):
            serial = ModbusLine(SerialUnit(path, 115_200, 1), timeout_s=0.3, tap=NO_TAP)
            late = Fault(kind=FaultKind.LATE, delay_s=0.35)
            device.switch_on(late, 0.0)
            with pytest.raises(DeviceTimeoutError):
                await _read(serial, 40_000)
            device.switch_off(FaultKind.LATE)
            assert await _read(serial, 40_002) == bytes.fromhex("0001 0042")
            assert await _read(serial, 40_000) == b"SunS"
            await serial.close()

    asyncio.run(run())


async def _read(serial: ModbusLine, address: int) -> bytes:
    return await serial.read(1, Registers(address, 2), function=READ_HOLDING, patience_s=0.3)
