"""What a VTN does with each payload of a VEN: one function each, and the table of them.

Notes
-----
OpenADR 2.0b: EiRegisterParty, EiEvent, EiReport, EiOpt and OadrPoll.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from protocols.openadr.codes import PayloadError, ResponseCode
from protocols.openadr.messages.event import (
    EventResponse,
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
from protocols.openadr.vtn.mail import cancellation
from protocols.openadr.vtn.replies import PROFILES, good, request_id_of, ven_id_of
from protocols.openadr.vtn.state import Call, VtnState
from protocols.openadr.vtn.vens import Ven

REGISTER_PARTY = "EiRegisterParty"
EVENT = "EiEvent"
REPORT = "EiReport"
OPT = "EiOpt"
POLL = "OadrPoll"
SERVICES = (REGISTER_PARTY, EVENT, REPORT, OPT, POLL)


def query(state: VtnState, message: OadrQueryRegistration, call: Call) -> Payload:
    """Say what this VTN speaks, and who the VEN is if its certificate tells."""
    ven = state.vens.find_by_fingerprint(call.fingerprint)
    return _registration(state, message.request_id, ven)


def register(state: VtnState, message: OadrCreatePartyRegistration, call: Call) -> Payload:
    """Register a VEN; one that registers anew is told everything again."""
    ven = state.vens.register(message, call.fingerprint, call.ledger)
    if message.registration_id is None:
        state.events.forget_answers(ven.ven_id, call.now, call.ledger)
        state.reports.forget_requests(ven.ven_id, call.ledger)
    state.mail.start_anew(ven.ven_id)
    call.tell("ven.registered", ven_id=ven.ven_id, ven_name=ven.ven_name)
    return _registration(state, message.request_id, ven)


def leave(state: VtnState, message: OadrCancelPartyRegistration, call: Call) -> Payload:
    """End a registration at the VEN's wish."""
    ven = call.ven
    if message.registration_id != ven.registration_id:
        raise PayloadError("registrationID is not that of this VEN", code=ResponseCode.INVALID_ID)
    registration_id = ven.registration_id
    _forget(state, ven, call)
    return OadrCanceledPartyRegistration(
        ei_response=good(message.request_id), registration_id=registration_id, ven_id=ven.ven_id
    )


def left(state: VtnState, message: OadrCanceledPartyRegistration, call: Call) -> Payload:
    """Take note that a VEN has ended the registration at our wish."""
    ven = call.ven
    if ven.leaving:
        _forget(state, ven, call)
    return _plain(ven, message)


def request_event(state: VtnState, message: OadrRequestEvent, call: Call) -> Payload:
    """Tell a VEN all its events."""
    ven = call.ven
    _check_registered(ven)
    asked = message.ei_request_event
    events = state.events.for_ven(ven, call.now)
    if asked.reply_limit is not None:
        events = events[: asked.reply_limit]
    state.events.told(ven, events)
    return OadrDistributeEvent(
        ei_response=good(asked.request_id),
        request_id=call.ledger.identifier(),
        vtn_id=state.settings.vtn_id,
        oadr_event=events,
    )


def created_event(state: VtnState, message: OadrCreatedEvent, call: Call) -> Payload:
    """Keep a VEN's answers to events; each is judged, the first bad one is told."""
    ven = call.ven
    _check_registered(ven)
    created = message.ei_created_event
    first_bad: PayloadError | None = None
    for response in created.event_responses:
        try:
            answer = state.events.answered(ven, response, now=call.now, ledger=call.ledger)
        except PayloadError as error:
            first_bad = first_bad or error
            continue
        call.tell(
            "event.answered",
            ven_id=ven.ven_id,
            event_id=answer.event_id,
            modification_number=answer.modification_number,
            opt_type=answer.opt_type,
            code=answer.code,
        )
    state.mail.touch(ven.ven_id)
    if first_bad is not None:
        raise first_bad
    return _plain(ven, message)


def register_report(state: VtnState, message: OadrRegisterReport, call: Call) -> Payload:
    """Take what a VEN can report, and ask for what is wanted at once."""
    ven = call.ven
    _check_registered(ven)
    state.reports.offered(ven.ven_id, message.oadr_report, call.ledger)
    state.mail.touch(ven.ven_id)
    call.tell("report.offered", ven_id=ven.ven_id, reports=len(message.oadr_report))
    return OadrRegisteredReport(
        ei_response=good(message.request_id),
        oadr_report_request=tuple(
            asked.request for asked in state.reports.asked(ven.ven_id) if not asked.ending
        ),
        ven_id=ven.ven_id,
    )


