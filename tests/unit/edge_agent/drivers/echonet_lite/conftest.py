"""A site with fake ECHONET devices on a fake network, in virtual time.

Nothing here waits: the loop's clock jumps to the next timer whenever nothing else is to be
done, so a test over ten minutes of bus time takes milliseconds and is the same every time.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from edge_agent.config.site import (
    DeviceConfig,
    EchonetConfig,
    JournalConfig,
    LimitsConfig,
    LinkConfig,
    LocationConfig,
    SiteConfig,
    TariffConfig,
)
from edge_agent.drivers.echonet_lite.family import family_at
from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.frames import NO_TAP
from protocols.echonet_lite.frame import Eoj, Esv, Frame, Property, decode_frame, encode_frame
from protocols.echonet_lite.property_map import encode_property_map
from protocols.vocabulary.identifiers import PointId, ResourceId, SiteId, ZoneId
from protocols.vocabulary.measurement import Measurement
from protocols.vocabulary.resource import ResourceKind
from protocols.vocabulary.setpoint import Setpoint
from tests.unit.edge_agent.drivers.conftest import FakeBook, FakeLedger, VirtualClock, VirtualLoop

GATEWAY = "127.9.0.1"
NODE_PROFILE = Eoj(0x0E, 0xF0, 1)
CONTROLLER = Eoj(0x05, 0xFF, 1)


@dataclass
class FakeDevice:
    """One node with one object; it answers like a plain device, with faults to switch on."""

    address: str
    eoj: Eoj
    values: dict[int, bytes]
    settable: set[int]
    node_id: bytes = b""
    delay_s: float = 0.01
    silent: bool = False
    deaf_to_sets: int = 0
    mute_after_sets: int = 0
    refuses: set[int] = field(default_factory=set)
    get_most: int = 99
    set_most: int = 99
    echo_refused: bool = True
    twice: bool = False
    get_map: bytes | None = None
    set_map: bytes | None = None
    writes: list[tuple[int, bytes]] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)

    def answer(self, frame: Frame) -> Frame | None:
        self.frames.append(frame)
        if self.silent or frame.esv not in {Esv.GET, Esv.SET_C}:
            return None
        if frame.deoj == NODE_PROFILE:
            listed = b"\x01" + self.eoj.encode()
            return self._get(frame, {0x83: self.node_id, 0xD6: listed}, 99)
        if frame.deoj != self.eoj:
            return None
        if frame.esv is Esv.GET:
            maps = {
                0x9D: b"\x00",
                0x9E: encode_property_map(self.settable) if self.set_map is None else self.set_map,
                0x9F: encode_property_map(self.values) if self.get_map is None else self.get_map,
            }
            return self._get(frame, {**self.values, **maps}, self.get_most)
        return self._set(frame)

    def _get(self, frame: Frame, values: dict[int, bytes], most: int) -> Frame:
        found, given = [], 0
        for entry in frame.properties:
            edt = values.get(entry.epc, b"") if given < most else b""
            given += bool(edt)
            found.append(Property(entry.epc, edt))
        esv = Esv.GET_RES if all(entry.edt for entry in found) else Esv.GET_SNA
        return Frame(frame.tid, frame.deoj, frame.seoj, esv, tuple(found))

    def _set(self, frame: Frame) -> Frame | None:
        if self.deaf_to_sets:
            self.deaf_to_sets -= 1
            return None
        told, taken = [], 0
        for entry in frame.properties:
            fine = entry.epc in self.settable - self.refuses and taken < self.set_most
            taken += fine
            if fine:
                self.writes.append((entry.epc, entry.edt))
                self.values[entry.epc] = entry.edt
            told.append(Property(entry.epc, b"" if fine or not self.echo_refused else entry.edt))
        if self.mute_after_sets:
            self.mute_after_sets -= 1
            return None
        done = taken == len(frame.properties)
        esv = Esv.SET_RES if done else Esv.SET_C_SNA
        return Frame(frame.tid, frame.deoj, frame.seoj, esv, tuple(told))


class FakeNetwork:
    """The gateway's endpoint with all fake devices behind it."""

    def __init__(self) -> None:
        self.devices: list[FakeDevice] = []
        self.sent: list[tuple[Frame, str]] = []
        self.group: list[Frame] = []
        self.multicast_works = True
        self._receiver: Callable[[bytes, str], None] = lambda _data, _address: None

    def listen(self, receiver: Callable[[bytes, str], None]) -> None:
        self._receiver = receiver

    def send(self, data: bytes, address: str) -> None:
        frame = decode_frame(data)
        self.sent.append((frame, address))
        for device in self.devices:
            if device.address == address:
                self._deliver(device, frame)

    def multicast(self, data: bytes) -> None:
        frame = decode_frame(data)
        self.group.append(frame)
        if self.multicast_works:
            for device in self.devices:
                self._deliver(device, frame)

    def close(self) -> None:
        self._receiver = lambda _data, _address: None

    def inject(self, frame: Frame, address: str) -> None:
        self._receiver(encode_frame(frame), address)

    def inject_bytes(self, data: bytes, address: str) -> None:
        self._receiver(data, address)

    def _deliver(self, device: FakeDevice, frame: Frame) -> None:
        answer = device.answer(frame)
        if answer is None:
            return
        data, loop = encode_frame(answer), asyncio.get_running_loop()
        for _ in range(1 + device.twice):
            loop.call_later(device.delay_s, lambda: self._receiver(data, device.address))


