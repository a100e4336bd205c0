"""The VTN toward its VENs, pure: a request in, a reply and records out.

The shell makes the changes durable and answers then. Several VTNs live in one process: each is
an object of its own. Nothing a VEN sends raises: it is answered with the standard's code, or
with an HTTP status where it is not even XML.

Notes
-----
OpenADR 2.0b profile, simple HTTP transport.
"""

from dataclasses import dataclass
from datetime import datetime

from protocols.openadr.codes import PayloadError, ResponseCode
from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import OadrPoll, OadrResponse
from protocols.openadr.vtn.ledger import Ledger
from protocols.openadr.vtn.replies import refusal
from protocols.openadr.vtn.seal import Opened, Seal
from protocols.openadr.vtn.services import SERVICES, serve
from protocols.openadr.vtn.state import Call, Happening, VtnState
from protocols.sansio.http import HttpReply, HttpRequest
from protocols.sansio.records import Change
from protocols.sansio.xml import parse_xml
from protocols.vocabulary.errors import RemoteProtocolError

CONTENT_TYPE = "application/xml"
_XML_TYPES = frozenset({"application/xml", "text/xml"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request led to.

    Attributes
    ----------
    reply : HttpReply
        To send, after the changes are durable.
    changes : tuple of Change
        To make durable first.
    happenings : tuple of Happening
        For the log.
    quiet : bool
        True if the reply tells nothing but that there is nothing: it need not wait for what
        other requests changed.
    ven_id : str
        Of the VEN that has proven to be the sender; "" for nobody.
    """

    reply: HttpReply
    changes: tuple[Change, ...] = ()
    happenings: tuple[Happening, ...] = ()
    quiet: bool = False
    ven_id: str = ""


class Vtn:
    """One VTN.

    Parameters
    ----------
    state : VtnState
        What it knows.
    seal : Seal
        How it reads and writes payloads.
    """

    def __init__(self, state: VtnState, seal: Seal) -> None:
        self._state = state
        self._seal = seal
        prefix = state.settings.path_prefix.rstrip("/")
        self._services = {f"{prefix}/{service}": service for service in SERVICES}

    def answer(self, request: HttpRequest, now: datetime, drawn: bytes) -> Answer:
        """Answer a request.

        Parameters
        ----------
        request : HttpRequest
            What a peer sent; its peer is what TLS knows.
        now : datetime
            UTC.
        drawn : bytes
            32 random bytes, new for each request.
        """
        service = self._services.get(request.path)
        if service is None:
            return _bare(404, "no such service")
        if request.method != "POST":
            return _bare(405, "POST only", headers=(("Allow", "POST"),))
        media_type = request.content_type.partition(";")[0].strip().lower()
        if media_type not in _XML_TYPES:
            return _bare(415, f"{CONTENT_TYPE} only")
        return self._serve(request, Call(now=now, ledger=Ledger(drawn), service=service))

    def _serve(self, request: HttpRequest, call: Call) -> Answer:
        """Answer what is XML."""
        message: Payload | None = None
        try:
            opened = self._seal.open(request.body, call.now)
            message = opened.message
            call.fingerprint = _who(request, opened)
            reply = serve(self._state, message, call)
        except PayloadError as error:
            fault = None if message is not None else _fault(request.body)
            if fault is not None:
                return _bare(400, fault, happenings=(_refused(request, fault, "xml"),))
            reply = refusal(message, error, self._state.settings.vtn_id)
            call.happenings.append(_refused(request, str(error), error.code.value))
        quiet = isinstance(reply, OadrResponse) and isinstance(message, OadrPoll)
        body = b""
        if reply is not None:
            body = self._seal.close(reply, call.now, call.ledger.identifier())
        return Answer(
            reply=HttpReply(status=200, body=body, content_type=CONTENT_TYPE),
            changes=call.ledger.changes(),
            happenings=tuple(call.happenings),
            quiet=quiet,
            ven_id="" if call.sender is None else call.sender.ven_id,
        )


def _fault(body: bytes) -> str | None:
    """Tell what is wrong with something that is not XML; None if it is XML."""
    try:
        parse_xml(body)
    except RemoteProtocolError as error:
        return str(error)
    return None


def _who(request: HttpRequest, opened: Opened) -> str | None:
    """Fingerprint that stands behind a payload.

    Raises
    ------
    PayloadError
        463 if it was signed with another certificate than the connection's.
    """
    if request.peer is None:
        return opened.fingerprint
    if opened.fingerprint not in {None, request.peer.fingerprint}:
        raise PayloadError(
            "signed with another certificate than the connection's",
            code=ResponseCode.NOT_REGISTERED,
        )
    return request.peer.fingerprint


def _refused(request: HttpRequest, cause: str, code: str) -> Happening:
    fields = {"path": request.path, "cause": cause[:300], "code": code}
    if request.peer is not None:
        fields["fingerprint"] = request.peer.fingerprint
    return Happening(name="payload.refused", fields=fields)


def _bare(
    status: int,
    text: str,
    *,
    headers: tuple[tuple[str, str], ...] = (),
    happenings: tuple[Happening, ...] = (),
) -> Answer:
    """Reply of the transport, in plain text."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    reply = HttpReply(
        status=status,
        body=f"{printable[:300]}\n".encode(),
        content_type="text/plain",
        headers=headers,
    )
    return Answer(reply=reply, happenings=happenings, quiet=True)
