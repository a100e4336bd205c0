"""The service that a VTN pushes to: five paths, one body each, an answer in OpenADR.

Whoever has not a certificate of the VTN's does not get past the handshake. What cannot be read is
answered with the standard's code; nothing a stranger sends ends in a 500.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from edge_agent.config.northbound import Listener, OpenAdrVenConfig
from edge_agent.northbound.openadr.credentials import server_context
from protocols.openadr.codes import PayloadError
from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import OadrResponse
from protocols.openadr.ven.calls import Service
from protocols.openadr.ven.envelope import Envelope
from protocols.openadr.ven.incoming import response
from protocols.sansio.xml import DEFAULT_LIMITS
from protocols.vocabulary.errors import ConfigError

_XML: Final = "application/xml"
_READABLE: Final = {"application/xml", "text/xml"}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where and how to listen."""

    config: OpenAdrVenConfig
    listener: Listener


@asynccontextmanager
async def serve(
    listening: Listening, envelope: Envelope, pushed: Callable[[Payload], Payload | None]
) -> AsyncIterator[None]:
    """Listen while the context is open.

    Parameters
    ----------
    listening : Listening
        Where; with TLS if the VEN has any.
    envelope : Envelope
        Opens and closes documents.
    pushed : callable
        Takes a payload, returns the reply; None if it cannot be kept now.

    Raises
    ------
    ConfigError
        If the address cannot be had.
    """
    config, listener = listening.config, listening.listener
    context = None
    if config.tls is not None:
        context = server_context(config.tls, config.vtn_fingerprint)
    app = web.Application(client_max_size=DEFAULT_LIMITS.size_bytes)
    prefix = urlsplit(listener.url).path.rstrip("/")
    app.add_routes(
        [web.post(f"{prefix}/{service}", _handler(envelope, pushed)) for service in Service]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, listener.address, listener.port, ssl_context=context)
        await site.start()
    except OSError as error:
        await runner.cleanup()
        where = f"{listener.address}:{listener.port}"
        raise ConfigError(f"openadr_ven.listen_port: {where}: {error.strerror}") from error
    try:
        yield
    finally:
        await runner.cleanup()


def _handler(
    envelope: Envelope, pushed: Callable[[Payload], Payload | None]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Make the handler of all services: the payload says what it is."""

    async def handle(request: web.Request) -> web.Response:
        if request.content_type not in _READABLE:
            return web.Response(status=415)
        body = await request.read()
        try:
            reply = pushed(envelope.open(body))
        except PayloadError as error:
            log.warning("message.refused", peer=request.remote, detail=str(error))
            reply = OadrResponse(ei_response=response(error.code, error.request_id, str(error)))
        if reply is None:
            return web.Response(status=503)
        return web.Response(body=envelope.close(reply), content_type=_XML)

    return handle
