"""bacpypes3's objects as a real controller has them: inputs that nobody writes, and commands.

The library lets anybody write an analog input and takes NaN for a command; a controller does
neither. What is commanded stays in the object's priorityArray; what is measured is shown anew
by :class:`firmware_sim.servers.bacnet.SimulatedApplication`.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from bacpypes3.basetypes import Scale as BacnetScale
from bacpypes3.errors import PropertyError
from bacpypes3.local.analog import (
    AnalogInputObject,
    AnalogOutputObject,
    AnalogValueObject,
    AnalogValueObjectCmd,
)
from bacpypes3.local.binary import BinaryInputObject, BinaryOutputObject, BinaryValueObject
from bacpypes3.local.cmd import Commandable
from bacpypes3.local.device import DeviceObject
from bacpypes3.local.multistate import MultiStateOutputObject, MultiStateValueObject
from bacpypes3.local.networkport import NetworkPortObject
from bacpypes3.local.object import Object as LocalObject
from bacpypes3.object import AccumulatorObject

from firmware_sim.devices.bacnet.device import BacnetDevice, Shown
from firmware_sim.faults import FaultKind, MapFault
from protocols.bacnet.objects import Datatype, ObjectId
from protocols.bacnet.units import UNITS
from protocols.templates.bacnet import BacnetCommand, BacnetPoint
from protocols.vocabulary.errors import ConfigError

Untyped = Any
"""What is bacpypes3's, which has no types."""

_VENDOR: Final = 999
_MAX_APDU: Final = 1024
_UNSIGNED_MAX: Final = (1 << 32) - 1
_CLEAR: Final = [0, 0, 0, 0]
_FAULTY: Final = [0, 1, 0, 0]


class Served(LocalObject):  # type: ignore[misc]
    """Part of an object that shows what its device measures."""

    _of: ObjectId

    def serve(self, object_id: ObjectId) -> None:
        """Show that object of the device."""
        self._of = object_id

    @property
    def served_id(self) -> ObjectId:
        """Object of the device that it shows."""
        return self._of

    def show(self, shown: Shown) -> None:
        """Show a value."""
        flags = _FAULTY if shown.fault else _CLEAR
        binary = self.served_id.facts.datatype is Datatype.BINARY
        value = int(bool(shown.value)) if binary else shown.value
        here: Any = self
        if not _equal(here.presentValue, value):
            here.presentValue = value
        if [int(bit) for bit in here.statusFlags] != flags:
            here.statusFlags = flags
            here.reliability = shown.reliability

    async def write_property(self, *_what: object, **_how: object) -> None:
        """Refuse: nothing of a measured object can be written."""
        raise PropertyError(errorCode="writeAccessDenied")


class Commanded(LocalObject):  # type: ignore[misc]
    """Part of an object that is commanded: only sensible numbers in its range."""

    _range: tuple[float, float]

    def bound(self, least: float, most: float) -> None:
        """Take only what is in a range."""
        self._range = (least, most)

    def commanded_value(self) -> float | None:
        """presentValue, or None while nobody commands."""
        if all(entry.null is not None for entry in self.priorityArray):
            return None
        return float(self.presentValue)

    async def write_property(self, attr: int | str, value: Untyped, *where: int | None) -> None:
        """Write presentValue and nothing else, within its range."""
        name = self._property_identifier_class(attr).attr if isinstance(attr, int) else attr
        if name != "presentValue":
            raise PropertyError(errorCode="writeAccessDenied")
        null = isinstance(value, tuple)
        if not null and not (math.isfinite(value) and self._range[0] <= value <= self._range[1]):
            raise PropertyError(errorCode="valueOutOfRange")
        await super().write_property(attr, value, *where)


class _AnalogInput(Served, AnalogInputObject):  # type: ignore[misc]
    """An analog input."""


class _AnalogShown(Served, AnalogValueObject):  # type: ignore[misc]
    """An analog value that only shows."""


class _BinaryInput(Served, BinaryInputObject):  # type: ignore[misc]
    """A binary input."""


class _Accumulator(Served, AccumulatorObject):  # type: ignore[misc]
    """A counter."""


class _AnalogOutput(Commanded, AnalogOutputObject):  # type: ignore[misc]
    """An analog output."""


class _AnalogValue(Commanded, AnalogValueObjectCmd):  # type: ignore[misc]
    """An analog value with a priorityArray."""


class _BinaryOutput(Commanded, BinaryOutputObject):  # type: ignore[misc]
    """A binary output."""


class _BinaryValue(Commanded, Commandable, BinaryValueObject):  # type: ignore[misc]
    """A binary value with a priorityArray."""


class _MultiStateOutput(Commanded, MultiStateOutputObject):  # type: ignore[misc]
    """A multi-state output."""


class _MultiStateValue(Commanded, Commandable, MultiStateValueObject):  # type: ignore[misc]
    """A multi-state value with a priorityArray."""


