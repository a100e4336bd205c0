"""The events a VEN knows: new, changed, cancelled by word or by absence, and what they ask for.

A DistributeEvent is the whole set of a VTN: what is missing from it is cancelled. Each version
(eventID and modificationNumber) is judged once, has one random delay, and is answered once; all
three are records, so that a restart changes none of them.

Notes
-----
OpenADR 2.0b profile, EiEvent service.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from protocols.openadr.codes import ResponseCode
from protocols.openadr.durations import format_instant, parse_instant
from protocols.openadr.messages.elements import OptType, QualifiedEventID
from protocols.openadr.messages.event import (
    EiEvent,
    EventResponse,
    EventStatus,
    OadrDistributeEvent,
    OadrEvent,
    ResponseRequired,
)
from protocols.openadr.timeline import event_is_test, shift_of, span_of
from protocols.openadr.ven.memory import Drawn, Memory, Plain, string
from protocols.openadr.ven.settings import VenSettings
from protocols.openadr.ven.verdicts import OPT_IN, EventJudge, Verdict, flaw_of, refused
from protocols.openadr.xml import decode, encode

_KIND = "event"
_KEPT = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldEvent:
    """One version of an event with what was decided about it.

    Attributes
    ----------
    event : OadrEvent
        As received last.
    shift : timedelta
        This VEN's delay of the whole event, drawn once per version.
    verdict : Verdict
        Whether it is taken part in.
    stops_at : datetime or None
        Set by a cancellation: nothing of the event holds from then on.
    """

    event: OadrEvent
    shift: timedelta
    verdict: Verdict
    stops_at: datetime | None = None

    @property
    def event_id(self) -> str:
        """The eventID."""
        return self.event.ei_event.event_descriptor.event_id

    @property
    def modification_number(self) -> int:
        """Its version."""
        return self.event.ei_event.event_descriptor.modification_number

    def is_over(self, now: datetime) -> bool:
        """Whether nothing more of it will hold; also if it could not be taken at all."""
        if self.verdict.code is not ResponseCode.OK:
            return True
        if self.stops_at is not None and now >= self.stops_at:
            return True
        end = span_of(self.event.ei_event, self.shift).end
        return end is not None and now >= end


class EventBook:
    """All events of a VEN.

    Parameters
    ----------
    settings : VenSettings
        Of this VEN.
    judge : EventJudge
        Asked once per version.
    memory : Memory
        Where versions are kept.
    """

    def __init__(self, settings: VenSettings, judge: EventJudge, memory: Memory) -> None:
        self._settings = settings
        self._judge = judge
        self._memory = memory
        self._held: dict[str, HeldEvent] = {}
        for record in memory.of_kind(_KIND):
            held = _from_record(record)
            self._held[held.event_id] = held

    def held(self) -> tuple[HeldEvent, ...]:
        """Every version known."""
        return tuple(self._held.values())

    def take(
        self, received: OadrDistributeEvent, ven_id: str, *, now: datetime, drawn: Drawn
    ) -> tuple[EventResponse, ...]:
        """Make the VTN's set ours; returns what has to be answered.

        Parameters
        ----------
        received : OadrDistributeEvent
            Of our VTN, without an error.
        ven_id : str
            As registered.
        now : datetime
            Aware UTC.
        drawn : Drawn
            For delays.
        """
        newest: dict[str, OadrEvent] = {}
        for event in received.oadr_event:
            descriptor = event.ei_event.event_descriptor
            known = newest.get(descriptor.event_id)
            if known is None or (
                known.ei_event.event_descriptor.modification_number
                <= descriptor.modification_number
            ):
                newest[descriptor.event_id] = event
        answers = []
        for event in newest.values():
            verdict = self._take_one(event, ven_id, now=now, drawn=drawn)
            if verdict is not None and event.oadr_response_required is ResponseRequired.ALWAYS:
                answers.append(_answer(event.ei_event, verdict, received.request_id))
        for event_id in set(self._held) - set(newest):
            self.cancel(event_id, now)
        self._forget(now, newest)
        return tuple(answers)

    def _take_one(
        self, event: OadrEvent, ven_id: str, *, now: datetime, drawn: Drawn
    ) -> Verdict | None:
        """Take one event; None if this version was answered before."""
        descriptor = event.ei_event.event_descriptor
        known = self._held.get(descriptor.event_id)
        if known is not None and known.modification_number > descriptor.modification_number:
            return refused(ResponseCode.OUT_OF_SEQUENCE, "a later modification is known")
        if known is None and len(self._held) >= self._settings.events_max:
            return refused(ResponseCode.INVALID_DATA, "more events than can be held")
        is_new = known is None or known.modification_number < descriptor.modification_number
        if is_new:
            self._keep(self._judged(event, known, ven_id, drawn=drawn))
        if descriptor.event_status is EventStatus.CANCELLED:
            self.cancel(descriptor.event_id, now)
        elif not is_new:
            self._revive(event)
        return self._held[descriptor.event_id].verdict if is_new else None

    def _judged(
        self, event: OadrEvent, known: HeldEvent | None, ven_id: str, *, drawn: Drawn
    ) -> HeldEvent:
        """Version of an event with its delay and verdict."""
        cancelled = event.ei_event.event_descriptor.event_status is EventStatus.CANCELLED
        if cancelled and known is not None:
            return replace(known, event=event)
        verdict = flaw_of(event.ei_event, self._settings, ven_id)
        shift = timedelta()
        if verdict is None:
            shift = shift_of(event.ei_event.ei_active_period.properties, drawn.fraction())
            verdict = OPT_IN if cancelled else self._judge.verdict(event.ei_event, shift)
        return HeldEvent(event=event, shift=shift, verdict=verdict)

    def _revive(self, event: OadrEvent) -> None:
        """Take back an implied cancellation: the VTN names the same version again."""
        known = self._held[event.ei_event.event_descriptor.event_id]
        if known.stops_at is not None or known.event != event:
            self._keep(replace(known, event=event, stops_at=None))

    def cancel(self, event_id: str, now: datetime) -> None:
        """Stop an event: at once, or after this VEN's delay where it has begun with one."""
        known = self._held[event_id]
        if known.stops_at is not None or known.is_over(now):
            return
        has_begun = now >= span_of(known.event.ei_event, known.shift).start
        self._keep(replace(known, stops_at=now + known.shift if has_begun else now))

    def cancel_all(self, now: datetime) -> None:
        """Stop all events: the registration has ended."""
        for event_id in tuple(self._held):
            self.cancel(event_id, now)

    def opt(self, qualified: QualifiedEventID, opt_type: OptType) -> bool:
        """Change our mind about a version; False if it is not held."""
        known = self._held.get(qualified.event_id)
        if known is None or known.modification_number != qualified.modification_number:
            return False
        self._keep(replace(known, verdict=replace(known.verdict, opt_type=opt_type)))
        return True

    def ruling(self, now: datetime) -> tuple[HeldEvent, ...]:
        """Events that are taken part in and not over, the highest priority first.

        Priority 1 is the highest, 0 or none the lowest; among equals the one created last.
        """
        taken = [
            held
            for held in self._held.values()
            if held.verdict.opt_type is OptType.OPT_IN
            and held.verdict.code is ResponseCode.OK
            and not held.is_over(now)
            and (self._settings.acts_on_tests or not _is_test(held))
        ]
        return tuple(sorted(taken, key=_rank))

    def _keep(self, held: HeldEvent) -> None:
        self._held[held.event_id] = held
        self._memory.put(_KIND, held.event_id, _to_record(held))

    def _forget(self, now: datetime, named: Iterable[str]) -> None:
        """Drop events that are over for a while and that the VTN names no more."""
        for event_id in set(self._held) - set(named):
            if self._held[event_id].is_over(now - _KEPT):
                del self._held[event_id]
                self._memory.drop(_KIND, event_id)