def node_id(number: int) -> bytes:
    """17 bytes of a made-up maker."""
    return b"\xfe\xff\xff\xff" + number.to_bytes(13, "big")


def battery(number: int = 11, **changes: object) -> FakeDevice:
    """Make a battery of 5 kW and 10 kWh at 50 %, idle in auto."""
    values = {
        0x80: b"\x30",
        0x88: b"\x42",
        0xA0: (10_000).to_bytes(4, "big"),
        0xA1: (8_100).to_bytes(4, "big"),
        0xAA: bytes(4),
        0xAB: bytes(4),
        0xC1: b"\x01",
        0xC2: b"\x01",
        0xC8: (100).to_bytes(4, "big") + (5_000).to_bytes(4, "big"),
        0xC9: (100).to_bytes(4, "big") + (4_000).to_bytes(4, "big"),
        0xCF: b"\x44",
        0xD3: bytes(4),
        0xDA: b"\x46",
        0xE4: b"\x32",
        0xEB: bytes(4),
        0xEC: bytes(4),
    }
    device = FakeDevice(
        address=f"127.9.0.{number}",
        eoj=Eoj(0x02, 0x7D, 1),
        values=values,
        settable={0xAA, 0xAB, 0xC1, 0xC2, 0xDA, 0xEB, 0xEC},
        node_id=node_id(number),
    )
    for name, value in changes.items():
        setattr(device, name, value)
    return device


def meter(number: int = 10) -> FakeDevice:
    """Make a smart meter that buys 820 W, count 123456 in units of 0.1 kWh."""
    values = {
        0x88: b"\x42",
        0xD3: (1).to_bytes(4, "big"),
        0xE0: (123_456).to_bytes(4, "big"),
        0xE1: b"\x01",
        0xE3: (1_000).to_bytes(4, "big"),
        0xE7: (820).to_bytes(4, "big", signed=True),
    }
    return FakeDevice(
        address=f"127.9.0.{number}",
        eoj=Eoj(0x02, 0x88, 1),
        values=values,
        settable=set(),
        node_id=node_id(number),
    )


def configured(device: FakeDevice, device_id: str, **changes: object) -> DeviceConfig:
    """Make the configuration of a fake device."""
    kinds = {
        0x027D: ResourceKind.BATTERY,
        0x0288: ResourceKind.METER,
        0x027E: ResourceKind.EV_V2H,
        0x02A1: ResourceKind.EV_CHARGER,
        0x0279: ResourceKind.PV,
        0x027C: ResourceKind.FUEL_CELL,
        0x026B: ResourceKind.HEAT_PUMP,
        0x02A5: ResourceKind.BATTERY,
        0x0130: ResourceKind.LOAD,
    }
    fields: dict[str, object] = {
        "device_id": device_id,
        "kind": kinds[device.eoj.class_code],
        "protocol": "echonet-lite",
        "address": device.address,
        "eoj": str(device.eoj),
        **changes,
    }
    return DeviceConfig(**fields)


