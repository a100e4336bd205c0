"""A gateway's client under test, our own server for it, and a stub that says what it is told."""

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from cloud_coordinator.gateway.ieee2030_5.service import Chance, Ieee2030_5Service, ServiceOptions
from cloud_coordinator.gateway.tls import TlsFiles as ServerFiles
from edge_agent.config.northbound import Ieee2030_5ClientConfig, Listener, TlsFiles
from edge_agent.northbound.ieee2030_5.client import ClientParts, Ieee2030_5Client
from edge_agent.northbound.port import (
    GridOrder,
    OrderRefusal,
    Origin,
    Ratings,
    RefusalKind,
    SiteSecond,
)
from protocols.ieee2030_5.server.settings import ServerSettings
from protocols.sansio.records import Change
from tests.pki import Holder, Pki
from tests.ports import free_port

HOST = "127.24.1.1"
MODES = ("opModExpLimW", "opModMaxLimW")


@dataclass
class Book:
    """Records in memory."""

    records: dict[str, bytes] = field(default_factory=dict)

    def load(self) -> Mapping[str, bytes]:
        return dict(self.records)

    def put(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if change.value is None:
                self.records.pop(change.key, None)
            else:
                self.records[change.key] = change.value


class WallClock:
    """Our clock, off by so many seconds."""

    def __init__(self, ahead_s: float = 0.0) -> None:
        self._ahead_s = ahead_s

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self._ahead_s, tz=UTC)

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class Judge:
    """A site that takes two modes."""

    def refusal(self, order: GridOrder) -> OrderRefusal | None:
        if order.mode in MODES:
            return None
        return OrderRefusal(kind=RefusalKind.UNSUPPORTED, cause="not here")

    def modes(self, origin: Origin) -> tuple[str, ...]:
        return MODES


@dataclass
class Gateway:
    """The client with what it keeps."""

    pki: Pki
    holder: Holder
    book: Book = field(default_factory=Book)
    authorities: Path | None = None
    ahead_s: float = 0.0
    listener: Listener | None = None

    def make(self, port: int, *, host: str = HOST) -> Ieee2030_5Client:
        config = Ieee2030_5ClientConfig(
            url=f"https://{host}:{port}/dcap",
            tls=TlsFiles(
                certificate=self.holder.certificate,
                key=self.holder.key,
                authorities=self.authorities or self.pki.serca,
            ),
            pin=None,
            registers=True,
            csip_aus=True,
            poll_s_min=1.0,
            listener=self.listener,
        )
        parts = ClientParts(
            judge=Judge(),
            book=self.book,
            clock=WallClock(self.ahead_s),
            chance=random.Random(3).random,
        )
        return Ieee2030_5Client(config, parts)

    @asynccontextmanager
    async def running(self, port: int, *, host: str = HOST) -> AsyncIterator[Ieee2030_5Client]:
        """Run the client; its end is a loss of power as far as it knows."""
        client = self.make(port, host=host)
        client.happened(second())
        task = asyncio.create_task(client.run())
        try:
            yield client
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def second() -> SiteSecond:
    ratings = Ratings(max_w=9e3, max_charge_w=4e3, max_discharge_w=4e3, load_w=0.0, energy_wh=8e3)
    return SiteSecond(
        at=datetime.now(UTC), meter_w=-500.0, resources=(), ratings=ratings, reports=()
    )


@asynccontextmanager
async def utility(
    pki: Pki, book: Book, *, port: int = 0, poll_rate_s: int = 1
) -> AsyncIterator[tuple[Ieee2030_5Service, int]]:
    """Our own server, and its port."""
    holder = pki.server(HOST)
    service = Ieee2030_5Service(
        ServiceOptions(
            host=HOST,
            port=port,
            tls=ServerFiles(
                certificate=holder.certificate, key=holder.key, authorities=pki.authorities
            ),
            server=ServerSettings(poll_rate_s=poll_rate_s, post_rate_s=1),
        ),
        book,
        clock=time.time,
        chance=Chance(seed=bytes(range(16)), draw=random.Random(1).random),
    )
    where = await service.open()
    task = asyncio.create_task(service.run())
    try:
        yield service, where.port
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await service.close()


def stub_context(holder: Holder, pki: Pki) -> ssl.SSLContext:
    """TLS of a server like those in the field."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(holder.certificate, holder.key)
    context.load_verify_locations(pki.authorities)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@asynccontextmanager
async def stub(
    context: ssl.SSLContext | None, answer: Callable[[web.Request], web.Response]
) -> AsyncIterator[int]:
    """Start a server that answers as it is told; gives its port."""

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return answer(request)

    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", handle)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, HOST, port, ssl_context=context).start()
    try:
        yield port
    finally:
        await runner.cleanup()


async def until(true: Callable[[], object], *, most_s: float = 15.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(most_s):
        while not true():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.05)
