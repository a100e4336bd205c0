"""The service at which the server may tell us that something changed.

Only the certificate of the server that we call gets past the handshake; what it sends is not
believed but makes us ask. Nothing a caller sends ends in a 500.
"""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from aiohttp import web

from edge_agent.config.northbound import Listener
from protocols.sansio.http import HttpReply, HttpRequest
from protocols.sansio.xml import DEFAULT_LIMITS
from protocols.vocabulary.errors import ConfigError


@asynccontextmanager
async def serve(
    listener: Listener, context: ssl.SSLContext, notified: Callable[[HttpRequest], HttpReply]
) -> AsyncIterator[None]:
    """Listen while the context is open.

    Parameters
    ----------
    listener : Listener
        Where.
    context : SSLContext
        Who may call.
    notified : callable
        Takes a request at our address.

    Raises
    ------
    ConfigError
        If the address cannot be had.
    """

    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        reply = notified(HttpRequest(method=request.method, path=request.path, body=body))
        return web.Response(status=reply.status)

    app = web.Application(client_max_size=DEFAULT_LIMITS.size_bytes)
    app.add_routes([web.route("*", urlsplit(listener.url).path or "/", handle)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, listener.address, listener.port, ssl_context=context)
        await site.start()
    except OSError as error:
        await runner.cleanup()
        where = f"{listener.address}:{listener.port}"
        raise ConfigError(f"ieee2030_5_client.listen_port: {where}: {error.strerror}") from error
    try:
        yield
    finally:
        await runner.cleanup()