def registered_report(state: VtnState, message: OadrRegisteredReport, call: Call) -> Payload:
    """Take note that a VEN has heard what this VTN reports; it reports nothing."""
    ven = call.ven
    _check_registered(ven)
    state.vens.put(replace(ven, offers_told=True), call.ledger)
    state.mail.touch(ven.ven_id)
    if message.oadr_report_request:
        raise PayloadError("this VTN has no reports", code=ResponseCode.REPORT_NOT_SUPPORTED)
    return _plain(ven, message)


def create_report(_: VtnState, __: OadrCreateReport, call: Call) -> Payload:
    """Refuse a VEN's wish for a report."""
    _check_registered(call.ven)
    raise PayloadError("this VTN has no reports", code=ResponseCode.REPORT_NOT_SUPPORTED)


def created_report(state: VtnState, message: OadrCreatedReport, call: Call) -> Payload:
    """Take note that a VEN knows of requests, whatever it thinks of them."""
    ven = call.ven
    _check_registered(ven)
    if message.oadr_pending_reports:
        state.reports.confirm(ven.ven_id, message.oadr_pending_reports, call.ledger)
    if message.ei_response.response_code != ResponseCode.OK.value:
        call.tell("report.declined", ven_id=ven.ven_id, code=message.ei_response.response_code)
    state.mail.touch(ven.ven_id)
    return _plain(ven, message)


def update_report(state: VtnState, message: OadrUpdateReport, call: Call) -> Payload:
    """Keep readings; what is no longer wanted is cancelled in the answer."""
    ven = call.ven
    _check_registered(ven)
    was_quiet = state.mail.is_empty(ven.ven_id)
    new = state.reports.received(ven.ven_id, message.oadr_report, now=call.now, ledger=call.ledger)
    call.tell("report.received", ven_id=ven.ven_id, values=new)
    ending = any(asked.ending for asked in state.reports.asked(ven.ven_id))
    if not was_quiet:
        state.mail.touch(ven.ven_id)
    return OadrUpdatedReport(
        ei_response=good(message.request_id),
        oadr_cancel_report=cancellation(state.reports, ven, call.ledger) if ending else None,
        ven_id=ven.ven_id,
    )


def cancel_report(_: VtnState, __: OadrCancelReport, call: Call) -> Payload:
    """Refuse to cancel a report that this VTN never had."""
    _check_registered(call.ven)
    raise PayloadError("no such report request", code=ResponseCode.INVALID_ID)


def canceled_report(state: VtnState, message: OadrCanceledReport, call: Call) -> Payload:
    """Take note that a VEN has cancelled what it was asked to."""
    ven = call.ven
    _check_registered(ven)
    state.reports.ended(ven.ven_id, message.oadr_pending_reports, call.ledger)
    state.mail.touch(ven.ven_id)
    return _plain(ven, message)


def create_opt(state: VtnState, message: OadrCreateOpt, call: Call) -> Payload:
    """Keep when a VEN takes part, or how it answers one event."""
    ven = call.ven
    _check_registered(ven)
    if message.qualified_event_id is not None:
        response = EventResponse(
            response_code=ResponseCode.OK.value,
            request_id=message.request_id,
            qualified_event_id=message.qualified_event_id,
            opt_type=message.opt_type,
        )
        state.events.answered(ven, response, now=call.now, ledger=call.ledger)
    state.opts.create(message, call.now, call.ledger)
    call.tell(
        "opt.created", ven_id=ven.ven_id, opt_id=message.opt_id, opt_type=str(message.opt_type)
    )
    return OadrCreatedOpt(ei_response=good(message.request_id), opt_id=message.opt_id)


def cancel_opt(state: VtnState, message: OadrCancelOpt, call: Call) -> Payload:
    """Take an opt back."""
    ven = call.ven
    _check_registered(ven)
    state.opts.cancel(ven.ven_id, message.opt_id, call.ledger)
    call.tell("opt.cancelled", ven_id=ven.ven_id, opt_id=message.opt_id)
    return OadrCanceledOpt(ei_response=good(message.request_id), opt_id=message.opt_id)