def _is_test(held: HeldEvent) -> bool:
    return event_is_test(held.event.ei_event.event_descriptor.test_event)


def _rank(held: HeldEvent) -> tuple[float, float, str]:
    descriptor = held.event.ei_event.event_descriptor
    priority = descriptor.priority or float("inf")
    return priority, -descriptor.created_date_time.timestamp(), held.event_id


def _answer(event: EiEvent, verdict: Verdict, request_id: str) -> EventResponse:
    descriptor = event.event_descriptor
    return EventResponse(
        response_code=verdict.code,
        response_description=verdict.cause or None,
        request_id=request_id,
        qualified_event_id=QualifiedEventID(
            event_id=descriptor.event_id, modification_number=descriptor.modification_number
        ),
        opt_type=verdict.opt_type,
    )


def _to_record(held: HeldEvent) -> Plain:
    wire = OadrDistributeEvent(request_id="", vtn_id="", oadr_event=(held.event,))
    return {
        "xml": encode(wire).decode(),
        "shift_s": held.shift.total_seconds(),
        "opt": held.verdict.opt_type,
        "code": held.verdict.code,
        "cause": held.verdict.cause,
        "stops_at": held.stops_at and format_instant(held.stops_at),
    }


def _from_record(record: Plain) -> HeldEvent:
    wire = decode(string(record, "xml").encode())
    assert isinstance(wire, OadrDistributeEvent), "a record of an event holds one"
    stops_at = record["stops_at"]
    return HeldEvent(
        event=wire.oadr_event[0],
        shift=timedelta(seconds=float(json.dumps(record["shift_s"]))),
        verdict=Verdict(
            opt_type=OptType(string(record, "opt")),
            code=ResponseCode(string(record, "code")),
            cause=string(record, "cause"),
        ),
        stops_at=parse_instant(stops_at) if isinstance(stops_at, str) else None,
    )
