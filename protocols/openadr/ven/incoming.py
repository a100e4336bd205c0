"""What a VTN tells a VEN, in answer to a poll or by push, and what is answered. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from protocols.openadr.codes import PayloadError, ResponseCode
from protocols.openadr.messages.elements import EiResponse
from protocols.openadr.messages.event import EiCreatedEvent, OadrCreatedEvent, OadrDistributeEvent
from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import (
    OadrCanceledPartyRegistration,
    OadrCancelPartyRegistration,
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
from protocols.openadr.ven.calls import Outbox, Service
from protocols.openadr.ven.events import EventBook
from protocols.openadr.ven.memory import Drawn
from protocols.openadr.ven.registration import Register
from protocols.openadr.ven.reports import ReportDesk


class NoteKind(Enum):
    """What happened that an operator may want to know."""

    REGISTERED = "registered"
    LOST = "lost"
    ENDED = "ended"
    EVENTS_TAKEN = "events taken"
    REPORTS_ASKED = "reports asked"
    REFUSED_BY_VTN = "refused by VTN"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that happened, for the shell's log."""

    kind: NoteKind
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Desks:
    """The parts of a VEN that what a VTN says reaches."""

    register: Register
    events: EventBook
    reports: ReportDesk
    outbox: Outbox


def response(code: ResponseCode, request_id: str, cause: str = "") -> EiResponse:
    """Make an eiResponse."""
    words = "OK" if code is ResponseCode.OK else cause
    return EiResponse(response_code=code, response_description=words or None, request_id=request_id)