_SHOWN: Final[Mapping[str, Any]] = {
    "analog-input": _AnalogInput,
    "analog-value": _AnalogShown,
    "binary-input": _BinaryInput,
    "accumulator": _Accumulator,
}
_COMMANDED: Final[Mapping[str, Any]] = {
    "analog-output": _AnalogOutput,
    "analog-value": _AnalogValue,
    "binary-output": _BinaryOutput,
    "binary-value": _BinaryValue,
    "multi-state-output": _MultiStateOutput,
    "multi-state-value": _MultiStateValue,
}
_UNIT_NAMES: Final = {facts: name for name, facts in UNITS.items()}


class _Device(DeviceObject):  # type: ignore[misc]
    """The device object; its object list lies where the fault says so."""

    _lie: MapFault | None = None

    def lie(self, lie: MapFault | None) -> None:
        """Show an object list that is wrong in a way, or None for the true one."""
        self._lie = lie

    async def read_property(self, attr: Untyped, index: int | None = None) -> Untyped:
        """Read, with an object list that may not be true."""
        value = await super().read_property(attr, index)
        name = self._property_identifier_class(attr).attr if isinstance(attr, int) else attr
        if name == "objectList" and self._lie is not None:
            if index == 0 and self._lie is MapFault.COUNT:
                return type(value)(int(value) + 1)
            if index is None and self._lie is MapFault.EXTRA:
                value.append(("analogInput", 900))
        return value


def made_objects(device: BacnetDevice, *, address: str, unit: int) -> list[Untyped]:
    """Make all objects of a device.

    Parameters
    ----------
    device : BacnetDevice
        What they show.
    address : str
        ``"host/prefix:port"``.
    unit : int
        Device instance.

    Raises
    ------
    ConfigError
        If a type of object cannot be simulated.
    """
    whole = _Device(
        objectIdentifier=("device", unit),
        objectName=device.name,
        vendorIdentifier=_VENDOR,
        vendorName="Simulated",
        modelName=device.wire.model,
        apduTimeout=1000,
        numberOfApduRetries=1,
        maxApduLengthAccepted=_MAX_APDU,
        segmentationSupported="segmentedBoth",
        maxSegmentsAccepted=16,
    )
    wrong = device.faults.active.get(FaultKind.WRONG_MAP)
    whole.lie(None if wrong is None else wrong.variant)
    port = NetworkPortObject(address, objectIdentifier=("networkPort", 1), objectName="port")
    there = set(device.objects())
    objects = [whole, port]
    objects += [_measured(p) for p in device.wire.points if p.object_id in there]
    if device.wire.command is not None:
        objects.append(_commanded(device.wire.command))
    return objects


def _measured(point: BacnetPoint) -> Untyped:
    object_id = point.object_id
    if object_id.object_type not in _SHOWN:
        raise ConfigError(f"{object_id}: this type of object is not simulated")
    extra: dict[str, Any] = {}
    if object_id.object_type == "accumulator":
        extra = {"units": _UNIT_NAMES[point.units], "maxPresValue": _UNSIGNED_MAX}
        extra["scale"] = BacnetScale(integerScale=0)
    elif object_id.facts.datatype is Datatype.REAL:
        extra = {"units": _UNIT_NAMES[point.units], "covIncrement": point.cov_increment}
    else:
        extra = {"polarity": "normal"} if object_id.object_type == "binary-input" else {}
    made = _SHOWN[object_id.object_type](
        **_common(object_id, point.quantity), presentValue=0, reliability=0, **extra
    )
    made.serve(object_id)
    return made


def _commanded(command: BacnetCommand) -> Untyped:
    object_id = command.object_id
    if object_id.object_type not in _COMMANDED:
        raise ConfigError(f"{object_id}: this type of object is not simulated as a command")
    datatype = object_id.facts.datatype
    default = (
        command.relinquish_default
        if datatype is Datatype.REAL
        else round(command.relinquish_default)
    )
    extra: dict[str, Any] = {}
    if datatype is Datatype.REAL:
        extra = {
            "units": _UNIT_NAMES[command.units],
            "covIncrement": 0.01,
            "minPresValue": command.minimum,
            "maxPresValue": command.maximum,
        }
    elif datatype is Datatype.UNSIGNED:
        extra = {"numberOfStates": round(command.maximum)}
    made = _COMMANDED[object_id.object_type](
        **_common(object_id, "command"),
        presentValue=default,
        relinquishDefault=default,
        **extra,
    )
    made.bound(command.minimum, command.maximum)
    return made


def _common(object_id: ObjectId, name: str) -> dict[str, Any]:
    return {
        "objectIdentifier": (object_id.object_type, object_id.instance),
        "objectName": f"{name} ({object_id})",
        "statusFlags": _CLEAR,
        "eventState": "normal",
        "outOfService": False,
    }


def _equal(old: Untyped, new: float) -> bool:
    if old is None:
        return False
    return float(old) == float(new) or (math.isnan(old) and math.isnan(new))
