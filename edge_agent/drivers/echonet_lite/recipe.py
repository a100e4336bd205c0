"""The frames that give a device back without the agent, for the lease book. Pure."""

from datetime import datetime
from typing import Final

from edge_agent.drivers.echonet_lite.commands import WritePlan
from edge_agent.drivers.echonet_lite.device import Device
from edge_agent.drivers.lease_book import WIRE_ECHONET_LITE, LeasedDevice
from protocols.echonet_lite.frame import (
    CONTROLLER,
    Esv,
    Frame,
    Property,
    decode_frame,
    encode_frame,
)

_OPERATION_STATUS: Final = 0x80
"""Asked where nothing of the release can be read back: an answer at least shows life."""


def leased_device(
    device: Device, plan: WritePlan, *, device_port: int, valid_until: datetime
) -> LeasedDevice:
    """Write a release plan as frames.

    Parameters
    ----------
    device : Device
        Whose address, object and frame size count.
    plan : WritePlan
        The release, or the limit that stands in for it.
    device_port : int
        Where the device listens.
    valid_until : datetime
        End of the lease, aware UTC.
    """
    size = device.set_batch
    chunks = [plan.steps[start : start + size] for start in range(0, len(plan.steps), size)]
    readable = [entry for entry in plan.expected if entry.epc in device.readable]
    asked = tuple(Property(entry.epc) for entry in readable) or (Property(_OPERATION_STATUS),)
    return LeasedDevice(
        resource_id=device.resource_id,
        wire=WIRE_ECHONET_LITE,
        address=device.address,
        port=device_port,
        frames=tuple(_frame(device, Esv.SET_C, chunk) for chunk in chunks),
        check_frame=_frame(device, Esv.GET, asked),
        expected=b"".join(bytes((p.epc, len(p.edt))) + p.edt for p in readable),
        restores=plan.detail,
        valid_until=valid_until,
    )


def restored_by(leased: LeasedDevice) -> tuple[Property, ...]:
    """Read from a record what it would set."""
    return tuple(entry for frame in leased.frames for entry in decode_frame(frame).properties)


def _frame(device: Device, esv: Esv, properties: tuple[Property, ...]) -> bytes:
    """Encode a frame from the gateway's controller; whoever sends it numbers it."""
    return encode_frame(Frame(0, CONTROLLER, device.eoj, esv, properties))