class Incoming:
    """Takes what a VTN says.

    Parameters
    ----------
    desks : Desks
        Which parts are told.
    """

    def __init__(self, desks: Desks) -> None:
        self._desks = desks
        self._notes: list[Note] = []

    def note(self, kind: NoteKind, detail: str) -> None:
        """Remember something for the log."""
        self._notes.append(Note(kind=kind, detail=detail))

    def take_notes(self) -> tuple[Note, ...]:
        """Return what happened since the last call."""
        notes = tuple(self._notes)
        self._notes.clear()
        return notes

    def take(self, message: Payload, now: datetime, drawn: Drawn) -> tuple[Service, Payload]:
        """Take a payload; returns the payload that answers it, and its service.

        Answers to events wait in the outbox; this is the direct one, an oadrResponse there.

        Raises
        ------
        PayloadError
            If a VTN has no business sending it.
        """
        match message:
            case OadrDistributeEvent():
                return Service.EI_EVENT, self._events(message, now, drawn)
            case OadrCreateReport() | OadrCancelReport() | OadrRegisterReport():
                return Service.EI_REPORT, self._reports(message, now)
            case OadrUpdateReport():
                return Service.EI_REPORT, OadrUpdatedReport(
                    ei_response=response(ResponseCode.OK, message.request_id), ven_id=self._ven_id
                )
            case OadrRequestReregistration():
                self._desks.register.lost(forget=False)
                self.note(NoteKind.LOST, "VTN asks for a new registration")
                return Service.EI_REGISTER_PARTY, OadrResponse(
                    ei_response=response(ResponseCode.OK, ""), ven_id=self._ven_id
                )
            case OadrCancelPartyRegistration():
                return Service.EI_REGISTER_PARTY, self._ended(message, now)
            case _:
                raise PayloadError(
                    f"{type(message).__name__} is nothing a VTN tells a VEN",
                    code=ResponseCode.NOT_RECOGNIZED,
                )

    @property
    def _ven_id(self) -> str:
        return self._desks.register.now.ven_id

    def _events(self, message: OadrDistributeEvent, now: datetime, drawn: Drawn) -> OadrResponse:
        """Take the VTN's set of events, unless it is an error or another VTN's."""
        answer = message.ei_response
        if answer is not None and not answer.response_code.startswith("2"):
            self.note(NoteKind.REFUSED_BY_VTN, _words(answer))
            return self._response(ResponseCode.OK, message.request_id)
        if not self._desks.register.is_vtn(message.vtn_id):
            cause = "vtnID is not that of our VTN"
            self.note(NoteKind.REFUSED, f"oadrDistributeEvent of {message.vtn_id!r}: {cause}")
            self._desks.outbox.add(
                Service.EI_EVENT,
                self._created(response(ResponseCode.INVALID_ID, message.request_id, cause)),
            )
            return self._response(ResponseCode.INVALID_ID, message.request_id, cause)
        answers = self._desks.events.take(message, self._ven_id, now=now, drawn=drawn)
        if answers:
            created = self._created(response(ResponseCode.OK, message.request_id))
            inner = created.ei_created_event
            self._desks.outbox.add(
                Service.EI_EVENT,
                OadrCreatedEvent(
                    ei_created_event=EiCreatedEvent(
                        ei_response=inner.ei_response,
                        event_responses=answers,
                        ven_id=inner.ven_id,
                    )
                ),
            )
            words = ", ".join(
                f"{one.qualified_event_id.event_id!r} {one.opt_type} {one.response_code}"
                for one in answers
            )
            self.note(NoteKind.EVENTS_TAKEN, words)
        return self._response(ResponseCode.OK, message.request_id)

    def _created(self, answer: EiResponse) -> OadrCreatedEvent:
        return OadrCreatedEvent(
            ei_created_event=EiCreatedEvent(ei_response=answer, ven_id=self._ven_id)
        )

    def _response(self, code: ResponseCode, request_id: str, cause: str = "") -> OadrResponse:
        return OadrResponse(ei_response=response(code, request_id, cause), ven_id=self._ven_id)

    def _reports(
        self, message: OadrCreateReport | OadrCancelReport | OadrRegisterReport, now: datetime
    ) -> Payload:
        """Take a wish for reports, the end of one, or what the VTN itself could report."""
        reports = self._desks.reports
        answer = response(ResponseCode.OK, message.request_id)
        try:
            self._check_ven_id(message.ven_id)
            match message:
                case OadrCreateReport():
                    self.ask(message, now)
                case OadrCancelReport():
                    reports.cancel(
                        message.report_request_id, now, to_follow=message.report_to_follow
                    )
        except PayloadError as error:
            answer = response(error.code, message.request_id, str(error))
            self.note(NoteKind.REFUSED, f"{type(message).__name__}: {error}")
        match message:
            case OadrCreateReport():
                return OadrCreatedReport(
                    ei_response=answer,
                    oadr_pending_reports=reports.pending,
                    ven_id=self._ven_id,
                )
            case OadrCancelReport():
                return OadrCanceledReport(
                    ei_response=answer,
                    oadr_pending_reports=reports.pending,
                    ven_id=self._ven_id,
                )
            case _:
                return OadrRegisteredReport(ei_response=answer, ven_id=self._ven_id)

    def ask(self, message: OadrCreateReport, now: datetime) -> None:
        """Take requests for reports.

        Raises
        ------
        PayloadError
            If one of them cannot be met; none is taken then.
        """
        if self._desks.reports.ask(message.oadr_report_request, now):
            self._desks.register.announce_again()
        names = ", ".join(repr(one.report_request_id) for one in message.oadr_report_request)
        self.note(NoteKind.REPORTS_ASKED, names)

    def _check_ven_id(self, ven_id: str | None) -> None:
        if ven_id is not None and ven_id.casefold() != self._ven_id.casefold():
            raise PayloadError("venID is not ours", code=ResponseCode.INVALID_ID)

    def _ended(
        self, message: OadrCancelPartyRegistration, now: datetime
    ) -> OadrCanceledPartyRegistration:
        """Take the end of the registration; what depended on it ends, too."""
        known = self._desks.register.now
        if message.registration_id != known.registration_id:
            return OadrCanceledPartyRegistration(
                ei_response=response(
                    ResponseCode.INVALID_ID, message.request_id, "registrationID is not ours"
                ),
                registration_id=message.registration_id,
                ven_id=known.ven_id,
            )
        self.end(now)
        self.note(NoteKind.ENDED, "VTN cancelled the registration")
        return OadrCanceledPartyRegistration(
            ei_response=response(ResponseCode.OK, message.request_id),
            registration_id=message.registration_id,
            ven_id=known.ven_id,
        )

    def end(self, now: datetime) -> None:
        """End everything that a registration carries."""
        self._desks.register.lost(forget=True)
        self._desks.events.cancel_all(now)
        self._desks.reports.end(*self._desks.reports.pending)
        self._desks.outbox.clear()


def _words(answer: EiResponse) -> str:
    """Code and words of a response."""
    return f"{answer.response_code} {answer.response_description or ''}".strip()
