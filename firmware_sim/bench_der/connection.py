"""One kept-alive HTTP/1.1 connection, as small as it can be, so that a load test loads the server.

The same client is used for every server that is measured. A request is bytes that the caller
made; a reply is its status and body. A connection that was closed is opened again.
"""

import asyncio
import re
import ssl
from dataclasses import dataclass
from typing import Final, cast

from protocols.vocabulary.errors import VppError

REPLY_TIMEOUT_S: Final = 20.0
CONNECT_TIMEOUT_S: Final = 20.0
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)


class LostError(VppError):
    """The server closed the connection, or did not answer in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a server is.

    Attributes
    ----------
    host : str
        Address.
    port : int
        TCP port.
    context : ssl.SSLContext or None
        With the client's certificate; None for plain HTTP.
    """

    host: str
    port: int
    context: ssl.SSLContext | None = None


class Connection:
    """A connection to one server, with at most one request under way.

    Parameters
    ----------
    place : Place
        Where to.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._wire: _Wire | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; return status and body.

        Raises
        ------
        LostError
            If there is no connection, it broke, or the reply did not come in time.
        """
        wire = await self.opened()
        try:
            return await asyncio.wait_for(wire.ask(request), REPLY_TIMEOUT_S)
        except TimeoutError:
            self.close()
            raise LostError("no reply in time") from None

    async def opened(self) -> "_Wire":
        """Open it unless it is open.

        Raises
        ------
        LostError
            If it cannot be opened.
        """
        if self._wire is None or self._wire.closed:
            loop = asyncio.get_running_loop()
            place = self._place
            try:
                _, protocol = await asyncio.wait_for(
                    loop.create_connection(_Wire, place.host, place.port, ssl=place.context),
                    CONNECT_TIMEOUT_S,
                )
            except (OSError, TimeoutError) as error:
                raise LostError(str(error)) from None
            self._wire = protocol
        return self._wire

    def close(self) -> None:
        """Close it; the next request opens it again."""
        if self._wire is not None:
            self._wire.abort()
            self._wire = None


class _Wire(asyncio.Protocol):
    """Finds the end of one reply."""

    def __init__(self) -> None:
        self.closed = False
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """Send, and return what will hold the reply."""
        assert self._waiting is None or self._waiting.done(), "one request at a time"
        assert self._transport is not None, "it is connected"
        self._waiting = asyncio.get_running_loop().create_future()
        self._buffer = b""
        self._transport.write(request)
        return self._waiting

    def data_received(self, data: bytes) -> None:
        """Take a part of the reply."""
        self._buffer = self._buffer + data if self._buffer else data
        reply = _reply(self._buffer)
        if reply is not None and self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self.closed = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(LostError(str(exc or "closed by the server")))

    def abort(self) -> None:
        """Close at once."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()


def _reply(buffer: bytes) -> tuple[int, bytes] | None:
    """Status and body, None while it is not whole."""
    end = buffer.find(_HEAD_END)
    if end < 0:
        return None
    head = buffer[:end]
    body = buffer[end + len(_HEAD_END) :]
    status = int(head[9:12])
    length = _LENGTH.search(head)
    if length is not None:
        return (status, body) if len(body) >= int(length[1]) else None
    if _CHUNKED.search(head):
        return (status, body) if body.endswith(b"0\r\n\r\n") else None
    return status, body
