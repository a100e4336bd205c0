"""A site with one IEEE 2030.5 device: its configuration, its family, and a device that calls it.

The device is made of our own codec over aiohttp; py20305 is in tests/conformance/peers.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import aiohttp

from edge_agent.config.local_servers import Ieee2030_5ServerConfig, ServerFiles
from edge_agent.config.site import (
    DeviceConfig,
    JournalConfig,
    LimitsConfig,
    LinkConfig,
    LocationConfig,
    SiteConfig,
    TariffConfig,
)
from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.frames import NO_TAP
from edge_agent.drivers.ieee2030_5.family import open_family
from edge_agent.drivers.lease_book import LeasedDevice
from edge_agent.drivers.port import FoundDevice, WriteOutcome
from protocols.ieee2030_5.resources.der import (
    DefaultDERControl,
    DERCapability,
    DERControl,
    DERControlList,
    DERProgramList,
    DERStatus,
    StateOfChargeStatusType,
    StatusValue,
)
from protocols.ieee2030_5.resources.devices import EndDeviceList, FunctionSetAssignmentsList
from protocols.ieee2030_5.resources.elements import DateTimeInterval, Resource
from protocols.ieee2030_5.resources.messages import DERControlResponse
from protocols.ieee2030_5.resources.metering import (
    MirrorMeterReading,
    MirrorUsagePoint,
    Reading,
    ReadingType,
)
from protocols.ieee2030_5.units import encode_active_power
from protocols.ieee2030_5.xml import MEDIA_TYPE, decode, encode
from protocols.templates.catalogue import template_of
from protocols.vocabulary.identifiers import ResourceId, SiteId, ZoneId
from protocols.vocabulary.measurement import Measurement
from protocols.vocabulary.setpoint import Setpoint
from tests.pki import Holder, Pki

RESOURCE = ResourceId("site-1/der-1")
FULL_W = 5000.0
TARGET, FIXED, MAX_LIM = 1 << 22, 1 << 7, 1 << 20
BATTERY, PV = "ieee2030-5-battery", "ieee2030-5-pv"
Answered = TypeVar("Answered", bound=Resource)


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

    def hold(self, leased: LeasedDevice) -> None:
        self.held[leased.resource_id] = leased

    def drop(self, resource_id: ResourceId) -> None:
        self.held.pop(resource_id, None)

    def left_over(self) -> tuple[LeasedDevice, ...]:
        return tuple(self.held.values())


class Ledger:
    """Allows everything."""

    def spend(self, resource_id: ResourceId, writes: int, budget: int | None) -> bool:
        return True

    def count(self, resource_id: ResourceId) -> int:
        return 0


@dataclass
class Place:
    """Certificates, address and folder of a site."""

    folder: Path
    host: str
    port: int
    pki: Pki
    device: Holder

    @classmethod
    def at(cls, folder: Path, host: str, port: int) -> "Place":
        pki = Pki(folder / "pki")
        return cls(folder=folder, host=host, port=port, pki=pki, device=pki.device("der"))

    def config(self, template_id: str = BATTERY) -> SiteConfig:
        """Configure a site with the device."""
        server = self.pki.server("localhost", self.host)
        device = DeviceConfig(
            device_id="der-1",
            kind=template_of(template_id).kind,
            protocol="ieee2030.5",
            address="",
            template_id=template_id,
            identity=self.device.lfdi,
        )
        return SiteConfig(
            site_id=SiteId("site-1"),
            zone=ZoneId("tokyo"),
            data_dir=self.folder / "data",
            link=LinkConfig(brokers=(), keepalive_s=10),
            limits=LimitsConfig(contract_import_w=10_000.0, export_limit_w=5_000.0),
            tariff=TariffConfig(import_jpy_per_kwh=30.0, export_jpy_per_kwh=8.0),
            location=LocationConfig(latitude=35.6, longitude=139.7),
            echonet=None,
            journal=JournalConfig(bytes_max=10**9, tick_age_s_max=86_400.0),
            pv_peak_w=0.0,
            forecast_model=None,
            devices=(device,),
            ieee2030_5_server=Ieee2030_5ServerConfig(
                address=self.host,
                port=self.port,
                tls=ServerFiles(
                    certificate=server.certificate,
                    key=server.key,
                    authorities=self.pki.authorities,
                ),
                pin=111_115,
                csip_aus=False,
            ),
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

    async def until(self, holds: Callable[[], bool], within_s: float = 10.0) -> bool:
        """Read until something holds."""
        ends = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > ends:
                return False
            await self.read()
            await asyncio.sleep(0.05)
        return True

    async def live(self) -> bool:
        """Wait until the device has been met."""
        return await self.until(lambda: bool(self.family.resources()[0].capabilities))

    async def write(self, power_w: float, *, lease_s: float = 30.0) -> WriteOutcome:
        """Order a power."""
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
        return await self.family.write(setpoint)

    async def release(self) -> WriteOutcome:
        return await self.family.release(RESOURCE)

    async def strangers(self) -> tuple[FoundDevice, ...]:
        return await self.family.discover()


@contextlib.asynccontextmanager
async def served(config: SiteConfig, *, book: Book | None = None) -> AsyncIterator[Served]:
    """Run the family of a site."""
    kept = book or Book()
    ports = FamilyPorts(clock=SystemClock(), book=kept, ledger=Ledger(), tap=NO_TAP)
    family = await open_family(config, ports)
    assert family is not None
    running = asyncio.create_task(family.run())
    try:
        yield Served(family, kept)
        assert not running.done(), f"the family has ended: {running.exception()}"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def context_of(
    place: Place, holder: Holder | None, authorities: Path | None = None
) -> ssl.SSLContext:
    """TLS of a device with a certificate, or with none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authorities or place.pki.authorities)
    if holder is not None:
        context.load_cert_chain(holder.certificate, holder.key)
    return context


