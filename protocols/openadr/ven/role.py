"""A VEN: what to send next, and what the answers mean. Pure.

The shell asks for the next call, makes the changes durable, sends it, and tells what came back;
in push mode it also hands over what the VTN posts. At most one call is under way. All that must
survive a restart is in the records; what is not there is asked for again after one.

Notes
-----
OpenADR 2.0b profile, services EiRegisterParty, EiEvent, EiReport, EiOpt and OadrPoll.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from protocols.openadr.codes import PayloadError, ResponseCode
from protocols.openadr.messages.elements import (
    EiResponse,
    EiTarget,
    OptType,
    Properties,
    QualifiedEventID,
)
from protocols.openadr.messages.event import EiEvent, OadrDistributeEvent
from protocols.openadr.messages.opt import OadrCancelOpt, OadrCreateOpt
from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import (
    OadrCanceledPartyRegistration,
    OadrCreatedPartyRegistration,
    OadrRequestReregistration,
    OadrResponse,
)
from protocols.openadr.messages.report import (
    OadrCreatedReport,
    OadrCreateReport,
    OadrRegisteredReport,
    OadrUpdatedReport,
)
from protocols.openadr.ven.agenda import Agenda
from protocols.openadr.ven.backoff import Backoff
from protocols.openadr.ven.calls import Call, Outbox, Purpose, Service
from protocols.openadr.ven.events import EventBook
from protocols.openadr.ven.incoming import Desks, Incoming, Note, NoteKind, response
from protocols.openadr.ven.memory import Drawn, Memory
from protocols.openadr.ven.opts import OptDesk
from protocols.openadr.ven.readings import ReadingSource
from protocols.openadr.ven.registration import Register
from protocols.openadr.ven.reports import ReportDesk
from protocols.openadr.ven.settings import VenSettings
from protocols.openadr.ven.verdicts import EventJudge, Verdict
from protocols.sansio.records import Change

_LOST_CODES = {ResponseCode.INVALID_ID, ResponseCode.NOT_REGISTERED}
_ASKS_STATE = {Purpose.POLL, Purpose.RESYNC, Purpose.ANNOUNCE}
_REFUSALS_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class OptWish:
    """An opt to tell the VTN.

    Attributes
    ----------
    opt_type : OptType
        In or out.
    reason : str
        A word of optReason.
    periods : tuple of Properties
        When, for a schedule.
    event : QualifiedEventID or None
        Which event, for a single one.
    market_context : str or None
        Which programme; None for all.
    """

    opt_type: OptType
    reason: str
    periods: tuple[Properties, ...] = ()
    event: QualifiedEventID | None = None
    market_context: str | None = None


class _Judges:
    """Asks the site first, then the schedules."""

    def __init__(self, opts: OptDesk, site: EventJudge) -> None:
        self._opts = opts
        self._site = site

    def verdict(self, event: EiEvent, shift: timedelta) -> Verdict:
        """Judge an event."""
        site = self._site.verdict(event, shift)
        if site.code is not ResponseCode.OK:
            return site
        return self._opts.verdict(event, shift) or site


class Ven:
    """One VEN toward one VTN.

    Parameters
    ----------
    settings : VenSettings
        What the operator decided.
    judge : EventJudge
        Whether the site can do what an event asks.
    source : ReadingSource
        Where readings are.
    records : Mapping
        As the record book loaded them; empty for a new VEN.

    Attributes
    ----------
    register : Register
        The registration.
    events : EventBook
        The events.
    reports : ReportDesk
        The reports.
    """

    def __init__(
        self,
        settings: VenSettings,
        *,
        judge: EventJudge,
        source: ReadingSource,
        records: Mapping[str, bytes],
    ) -> None:
        self._memory = Memory(records)
        self._opts = OptDesk(self._memory)
        self.register = Register(settings, self._memory)
        self.events = EventBook(settings, _Judges(self._opts, judge), self._memory)
        self.reports = ReportDesk(settings, source, self._memory)
        self._outbox = Outbox(self._memory, settings.replies_max)
        desks = Desks(
            register=self.register,
            events=self.events,
            reports=self.reports,
            outbox=self._outbox,
        )
        self._incoming = Incoming(desks)
        self._agenda = Agenda(
            settings=settings,
            desks=desks,
            link=Backoff(settings.retry_min, settings.retry_max),
            knows_vtn=self.register.now.registration_id != "",
        )
        self._refusals = 0

    def next_call(self, now: datetime, seed: bytes) -> Call | None:
        """Choose what to send now, None if nothing; fetch and keep the changes before sending.

        Parameters
        ----------
        now : datetime
            Aware UTC.
        seed : bytes
            At least 16 random bytes, new for each call.
        """
        return self._agenda.next_call(now, Drawn(seed))

    def wake_at(self) -> datetime:
        """When to ask for the next call at the latest; push and opts make it earlier."""
        return self._agenda.wake_at()

    def failed(self, call: Call, now: datetime, seed: bytes, *, was_reached: bool) -> None:
        """Take note that a call brought no usable answer; nothing is concluded from that.

        Parameters
        ----------
        call : Call
            What was sent.
        now : datetime
            Aware UTC.
        seed : bytes
            At least 16 random bytes, new for each call.
        was_reached : bool
            True if the VTN answered, but not in OpenADR: an answer it refuses three times so is
            dropped, and a report waits without keeping polls away.
        """
        drawn = Drawn(seed)
        if call.due is not None:
            if was_reached:
                self.reports.refused(call.due, now, drawn)
                return
            self.reports.undelivered(call.due, now)
        if call.purpose is Purpose.ANSWER and was_reached:
            self._refusals += 1
            if self._refusals >= _REFUSALS_MAX:
                self._refusals = 0
                self._outbox.done(call.place)
                self._note(NoteKind.REFUSED_BY_VTN, f"{type(call.message).__name__} dropped")
        self._agenda.link.failed(now, drawn)

    def replied(self, call: Call, reply: Payload | None, *, now: datetime, seed: bytes) -> None:
        """Take the answer to a call.

        Parameters
        ----------
        call : Call
            What was sent.
        reply : Payload or None
            What came back; None for an empty body, which confirms an answer.
        now : datetime
            Aware UTC.
        seed : bytes
            At least 16 random bytes, new for each call.
        """
        code, words = _code_of(reply)
        if (
            isinstance(reply, OadrRequestReregistration)
            or code is ResponseCode.NOT_REGISTERED
            or (code in _LOST_CODES and call.purpose in _ASKS_STATE)
        ):
            self._lost(call, words or "VTN asks for a new registration", now=now, seed=seed)
            return
        self._agenda.link.succeeded()
        match call.purpose:
            case Purpose.QUERY | Purpose.REGISTER | Purpose.DEREGISTER:
                self._registration_replied(call, reply, now=now, seed=seed)
            case Purpose.ANNOUNCE:
                self._announced(reply, now)
            case Purpose.RESYNC | Purpose.POLL:
                self._told(call, reply, now=now, drawn=Drawn(seed))
            case Purpose.ANSWER:
                self._refusals = 0
                self._outbox.done(call.place)
            case Purpose.REPORT:
                self._reported(call, reply, now)
        if code is not ResponseCode.OK:
            self._note(NoteKind.REFUSED_BY_VTN, f"{type(call.message).__name__}: {words}")

    def _note(self, kind: NoteKind, detail: str) -> None:
        self._incoming.note(kind, detail)

    def _lost(self, call: Call, words: str, *, now: datetime, seed: bytes) -> None:
        """Register again; what was to be said is said afterwards."""
        if call.due is not None:
            self.reports.undelivered(call.due, now)
        if call.service is Service.EI_REGISTER_PARTY:
            self._outbox.done(call.place)
            self._agenda.link.failed(now, Drawn(seed))
        self.register.lost(forget=call.purpose in {Purpose.REGISTER, Purpose.DEREGISTER})
        self._note(NoteKind.LOST, words)

    def _registration_replied(
        self, call: Call, reply: Payload | None, *, now: datetime, seed: bytes
    ) -> None:
        """Take what was said to a query, a registration or a farewell."""
        before = self.register.now
        taken = False
        if call.purpose is Purpose.DEREGISTER:
            taken = isinstance(reply, OadrCanceledPartyRegistration)
            if taken:
                self._incoming.end(now)
                self._note(NoteKind.ENDED, "registration cancelled by us")
        elif isinstance(reply, OadrCreatedPartyRegistration):
            if call.purpose is Purpose.QUERY:
                taken = self._agenda.knows_vtn = self.register.queried(reply)
            else:
                taken = self.register.registered(reply)
        if not taken:
            self._note(NoteKind.REFUSED_BY_VTN, f"{call.purpose.value}: no registration")
            if call.purpose is Purpose.REGISTER and before.registration_id:
                self.register.lost(forget=True)
            self._agenda.link.failed(now, Drawn(seed))
        elif call.purpose is Purpose.REGISTER:
            if before.registration_id not in {"", self.register.now.registration_id}:
                self.reports.end(*self.reports.pending)
            self._agenda.start_over()
            self._note(NoteKind.REGISTERED, f"as {self.register.now.ven_id!r}")

    def _announced(self, reply: Payload | None, now: datetime) -> None:
        """Take what the VTN wants of the reports we offer."""
        self.register.announced()
        if not isinstance(reply, OadrRegisteredReport) or not reply.oadr_report_request:
            return
        wish = OadrCreateReport(
            request_id=reply.ei_response.request_id, oadr_report_request=reply.oadr_report_request
        )
        answer = response(ResponseCode.OK, wish.request_id)
        try:
            self._incoming.ask(wish, now)
        except PayloadError as error:
            answer = response(error.code, wish.request_id, str(error))
            self._note(NoteKind.REFUSED, f"oadrRegisteredReport: {error}")
        created = OadrCreatedReport(
            ei_response=answer,
            oadr_pending_reports=self.reports.pending,
            ven_id=self.register.now.ven_id,
        )
        self._outbox.add(Service.EI_REPORT, created)

    def _told(self, call: Call, reply: Payload | None, *, now: datetime, drawn: Drawn) -> None:
        """Take what the VTN had for us."""
        is_news = reply is not None and not isinstance(reply, OadrResponse)
        had_more = is_news
        if reply is not None and is_news:
            try:
                service, answer = self._incoming.take(reply, now, drawn)
                if not isinstance(reply, OadrDistributeEvent):
                    self._outbox.add(service, answer)
            except PayloadError as error:
                had_more = False
                self._note(NoteKind.REFUSED, str(error))
        if call.purpose is Purpose.RESYNC:
            self._agenda.synchronised(now)
        else:
            self._agenda.polled(now, drawn, had_more=had_more)

    def _reported(self, call: Call, reply: Payload | None, now: datetime) -> None:
        """Take the receipt of a report."""
        assert call.due is not None, "a report has its span"
        self.reports.delivered(call.due)
        if isinstance(reply, OadrUpdatedReport) and reply.oadr_cancel_report is not None:
            service, answer = self._incoming.take(reply.oadr_cancel_report, now, Drawn(b""))
            self._outbox.add(service, answer)
        elif _code_of(reply)[0] is ResponseCode.INVALID_ID:
            self.reports.end(call.due.request_id)

    def pushed(self, message: Payload, now: datetime, seed: bytes) -> Payload:
        """Take what the VTN posted to us; returns the reply. Keep the changes before sending it."""
        if not self.register.now.is_valid:
            cause = "not registered here"
            return OadrResponse(ei_response=response(ResponseCode.NOT_REGISTERED, "", cause))
        try:
            return self._incoming.take(message, now, Drawn(seed))[1]
        except PayloadError as error:
            self._note(NoteKind.REFUSED, str(error))
            return OadrResponse(
                ei_response=response(error.code, error.request_id, str(error)),
                ven_id=self.register.now.ven_id,
            )

    def create_opt(self, wish: OptWish, now: datetime, seed: bytes) -> str:
        """Tell the VTN when we take part or not; returns the optID.

        Parameters
        ----------
        wish : OptWish
            A schedule, or one version of one event.
        now : datetime
            Aware UTC.
        seed : bytes
            At least 16 random bytes, new for each call.
        """
        drawn = Drawn(seed)
        ven_id = self.register.now.ven_id
        opt = OadrCreateOpt(
            opt_id=drawn.identifier(),
            opt_type=wish.opt_type,
            opt_reason=wish.reason,
            market_context=wish.market_context,
            ven_id=ven_id,
            vavailability=wish.periods,
            created_date_time=now,
            request_id=drawn.identifier(),
            qualified_event_id=wish.event,
            ei_target=EiTarget(ven_id=(ven_id,)),
        )
        self._opts.create(opt, now)
        if wish.event is not None:
            self.events.opt(wish.event, wish.opt_type)
        self._outbox.add(Service.EI_OPT, opt)
        return opt.opt_id

    def cancel_opt(self, opt_id: str, seed: bytes) -> bool:
        """Take an opt schedule back; False if it is not known."""
        if not self._opts.cancel(opt_id):
            return False
        cancel = OadrCancelOpt(
            request_id=Drawn(seed).identifier(), opt_id=opt_id, ven_id=self.register.now.ven_id
        )
        self._outbox.add(Service.EI_OPT, cancel)
        return True

    def deregister(self) -> None:
        """Leave the VTN with the next call, and stay away."""
        self._agenda.is_leaving = True

    def take_changes(self) -> tuple[Change, ...]:
        """Return the records to make durable before anything is sent or answered."""
        return self._memory.take_changes()

    def take_notes(self) -> tuple[Note, ...]:
        """Return what happened since the last call, for the log."""
        return self._incoming.take_notes()


def _code_of(reply: Payload | None) -> tuple[str, str]:
    """Response code and words of a reply; OK where it carries none."""
    answer = getattr(reply, "ei_response", None)
    if not isinstance(answer, EiResponse) or answer.response_code.startswith("2"):
        return ResponseCode.OK, ""
    words = f"{answer.response_code} {answer.response_description or ''}".strip()
    if answer.response_code in set(ResponseCode):
        return ResponseCode(answer.response_code), words
    return answer.response_code, words
