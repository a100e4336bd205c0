"""Devices and what a server offers them: capability, time, registration, assignments.

IEEE 2030.5-2018, function sets Device Capability, End Device, Function Set Assignments, Time;
ConnectionPoint is of CSIP-AUS 1.2.
"""

from protocols.ieee2030_5.resources.elements import (
    Link,
    ListLink,
    MRIDType,
    PENType,
    Resource,
    SubscribableList,
    SubscribableResource,
    TimeOffsetType,
    TimeType,
    VersionType,
)
from protocols.ieee2030_5.scalars import (
    HexBinary32,
    HexBinary160,
    String32,
    UInt8,
    UInt16,
    UInt32,
    UInt40,
)
from protocols.ieee2030_5.xml import CSIPAUS, element


@element(
    "CustomerAccountListLink DemandResponseProgramListLink DERProgramListLink FileListLink"
    " MessagingProgramListLink PrepaymentListLink ResponseSetListLink TariffProfileListLink"
    " TimeLink UsagePointListLink"
)
class FunctionSetAssignmentsBase(Resource):
    """Where the function sets begin."""

    customer_account_list_link: ListLink | None = None
    demand_response_program_list_link: ListLink | None = None
    der_program_list_link: ListLink | None = None
    file_list_link: ListLink | None = None
    messaging_program_list_link: ListLink | None = None
    prepayment_list_link: ListLink | None = None
    response_set_list_link: ListLink | None = None
    tariff_profile_list_link: ListLink | None = None
    time_link: Link | None = None
    usage_point_list_link: ListLink | None = None


@element("EndDeviceListLink MirrorUsagePointListLink SelfDeviceLink @pollRate")
class DeviceCapability(FunctionSetAssignmentsBase):
    """The first page of a server."""

    end_device_list_link: ListLink | None = None
    mirror_usage_point_list_link: ListLink | None = None
    self_device_link: Link | None = None
    poll_rate: UInt32 | None = None


@element("mRID description version @subscribable")
class FunctionSetAssignments(FunctionSetAssignmentsBase):
    """The function sets that one group of devices is to use."""

    mrid: MRIDType
    description: String32 | None = None
    version: VersionType | None = None
    subscribable: UInt8 | None = None


@element("FunctionSetAssignments @pollRate")
class FunctionSetAssignmentsList(SubscribableList):
    """Function set assignments of a device."""

    function_set_assignments: tuple[FunctionSetAssignments, ...] = ()
    poll_rate: UInt32 | None = None


@element(
    "ConfigurationLink DERListLink deviceCategory DeviceInformationLink DeviceStatusLink"
    " FileStatusLink IPInterfaceListLink lFDI LoadShedAvailabilityListLink LogEventListLink"
    " PowerStatusLink sFDI"
)
class AbstractDevice(SubscribableResource):
    """A device and what it has."""

    configuration_link: Link | None = None
    der_list_link: ListLink | None = None
    device_category: HexBinary32 | None = None
    device_information_link: Link | None = None
    device_status_link: Link | None = None
    file_status_link: Link | None = None
    ip_interface_list_link: ListLink | None = None
    lfdi: HexBinary160 | None = None
    load_shed_availability_list_link: ListLink | None = None
    log_event_list_link: ListLink | None = None
    power_status_link: Link | None = None
    sfdi: UInt40


@element(
    "changedTime enabled FlowReservationRequestListLink FlowReservationResponseListLink"
    " FunctionSetAssignmentsListLink postRate RegistrationLink SubscriptionListLink"
    " csipaus:ConnectionPointLink"
)
class EndDevice(AbstractDevice):
    """A client of the server."""

    changed_time: TimeType
    enabled: bool | None = None
    flow_reservation_request_list_link: ListLink | None = None
    flow_reservation_response_list_link: ListLink | None = None
    function_set_assignments_list_link: ListLink | None = None
    post_rate: UInt32 | None = None
    registration_link: Link | None = None
    subscription_list_link: ListLink | None = None
    connection_point_link: Link | None = None


@element("EndDevice @pollRate")
class EndDeviceList(SubscribableList):
    """Clients that the reader may see."""

    end_device: tuple[EndDevice, ...] = ()
    poll_rate: UInt32 | None = None


@element("dateTimeRegistered pIN @pollRate")
class Registration(Resource):
    """Since when a device is known, and its PIN with check digit."""

    date_time_registered: TimeType
    pin: UInt32
    poll_rate: UInt32 | None = None


@element(
    "currentTime dstEndTime dstOffset dstStartTime localTime quality tzOffset @pollRate",
)
class Time(Resource):
    """The server's clock: s since 1970, UTC."""

    current_time: TimeType
    dst_end_time: TimeType
    dst_offset: TimeOffsetType
    dst_start_time: TimeType
    local_time: TimeType | None = None
    quality: UInt8
    tz_offset: TimeOffsetType
    poll_rate: UInt32 | None = None


@element("csipaus:connectionPointId", namespace=CSIPAUS)
class ConnectionPoint(Resource):
    """Where the site is connected (Australian NMI)."""

    connection_point_id: String32


@element(
    "createdDateTime details extendedData functionSet logEventCode logEventID logEventPEN profileID"
)
class LogEvent(Resource):
    """Something that happened at a device."""

    created_date_time: TimeType
    details: String32 | None = None
    extended_data: UInt32 | None = None
    function_set: UInt8
    log_event_code: UInt8
    log_event_id: UInt16
    log_event_pen: PENType
    profile_id: UInt8


@element("LogEvent @pollRate")
class LogEventList(SubscribableList):
    """What happened at a device."""

    log_event: tuple[LogEvent, ...] = ()
    poll_rate: UInt32 | None = None
