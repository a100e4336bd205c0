"""How a device behind Modbus is given back without the agent, for the lease book. Pure."""

from collections.abc import Sequence
from datetime import datetime

from edge_agent.config.addresses import TcpUnit
from edge_agent.drivers.lease_book import WIRE_MODBUS_TCP, WIRE_NONE, LeasedDevice
from edge_agent.drivers.sunspec.unit import Unit
from protocols.sunspec.controls import Write
from protocols.sunspec.modbus import READ_HOLDING, read_request, write_request
from protocols.vocabulary.errors import DeviceUnsupportedError


def leased_by_timer(unit: Unit, restores: str, valid_until: datetime) -> LeasedDevice:
    """Record of a device whose own timer ends the order."""
    return LeasedDevice(
        resource_id=unit.resource_id,
        wire=WIRE_NONE,
        address="",
        port=0,
        frames=(),
        check_frame=b"",
        expected=b"",
        restores=f"by its own timer: {restores}",
        valid_until=valid_until,
    )


def leased_by_watchdog(
    unit: Unit,
    writes: Sequence[Write],
    restores: str,
    *,
    valid_until: datetime,
    single: bool = False,
) -> LeasedDevice:
    """Record of a device that only the watchdog can give back.

    Parameters
    ----------
    unit : Unit
        On TCP.
    writes : sequence of Write
        The release, or the limit that stands in for it, with wire addresses; the last one
        says whether it was done.
    restores : str
        For people.
    valid_until : datetime
        End of the lease, aware UTC.
    single : bool
        Send FC6.

    Raises
    ------
    DeviceUnsupportedError
        If the device is on a serial line, where the watchdog cannot reach it.
    """
    place = unit.place
    if not isinstance(place, TcpUnit):
        raise DeviceUnsupportedError("it has no timer, and the watchdog cannot reach its line")
    last = writes[-1]
    return LeasedDevice(
        resource_id=unit.resource_id,
        wire=WIRE_MODBUS_TCP,
        address=place.host,
        port=place.port,
        frames=tuple(
            write_request(place.unit, address=write.offset, data=write.data, single=single)
            for write in writes
        ),
        check_frame=read_request(
            place.unit, READ_HOLDING, address=last.offset, count=len(last.data) // 2
        ),
        expected=last.data,
        restores=restores,
        valid_until=valid_until,
    )
