"""What the server knows and must not forget, as records on shelves.

Derived facts (an event's status, a list's order, what a client may see) are computed from these
and from the time, never stored. Numbers are never used twice, so an old address never means
something new.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocols.ieee2030_5.resources.der import DefaultDERControl, DERControl, DERCurve
from protocols.ieee2030_5.resources.devices import LogEvent
from protocols.ieee2030_5.resources.elements import Resource
from protocols.ieee2030_5.resources.messages import Subscription
from protocols.ieee2030_5.resources.metering import MirrorMeterReading, MirrorUsagePoint
from protocols.ieee2030_5.server.shelf import Groups, Shelf
from protocols.sansio.records import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a certificate may do.

    Attributes
    ----------
    lfdi : str
        Of the certificate.
    aggregator : bool
        True if it may register and speak for devices with other LFDIs.
    granted : bool
        False shuts it out.
    """

    lfdi: str
    aggregator: bool = False
    granted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """An EndDevice.

    Attributes
    ----------
    number : int
        In its address.
    lfdi, sfdi : str, int
        Its identity.
    owner : str
        LFDI of the certificate that speaks for it; its own or an aggregator's.
    changed_at, registered_at : int
        s since 1970.
    category : int or None
        Device category, bit map.
    enabled : bool
        As EndDevice.enabled.
    pin : int or None
        Registration PIN with its check digit.
    post_rate_s : int or None
        What the operator set for this device.
    assignments : tuple of int
        Numbers of its function set assignments.
    connection_point : str or None
        CSIP-AUS: where its site is connected.
    """

    number: int
    lfdi: str
    sfdi: int
    owner: str
    changed_at: int
    registered_at: int
    category: int | None = None
    enabled: bool = True
    pin: int | None = None
    post_rate_s: int | None = None
    assignments: tuple[int, ...] = ()
    connection_point: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A FunctionSetAssignments: programs that a group of devices is to follow."""

    number: int
    mrid: str
    name: str
    programs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A DERProgram with its default control."""

    number: int
    mrid: str
    name: str
    primacy: int
    default: DefaultDERControl


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A DERControl as it was issued.

    Attributes
    ----------
    number, program : int
        In its address.
    resource : DERControl
        As issued; its EventStatus is not used.
    cancelled_at : int or None
        When it was cancelled, s since 1970.
    winding_down : bool
        Whether devices are to end it at a random moment (status 3).
    superseded_at : int or None
        When it was superseded: what has once been is not undone by what becomes of the other.
    """

    number: int
    program: int
    resource: DERControl
    cancelled_at: int | None = None
    winding_down: bool = False
    superseded_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A DERCurve of a program."""

    number: int
    program: int
    resource: DERCurve


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a device said of one of its resources: its capability, settings, status, ...

    Attributes
    ----------
    device : int
        Number of the device.
    kind : str
        Last part of the address.
    resource : Resource
        Its words; None never.
    at : int
        When it said so, s since 1970.
    """

    device: int
    kind: str
    resource: Resource
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """A MirrorUsagePoint without its values.

    Attributes
    ----------
    number : int
        In its address.
    owner : str
        LFDI of the certificate that made it.
    resource : MirrorUsagePoint
        With the reading types and without readings.
    """

    number: int
    owner: str
    resource: MirrorUsagePoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The last values of one quantity of a mirror."""

    mirror: int
    resource: MirrorMeterReading
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response of a device to a control; said again, it is the same one."""

    number: int
    device: int
    program: int
    subject: str
    status: int
    at: int
    created_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A log event of a device."""

    number: int
    device: int
    resource: LogEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """A subscription and what is owed to it.

    Attributes
    ----------
    number, device : int
        In its address.
    owner : str
        LFDI of the certificate that made it.
    resource : Subscription
        As made.
    digest : str
        Of the content last promised; a change of it is news.
    pending : bool
        True while the last news has not been taken.
    failing_since : int or None
        First failure in a row, s since 1970.
    end : int
        0 while it lasts; else the status (1..4) of the notification that ends it.
    """

    number: int
    device: int
    owner: str
    resource: Subscription
    digest: str
    pending: bool = False
    failing_since: int | None = None
    end: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A poll rate the operator set for what a client reads.

    Attributes
    ----------
    owner : str
        LFDI of the client's certificate.
    kind : str
        Resource, by the standard's name.
    seconds : int
        1 or more.
    """

    owner: str
    kind: str
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbering:
    """The next number of a kind."""

    next: int


_DEVICE: Final[Groups[Device]] = {
    "owner": lambda device: (device.owner,),
    "lfdi": lambda device: (device.lfdi,),
    "assignment": lambda device: device.assignments,
}
_ASSIGNMENT: Final[Groups[Assignment]] = {"program": lambda found: found.programs}
_CONTROL: Final[Groups[Control]] = {
    "program": lambda control: (control.program,),
    "mrid": lambda control: (control.resource.mrid,),
}
_CURVE: Final[Groups[Curve]] = {"program": lambda curve: (curve.program,)}
_TOLD: Final[Groups[Told]] = {"device": lambda told: (told.device,)}
_MIRROR: Final[Groups[Mirror]] = {
    "owner": lambda mirror: (mirror.owner,),
    "device": lambda mirror: (mirror.resource.device_lfdi,),
    "meter": lambda mirror: [meter.mrid for meter in mirror.resource.mirror_meter_reading],
    "mrid": lambda mirror: (mirror.resource.mrid,),
}
_LATEST: Final[Groups[Latest]] = {"mirror": lambda latest: (latest.mirror,)}
_ANSWER: Final[Groups[Answer]] = {
    "device": lambda answer: (answer.device,),
    "subject": lambda answer: (answer.subject,),
}
_ENTRY: Final[Groups[Entry]] = {"device": lambda entry: (entry.device,)}
_SUBSCRIBER: Final[Groups[Subscriber]] = {"device": lambda found: (found.device,)}
_RATE: Final[Groups[Rate]] = {"owner": lambda rate: (rate.owner,)}


class State:
    """All shelves.

    Parameters
    ----------
    records : Mapping
        What the shell has stored.

    Raises
    ------
    LocalProtocolError
        If a record cannot be read.
    """

    def __init__(self, records: Mapping[str, bytes]) -> None:
        noted: list[Change] = []
        self._noted = noted
        self.access = Shelf("access", Access, changes=noted)
        self.devices = Shelf("device", Device, changes=noted, groups=_DEVICE)
        self.assignments = Shelf("assignment", Assignment, changes=noted, groups=_ASSIGNMENT)
        self.programs = Shelf("program", Program, changes=noted)
        self.controls = Shelf("control", Control, changes=noted, groups=_CONTROL)
        self.curves = Shelf("curve", Curve, changes=noted, groups=_CURVE)
        self.told = Shelf("told", Told, changes=noted, groups=_TOLD)
        self.mirrors = Shelf("mirror", Mirror, changes=noted, groups=_MIRROR)
        self.latest = Shelf("latest", Latest, changes=noted, groups=_LATEST)
        self.answers = Shelf("answer", Answer, changes=noted, groups=_ANSWER)
        self.entries = Shelf("entry", Entry, changes=noted, groups=_ENTRY)
        self.subscribers = Shelf("subscriber", Subscriber, changes=noted, groups=_SUBSCRIBER)
        self.rates = Shelf("rate", Rate, changes=noted, groups=_RATE)
        self.numbering = Shelf("number", Numbering, changes=noted)
        for shelf in vars(self).values():
            if isinstance(shelf, Shelf):
                shelf.load(records)

    def number(self, kind: str) -> int:
        """Take a number that no other of its kind ever had, from 1."""
        last = self.numbering.get(kind)
        taken = 1 if last is None else last.next
        self.numbering.put(kind, Numbering(next=taken + 1))
        return taken

    def changes(self) -> tuple[Change, ...]:
        """Take what has changed since the last call."""
        taken = tuple(self._noted)
        self._noted.clear()
        return taken
