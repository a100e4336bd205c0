"""The simulated Modbus units refuse what real ones refuse. Uses 127.3.5.x, port 15500."""

import asyncio
import struct
from collections.abc import Awaitable, Callable

import pytest

from firmware_sim.devices.modbus.image import Registers, serve
from firmware_sim.faults import Fault, FaultKind
from firmware_sim.servers.modbus import ModbusListener
from firmware_sim.servers.port import World
from protocols.sunspec.modbus import read_request, write_request
from protocols.vocabulary.errors import ConfigError
from tests.unit.edge_agent.drivers.sunspec.bench import WORKER, Plant, hosted, plant

HOST, PORT = f"127.3.5.{WORKER + 1}", 15_500
Ask = Callable[[bytes], Awaitable[bytes]]


def _ask(test: Callable[[Plant, Ask], Awaitable[None]]) -> None:
    async def run() -> None:
        async with plant(unit=hosted("sunspec-battery-704", HOST, PORT)) as made:
            reader, writer = await asyncio.open_connection(HOST, PORT)

            async def ask(frame: bytes) -> bytes:
                writer.write(frame)
                async with asyncio.timeout(2.0):
                    head = await reader.readexactly(7)
                    return head + await reader.readexactly(int.from_bytes(head[4:6], "big") - 1)

            await test(made, ask)
            writer.close()

    asyncio.run(run())


def _request(pdu: str, unit: int = 1, transaction: int = 7) -> bytes:
    data = bytes.fromhex(pdu)
    return struct.pack(">HHHB", transaction, 0, len(data) + 1, unit) + data


@pytest.mark.parametrize(
    ("pdu", "answer"),
    [
        ("03 9C40 0002", "03 04 53756E53"),
        ("03 9C40 007E", "83 03"),
        ("03 9C40 0000", "83 03"),
        ("03 0000 0001", "83 02"),
        ("04 9C40 0001", "84 02"),
        ("2B 0E 01 00", "AB 01"),
        ("06 9C42 0001", "86 02"),
        ("06 9D7E 0002", "86 03"),
        ("06 9D7E 0000", "06 9D7E 0000"),
        ("10 9D7E 0001 02 0001", "10 9D7E 0001"),
        ("10 9D7E 0002 02 0001", "90 03"),
        ("10 9D7E 0001", "90 03"),
        ("03 9C40", "83 03"),
    ],
)
def test_answers_as_the_specification_has_it(pdu: str, answer: str) -> None:
    """If it fails, the simulator forgives what a real device does not."""

    async def test(_made: Plant, ask: Ask) -> None:
        frame = await ask(_request(pdu))
        assert frame[:7] == struct.pack(">HHHB", 7, 0, len(frame) - 6, 1)
        assert frame[7:] == bytes.fromhex(answer)

    _ask(test)


def test_requests_in_one_packet_are_all_answered() -> None:
    """If it fails, a client that does not wait loses answers that a real device gives."""

    async def test(_made: Plant, ask: Ask) -> None:
        one = await ask(_request("03 9C40 0001", transaction=1) + _request("03 9C41 0001"))
        assert one[-2:] == b"Su"
        two = await ask(b"")
        assert (two[:2], two[-2:]) == (b"\0\7", b"nS")

    _ask(test)


def test_a_unit_that_is_not_there_is_told_by_the_gateway() -> None:
    """If it fails, a wrong unit id looks like a dead network."""

    async def test(_made: Plant, ask: Ask) -> None:
        assert (await ask(_request("03 9C40 0001", unit=9)))[7:] == bytes.fromhex("83 0B")

    _ask(test)


def test_nonsense_is_hung_up_on() -> None:
    """If it fails, one stray client keeps a simulated device's memory for ever."""

    async def run() -> None:
        async with plant(unit=hosted("sunspec-battery-704", HOST, PORT)):
            reader, writer = await asyncio.open_connection(HOST, PORT)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                async with asyncio.timeout(2.0):
                    await reader.readexactly(1)
            writer.close()

    asyncio.run(run())


def test_a_refused_write_changes_nothing() -> None:
    """If it fails, half a command is in force though all of it was refused."""

    async def test(made: Plant, ask: Ask) -> None:
        bad = write_request(1, address=40_318, data=bytes.fromhex("0007 0001 FFFFFF06"))
        assert (await ask(bad))[7:] == bytes.fromhex("90 03")
        assert (await ask(read_request(1, 3, address=40_318, count=4)))[9:] == bytes.fromhex(
            "0000 0001 0000 0000"
        )
        made.devices["unit"].switch_on(Fault(kind=FaultKind.REFUSING), made.now_s)
        good = write_request(1, address=40_318, data=bytes.fromhex("0001 0001 FFFFFF06"))
        assert (await ask(good))[7:] == bytes.fromhex("90 03")

    _ask(test)


def test_a_restart_loses_the_setting_and_its_timer() -> None:
    """If it fails, a device that was without power seems to remember our orders."""

    async def test(made: Plant, ask: Ask) -> None:
        good = write_request(1, address=40_318, data=bytes.fromhex("0001 0001 FFFFFF06"))
        await ask(good)
        made.pass_s(3.0)
        assert made.devices["unit"].reading.power_w == pytest.approx(-2500.0, abs=1.0)
        made.devices["unit"].switch_on(Fault(kind=FaultKind.RESTARTED), made.now_s)
        made.pass_s(3.0)
        assert made.devices["unit"].reading.power_w == pytest.approx(0.0, abs=1.0)
        read = await ask(read_request(1, 3, address=40_318, count=1))
        assert read[9:] == b"\0\0"

    _ask(test)


def test_two_units_with_one_number_are_refused() -> None:
    """If it fails, one of two simulated devices is silently not there."""

    async def run() -> None:
        twice = [hosted("sunspec-meter-203", HOST, PORT, name=name) for name in ("a", "b")]
        world = World(now_s=lambda: 0.0, catch_up=lambda _name: None)
        with pytest.raises(ConfigError, match="unit 1 twice"):
            await ModbusListener(twice, world).start()

    asyncio.run(run())


def test_a_device_of_single_writes_takes_no_other() -> None:
    """If it fails, the quirk of small controllers is not simulated."""
    registers = Registers()
    registers.put(5, b"\0\0")
    registers.writable.add(5)
    registers.single_writes = True
    many, one = bytes.fromhex("10 0005 0001 02 0001"), bytes.fromhex("06 0005 0001")
    assert serve(many, registers, lambda _at, _data: None) == bytes.fromhex("90 01")
    assert serve(one, registers, lambda _at, _data: None) == one
