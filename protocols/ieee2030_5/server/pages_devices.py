"""Pages of the tree about devices: capability, time, end devices and what hangs on them."""

from typing import Final

from protocols.ieee2030_5.resources.der import DER, DERList
from protocols.ieee2030_5.resources.devices import (
    ConnectionPoint,
    DeviceCapability,
    EndDevice,
    EndDeviceList,
    FunctionSetAssignments,
    FunctionSetAssignmentsList,
    LogEvent,
    LogEventList,
    Registration,
    Time,
)
from protocols.ieee2030_5.resources.elements import Link, ListLink, Resource
from protocols.ieee2030_5.resources.messages import Subscription, SubscriptionList
from protocols.ieee2030_5.server.paging import descending
from protocols.ieee2030_5.server.refusal import not_found
from protocols.ieee2030_5.server.state import Assignment, Device, Subscriber
from protocols.ieee2030_5.server.visit import Visit

SUBSCRIBABLE: Final = 1
"""Subscriptions without conditions."""
_TIME_QUALITY: Final = 4
"""Level 4: obtained from a source with a known accuracy, such as NTP."""


def device_capability(visit: Visit) -> Resource:
    """First page.

    Notes
    -----
    IEEE 2030.5-2018, 9.2 (device capability).
    """
    mirrors = visit.state.mirrors.count("owner", visit.caller.lfdi)
    return DeviceCapability(
        href="/dcap",
        poll_rate=visit.rate_s("DeviceCapability"),
        time_link=Link(href="/tm"),
        end_device_list_link=ListLink(href="/edev", all=len(visit.caller.devices)),
        mirror_usage_point_list_link=ListLink(href="/mup", all=mirrors),
    )


def time(visit: Visit) -> Resource:
    """Server's clock; events run on it.

    Notes
    -----
    IEEE 2030.5-2018, 10.3 (time). The local time follows from the others and is left out.
    """
    zone = visit.settings.zone(visit.now)
    return Time(
        href="/tm",
        poll_rate=visit.rate_s("Time"),
        current_time=visit.now,
        dst_start_time=zone.dst_start,
        dst_end_time=zone.dst_end,
        dst_offset=zone.dst_offset_s,
        tz_offset=zone.offset_s,
        quality=_TIME_QUALITY,
    )


def end_device_list(visit: Visit) -> Resource:
    """Devices of the caller, by SFDI."""
    devices = visit.page.of(visit.caller.devices)
    return EndDeviceList(
        href="/edev",
        subscribable=SUBSCRIBABLE,
        poll_rate=visit.rate_s("EndDeviceList"),
        all=len(visit.caller.devices),
        results=len(devices),
        end_device=tuple(_end_device(visit, device) for device in devices),
    )


def end_device(visit: Visit) -> Resource:
    """One device."""
    return _end_device(visit, visit.caller.device(visit.numbers[0]))


def registration(visit: Visit) -> Resource:
    """When a device was registered, and its PIN.

    Notes
    -----
    IEEE 2030.5-2018, 8.5 (registration).
    """
    device = visit.caller.device(visit.numbers[0])
    if device.pin is None:
        raise not_found()
    return Registration(
        href=f"/edev/{device.number}/rg",
        poll_rate=visit.rate_s("Registration"),
        date_time_registered=device.registered_at,
        pin=device.pin,
    )


def connection_point(visit: Visit) -> Resource:
    """Where a device's site is connected."""
    device = visit.caller.device(visit.numbers[0])
    if device.connection_point is None or not visit.settings.csip_aus:
        raise not_found()
    return ConnectionPoint(
        href=f"/edev/{device.number}/cp", connection_point_id=device.connection_point
    )


def assignment_list(visit: Visit) -> Resource:
    """List the function set assignments of a device, the greatest mRID first."""
    device = visit.caller.device(visit.numbers[0])
    there = [a for n in device.assignments if (a := visit.state.assignments.get(n)) is not None]
    there.sort(key=lambda assignment: descending(assignment.mrid))
    shown = visit.page.of(there)
    return FunctionSetAssignmentsList(
        href=f"/edev/{device.number}/fsa",
        subscribable=SUBSCRIBABLE,
        poll_rate=visit.rate_s("FunctionSetAssignmentsList"),
        all=len(there),
        results=len(shown),
        function_set_assignments=tuple(_assignment(device, found) for found in shown),
    )


def assignment(visit: Visit) -> Resource:
    """One function set assignment."""
    number, which = visit.numbers
    return _assignment(visit.caller.device(number), visit.caller.assignment(number, which))


