"""A connection to a market's server: one request, and every way in which it can stay unanswered."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from protocols.vocabulary.errors import ConfigError, RemoteProtocolError

CALL_TIMEOUT_S: Final = 20.0
ANSWER_BYTES_MAX: Final = 16_000_000
_SERVER_FAILED: Final = 500
_CHUNK_BYTES: Final = 65_536


class VenueSilentError(RemoteProtocolError):
    """No usable answer came; whether the request was done is not known."""


class VenueRefusedError(RemoteProtocolError):
    """The venue answered that it did nothing; the message has its code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back.

    Attributes
    ----------
    status : int
        Of HTTP, below 500.
    headers : mapping
        Names in lower case.
    body : bytes
        At most :data:`ANSWER_BYTES_MAX`.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a submission is tried.

    Attributes
    ----------
    tries : int
        Posts of the same bytes under the same id, each followed by a question where it failed.
    pause_s : float
        Between a failure and the question, doubled each time.
    timeout_s : float
        Of one request.
    """

    tries: int = 4
    pause_s: float = 0.5
    timeout_s: float = CALL_TIMEOUT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueLine:
    """Calls one server.

    Attributes
    ----------
    session : ClientSession
        With our certificate where there is one.
    url : str
        Of the server, without a path.
    headers : mapping
        Sent with every request.
    """

    session: aiohttp.ClientSession
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    async def call(self, method: str, path: str, *, body: bytes | None = None) -> Reply:
        """Make one request.

        Raises
        ------
        VenueSilentError
            If nobody answers, the server failed, or the answer is too long.
        """
        try:
            async with self.session.request(
                method, self.url + path, data=body, headers=self.headers, allow_redirects=False
            ) as answer:
                found = b""
                while len(found) <= ANSWER_BYTES_MAX and not answer.content.at_eof():
                    found += await answer.content.read(_CHUNK_BYTES)
                status = answer.status
                headers = {name.lower(): value for name, value in answer.headers.items()}
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise VenueSilentError(f"{path}: {type(error).__name__}: {error}") from error
        if status >= _SERVER_FAILED or len(found) > ANSWER_BYTES_MAX:
            raise VenueSilentError(f"{path}: HTTP {status}, {len(found)} bytes")
        return Reply(status=status, headers=headers, body=found)


@asynccontextmanager
async def open_line(
    url: str,
    *,
    context: ssl.SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = CALL_TIMEOUT_S,
) -> AsyncIterator[VenueLine]:
    """Hold connections to a server; none is opened before the first call.

    Parameters
    ----------
    url : str
        ``http://`` or ``https://``, host and port.
    context : SSLContext or None
        For ``https``; None trusts the authorities of this machine.
    headers : mapping or None
        Sent with every request.
    timeout_s : float
        Of one request.

    Raises
    ------
    ConfigError
        If the address is none.
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"address {url!r}: begins with neither http:// nor https://")
    connector = aiohttp.TCPConnector(limit=4, ssl=context or True)
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield VenueLine(session=session, url=url.rstrip("/"), headers=headers or {})
