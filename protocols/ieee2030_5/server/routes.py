"""The tree as one table: which addresses there are, and what can be done at each."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from protocols.ieee2030_5.resources.der import (
    DERAvailability,
    DERCapability,
    DERSettings,
    DERStatus,
)
from protocols.ieee2030_5.resources.devices import ConnectionPoint, EndDevice, LogEvent
from protocols.ieee2030_5.resources.elements import Resource
from protocols.ieee2030_5.resources.messages import Response, Subscription
from protocols.ieee2030_5.resources.metering import (
    MirrorMeterReading,
    MirrorMeterReadingList,
    MirrorUsagePoint,
)
from protocols.ieee2030_5.server import (
    pages_devices,
    pages_programs,
    subscriptions,
    writes_devices,
    writes_programs,
)
from protocols.ieee2030_5.server.state import Device
from protocols.ieee2030_5.server.visit import Visit
from protocols.ieee2030_5.server.writes_devices import Written
from protocols.ieee2030_5.xml import decode, table_of
from protocols.sansio.xml import parse_xml

Get = Callable[[Visit], Resource]
Write = Callable[[Visit, bytes], Written]
Delete = Callable[[Visit], None]

_NUMBER: Final = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What can be done at an address; None is answered with 405."""

    get: Get
    put: Write | None = None
    post: Write | None = None
    delete: Delete | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods there are."""
        there = {"PUT": self.put, "POST": self.post, "DELETE": self.delete}
        return ("GET", "HEAD", *(name for name, found in there.items() if found is not None))


def key_of(path: str) -> tuple[str, tuple[int, ...]]:
    """Shape of a path, "#" for each number, and the numbers."""
    numbers: list[int] = []
    parts: list[str] = []
    for part in path.split("/"):
        if _NUMBER.fullmatch(part):
            numbers.append(int(part))
            parts.append("#")
        else:
            parts.append(part)
    return "/".join(parts), tuple(numbers)


def _meters(visit: Visit, body: bytes) -> Written:
    """Take one quantity or a list of them."""
    if parse_xml(body).tag == table_of(MirrorMeterReadingList).tag:
        readings = decode(body, MirrorMeterReadingList).mirror_meter_reading
    else:
        readings = (decode(body, MirrorMeterReading),)
    return writes_programs.read_meters(visit, readings)


def _told(kind: str, said: type[Resource]) -> Route:
    return Route(
        get=lambda visit: pages_devices.told(visit, kind),
        put=lambda visit, body: writes_devices.tell(visit, kind, decode(body, said)),
    )


def routes(render: subscriptions.Render, welcome: Callable[[Device], None]) -> Mapping[str, Route]:
    """All addresses.

    Parameters
    ----------
    render : callable
        What a client reads at a path, for subscriptions.
    welcome : callable
        Is given each device that a client has registered.
    """
    return {**_devices(welcome), **_of_device(render), **_programs(), **_mirrors()}


def _devices(welcome: Callable[[Device], None]) -> dict[str, Route]:
    def register(visit: Visit, body: bytes) -> Written:
        device = writes_devices.register(visit, decode(body, EndDevice))
        welcome(device)
        return Written(location=f"/edev/{device.number}", created=True)

    return {
        "/dcap": Route(get=pages_devices.device_capability),
        "/tm": Route(get=pages_devices.time),
        "/edev": Route(get=pages_devices.end_device_list, post=register),
        "/edev/#": Route(
            get=pages_devices.end_device,
            put=lambda v, body: writes_devices.change_device(v, decode(body, EndDevice)),
        ),
    }


def _of_device(render: subscriptions.Render) -> dict[str, Route]:
    der = "/edev/#/der/#"
    return {
        "/edev/#/rg": Route(get=pages_devices.registration),
        "/edev/#/cp": Route(
            get=pages_devices.connection_point,
            put=lambda v, body: writes_devices.connect(v, decode(body, ConnectionPoint)),
            post=lambda v, body: writes_devices.connect(v, decode(body, ConnectionPoint)),
        ),
        "/edev/#/fsa": Route(get=pages_devices.assignment_list),
        "/edev/#/fsa/#": Route(get=pages_devices.assignment),
        "/edev/#/fsa/#/derp": Route(get=pages_programs.program_list),
        "/edev/#/der": Route(get=pages_devices.der_list),
        der: Route(get=pages_devices.der),
        f"{der}/dercap": _told("dercap", DERCapability),
        f"{der}/derg": _told("derg", DERSettings),
        f"{der}/ders": _told("ders", DERStatus),
        f"{der}/dera": _told("dera", DERAvailability),
        "/edev/#/lel": Route(
            get=pages_devices.log_event_list,
            post=lambda v, body: writes_devices.log(v, decode(body, LogEvent)),
        ),
        "/edev/#/lel/#": Route(get=pages_devices.log_event),
        "/edev/#/sub": Route(
            get=pages_devices.subscription_list,
            post=lambda v, body: subscriptions.subscribe(v, decode(body, Subscription), render),
        ),
        "/edev/#/sub/#": Route(get=pages_devices.subscription, delete=subscriptions.unsubscribe),
    }


def _programs() -> dict[str, Route]:
    return {
        "/derp/#": Route(get=pages_programs.program),
        "/derp/#/derc": Route(get=pages_programs.control_list),
        "/derp/#/actderc": Route(get=pages_programs.active_control_list),
        "/derp/#/derc/#": Route(get=pages_programs.control),
        "/derp/#/dderc": Route(get=pages_programs.default_control),
        "/derp/#/dc": Route(get=pages_programs.curve_list),
        "/derp/#/dc/#": Route(get=pages_programs.curve),
        "/derp/#/rsp": Route(
            get=pages_programs.response_list,
            post=lambda v, body: writes_programs.respond(v, decode(body, Response)),
        ),
        "/derp/#/rsp/#": Route(get=pages_programs.response),
    }


def _mirrors() -> dict[str, Route]:
    return {
        "/mup": Route(
            get=pages_programs.mirror_list,
            post=lambda v, body: writes_programs.mirror(v, decode(body, MirrorUsagePoint)),
        ),
        "/mup/#": Route(
            get=pages_programs.mirror, post=_meters, delete=writes_programs.remove_mirror
        ),
    }
