"""The VEN's sockets: pushes, hostile documents, hostile certificates, a disk that refuses."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from structlog.testing import capture_logs

from edge_agent.config.northbound import Listener, OpenAdrVenConfig, TlsFiles
from edge_agent.northbound.openadr.ven import OpenAdrVen, VenParts
from edge_agent.northbound.port import GridOrder, OrderRefusal, OrderReport, OrderState, Origin
from protocols.openadr.identity import fingerprint
from protocols.openadr.messages.event import OadrDistributeEvent
from protocols.openadr.messages.opt import OadrCreateOpt
from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import OadrResponse
from protocols.openadr.signature import Signatory, sign, verify
from protocols.openadr.xml import decode, encode
from protocols.sansio.records import Change
from protocols.vocabulary.errors import StoreError
from tests.pki import Holder, Pki
from tests.ports import free_port
from tests.unit.edge_agent.northbound.openadr.scripted_vtn import OK, ScriptedVtn, second
from tests.unit.protocols.openadr.samples import distribute, event

HOST = "127.71.4.1"
ACTIVE_S = 12.0


class Book:
    """Records in memory, on a disk that can refuse."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}
        self.is_full = False

    def load(self) -> Mapping[str, bytes]:
        """All records."""
        return dict(self.records)

    def put(self, changes: Iterable[Change]) -> None:
        """Keep, or refuse."""
        if self.is_full:
            raise StoreError("disk full")
        for change in changes:
            if change.value is None:
                self.records.pop(change.key, None)
            else:
                self.records[change.key] = change.value


class Willing:
    """Refuses nothing."""

    def refusal(self, order: GridOrder) -> OrderRefusal | None:
        """Refuse nothing."""
        return None

    def modes(self, origin: Origin) -> tuple[str, ...]:
        """Return nothing."""
        return ()


class Clock:
    """The machine's time."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        """Never goes back."""
        return 0


class Bed:
    """A VEN with a listener, and the VTN it calls."""

    def __init__(
        self,
        pki: Pki | None = None,
        *,
        signs: bool = False,
        pinned: Holder | None = None,
        listens: bool = True,
    ) -> None:
        self.vtn = ScriptedVtn()
        self.book = Book()
        self.port = free_port()
        vtn_port = free_port()
        scheme = "http" if pki is None else "https"
        self.base = f"{scheme}://{HOST}:{self.port}/OpenADR2/Simple/2.0b"
        files = None
        self.server_context: ssl.SSLContext | None = None
        if pki is not None:
            own = pki.server(HOST, name="ven-own")
            files = TlsFiles(certificate=own.certificate, key=own.key, authorities=pki.authorities)
            server = pki.server(HOST, name="vtn-server")
            self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.server_context.load_cert_chain(server.certificate, server.key)
            self.server_context.load_verify_locations(pki.authorities)
            self.server_context.verify_mode = ssl.CERT_REQUIRED
        self.config = OpenAdrVenConfig(
            url=f"{scheme}://{HOST}:{vtn_port}/OpenADR2/Simple/2.0b",
            ven_name="ven",
            vtn_id=None,
            tls=files,
            signs=signs,
            vtn_fingerprint=None if pinned is None else fingerprint_of(pinned),
            listener=Listener(address=HOST, port=self.port, url=self.base) if listens else None,
            poll_s=1.0,
            market_contexts=(),
            signals=None,
        )
        self._vtn_port = vtn_port
        parts = VenParts(judge=Willing(), book=self.book, clock=Clock())
        self.ven = OpenAdrVen(self.config, parts)

    async def run(self, test: Callable[["Bed"], Awaitable[None]]) -> None:
        """Run both, and a test between them."""
        runner = web.AppRunner(self.vtn.app(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, HOST, self._vtn_port, ssl_context=self.server_context)
        await site.start()
        task = asyncio.create_task(self.ven.run())
        try:
            await test(self)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await runner.cleanup()

    async def registered(self) -> None:
        """Wait until the VEN has asked for its events."""
        await self.until(lambda: "OadrRequestEvent" in self.vtn.names())

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something."""
        async with asyncio.timeout(ACTIVE_S):
            while not holds():  # noqa: ASYNC110 - what is waited for is a sum of many things
                await asyncio.sleep(0.02)

    def orders(self) -> set[str]:
        """Events that ask for something."""
        return {order.event_id for order in self.ven.orders(datetime.now(UTC))}


def fingerprint_of(holder: Holder) -> str:
    """Read a fingerprint off a certificate in a file."""
    leaf = x509.load_pem_x509_certificate(holder.leaf.read_bytes())
    return fingerprint(leaf.public_bytes(Encoding.DER))


def signatory_of(holder: Holder) -> Signatory:
    """Make who signs with a file's key."""
    key = load_pem_private_key(holder.key.read_bytes(), None)
    certificate = x509.load_pem_x509_certificate(holder.leaf.read_bytes())
    return Signatory(key=key, certificate=certificate)  # type: ignore[arg-type]