class Site:
    """Everything a test of the driver needs: driver, network, book, clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.clock = VirtualClock(loop)
        self.network = FakeNetwork()
        self.book = FakeBook()
        self.ledger = FakeLedger()
        self.configs: list[DeviceConfig] = []
        self.driver: DeviceFamily | None = None
        self._sequence = 0

    def add(self, device: FakeDevice, device_id: str, **changes: object) -> FakeDevice:
        self.network.devices.append(device)
        self.configs.append(configured(device, device_id, **changes))
        return device

    @contextlib.asynccontextmanager
    async def running(self) -> Iterator[DeviceFamily]:
        echonet = EchonetConfig(address=GATEWAY, port=3610, group="239.192.9.1", timeout_s=2.0)
        config = SiteConfig(
            site_id=SiteId("site-1"),
            zone=ZoneId("tokyo"),
            data_dir=Path("data"),
            link=LinkConfig(brokers=(), keepalive_s=10),
            limits=LimitsConfig(contract_import_w=10_000.0, export_limit_w=5_000.0),
            tariff=TariffConfig(import_jpy_per_kwh=30.0, export_jpy_per_kwh=8.0),
            location=LocationConfig(latitude=35.6, longitude=139.7),
            echonet=echonet,
            journal=JournalConfig(bytes_max=10**9, tick_age_s_max=86_400.0),
            pv_peak_w=0.0,
            forecast_model=None,
            devices=tuple(self.configs),
        )
        ports = FamilyPorts(clock=self.clock, book=self.book, ledger=self.ledger, tap=NO_TAP)
        self.driver = family_at(self.network, config, echonet, ports=ports, first_tid=1)
        task = asyncio.create_task(self.driver.run())
        try:
            await self.driver.discover()
            yield self.driver
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def setpoint(self, power_w: float, *, lease_s: float = 5.0, device: str = "b") -> Setpoint:
        self._sequence += 1
        now = self.clock.now()
        return Setpoint(
            resource_id=ResourceId(f"site-1/{device}"),
            power_w=power_w,
            valid_from=now,
            valid_until=now + timedelta(seconds=lease_s),
            reason="test",
            cycle=self._sequence,
            sequence=self._sequence,
        )

    async def read(self) -> dict[PointId, Measurement]:
        assert self.driver is not None
        return dict(await self.driver.read(0.4))

    async def cycles(self, count: int) -> dict[PointId, Measurement]:
        """Read once a second; the last value of every point that came."""
        found: dict[PointId, Measurement] = {}
        for _ in range(count):
            found |= await self.read()
            await asyncio.sleep(1.0)
        return found


@dataclass
class Bench:
    """Makes sites and runs a test's coroutine in virtual time."""

    site: type[Site] = Site
    battery: Callable[..., FakeDevice] = battery
    meter: Callable[..., FakeDevice] = meter
    device: type[FakeDevice] = FakeDevice
    node_id: Callable[[int], bytes] = node_id
    book: type[FakeBook] = FakeBook

    def run(self, test: Callable[[Site], Awaitable[None]]) -> list[dict[str, object]]:
        """Run the test; return everything that was logged."""
        with (
            structlog.testing.capture_logs() as logged,
            asyncio.Runner(loop_factory=VirtualLoop) as runner,
        ):
            loop = runner.get_loop()

            async def bounded() -> None:
                async with asyncio.timeout(3600.0):
                    await test(Site(loop))

            runner.run(bounded())
        return list(logged)


@pytest.fixture
def bench() -> Bench:
    """Make the workbench of the driver's tests."""
    return Bench()
