"""The port between the cycle and any driver, and the ports a driver itself stands on.

``cycle`` calls a :class:`Driver`; ``main`` gives each driver its endpoint, its clock and
its lease book (:mod:`edge_agent.drivers.lease_book`). Nothing here does anything.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from protocols.vocabulary.identifiers import PointId, ResourceId
from protocols.vocabulary.measurement import Measurement
from protocols.vocabulary.resource import Resource
from protocols.vocabulary.setpoint import Setpoint

Reading = tuple[PointId, Measurement]


class WriteState(enum.Enum):
    """How a write ended. Only DONE means that the device said, on reading back, it did it."""

    DONE = "done"
    REFUSED = "refused"
    UNCONFIRMED = "unconfirmed"
    TIMEOUT = "timeout"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOutcome:
    """What became of a write or a release.

    Attributes
    ----------
    resource_id : ResourceId
        The resource.
    sequence : int
        The setpoint's; 0 for a release.
    state : WriteState
        How it ended.
    read_back_w : float or None
        The power the device says is set, W, generator frame; None where it says none.
    detail : str
        For people: the refused property, the mode, why it is not confirmed.
    finished_at : datetime
        Aware UTC.
    """

    resource_id: ResourceId
    sequence: int
    state: WriteState
    read_back_w: float | None
    detail: str
    finished_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDevice:
    """A device seen on the network, configured or not.

    Attributes
    ----------
    address, eoj : str
        Where, and which object, for example ``"027D01"``.
    node_id : str
        Identification number of its node in hex; empty if the node states none.
    device_id : str
        The configured id; empty if the configuration does not name it.
    """

    address: str
    eoj: str
    node_id: str
    device_id: str


class Reader(Protocol):
    """Gives what the devices last said."""

    async def read(self, deadline_s: float) -> list[Reading]:
        """Ask all devices that answered lately; return what arrived since the last read.

        Waits at most ``deadline_s``. ``measured_at`` is when the answer came; a value that
        was already returned is not returned again.
        """


class Writer(Protocol):
    """Moves devices. Only ``cycle`` calls it."""

    async def write(self, setpoint: Setpoint) -> WriteOutcome:
        """Lease a power to a device and read it back; it is released on expiry."""

    async def release(self, resource_id: ResourceId) -> WriteOutcome:
        """Give the device back to its own default, or to the limit set as its reversion."""


class Finder(Protocol):
    """Knows the devices."""

    async def discover(self) -> tuple[FoundDevice, ...]:
        """Look for devices now, by the group and by the configured list."""

    def resources(self) -> tuple[Resource, ...]:
        """One per configured device, in the configuration's order, as far as known."""

    async def run(self) -> None:
        """Work in the background until cancelled; everything else needs it to run."""


class Driver(Reader, Writer, Finder, Protocol):
    """A family of devices on one protocol."""


class DatagramEndpoint(Protocol):
    """What moves the bytes: ``transports.udp.UdpEndpoint``, or a fake network."""

    def listen(self, receiver: Callable[[bytes, str], None]) -> None:
        """Call the receiver with (bytes, source address) for each datagram."""

    def send(self, data: bytes, address: str) -> None:
        """Send to one node."""

    def multicast(self, data: bytes) -> None:
        """Send to the group."""

    def close(self) -> None:
        """Let go of the port."""
