"""Meters as a server shows them, and as a device mirrors them.

IEEE 2030.5-2018, function set Metering and Metering Mirror.
"""

from protocols.ieee2030_5.resources.elements import (
    DateTimeInterval,
    IdentifiedObject,
    List,
    PowerOfTenMultiplierType,
    Resource,
    TimeType,
    UnitValueType,
)
from protocols.ieee2030_5.scalars import (
    HexBinary16,
    HexBinary160,
    Int48,
    UInt8,
    UInt32,
    UInt48,
)
from protocols.ieee2030_5.xml import element


@element("consumptionBlock qualityFlags timePeriod touTier value")
class ReadingBase(Resource):
    """A value and when it was."""

    consumption_block: UInt8 | None = None
    quality_flags: HexBinary16 | None = None
    time_period: DateTimeInterval | None = None
    tou_tier: UInt8 | None = None
    value: Int48 | None = None


@element("localID @subscribable")
class Reading(ReadingBase):
    """A value of a meter."""

    local_id: HexBinary16 | None = None
    subscribable: UInt8 | None = None


@element("timePeriod")
class ReadingSetBase(IdentifiedObject):
    """Values of one period."""

    time_period: DateTimeInterval


@element("Reading")
class MirrorReadingSet(ReadingSetBase):
    """Values of one period, in place."""

    reading: tuple[Reading, ...] = ()


@element(
    "accumulationBehaviour calorificValue commodity conversionFactor dataQualifier flowDirection"
    " intervalLength kind maxNumberOfIntervals numberOfConsumptionBlocks numberOfTouTiers phase"
    " powerOfTenMultiplier subIntervalLength supplyLimit tieredConsumptionBlocks uom"
)
class ReadingType(Resource):
    """What the values of a meter mean."""

    accumulation_behaviour: UInt8 | None = None
    calorific_value: UnitValueType | None = None
    commodity: UInt8 | None = None
    conversion_factor: UnitValueType | None = None
    data_qualifier: UInt8 | None = None
    flow_direction: UInt8 | None = None
    interval_length: UInt32 | None = None
    kind: UInt8 | None = None
    max_number_of_intervals: UInt8 | None = None
    number_of_consumption_blocks: UInt8 | None = None
    number_of_tou_tiers: UInt8 | None = None
    phase: UInt8 | None = None
    power_of_ten_multiplier: PowerOfTenMultiplierType | None = None
    sub_interval_length: UInt32 | None = None
    supply_limit: UInt48 | None = None
    tiered_consumption_blocks: bool | None = None
    uom: UInt8 | None = None


@element("roleFlags serviceCategoryKind status")
class UsagePointBase(IdentifiedObject):
    """Where something is measured."""

    role_flags: HexBinary16
    service_category_kind: UInt8
    status: UInt8


@element("lastUpdateTime MirrorReadingSet nextUpdateTime Reading ReadingType")
class MirrorMeterReading(IdentifiedObject):
    """One quantity that a device sends."""

    last_update_time: TimeType | None = None
    mirror_reading_set: tuple[MirrorReadingSet, ...] = ()
    next_update_time: TimeType | None = None
    reading: Reading | None = None
    reading_type: ReadingType | None = None


@element("@all @results MirrorMeterReading")
class MirrorMeterReadingList(Resource):
    """Several quantities in one message; a client that posts them need not count them."""

    all: UInt32 | None = None
    results: UInt32 | None = None
    mirror_meter_reading: tuple[MirrorMeterReading, ...] = ()


@element("deviceLFDI MirrorMeterReading postRate")
class MirrorUsagePoint(UsagePointBase):
    """Where a device sends what it measures."""

    device_lfdi: HexBinary160
    mirror_meter_reading: tuple[MirrorMeterReading, ...] = ()
    post_rate: UInt32 | None = None


@element("MirrorUsagePoint @pollRate")
class MirrorUsagePointList(List):
    """Mirrors of a server."""

    mirror_usage_point: tuple[MirrorUsagePoint, ...] = ()
    poll_rate: UInt32 | None = None
