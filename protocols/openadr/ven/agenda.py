"""What a VEN sends next, and when. Pure.

In this order: what ends or makes the registration, answers that wait, the offer of reports, the
wish for all events, reports, polls. A poll that is overdue by a whole interval goes before
reports, so that late readings never keep a new event away.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from protocols.openadr.messages.event import EiRequestEvent, OadrRequestEvent
from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import (
    OadrCancelPartyRegistration,
    OadrPoll,
    OadrQueryRegistration,
)
from protocols.openadr.messages.report import OadrRegisterReport, OadrUpdateReport
from protocols.openadr.ven.backoff import Backoff
from protocols.openadr.ven.calls import Call, Purpose, Service
from protocols.openadr.ven.incoming import Desks
from protocols.openadr.ven.memory import Drawn
from protocols.openadr.ven.readings import metadata_reports
from protocols.openadr.ven.settings import VenSettings

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS_WITHOUT = timedelta(days=36_500)
_JITTER = 0.05


@dataclass(slots=True, kw_only=True)
class Agenda:
    """When what is due.

    Attributes
    ----------
    settings : VenSettings
        Of this VEN.
    desks : Desks
        Its parts.
    link : Backoff
        Waits after failures to reach the VTN.
    resync_at, poll_at : datetime
        When all events are asked for, and when the next poll is due.
    knows_vtn : bool
        True once the VTN was asked what it speaks.
    is_leaving : bool
        True when the operator wants no registration any more.
    """

    settings: VenSettings
    desks: Desks
    link: Backoff
    resync_at: datetime = _EVER
    poll_at: datetime = _EVER
    knows_vtn: bool = False
    is_leaving: bool = False

    def next_call(self, now: datetime, drawn: Drawn) -> Call | None:
        """Choose what to send now, None if nothing."""
        if now < self.link.ready_at:
            return None
        is_member = self.desks.register.now.is_valid and not self.is_leaving
        answer = self.desks.outbox.first(
            tuple(Service) if is_member else (Service.EI_REGISTER_PARTY,)
        )
        if answer is not None:
            return answer
        if not is_member:
            return self._about_registration(drawn)
        if not self.desks.register.now.is_announced:
            return self._announce(now, drawn)
        if now >= self.resync_at:
            request = EiRequestEvent(request_id=drawn.identifier(), ven_id=self._ven_id)
            return Call(
                service=Service.EI_EVENT,
                message=OadrRequestEvent(ei_request_event=request),
                purpose=Purpose.RESYNC,
            )
        return self._report_or_poll(now, drawn)

    @property
    def _ven_id(self) -> str:
        return self.desks.register.now.ven_id

    @property
    def _polls(self) -> bool:
        return self.settings.push_address is None

    def _about_registration(self, drawn: Drawn) -> Call | None:
        """Query, register or leave."""
        register = self.desks.register
        message: Payload
        if self.is_leaving:
            if not register.now.is_valid:
                return None
            message = OadrCancelPartyRegistration(
                request_id=drawn.identifier(),
                registration_id=register.now.registration_id,
                ven_id=register.now.ven_id,
            )
            purpose = Purpose.DEREGISTER
        elif not self.knows_vtn:
            message = OadrQueryRegistration(request_id=drawn.identifier())
            purpose = Purpose.QUERY
        else:
            message = register.request(drawn.identifier())
            purpose = Purpose.REGISTER
        return Call(service=Service.EI_REGISTER_PARTY, message=message, purpose=purpose)

    def _announce(self, now: datetime, drawn: Drawn) -> Call:
        message = OadrRegisterReport(
            request_id=drawn.identifier(),
            oadr_report=metadata_reports(self.settings, now),
            ven_id=self._ven_id,
        )
        return Call(service=Service.EI_REPORT, message=message, purpose=Purpose.ANNOUNCE)

    def _report_or_poll(self, now: datetime, drawn: Drawn) -> Call | None:
        polls_first = self._polls and now >= self.poll_at + self.desks.register.now.poll
        due = None
        if not polls_first:
            due = self.desks.reports.due(now)
        if due is not None:
            message = OadrUpdateReport(
                request_id=drawn.identifier(), oadr_report=(due.report,), ven_id=self._ven_id
            )
            return Call(service=Service.EI_REPORT, message=message, purpose=Purpose.REPORT, due=due)
        if self._polls and now >= self.poll_at:
            poll = OadrPoll(ven_id=self._ven_id)
            return Call(service=Service.OADR_POLL, message=poll, purpose=Purpose.POLL)
        return None

    def wake_at(self) -> datetime:
        """When to ask for the next call at the latest; push and opts make it earlier."""
        register = self.desks.register.now
        if self.is_leaving and not register.is_valid:
            return self.link.ready_at + _DAYS_WITHOUT
        if self.desks.outbox.first() is not None or not register.is_valid:
            return self.link.ready_at
        if not register.is_announced:
            return self.link.ready_at
        times = [self.resync_at]
        if self._polls:
            times.append(self.poll_at)
        report = self.desks.reports.wake_at()
        if report is not None:
            times.append(report)
        return max(min(times), self.link.ready_at)

    def synchronised(self, now: datetime) -> None:
        """Take note that all events were asked for: polls do the rest, or the next resync."""
        self.resync_at = now + (_DAYS_WITHOUT if self._polls else self.settings.resync_every)

    def polled(self, now: datetime, drawn: Drawn, *, had_more: bool) -> None:
        """Take note of a poll: again at once while there is more, else no sooner than asked."""
        wait = self.desks.register.now.poll * (1 + _JITTER * drawn.fraction())
        self.poll_at = now if had_more else now + wait

    def start_over(self) -> None:
        """Ask for everything: the registration is new."""
        self.resync_at = self.poll_at = _EVER
