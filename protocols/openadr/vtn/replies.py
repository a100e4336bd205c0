"""Replies of a VTN that say how a payload was taken."""

from protocols.openadr.codes import PayloadError, ResponseCode
from protocols.openadr.messages.elements import EiResponse
from protocols.openadr.messages.event import (
    OadrCreatedEvent,
    OadrDistributeEvent,
    OadrRequestEvent,
)
from protocols.openadr.messages.opt import (
    OadrCanceledOpt,
    OadrCancelOpt,
    OadrCreatedOpt,
    OadrCreateOpt,
)
from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import (
    OadrCanceledPartyRegistration,
    OadrCancelPartyRegistration,
    OadrCreatedPartyRegistration,
    OadrCreatePartyRegistration,
    OadrPoll,
    OadrProfile,
    OadrQueryRegistration,
    OadrRequestReregistration,
    OadrResponse,
)
from protocols.openadr.messages.report import (
    OadrCanceledReport,
    OadrCancelReport,
    OadrCreatedReport,
    OadrCreateReport,
    OadrRegisteredReport,
    OadrRegisterReport,
    OadrUpdatedReport,
    OadrUpdateReport,
)
from protocols.openadr.vtn.vens import PROFILE, TRANSPORT

DESCRIPTION_MAX = 300
PROFILES = (OadrProfile(oadr_profile_name=PROFILE, oadr_transport_name=(TRANSPORT,)),)


def good(request_id: str) -> EiResponse:
    """Code 200."""
    return EiResponse(
        response_code=ResponseCode.OK.value, response_description="OK", request_id=request_id
    )


def request_id_of(message: Payload) -> str:
    """Return the requestID of a payload, "" where it has none."""
    if isinstance(message, OadrRequestEvent):
        return message.ei_request_event.request_id
    if isinstance(message, OadrCreatedEvent):
        return message.ei_created_event.ei_response.request_id
    if isinstance(message, OadrPoll | OadrRequestReregistration):
        return ""
    return getattr(message, "request_id", "") or ""


def ven_id_of(message: Payload) -> str | None:
    """Return the venID of a payload; None where it has none."""
    if isinstance(message, OadrRequestEvent):
        return message.ei_request_event.ven_id
    if isinstance(message, OadrCreatedEvent):
        return message.ei_created_event.ven_id
    return getattr(message, "ven_id", None) or None


def refusal(message: Payload | None, error: PayloadError, vtn_id: str) -> Payload:
    """Answer to a payload that could not be taken, of the kind that answers it.

    Parameters
    ----------
    message : Payload or None
        What was refused; None if it could not be read.
    error : PayloadError
        Why.
    vtn_id : str
        This VTN.
    """
    request_id = error.request_id or ("" if message is None else request_id_of(message))
    bad = EiResponse(
        response_code=error.code.value,
        response_description=written(str(error)),
        request_id=request_id,
    )
    if isinstance(message, OadrQueryRegistration | OadrCreatePartyRegistration):
        return OadrCreatedPartyRegistration(ei_response=bad, vtn_id=vtn_id, oadr_profiles=PROFILES)
    if isinstance(message, OadrRequestEvent):
        return OadrDistributeEvent(ei_response=bad, request_id=request_id, vtn_id=vtn_id)
    if isinstance(message, OadrCreateOpt):
        return OadrCreatedOpt(ei_response=bad, opt_id=message.opt_id)
    for asking, answering in _PLAIN_ANSWERS.items():
        if isinstance(message, asking):
            return answering(ei_response=bad)
    return OadrResponse(ei_response=bad)


_PLAIN_ANSWERS: dict[
    type,
    type[
        OadrCanceledPartyRegistration
        | OadrRegisteredReport
        | OadrCreatedReport
        | OadrUpdatedReport
        | OadrCanceledReport
        | OadrCanceledOpt
    ],
] = {
    OadrCancelPartyRegistration: OadrCanceledPartyRegistration,
    OadrRegisterReport: OadrRegisteredReport,
    OadrCreateReport: OadrCreatedReport,
    OadrUpdateReport: OadrUpdatedReport,
    OadrCancelReport: OadrCanceledReport,
    OadrCancelOpt: OadrCanceledOpt,
}


def written(text: str) -> str:
    """Text that XML can carry, not too long."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return printable[:DESCRIPTION_MAX]
