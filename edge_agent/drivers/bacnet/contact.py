"""Who and where a device is: identity by device instance, and what of its template it has."""

from typing import Final

from edge_agent.drivers.bacnet.device import BacnetDevice
from edge_agent.drivers.bacnet.ears import Ears
from edge_agent.drivers.bacnet.stack import Answer, Asked, Refusal, Stack
from edge_agent.drivers.bacnet.wiring import Wiring
from edge_agent.drivers.port import FoundDevice
from protocols.bacnet.objects import ANY_DEVICE, Property, device_id
from protocols.bacnet.priority import PRIORITIES
from protocols.vocabulary.errors import (
    DeviceTimeoutError,
    DeviceUnsupportedError,
    RemoteProtocolError,
)

I_AM_S: Final = 2.0
"""How long a node may take to announce itself when it is asked directly."""
_ANY: Final = Asked(device_id(ANY_DEVICE), Property.OBJECT_IDENTIFIER)


class BacnetContact:
    """Meets one device.

    Parameters
    ----------
    device : BacnetDevice
        Who it should be.
    wiring : Wiring
        What it stands on.
    """

    def __init__(self, device: BacnetDevice, wiring: Wiring) -> None:
        self._device = device
        self._wiring = wiring

    async def meet(self) -> bool:
        """Identify the device, learn its objects, and take back what is left over of ours.

        Returns
        -------
        bool
            False if a device of another instance answers at its address, or one of another
            name at the address where it is said to be now.

        Raises
        ------
        DeviceTimeoutError, RemoteProtocolError
            If nobody answers, or nothing sensible.
        DeviceUnsupportedError
            If it has none of the template's objects.
        """
        device, wiring = self._device, self._wiring
        instance = await identify(device, wiring.stack, wiring.ears)
        named = await wiring.stack.read_one(
            device.node, Asked(device_id(instance), Property.OBJECT_NAME)
        )
        name = named if isinstance(named, str) else ""
        elsewhere = device.met_at not in {"", device.node}
        if device.instance not in {None, instance} or (elsewhere and name != device.name):
            device.node = device.config.address if elsewhere else device.node
            return False
        device.instance, device.name = instance, name
        await learn(device, wiring)
        device.met_at = device.node
        wiring.subscriptions.reset()
        await wiring.guard()
        return True

    async def lose(self) -> None:
        """Take nothing any more of a device that does not answer when it is asked."""
        self._wiring.subscriptions.reset()

    def go_to(self, address: str) -> None:
        """Take note that the device was found at another address."""
        self._device.node = address

    def describe(self) -> FoundDevice:
        """Address, identity and configured id as known now."""
        device = self._device
        instance = "" if device.instance is None else str(device.instance)
        return FoundDevice(
            address=device.node,
            unit=f"device,{instance}",
            identity=instance,
            device_id=device.config.device_id,
            about=device.about,
        )


async def learn(device: BacnetDevice, wiring: Wiring) -> None:
    """Learn what the device has of its family's objects, and what they say now.

    Raises
    ------
    DeviceTimeoutError, RemoteProtocolError
        If it does not answer, or nothing sensible.
    DeviceUnsupportedError
        If it has none of the objects.
    """
    whole = device_id(device.instance or 0)
    about = (Asked(whole, Property.VENDOR_NAME), Asked(whole, Property.MODEL_NAME))
    answers = await wiring.poller.read((*about, *_facts(device)))
    device.about = " ".join(str(answers[a]) for a in about if isinstance(answers[a], str))
    device.learn(answers)
    _check_array(device, answers)
    wrong = [device.objects[point.object_id].wrong for point in device.wire.points]
    if all(wrong):
        raise DeviceUnsupportedError(f"none of the family's objects: {wrong[0]}")
    device.take(answers, wiring.clock.now(), wiring.clock.monotonic_ns())


def _check_array(device: BacnetDevice, answers: dict[Asked, Answer]) -> None:
    """Without a whole priorityArray a device is only read: it could not be given back."""
    command = device.command
    if command is None:
        return
    array = answers[Asked(command.object_id, Property.PRIORITY_ARRAY)]
    if not isinstance(array, tuple) or len(array) != PRIORITIES:
        known = device.objects[command.object_id]
        cause = array.cause if isinstance(array, Refusal) else "is not whole"
        known.wrong = known.wrong or f"{command.object_id}: priorityArray {cause}"
        device.array = None


async def identify(device: BacnetDevice, stack: Stack, ears: Ears) -> int:
    """Ask who is at the device's address: its instance.

    First by ReadProperty of whichever device object there is; a device that does not know that
    way of asking is asked for an announcement.

    Raises
    ------
    DeviceTimeoutError, RemoteProtocolError
        If nobody answers, or nothing sensible.
    """
    try:
        answer = await stack.read_one(device.node, _ANY)
    except DeviceUnsupportedError as error:
        raise RemoteProtocolError(f"{device.node}: knows no ReadProperty: {error}") from None
    if not isinstance(answer, Refusal):
        if isinstance(answer, bool) or not isinstance(answer, int):
            raise RemoteProtocolError(f"{device.node}: {answer!r} is not a device instance")
        return answer
    instance = await ears.instance_at(device.node, lambda: stack.who_is(device.node), I_AM_S)
    if instance is None:
        raise DeviceTimeoutError(f"{device.node}: does not say who it is ({answer.cause})")
    return instance


def _facts(device: BacnetDevice) -> tuple[Asked, ...]:
    """List what is asked when a device is met."""
    asked: list[Asked] = []
    value = (Property.PRESENT_VALUE, Property.STATUS_FLAGS, Property.RELIABILITY)
    for point in device.wire.points:
        asked += [Asked(point.object_id, prop) for prop in (*value, Property.UNITS)]
    command = device.command
    if command is not None:
        ranges = (Property.UNITS, Property.MIN_PRES_VALUE, Property.MAX_PRES_VALUE)
        asked += [
            Asked(command.object_id, prop)
            for prop in (*value[:2], *ranges, Property.PRIORITY_ARRAY)
        ]
    return tuple(asked)
