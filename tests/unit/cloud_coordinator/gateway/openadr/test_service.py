"""A VTN on real sockets: its operator's door, its TLS, and a disk that refuses."""

import asyncio
import json
import os
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from cloud_coordinator.gateway.openadr.admin import Admin
from cloud_coordinator.gateway.openadr.desk import Desk, DeskPorts
from cloud_coordinator.gateway.openadr.push import PushSender
from cloud_coordinator.gateway.openadr.server import VtnServer
from cloud_coordinator.gateway.openadr.tls import signatory_of, vtn_context
from cloud_coordinator.gateway.tls import TlsFiles
from firmware_sim.bench_der.pki import Authority, Identity
from firmware_sim.bench_der.polls import writer
from protocols.openadr.messages.event import OadrDistributeEvent
from protocols.openadr.messages.registration import (
    OadrCreatedPartyRegistration,
    OadrCreatePartyRegistration,
    OadrPoll,
)
from protocols.openadr.vtn.seal import PlainSeal, Seal, SignedSeal
from protocols.openadr.vtn.settings import VtnSettings
from protocols.openadr.xml import decode, encode
from protocols.sansio.records import Change
from protocols.vocabulary.errors import StoreError

HOST = "127.72.4.1"
TOKEN = "secret"
PATH = "/OpenADR2/Simple/2.0b"
XML = {"Content-Type": "application/xml"}


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        return 0


@dataclass
class Book:
    records: dict[str, bytes] = field(default_factory=dict)
    refusing: bool = False

    def load(self) -> Mapping[str, bytes]:
        return dict(self.records)

    def put(self, changes: Iterable[Change]) -> None:
        if self.refusing:
            raise StoreError("the disk is full")
        for change in changes:
            if change.value is None:
                self.records.pop(change.key, None)
            else:
                self.records[change.key] = change.value


@dataclass
class House:
    """A VTN that runs."""

    book: Book
    url: str
    admin: str
    session: aiohttp.ClientSession

    async def post(self, service: str, body: bytes, **options: Any) -> tuple[int, bytes]:
        """Send a payload."""
        headers = {**XML, **options.pop("headers", {})}
        url = f"{self.url}{PATH}/{service}"
        async with self.session.post(url, data=body, headers=headers, **options) as reply:
            return reply.status, await reply.read()

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Ask the operator's door."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with self.session.request(
            method, self.admin + path, headers=headers, json=body
        ) as reply:
            return reply.status, await reply.json(content_type=None)


def run(
    act: Callable[[House], Awaitable[None]],
    *,
    context: ssl.SSLContext | None = None,
    seal: Seal | None = None,
) -> None:
    """Run a VTN, and something against it."""

    async def lived() -> None:
        settings = VtnSettings(vtn_id="TokyoVtn", poll_interval=timedelta(seconds=1))
        book = Book()
        ports = DeskPorts(
            settings=settings,
            seal=seal or PlainSeal(),
            book=book,
            clock=Clock(),
            draw=os.urandom,
        )
        desk = Desk(ports)
        server = VtnServer(desk, context)
        port = await server.open(HOST, 0)
        runner = web.AppRunner(Admin(desk, token=TOKEN).app())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        admin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        scheme = "http" if context is None else "https"
        sending = asyncio.create_task(PushSender(desk).run())
        try:
            async with aiohttp.ClientSession() as session:
                house = House(book, f"{scheme}://{HOST}:{port}", admin, session)
                await asyncio.wait_for(act(house), 30.0)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await server.close()
            await runner.cleanup()
            await desk.close()

    asyncio.run(lived())


def registration(name: str, address: str | None = None) -> OadrCreatePartyRegistration:
    """Make what a VEN says to register."""
    return OadrCreatePartyRegistration(
        request_id="q",
        oadr_profile_name="2.0b",
        oadr_transport_name="simpleHttp",
        oadr_transport_address=address,
        oadr_report_only=False,
        oadr_xml_signature=False,
        oadr_ven_name=name,
        oadr_http_pull_model=address is None,
    )


