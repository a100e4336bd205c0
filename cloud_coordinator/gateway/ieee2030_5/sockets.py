"""HTTP around the role: requests in, replies out, one log line for each that is refused."""

import asyncio
import ssl
from typing import Final

import structlog
from aiohttp import web

from cloud_coordinator.gateway.ieee2030_5.desk import Desk
from cloud_coordinator.gateway.tls import TlsDoor
from protocols.sansio.http import HttpReply, HttpRequest
from protocols.vocabulary.errors import StoreError

BODY_S: Final = 30.0
"""How long a client may take to send its body."""
PATH_SHOWN: Final = 120
STOP_S: Final = 2.0

_log = structlog.get_logger(__name__)


class Sockets:
    """Serves the role over TLS.

    Parameters
    ----------
    desk : Desk
        The server.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._runner: web.ServerRunner | None = None
        self._door: TlsDoor | None = None

    async def open(self, context: ssl.SSLContext, host: str, port: int) -> int:
        """Listen; returns the port.

        Raises
        ------
        ConfigError
            If the address cannot be had.
        """
        serving = web.Server(self._handle, access_log=None)
        self._runner = web.ServerRunner(serving, shutdown_timeout=STOP_S)
        await self._runner.setup()
        self._door = TlsDoor(context, serving)
        return await self._door.open(host, port)

    async def close(self) -> None:
        """Listen no more and end all connections."""
        if self._door is not None:
            await self._door.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request; whatever it holds, this is a reply."""
        assert self._door is not None
        peer = self._door.identity(request.transport)
        why = ""
        try:
            async with asyncio.timeout(BODY_S):
                body = await request.read()
        except TimeoutError:
            reply, why = HttpReply(status=408), "the body did not come"
        except web.HTTPRequestEntityTooLarge:
            reply, why = HttpReply(status=413), "the body is too long"
        else:
            asked = HttpRequest(
                method=request.method,
                path=request.path,
                query=tuple(request.query.items()),
                content_type=request.headers.get("Content-Type", ""),
                accept=request.headers.get("Accept", ""),
                body=body,
                peer=peer,
            )
            try:
                reply, why = await self._desk.answer(asked)
            except StoreError:
                reply = HttpReply(status=503, headers=(("Retry-After", "5"),))
        if why:
            _log.warning(
                "der_request.refused",
                lfdi=None if peer is None else peer.lfdi,
                method=request.method,
                path=request.path[:PATH_SHOWN],
                status=reply.status,
                cause=why,
            )
        return _response(reply)


def _response(reply: HttpReply) -> web.Response:
    headers = {"Server": "vpp", **dict(reply.headers)}
    if reply.content_type:
        headers["Content-Type"] = reply.content_type
    return web.Response(status=reply.status, body=reply.body or None, headers=headers)
