"""The port between the cycle and any driver, and the ports a driver itself stands on.

``cycle`` calls a :class:`Driver`; ``main`` gives each driver its endpoint, its clock and
its lease book (:mod:`edge_agent.drivers.lease_book`). Nothing here does anything.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

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
    address : str
        Where, in the syntax of the configuration.
    unit : str
        Which of those at the address: ``"027D01"``, ``"1"``, ``"device,1234"`` or
        ``"connector 1"``.
    identity : str
        What stays when the address changes; empty if the device states none.
    device_id : str
        The configured id; empty if the configuration does not name it.
    about : str
        Maker and model as the device states them, for people.
    """

    address: str
    unit: str
    identity: str
    device_id: str
    about: str


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

    def revert_to(self, resource_id: ResourceId, power_w: float | None) -> None:
        """Say what release means for a device from now on (settled 6).

        Parameters
        ----------
        resource_id : ResourceId
            The device.
        power_w : float or None
            None: the device's own default. A power in W, generator frame: a limit in force
            that the default would break; it is written instead, without a lease, also by the
            watchdog.
        """


class Finder(Protocol):
    """Knows the devices."""

    async def discover(self) -> tuple[FoundDevice, ...]:
        """Look for devices now, by the group and by the configured list."""

    def resources(self) -> tuple[Resource, ...]:
        """One per configured device, in the configuration's order, as far as known."""

    async def run(self) -> None:
        """Work in the background until cancelled; everything else needs it to run."""


@runtime_checkable
class FastReader(Protocol):
    """Reads one device out of turn, for the loop that cannot wait for the next second.

    A driver that can do this has it beside :class:`Driver`; one that cannot is read by its
    ordinary polls only.
    """

    async def read_fast(self, resource_id: ResourceId) -> list[Reading]:
        """Ask a device now for what it measures fastest: frequency, and power if it comes along.

        Returns within the device's own time-out; an empty list says that no answer came.
        ``measured_at`` is when the answer came.
        """


class Driver(Reader, Writer, Finder, Protocol):
    """A family of devices on one protocol, or all families of a site."""


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
