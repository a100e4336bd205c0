"""What an operator or a program orders: one event, checked before any VEN sees it.

Notes
-----
OpenADR 2.0b, EiEvent service and its conformance rules.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from protocols.openadr.messages.elements import EiTarget, Interval, Properties
from protocols.openadr.messages.event import (
    EiActivePeriod,
    EiEvent,
    EiEventSignal,
    EiEventSignals,
    EventDescriptor,
    EventStatus,
    OadrEvent,
    ResponseRequired,
)
from protocols.openadr.vtn.vens import IDENTIFIER_MAX
from protocols.vocabulary.errors import LocalProtocolError

INTERVALS_MAX = 1_000
SIGNALS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOrder:
    """An event as it is ordered.

    Attributes
    ----------
    period : Properties
        When, with randomisation, ramp-up, recovery and notification; duration zero has no end.
    signals : tuple of EiEventSignal
        With the lengths of their intervals, which sum up to the period; starts, uids and
        current values are filled in.
    market_context : str
        URI of the programme.
    target : EiTarget
        For whom: venID, groupID, resourceID, partyID; nothing named means every VEN.
    priority : int
        1 is the highest; 0 is none, the lowest.
    response_required : bool
        True if each VEN must answer.
    test_event, comment : str or None
        For the VENs.
    """

    period: Properties
    signals: tuple[EiEventSignal, ...]
    market_context: str
    target: EiTarget = field(default_factory=EiTarget)
    priority: int = 0
    response_required: bool = True
    test_event: str | None = None
    comment: str | None = None


def event_of(order: EventOrder, event_id: str, *, modification: int, now: datetime) -> OadrEvent:
    """Event of an order, without status and current values.

    Parameters
    ----------
    order : EventOrder
        What is wanted.
    event_id : str
        Its identifier.
    modification : int
        modificationNumber, from 0.
    now : datetime
        Moment of the order, UTC.

    Raises
    ------
    LocalProtocolError
        If it breaks a rule of the profile.
    """
    check_order(order)
    if not event_id or len(event_id) > IDENTIFIER_MAX:
        raise LocalProtocolError(f"an eventID has 1 to {IDENTIFIER_MAX} characters")
    moment = now.replace(microsecond=0)
    descriptor = EventDescriptor(
        event_id=event_id,
        modification_number=modification,
        modification_date_time=moment if modification else None,
        priority=order.priority,
        market_context=order.market_context,
        created_date_time=moment,
        event_status=EventStatus.FAR,
        test_event=order.test_event,
        vtn_comment=order.comment,
    )
    signals = tuple(
        replace(
            signal,
            signal_id=signal.signal_id or str(number),
            intervals=tuple(_numbered(entry, uid) for uid, entry in enumerate(signal.intervals)),
        )
        for number, signal in enumerate(order.signals)
    )
    return OadrEvent(
        ei_event=EiEvent(
            event_descriptor=descriptor,
            ei_active_period=EiActivePeriod(properties=order.period),
            ei_event_signals=EiEventSignals(ei_event_signal=signals),
            ei_target=order.target,
        ),
        oadr_response_required=(
            ResponseRequired.ALWAYS if order.response_required else ResponseRequired.NEVER
        ),
    )


def check_order(order: EventOrder) -> None:
    """Hold an order to the profile.

    Raises
    ------
    LocalProtocolError
        Naming what is wrong.
    """
    if not 1 <= len(order.signals) <= SIGNALS_MAX:
        raise LocalProtocolError(f"an event has 1 to {SIGNALS_MAX} signals")
    if not order.market_context:
        raise LocalProtocolError("an event needs a market context")
    period = order.period
    lengths = {
        "duration": period.duration,
        "startafter": period.startafter,
        "notification": period.x_ei_notification,
        "ramp-up": period.x_ei_ramp_up,
        "recovery": period.x_ei_recovery,
    }
    for name, length in lengths.items():
        if length is not None and (length < timedelta() or length.microseconds):
            raise LocalProtocolError(f"{name} {length}: use whole seconds, not negative")
    for signal in order.signals:
        _check_signal(signal, period.duration)


def _check_signal(signal: EiEventSignal, duration: timedelta) -> None:
    where = f"signal {signal.signal_name!r}"
    if not 1 <= len(signal.intervals) <= INTERVALS_MAX:
        raise LocalProtocolError(f"{where} has 1 to {INTERVALS_MAX} intervals")
    lengths = [interval.duration or timedelta() for interval in signal.intervals]
    if any(length < timedelta() or length.microseconds for length in lengths):
        raise LocalProtocolError(f"{where}: intervals last whole seconds")
    if any(len(interval.signal_payload) != 1 for interval in signal.intervals):
        raise LocalProtocolError(f"{where}: each interval has one value")
    if any(not length for length in lengths[:-1]) or (not lengths[-1]) != (not duration):
        raise LocalProtocolError(f"{where}: only the last interval of an open event has no length")
    if duration and sum(lengths, timedelta()) != duration:
        raise LocalProtocolError(f"{where}: its intervals do not sum up to the event's duration")


def _numbered(interval: Interval, uid: int) -> Interval:
    """Interval with its uid, and a length in any case."""
    return replace(interval, dtstart=None, uid=str(uid), duration=interval.duration or timedelta())
