"""The gateway's central system: who may connect, and what becomes of a connection.

A charger is known by the id in the path it calls. One that is configured is served; its second
connection takes the place of the first. A stranger is refused, or, while there is room, let in
far enough to say who it is: its boot is answered with Rejected and it is sent away, so that a
technician finds it. It is never controlled and nothing it says is believed.
"""

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Final

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import NegotiationError
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from edge_agent.drivers.frames import FrameTap
from edge_agent.drivers.ocpp.charger import Charger, Nameplate, nameplate_of
from edge_agent.drivers.ocpp.door import identity_of, presents
from edge_agent.drivers.ocpp.library_log import library_log
from edge_agent.drivers.ocpp.link import Answer, ChargerLink, LinkTerms
from edge_agent.drivers.port import FoundDevice
from edge_agent.transports.pace import Pace
from protocols.ocpp.states import SUBPROTOCOLS
from protocols.ocpp.words import Words, time_text
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

MESSAGE_BYTES_MAX: Final = 524_288
"""The end of a long transaction may carry all its meter values."""
FRAMES_QUEUED_MAX: Final = 16
PING_S: Final = 5.0
"""Pause between pings, and how long an answer may take: a dead connection ends by then."""
OPEN_S: Final = 5.0
CLOSE_S: Final = 1.0
STRANGERS_MAX: Final = 32
"""Strangers that are remembered; the oldest makes room."""
STRANGERS_AT_ONCE: Final = 4
STRANGER_S: Final = 5.0
"""How long a stranger is given to say who it is."""
ANSWER_LEAVES_S: Final = 0.2
"""How long its answer is given to leave before the connection is ended."""
CONNECTS_MAX: Final = 20
"""Connections of one charger within ten seconds."""
STRANGERS_CALL_MAX: Final = 60
"""Connections of all strangers within ten seconds."""
BANNED_S: Final = 10.0
"""A charger that floods is not let in again for this long."""
_STRANGER_RETRY_S: Final = 300
_NS_PER_S: Final = 1_000_000_000
_FLOODED: Final = "it floods"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTerms:
    """Where and how the central system listens.

    Attributes
    ----------
    address, port : str, int
        Of this machine.
    password : str or None
        What chargers must present with their id (HTTP basic authentication).
    certificate, key : Path or None
        PEM files; both for TLS, or neither.
    clock : Clock
        Time.
    tap : FrameTap
        Sees frames.
    """

    address: str
    port: int
    password: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    clock: Clock
    tap: FrameTap


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stranger:
    """A charger that called and is not configured, or speaks another version."""

    address: str
    about: str


