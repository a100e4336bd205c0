"""Events of a VTN: ordered, modified, cancelled, told to VENs until they have confirmed.

An event is owed to a VEN it reaches until the VEN has answered its latest modification; one that
wants no answer is told a few times. What is over is owed no more. Nothing here is lost with a
reply that did not arrive.

Notes
-----
OpenADR 2.0b, EiEvent service.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from protocols.openadr.codes import PayloadError, ResponseCode
from protocols.openadr.messages.elements import QualifiedEventID
from protocols.openadr.messages.event import (
    EventResponse,
    EventStatus,
    OadrDistributeEvent,
    OadrEvent,
    ResponseRequired,
)
from protocols.openadr.vtn.answers import AnswerBook, EventAnswer
from protocols.openadr.vtn.ledger import Ledger, key_of
from protocols.openadr.vtn.orders import EventOrder, event_of
from protocols.openadr.vtn.present import as_of, is_over
from protocols.openadr.vtn.settings import VtnSettings
from protocols.openadr.vtn.vens import Ven, is_reached
from protocols.openadr.xml import decode
from protocols.vocabulary.errors import LocalProtocolError

KIND = "event"
UNCONFIRMED_TIMES = 3
"""How often an event that wants no answer is told to a VEN."""
KEPT_AFTER_END = timedelta(days=7)
"""How long an event that is over stays in the book with its answers."""


class EventBook:
    """All events of one VTN and the answers to them.

    Parameters
    ----------
    settings : VtnSettings
        Of the VTN.

    Attributes
    ----------
    answers : AnswerBook
        What the VENs said.
    """

    def __init__(self, settings: VtnSettings) -> None:
        self._settings = settings
        self._events: dict[str, OadrEvent] = {}
        self.answers = AnswerBook()
        self._told: dict[tuple[str, str, int], int] = {}

    def load(self, record: bytes) -> None:
        """Take a record as it was kept."""
        payload = decode(record)
        assert isinstance(payload, OadrDistributeEvent), "kept so"
        (event,) = payload.oadr_event
        self._events[_id(event)] = event

    def everything(self, now: datetime) -> tuple[OadrEvent, ...]:
        """All events with their status of now, those that are over as well."""
        return tuple(as_of(event, now) for event in self._events.values())

    def add(self, order: EventOrder, event_id: str, *, now: datetime, ledger: Ledger) -> OadrEvent:
        """Order a new event.

        Raises
        ------
        LocalProtocolError
            If it breaks a rule, its identifier is taken, or there are too many.
        """
        if event_id in self._events:
            raise LocalProtocolError(f"event {event_id!r} is there already; modify it")
        self._clear(now, ledger)
        waiting = sum(not is_over(event, now) for event in self._events.values())
        if waiting >= self._settings.open_events_max:
            raise LocalProtocolError(f"{waiting} events are open already")
        event = event_of(order, event_id, modification=0, now=now)
        self._keep(event, ledger)
        return event

    def modify(
        self, order: EventOrder, event_id: str, *, now: datetime, ledger: Ledger
    ) -> OadrEvent:
        """Replace an event that is not over by its next modification.

        Raises
        ------
        LocalProtocolError
            If there is none, it is over or cancelled, its target would change, or the order
            breaks a rule.
        """
        before = self._open(event_id, now)
        if before.ei_event.ei_target != order.target:
            raise LocalProtocolError("an event keeps its target; cancel it and order another")
        descriptor = before.ei_event.event_descriptor
        event = event_of(order, event_id, modification=descriptor.modification_number + 1, now=now)
        self._keep(_described(event, created_date_time=descriptor.created_date_time), ledger)
        return self._events[event_id]

    def cancel(self, event_id: str, now: datetime, ledger: Ledger) -> OadrEvent:
        """Cancel an event that is not over.

        Raises
        ------
        LocalProtocolError
            If there is none, or it is over or cancelled.
        """
        before = self._open(event_id, now)
        number = before.ei_event.event_descriptor.modification_number + 1
        event = _described(
            before,
            event_status=EventStatus.CANCELLED,
            modification_number=number,
            modification_date_time=now.replace(microsecond=0),
        )
        self._keep(event, ledger)
        return event

    def for_ven(self, ven: Ven, now: datetime) -> tuple[OadrEvent, ...]:
        """Events a VEN must know of now, the active and important ones first.

        A cancelled one is among them until the VEN has taken note.
        """
        chosen = [
            as_of(event, now)
            for event in self._events.values()
            if not is_over(event, now)
            and reaches(event, ven)
            and (not _is_cancelled(event) or self._is_owed(event, ven))
        ]
        return tuple(sorted(chosen, key=_rank))

    def owes(self, ven: Ven, now: datetime) -> bool:
        """Whether the VEN has not yet confirmed all that is not over."""
        return any(
            self._is_owed(event, ven) and not is_over(event, now) and reaches(event, ven)
            for event in self._events.values()
        )

    def told(self, ven: Ven, events: Iterable[OadrEvent]) -> None:
        """Take note that events went out to a VEN."""
        for event in events:
            number = event.ei_event.event_descriptor.modification_number
            key = (ven.ven_id, _id(event), number)
            if event.oadr_response_required is ResponseRequired.NEVER:
                self._told[key] = self._told.get(key, 0) + 1

    def answered(
        self, ven: Ven, response: EventResponse, *, now: datetime, ledger: Ledger
    ) -> EventAnswer:
        """Keep a VEN's answer to one version of one event.

        An answer to an earlier version crossed with the modification, which stays owed.

        Raises
        ------
        PayloadError
            452 if the VEN has no such event; 450 if the version does not exist yet.
        """
        which = response.qualified_event_id
        self._check(ven, which)
        before = self.answers.find(ven.ven_id, which.event_id)
        if before is not None and before.modification_number > which.modification_number:
            return before
        answer = EventAnswer(
            ven_id=ven.ven_id,
            event_id=which.event_id,
            modification_number=which.modification_number,
            opt_type=str(response.opt_type),
            code=response.response_code,
            answered_at=now,
        )
        self.answers.keep(answer, ledger)
        return answer

    def _check(self, ven: Ven, which: QualifiedEventID) -> None:
        """Refuse what is not an event of a VEN, or not yet."""
        event = self._events.get(which.event_id)
        if event is None or not reaches(event, ven):
            raise PayloadError("no such eventID", code=ResponseCode.INVALID_ID)
        current = event.ei_event.event_descriptor.modification_number
        if which.modification_number > current:
            raise PayloadError(
                f"modificationNumber {which.modification_number}, the latest is {current}",
                code=ResponseCode.OUT_OF_SEQUENCE,
            )

    def forget_answers(self, ven_id: str, now: datetime, ledger: Ledger) -> None:
        """Owe a VEN again what is not over: it has registered anew and knows nothing."""
        alive = [name for name, event in self._events.items() if not is_over(event, now)]
        self.answers.forget(ven_id, alive, ledger)
        for key in tuple(key for key in self._told if key[0] == ven_id):
            del self._told[key]

    def _open(self, event_id: str, now: datetime) -> OadrEvent:
        event = self._events.get(event_id)
        if event is None:
            raise LocalProtocolError(f"no event {event_id!r}")
        if _is_cancelled(event) or is_over(event, now):
            raise LocalProtocolError(f"event {event_id!r} is over or cancelled")
        return event

    def _keep(self, event: OadrEvent, ledger: Ledger) -> None:
        self._events[_id(event)] = event
        payload = OadrDistributeEvent(request_id="", vtn_id="", oadr_event=(event,))
        ledger.put_payload(key_of(KIND, _id(event)), payload)

    def _is_owed(self, event: OadrEvent, ven: Ven) -> bool:
        number = event.ei_event.event_descriptor.modification_number
        if event.oadr_response_required is ResponseRequired.NEVER:
            return self._told.get((ven.ven_id, _id(event), number), 0) < UNCONFIRMED_TIMES
        answer = self.answers.find(ven.ven_id, _id(event))
        return answer is None or answer.modification_number < number

    def _clear(self, now: datetime, ledger: Ledger) -> None:
        """Drop events that were over long ago."""
        for event_id, event in tuple(self._events.items()):
            if not is_over(event, now - KEPT_AFTER_END):
                continue
            del self._events[event_id]
            ledger.drop(key_of(KIND, event_id))
            self.answers.forget_event(event_id, ledger)
        self._told = {key: n for key, n in self._told.items() if key[1] in self._events}


def reaches(event: OadrEvent, ven: Ven) -> bool:
    """Whether an event is for a VEN."""
    target = event.ei_event.ei_target
    names = {
        "ven_id": target.ven_id,
        "group_id": target.group_id,
        "resource_id": target.resource_id,
        "party_id": target.party_id,
    }
    context = event.ei_event.event_descriptor.market_context
    return not ven.report_only and is_reached(ven, names, context)


def _id(event: OadrEvent) -> str:
    return event.ei_event.event_descriptor.event_id


def _is_cancelled(event: OadrEvent) -> bool:
    return event.ei_event.event_descriptor.event_status is EventStatus.CANCELLED


def _described(event: OadrEvent, **changes: object) -> OadrEvent:
    """Event with other words in its descriptor."""
    descriptor = replace(event.ei_event.event_descriptor, **changes)  # type: ignore[arg-type]  # fields of the descriptor
    return replace(event, ei_event=replace(event.ei_event, event_descriptor=descriptor))


def _rank(event: OadrEvent) -> tuple[bool, int, datetime]:
    """Active ones first, then by priority (0 is the lowest), then by start."""
    descriptor = event.ei_event.event_descriptor
    start = event.ei_event.ei_active_period.properties.dtstart
    priority = descriptor.priority or 2**32
    return descriptor.event_status is not EventStatus.ACTIVE, priority, start