def event(**changes: object) -> dict[str, object]:
    """Make an event for the operator's door."""
    start = datetime.now(UTC) + timedelta(hours=1)
    return {
        "event_id": "e",
        "dtstart": start.isoformat(),
        "duration": "PT1H",
        "startafter": 300,
        "signals": [
            {
                "name": "LOAD_DISPATCH",
                "type": "setpoint",
                "intervals": [{"value": -5_000}],
                "unit": {
                    "kind": "powerReal", "description": "RealPower", "units": "W",
                    "scale": "k", "hertz": 50.0, "voltage": 230.0, "ac": True,
                },
            }
        ],
        **changes,
    }  # fmt: skip


async def registered(house: House, name: str = "ven") -> str:
    """Register a VEN; return its venID."""
    _, body = await house.post("EiRegisterParty", encode(registration(name)))
    reply = decode(body)
    assert isinstance(reply, OadrCreatedPartyRegistration)
    assert reply.ven_id is not None
    return reply.ven_id


def test_an_event_goes_from_the_door_to_the_ven() -> None:
    """If it fails, the operator orders into the void."""

    async def act(house: House) -> None:
        ven_id = await registered(house)
        status, told = await house.ask("POST", "/events", event())
        assert (status, told["status"], told["startafter"]) == (201, "far", "PT5M")
        _, body = await house.post("OadrPoll", encode(OadrPoll(ven_id=ven_id)))
        while not isinstance(reply := decode(body), OadrDistributeEvent):
            _, body = await house.post("OadrPoll", encode(OadrPoll(ven_id=ven_id)))
        signal = reply.oadr_event[0].ei_event.ei_event_signals.ei_event_signal[0]
        assert signal.intervals[0].signal_payload[0].payload_float == -5_000.0
        assert b"powerReal" in body
        assert (await house.ask("PUT", "/events/e", event(duration=7200)))[0] == 200
        assert (await house.ask("DELETE", "/events/e"))[1]["status"] == "cancelled"
        status, listed = await house.ask("GET", "/events")
        assert listed["events"][0]["modification_number"] == 2

    run(act)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "word"),
    [
        ("POST", "/events", {"dtstart": "x"}, 400, "dtstart"),
        ("POST", "/events", [], 400, "object"),
        ("POST", "/events", event(colour="red"), 400, "colour"),
        ("POST", "/events", event(priority=-1), 400, "priority"),
        ("POST", "/events", event(duration="P1Y"), 400, "duration"),
        ("POST", "/events", event(duration=-1), 409, "duration"),
        ("POST", "/events", event(signals=[]), 400, "signals"),
        ("PUT", "/events/none", event(), 409, "no event"),
        ("DELETE", "/events/none", None, 409, "no event"),
        ("GET", "/events/none", None, 404, "no such"),
        ("PUT", "/vens/v", {"group_ids": "g"}, 400, "group_ids"),
        ("DELETE", "/vens/none/registration", None, 409, "registered"),
        ("POST", "/vens/none/reports", {"report_specifier_id": "x"}, 409, "offer"),
        ("DELETE", "/vens/none/reports/x", None, 409, "no such"),
    ],
)
def test_a_wrong_order_is_named_and_changes_nothing(  # noqa: PLR0917 - a table
    method: str, path: str, body: object, status: int, word: str
) -> None:
    """If it fails, an operator's mistake is taken, or ends in an error of the server."""

    async def act(house: House) -> None:
        found, said = await house.ask(method, path, body)
        assert found == status
        assert word in said["detail"]
        assert house.book.records == {}

    run(act)


def test_nobody_comes_through_the_door_without_the_token() -> None:
    """If it fails, any program on the machine can order load off."""

    async def act(house: House) -> None:
        for token in ("", "Bearer wrong", f"Bearer {TOKEN}x"):
            headers = {"Authorization": token}
            async with house.session.post(
                house.admin + "/events", data=json.dumps(event()), headers=headers
            ) as reply:
                assert reply.status == 401
        assert house.book.records == {}

    run(act)


def test_a_disk_that_refuses_promises_nothing() -> None:
    """If it fails, a VEN or the operator is told something that is gone after a crash."""

    async def act(house: House) -> None:
        ven_id = await registered(house)
        house.book.refusing = True
        assert (await house.ask("POST", "/events", event()))[0] == 503
        status, _ = await house.post("EiRegisterParty", encode(registration("other")))
        assert status == 503
        house.book.refusing = False
        assert (await house.ask("GET", "/events"))[1]["events"] == []
        vens = (await house.ask("GET", "/vens"))[1]["vens"]
        assert [ven["ven_id"] for ven in vens] == [ven_id]
        assert (await house.ask("POST", "/events", event()))[0] == 201

    run(act)