class CentralSystem:
    """Accepts chargers.

    Parameters
    ----------
    terms : ServerTerms
        Where it listens.
    chargers : mapping of str to Charger
        The configured ones, by their ids.
    answers : callable
        Gives the answers for a charger.
    arrived : callable
        Called when a charger has connected.
    """

    def __init__(
        self,
        terms: ServerTerms,
        chargers: Mapping[str, Charger],
        *,
        answers: Callable[[Charger], Mapping[str, Answer]],
        arrived: Callable[[Charger], None],
    ) -> None:
        self._terms = terms
        self._chargers = chargers
        self._answers = answers
        self._arrived = arrived
        self._strangers: OrderedDict[str, _Stranger] = OrderedDict()
        self._talking = 0
        self._banned_ns: dict[str, int] = {}
        self._paces = {identity: Pace(CONNECTS_MAX) for identity in chargers}
        self._paces[""] = Pace(STRANGERS_CALL_MAX)
        self._server: Server | None = None

    async def open(self) -> None:
        """Listen.

        Raises
        ------
        ConfigError
            If the port is taken, the address is not this machine's, or the certificate is
            none.
        """
        terms = self._terms
        try:
            self._server = await serve(
                self._serve,
                terms.address,
                terms.port,
                ssl=_tls(terms),
                subprotocols=[Subprotocol(name) for name in SUBPROTOCOLS.values()],
                select_subprotocol=self._version,
                process_request=self._admit,
                compression=None,
                max_size=MESSAGE_BYTES_MAX,
                max_queue=FRAMES_QUEUED_MAX,
                open_timeout=OPEN_S,
                close_timeout=CLOSE_S,
                ping_interval=PING_S,
                ping_timeout=PING_S,
                server_header=None,
                logger=library_log(),
            )
        except (OSError, ssl.SSLError) as error:
            place = f"ocpp: {terms.address} port {terms.port}"
            raise ConfigError(f"{place}: cannot listen: {error.strerror or error}") from None

    async def close(self) -> None:
        """End every connection and let go of the port."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def strangers(self) -> tuple[FoundDevice, ...]:
        """Chargers that called and are not served, and why."""
        return tuple(
            FoundDevice(
                address=one.address,
                unit=identity,
                identity=identity,
                device_id="",
                about=one.about,
            )
            for identity, one in self._strangers.items()
        )

    # --- the door ------------------------------------------------------------------------

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Let a charger in, or say why not; before the opening handshake is answered."""
        identity = identity_of(request.path)
        if identity is None:
            return _no(connection, HTTPStatus.NOT_FOUND, "call with your id at the end of the path")
        presented = request.headers.get("Authorization", "")
        if not presents(presented, identity, self._terms.password):
            refusal = _no(connection, HTTPStatus.UNAUTHORIZED, "id or password is wrong")
            refusal.headers["WWW-Authenticate"] = 'Basic realm="OCPP", charset="UTF-8"'
            return refusal
        now_ns = self._terms.clock.monotonic_ns()
        known = identity in self._chargers
        banned = self._banned_ns.get(identity, 0) > now_ns
        if banned or not self._paces[identity if known else ""].allows(now_ns):
            return _no(connection, HTTPStatus.TOO_MANY_REQUESTS, "too much before; wait")
        if known:
            return None
        self._note(identity, connection)
        if self._talking >= STRANGERS_AT_ONCE:
            return _no(connection, HTTPStatus.NOT_FOUND, "this id is not configured")
        return None

    def _version(self, connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol:
        """Choose the version a charger is configured for."""
        assert connection.request is not None, "it is being answered"
        identity = identity_of(connection.request.path) or ""
        charger = self._chargers.get(identity)
        wanted = [SUBPROTOCOLS[charger.wire.version]] if charger else list(SUBPROTOCOLS.values())
        for name in wanted:
            if name in offered:
                return Subprotocol(name)
        told = ", ".join(offered) or "none"
        self._note(identity, connection, about=f"offers {told}, wanted {' or '.join(wanted)}")
        raise NegotiationError(f"expected {' or '.join(wanted)}")

    def _note(self, identity: str, connection: ServerConnection, about: str = "") -> None:
        """Remember a stranger."""
        before = self._strangers.pop(identity, None)
        known = before.about if before is not None else ""
        address = str(connection.remote_address[0]) if connection.remote_address else ""
        self._strangers[identity] = _Stranger(address=address, about=about or known)
        if before is None:
            log.info("charger.stranger", identity=identity, address=address, about=about)
        while len(self._strangers) > STRANGERS_MAX:
            self._strangers.popitem(last=False)

    # --- inside --------------------------------------------------------------------------

    async def _serve(self, socket: ServerConnection) -> None:
        """Serve a connection to its end."""
        assert socket.request is not None, "the handshake is over"
        identity = identity_of(socket.request.path) or ""
        charger = self._chargers.get(identity)
        if charger is None:
            await self._hear_out(socket, identity)
            return
        timeout_s = charger.template.timing.timeout_s
        link = ChargerLink(
            socket, self._link_terms(socket, identity, timeout_s), self._answers(charger)
        )
        before = charger.attach(link)
        log.info("charger.connected", resource_id=charger.resource_id, address=link.address)
        self._arrived(charger)
        cause = ""
        try:
            async with asyncio.TaskGroup() as group:
                if before is not None:
                    group.create_task(before.close(CloseCode.NORMAL_CLOSURE, "called again"))
                cause = await link.serve()
        finally:
            charger.detach(link)
            if cause == _FLOODED:
                until_ns = self._terms.clock.monotonic_ns() + round(BANNED_S * _NS_PER_S)
                self._banned_ns[identity] = until_ns
            log.info("charger.disconnected", resource_id=charger.resource_id, cause=cause)

    async def _hear_out(self, socket: ServerConnection, identity: str) -> None:
        """Let a stranger say who it is, reject it, and end the connection."""
        version = next(v for v, name in SUBPROTOCOLS.items() if name == socket.subprotocol)
        heard = asyncio.Event()

        async def boot(words: Words) -> dict[str, object]:
            self._introduced(identity, nameplate_of(version, words), version)
            heard.set()
            now = time_text(self._terms.clock.now())
            return {"status": "Rejected", "current_time": now, "interval": _STRANGER_RETRY_S}

        terms = self._link_terms(socket, identity, STRANGER_S)
        link = ChargerLink(socket, terms, {"BootNotification": boot})
        self._talking += 1
        try:
            async with asyncio.timeout(STRANGER_S), asyncio.TaskGroup() as group:
                serving = group.create_task(link.serve())
                hearing = group.create_task(heard.wait())
                await asyncio.wait({serving, hearing}, return_when=asyncio.FIRST_COMPLETED)
                hearing.cancel()
                await asyncio.sleep(ANSWER_LEAVES_S)
                await link.close(CloseCode.POLICY_VIOLATION, "this id is not configured")
        except TimeoutError:
            await link.close(CloseCode.POLICY_VIOLATION, "this id is not configured")
        finally:
            self._talking -= 1

    def _introduced(self, identity: str, nameplate: Nameplate, version: str) -> None:
        stranger = self._strangers.get(identity)
        if stranger is not None:
            about = f"{nameplate.about}, OCPP {version}, not configured"
            self._strangers[identity] = replace(stranger, about=about)

    def _link_terms(self, socket: ServerConnection, identity: str, timeout_s: float) -> LinkTerms:
        version = next(v for v, name in SUBPROTOCOLS.items() if name == socket.subprotocol)
        return LinkTerms(
            version=version,
            identity=identity,
            timeout_s=timeout_s,
            clock=self._terms.clock,
            tap=self._terms.tap,
        )


def _no(connection: ServerConnection, status: HTTPStatus, text: str) -> Response:
    return connection.respond(status, f"{text}\n")


def _tls(terms: ServerTerms) -> ssl.SSLContext | None:
    """TLS from the files of the configuration; None without them."""
    if terms.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(terms.certificate, terms.key)
    return context
