"""When an OpenADR event does what: intervals, randomisation, status, current value. Pure.

Both roles use it: a VTN without randomisation (what it says about an event is the same for all
VENs), a VEN with the shift it drew. All moments are UTC and absolute, so neither daylight saving
nor the other side's clock moves an event.

Notes
-----
OpenADR 2.0b profile, EiEvent: eiActivePeriod, tolerance/startafter, x-eiNotification,
x-eiRampUp, x-eiRecovery, eventStatus, currentValue. Worked example: der-protocols, section 7.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from protocols.openadr.messages.elements import Interval, Properties
from protocols.openadr.messages.event import EiEvent, EiEventSignal, EventStatus

_NOTHING = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueInterval:
    """A value of a signal and when it holds.

    Attributes
    ----------
    start : datetime
        UTC.
    end : datetime or None
        First moment after it; None while it has no end.
    value : float
        In the signal's unit.
    """

    start: datetime
    end: datetime | None
    value: float

    def contains(self, moment: datetime) -> bool:
        """Whether the value holds at a moment."""
        return self.start <= moment and (self.end is None or moment < self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An event's moments, with the shift of one VEN.

    Attributes
    ----------
    notice_by : datetime
        When the VEN should know of it at the latest (start less x-eiNotification).
    ramp_from : datetime
        When the transition begins; the start where there is none.
    start : datetime
        UTC.
    end : datetime or None
        None for an open end.
    recovered_at : datetime or None
        When the transition back is over.
    """

    notice_by: datetime
    ramp_from: datetime
    start: datetime
    end: datetime | None
    recovered_at: datetime | None


def shift_of(properties: Properties, fraction: float) -> timedelta:
    """Delay of an event at one VEN.

    Parameters
    ----------
    properties : Properties
        Of the active period; `startafter` is the longest delay.
    fraction : float
        0..1, drawn by the caller once per eventID and modificationNumber and kept.

    Returns
    -------
    timedelta
        Whole seconds; zero without tolerance.
    """
    most_s = max(properties.startafter or _NOTHING, _NOTHING).total_seconds()
    return timedelta(seconds=round(most_s * min(max(fraction, 0.0), 1.0)))


def value_intervals(
    signal: EiEventSignal, properties: Properties, shift: timedelta = _NOTHING
) -> tuple[ValueInterval, ...]:
    """When a signal has which value.

    Each interval begins where the one before ends, unless it says a start of its own; the sum of
    the intervals is trusted over the duration of the period. An interval without a length lasts
    to the next one, the last one to the end of the period, which is open if that has none either.

    Parameters
    ----------
    signal : EiEventSignal
        What is asked for.
    properties : Properties
        Of the active period.
    shift : timedelta
        This VEN's delay.
    """
    ordered = in_order(signal.intervals)
    starts = _starts(ordered, properties)
    placed = []
    for place, interval in enumerate(ordered):
        end = _end(interval, starts[place], properties, last=place == len(ordered) - 1)
        if place + 1 < len(ordered):
            following = starts[place + 1]
            end = following if end is None else min(end, following)
        if interval.signal_payload and (end is None or end > starts[place]):
            placed.append(
                ValueInterval(
                    start=starts[place] + shift,
                    end=None if end is None else end + shift,
                    value=interval.signal_payload[0].payload_float,
                )
            )
    return tuple(placed)


def in_order(intervals: Sequence[Interval]) -> tuple[Interval, ...]:
    """Intervals in the order their uid gives; in that of the document where not all have one."""
    uids = [(interval.uid or "").strip() for interval in intervals]
    if not all(uid.isascii() and uid.isdigit() for uid in uids):
        return tuple(intervals)
    order = sorted(range(len(uids)), key=lambda place: (int(uids[place]), place))
    return tuple(intervals[place] for place in order)


def _starts(ordered: Sequence[Interval], properties: Properties) -> list[datetime]:
    """Start of each interval, without shift."""
    starts: list[datetime] = []
    at = properties.dtstart
    for interval in ordered:
        at = at if interval.dtstart is None else interval.dtstart
        starts.append(at)
        at += max(interval.duration or _NOTHING, _NOTHING)
    return starts


def _end(
    interval: Interval, start: datetime, properties: Properties, *, last: bool
) -> datetime | None:
    """End of an interval by its own length, or by what the period says; None for open."""
    own = interval.duration or _NOTHING
    if own > _NOTHING:
        return start + own
    if not last or properties.duration <= _NOTHING:
        return None
    return properties.dtstart + properties.duration


def span_of(event: EiEvent, shift: timedelta = _NOTHING) -> Span:
    """Moments of an event.

    Parameters
    ----------
    event : EiEvent
        Any; one without usable intervals has the length of its period.
    shift : timedelta
        This VEN's delay; notice and ramp move with the start.
    """
    properties = event.ei_active_period.properties
    values = [
        value
        for signal in event.ei_event_signals.ei_event_signal
        for value in value_intervals(signal, properties, shift)
    ]
    start = properties.dtstart + shift
    ends = [value.end for value in values]
    end: datetime | None
    if values:
        known = [moment for moment in ends if moment is not None]
        end = max(known) if len(known) == len(ends) else None
    else:
        end = start + properties.duration if properties.duration > _NOTHING else None
    recovery = max(properties.x_ei_recovery or _NOTHING, _NOTHING)
    return Span(
        notice_by=start - max(properties.x_ei_notification or _NOTHING, _NOTHING),
        ramp_from=start - max(properties.x_ei_ramp_up or _NOTHING, _NOTHING),
        start=start,
        end=end,
        recovered_at=None if end is None else end + recovery,
    )


def event_status(event: EiEvent, now: datetime, shift: timedelta = _NOTHING) -> EventStatus:
    """Where an event is in its life.

    Far until the ramp begins, near until the start, active until the end, then completed; an
    event that says it is cancelled stays so.
    """
    if event.event_descriptor.event_status is EventStatus.CANCELLED:
        return EventStatus.CANCELLED
    span = span_of(event, shift)
    if now < span.ramp_from:
        return EventStatus.FAR
    if now < span.start:
        return EventStatus.NEAR
    if span.end is None or now < span.end:
        return EventStatus.ACTIVE
    return EventStatus.COMPLETED


def current_value(event: EiEvent, signal: EiEventSignal, now: datetime) -> float:
    """Value of a signal at a moment, without shift; 0 unless the event is active."""
    if event_status(event, now) is not EventStatus.ACTIVE:
        return 0.0
    properties = event.ei_active_period.properties
    holding = [one for one in value_intervals(signal, properties) if one.contains(now)]
    return holding[0].value if holding else 0.0


def event_is_test(test_event: str | None) -> bool:
    """Whether an event's testEvent says that nothing is to be done.

    Absent, empty or "false" is an ordinary event; anything else is a test.
    """
    return (test_event or "false").strip().lower() not in {"", "false"}