def test_what_is_too_big_or_no_xml_is_refused_by_http() -> None:
    """If it fails, one client fills the VTN's memory or stops it."""

    async def act(house: House) -> None:
        assert (await house.post("OadrPoll", b"x" * 3_000_000))[0] == 413
        assert (await house.post("OadrPoll", b"<a"))[0] == 400
        plain = {"Content-Type": "text/plain"}
        assert (await house.post("OadrPoll", b"<a/>", headers=plain))[0] == 415
        async with house.session.get(f"{house.url}{PATH}/OadrPoll") as reply:
            assert (reply.status, reply.headers["Allow"]) == (405, "POST")
        assert (await house.post("Nothing", b"<a/>"))[0] == 404

    run(act)


def test_an_event_is_pushed_to_a_ven_with_an_address() -> None:
    """If it fails, a VEN in push mode hears of no event."""

    async def act(house: House) -> None:
        came: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

        async def take(request: web.BaseRequest) -> web.Response:
            await came.put((request.path, await request.read()))
            return web.Response()

        ven = web.Server(take)
        listening = await asyncio.get_running_loop().create_server(ven, "127.72.4.2", 0)
        port = listening.sockets[0].getsockname()[1]
        message = registration("pushed", f"http://127.72.4.2:{port}")
        await house.post("EiRegisterParty", encode(message))
        await house.ask("POST", "/events", event())
        path = ""
        while not path.endswith("EiEvent"):
            path, body = await came.get()
        assert path == f"{PATH}/EiEvent"
        assert isinstance(decode(body), OadrDistributeEvent)
        listening.close()
        await ven.shutdown(1.0)

    run(act)


class Pki:
    """Certificates of a test."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.server = self.authority.issue("vtn", address=HOST)
        self.files = TlsFiles(
            certificate=self.server.certificate,
            key=self.server.key,
            authorities=self.authority.certificate,
        )

    def client(self, identity: Identity | None) -> ssl.SSLContext:
        """Make the context of a client."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        if identity is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        return context


def test_a_ven_is_its_certificate_and_its_signature(tmp_path: Path) -> None:
    """If it fails, a stolen name is enough to answer for a building."""
    pki = Pki(tmp_path)
    one, other = pki.authority.issue("one"), pki.authority.issue("other")
    seal = SignedSeal(signatory_of(pki.files))

    async def act(house: House) -> None:
        mine = pki.client(one)
        _, body = await house.post("EiRegisterParty", writer(one)(registration("a")), ssl=mine)
        reply = decode(body)
        assert isinstance(reply, OadrCreatedPartyRegistration)
        poll = OadrPoll(ven_id=str(reply.ven_id))
        for signer, context, code in (
            (one, mine, None),
            (other, mine, "463"),
            (other, pki.client(other), "463"),
            (None, mine, "459"),
        ):
            status, body = await house.post("OadrPoll", writer(signer)(poll), ssl=context)
            assert status == 200
            response = getattr(decode(body), "ei_response", None)
            assert (response.response_code if response is not None else None) == code
        once = writer(one)(poll)
        await house.post("OadrPoll", once, ssl=mine)
        _, body = await house.post("OadrPoll", once, ssl=mine)
        assert b">459<" in body

    run(act, context=vtn_context(pki.files), seal=seal)


def test_a_stranger_does_not_get_past_the_handshake(tmp_path: Path) -> None:
    """If it fails, anybody on the network can speak to the VTN."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    pki, foreign = Pki(tmp_path / "a"), Pki(tmp_path / "b")
    stranger = foreign.authority.issue("stranger")

    async def act(house: House) -> None:
        for identity in (None, stranger):
            with pytest.raises(aiohttp.ClientError):
                await house.post("OadrPoll", b"<a/>", ssl=pki.client(identity))
        old = pki.client(pki.authority.issue("old"))
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        old.set_ciphers("ECDHE-ECDSA-AES128-SHA256")
        assert (await house.post("OadrPoll", b"<a/>", ssl=old))[0] == 200

    run(act, context=vtn_context(pki.files))
