"""What the VTN posts to us: five services, one body each, an answer in OpenADR.

Whoever has not a certificate of the VTN's does not get past the handshake. What cannot be read
is answered with the standard's code; nothing a stranger sends ends in a 500.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import structlog

from protocols.openadr.codes import PayloadError
from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import OadrResponse
from protocols.openadr.ven.calls import Service
from protocols.openadr.ven.envelope import Envelope
from protocols.openadr.ven.incoming import response
from protocols.sansio.http import HttpReply, HttpRequest

CONTENT_TYPE: Final = "application/xml"
_READABLE: Final = {"application/xml", "text/xml"}

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ear:
    """Answers what a VTN posts.

    Attributes
    ----------
    url : str
        What the VTN was told to call.
    envelope : Envelope
        Opens and closes documents.
    pushed : callable
        Takes a payload, returns the reply; None if it cannot be kept now.
    """

    url: str
    envelope: Envelope
    pushed: Callable[[Payload], Payload | None]

    async def answer(self, request: HttpRequest) -> HttpReply:
        """Answer a request when what it changed is durable."""
        prefix = urlsplit(self.url).path.rstrip("/")
        if request.path not in {f"{prefix}/{service}" for service in Service}:
            return HttpReply(status=404)
        if request.method != "POST":
            return HttpReply(status=405, headers=(("Allow", "POST"),))
        if request.content_type.partition(";")[0].strip().lower() not in _READABLE:
            return HttpReply(status=415)
        try:
            reply = self.pushed(self.envelope.open(request.body))
        except PayloadError as error:
            _log.warning("message.refused", detail=str(error))
            reply = OadrResponse(ei_response=response(error.code, error.request_id, str(error)))
        if reply is None:
            return HttpReply(status=503, headers=(("Retry-After", "5"),))
        return HttpReply(status=200, body=self.envelope.close(reply), content_type=CONTENT_TYPE)
