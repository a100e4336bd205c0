"""Events and messages to test with."""

from datetime import UTC, datetime, timedelta

from protocols.openadr.messages.elements import EiTarget, Interval, Properties, SignalPayload
from protocols.openadr.messages.event import (
    EiActivePeriod,
    EiEvent,
    EiEventSignal,
    EiEventSignals,
    EventDescriptor,
    EventStatus,
    OadrDistributeEvent,
    OadrEvent,
    ResponseRequired,
)

DAY = datetime(2026, 11, 23, tzinfo=UTC)


def at(clock: str) -> datetime:
    """Moment of the day of the tests."""
    hours, minutes, *seconds = (int(part) for part in clock.split(":"))
    return DAY + timedelta(hours=hours, minutes=minutes, seconds=sum(seconds))


def interval(
    minutes: float, value: float, *, uid: str | None = None, start: str | None = None
) -> Interval:
    """Make an interval of a signal."""
    return Interval(
        dtstart=None if start is None else at(start),
        duration=timedelta(minutes=minutes),
        uid=uid,
        signal_payload=(SignalPayload(payload_float=value),),
    )


def signal(*intervals: Interval, name: str = "SIMPLE", kind: str = "level") -> EiEventSignal:
    """Make a signal."""
    return EiEventSignal(intervals=intervals, signal_name=name, signal_type=kind, signal_id="s0")


def event(
    event_id: str = "e1",
    *,
    start: str = "06:00",
    duration: timedelta = timedelta(hours=1),
    startafter: timedelta | None = None,
    ramp_up: timedelta | None = None,
    recovery: timedelta | None = None,
    notification: timedelta | None = None,
    signals: tuple[EiEventSignal, ...] | None = None,
    modification: int = 0,
    status: EventStatus = EventStatus.FAR,
    priority: int | None = None,
    created: datetime = DAY,
    test: str | None = None,
    target: EiTarget | None = None,
) -> EiEvent:
    """Make an event."""
    return EiEvent(
        event_descriptor=EventDescriptor(
            event_id=event_id,
            modification_number=modification,
            priority=priority,
            market_context="http://dr.example/東京",
            created_date_time=created,
            event_status=status,
            test_event=test,
        ),
        ei_active_period=EiActivePeriod(
            properties=Properties(
                dtstart=at(start),
                duration=duration,
                startafter=startafter,
                x_ei_notification=notification,
                x_ei_ramp_up=ramp_up,
                x_ei_recovery=recovery,
            )
        ),
        ei_event_signals=EiEventSignals(ei_event_signal=signals or (signal(interval(60, 2.0)),)),
        ei_target=target or EiTarget(),
    )


def distribute(
    *events: EiEvent,
    vtn_id: str = "VTN-1",
    required: ResponseRequired = ResponseRequired.ALWAYS,
) -> OadrDistributeEvent:
    """Make a VTN's whole set."""
    return OadrDistributeEvent(
        request_id="r1",
        vtn_id=vtn_id,
        oadr_event=tuple(
            OadrEvent(ei_event=one, oadr_response_required=required) for one in events
        ),
    )
