"""Types that several services of OpenADR 2.0b share.

Notes
-----
oadr_ei_20b.xsd, oadr_emix_20b.xsd, oadr_power_20b.xsd, oadr_xcal_20b.xsd, oadr_strm_20b.xsd.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from protocols.openadr.parts import (
    child,
    decimal,
    flag,
    instant,
    length,
    number,
    text,
    token,
    whole,
)
from protocols.openadr.parts import tag as _tag
from protocols.vocabulary.errors import LocalProtocolError


class OptType(StrEnum):
    """Whether an event is taken part in (ei:optType)."""

    OPT_IN = "optIn"
    OPT_OUT = "optOut"


@dataclass(frozen=True, slots=True, kw_only=True)
class EiResponse:
    """Whether a payload was acceptable (ei:eiResponse).

    Attributes
    ----------
    response_code : str
        Three digits; see `ResponseCode`.
    response_description : str or None
        For people.
    request_id : str
        requestID of the payload answered, "" where it had none.
    """

    response_code: str = field(metadata=token("ei:responseCode"))
    response_description: str | None = field(default=None, metadata=text("ei:responseDescription"))
    request_id: str = field(metadata=text("pyld:requestID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class QualifiedEventID:
    """One version of one event (ei:qualifiedEventID)."""

    event_id: str = field(metadata=text("ei:eventID"))
    modification_number: int = field(metadata=whole("ei:modificationNumber"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportInterface:
    """Edges of a transport segment (power:transportInterface)."""

    point_of_receipt: str = field(metadata=text("power:pointOfReceipt"))
    point_of_delivery: str = field(metadata=text("power:pointOfDelivery"))


_AREA = "/gml:FeatureCollection/gml:location/gml:Polygon/gml:exterior/gml:LinearRing/gml:posList"


@dataclass(frozen=True, slots=True, kw_only=True)
class EiTarget:
    """To whom something is addressed (ei:EiTargetType); nothing named means everybody.

    Attributes
    ----------
    aggregated_pnode, pnode, service_delivery_point : tuple of str
        Nodes of the market or the grid.
    end_device_asset, meter_asset : tuple of str
        mRIDs; for device classes the name of the class.
    service_area, service_location : tuple of str
        Polygons as gml position lists.
    """

    aggregated_pnode: tuple[str, ...] = field(
        default=(), metadata=text("power:aggregatedPnode[]/power:node")
    )
    end_device_asset: tuple[str, ...] = field(
        default=(), metadata=text("power:endDeviceAsset[]/power:mrid")
    )
    meter_asset: tuple[str, ...] = field(default=(), metadata=text("power:meterAsset[]/power:mrid"))
    pnode: tuple[str, ...] = field(default=(), metadata=text("power:pnode[]/power:node"))
    service_area: tuple[str, ...] = field(default=(), metadata=token(f"emix:serviceArea[]{_AREA}"))
    service_delivery_point: tuple[str, ...] = field(
        default=(), metadata=text("power:serviceDeliveryPoint[]/power:node")
    )
    service_location: tuple[str, ...] = field(
        default=(), metadata=token(f"power:serviceLocation[]{_AREA}")
    )
    transport_interface: tuple[TransportInterface, ...] = field(
        default=(), metadata=child("power:transportInterface[]", TransportInterface)
    )
    group_id: tuple[str, ...] = field(default=(), metadata=text("ei:groupID[]"))
    group_name: tuple[str, ...] = field(default=(), metadata=text("ei:groupName[]"))
    resource_id: tuple[str, ...] = field(default=(), metadata=text("ei:resourceID[]"))
    ven_id: tuple[str, ...] = field(default=(), metadata=text("ei:venID[]"))
    party_id: tuple[str, ...] = field(default=(), metadata=text("ei:partyID[]"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerAttributes:
    """What kind of power a power item is about (power:powerAttributes).

    Attributes
    ----------
    hertz : float
        Nominal frequency, Hz.
    voltage : float
        Nominal voltage, V.
    ac : bool
        True for alternating current.
    """

    hertz: float = field(metadata=decimal("power:hertz"))
    voltage: float = field(metadata=decimal("power:voltage"))
    ac: bool = field(metadata=flag("power:ac"))


ITEMS = {
    _tag(name): name.partition(":")[2]
    for name in (
        "power:voltage", "power:energyApparent", "power:energyReactive", "power:energyReal",
        "power:powerApparent", "power:powerReactive", "power:powerReal",
        "oadr:customUnit", "oadr:current", "oadr:currency", "oadr:currencyPerKWh",
        "oadr:currencyPerKW", "oadr:currencyPerThm", "oadr:frequency", "oadr:Therm",
        "oadr:temperature", "oadr:pulseCount",
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Unit of a signal, baseline or reading (substitution group emix:itemBase).

    Attributes
    ----------
    kind : str
        Name of the element: powerReal, energyReal, voltage, customUnit, pulseCount, ...
    item_description, item_units : str
        For most kinds fixed by the schema, e.g. RealPower and W.
    si_scale_code : str or None
        p, n, micro, m, c, d, none, k, M, G, T; a value times its power of ten is in the unit.
        Absent for pulseCount only.
    pulse_factor : float or None
        kWh per count, for pulseCount only.
    power_attributes : PowerAttributes or None
        For the kinds of power only.
    """

    kind: str
    item_description: str = field(metadata=token("*:itemDescription"))
    item_units: str = field(metadata=token("*:itemUnits"))
    si_scale_code: str | None = field(default=None, metadata=token("scale:siScaleCode"))
    pulse_factor: float | None = field(default=None, metadata=number("oadr:pulseFactor"))
    power_attributes: PowerAttributes | None = field(
        default=None, metadata=child("power:powerAttributes", PowerAttributes)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadControlStateType:
    """One quantity of a load's controller (oadr:oadrLoadControlStateTypeType)."""

    oadr_min: float | None = field(default=None, metadata=number("oadr:oadrMin"))
    oadr_max: float | None = field(default=None, metadata=number("oadr:oadrMax"))
    oadr_current: float = field(metadata=number("oadr:oadrCurrent"))
    oadr_normal: float | None = field(default=None, metadata=number("oadr:oadrNormal"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrLoadControlState:
    """What a load's controller is at (oadr:oadrLoadControlState)."""

    oadr_capacity: LoadControlStateType | None = field(
        default=None, metadata=child("oadr:oadrCapacity", LoadControlStateType)
    )
    oadr_level_offset: LoadControlStateType | None = field(
        default=None, metadata=child("oadr:oadrLevelOffset", LoadControlStateType)
    )
    oadr_percent_offset: LoadControlStateType | None = field(
        default=None, metadata=child("oadr:oadrPercentOffset", LoadControlStateType)
    )
    oadr_set_point: LoadControlStateType | None = field(
        default=None, metadata=child("oadr:oadrSetPoint", LoadControlStateType)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrPayloadResourceStatus:
    """Status of a resource in a report (oadr:oadrPayloadResourceStatus)."""

    oadr_online: bool = field(metadata=flag("oadr:oadrOnline"))
    oadr_manual_override: bool = field(metadata=flag("oadr:oadrManualOverride"))
    oadr_load_control_state: OadrLoadControlState | None = field(
        default=None, metadata=child("oadr:oadrLoadControlState", OadrLoadControlState)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalPayload:
    """Value of a signal or baseline in an interval (ei:signalPayload)."""

    payload_float: float = field(metadata=number("ei:payloadFloat/ei:value"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrReportPayload:
    """Value of a data point in a report (oadr:oadrReportPayload).

    Attributes
    ----------
    r_id : str
        Data point, as the metadata report named it.
    confidence : int or None
        0..100.
    accuracy : float or None
        In the unit of the value.
    payload_float, oadr_payload_resource_status
        Exactly one of them.
    oadr_data_quality : str or None
        E.g. "Quality Good - Non Specific".
    """

    r_id: str = field(metadata=text("ei:rID"))
    confidence: int | None = field(default=None, metadata=whole("ei:confidence"))
    accuracy: float | None = field(default=None, metadata=number("ei:accuracy"))
    payload_float: float | None = field(default=None, metadata=number("ei:payloadFloat/ei:value"))
    oadr_payload_resource_status: OadrPayloadResourceStatus | None = field(
        default=None, metadata=child("oadr:oadrPayloadResourceStatus", OadrPayloadResourceStatus)
    )
    oadr_data_quality: str | None = field(default=None, metadata=token("oadr:oadrDataQuality"))

    def __post_init__(self) -> None:
        """Refuse a payload of two kinds or none."""
        if (self.payload_float is None) == (self.oadr_payload_resource_status is None):
            raise LocalProtocolError(f"data point {self.r_id!r} needs one payload")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Part of a stream (ei:interval).

    Attributes
    ----------
    dtstart : datetime or None
        UTC; absent where it follows from the intervals before.
    duration : timedelta or None
        Absent where the stream says it.
    uid : str or None
        Gives the order within a signal: 0, 1, 2...
    signal_payload : tuple of SignalPayload
        In signals and baselines.
    oadr_report_payload : tuple of OadrReportPayload
        In reports.
    """

    dtstart: datetime | None = field(default=None, metadata=instant("xcal:dtstart/xcal:date-time"))
    duration: timedelta | None = field(default=None, metadata=length("xcal:duration/xcal:duration"))
    uid: str | None = field(default=None, metadata=text("xcal:uid/xcal:text"))
    signal_payload: tuple[SignalPayload, ...] = field(
        default=(), metadata=child("ei:signalPayload[]", SignalPayload)
    )
    oadr_report_payload: tuple[OadrReportPayload, ...] = field(
        default=(), metadata=child("oadr:oadrReportPayload[]", OadrReportPayload)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    """When something is (xcal:properties).

    Attributes
    ----------
    dtstart : datetime
        UTC.
    duration : timedelta
        Zero (PT0S) for an open end.
    startafter : timedelta or None
        Longest delay by which each VEN shifts its own start (xcal:tolerance).
    x_ei_notification : timedelta or None
        How long before dtstart the VEN should know.
    x_ei_ramp_up, x_ei_recovery : timedelta or None
        Transition before the start and after the end; negative lies inside the period.
    """

    dtstart: datetime = field(metadata=instant("xcal:dtstart/xcal:date-time"))
    duration: timedelta = field(metadata=length("xcal:duration/xcal:duration"))
    startafter: timedelta | None = field(
        default=None, metadata=length("xcal:tolerance/xcal:tolerate/xcal:startafter?")
    )
    x_ei_notification: timedelta | None = field(
        default=None, metadata=length("ei:x-eiNotification/xcal:duration")
    )
    x_ei_ramp_up: timedelta | None = field(
        default=None, metadata=length("ei:x-eiRampUp/xcal:duration")
    )
    x_ei_recovery: timedelta | None = field(
        default=None, metadata=length("ei:x-eiRecovery/xcal:duration")
    )
