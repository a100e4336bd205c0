"""A running family of Modbus devices over whatever answers at their addresses."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge_agent.config.loader import load_config
from edge_agent.config.site import SiteConfig
from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.frames import NO_TAP, FrameTap
from edge_agent.drivers.port import WriteOutcome
from edge_agent.drivers.sunspec.family import open_family
from firmware_sim.devices.contract import SimulatedDevice, Span
from firmware_sim.devices.rooms import simulated
from firmware_sim.main import SystemClock
from firmware_sim.servers.modbus import ModbusListener
from firmware_sim.servers.port import Hosted, World
from protocols.templates.catalogue import template_of
from protocols.vocabulary.identifiers import PointId, ResourceId
from protocols.vocabulary.measurement import Measurement, Quality
from protocols.vocabulary.setpoint import Setpoint
from tests.unit.edge_agent.drivers.conftest import FakeBook, FakeLedger

READ_S = 0.3
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Tests that run at the same time use different addresses."""
SITE = """
site_id = "site-1"
zone = "tokyo"
data_dir = "data"
[link]
brokers = ["mqtt://127.0.0.1:1"]
[limits]
contract_import_w = 10000.0
export_limit_w = 10000.0
[tariff]
import_jpy_per_kwh = 31.0
export_jpy_per_kwh = 8.5
[location]
latitude = 35.68
longitude = 139.77
[pv]
peak_w = 6000.0
[modbus]
timeout_s = 0.5
[echonet]
address = "127.3.60.1"
"""
METER = '[[devices]]\nid = "main-meter"\ntemplate = "echonet-meter"\naddress = "127.3.60.2"\n'


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One ``[[devices]]``."""

    device_id: str
    template_id: str
    address: str
    identity: str | None = None

    def toml(self) -> str:
        """As in the file."""
        identity = f'identity = "{self.identity}"\n' if self.identity else ""
        return (
            f'[[devices]]\nid = "{self.device_id}"\ntemplate = "{self.template_id}"\n'
            f'address = "{self.address}"\n{identity}'
        )


def site_config(*entries: Entry) -> SiteConfig:
    """Configure a site with these devices, and a meter if none of them is one."""
    metered = any(template_of(entry.template_id).kind.value == "meter" for entry in entries)
    text = SITE + "".join(entry.toml() for entry in entries) + ("" if metered else METER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.toml"
        path.write_text(text, encoding="utf-8")
        return load_config(path)


@dataclass
class Running:
    """A family, and what it said last."""

    family: DeviceFamily
    book: FakeBook
    seen: dict[PointId, Measurement] = field(default_factory=dict)
    sequence: int = 0

    async def until(self, holds: Callable[[], bool], within_s: float = 4.0) -> None:
        """Read as the cycle does until something holds."""
        ends = asyncio.get_running_loop().time() + within_s
        while not holds():
            assert asyncio.get_running_loop().time() < ends, f"not within {within_s} s: {self.seen}"
            self.seen.update(await self.family.read(READ_S))
            await asyncio.sleep(0.05)

    def good(self, point: str) -> float | None:
        """Value of a point if it is good."""
        measurement = self.seen.get(PointId(point))
        if measurement is None or measurement.quality is not Quality.GOOD:
            return None
        return measurement.value

    async def write(self, device_id: str, power_w: float, lease_s: float = 20.0) -> WriteOutcome:
        """Lease a power."""
        now = datetime.now(UTC)
        self.sequence += 1
        return await self.family.write(
            Setpoint(
                resource_id=ResourceId(f"site-1/{device_id}"),
                power_w=power_w,
                valid_from=now,
                valid_until=now + timedelta(seconds=lease_s),
                reason="test",
                cycle=self.sequence,
                sequence=self.sequence,
            )
        )

    async def release(self, device_id: str) -> WriteOutcome:
        """Give a device back."""
        return await self.family.release(ResourceId(f"site-1/{device_id}"))


@contextlib.asynccontextmanager
async def running(*entries: Entry, tap: FrameTap = NO_TAP) -> AsyncIterator[Running]:
    """Run the family of a site."""
    book = FakeBook()
    ports = FamilyPorts(clock=SystemClock(), book=book, ledger=FakeLedger(), tap=tap)
    family = await open_family(site_config(*entries), ports)
    assert family is not None
    task = asyncio.create_task(family.run())
    try:
        yield Running(family, book)
        assert not task.done(), "the family has ended"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Plant:
    """Simulated units on real sockets, whose time passes when a test says so."""

    def __init__(self, hosted: Mapping[str, Hosted]) -> None:
        self.devices: dict[str, SimulatedDevice] = {n: h.device for n, h in hosted.items()}
        self.now_s = 1_790_000_000.0
        world = World(now_s=lambda: self.now_s, catch_up=lambda _name: None)
        self.listener = ModbusListener(tuple(hosted.values()), world)

    def pass_s(self, seconds: float) -> None:
        """Let time pass at every device."""
        for _ in range(round(seconds * 4)):
            span = Span(start_s=self.now_s, end_s=self.now_s + 0.25)
            self.now_s += 0.25
            for device in self.devices.values():
                device.advance(span)


def hosted(template_id: str, address: str, port: int, *, unit: int = 1, name: str = "") -> Hosted:
    """Make the simulated device of a template at an address."""
    template = template_of(template_id)
    device = simulated(
        template, f"sim/{name or template_id}", seed=3, soc_start=0.5, wall_s=1_790_000_000.0
    )
    return Hosted(device=device, template=template, address=address, port=port, unit=unit)


@contextlib.asynccontextmanager
async def plant(**devices: Hosted) -> AsyncIterator[Plant]:
    """Run simulated units."""
    made = Plant(devices)
    await made.listener.start()
    try:
        yield made
    finally:
        await made.listener.close()
