"""An event as it stands at a moment, as its VTN tells it: without any VEN's randomisation.

Notes
-----
OpenADR 2.0b, EiEvent service: eventStatus and currentValue.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from protocols.openadr.messages.event import EventStatus, OadrEvent
from protocols.openadr.timeline import current_value, event_status, span_of

CANCELLED_TOLD_FOR = timedelta(days=1)
"""How long VENs are told of the cancellation of an event without end."""


def as_of(event: OadrEvent, now: datetime) -> OadrEvent:
    """Event with its status and current values of a moment.

    Parameters
    ----------
    event : OadrEvent
        As ordered; cancelled stays cancelled.
    now : datetime
        UTC.
    """
    body = event.ei_event
    signals = tuple(
        replace(signal, current_value=current_value(body, signal, now))
        for signal in body.ei_event_signals.ei_event_signal
    )
    status = event_status(body, now)
    return replace(
        event,
        ei_event=replace(
            body,
            event_descriptor=replace(body.event_descriptor, event_status=status),
            ei_event_signals=replace(body.ei_event_signals, ei_event_signal=signals),
        ),
    )


def over_at(event: OadrEvent) -> datetime | None:
    """When no VEN can still be carrying it out, the last to start included; None for open."""
    body = event.ei_event
    tolerance = body.ei_active_period.properties.startafter or timedelta()
    end = span_of(body, tolerance).end
    descriptor = body.event_descriptor
    if end is None and descriptor.event_status is EventStatus.CANCELLED:
        changed = descriptor.modification_date_time or descriptor.created_date_time
        return changed + CANCELLED_TOLD_FOR
    return end


def is_over(event: OadrEvent, now: datetime) -> bool:
    """Whether :func:`over_at` has come."""
    end = over_at(event)
    return end is not None and now >= end
