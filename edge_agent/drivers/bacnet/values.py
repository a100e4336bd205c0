"""Values between bacpypes3 and us: application tags become plain numbers, and the way back.

Decoded by tag, not by the property's type, so that a proprietary object or a wrong type gives a
value that can be judged instead of an error.
"""

import math
import struct
from typing import Final

from bacpypes3.constructeddata import Any as BacnetAny
from bacpypes3.primitivedata import Enumerated, Integer, Null, Real, TagClass, Unsigned

from protocols.bacnet.objects import Datatype

Scalar = float | int | bool | str | tuple[bool, ...] | None
Value = Scalar | tuple[Scalar, ...]
"""A scalar; a bit string is a tuple of bool; an array a tuple of scalars."""

_NULL, _BOOLEAN, _UNSIGNED, _INTEGER, _REAL, _DOUBLE = range(6)
_TEXT: Final = 7
_BITS: Final = 8
_ENUMERATED: Final = 9
_OBJECT: Final = 12
_INSTANCE_BITS: Final = 22
_TAGS_MAX: Final = 256
"""More tags of one property are not looked at."""


def plain(value: BacnetAny) -> Value:
    """Decode whatever a property holds.

    Parameters
    ----------
    value : bacpypes3 Any
        As it came.

    Returns
    -------
    Value
        What cannot be understood is NaN: it is something, and not a number.
    """
    found: list[Scalar] = []
    tags = list(value.tagList or ())
    if tags and tags[0].tag_class is TagClass.opening:
        tags = tags[1:-1]  # as it came off the wire, in the brackets of its parameter
    depth = 0
    for tag in tags[:_TAGS_MAX]:
        if tag.tag_class is TagClass.opening:
            if depth == 0:
                found.append(math.nan)
            depth += 1
        elif tag.tag_class is TagClass.closing:
            depth -= 1
        elif depth == 0:
            known = tag.tag_class is TagClass.application
            found.append(
                _scalar(int(tag.tag_number), int(tag.tag_lvt), bytes(tag.tag_data))
                if known
                else math.nan
            )
    return found[0] if len(found) == 1 else tuple(found)


def encoded(value: float | None, datatype: Datatype) -> BacnetAny:
    """Encode a presentValue; None is Null, which relinquishes."""
    if value is None:
        return BacnetAny(Null(()))
    if datatype is Datatype.REAL:
        return BacnetAny(Real(value))
    if datatype is Datatype.BINARY:
        return BacnetAny(Enumerated(round(value)))
    if datatype is Datatype.INTEGER:
        return BacnetAny(Integer(round(value)))
    return BacnetAny(Unsigned(max(0, round(value))))


def _scalar(number: int, lvt: int, data: bytes) -> Scalar:  # noqa: PLR0911 - one line per tag
    if number == _NULL:
        return None
    if number == _BOOLEAN:
        return bool(lvt)
    if number in {_UNSIGNED, _ENUMERATED}:
        return int.from_bytes(data, "big")
    if number == _INTEGER:
        return int.from_bytes(data, "big", signed=True)
    if number in {_REAL, _DOUBLE}:
        return _real(data)
    if number == _TEXT:
        return data[1:].decode("utf-8", errors="replace")
    if number == _BITS:
        return _bits(data)
    if number == _OBJECT:
        return int.from_bytes(data, "big") & ((1 << _INSTANCE_BITS) - 1)
    return math.nan


def _real(data: bytes) -> float:
    formats = {4: ">f", 8: ">d"}
    if len(data) not in formats:
        return math.nan
    (value,) = struct.unpack(formats[len(data)], data)
    return float(value)


def _bits(data: bytes) -> tuple[bool, ...]:
    if not data:
        return ()
    bits = [bool(byte >> (7 - place) & 1) for byte in data[1:] for place in range(8)]
    return tuple(bits[: max(0, len(bits) - data[0])])
