"""Resources everything else is made of: identity, lists, links, events, quantities.

IEEE 2030.5-2018, packages Common and Primitive Types. Field names are the standard's in snake
case; what a field means is the standard's to say. Called by the other modules of resources.
"""

from protocols.ieee2030_5.scalars import (
    AnyUri,
    HexBinary8,
    HexBinary128,
    Int8,
    Int16,
    Int32,
    Int64,
    String32,
    String192,
    UInt8,
    UInt16,
    UInt32,
)
from protocols.ieee2030_5.xml import Part, element

MRIDType = HexBinary128
TimeType = Int64
PENType = UInt32
PerCent = UInt16
SignedPerCent = Int16
PowerOfTenMultiplierType = Int8
VersionType = UInt16
OneHourRangeType = Int16
TimeOffsetType = Int32

DEFAULT_POLL_RATE_S = 900
"""Poll rate of a resource that says none."""


@element("@href")
class Resource(Part):
    """Anything that has an address."""

    href: AnyUri | None = None


@element("@href")
class Link(Part):
    """Where a resource is."""

    href: AnyUri


@element("@all")
class ListLink(Link):
    """Where a list is, and perhaps how long."""

    all: UInt32 | None = None


@element("@all @results")
class List(Resource):
    """A page of a list: how many there are, how many are here."""

    all: UInt32
    results: UInt32


@element("@subscribable")
class SubscribableResource(Resource):
    """A resource that may be subscribed to."""

    subscribable: UInt8 | None = None


@element("@all @results")
class SubscribableList(SubscribableResource):
    """A page of a list that may be subscribed to."""

    all: UInt32
    results: UInt32


@element("mRID description version")
class IdentifiedObject(Resource):
    """A resource with a name for all places and times."""

    mrid: MRIDType
    description: String32 | None = None
    version: VersionType | None = None


@element("mRID description version")
class SubscribableIdentifiedObject(SubscribableResource):
    """An identified object that may be subscribed to."""

    mrid: MRIDType
    description: String32 | None = None
    version: VersionType | None = None


@element("@replyTo @responseRequired")
class RespondableResource(Resource):
    """A resource to which answers are wanted."""

    reply_to: AnyUri | None = None
    response_required: HexBinary8 | None = None


@element("mRID description version @subscribable")
class RespondableSubscribableIdentifiedObject(RespondableResource):
    """An identified object to which answers are wanted."""

    mrid: MRIDType
    description: String32 | None = None
    version: VersionType | None = None
    subscribable: UInt8 | None = None


@element("duration start")
class DateTimeInterval(Part):
    """A time, half-open: s and s since 1970."""

    duration: UInt32
    start: TimeType


@element("currentStatus dateTime potentiallySuperseded potentiallySupersededTime reason")
class EventStatus(Part):
    """What the server says of an event: 0 scheduled .. 4 superseded."""

    current_status: UInt8
    date_time: TimeType
    potentially_superseded: bool
    potentially_superseded_time: TimeType | None = None
    reason: String192 | None = None


@element("creationTime EventStatus interval")
class Event(RespondableSubscribableIdentifiedObject):
    """Something that begins and ends."""

    creation_time: TimeType
    event_status: EventStatus
    interval: DateTimeInterval


@element("randomizeDuration randomizeStart")
class RandomizableEvent(Event):
    """An event whose limits each device shifts by its own draw, in s."""

    randomize_duration: OneHourRangeType | None = None
    randomize_start: OneHourRangeType | None = None


@element("maxRetryDuration reasonCode")
class Error(Part):
    """Why a request was refused."""

    max_retry_duration: UInt16 | None = None
    reason_code: UInt16


@element("multiplier value")
class CurrentRMS(Part):
    """A."""

    multiplier: PowerOfTenMultiplierType
    value: UInt16


@element("multiplier value")
class ActivePower(Part):
    """W."""

    multiplier: PowerOfTenMultiplierType
    value: Int16


@element("multiplier value")
class ReactivePower(Part):
    """var."""

    multiplier: PowerOfTenMultiplierType
    value: Int16


@element("multiplier value")
class ApparentPower(Part):
    """VA."""

    multiplier: PowerOfTenMultiplierType
    value: UInt16


@element("multiplier value")
class ReactiveSusceptance(Part):
    """S."""

    multiplier: PowerOfTenMultiplierType
    value: UInt16


@element("multiplier value")
class AmpereHour(Part):
    """Ah."""

    multiplier: PowerOfTenMultiplierType
    value: UInt16


@element("multiplier value")
class WattHour(Part):
    """Wh."""

    multiplier: PowerOfTenMultiplierType
    value: UInt16


@element("multiplier value")
class VoltageRMS(Part):
    """V."""

    multiplier: PowerOfTenMultiplierType
    value: UInt16


@element("displacement multiplier")
class PowerFactor(Part):
    """Ratio 0..1 of displacement times a power of ten."""

    displacement: UInt16
    multiplier: PowerOfTenMultiplierType


@element("displacement excitation multiplier")
class PowerFactorWithExcitation(Part):
    """Ratio 0..1, and whether it is over-excited (false) or under-excited (true)."""

    displacement: UInt16
    excitation: bool
    multiplier: PowerOfTenMultiplierType


@element("multiplier unit value")
class UnitValueType(Part):
    """A value of a unit of the standard's table."""

    multiplier: PowerOfTenMultiplierType
    unit: UInt8
    value: Int32
