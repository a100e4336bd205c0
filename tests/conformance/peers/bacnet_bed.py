"""Our BACnet driver for one device at an address, driven as the cycle drives it."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge_agent.config.loader import load_config
from edge_agent.drivers.bacnet.family import open_family
from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.frames import NO_TAP
from edge_agent.drivers.lease_book import LeasedDevice
from edge_agent.drivers.port import WriteOutcome
from firmware_sim.main import SystemClock
from protocols.vocabulary.identifiers import PointId, ResourceId
from protocols.vocabulary.measurement import Measurement
from protocols.vocabulary.setpoint import Setpoint

DEVICE = ResourceId("site-1/hvac")
READ_S = 0.1


@dataclass
class Book:
    """Leases in memory; what an earlier life left can be put in."""

    held: dict[ResourceId, LeasedDevice] = field(default_factory=dict)

    def hold(self, leased: LeasedDevice) -> None:
        """Record."""
        self.held[leased.resource_id] = leased

    def drop(self, resource_id: ResourceId) -> None:
        """Forget."""
        self.held.pop(resource_id, None)

    def left_over(self) -> tuple[LeasedDevice, ...]:
        """Whatever was there when the family was opened."""
        return tuple(self.held.values())


class Ledger:
    """Counts nothing and allows everything."""

    def spend(self, resource_id: ResourceId, writes: int, budget: int | None) -> bool:
        """Allow."""
        return True

    def count(self, resource_id: ResourceId) -> int:
        """No writes."""
        return 0


@dataclass
class Driven:
    """A family that runs, and what it has told so far."""

    family: DeviceFamily
    book: Book
    seen: dict[PointId, Measurement] = field(default_factory=dict)
    sequence: int = 0

    async def read(self) -> None:
        """Read once."""
        for point, measurement in await self.family.read(READ_S):
            self.seen[point] = measurement

    def point(self, quantity: str) -> Measurement | None:
        """Latest measurement of the device."""
        return self.seen.get(PointId(f"hvac.{quantity}"))

    def value(self, quantity: str) -> float | None:
        """Latest number of the device."""
        found = self.point(quantity)
        return None if found is None else found.value

    async def until(self, holds: Callable[[], bool], within_s: float = 15.0) -> None:
        """Read until something holds."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + within_s
        while not holds():
            assert loop.time() < ends, f"not within {within_s} s; seen: {self.seen}"
            await self.read()
            await asyncio.sleep(READ_S)

    async def write(self, power_w: float, *, lease_s: float = 30.0) -> WriteOutcome:
        """Order a power and read on until it is known what became of it."""
        now = datetime.now(UTC)
        self.sequence += 1
        wish = asyncio.ensure_future(
            self.family.write(
                Setpoint(
                    resource_id=DEVICE,
                    power_w=power_w,
                    valid_from=now,
                    valid_until=now + timedelta(seconds=lease_s),
                    reason="test",
                    cycle=self.sequence,
                    sequence=self.sequence,
                )
            )
        )
        while not wish.done():
            await self.read()
            await asyncio.wait([wish], timeout=READ_S)
        return wish.result()


@contextlib.asynccontextmanager
async def driven(
    *, gateway: str, port: int, device: str, template: str, book: Book | None = None
) -> AsyncIterator[Driven]:
    """Run our driver for one device; a meter that is not there is configured as well."""
    text = f"""
site_id = "site-1"
zone = "tokyo"
data_dir = "data"
[link]
brokers = ["mqtt://127.0.0.1:1"]
[limits]
contract_import_w = 50000.0
export_limit_w = 0.0
[tariff]
import_jpy_per_kwh = 31.0
export_jpy_per_kwh = 8.5
[location]
latitude = 35.68
longitude = 139.77
[bacnet]
address = "{gateway}/8"
port = {port}
[[devices]]
id = "meter"
template = "bacnet-power-meter"
address = "127.4.255.1:47808"
[[devices]]
id = "hvac"
template = "{template}"
address = "{device}"
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.toml"
        path.write_text(text, encoding="utf-8")
        config = load_config(path)
    held = Book() if book is None else book
    ports = FamilyPorts(clock=SystemClock(), book=held, ledger=Ledger(), tap=NO_TAP)
    family = await open_family(config, ports)
    assert family is not None
    running = asyncio.ensure_future(family.run())
    try:
        yield Driven(family, held)
        assert not running.done(), "the driver has ended by itself"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
