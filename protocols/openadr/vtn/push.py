"""A VTN's own requests, toward VENs that are reached at an address instead of polling.

The shell sends what :meth:`Pusher.next` gives and hands the reply to :meth:`Pusher.replied`. A
VEN that does not answer is owed the same again; how long to wait is the shell's.

Notes
-----
OpenADR 2.0b profile, simple HTTP transport, push.
"""

from dataclasses import dataclass
from datetime import datetime

from protocols.openadr.codes import PayloadError
from protocols.openadr.messages.event import OadrDistributeEvent
from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import (
    OadrCancelPartyRegistration,
    OadrRequestReregistration,
    OadrResponse,
)
from protocols.openadr.vtn.ledger import Ledger
from protocols.openadr.vtn.role import CONTENT_TYPE, Answer
from protocols.openadr.vtn.seal import Seal
from protocols.openadr.vtn.services import DUTIES, EVENT, REGISTER_PARTY, REPORT
from protocols.openadr.vtn.settings import PATH_PREFIX
from protocols.openadr.vtn.state import Call, VtnState
from protocols.sansio.http import HttpReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One request to a VEN.

    Attributes
    ----------
    ven_id : str
        To whom.
    url : str
        Where to.
    content_type : str
        Of the body.
    body : bytes
        Payload.
    """

    ven_id: str
    url: str
    content_type: str
    body: bytes


class Pusher:
    """The pushing side of one VTN.

    Parameters
    ----------
    state : VtnState
        Shared with the VTN.
    seal : Seal
        Of the VTN.
    """

    def __init__(self, state: VtnState, seal: Seal) -> None:
        self._state = state
        self._seal = seal

    def waiting(self) -> tuple[str, ...]:
        """VENs with an address for which something may wait."""
        return tuple(
            ven_id
            for ven_id in self._state.vens.addressed()
            if not self._state.mail.is_empty(ven_id)
        )

    def next(self, ven_id: str, now: datetime, drawn: bytes) -> Push | None:
        """Make the next request to a VEN; None if there is nothing to say."""
        ven = self._state.vens.find(ven_id)
        if ven is None or ven.transport_address is None:
            return None
        ledger = Ledger(drawn)
        message = self._state.mail.next(ven, now, ledger)
        if message is None:
            return None
        return Push(
            ven_id=ven_id,
            url=f"{_base(ven.transport_address)}/{_service(message)}",
            content_type=CONTENT_TYPE,
            body=self._seal.close(message, now, ledger.identifier()),
        )

    def replied(self, push: Push, body: bytes, now: datetime) -> Answer:
        """Take a VEN's reply; the answer has changes and happenings, and nothing to send."""
        self._state.mail.delivered(push.ven_id)
        call = Call(now=now, ledger=Ledger(), service="")
        try:
            if body:
                self._take(push, body, call)
        except PayloadError as error:
            call.tell("push.refused", ven_id=push.ven_id, cause=str(error), code=error.code.value)
        return Answer(
            reply=HttpReply(status=200),
            changes=call.ledger.changes(),
            happenings=tuple(call.happenings),
        )

    def _take(self, push: Push, body: bytes, call: Call) -> None:
        """Treat a reply as if the VEN had sent it by itself."""
        opened = self._seal.open(body, call.now)
        ven = self._state.vens.find(push.ven_id)
        if ven is None or isinstance(opened.message, OadrResponse):
            return
        if opened.fingerprint is not None and opened.fingerprint != ven.fingerprint:
            call.tell("push.refused", ven_id=push.ven_id, cause="signed by another", code="463")
            return
        duty = DUTIES.get(type(opened.message))
        if duty is not None:
            call.sender = ven
            duty.handler(self._state, opened.message, call)


def _base(address: str) -> str:
    """Address up to the name of the service."""
    base = address.rstrip("/")
    return base if base.endswith(PATH_PREFIX) else base + PATH_PREFIX


def _service(message: Payload) -> str:
    if isinstance(message, OadrDistributeEvent):
        return EVENT
    if isinstance(message, OadrCancelPartyRegistration | OadrRequestReregistration):
        return REGISTER_PARTY
    return REPORT
