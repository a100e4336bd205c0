"""What must be written down before a device is leased, and the port to write it through.

Apart from the driver's port so that the watchdog, which only reads such records, loads
nothing else.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from protocols.vocabulary.identifiers import ResourceId

WIRE_ECHONET_LITE: Final = "echonet-lite"
WIRE_MODBUS_TCP: Final = "modbus-tcp"
WIRE_BACNET_IP: Final = "bacnet-ip"
WIRE_NONE: Final = "none"
"""The device's own timer ends the lease; the watchdog has nothing to send."""
WIRES: Final = frozenset({WIRE_ECHONET_LITE, WIRE_MODBUS_TCP, WIRE_BACNET_IP, WIRE_NONE})


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedDevice:
    """How to give one device back without the agent. Written down before the first write.

    Attributes
    ----------
    resource_id : ResourceId
        Whose.
    wire : str
        One of :data:`WIRES`: how frames travel and how an answer is judged.
    address, port : str, int
        Where the device listens; empty and 0 where there is nothing to send.
    frames : tuple of bytes
        To be sent in this order; whoever sends them numbers them.
    check_frame : bytes
        Request that reads the setting back; empty where an answer to the last frame is all
        that can be had.
    expected : bytes
        What the check answers when the device is released. ``echonet-lite``: properties
        (EPC, PDC, EDT in a row); ``modbus-tcp``: the registers' bytes.
    restores : str
        For people, for example ``"mode auto (DA=46)"``.
    valid_until : datetime
        When the lease ends, aware UTC.
    """

    resource_id: ResourceId
    wire: str
    address: str
    port: int
    frames: tuple[bytes, ...]
    check_frame: bytes
    expected: bytes
    restores: str
    valid_until: datetime


class LeaseBook(Protocol):
    """Where a driver writes down what must be released should the agent die."""

    def hold(self, leased: LeasedDevice) -> None:
        """Record before the first write of a lease; replaces an earlier record.

        Raises
        ------
        JournalError
            If it cannot be recorded; then nothing may be leased.
        """

    def drop(self, resource_id: ResourceId) -> None:
        """Forget: the device has confirmed its release."""

    def left_over(self) -> tuple[LeasedDevice, ...]:
        """Leases in force by this book: of the agent's earlier life, or of a family's."""