def today() -> OadrDistributeEvent:
    """Make an event that begins now."""
    now = datetime.now(UTC)
    sample = distribute(event("pushed"), vtn_id="VTN-scripted")
    whole = sample.oadr_event[0].ei_event
    assert whole.event_descriptor.event_id == "pushed"
    text = encode(sample).decode().replace("2026-11-23T06:00:00Z", f"{now:%Y-%m-%dT%H:%M:%SZ}")
    message = decode(text.encode())
    assert isinstance(message, OadrDistributeEvent)
    return message


async def post(
    url: str, body: bytes, *, context: ssl.SSLContext | None = None
) -> tuple[int, bytes]:
    """Return status and body of an answer."""
    connector = aiohttp.TCPConnector(ssl=context or False)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(url, data=body, headers={"Content-Type": "application/xml"}) as answer,
    ):
        return answer.status, await answer.read()


def code_of(body: bytes) -> str:
    """Read the response code of an answer."""
    message: Payload = decode(body)
    assert isinstance(message, OadrResponse)
    return message.ei_response.response_code


def test_a_pushed_event_is_kept_then_answered_then_confirmed() -> None:
    """If it fails, a VTN in push mode dispatches a site that does not listen."""

    async def talk(bed: Bed) -> None:
        await bed.registered()
        status, body = await post(f"{bed.base}/EiEvent", encode(today()))
        assert (status, code_of(body)) == (200, "200")
        assert any(key.startswith("event/") for key in bed.book.records)
        assert bed.orders() == {"pushed"}
        await bed.until(lambda: "OadrCreatedEvent" in bed.vtn.names())

    asyncio.run(Bed().run(talk))


def test_nothing_is_answered_that_could_not_be_kept() -> None:
    """If it fails, a VTN relies on a yes that a loss of power wipes out."""

    async def talk(bed: Bed) -> None:
        await bed.registered()
        bed.book.is_full = True
        status, _ = await post(f"{bed.base}/EiEvent", encode(today()))
        assert status == 503
        assert "OadrCreatedEvent" not in bed.vtn.names()
        bed.book.is_full = False
        await bed.until(lambda: "OadrCreatedEvent" in bed.vtn.names())

    asyncio.run(Bed().run(talk))


def _hostile() -> dict[str, tuple[bytes, str]]:
    good = encode(today())
    bomb = b"<!DOCTYPE a [<!ENTITY b 'ha'><!ENTITY c '&b;&b;&b;'>]>"
    declaration, _, rest = good.partition(b"?>")
    return {
        "entities": (declaration + b"?>" + bomb + rest, "454"),
        "deep": (b"<a>" * 10_000, "454"),
        "cut off": (good[:-40], "454"),
        "noise": (b"\x00\xff\xfe<>", "454"),
        "empty": (b"", "454"),
        "other root": (b"<html/>", "459"),
        "wrong namespace": (good.replace(b"interop/201110\"", b"interop/other\""), "454"),
        "wrong order": (
            good.replace(b"<ei:vtnID>VTN-scripted</ei:vtnID>", b"").replace(
                b"</oadr:oadrDistributeEvent>",
                b"<ei:vtnID>VTN-scripted</ei:vtnID></oadr:oadrDistributeEvent>",
            ),
            "454",
        ),
        "unknown payload": (
            good.replace(b"oadr:oadrDistributeEvent", b"oadr:oadrSurprise"), "453",
        ),
        "not for a VEN": (encode(OadrResponse(ei_response=OK)), "453"),
        "number too big": (good.replace(b">2.0<", b">1e999<"), "454"),
    }  # fmt: skip


def test_hostile_documents_get_the_standards_error_and_change_nothing() -> None:
    """If it fails, whoever reaches the port ends the agent, or its event."""

    async def talk(bed: Bed) -> None:
        await bed.registered()
        await post(f"{bed.base}/EiEvent", encode(today()))
        for name, (body, code) in _hostile().items():
            with capture_logs() as logs:
                status, answer = await post(f"{bed.base}/EiEvent", body)
            assert (name, status, code_of(answer)) == (name, 200, code)
            await bed.until(lambda logs=logs: bool(logs))  # type: ignore[misc]
        assert bed.orders() == {"pushed"}
        status, _ = await post(f"{bed.base}/Nothing", b"")
        assert status == 404
        too_big = b"<a>" + b" " * 3_000_000 + b"</a>"
        status, _ = await post(f"{bed.base}/EiEvent", too_big)
        assert status == 413

    asyncio.run(Bed().run(talk))


def test_unknown_elements_are_passed_over() -> None:
    """If it fails, a VTN's own extension keeps its events from us."""

    async def talk(bed: Bed) -> None:
        await bed.registered()
        body = encode(today()).replace(
            b"<ei:eiTarget", b"<new:hint xmlns:new='urn:new'/><ei:eiTarget", 1
        )
        assert code_of((await post(f"{bed.base}/EiEvent", body))[1]) == "200"
        assert bed.orders() == {"pushed"}

    asyncio.run(Bed().run(talk))


