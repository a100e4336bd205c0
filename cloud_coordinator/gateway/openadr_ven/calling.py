"""One call to the VTN over HTTP, and every way in which it can fail."""

import enum
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from cloud_coordinator.gateway.openadr_ven.listener import CONTENT_TYPE
from protocols.openadr.codes import PayloadError
from protocols.openadr.messages.payload import Payload
from protocols.openadr.ven.calls import Call
from protocols.openadr.ven.envelope import Envelope
from protocols.sansio.xml import DEFAULT_LIMITS
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

CALL_TIMEOUT_S: Final = 20.0
HTTP_OK: Final = 200


class Trouble(enum.Enum):
    """Why a call brought nothing usable.

    REFUSED: the VTN answered, but not in OpenADR. LOST: nobody answered. DISTRUSTED: somebody
    did whose certificate or TLS is not the VTN's.
    """

    REFUSED = "refused"
    LOST = "lost"
    DISTRUSTED = "distrusted"


class NoAnswerError(RemoteProtocolError):
    """A call brought nothing usable; ``trouble`` says which kind of nothing."""

    def __init__(self, cause: str, trouble: Trouble) -> None:
        super().__init__(cause)
        self.trouble = trouble


class Line:
    """Calls one VTN, one call at a time.

    Parameters
    ----------
    session : ClientSession
        With our certificate.
    url : str
        Of the VTN.
    envelope : Envelope
        Opens and closes documents.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, envelope: Envelope) -> None:
        self._session = session
        self._url = url
        self._envelope = envelope

    async def post(self, call: Call) -> Payload | None:
        """Return the VTN's answer, None for an empty one.

        Raises
        ------
        NoAnswerError
            For anything else than an answer in OpenADR.
        """
        what = call.purpose.value
        try:
            document = self._envelope.close(call.message)
        except LocalProtocolError as error:
            raise NoAnswerError(f"{what}: {error}", Trouble.REFUSED) from error
        try:
            status, body = await self._exchange(call, document)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            words = f"{type(error).__name__}: {error}"
            is_tls = isinstance(error, aiohttp.ClientSSLError | ssl.SSLError)
            trouble = Trouble.DISTRUSTED if is_tls else Trouble.LOST
            raise NoAnswerError(words, trouble) from error
        if status != HTTP_OK:
            raise NoAnswerError(f"HTTP {status} to {what}", Trouble.REFUSED)
        if not body.strip():
            return None
        try:
            return self._envelope.open(body)
        except PayloadError as error:
            raise NoAnswerError(f"answer to {what}: {error}", Trouble.REFUSED) from error

    async def _exchange(self, call: Call, document: bytes) -> tuple[int, bytes]:
        most = DEFAULT_LIMITS.size_bytes + 1
        async with self._session.post(
            f"{self._url}/{call.service}",
            data=document,
            headers={"Content-Type": CONTENT_TYPE},
            allow_redirects=False,
        ) as answer:
            body = b""
            while len(body) < most and not answer.content.at_eof():
                body += await answer.content.read(most - len(body))
            return answer.status, body


@asynccontextmanager
async def open_line(
    url: str, envelope: Envelope, context: ssl.SSLContext | None
) -> AsyncIterator[Line]:
    """Hold connections to a VTN; none is opened before the first call.

    Parameters
    ----------
    url : str
        Of the VTN.
    envelope : Envelope
        Opens and closes documents.
    context : SSLContext or None
        For an ``https`` url.
    """
    connector = aiohttp.TCPConnector(limit=1, ssl=context or False)
    timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, auto_decompress=False
    ) as session:
        yield Line(session, url, envelope)
