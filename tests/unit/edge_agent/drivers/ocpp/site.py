"""A site with one charger: its configuration, the family that serves it, and a charger to call it.

Everything runs on real sockets at the address each test file names.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge_agent.config.site import (
    DeviceConfig,
    JournalConfig,
    LimitsConfig,
    LinkConfig,
    LocationConfig,
    OcppConfig,
    SiteConfig,
    TariffConfig,
)
from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.frames import NO_TAP, FrameTap
from edge_agent.drivers.lease_book import LeasedDevice
from edge_agent.drivers.ocpp.family import open_family
from edge_agent.drivers.port import WriteOutcome
from firmware_sim.devices.contract import Span
from firmware_sim.devices.machines import machine_of
from firmware_sim.devices.ocpp.device import OcppDevice, simulated_device
from firmware_sim.servers.ocpp import listener
from firmware_sim.servers.port import Hosted, World
from protocols.templates.catalogue import template_of
from protocols.vocabulary.identifiers import ResourceId, SiteId, ZoneId
from protocols.vocabulary.measurement import Measurement
from protocols.vocabulary.setpoint import Setpoint

PORT = 8887
RESOURCE = ResourceId("site-1/ev-1")
CHARGER = "cp-1"


class SystemClock:
    """Real time: the sockets are real too."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


@dataclass
class Book:
    """The lease book in memory."""

    held: dict[ResourceId, LeasedDevice] = field(default_factory=dict)
    dropped: list[ResourceId] = field(default_factory=list)

    def hold(self, leased: LeasedDevice) -> None:
        self.held[leased.resource_id] = leased

    def drop(self, resource_id: ResourceId) -> None:
        self.held.pop(resource_id, None)
        self.dropped.append(resource_id)

    def left_over(self) -> tuple[LeasedDevice, ...]:
        return tuple(self.held.values())


class Ledger:
    """Counts writes."""

    def __init__(self) -> None:
        self.writes = 0

    def spend(self, resource_id: ResourceId, writes: int, budget: int | None) -> bool:
        self.writes += writes
        return True

    def count(self, resource_id: ResourceId) -> int:
        return self.writes


def site(
    folder: Path, template_id: str, address: str, *, password: str | None = None
) -> SiteConfig:
    """Configure a site with one charger."""
    template = template_of(template_id)
    charger = DeviceConfig(
        device_id="ev-1",
        kind=template.kind,
        protocol="ocpp",
        address="",
        template_id=template_id,
        identity=CHARGER,
    )
    return SiteConfig(
        site_id=SiteId("site-1"),
        zone=ZoneId("tokyo"),
        data_dir=folder,
        link=LinkConfig(brokers=(), keepalive_s=10),
        limits=LimitsConfig(contract_import_w=10_000.0, export_limit_w=5_000.0),
        tariff=TariffConfig(import_jpy_per_kwh=30.0, export_jpy_per_kwh=8.0),
        location=LocationConfig(latitude=35.6, longitude=139.7),
        echonet=None,
        journal=JournalConfig(bytes_max=10**9, tick_age_s_max=86_400.0),
        pv_peak_w=0.0,
        forecast_model=None,
        devices=(charger,),
        ocpp=OcppConfig(address=address, port=PORT, password=password),
    )


class Served:
    """A running family, read like the cycle reads it."""

    def __init__(self, family: DeviceFamily, book: Book) -> None:
        self.family = family
        self.book = book
        self.seen: dict[str, Measurement] = {}
        self._sequence = 0

    async def read(self) -> None:
        for point, measurement in await self.family.read(0.3):
            self.seen[point.rpartition(".")[2]] = measurement

    def value(self, quantity: str) -> float | None:
        measurement = self.seen.get(quantity)
        return None if measurement is None else measurement.value

    async def until(self, holds: Callable[[], bool], within_s: float = 8.0) -> bool:
        """Read until something holds."""
        ends = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > ends:
                return False
            await self.read()
            await asyncio.sleep(0.1)
        return True

    async def write(self, power_w: float, *, lease_s: float = 30.0) -> WriteOutcome:
        """Order a power, reading on meanwhile."""
        now = datetime.now(UTC)
        self._sequence += 1
        setpoint = Setpoint(
            resource_id=RESOURCE,
            power_w=power_w,
            valid_from=now,
            valid_until=now + timedelta(seconds=lease_s),
            reason="test",
            cycle=self._sequence,
            sequence=self._sequence,
        )
        wish = asyncio.ensure_future(self.family.write(setpoint))
        while not wish.done():
            await self.read()
            await asyncio.wait([wish], timeout=0.1)
        return wish.result()

    async def release(self) -> WriteOutcome:
        return await self.family.release(RESOURCE)


@contextlib.asynccontextmanager
async def served(
    config: SiteConfig, *, book: Book | None = None, tap: FrameTap = NO_TAP
) -> AsyncIterator[Served]:
    """Run the family of a site."""
    kept = book or Book()
    ports = FamilyPorts(clock=SystemClock(), book=kept, ledger=Ledger(), tap=tap)
    family = await open_family(config, ports)
    assert family is not None
    running = asyncio.create_task(family.run())
    try:
        yield Served(family, kept)
        assert not running.done(), f"the family has ended: {running.exception()}"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class Driveway:
    """Simulated chargers and their time, which may run apart from ours."""

    def __init__(self, device: OcppDevice) -> None:
        self.device = device
        self._now_s = time.time()

    def step(self, _name: str = "") -> None:
        """Let the charger's time pass up to now."""
        now_s = time.time()
        if now_s - self._now_s > 1e-3:
            self.device.advance(Span(start_s=self._now_s, end_s=now_s))
            self._now_s = now_s


@contextlib.asynccontextmanager
async def charging(
    template_id: str, address: str, *, name: str = CHARGER, soc: float = 0.5
) -> AsyncIterator[OcppDevice]:
    """Run a simulated charger that calls the central system at an address."""
    template = template_of(template_id)
    machine = machine_of(template, seed=3, soc_start=soc)
    device = simulated_device(template, machine, name=f"site-1/{name}", wall_s=time.time())
    driveway = Driveway(device)
    hosted = Hosted(device=device, template=template, address=address, port=PORT)
    chargers = listener([hosted], World(now_s=time.time, catch_up=driveway.step))

    async def pass_time() -> None:
        while True:
            driveway.step()
            await chargers.tick(time.time())
            await asyncio.sleep(0.05)

    await chargers.start()
    ticking = asyncio.create_task(pass_time())
    try:
        yield device
    finally:
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
        await chargers.close()


def states(outcomes: Sequence[WriteOutcome]) -> list[str]:
    """Words of outcomes."""
    return [outcome.state.value for outcome in outcomes]