def _context(pki: Pki, holder: Holder | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(pki.authorities))
    context.check_hostname = False
    if holder is not None:
        context.load_cert_chain(holder.certificate, holder.key)
    return context


def test_only_the_vtn_gets_past_the_handshake(tmp_path: Path) -> None:
    """If it fails, anybody with some certificate dispatches the site."""
    pki, strangers = Pki(tmp_path / "a"), Pki(tmp_path / "b")
    vtn = pki.device("vtn")
    wrong = {
        "none": _context(pki, None),
        "other authority": _context(pki, strangers.device("x")),
        "expired": _context(pki, pki.device("old", until=datetime(2021, 1, 1, tzinfo=UTC))),
        "another of the same authority": _context(pki, pki.device("other")),
    }
    old = _context(pki, vtn)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("AES128-SHA:@SECLEVEL=0")
    wrong["downgraded"] = old

    async def talk(bed: Bed) -> None:
        # The pinned VTN does not serve here, so nothing is registered: 463 is the proof.
        await asyncio.sleep(0.1)
        url = f"{bed.base}/EiEvent"
        for name, context in wrong.items():
            with pytest.raises((aiohttp.ClientError, OSError)):
                assert name == await post(url, encode(today()), context=context)
        status, body = await post(url, encode(today()), context=_context(pki, vtn))
        assert (status, code_of(body)) == (200, "463")
        assert bed.vtn.names() == [], "and the VEN calls no one else"

    asyncio.run(Bed(pki, pinned=vtn).run(talk))


def test_only_the_vtns_signature_is_believed(tmp_path: Path) -> None:
    """If it fails, a recorded or forged payload dispatches the site."""
    pki, strangers = Pki(tmp_path / "a"), Pki(tmp_path / "b")
    vtn, stranger = (
        signatory_of(pki.server("vtn", name="signer")),
        signatory_of(strangers.device("x")),
    )

    async def talk(bed: Bed) -> None:
        now = datetime.now(UTC)
        url, context = f"{bed.base}/EiEvent", _context(pki, pki.device("transport"))

        async def code(body: bytes) -> str:
            _, answer = await post(url, body, context=context)
            signed = verify(answer, now=now, window=timedelta(minutes=1), seen=())
            assert isinstance(signed.message, OadrResponse)
            return signed.message.ei_response.response_code

        await bed.until(lambda: bool(bed.vtn.documents))
        good = sign(today(), vtn, now=now, nonce="n1")
        assert await code(good) == "463", "believed, but there is no registration"
        assert await code(good) == "459", "replayed"
        assert await code(encode(today())) == "459", "unsigned"
        assert await code(sign(today(), stranger, now=now, nonce="n2")) == "451", "stranger"
        late = now - timedelta(hours=1)
        assert await code(sign(today(), vtn, now=late, nonce="n3")) == "459", "stale"

    asyncio.run(Bed(pki, signs=True).run(talk))


def test_a_vtn_that_answers_nonsense_changes_nothing() -> None:
    """If it fails, a proxy's error page cancels the event of a site, or ends the agent."""

    async def talk(bed: Bed) -> None:
        bed.vtn.news.append(today())
        await bed.until(lambda: bed.orders() == {"pushed"})
        for status, body in ((200, b"<html/>"), (500, b""), (200, b" " * 3_000_000), (302, b"")):
            bed.vtn.nonsense = (status, body)
            seen = len(bed.vtn.documents)
            await bed.until(lambda seen=seen: len(bed.vtn.documents) > seen)  # type: ignore[misc]
            bed.vtn.nonsense = None
            seen = len(bed.vtn.documents)
            await bed.until(lambda seen=seen: len(bed.vtn.documents) > seen)  # type: ignore[misc]
            assert bed.orders() == {"pushed"}

    asyncio.run(Bed(listens=False).run(talk))


def test_what_the_site_refuses_later_is_opted_out_of() -> None:
    """If it fails, a VTN counts on a site whose battery has left it."""

    async def talk(bed: Bed) -> None:
        await bed.registered()
        await post(f"{bed.base}/EiEvent", encode(today()))
        (order,) = bed.ven.orders(datetime.now(UTC))
        now = datetime.now(UTC)
        bed.ven.happened(second(now, (OrderReport(order=order, state=OrderState.REFUSED, at=now),)))
        assert bed.orders() == set()
        await bed.until(lambda: "OadrCreateOpt" in bed.vtn.names())
        (opt,) = [one for one in bed.vtn.messages if isinstance(one, OadrCreateOpt)]
        assert opt.qualified_event_id is not None
        assert opt.qualified_event_id.event_id == "pushed"

    asyncio.run(Bed().run(talk))
