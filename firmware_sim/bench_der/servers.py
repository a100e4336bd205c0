"""The servers that are measured, as processes an operator would start, and their clients."""

import asyncio
import json
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware_sim.bench_der.connection import Connection, LostError, Place
from firmware_sim.bench_der.load import Client
from firmware_sim.bench_der.peer import PROGRAM
from firmware_sim.bench_der.pki import Authority, Identity
from firmware_sim.bench_der.polls import Writer, post, writer
from firmware_sim.demo.processes import Program, ProgramError
from firmware_sim.demo.programs import command_path
from protocols.openadr.messages.elements import EiResponse
from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import (
    OadrCreatedPartyRegistration,
    OadrCreatePartyRegistration,
    OadrPoll,
    OadrResponse,
)
from protocols.openadr.messages.report import OadrRegisteredReport, OadrRegisterReport
from protocols.openadr.xml import decode
from protocols.vocabulary.errors import RemoteProtocolError

HOST: Final = "127.62.4.1"
AT_ONCE: Final = 20
HTTP_OK: Final = 200
SETTLED_POLLS_MAX: Final = 6
_EMPTY: Final = (b"oadrResponse", b">200<")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where a measurement works.

    Attributes
    ----------
    folder : Path
        For databases, logs and certificates.
    authority : Authority
        Of all certificates.
    server : Identity
        Of every server that is measured.
    vens : tuple of Identity
        One per client.
    """

    folder: Path
    authority: Authority
    server: Identity
    vens: tuple[Identity, ...]


def make_ground(folder: Path, clients: int) -> Ground:
    """Make all certificates.

    Parameters
    ----------
    folder : Path
        Empty.
    clients : int
        How many need one.
    """
    authority = Authority(folder)
    return Ground(
        folder=folder,
        authority=authority,
        server=authority.issue("server", address=HOST),
        vens=tuple(authority.issue(f"client-{number}") for number in range(clients)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server to measure.

    Attributes
    ----------
    program : Program
        How it is started.
    port : int
        Where it listens.
    secure : bool
        True for mutual TLS, and signatures where the protocol has them.
    """

    program: Program
    port: int
    secure: bool


def our_vtn(ground: Ground, port: int, *, secure: bool, name: str = "") -> Server:
    """``vpp openadr vtn`` on a database of its own."""
    name = name or f"our-vtn-{'secure' if secure else 'plain'}"
    command = [
        command_path("vpp"), "openadr", "vtn", "--vtn-id", "OurVtn",
        "--host", HOST, "--port", str(port),
        "--database", str(ground.folder / f"{name}.db"),
        "--report", "TELEMETRY_USAGE,PT1S,PT1S",
    ]  # fmt: skip
    if secure:
        command += ["--cert", str(ground.server.certificate), "--key", str(ground.server.key)]
        command += ["--ca", str(ground.authority.certificate), "--signed"]
    program = Program(
        name=name,
        command=tuple(command),
        log=ground.folder / f"{name}.log",
        ready_event="openadr.ready",
    )
    return Server(program=program, port=port, secure=secure)


def peer_vtn(ground: Ground, port: int, *, secure: bool, python: Path) -> Server:
    """Make the program of openleadr's VTN."""
    settings: dict[str, object] = {"host": HOST, "port": port}
    if secure:
        settings |= {
            "cert": str(ground.server.certificate),
            "key": str(ground.server.key),
            "ca": str(ground.authority.certificate),
        }
    name = f"openleadr-{'secure' if secure else 'plain'}"
    program = Program(
        name=name,
        command=(str(python), "-c", PROGRAM, json.dumps(settings)),
        log=ground.folder / f"{name}.log",
        ready_event="peer.ready",
    )
    return Server(program=program, port=port, secure=secure)


def client_context(ground: Ground, identity: Identity) -> ssl.SSLContext:
    """Context of a client with its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(ground.authority.certificate)
    context.load_cert_chain(identity.certificate, identity.key)
    return context


@dataclass(frozen=True, slots=True, kw_only=True)
class VenLine:
    """What a simulated VEN needs to speak.

    Attributes
    ----------
    ven_id : str
        From its registration.
    connection : Connection
        To the VTN.
    write : callable
        Writes payloads, signed where that is asked for.
    """

    ven_id: str
    connection: Connection
    write: Writer

    async def say(self, service: str, message: Payload) -> Payload:
        """Send a payload; return the reply's.

        Raises
        ------
        LostError
            If there is no reply.
        ProgramError
            If the reply is no payload.
        """
        status, body = await self.connection.ask(post(HOST, service, self.write(message)))
        try:
            return decode(body)
        except RemoteProtocolError as error:
            raise ProgramError(f"the VTN answered {status}: {error}") from None


async def register(
    ground: Ground, server: Server, progress: Callable[[str], None]
) -> tuple[VenLine, ...]:
    """Register every VEN, and let each poll until there is nothing more.

    Raises
    ------
    ProgramError
        If the VTN does not register one.
    """
    room = asyncio.Semaphore(AT_ONCE)
    done: list[None] = []

    async def one(number: int) -> VenLine:
        async with room:
            line = await _registered(ground, server, number)
            done.append(None)
            if len(done) % 50 == 0:
                progress(f"{len(done)} of {len(ground.vens)} VENs registered")
            return line

    try:
        return tuple(await asyncio.gather(*(one(number) for number in range(len(ground.vens)))))
    except LostError as error:
        raise ProgramError(f"a VEN cannot register: {error}") from None


def polling(lines: Sequence[VenLine]) -> list[Client]:
    """Make clients that poll and get nothing."""

    def client(line: VenLine) -> Client:
        message = OadrPoll(ven_id=line.ven_id)
        return Client(
            connection=line.connection,
            request=lambda: post(HOST, "OadrPoll", line.write(message)),
            good=_is_empty,
        )

    return [client(line) for line in lines]


def _is_empty(status: int, body: bytes) -> bool:
    return status == HTTP_OK and all(part in body for part in _EMPTY)


async def _registered(ground: Ground, server: Server, number: int) -> VenLine:
    identity = ground.vens[number] if server.secure else None
    context = None if identity is None else client_context(ground, identity)
    connection = Connection(Place(host=HOST, port=server.port, context=context))
    write = writer(identity)
    line = VenLine(ven_id="", connection=connection, write=write)
    reply = await line.say(
        "EiRegisterParty",
        OadrCreatePartyRegistration(
            request_id=f"register-{number}",
            oadr_profile_name="2.0b",
            oadr_transport_name="simpleHttp",
            oadr_report_only=False,
            oadr_xml_signature=server.secure,
            oadr_ven_name=f"ven-{number:04d}",
            oadr_http_pull_model=True,
        ),
    )
    if not isinstance(reply, OadrCreatedPartyRegistration) or reply.ven_id is None:
        raise ProgramError(f"VEN {number} was not registered: {reply}")
    line = VenLine(ven_id=reply.ven_id, connection=connection, write=write)
    await settle(line)
    return line


async def settle(line: VenLine) -> None:
    """Poll until there is nothing, taking note of the VTN's own offers.

    Raises
    ------
    ProgramError
        If there is always something.
    """
    for _ in range(SETTLED_POLLS_MAX):
        reply = await line.say("OadrPoll", OadrPoll(ven_id=line.ven_id))
        if isinstance(reply, OadrResponse):
            return
        if isinstance(reply, OadrRegisterReport):
            good = EiResponse(response_code="200", request_id=reply.request_id)
            await line.say("EiReport", OadrRegisteredReport(ei_response=good, ven_id=line.ven_id))
    raise ProgramError(f"{line.ven_id} is told something at every poll")