def der_list(visit: Visit) -> Resource:
    """Resources of a device: one."""
    device = visit.caller.device(visit.numbers[0])
    shown = visit.page.of((_der(device),))
    return DERList(
        href=f"/edev/{device.number}/der",
        poll_rate=visit.rate_s("DERList"),
        all=1,
        results=len(shown),
        der=shown,
    )


def der(visit: Visit) -> Resource:
    """Show the resource of a device."""
    if visit.numbers[1] != 1:
        raise not_found()
    return _der(visit.caller.device(visit.numbers[0]))


def told(visit: Visit, kind: str) -> Resource:
    """Show what a device last said of its resource."""
    device = visit.caller.device(visit.numbers[0])
    found = visit.state.told.get(f"{device.number}/{kind}")
    if found is None or visit.numbers[1] != 1:
        raise not_found()
    return found.resource


def log_event_list(visit: Visit) -> Resource:
    """Log events of a device, the newest first."""
    device = visit.caller.device(visit.numbers[0])
    entries = [
        entry
        for entry in visit.state.entries.where("device", device.number)
        if visit.page.after is None or entry.resource.created_date_time > visit.page.after
    ]
    entries.sort(key=lambda e: (-e.resource.created_date_time, -e.number))
    shown = visit.page.of(entries)
    return LogEventList(
        href=f"/edev/{device.number}/lel",
        poll_rate=visit.rate_s("LogEventList"),
        all=len(entries),
        results=len(shown),
        log_event=tuple(entry.resource for entry in shown),
    )


def log_event(visit: Visit) -> LogEvent:
    """One log event."""
    device = visit.caller.device(visit.numbers[0])
    found = visit.state.entries.get(visit.numbers[1])
    if found is None or found.device != device.number:
        raise not_found()
    return found.resource


def subscription_list(visit: Visit) -> Resource:
    """Subscriptions of a client, kept at its own device."""
    device = visit.caller.device(visit.numbers[0])
    mine = [s for s in visit.state.subscribers.where("device", device.number) if not s.end]
    shown = visit.page.of(sorted(mine, key=lambda s: s.number))
    return SubscriptionList(
        href=f"/edev/{device.number}/sub",
        poll_rate=visit.rate_s("SubscriptionList"),
        all=len(mine),
        results=len(shown),
        subscription=tuple(found.resource for found in shown),
    )


def subscription(visit: Visit) -> Subscription:
    """One subscription."""
    return subscriber(visit).resource


def subscriber(visit: Visit) -> Subscriber:
    """One subscription, with what is owed to it."""
    device = visit.caller.device(visit.numbers[0])
    found = visit.state.subscribers.get(visit.numbers[1])
    if found is None or found.device != device.number or found.end:
        raise not_found()
    return found


def may_subscribe(device: Device, caller_lfdi: str) -> bool:
    """Whether subscriptions hang on a device: on the client's own, not on those it manages."""
    return device.lfdi == caller_lfdi


def _end_device(visit: Visit, device: Device) -> EndDevice:
    base = f"/edev/{device.number}"
    of_client = may_subscribe(device, visit.caller.lfdi)
    manager = of_client and visit.caller.aggregator
    return EndDevice(
        href=base,
        subscribable=0,
        changed_time=device.changed_at,
        der_list_link=None if manager else ListLink(href=f"{base}/der", all=1),
        device_category=device.category,
        enabled=device.enabled,
        function_set_assignments_list_link=ListLink(
            href=f"{base}/fsa", all=len(device.assignments)
        ),
        lfdi=device.lfdi,
        log_event_list_link=ListLink(href=f"{base}/lel"),
        post_rate=device.post_rate_s or visit.settings.post_rate_s,
        registration_link=None if device.pin is None else Link(href=f"{base}/rg"),
        sfdi=device.sfdi,
        subscription_list_link=ListLink(href=f"{base}/sub") if of_client else None,
        connection_point_link=(
            Link(href=f"{base}/cp") if visit.settings.csip_aus and not manager else None
        ),
    )


def _assignment(device: Device, found: Assignment) -> FunctionSetAssignments:
    base = f"/edev/{device.number}/fsa/{found.number}"
    return FunctionSetAssignments(
        href=base,
        mrid=found.mrid,
        description=found.name,
        subscribable=0,
        time_link=Link(href="/tm"),
        der_program_list_link=ListLink(href=f"{base}/derp", all=len(found.programs)),
    )


def _der(device: Device) -> DER:
    base = f"/edev/{device.number}/der/1"
    return DER(
        href=base,
        subscribable=0,
        der_availability_link=Link(href=f"{base}/dera"),
        der_capability_link=Link(href=f"{base}/dercap"),
        der_settings_link=Link(href=f"{base}/derg"),
        der_status_link=Link(href=f"{base}/ders"),
    )
