"""Object identifiers and what each type of object holds and takes."""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from protocols.vocabulary.errors import LocalProtocolError

INSTANCE_MAX: Final = 4_194_302
"""Greatest instance of an object."""
ANY_DEVICE: Final = 4_194_303
"""Device instance that means "you, whoever you are" in a ReadProperty."""

_PATTERN: Final = re.compile(r"([a-z]+(?:-[a-z]+)*),(\d{1,7})")


class Property(enum.IntEnum):
    """Properties that are read, by the standard's numbers."""

    COV_INCREMENT = 22
    MAX_PRES_VALUE = 65
    MIN_PRES_VALUE = 69
    MODEL_NAME = 70
    OBJECT_IDENTIFIER = 75
    OBJECT_NAME = 77
    PRESENT_VALUE = 85
    PRIORITY_ARRAY = 87
    RELIABILITY = 103
    STATUS_FLAGS = 111
    UNITS = 117
    VENDOR_NAME = 121


class Datatype(enum.Enum):
    """What the presentValue of a type of object is."""

    REAL = "real"
    BINARY = "binary"
    UNSIGNED = "unsigned"
    INTEGER = "integer"


class Commanding(enum.Enum):
    """Whether a type of object has a priorityArray: always, where the maker chose so, never."""

    ALWAYS = "always"
    OPTIONAL = "optional"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """Number of an object type, its presentValue, and who may command it."""

    number: int
    datatype: Datatype
    commanding: Commanding


OBJECT_TYPES: Final[Mapping[str, ObjectFacts]] = MappingProxyType(
    {
        "analog-input": ObjectFacts(0, Datatype.REAL, Commanding.NEVER),
        "analog-output": ObjectFacts(1, Datatype.REAL, Commanding.ALWAYS),
        "analog-value": ObjectFacts(2, Datatype.REAL, Commanding.OPTIONAL),
        "binary-input": ObjectFacts(3, Datatype.BINARY, Commanding.NEVER),
        "binary-output": ObjectFacts(4, Datatype.BINARY, Commanding.ALWAYS),
        "binary-value": ObjectFacts(5, Datatype.BINARY, Commanding.OPTIONAL),
        "multi-state-input": ObjectFacts(13, Datatype.UNSIGNED, Commanding.NEVER),
        "multi-state-output": ObjectFacts(14, Datatype.UNSIGNED, Commanding.ALWAYS),
        "multi-state-value": ObjectFacts(19, Datatype.UNSIGNED, Commanding.OPTIONAL),
        "accumulator": ObjectFacts(23, Datatype.UNSIGNED, Commanding.NEVER),
        "integer-value": ObjectFacts(45, Datatype.INTEGER, Commanding.OPTIONAL),
        "positive-integer-value": ObjectFacts(48, Datatype.UNSIGNED, Commanding.OPTIONAL),
    }
)
"""Object types that are read or commanded here.

A Load Control object (type 28) is not among them: its state machine is in hardly any
controller and in no library, so shedding goes by analog, binary and multi-state objects.

Notes
-----
ASHRAE 135-2020, clauses 12 and 21 (BACnetObjectType).
"""


_DEVICE: Final = "device"
_DEVICE_NUMBER: Final = 8


@dataclass(frozen=True, slots=True, order=True)
class ObjectId:
    """Type and instance, such as ``analog-input,1``; the type is known here, or a device."""

    object_type: str
    instance: int

    def __str__(self) -> str:
        """As in templates."""
        return f"{self.object_type},{self.instance}"

    @property
    def facts(self) -> ObjectFacts:
        """What objects of this type are; a device has no presentValue."""
        return OBJECT_TYPES[self.object_type]

    @property
    def number(self) -> int:
        """The type's number."""
        return _DEVICE_NUMBER if self.object_type == _DEVICE else self.facts.number


def device_id(instance: int) -> ObjectId:
    """Make the identifier of a device object; :data:`ANY_DEVICE` is whichever it is."""
    return ObjectId(_DEVICE, instance)


def parse_object_id(text: str) -> ObjectId:
    """Parse ``"analog-input,1"``.

    Raises
    ------
    LocalProtocolError
        If it is not an object of a type that is read or commanded here.
    """
    match = _PATTERN.fullmatch(text)
    if match is None or int(match[2]) > INSTANCE_MAX:
        raise LocalProtocolError(f"{text!r} is not an object such as 'analog-input,1'")
    if match[1] not in OBJECT_TYPES:
        known = ", ".join(OBJECT_TYPES)
        raise LocalProtocolError(f"{match[1]!r} is not one of the types {known}")
    return ObjectId(match[1], int(match[2]))
