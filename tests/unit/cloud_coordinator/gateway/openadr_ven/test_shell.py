"""The coordinator's VEN on real sockets: pushed to, lied to, and with a disk that refuses."""

import asyncio
import secrets
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs

from cloud_coordinator.gateway.openadr_ven.ven import CoordinatorVen
from cloud_coordinator.gateway.openadr_ven.ven_file import Listener, VenFile
from cloud_coordinator.gateway.openadr_ven.zone import ZonePorts
from cloud_coordinator.gateway.tls import TlsFiles
from cloud_coordinator.services.records import AwardRecord
from protocols.openadr.identity import fingerprint
from protocols.openadr.messages.event import OadrDistributeEvent
from protocols.openadr.messages.registration import OadrResponse
from protocols.openadr.xml import decode, encode
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ObligationId
from protocols.vocabulary.intervals import Interval
from tests.hostile_tls import HostileServers
from tests.pki import Holder, Pki
from tests.ports import free_port
from tests.unit.cloud_coordinator.gateway.openadr_ven.world import (
    LOAD,
    ZONE,
    Book,
    Desk,
    MachineClock,
    Stores,
    award,
    call,
)
from tests.unit.edge_agent.northbound.openadr.scripted_vtn import ScriptedVtn
from tests.unit.protocols.openadr.samples import distribute

HOST = "127.71.8.1"
PATH = "/OpenADR2/Simple/2.0b"
NO_CAUSE = "no reason to call it"


class Record:
    """One award that runs since an hour."""

    def __init__(self) -> None:
        one, now = award(), datetime.now(UTC).replace(microsecond=0)
        awarded = Interval(start=now - timedelta(hours=1), end=now + timedelta(hours=1))
        self.all = [
            replace(one, obligation=replace(one.obligation, interval=awarded, step_s=7200.0))
        ]

    def awards(self) -> Sequence[AwardRecord]:
        """Return the only award."""
        return self.all

    def delivery(self, obligation_id: ObligationId) -> object:
        """Never called: nothing is bound."""
        raise NotImplementedError(NO_CAUSE)


class Silent:
    """No live seconds."""

    def points_after(self, obligation_id: ObligationId, second: int) -> Sequence[object]:
        """Return nothing."""
        return ()


