"""Fetches published files over HTTP: bounded in time, size and tries; polite to the publisher.

A failed fetch raises; it is never an empty file. What comes is asked for only if it changed
(ETag, Last-Modified). A page instead of a file counts as a failure, whatever its status says.
The bytes go through the same file door as files of a disk.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import aiohttp
import structlog

from cloud_coordinator.gateway.exchanges.files import TEXT_BYTES_MAX
from protocols.vocabulary.errors import LinkError

_CHUNK_BYTES: Final = 65_536
_NOT_MODIFIED: Final = 304
_OK: Final = 200
_GONE: Final = frozenset({404, 410})
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_BACKOFF_S_MAX: Final = 60.0
_REDIRECTS_MAX: Final = 5
_BOM: Final = b"\xef\xbb\xbf"

_log = structlog.get_logger(__name__)
Sleep = Callable[[float], Awaitable[None]]


class FetchFailedError(LinkError):
    """A published file could not be had; what is known of it is as old as before."""


class NotPublishedError(FetchFailedError):
    """The publisher has no such file, or not yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """What a fetch may cost.

    Attributes
    ----------
    timeout_s : float
        For one try as a whole.
    bytes_max : int
        Of the content, unpacked from its transfer encoding.
    tries : int
        At most, >= 1.
    backoff_s : float
        Before the second try; doubled before each further one, at most 60 s.
    """

    timeout_s: float = 60.0
    bytes_max: int = TEXT_BYTES_MAX
    tries: int = 4
    backoff_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """By what a publisher knows a version of a file again; empty if he does not say."""

    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file as it came.

    Attributes
    ----------
    data : bytes or None
        None if it has not changed since the known version.
    version : Version
        Of what came; to be remembered once the file is imported.
    """

    data: bytes | None
    version: Version


class _TryAgainError(LinkError):
    """A failure that may pass; ``wait_s`` is what the publisher asks for."""

    def __init__(self, cause: str, wait_s: float = 0.0) -> None:
        super().__init__(cause)
        self.wait_s = wait_s


class Fetcher:
    """Fetches files one by one.

    Parameters
    ----------
    session : aiohttp.ClientSession
        Open; closed by its owner.
    limits : FetchLimits
        What a fetch may cost.
    sleep : callable
        Waits between tries, s.
    """

    def __init__(
        self, session: aiohttp.ClientSession, limits: FetchLimits, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._session, self._limits, self._sleep = session, limits, sleep

    async def fetch(self, address: str, known: Version) -> Fetched:
        """Fetch a file unless it is the known version.

        Raises
        ------
        NotPublishedError
            If the publisher says there is no such file; not tried again.
        FetchFailedError
            If the address cannot be used, or no try brought the whole file.
        """
        if not address.startswith(("http://", "https://")):
            raise FetchFailedError(f"{address}: is not an http or https address")
        if "@" in address.split("/", 3)[2]:
            raise FetchFailedError("an address with a name or password in it is not kept or used")
        causes: list[str] = []
        for at in range(self._limits.tries):
            try:
                return await self._once(address, known)
            except _TryAgainError as error:
                causes.append(str(error))
                asked_s = error.wait_s
            except (aiohttp.InvalidURL, ValueError) as error:
                raise FetchFailedError(f"{address}: {error}") from error
            except TimeoutError:
                causes.append(f"no answer within {self._limits.timeout_s:g} s")
                asked_s = 0.0
            except (aiohttp.ClientError, OSError) as error:
                causes.append(str(error) or type(error).__name__)
                asked_s = 0.0
            if at + 1 < self._limits.tries:
                wait_s = max(asked_s, self._limits.backoff_s * 2**at)
                wait_s = min(wait_s, _BACKOFF_S_MAX)
                _log.info("publication.awaited", address=address, cause=causes[-1], wait_s=wait_s)
                await self._sleep(wait_s)
        raise FetchFailedError(f"{address}: {len(causes)} tries failed, the last: {causes[-1]}")

    async def _once(self, address: str, known: Version) -> Fetched:
        headers = {}
        if known.etag:
            headers["If-None-Match"] = known.etag
        if known.last_modified:
            headers["If-Modified-Since"] = known.last_modified
        async with (
            asyncio.timeout(self._limits.timeout_s),
            self._session.get(address, headers=headers, max_redirects=_REDIRECTS_MAX) as answer,
        ):
            status = answer.status
            if status == _NOT_MODIFIED and headers:
                return Fetched(data=None, version=known)
            if status in _GONE:
                raise NotPublishedError(f"{address}: is not published (status {status})")
            if status in _AGAIN:
                asked = answer.headers.get("Retry-After", "")
                wait_s = float(asked) if asked.isdecimal() else 0.0
                raise _TryAgainError(f"status {status}", wait_s)
            if status != _OK:
                raise FetchFailedError(f"{address}: status {status}")
            data = await self._body(address, answer)
        if _is_page(data):
            raise _TryAgainError("a page came instead of the file")
        version = Version(
            etag=answer.headers.get("ETag", ""),
            last_modified=answer.headers.get("Last-Modified", ""),
        )
        return Fetched(data=data, version=version)

    async def _body(self, address: str, answer: aiohttp.ClientResponse) -> bytes:
        found = bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
            found += chunk
            if len(found) > self._limits.bytes_max:
                limit = self._limits.bytes_max
                raise FetchFailedError(f"{address}: is larger than {limit} bytes")
        if not found:
            raise _TryAgainError("an empty answer came instead of the file")
        return bytes(found)


def _is_page(data: bytes) -> bool:
    """Whether it is HTML or XML; no file of ours begins with such a sign."""
    return data.removeprefix(_BOM).lstrip()[:1] == b"<"
