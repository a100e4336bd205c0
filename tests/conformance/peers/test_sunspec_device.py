"""Our driver against a SunSpec device that none of our code made.

The device is pymodbus's server over registers written down here by hand from the offsets of
the published models; what is read and written is checked register by register.
Uses 127.3.1.x, port 15001.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge_agent.drivers.frames import Direction
from edge_agent.drivers.port import WriteState
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.resource import Capability
from tests.unit.edge_agent.drivers.sunspec.bench import WORKER, Entry, Running, running

HOST, PORT = f"127.3.1.{WORKER + 1}", 15_001
BASE = 40_000
NOT_THERE = 0x8000


def _text(text: str, registers: int) -> list[int]:
    data = text.encode("ascii").ljust(2 * registers, b"\0")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


def _model(model_id: int, length: int, values: dict[int, int]) -> list[int]:
    """Write a model down from (offset, value), everything else not implemented."""
    registers = [model_id, length] + [0xFFFF] * length
    for offset, value in values.items():
        registers[offset] = value
    return registers


def battery() -> list[int]:
    """5 kW, 10 kWh, at 62.5 %, charging with 1500 W at 50.02 Hz and 202.1 V."""
    common = [1, 66, *_text("Acme", 16), *_text("Cell 5", 16), *_text("", 8), *_text("7.1", 8)]
    common += [*_text("SN-0042", 16), 1, NOT_THERE]
    measured = {3: 1, 4: 3, 5: 1, 6: 0, 7: 0, 10: 0xFF6A, 15: 0xFFFF, 16: 2021}
    measured |= {17: 0, 18: 5002, 19: 0, 20: 0, 21: 0, 22: 1234, 23: 0, 24: 0, 25: 1, 26: 0}
    measured |= {113: 0xFFFF, 114: 0xFFFF, 115: 0xFFFE, 116: 1, 120: 1}
    capacity = {2: 500, 10: 500, 11: 500, 26: 500, 34: 500, 35: 500, 45: 1}
    control = {14: 0, 15: 1000, 16: 1000, 17: 0, 18: 0, 19: 0, 22: 0, 23: 1, 24: 0, 25: 0}
    control |= {26: 0, 27: 0, 30: 0, 31: 0, 32: 0, 33: 0, 34: 0, 54: 0xFFFF, 55: 1, 56: 0xFFFF}
    storage = {2: 1000, 3: 625, 4: 625, 5: 1000, 6: 0, 7: 1, 8: 0xFFFF}
    registers = [0x5375, 0x6E53, *common, *_model(701, 153, measured)]
    registers += [*_model(702, 50, capacity), *_model(703, 17, {}), *_model(704, 65, control)]
    assert BASE + len(registers) - 67 == 40_296, "the worked example's address of model 704"
    return [*registers, *_model(713, 7, storage), 0xFFFF, 0]


class Device:
    """The server, with the writes it got in order."""

    def __init__(self, registers: list[int]) -> None:
        self.writes: list[tuple[int, list[int]]] = []
        data = SimData(BASE, values=registers, datatype=DataType.REGISTERS, readonly=False)
        self.server = ModbusTcpServer(
            SimDevice(id=1, simdata=[data]), address=(HOST, PORT), trace_pdu=self._seen
        )

    def _seen(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:  # noqa: FBT001 - pymodbus
        if not sending and pdu.function_code in {6, 16}:
            self.writes.append((pdu.address, list(pdu.registers)))
        return pdu

    async def registers(self, address: int, count: int) -> list[int]:
        values = await self.server.async_getValues(1, 3, address, count)
        return [int(value) for value in values]


@contextlib.asynccontextmanager
async def _device(registers: list[int]) -> AsyncIterator[Device]:
    made = Device(registers)
    await made.server.serve_forever(background=True)
    try:
        yield made
    finally:
        await made.server.shutdown()


ENTRY = Entry(device_id="battery-1", template_id="sunspec-battery-704", address=f"{HOST}:{PORT}/1")


def test_reads_what_the_registers_say() -> None:
    """If it fails, a battery's power, energy or limits are wrong by a sign or a power of ten."""

    async def run() -> None:
        async with _device(battery()), running(ENTRY) as on:
            await on.until(lambda: on.good("battery-1.power_w") is not None)
            assert on.good("battery-1.power_w") == -1500.0
            assert on.good("battery-1.soc") == 0.625
            assert on.good("battery-1.energy_wh_remaining") == 6250.0
            assert on.good("battery-1.energy_wh_capacity") == 10_000.0
            assert on.good("battery-1.energy_wh_discharged") == 12_340.0
            assert on.good("battery-1.energy_wh_charged") == 655_360.0
            assert on.good("battery-1.on") == 1.0
            assert on.good("battery-1.power_w_min") == -5000.0
            (resource,) = on.family.resources()
            assert (resource.power_w_min, resource.power_w_max) == (-5000.0, 5000.0)
            assert resource.energy_wh_capacity == 10_000.0
            assert resource.capabilities == {
                Capability.READS_POWER,
                Capability.HAS_SOC,
                Capability.HAS_LEASE_TIMER,
                Capability.TAKES_SETPOINT,
                Capability.MEASURES_FREQUENCY,
            }
            described = on.family.worker(ResourceId("site-1/battery-1")).describe()
            assert described is not None
            assert described.identity == "Acme/Cell 5/SN-0042"

    asyncio.run(run())


