"""Clients that are not ours read and drive our simulated Modbus devices.

pysunspec2's client scans the model chain by its own definitions; mbpoll reads and writes raw
registers. Uses 127.3.2.x, port 15100.
"""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from protocols.templates.catalogue import catalogue
from protocols.templates.sunspec import SunspecWire
from protocols.templates.template import Template
from tests.unit.edge_agent.drivers.sunspec.bench import WORKER, Plant, hosted, plant

HOST, PORT = f"127.3.2.{WORKER + 1}", 15_100
ENDED = [
    template
    for template in catalogue().values()
    if isinstance(template.wire, SunspecWire) and "no-end-marker" not in template.quirks
]
"""pysunspec2 cannot scan a chain without its end."""


def _wire(template: Template) -> SunspecWire:
    assert isinstance(template.wire, SunspecWire)
    return template.wire


def _scanned(unit: int) -> Any:
    device = SunSpecModbusClientDeviceTCP(slave_id=unit, ipaddr=HOST, ipport=PORT, timeout=2)
    try:
        device.scan()
    finally:
        device.close()
    return device


def _on_plant(template_id: str, test: Callable[[Plant], Awaitable[None]]) -> None:
    async def run() -> None:
        async with plant(unit=hosted(template_id, HOST, PORT)) as made:
            made.pass_s(5.0)
            await test(made)

    asyncio.run(run())


@pytest.mark.parametrize("template", ENDED, ids=lambda template: template.template_id)
def test_pysunspec2_scans_every_template(template: Template) -> None:
    """If it fails, what we simulate is SunSpec only in our own eyes."""

    async def test(made: Plant) -> None:
        device = await asyncio.to_thread(_scanned, _wire(template).unit_id)
        foreign = {64_900} if "foreign-model" in template.quirks else set()
        found = {key for key in device.models if isinstance(key, int)}
        assert found == set(_wire(template).models) | foreign
        if "long-models" not in template.quirks:
            assert [m.error_info for m in device.model_list if m.error_info] == []
        common = device.models[1][0]
        assert common.SN.value == f"sim/{template.template_id}"[-32:]
        measuring = {101, 102, 103, 111, 112, 113, 701} & found
        power_w = made.devices["unit"].reading.power_w
        for model_id in measuring:
            exponent = getattr(device.models[model_id][0].W, "sf_value", 0) or 0
            step_w = 10.0**exponent
            measured_w = device.models[model_id][0].W.cvalue
            assert measured_w == pytest.approx(power_w, abs=step_w + 0.01)

    _on_plant(template.template_id, test)


def test_pysunspec2_drives_a_battery_and_the_timer_ends_it() -> None:
    """If it fails, a standard client could not command our battery, or never lose it."""

    async def test(made: Plant) -> None:
        device = await asyncio.to_thread(_scanned, 1)
        model = device.models[704][0]
        model.WSetRvrtTms.value = 10
        await asyncio.to_thread(model.write)
        model.WSetMod.value, model.WSetEna.value = 1, 1
        model.WSet.cvalue = -2500
        await asyncio.to_thread(model.write)
        made.pass_s(5.0)
        await asyncio.to_thread(model.read)
        assert made.devices["unit"].reading.power_w == pytest.approx(-2500.0, abs=1.0)
        assert model.WSetRvrtRem.value == 5
        made.pass_s(8.0)
        await asyncio.to_thread(model.read)
        device.close()
        assert model.WSetEna.value == 0
        assert made.devices["unit"].reading.power_w == pytest.approx(0.0, abs=1.0)

    _on_plant("sunspec-battery-704", test)


def _mbpoll(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [program, "-m", "tcp", "-p", str(PORT), "-a", "1", "-0", "-1", "-o", "1.00"]
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=10, check=False
    )


@pytest.mark.peer("mbpoll")
def test_mbpoll_reads_and_writes_the_worked_example(peer: Callable[[str], str]) -> None:
    """If it fails, model 704 does not stand where the specification puts it."""
    program = peer("mbpoll")

    async def test(made: Plant) -> None:
        head = await asyncio.to_thread(_mbpoll, program, "-r", "40296", "-c", "2", "-t", "4", HOST)
        assert "[40296]: \t704" in head.stdout
        assert "[40297]: \t65" in head.stdout
        written = await asyncio.to_thread(
            _mbpoll, program, "-r", "40318", "-t", "4:hex", HOST, "1", "1", "0xFFFF", "0xFF06"
        )
        assert "Written 4 references" in written.stdout
        made.pass_s(4.0)
        assert made.devices["unit"].reading.power_w == pytest.approx(-2500.0, abs=1.0)
        read = await asyncio.to_thread(
            _mbpoll, program, "-r", "40080", "-c", "1", "-t", "4:hex", HOST
        )
        assert "0xFF06" in read.stdout, "701.W, -250 times 10 W"

    _on_plant("sunspec-battery-704", test)


@pytest.mark.peer("mbpoll")
def test_mbpoll_is_refused_what_is_not_allowed(peer: Callable[[str], str]) -> None:
    """If it fails, our simulated devices are tamer than real ones and hide our mistakes."""
    program = peer("mbpoll")

    async def test(made: Plant) -> None:
        del made
        beyond = await asyncio.to_thread(_mbpoll, program, "-r", "39000", "-c", "1", HOST)
        assert "Illegal data address" in beyond.stderr
        rating = await asyncio.to_thread(_mbpoll, program, "-r", "40279", HOST, "9000")
        assert "Illegal data address" in rating.stderr
        value = await asyncio.to_thread(_mbpoll, program, "-r", "40318", HOST, "7")
        assert "Illegal data value" in value.stderr

    _on_plant("sunspec-battery-704", test)


@pytest.mark.peer("mbpoll")
def test_mbpoll_reads_a_chain_without_its_end(peer: Callable[[str], str]) -> None:
    """If it fails, the meter whose chain just stops is not where its template says."""
    program = peer("mbpoll")

    async def test(made: Plant) -> None:
        del made
        head = await asyncio.to_thread(_mbpoll, program, "-r", "40069", "-c", "2", HOST)
        assert "[40069]: \t201" in head.stdout or "[40070]: \t201" in head.stdout
        end = await asyncio.to_thread(_mbpoll, program, "-r", "40177", "-c", "2", HOST)
        assert "Illegal data address" in end.stderr

    _on_plant("sunspec-meter-201", test)
