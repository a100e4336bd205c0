"""HTTP of the gateway toward devices that call it: requests in, replies out, with or without TLS.

Whoever fails the handshake is one line in the log, and few lines when it keeps trying; what is
not HTTP, too long or too slow is answered with HTTP's own codes. Moves bytes, means nothing:
what a request asks is the business of the role it is handed to.
"""

import asyncio
import hashlib
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from edge_agent.transports.pace import Pace
from protocols.sansio.http import HttpReply, HttpRequest, PeerIdentity
from protocols.sansio.xml import DEFAULT_LIMITS
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

HANDSHAKE_S: Final = 10.0
BODY_S: Final = 20.0
"""How long a device may take to send its body."""
KEEPALIVE_S: Final = 180.0
STOP_S: Final = 1.0
CONNECTIONS_MAX: Final = 256
"""Connections at a time; who comes then is turned away."""
CALLS_MAX: Final = 300
"""Requests of one caller within ten seconds; more are answered with 429."""
CALLERS_MAX: Final = 1024
"""Callers whose pace is remembered; the one that was silent longest makes room."""
LINES_MAX: Final = 5
"""Lines about failed handshakes within ten seconds."""
_LFDI_BYTES: Final = 20
_FINGERPRINT_BYTES: Final = 10

Answer = Callable[[HttpRequest, str], Awaitable[HttpReply]]
"""Answers a request; the text is the caller's address."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTerms:
    """Where and how to listen.

    Attributes
    ----------
    section : str
        Of the configuration, for messages.
    address, port : str, int
        Of this machine.
    context : SSLContext or None
        None: without TLS.
    clock : Clock
        Time.
    """

    section: str
    address: str
    port: int
    context: ssl.SSLContext | None
    clock: Clock


class HttpServer:
    """Listens and hands requests over.

    Parameters
    ----------
    terms : HttpTerms
        Where and how.
    answer : callable
        Is given each request and the address it came from.
    """

    def __init__(self, terms: HttpTerms, answer: Answer) -> None:
        self._terms = terms
        self._answer = answer
        self._serving = web.Server(self._handle, access_log=None, keepalive_timeout=KEEPALIVE_S)
        self._listening: asyncio.Server | None = None
        self._paces: OrderedDict[str, Pace] = OrderedDict()
        self._lines = Pace(LINES_MAX)
        context = terms.context
        if context is not None:
            context.sslobject_class = _telling(context.sslobject_class, self._refused)

    async def open(self) -> None:
        """Listen.

        Raises
        ------
        ConfigError
            If the address cannot be had.
        """
        terms = self._terms
        handshake_s = None if terms.context is None else HANDSHAKE_S
        try:
            self._listening = await asyncio.get_running_loop().create_server(
                self._arrived,
                terms.address,
                terms.port,
                ssl=terms.context,
                ssl_handshake_timeout=handshake_s,
                backlog=CONNECTIONS_MAX,
            )
        except OSError as error:
            where = f"{terms.section}: {terms.address} port {terms.port}"
            raise ConfigError(f"{where}: cannot listen: {error.strerror or error}") from None

    async def close(self) -> None:
        """Listen no more and end all connections."""
        if self._listening is not None:
            self._listening.close()
        await self._serving.shutdown(STOP_S)

    def _arrived(self) -> asyncio.BaseProtocol:
        if len(self._serving.connections) >= CONNECTIONS_MAX:
            return _Away()
        return self._serving()

    def _refused(self, cause: str) -> None:
        """Tell about a handshake that failed."""
        if self._lines.allows(self._terms.clock.monotonic_ns()):
            log.warning("tls.refused", section=self._terms.section, cause=cause[:200])

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; whatever it holds, this is a reply."""
        peer = _identity(request.transport)
        address = request.remote or ""
        if not self._in_time(address if peer is None else peer.lfdi):
            return web.Response(status=429, headers={"Retry-After": "10", "Connection": "close"})
        try:
            async with asyncio.timeout(BODY_S):
                body = await request.read()
        except TimeoutError:
            return web.Response(status=408)
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413)
        except HttpProcessingError:
            return web.Response(status=400)
        if len(body) > DEFAULT_LIMITS.size_bytes:
            return web.Response(status=413)
        asked = HttpRequest(
            method=request.method,
            path=request.path,
            query=tuple(request.query.items()),
            content_type=request.headers.get("Content-Type", ""),
            accept=request.headers.get("Accept", ""),
            body=body,
            peer=peer,
        )
        return _response(await self._answer(asked, address))

    def _in_time(self, caller: str) -> bool:
        """Whether a caller has not asked too often."""
        pace = self._paces.pop(caller, None) or Pace(CALLS_MAX)
        self._paces[caller] = pace
        if len(self._paces) > CALLERS_MAX:
            self._paces.popitem(last=False)
        return pace.allows(self._terms.clock.monotonic_ns())


class _Away(asyncio.Protocol):
    """A connection for which there is no room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """End it."""
        transport.close()


def identity_of(certificate: bytes) -> PeerIdentity:
    """Who a certificate (DER) is, in the words of both languages."""
    digest = hashlib.sha256(certificate).digest()
    return PeerIdentity(
        lfdi=digest[:_LFDI_BYTES].hex().upper(),
        fingerprint=digest[-_FINGERPRINT_BYTES:].hex(":").upper(),
        certificate_sha256=digest,
    )


def _identity(transport: asyncio.BaseTransport | None) -> PeerIdentity | None:
    """Who is at the other end of a connection; None without TLS."""
    secure = None if transport is None else transport.get_extra_info("ssl_object")
    certificate = None if secure is None else secure.getpeercert(binary_form=True)
    return None if certificate is None else identity_of(certificate)


def _response(reply: HttpReply) -> web.Response:
    headers = {"Server": "vpp", **dict(reply.headers)}
    if reply.content_type:
        headers["Content-Type"] = reply.content_type
    return web.Response(status=reply.status, body=reply.body or None, headers=headers)


def _telling(base: type[ssl.SSLObject], refused: Callable[[str], None]) -> type[ssl.SSLObject]:
    """Make a TLS that tells when a handshake fails."""

    class Telling(base):  # type: ignore[misc, valid-type]  # a class made at run time
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLCertVerificationError as error:
                refused(str(error.verify_message or error))
                raise
            except ssl.SSLError as error:
                refused(str(error.reason or error))
                raise

    return Telling
