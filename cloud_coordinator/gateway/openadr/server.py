"""The VTN's HTTP: plain or mutual TLS, no framework between the socket and the role.

Notes
-----
OpenADR 2.0b profile, simple HTTP transport and security.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, Protocol

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from cloud_coordinator.gateway.openadr.tls import check_strength
from cloud_coordinator.gateway.tls import TlsDoor
from protocols.sansio.http import HttpReply, HttpRequest
from protocols.vocabulary.errors import ConfigError

BODY_BYTES_MAX: Final = 2_000_000
BODY_TIMEOUT_S: Final = 20.0
KEEPALIVE_S: Final = 180.0
"""How long a connection stays open between two polls."""
BACKLOG: Final = 1_024
STOP_S: Final = 1.0

_log = structlog.get_logger(__name__)


class Answering(Protocol):
    """A VTN, or a VEN that is pushed to."""

    async def answer(self, request: HttpRequest) -> HttpReply:
        """Answer a request when what it changed is durable."""


class VtnServer:
    """Serves one VTN, or one VEN that is pushed to.

    Parameters
    ----------
    desk : Answering
        Who answers.
    context : SSLContext or None
        For mutual TLS; None for plain HTTP.
    check : callable
        Holds a client's certificate (DER) to the rules; raises AccessDeniedError.
    """

    def __init__(
        self,
        desk: Answering,
        context: ssl.SSLContext | None = None,
        *,
        check: Callable[[bytes], None] = check_strength,
    ) -> None:
        self._desk = desk
        self._server = web.Server(
            self._handle,
            access_log=None,
            keepalive_timeout=KEEPALIVE_S,
        )
        self._door = None if context is None else TlsDoor(context, self._server, check=check)
        self._listening: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; returns the port.

        Raises
        ------
        ConfigError
            If the address cannot be had.
        """
        if self._door is not None:
            return await self._door.open(host, port)
        loop = asyncio.get_running_loop()
        try:
            self._listening = await loop.create_server(self._server, host, port, backlog=BACKLOG)
        except OSError as error:
            raise ConfigError(f"address {host}:{port}: {error.strerror or error}") from error
        return int(self._listening.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more, and close connections when their answers are out."""
        if self._door is not None:
            await self._door.close()
        if self._listening is not None:
            self._listening.close()
        await self._server.shutdown(STOP_S)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await request.read()
        except TimeoutError:
            return web.Response(status=408)
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413)
        except HttpProcessingError as error:
            return web.Response(status=400, text=f"{error.message}\n")
        peer = None if self._door is None else self._door.identity(request.transport)
        reply = await self._desk.answer(
            HttpRequest(
                method=request.method,
                path=request.path,
                content_type=request.headers.get("Content-Type", ""),
                body=body,
                peer=peer,
            )
        )
        return _response(reply)


def _response(reply: HttpReply) -> web.Response:
    headers = dict(reply.headers)
    if reply.content_type:
        headers["Content-Type"] = reply.content_type
    return web.Response(status=reply.status, body=reply.body, headers=headers)
