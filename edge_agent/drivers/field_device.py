"""One device of any protocol, as its worker and its lease see it.

A family of devices (ECHONET Lite, SunSpec, BACnet, OCPP) brings three parts per device:
contact, reading and orders. :mod:`edge_agent.drivers.worker` decides when to call them,
:mod:`edge_agent.drivers.lease` what is leased until when; both know no protocol. Calls come
one at a time, always from the device's own worker. Powers in W, generator frame.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from edge_agent.drivers.lease_book import LeasedDevice
from edge_agent.drivers.port import FoundDevice, Reading, WriteState
from protocols.templates.template import Writes
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.resource import Resource

UNLIMITED: Final = Writes(flash=False, budget_per_day=None, interval_s=0.0)
"""Settings in memory that does not wear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a device is to be told, in its own protocol's words. Nothing has been sent yet.

    Attributes
    ----------
    power_w : float or None
        What it amounts to; None if the device decides itself (a release).
    words : object
        The family's own plan: frozen, comparable, never looked into by others.
    runs_out : bool
        The device ends it by itself (timer, amount): it must be sent again before that.
    detail : str
        For people.
    writes : int
        How many writes of the device's settings it costs, counted against its budget.
    """

    power_w: float | None
    words: object
    runs_out: bool
    detail: str
    writes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """How an order ended: state, and the detail for people."""

    state: WriteState
    detail: str


class DeviceContact(Protocol):
    """Who and where the device is."""

    async def meet(self) -> bool:
        """Identify and learn the device where it is supposed to be.

        Returns
        -------
        bool
            False if another device answers there: it has moved and must be searched for.

        Raises
        ------
        DeviceError
            If nobody answers, or not as such a device does.
        """

    async def lose(self) -> None:
        """Let go of what ties us to a device that fell silent, such as its connection."""

    def go_to(self, address: str) -> None:
        """Take note that the device was found at another address; it is met there next."""

    def describe(self) -> FoundDevice:
        """Address, identity and configured id as known now."""


class DeviceReadings(Protocol):
    """What the device says of itself."""

    async def poll_fast(self) -> None:
        """Ask for what changes each second; raises DeviceError if there is no answer."""

    async def poll_slow(self) -> bool:
        """Ask for the rest; False if another device answers in its place.

        Raises
        ------
        DeviceError
            If there is no answer.
        """

    def take(self) -> list[Reading]:
        """Measurements that arrived since the last call, ``measured_at`` when they did."""

    def resource(self) -> Resource:
        """Describe the resource as far as known; the configuration wins."""


class DeviceOrders(Protocol):
    """What the device can be told. A device that takes no orders has none of this."""

    def plan(self, power_w: float, lease_s: float | None) -> Order:
        """Put a power into the device's words.

        Parameters
        ----------
        power_w : float
            W, generator frame.
        lease_s : float or None
            How long it is meant to hold, s, > 0; None for a limit that holds without a lease.

        Raises
        ------
        DeviceUnsupportedError, LocalProtocolError
            If this device cannot be told that.
        """

    def plan_release(self) -> Order:
        """Put giving the device back to its own default into words; raises as ``plan``."""

    async def carry_out(self, order: Order, superseded: Callable[[], bool]) -> Carried:
        """Send, read back and judge: DONE only if the device says so when asked again.

        ``superseded`` tells whether a newer wish waits; it is asked before each frame. An
        order is never repeated before the device has been asked what it did with the first.
        """

    def in_force(self, order: Order) -> bool:
        """Whether the device's last answers agree with an order."""

    def same(self, order: Order, other: Order) -> bool:
        """Whether two orders ask the same of the device."""

    def setting_power_w(self) -> float | None:
        """Power the device says is set; None where it says none or decides itself."""

    def record(self, order: Order, valid_until: datetime) -> LeasedDevice:
        """Write an order down so that the watchdog can carry it out without the agent."""

    def adopt(self, leased: LeasedDevice) -> None:
        """Take over what an earlier life of the agent wrote down for this device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDevice:
    """A device with its parts.

    Attributes
    ----------
    resource_id : ResourceId
        ``<site>/<device id>``.
    contact, readings : DeviceContact, DeviceReadings
        Every device has them.
    orders : DeviceOrders or None
        None for a device that is only read.
    slow_s : float
        Pause between slow polls.
    pacing_s : float
        Least pause between two calls that speak with the device, >= 0.
    writes : Writes
        Budget per UTC day and least pause between setpoints.
    """

    resource_id: ResourceId
    contact: DeviceContact
    readings: DeviceReadings
    orders: DeviceOrders | None
    slow_s: float
    pacing_s: float = 0.0
    writes: Writes = UNLIMITED
