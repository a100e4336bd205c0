"""The gateway's own VTN toward a load made of our own codec, and against hostile callers.

Loopback 127.5.33.x. openleadr's VEN is in tests/conformance/peers.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from edge_agent.config.local_servers import OpenAdrVtnConfig
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
from edge_agent.drivers.openadr.family import open_family
from edge_agent.drivers.port import WriteOutcome, WriteState
from protocols.openadr.messages.elements import EiResponse, OptType, QualifiedEventID
from protocols.openadr.messages.event import (
    EiCreatedEvent,
    EventResponse,
    OadrCreatedEvent,
    OadrDistributeEvent,
    OadrEvent,
)
from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import (
    OadrCreatedPartyRegistration,
    OadrCreatePartyRegistration,
    OadrPoll,
)
from protocols.openadr.xml import decode, encode
from protocols.vocabulary.identifiers import ResourceId, SiteId, ZoneId
from protocols.vocabulary.resource import ResourceKind
from protocols.vocabulary.setpoint import Setpoint
from tests.ports import free_port
from tests.unit.edge_agent.drivers.ieee2030_5.site import Book, Ledger, SystemClock

NET = "127.5.33"
RESOURCE = ResourceId("site-1/load-1")
XML = {"Content-Type": "application/xml"}


def config(folder: Path, host: str, port: int) -> SiteConfig:
    """Configure a site with one load."""
    device = DeviceConfig(
        device_id="load-1",
        kind=ResourceKind.LOAD,
        protocol="openadr",
        address="",
        template_id="openadr-load-setpoint",
        identity="ven-1",
    )
    return SiteConfig(
        site_id=SiteId("site-1"),
        zone=ZoneId("tokyo"),
        data_dir=folder / "data",
        link=LinkConfig(brokers=(), keepalive_s=10),
        limits=LimitsConfig(contract_import_w=50_000.0, export_limit_w=5_000.0),
        tariff=TariffConfig(import_jpy_per_kwh=30.0, export_jpy_per_kwh=8.0),
        location=LocationConfig(latitude=35.6, longitude=139.7),
        echonet=None,
        journal=JournalConfig(bytes_max=10**9, tick_age_s_max=86_400.0),
        pv_peak_w=0.0,
        forecast_model=None,
        devices=(device,),
        openadr_vtn=OpenAdrVtnConfig(
            address=host, port=port, vtn_id="VTN-gateway", tls=None, signs=False
        ),
    )


@contextlib.asynccontextmanager
async def served(site: SiteConfig, *, book: Book | None = None) -> AsyncIterator[DeviceFamily]:
    """Run the family of a site."""
    ports = FamilyPorts(clock=SystemClock(), book=book or Book(), ledger=Ledger(), tap=NO_TAP)
    family = await open_family(site, ports)
    assert family is not None
    running = asyncio.create_task(family.run())
    try:
        yield family
        assert not running.done(), f"the family has ended: {running.exception()}"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@dataclass
class Load:
    """A VEN that polls, and opts as it is told to.

    Attributes
    ----------
    opt : OptType or None
        None: it answers nothing.
    events : dict
        Latest version of each event it was told.
    """

    url: str
    session: aiohttp.ClientSession
    opt: OptType | None = OptType.OPT_IN
    events: dict[str, OadrEvent] = field(default_factory=dict)

    async def post(self, service: str, body: bytes) -> tuple[int, bytes]:
        async with self.session.post(f"{self.url}/{service}", data=body, headers=XML) as reply:
            return reply.status, await reply.read()

    async def ask(self, service: str, message: Payload) -> Payload:
        status, body = await self.post(service, encode(message))
        assert status == 200
        return decode(body)

    async def register(self, ven_id: str) -> str:
        """Register; the response code."""
        request = OadrCreatePartyRegistration(
            request_id="r1",
            ven_id=ven_id,
            oadr_profile_name="2.0b",
            oadr_transport_name="simpleHttp",
            oadr_report_only=False,
            oadr_xml_signature=False,
            oadr_ven_name=ven_id,
            oadr_http_pull_model=True,
        )
        reply = await self.ask("EiRegisterParty", request)
        assert isinstance(reply, OadrCreatedPartyRegistration)
        return reply.ei_response.response_code

    async def poll(self) -> None:
        """Poll once and answer what comes."""
        reply = await self.ask("OadrPoll", OadrPoll(ven_id="ven-1"))
        if not isinstance(reply, OadrDistributeEvent):
            return
        for one in reply.oadr_event:
            descriptor = one.ei_event.event_descriptor
            self.events[descriptor.event_id] = one
            if self.opt is None:
                continue
            answer = EventResponse(
                response_code="200",
                request_id=reply.request_id,
                qualified_event_id=QualifiedEventID(
                    event_id=descriptor.event_id,
                    modification_number=descriptor.modification_number,
                ),
                opt_type=self.opt,
            )
            created = OadrCreatedEvent(
                ei_created_event=EiCreatedEvent(
                    ei_response=EiResponse(response_code="200", request_id=reply.request_id),
                    event_responses=(answer,),
                    ven_id="ven-1",
                )
            )
            await self.ask("EiEvent", created)

    def intervals(self) -> list[tuple[float, float]]:
        """Values and lengths in s of the only event."""
        (event,) = self.events.values()
        (signal,) = event.ei_event.ei_event_signals.ei_event_signal
        return [
            (one.signal_payload[0].payload_float, (one.duration or timedelta()).total_seconds())
            for one in signal.intervals
        ]


@contextlib.asynccontextmanager
async def load_of(site: SiteConfig) -> AsyncIterator[Load]:
    """Run a load that is registered and polls."""
    section = site.openadr_vtn
    assert section is not None
    url = f"http://{section.address}:{section.port}/OpenADR2/Simple/2.0b"
    async with aiohttp.ClientSession() as session:
        load = Load(url=url, session=session)
        assert await load.register("ven-1") == "200"

        async def polls() -> None:
            while True:
                await load.poll()
                await asyncio.sleep(0.2)

        polling = asyncio.create_task(polls())
        try:
            yield load
            assert not polling.done(), f"the load has ended: {polling.exception()}"
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)


async def live(family: DeviceFamily) -> None:
    """Wait until the load has been met."""
    async with asyncio.timeout(10.0):
        while not family.resources()[0].capabilities:
            await family.read(0.2)
            await asyncio.sleep(0.05)


async def write(family: DeviceFamily, power_w: float) -> WriteOutcome:
    """Order a ceiling."""
    now = datetime.now(UTC)
    return await family.write(
        Setpoint(
            resource_id=RESOURCE,
            power_w=power_w,
            valid_from=now,
            valid_until=now + timedelta(seconds=60),
            reason="test",
            cycle=1,
            sequence=1,
        )
    )


def test_a_limit_stands_behind_the_ceiling(tmp_path: Path) -> None:
    """If it fails, a load goes beyond a limit in force when the gateway has died."""

    async def story() -> None:
        site = config(tmp_path, f"{NET}.1", free_port())
        async with served(site) as family, load_of(site) as load:
            await live(family)
            family.revert_to(RESOURCE, -9000.0)
            assert (await write(family, -5000.0)).state is WriteState.DONE
            assert load.intervals() == [(5000.0, 60.0), (9000.0, 86_400.0)]
            assert (await family.release(RESOURCE)).state is WriteState.DONE
            assert load.intervals() == [(9000.0, 86_400.0)]

    asyncio.run(story())


def test_an_event_nobody_leases_any_more_is_cancelled_at_the_start(tmp_path: Path) -> None:
    """If it fails, a load stays held down by an order that everybody has forgotten."""

    async def story() -> None:
        site, book = config(tmp_path, f"{NET}.2", free_port()), Book()
        async with served(site, book=book) as family, load_of(site) as load:
            await live(family)
            assert (await write(family, -5000.0)).state is WriteState.DONE
            (name,) = load.events
        book.held.clear()
        async with served(site, book=book) as family, load_of(site) as load:
            await live(family)
            for _ in range(50):
                await asyncio.sleep(0.0 if name in load.events else 0.1)
            status = load.events[name].ei_event.event_descriptor.event_status
            assert status.value == "cancelled"

    asyncio.run(story())


def test_a_load_that_answers_nothing_is_not_counted_on(tmp_path: Path) -> None:
    """If it fails, an order counts as obeyed that the load has never agreed to."""

    async def story() -> None:
        site = config(tmp_path, f"{NET}.3", free_port())
        async with served(site) as family, load_of(site) as load:
            load.opt = None
            await live(family)
            assert (await write(family, -5000.0)).state is WriteState.UNCONFIRMED
            assert (await write(family, 100.0)).state is WriteState.REFUSED

    asyncio.run(story())


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 400), (b"<a", 400), (b"<a>" * 5000, 400), (b"<a/>", 200)]
)
def test_hostile_bodies_get_the_standards_answer(tmp_path: Path, body: bytes, status: int) -> None:
    """If it fails, one bad document stops the VTN of the whole building."""

    async def story() -> None:
        site = config(tmp_path, f"{NET}.4", free_port())
        async with served(site) as family, load_of(site) as load:
            assert (await load.post("EiEvent", body))[0] == status
            assert (await load.post("Nothing", body))[0] == 404
            assert await load.register("somebody-else") != "200"
            await live(family)
            assert await family.discover()

    asyncio.run(story())
