"""What a VEN is told next: whatever it has not confirmed, the longest untold first.

Nothing is taken out of a queue by being sent. Each poll looks at what is still owed, so a reply
that was lost costs one poll. A VEN that confirms nothing is told again a few times at once, and
then at a slower pace, so that it cannot poll for ever without a pause.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from protocols.openadr.messages.event import OadrDistributeEvent
from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import (
    OadrCancelPartyRegistration,
    OadrRequestReregistration,
)
from protocols.openadr.messages.report import (
    OadrCancelReport,
    OadrCreateReport,
    OadrRegisterReport,
)
from protocols.openadr.vtn.events import EventBook
from protocols.openadr.vtn.ledger import Ledger
from protocols.openadr.vtn.reports import ReportBook
from protocols.openadr.vtn.settings import VtnSettings
from protocols.openadr.vtn.vens import Ven

AT_ONCE = 3
"""How often the same is told at each poll before the pace slows."""
SLOW_MOST = timedelta(seconds=10)


class Topic(StrEnum):
    """What a VEN may be told."""

    LEAVE = "leave"
    REGISTER_AGAIN = "register again"
    EVENTS = "events"
    REPORTS_WANTED = "reports wanted"
    REPORTS_ENDED = "reports ended"
    OFFERS = "offers"


_RENEWED = tuple(topic for topic in Topic if topic is not Topic.OFFERS)
"""Offers are told a few times per registration; not every VEN answers them."""


@dataclass(slots=True)
class _Telling:
    """How often and when something was told, since it last changed."""

    times: int = 0
    last: datetime | None = None
    turn: int = 0


class Mail:
    """What is waiting for each VEN.

    Parameters
    ----------
    settings : VtnSettings
        Of the VTN.
    events : EventBook
        Events that are owed.
    reports : ReportBook
        Requests that are owed.
    """

    def __init__(self, settings: VtnSettings, events: EventBook, reports: ReportBook) -> None:
        self._vtn_id = settings.vtn_id
        self._slow = min(settings.poll_interval, SLOW_MOST) / 2
        self._events = events
        self._reports = reports
        self._busy: set[str] = set()
        self._told: dict[tuple[str, Topic], _Telling] = {}
        self._turn = 0
        self._writers: Mapping[Topic, Callable[[Ven, datetime, Ledger], Payload]] = {
            Topic.LEAVE: _leave,
            Topic.REGISTER_AGAIN: _register_again,
            Topic.EVENTS: self._distribute,
            Topic.REPORTS_WANTED: self._wanted,
            Topic.REPORTS_ENDED: self._ended,
            Topic.OFFERS: _offers,
        }

    def touch(self, *ven_ids: str) -> None:
        """Look again at what VENs must be told; what is still owed is told at once."""
        self._busy.update(ven_ids)
        for ven_id in ven_ids:
            for topic in _RENEWED:
                self._told.pop((ven_id, topic), None)

    def start_anew(self, ven_id: str) -> None:
        """Forget what a VEN was told: it has just registered."""
        self.touch(ven_id)
        self._told.pop((ven_id, Topic.OFFERS), None)

    def is_empty(self, ven_id: str) -> bool:
        """Whether certainly nothing waits; answers in a moment."""
        return ven_id not in self._busy

    def next(self, ven: Ven, now: datetime, ledger: Ledger) -> Payload | None:
        """Tell a VEN what it is owed; None if that is nothing, or it was told just now."""
        waiting = self._waiting(ven, now)
        if not waiting:
            self._busy.discard(ven.ven_id)
            return None
        due = [topic for topic in waiting if self._is_due(ven.ven_id, topic, now)]
        if not due:
            return None
        topic = min(due, key=lambda one: self._telling(ven.ven_id, one).turn)
        telling = self._telling(ven.ven_id, topic)
        self._turn += 1
        telling.times, telling.last, telling.turn = telling.times + 1, now, self._turn
        return self._writers[topic](ven, now, ledger)

    def delivered(self, ven_id: str) -> None:
        """Take note that what was told last has arrived; an answer may take its time."""
        topic = max(Topic, key=lambda one: self._telling(ven_id, one).turn)
        telling = self._telling(ven_id, topic)
        telling.times = max(telling.times, AT_ONCE)

    def _waiting(self, ven: Ven, now: datetime) -> list[Topic]:
        """Topics of a VEN, in the order of their weight."""
        if ven.leaving:
            return [Topic.LEAVE]
        if ven.registration_id is None:
            return []
        if ven.registering_again:
            return [Topic.REGISTER_AGAIN]
        asked = self._reports.asked(ven.ven_id)
        owed = {
            Topic.EVENTS: self._events.owes(ven, now),
            Topic.REPORTS_WANTED: any(not one.confirmed and not one.ending for one in asked),
            Topic.REPORTS_ENDED: any(one.ending for one in asked),
            Topic.OFFERS: not ven.offers_told
            and self._telling(ven.ven_id, Topic.OFFERS).times < AT_ONCE,
        }
        return [topic for topic, is_owed in owed.items() if is_owed]

    def _telling(self, ven_id: str, topic: Topic) -> _Telling:
        return self._told.setdefault((ven_id, topic), _Telling())

    def _is_due(self, ven_id: str, topic: Topic, now: datetime) -> bool:
        telling = self._telling(ven_id, topic)
        if telling.times < AT_ONCE or telling.last is None:
            return True
        return abs(now - telling.last) >= self._slow

    def _distribute(self, ven: Ven, now: datetime, ledger: Ledger) -> Payload:
        events = self._events.for_ven(ven, now)
        self._events.told(ven, events)
        return OadrDistributeEvent(
            request_id=ledger.identifier(), vtn_id=self._vtn_id, oadr_event=events
        )

    def _wanted(self, ven: Ven, _: datetime, ledger: Ledger) -> Payload:
        asked = self._reports.asked(ven.ven_id)
        return OadrCreateReport(
            request_id=ledger.identifier(),
            oadr_report_request=tuple(
                one.request for one in asked if not one.confirmed and not one.ending
            ),
            ven_id=ven.ven_id,
        )

    def _ended(self, ven: Ven, _: datetime, ledger: Ledger) -> Payload:
        return cancellation(self._reports, ven, ledger)


def cancellation(reports: ReportBook, ven: Ven, ledger: Ledger) -> OadrCancelReport:
    """Payload that ends what is to be ended; one report of it at a time.

    One at a time, for there are VENs that take a single reportRequestID only.
    """
    ending = [one.request_id for one in reports.asked(ven.ven_id) if one.ending]
    return OadrCancelReport(
        request_id=ledger.identifier(),
        report_request_id=tuple(ending[:1]),
        report_to_follow=False,
        ven_id=ven.ven_id,
    )


def _leave(ven: Ven, _: datetime, ledger: Ledger) -> Payload:
    return OadrCancelPartyRegistration(
        request_id=ledger.identifier(),
        registration_id=ven.registration_id or "",
        ven_id=ven.ven_id,
    )


def _register_again(ven: Ven, _: datetime, __: Ledger) -> Payload:
    return OadrRequestReregistration(ven_id=ven.ven_id)


def _offers(ven: Ven, _: datetime, ledger: Ledger) -> Payload:
    """Say what this VTN reports to its VENs, which is nothing."""
    return OadrRegisterReport(request_id=ledger.identifier(), ven_id=ven.ven_id)
