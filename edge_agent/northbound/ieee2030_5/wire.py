"""One HTTP exchange with the utility's server: values in, values out, every failure named.

Connections are kept; requests go one at a time. Redirections are not followed here, nothing is
decompressed, and a body is read no further than what is allowed.
"""

import ssl
from collections.abc import Callable
from typing import Final

import aiohttp
from yarl import URL

from protocols.ieee2030_5.client.fetch import Answer
from protocols.sansio.http import HttpReply, HttpRequest
from protocols.sansio.xml import DEFAULT_LIMITS

REQUEST_S: Final = 20.0
"""Longest exchange."""
_CHUNK: Final = 65_536


class Wire:
    """A session with one server; to be used as an asynchronous context.

    Parameters
    ----------
    origin : str
        Scheme and authority.
    context : SSLContext
        With our certificate.
    now_s : callable
        Our clock, s since 1970.
    """

    def __init__(self, origin: str, context: ssl.SSLContext, *, now_s: Callable[[], float]) -> None:
        self._origin = origin
        self._context = context
        self._now_s = now_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Wire":
        """Open the session; nothing is sent."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1, ssl=self._context),
            timeout=aiohttp.ClientTimeout(total=REQUEST_S),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def exchange(self, request: HttpRequest) -> Answer:
        """Send a request and read its reply."""
        sent_at_s = self._now_s()
        try:
            reply = await self._reply(request)
        except aiohttp.ClientConnectorError as error:
            return self._failed(sent_at_s, _cause(error), may_have_arrived=False)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return self._failed(sent_at_s, _cause(error), may_have_arrived=True)
        return Answer(reply=reply, sent_at_s=sent_at_s, received_at_s=self._now_s())

    async def _reply(self, request: HttpRequest) -> HttpReply:
        assert self._session is not None, "the session is open"
        headers = {"Accept": request.accept, "Accept-Encoding": "identity"}
        if request.content_type:
            headers["Content-Type"] = request.content_type
        async with self._session.request(
            request.method,
            URL(self._origin + request.path, encoded=True),
            data=request.body or None,
            headers=headers,
            allow_redirects=False,
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK):
                body += chunk
                if len(body) > DEFAULT_LIMITS.size_bytes:
                    raise aiohttp.ClientPayloadError("the reply is too long")
            return HttpReply(
                status=response.status,
                body=bytes(body),
                content_type=response.content_type,
                headers=tuple(response.headers.items()),
            )

    def _failed(self, sent_at_s: float, cause: str, *, may_have_arrived: bool) -> Answer:
        return Answer(
            reply=None,
            sent_at_s=sent_at_s,
            received_at_s=self._now_s(),
            may_have_arrived=may_have_arrived,
            cause=cause,
        )


def _cause(error: Exception) -> str:
    """Short words for people."""
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(inner, ssl.SSLCertVerificationError):
        return str(getattr(inner, "verify_message", "") or inner)
    return f"{type(inner).__name__}: {inner}"[:200]
