"""EiEvent of OpenADR 2.0b: events with their signals, and what is answered to them.

Notes
-----
oadr_20b.xsd (event payloads), oadr_ei_20b.xsd (eiEvent).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from protocols.openadr.messages.elements import (
    ITEMS,
    EiResponse,
    EiTarget,
    Interval,
    Item,
    OptType,
    Properties,
    QualifiedEventID,
)
from protocols.openadr.parts import child, instant, length, number, text, token, whole, word


class EventStatus(StrEnum):
    """Where an event is in its life (ei:eventStatus)."""

    NONE = "none"
    FAR = "far"
    NEAR = "near"
    ACTIVE = "active"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class ResponseRequired(StrEnum):
    """Whether the VEN answers an event (oadr:oadrResponseRequired)."""

    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDescriptor:
    """Which event this is (ei:eventDescriptor).

    Attributes
    ----------
    modification_number : int
        From 0; a higher one replaces the event.
    priority : int or None
        1 is the highest; 0 or absent is none, which is the lowest.
    market_context : str
        URI of the programme.
    test_event : str or None
        Anything but absent, "" or "false" is a test.
    """

    event_id: str = field(metadata=text("ei:eventID"))
    modification_number: int = field(metadata=whole("ei:modificationNumber"))
    modification_date_time: datetime | None = field(
        default=None, metadata=instant("ei:modificationDateTime")
    )
    modification_reason: str | None = field(default=None, metadata=text("ei:modificationReason"))
    priority: int | None = field(default=None, metadata=whole("ei:priority"))
    market_context: str = field(metadata=token("ei:eiMarketContext/emix:marketContext"))
    created_date_time: datetime = field(metadata=instant("ei:createdDateTime"))
    event_status: EventStatus = field(metadata=word("ei:eventStatus", EventStatus))
    test_event: str | None = field(default=None, metadata=text("ei:testEvent"))
    vtn_comment: str | None = field(default=None, metadata=text("ei:vtnComment"))


@dataclass(frozen=True, slots=True, kw_only=True)
class EiActivePeriod:
    """When an event is (ei:eiActivePeriod)."""

    properties: Properties = field(metadata=child("xcal:properties", Properties))
    components: str = field(default="", metadata=token("xcal:components"))


@dataclass(frozen=True, slots=True, kw_only=True)
class EiEventSignal:
    """What is asked for (ei:eiEventSignal).

    Attributes
    ----------
    intervals : tuple of Interval
        With one signalPayload each.
    signal_name, signal_type : str
        E.g. SIMPLE and level, LOAD_DISPATCH and setpoint.
    current_value : float or None
        Value of the interval that runs now; 0 unless the event is active.
    """

    intervals: tuple[Interval, ...] = field(
        metadata=child("strm:intervals/ei:interval[]", Interval)
    )
    ei_target: EiTarget | None = field(default=None, metadata=child("ei:eiTarget", EiTarget))
    signal_name: str = field(metadata=token("ei:signalName"))
    signal_type: str = field(metadata=token("ei:signalType"))
    signal_id: str = field(metadata=text("ei:signalID"))
    item_base: Item | None = field(
        default=None, metadata=child("emix:itemBase", Item, variants=ITEMS)
    )
    current_value: float | None = field(
        default=None, metadata=number("ei:currentValue/ei:payloadFloat/ei:value")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EiEventBaseline:
    """Course without the event, as the VTN sees it (ei:eiEventBaseline)."""

    dtstart: datetime = field(metadata=instant("xcal:dtstart/xcal:date-time"))
    duration: timedelta = field(metadata=length("xcal:duration/xcal:duration"))
    intervals: tuple[Interval, ...] = field(
        metadata=child("strm:intervals/ei:interval[]", Interval)
    )
    baseline_id: str = field(metadata=text("ei:baselineID"))
    resource_id: tuple[str, ...] = field(default=(), metadata=text("ei:resourceID[]"))
    baseline_name: str = field(metadata=text("ei:baselineName"))
    item_base: Item | None = field(
        default=None, metadata=child("emix:itemBase", Item, variants=ITEMS)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EiEventSignals:
    """All signals of an event and its baseline (ei:eiEventSignals)."""

    ei_event_signal: tuple[EiEventSignal, ...] = field(
        metadata=child("ei:eiEventSignal[]", EiEventSignal)
    )
    ei_event_baseline: EiEventBaseline | None = field(
        default=None, metadata=child("ei:eiEventBaseline", EiEventBaseline)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EiEvent:
    """An event (ei:eiEvent)."""

    event_descriptor: EventDescriptor = field(metadata=child("ei:eventDescriptor", EventDescriptor))
    ei_active_period: EiActivePeriod = field(metadata=child("ei:eiActivePeriod", EiActivePeriod))
    ei_event_signals: EiEventSignals = field(metadata=child("ei:eiEventSignals", EiEventSignals))
    ei_target: EiTarget = field(metadata=child("ei:eiTarget", EiTarget))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrEvent:
    """An event and whether it wants an answer (oadr:oadrEvent)."""

    ei_event: EiEvent = field(metadata=child("ei:eiEvent", EiEvent))
    oadr_response_required: ResponseRequired = field(
        metadata=word("oadr:oadrResponseRequired", ResponseRequired)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrDistributeEvent:
    """All events a VTN has for a VEN; what is missing is cancelled."""

    ei_response: EiResponse | None = field(
        default=None, metadata=child("ei:eiResponse", EiResponse)
    )
    request_id: str = field(metadata=text("pyld:requestID"))
    vtn_id: str = field(metadata=text("ei:vtnID"))
    oadr_event: tuple[OadrEvent, ...] = field(
        default=(), metadata=child("oadr:oadrEvent[]", OadrEvent)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EventResponse:
    """What a VEN says to one version of one event (ei:eventResponse)."""

    response_code: str = field(metadata=token("ei:responseCode"))
    response_description: str | None = field(default=None, metadata=text("ei:responseDescription"))
    request_id: str = field(metadata=text("pyld:requestID"))
    qualified_event_id: QualifiedEventID = field(
        metadata=child("ei:qualifiedEventID", QualifiedEventID)
    )
    opt_type: OptType = field(metadata=word("ei:optType", OptType))


@dataclass(frozen=True, slots=True, kw_only=True)
class EiCreatedEvent:
    """Contents of oadrCreatedEvent (pyld:eiCreatedEvent)."""

    ei_response: EiResponse = field(metadata=child("ei:eiResponse", EiResponse))
    event_responses: tuple[EventResponse, ...] = field(
        default=(), metadata=child("ei:eventResponses/ei:eventResponse[]", EventResponse)
    )
    ven_id: str = field(metadata=text("ei:venID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrCreatedEvent:
    """A VEN's answers to events."""

    ei_created_event: EiCreatedEvent = field(metadata=child("pyld:eiCreatedEvent", EiCreatedEvent))


@dataclass(frozen=True, slots=True, kw_only=True)
class EiRequestEvent:
    """Contents of oadrRequestEvent (pyld:eiRequestEvent)."""

    request_id: str = field(metadata=text("pyld:requestID"))
    ven_id: str = field(metadata=text("ei:venID"))
    reply_limit: int | None = field(default=None, metadata=whole("pyld:replyLimit"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrRequestEvent:
    """A VEN asks for all its events."""

    ei_request_event: EiRequestEvent = field(metadata=child("pyld:eiRequestEvent", EiRequestEvent))