@dataclass
class Device:
    """A device that calls: polls its program and answers as it is told to.

    Attributes
    ----------
    statuses : tuple of int
        What it answers to a control it meets first; empty: nothing.
    ends : bool
        Whether it answers that a control was cancelled or superseded.
    """

    place: Place
    session: aiohttp.ClientSession
    modes: int = TARGET | FIXED
    statuses: tuple[int, ...] = (1, 2)
    ends: bool = True
    answered: dict[str, list[int]] = field(default_factory=dict)
    controls: list[DERControl] = field(default_factory=list)
    default: DefaultDERControl | None = None

    def url(self, path: str) -> str:
        return f"https://{self.place.host}:{self.place.port}{path}"

    async def get(self, path: str, wanted: type[Answered]) -> Answered:
        while True:
            async with self.session.get(self.url(path)) as reply:
                if reply.status == 429:
                    await asyncio.sleep(0.5)
                    continue
                assert reply.status == 200, f"{path}: {reply.status}"
                return decode(await reply.read(), wanted)

    async def send(self, method: str, path: str, resource: Resource) -> str:
        """Write a resource; its address."""
        async with self.session.request(
            method,
            self.url(path),
            data=encode(resource, csipaus=False),
            headers={"Content-Type": MEDIA_TYPE},
        ) as reply:
            assert reply.status in {201, 204}, f"{path}: {reply.status} {await reply.text()}"
            return reply.headers.get("Location", "")

    async def introduce(self) -> None:
        """Find itself and say what it can."""
        found = await self.get("/edev?s=0&l=10", EndDeviceList)
        (mine,) = found.end_device
        assert mine.lfdi == self.place.device.lfdi
        self._base = mine.href or ""
        watts = encode_active_power(FULL_W)
        capability = DERCapability(
            modes_supported=self.modes,
            rtg_max_w=watts,
            rtg_max_charge_rate_w=watts,
            rtg_max_discharge_rate_w=watts,
            type=83,
        )
        await self.send("PUT", f"{self._base}/der/1/dercap", capability)
        groups = await self.get(f"{self._base}/fsa?l=10", FunctionSetAssignmentsList)
        assert groups.function_set_assignments[0].der_program_list_link is not None
        link = groups.function_set_assignments[0].der_program_list_link.href
        programs = await self.get(f"{link}?l=10", DERProgramList)
        self.program = programs.der_program[0].href or ""

    async def measure(self, power_w: float, *, age_s: int = 0, flow: int = 4) -> None:
        """Send a power, as its mirror and its status."""
        now = int(time.time()) - age_s
        name = "0A" * 16
        kind = ReadingType(flow_direction=flow, uom=38, power_of_ten_multiplier=0)
        reading = Reading(time_period=DateTimeInterval(duration=0, start=now), value=round(power_w))
        mirror = MirrorUsagePoint(
            mrid="0B" * 16,
            role_flags=0x49,
            service_category_kind=0,
            status=1,
            device_lfdi=self.place.device.lfdi,
            mirror_meter_reading=(
                MirrorMeterReading(mrid=name, reading=reading, reading_type=kind),
            ),
        )
        await self.send("POST", "/mup", mirror)
        status = DERStatus(
            inverter_status=StatusValue(date_time=now, value=4),
            reading_time=now,
            state_of_charge_status=StateOfChargeStatusType(date_time=now, value=5000),
        )
        await self.send("PUT", f"{self._base}/der/1/ders", status)

    async def poll(self) -> None:
        """Look for controls once and answer them."""
        self.default = await self.get(f"{self.program}/dderc", DefaultDERControl)
        listed = await self.get(f"{self.program}/derc?l=255", DERControlList)
        self.controls = list(listed.der_control)
        for control in listed.der_control:
            status = control.event_status.current_status
            said = self.answered.setdefault(control.mrid, [])
            if status == 1 and not said:
                for word in self.statuses:
                    await self._answer(control, word)
            elif status in {2, 4} and said and self.ends and not {6, 7} & set(said):
                await self._answer(control, 6 if status == 2 else 7)

    async def _answer(self, control: DERControl, status: int) -> None:
        self.answered[control.mrid].append(status)
        answer = DERControlResponse(
            created_date_time=int(time.time()),
            end_device_lfdi=self.place.device.lfdi,
            status=status,
            subject=control.mrid,
        )
        await self.send("POST", control.reply_to or "", answer)

    def active(self) -> list[DERControl]:
        """Return the controls it follows, as last listed."""
        return [one for one in self.controls if one.event_status.current_status == 1]

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self.poll()
            await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def device_of(place: Place, **changes: object) -> AsyncIterator[Device]:
    """Run a device that calls, is introduced and polls."""
    connector = aiohttp.TCPConnector(ssl=context_of(place, place.device))
    async with aiohttp.ClientSession(connector=connector) as session:
        device = Device(place=place, session=session)
        for name, value in changes.items():
            setattr(device, name, value)
        await device.introduce()
        polling = asyncio.create_task(device.run())
        try:
            yield device
            assert not polling.done(), f"the device has ended: {polling.exception()}"
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)
