"""Registers of a model to values and back, with the scale factors of the same read. Pure.

The types are read and written by pysunspec2; what is added is that a missing value says why,
and that a value never outlives the scale factor it was read with.
"""

import math
import struct
from dataclasses import dataclass
from typing import Final

from sunspec2.mb import create_unimpl_value, point_type_info

from protocols.sunspec.models import Layout, Point
from protocols.vocabulary.errors import LocalProtocolError

SCALE_LIMIT: Final = 10
"""Scale factors are -10..10; anything else is no scale factor."""
_SCALE_FACTOR: Final = "sunssf"
_TEXT: Final = "string"


@dataclass(frozen=True, slots=True)
class Value:
    """A point's value, or why there is none.

    Attributes
    ----------
    number : float or None
        Scaled, in the point's unit.
    text : str
        Of a string point, without the padding.
    reason : str
        Empty if there is a value.
    """

    number: float | None = None
    text: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Consecutive registers of one model, from one read or from reads of one moment.

    Attributes
    ----------
    layout : Layout
        The model.
    start : int
        Offset of the first register within the model.
    data : bytes
        Two bytes a register, high byte first.
    """

    layout: Layout
    start: int
    data: bytes

    def value(self, name: str) -> Value:
        """Value of a point; its scale factor must be among the same registers."""
        point = self.layout.points.get(name)
        if point is None:
            return Value(reason=f"model {self.layout.model_id} has no point {name}")
        raw = self._bytes(point)
        if raw is None:
            return Value(reason=f"{name} is beyond what the device gave")
        if point.kind == _TEXT:
            return _text(raw)
        number = _number(point, raw)
        if number is None:
            return Value(reason=f"{name} is not implemented ({raw.hex().upper()})")
        scale = self.scale_of(point)
        if scale is None:
            return Value(reason=f"scale factor {point.scale} of {name} is missing or no such")
        return Value(number=scaled(number, scale))

    def number(self, name: str) -> float | None:
        """Value of a point where there is one."""
        return self.value(name).number

    def implemented(self, name: str) -> bool:
        """Whether the device has the point and can say or take a value there."""
        return not self.value(name).reason

    def scale_of(self, point: Point) -> int | None:
        """Exponent in force for a point; None if the device states none that can be."""
        if isinstance(point.scale, int):
            return point.scale
        factor = self.layout.points.get(point.scale)
        raw = None if factor is None else self._bytes(factor)
        if raw is None:
            return None
        exponent = int(point_type_info[_SCALE_FACTOR].data_to(raw))
        return exponent if -SCALE_LIMIT <= exponent <= SCALE_LIMIT else None

    def raw(self, name: str) -> bytes:
        """Return the registers of a point as they are; empty if they were not read."""
        point = self.layout.points.get(name)
        return b"" if point is None else self._bytes(point) or b""

    def _bytes(self, point: Point) -> bytes | None:
        begin = 2 * (point.offset - self.start)
        end = begin + 2 * point.size
        return self.data[begin:end] if begin >= 0 and end <= len(self.data) else None


def scaled(number: float, exponent: int) -> float:
    """Value of a raw number; exact for negative exponents, which division keeps."""
    return number * 10.0**exponent if exponent >= 0 else number / 10.0 ** (-exponent)


def encode(point: Point, value: float, exponent: int) -> bytes:
    """Encode a value in a point's unit.

    Parameters
    ----------
    point : Point
        Which.
    value : float
        Finite, in the point's unit.
    exponent : int
        Scale factor in force, -10..10.

    Raises
    ------
    LocalProtocolError
        If the value does not fit the point's type, or would read as "not implemented".
    """
    raw = scaled(value, -exponent)
    info = point_type_info[point.kind]
    try:
        number: float = raw if point.kind.startswith("float") else round(raw)
        data: bytes = info.to_data(number, 2 * point.size)
    except (struct.error, OverflowError, ValueError) as error:
        raise LocalProtocolError(f"{value:g} does not fit {point.name}: {error}") from None
    if not point.kind.startswith("acc") and not info.is_impl(number):
        raise LocalProtocolError(f"{value:g} in {point.name} would mean not implemented")
    return data


def encode_text(point: Point, text: str) -> bytes:
    """Encode a string point, padded with zeros and cut to its size."""
    return text.encode("utf-8")[: 2 * point.size].ljust(2 * point.size, b"\0")


def unimplemented(point: Point) -> bytes:
    """Encode that a point is not there."""
    data: bytes = create_unimpl_value(point.kind, len=2 * point.size)
    return data.rjust(2 * point.size, b"\0")


def _number(point: Point, raw: bytes) -> float | None:
    """Unscaled number; None for the type's code of "not implemented", NaN and infinity."""
    info = point_type_info[point.kind]
    number = info.data_to(raw)
    if number is None or isinstance(number, str) or not info.is_impl(number):
        return None
    return float(number) if math.isfinite(number) else None


def _text(raw: bytes) -> Value:
    text = raw.split(b"\0", maxsplit=1)[0].decode("utf-8", errors="replace").strip()
    return Value(text=text) if text else Value(reason="the text is empty")