def test_writes_the_timer_before_the_power_and_both_before_it_says_done() -> None:
    """If it fails, a gateway that dies between two writes leaves a battery running for ever."""

    async def run() -> None:
        frames: list[tuple[Direction, bytes]] = []

        def tap(direction: Direction, peer: str, data: bytes) -> None:
            assert peer == f"{HOST}:{PORT}/1"
            frames.append((direction, data))

        async with _device(battery()) as device, running(ENTRY, tap=tap) as on:
            await on.until(lambda: on.good("battery-1.power_w") is not None)
            outcome = await on.write("battery-1", -2500.0, 19.5)
            sent = [data[6:] for direction, data in frames if direction is Direction.SENT]
            assert bytes.fromhex("01 10 9D7E 0004 08 0001 0001 FFFFFF06") in sent
            assert outcome.state is WriteState.DONE, outcome
            assert outcome.read_back_w == -2500.0
            assert [address for address, _ in device.writes] == [40_326, 40_318]
            timer, setting = (values for _, values in device.writes)
            assert timer == [0, 0, 20], "WSetEnaRvrt, WSetRvrtTms"
            assert setting == [0x0001, 0x0001, 0xFFFF, 0xFF06], "WSetEna, WSetMod, WSet"
            assert await device.registers(40_318, 4) == [1, 1, 0xFFFF, 0xFF06]
            outcome = await on.release("battery-1")
            assert outcome.state is WriteState.DONE, outcome
            assert await device.registers(40_318, 1) == [0]

    asyncio.run(run())


def test_follows_a_scale_factor_that_moves() -> None:
    """If it fails, a device that rescales itself is believed to give ten times its power."""

    async def run() -> None:
        async with _device(battery()) as device, running(ENTRY) as on:
            await on.until(lambda: on.good("battery-1.power_w") == -1500.0)
            await device.server.async_setValues(1, 16, 40_070 + 116, [0])
            await on.until(lambda: on.good("battery-1.power_w") == -150.0)

    asyncio.run(run())


def test_a_value_that_is_not_there_is_no_number() -> None:
    """If it fails, "not implemented" is taken for minus 327 kW or 6553 % of charge."""

    async def run() -> None:
        async with _device(battery()) as device, running(ENTRY) as on:
            await on.until(lambda: on.good("battery-1.power_w") is not None)
            await device.server.async_setValues(1, 16, 40_070 + 10, [NOT_THERE])
            await device.server.async_setValues(1, 16, 40_296 + 67 + 4, [0xFFFF])
            await on.until(lambda: _reason(on, "battery-1.power_w") != "")
            assert "not implemented" in _reason(on, "battery-1.power_w")
            assert "not implemented" in _reason(on, "battery-1.soc")

    asyncio.run(run())


def test_another_device_at_its_address_is_not_taken_for_it() -> None:
    """If it fails, setpoints go to whatever device has got the address since."""

    async def run() -> None:
        other = Entry(
            device_id="battery-1",
            template_id="sunspec-battery-704",
            address=f"{HOST}:{PORT}/1",
            identity="Acme/Cell 5/SN-0041",
        )
        async with _device(battery()) as device, running(other) as on:
            worker = on.family.worker(ResourceId("site-1/battery-1"))
            async with asyncio.timeout(4.0):
                await worker.tried.wait()
            assert await on.family.read(0.3) == []
            outcome = await on.write("battery-1", 1000.0)
            assert outcome.state is not WriteState.DONE
            assert device.writes == []

    asyncio.run(run())


def _reason(on: Running, point: str) -> str:
    found = [entry for name, entry in on.seen.items() if name == point]
    return found[0].reason if found else ""
