"""What clients write about devices: registration, what a resource says of itself, logs.

Each function takes the visit and the decoded body, changes the state, and returns where the
result is. It refuses before it changes anything.
"""

from dataclasses import dataclass, replace

from protocols.ieee2030_5.identity import sfdi_of_lfdi
from protocols.ieee2030_5.resources.devices import ConnectionPoint, EndDevice, LogEvent
from protocols.ieee2030_5.resources.elements import Resource
from protocols.ieee2030_5.server.nmi import is_nmi
from protocols.ieee2030_5.server.refusal import RESOURCE_LIMIT, RefusedError, not_found
from protocols.ieee2030_5.server.settings import DEVICES_MAX, LOG_MAX
from protocols.ieee2030_5.server.state import Device, Entry, Told
from protocols.ieee2030_5.server.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a write did.

    Attributes
    ----------
    location : str
        Address of what was written; "" for none to tell.
    created : bool
        Whether it is new.
    """

    location: str = ""
    created: bool = False


LFDI_DIGITS = 40


def register(visit: Visit, wanted: EndDevice) -> Device:
    """Register a device: the client's own, or for an aggregator one it manages.

    Raises
    ------
    RefusedError
        With 403 for an identity that is not the certificate's, 409 if it is known, 400 if LFDI
        and SFDI do not agree.

    Notes
    -----
    IEEE 2030.5-2018, 8.5; CSIP 5.2.5: whom a client may speak for is told by its certificate.
    """
    caller = visit.caller
    lfdi = wanted.lfdi
    if lfdi is None:
        if wanted.sfdi != sfdi_of_lfdi(caller.lfdi):
            raise RefusedError(403, "SFDI is not the certificate's")
        lfdi = caller.lfdi
    _check_identity(lfdi, wanted.sfdi)
    if lfdi != caller.lfdi and not caller.aggregator:
        raise RefusedError(403, f"LFDI {lfdi} is not the certificate's")
    if visit.state.devices.where("lfdi", lfdi):
        raise RefusedError(409, f"LFDI {lfdi} is registered")
    if not visit.settings.open_registration:
        raise RefusedError(403, "devices are registered by the operator only")
    if visit.state.devices.count("owner", caller.lfdi) >= DEVICES_MAX:
        raise RefusedError(403, f"{DEVICES_MAX} devices", reason=RESOURCE_LIMIT)
    made = Device(
        number=visit.state.number("device"),
        lfdi=lfdi,
        sfdi=wanted.sfdi,
        owner=caller.lfdi,
        changed_at=visit.now,
        registered_at=visit.now,
        category=wanted.device_category,
    )
    return visit.state.devices.put(made.number, made)


def change_device(visit: Visit, wanted: EndDevice) -> Written:
    """Change what a client may change of its device: its category.

    Raises
    ------
    RefusedError
        With 403 for another identity.
    """
    device = visit.caller.device(visit.numbers[0])
    if wanted.lfdi not in {None, device.lfdi} or wanted.sfdi != device.sfdi:
        raise RefusedError(403, "a device's identity cannot be changed")
    if wanted.device_category not in {None, device.category}:
        changed = replace(device, category=wanted.device_category, changed_at=visit.now)
        visit.state.devices.put(device.number, changed)
    return Written()


def tell(visit: Visit, kind: str, resource: Resource) -> Written:
    """Take what a device says of its resource."""
    device = visit.caller.device(visit.numbers[0])
    if visit.numbers[1] != 1:
        raise not_found()
    href = f"/edev/{device.number}/der/1/{kind}"
    told = Told(
        device=device.number, kind=kind, resource=replace(resource, href=href), at=visit.now
    )
    visit.state.told.put(f"{device.number}/{kind}", told)
    return Written()


def connect(visit: Visit, wanted: ConnectionPoint) -> Written:
    """Take where a device's site is connected.

    Raises
    ------
    RefusedError
        With 400 if it is no identifier of a connection point, 404 without the extension.

    Notes
    -----
    CSIP-AUS 1.2, ConnectionPoint.
    """
    device = visit.caller.device(visit.numbers[0])
    if not visit.settings.csip_aus:
        raise not_found()
    if not is_nmi(wanted.connection_point_id):
        raise RefusedError(400, f"{wanted.connection_point_id!r} is no NMI")
    changed = replace(device, connection_point=wanted.connection_point_id)
    visit.state.devices.put(device.number, changed)
    return Written(location=f"/edev/{device.number}/cp")


def log(visit: Visit, event: LogEvent) -> Written:
    """Take a log event; the oldest goes when there are too many."""
    device = visit.caller.device(visit.numbers[0])
    kept = sorted(visit.state.entries.where("device", device.number), key=lambda e: e.number)
    for old in kept[: max(len(kept) - LOG_MAX + 1, 0)]:
        visit.state.entries.drop(old.number)
    number = visit.state.number("entry")
    href = f"/edev/{device.number}/lel/{number}"
    entry = Entry(number=number, device=device.number, resource=replace(event, href=href))
    visit.state.entries.put(number, entry)
    return Written(location=href, created=True)


def _check_identity(lfdi: str, sfdi: int) -> None:
    if len(lfdi) != LFDI_DIGITS:
        raise RefusedError(400, f"LFDI has {len(lfdi)} digits")
    if sfdi != sfdi_of_lfdi(lfdi):
        raise RefusedError(400, f"SFDI {sfdi} does not follow from LFDI {lfdi}")
