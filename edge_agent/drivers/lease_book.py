"""What must be written down before a device is leased, and the port to write it through.

Apart from the driver's port so that the watchdog, which only reads such records, loads
nothing else.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from protocols.vocabulary.identifiers import ResourceId


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedDevice:
    """How to give one device back without the agent. Written down before the first write.

    Attributes
    ----------
    resource_id : ResourceId
        Whose.
    address, port : str, int
        Where the device listens.
    frames : tuple of bytes
        To be sent in this order.
    check_frame : bytes
        Request that reads the setting back.
    expected : bytes
        The answer's properties (EPC, PDC, EDT in a row) when the device is released.
    restores : str
        For people, for example ``"mode auto (DA=46)"``.
    valid_until : datetime
        When the lease ends, aware UTC.
    """

    resource_id: ResourceId
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
        """Leases that an earlier life of the agent left behind."""