class Bed:
    """A VEN, its disk, and the commands it gives."""

    def __init__(self, file: VenFile) -> None:
        self.file, self.record, self.book = file, Record(), Book()
        self.stores = Stores(self.record.all)
        self.ven = self.made()

    def made(self) -> CoordinatorVen:
        """Make the VEN of what is on the disk."""
        ports = ZonePorts(
            record=self.record,  # type: ignore[arg-type]
            present=Silent(),  # type: ignore[arg-type]
            desk=Desk(self.stores),
            book=self.book,
            clock=MachineClock(),
            draw=secrets.token_bytes,
        )
        return CoordinatorVen(self.file, ports)

    def powers(self) -> list[float]:
        """Powers that were commanded."""
        return [one.power_w for one in self.stores.kept]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let the VEN run."""
        await self.ven.open()
        task = asyncio.create_task(self.ven.run())
        try:
            yield
            assert not task.done(), task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await self.ven.close()


def ven_file(port: int, **changes: object) -> VenFile:
    """Make the settings of a VEN."""
    plain = VenFile(
        name="tso",
        url=f"http://{HOST}:{port}{PATH}",
        ven_name="ven",
        vtn_id=None,
        zone=ZONE,
        profile=LOAD,
        tls=None,
        signed=False,
        vtn_fingerprint=None,
        listener=None,
        poll_s=1.0,
        market_contexts=(),
        resource_ids=(),
        acts_on_tests=False,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


@asynccontextmanager
async def served(
    vtn: ScriptedVtn, port: int, context: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Serve a VTN."""
    runner = web.AppRunner(vtn.app(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port, ssl_context=context).start()
        yield
    finally:
        await runner.cleanup()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something."""
    async with asyncio.timeout(15.0):
        while not holds():  # noqa: ASYNC110 - what is waited for is a sum of many things
            await asyncio.sleep(0.02)


def begun(*seconds_and_values: tuple[float, float]) -> OadrDistributeEvent:
    """Make an event that begins now."""
    intervals = tuple((seconds / 60, value) for seconds, value in seconds_and_values)
    sample = distribute(call("called", *intervals), vtn_id="VTN-scripted")
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    message = decode(encode(sample).decode().replace("2026-11-23T06:00:00Z", now).encode())
    assert isinstance(message, OadrDistributeEvent)
    return message


def pin(holder: Holder) -> str:
    """Read a fingerprint off a certificate in a file."""
    leaf = x509.load_pem_x509_certificate(holder.leaf.read_bytes())
    return fingerprint(leaf.public_bytes(Encoding.DER))


def own_files(pki: Pki) -> TlsFiles:
    """Make the VEN's own certificate."""
    own = pki.server(HOST, name="ven-own")
    return TlsFiles(certificate=own.certificate, key=own.key, authorities=pki.authorities)


@pytest.mark.parametrize("wrong", ["wrong chain", "other name", "other fingerprint"])
def test_a_hostile_vtn_is_one_line_and_the_event_goes_on(tmp_path: Path, wrong: str) -> None:
    """If it fails, who takes a TSO's place commands a fleet, or stops what the TSO commanded."""
    servers, port = HostileServers(tmp_path, HOST), free_port()
    bed = Bed(
        ven_file(
            port,
            url=f"https://{HOST}:{port}{PATH}",
            tls=own_files(servers.pki),
            vtn_fingerprint=pin(servers.holder) if wrong == "other fingerprint" else None,
        )
    )

    async def lived() -> None:
        vtn = ScriptedVtn()
        with capture_logs() as logs:
            async with bed.running():
                async with served(vtn, port, servers.good):
                    vtn.news.append(begun((6.0, -3000.0), (600.0, -1000.0)))
                    await until(lambda: bed.powers() == [3000.0])
                seen = len(vtn.documents)
                async with served(vtn, port, servers.wrong[wrong]):
                    await until(lambda: bed.powers() == [3000.0, 1000.0])
                    await until(lambda: any(one["event"] == "vtn.distrusted" for one in logs))
                    assert len(vtn.documents) == seen, "nothing was told to a stranger"
                async with served(vtn, port, servers.good):
                    await until(lambda: any(one["event"] == "vtn.back" for one in logs))
        told = Counter(one["event"] for one in logs)
        assert told["vtn.distrusted"] == 1
        assert bed.powers() == [3000.0, 1000.0]

    asyncio.run(lived())


async def post(url: str, body: bytes, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    """Return status and body of an answer."""
    connector = aiohttp.TCPConnector(ssl=context or False)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(url, data=body, headers={"Content-Type": "application/xml"}) as answer,
    ):
        return answer.status, await answer.read()


def code_of(body: bytes) -> str:
    """Read the response code of an answer."""
    message = decode(body)
    assert isinstance(message, OadrResponse)
    return message.ei_response.response_code


def pushed_to(talk: Callable[[Bed, str], Awaitable[None]]) -> None:
    """Run a VEN that is pushed to, registered with a VTN, and talk to it."""
    port, own = free_port(), free_port()
    url = f"http://{HOST}:{own}{PATH}"
    bed = Bed(ven_file(port, listener=Listener(host=HOST, port=own, url=url)))

    async def lived() -> None:
        vtn = ScriptedVtn()
        async with served(vtn, port), bed.running():
            await until(lambda: "OadrRequestEvent" in vtn.names())
            await talk(bed, url)

    asyncio.run(lived())


def test_a_pushed_command_is_kept_then_answered_then_given() -> None:
    """If it fails, a TSO that pushes is not heard, or relies on a yes that a crash wipes out."""

    async def talk(bed: Bed, url: str) -> None:
        bed.book.is_full = True
        status, _ = await post(f"{url}/EiEvent", encode(begun((600.0, -3000.0))))
        assert status == 503
        bed.book.is_full = False
        status, body = await post(f"{url}/EiEvent", encode(begun((600.0, -3000.0))))
        assert (status, code_of(body)) == (200, "200")
        assert any(key.startswith("event/") for key in bed.book.records)
        await until(lambda: bed.powers() == [3000.0])

    pushed_to(talk)


def test_hostile_posts_get_the_standards_error_and_change_nothing() -> None:
    """If it fails, whoever reaches the port ends the coordinator, or its fleet's command."""

    async def talk(bed: Bed, url: str) -> None:
        good = encode(begun((600.0, -3000.0)))
        await post(f"{url}/EiEvent", good)
        await until(lambda: bed.powers() == [3000.0])
        hostile = {
            "entities": (b"<!DOCTYPE a [<!ENTITY b 'ha'>]><a>&b;</a>", "454"),
            "deep": (b"<a>" * 10_000, "454"),
            "cut off": (good[:-40], "454"),
            "empty": (b"", "454"),
            "other root": (b"<html/>", "459"),
            "not for a VEN": (encode(begun()).replace(b"oadrDistributeEvent", b"oadrX"), "453"),
        }
        for name, (body, code) in hostile.items():
            status, answer = await post(f"{url}/EiEvent", body)
            assert (name, status, code_of(answer)) == (name, 200, code)
        assert (await post(f"{url}/Nothing", b""))[0] == 404
        assert (await post(f"{url}/EiEvent", b" " * 3_000_000))[0] == 413
        assert bed.powers() == [3000.0]

    pushed_to(talk)


def test_only_the_vtn_gets_past_the_handshake(tmp_path: Path) -> None:
    """If it fails, anybody with some certificate commands a fleet."""
    pki, strangers = Pki(tmp_path / "a"), Pki(tmp_path / "b")
    vtn, own = pki.device("vtn"), free_port()
    url = f"https://{HOST}:{own}{PATH}"
    bed = Bed(
        ven_file(
            free_port(),
            url=f"https://{HOST}:1{PATH}",
            tls=own_files(pki),
            vtn_fingerprint=pin(vtn),
            listener=Listener(host=HOST, port=own, url=url),
        )
    )
    wrong = {
        "none": None,
        "other authority": strangers.device("x"),
        "another of the same authority": pki.device("other"),
    }

    async def lived() -> None:
        async with bed.running():
            for name, holder in wrong.items():
                with pytest.raises((aiohttp.ClientError, OSError)):
                    assert name == await post(f"{url}/EiEvent", b"", _context(pki, holder))
            status, body = await post(f"{url}/EiEvent", encode(begun()), _context(pki, vtn))
            assert (status, code_of(body)) == (200, "463"), "believed, but not registered"

    asyncio.run(lived())


def _context(pki: Pki, holder: Holder | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(pki.authorities))
    context.check_hostname = False
    if holder is not None:
        context.load_cert_chain(holder.certificate, holder.key)
    return context


def test_an_address_that_is_taken_is_one_clear_error() -> None:
    """If it fails, a coordinator runs that its TSO cannot reach."""
    port = free_port()
    url = f"http://{HOST}:{port}{PATH}"
    file = ven_file(free_port(), listener=Listener(host=HOST, port=port, url=url))

    async def lived() -> None:
        async with served(ScriptedVtn(), port):
            with pytest.raises(ConfigError, match=f"--openadr-ven tso: listen: .*{port}"):
                await Bed(file).ven.open()

    asyncio.run(lived())