def poll(state: VtnState, _: OadrPoll, call: Call) -> Payload:
    """Tell a VEN what it is owed next."""
    ven = call.ven
    if ven.registration_id is None:
        return OadrRequestReregistration(ven_id=ven.ven_id)
    if state.mail.is_empty(ven.ven_id):
        return empty(ven.ven_id)
    return state.mail.next(ven, call.now, call.ledger) or empty(ven.ven_id)


def empty(ven_id: str) -> OadrResponse:
    """Answer to a poll when there is nothing."""
    return OadrResponse(ei_response=good(""), ven_id=ven_id)


def _registration(state: VtnState, request_id: str, ven: Ven | None) -> Payload:
    known = ven is not None and ven.registration_id is not None
    return OadrCreatedPartyRegistration(
        ei_response=good(request_id),
        registration_id=ven.registration_id if ven is not None and known else None,
        ven_id=ven.ven_id if ven is not None and known else None,
        vtn_id=state.settings.vtn_id,
        oadr_profiles=PROFILES,
        oadr_requested_oadr_poll_freq=state.settings.poll_interval,
    )


def _check_registered(ven: Ven) -> None:
    if ven.registration_id is None:
        raise PayloadError("this VEN is not registered", code=ResponseCode.NOT_REGISTERED)


def _forget(state: VtnState, ven: Ven, call: Call) -> None:
    """End what there was with a VEN; who it is stays known."""
    gone = replace(ven, registration_id=None, leaving=False, registering_again=False)
    state.vens.put(gone, call.ledger)
    state.reports.forget_requests(ven.ven_id, call.ledger)
    state.mail.touch(ven.ven_id)
    call.tell("ven.left", ven_id=ven.ven_id)


def _plain(ven: Ven, message: Payload) -> Payload:
    return OadrResponse(ei_response=good(request_id_of(message)), ven_id=ven.ven_id)


_Handler = Callable[[VtnState, Payload, Call], Payload]


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """Where a payload belongs, and what is done with it.

    Attributes
    ----------
    service : str
        Last part of the path.
    handler : callable
        What answers it.
    """

    service: str
    handler: _Handler


def _duty(service: str, handler: object) -> Duty:
    return Duty(service=service, handler=cast("_Handler", handler))


DUTIES: Mapping[type, Duty] = {
    OadrCancelPartyRegistration: _duty(REGISTER_PARTY, leave),
    OadrCanceledPartyRegistration: _duty(REGISTER_PARTY, left),
    OadrRequestEvent: _duty(EVENT, request_event),
    OadrCreatedEvent: _duty(EVENT, created_event),
    OadrRegisterReport: _duty(REPORT, register_report),
    OadrRegisteredReport: _duty(REPORT, registered_report),
    OadrCreateReport: _duty(REPORT, create_report),
    OadrCreatedReport: _duty(REPORT, created_report),
    OadrUpdateReport: _duty(REPORT, update_report),
    OadrCancelReport: _duty(REPORT, cancel_report),
    OadrCanceledReport: _duty(REPORT, canceled_report),
    OadrCreateOpt: _duty(OPT, create_opt),
    OadrCancelOpt: _duty(OPT, cancel_opt),
    OadrPoll: _duty(POLL, poll),
}


def serve(state: VtnState, message: Payload, call: Call) -> Payload | None:
    """Answer a payload; None if nothing answers it.

    Raises
    ------
    PayloadError
        With the code to answer.
    """
    if isinstance(message, OadrResponse):
        return None
    wrong = PayloadError(
        f"{type(message).__name__} does not belong to {call.service}", code=ResponseCode.COMPLIANCE
    )
    if isinstance(message, OadrQueryRegistration | OadrCreatePartyRegistration):
        if call.service != REGISTER_PARTY:
            raise wrong
        if isinstance(message, OadrQueryRegistration):
            return query(state, message, call)
        return register(state, message, call)
    duty = DUTIES.get(type(message))
    if duty is None or duty.service != call.service:
        raise wrong
    call.sender = state.vens.authorised(ven_id_of(message), call.fingerprint)
    return duty.handler(state, message, call)
