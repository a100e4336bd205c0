"""The simple types of IEEE 2030.5: what each field's text may be; knows no elements.

Integers carry their range, bit maps are written with the octets they need, octets (mRID, LFDI) are
upper-case hexadecimal text. A type is an annotation of a resource's field; the codec finds the
rule in it.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Protocol

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_HEX = re.compile(r"[0-9A-Fa-f]*")
_UPPER_HEX = re.compile(r"(?:[0-9A-F]{2})*")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_URI_LENGTH = 2000


class Scalar(Protocol):
    """How one simple type is read from and written to text."""

    def read(self, text: str) -> object:
        """Value of a text; ValueError says what is wrong with it."""

    def write(self, value: object) -> str:
        """Text of a value; ValueError says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer within a range.

    Attributes
    ----------
    minimum, maximum : int
        Both allowed.
    """

    minimum: int
    maximum: int

    def read(self, text: str) -> int:
        """Read decimal digits with an optional sign."""
        if not _INTEGER.fullmatch(text.strip(" \t\r\n")):
            raise ValueError(f"{text[:40]!r} is no integer")
        return self._within(int(text))

    def write(self, value: object) -> str:
        """Write decimal digits."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"{value!r} is no integer")  # noqa: TRY004 - one kind for the border
        return str(self._within(value))

    def _within(self, value: int) -> int:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum}..{self.maximum}")
        return value


@dataclass(frozen=True, slots=True)
class Bits:
    """A bit map, in hexadecimal.

    Attributes
    ----------
    octets : int
        Full width.
    """

    octets: int

    def read(self, text: str) -> int:
        """Read any number of digits up to the width."""
        digits = text.strip(" \t\r\n")
        if not digits or not _HEX.fullmatch(digits) or len(digits) > 2 * self.octets:
            raise ValueError(f"{text[:40]!r} is not hexadecimal of {self.octets} octets")
        return int(digits, 16)

    def write(self, value: object) -> str:
        """Write whole octets, no more than needed: peers compare the text they sent."""
        if not isinstance(value, int) or not 0 <= value < 1 << 8 * self.octets:
            raise ValueError(f"{value!r} is no bit map of {self.octets} octets")
        digits = f"{value:X}"
        return digits.zfill(len(digits) + len(digits) % 2)


@dataclass(frozen=True, slots=True)
class Octets:
    """Octets as hexadecimal text.

    Attributes
    ----------
    octets : int
        Most octets.
    """

    octets: int

    def read(self, text: str) -> str:
        """Read hexadecimal digits of either case."""
        digits = text.strip(" \t\r\n")
        if not _HEX.fullmatch(digits) or len(digits) > 2 * self.octets or len(digits) % 2:
            raise ValueError(f"{text[:50]!r} is not hexadecimal of {self.octets} octets")
        return digits.upper()

    def write(self, value: object) -> str:
        """Write upper-case digits."""
        if not isinstance(value, str) or not _UPPER_HEX.fullmatch(value):
            raise ValueError(f"{value!r} is not upper-case hexadecimal")
        if len(value) > 2 * self.octets:
            raise ValueError(f"{value!r} has more than {self.octets} octets")
        return value


@dataclass(frozen=True, slots=True)
class Text:
    """Text of a limited length.

    Attributes
    ----------
    length : int
        Most characters.
    """

    length: int

    def read(self, text: str) -> str:
        """Read it as it is."""
        if len(text) > self.length:
            raise ValueError(f"{text[:20]!r}... has more than {self.length} characters")
        return text

    def write(self, value: object) -> str:
        """Write it as it is."""
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is no text")  # noqa: TRY004 - one kind for the border
        return self.read(value)


@dataclass(frozen=True, slots=True)
class Reference:
    """A URI reference."""

    def read(self, text: str) -> str:
        """Read it without the white space around it."""
        return self._checked(text.strip(" \t\r\n"))

    def write(self, value: object) -> str:
        """Write it as it is."""
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is no URI")  # noqa: TRY004 - one kind for the border
        return self._checked(value)

    def _checked(self, text: str) -> str:
        if len(text) > _URI_LENGTH or _UNPRINTABLE.search(text):
            raise ValueError(f"{text[:40]!r} is no URI of {_URI_LENGTH} characters")
        return text


@dataclass(frozen=True, slots=True)
class Truth:
    """A boolean."""

    def read(self, text: str) -> bool:
        """Read a word or a digit."""
        value = _TRUTH.get(text.strip(" \t\r\n"))
        if value is None:
            raise ValueError(f"{text[:20]!r} is neither true nor false")
        return value

    def write(self, value: object) -> str:
        """Write a word."""
        if not isinstance(value, bool):
            raise ValueError(f"{value!r} is neither true nor false")  # noqa: TRY004 - one kind
        return "true" if value else "false"


BOOLEAN = Truth()

UInt8 = Annotated[int, Whole(0, 2**8 - 1)]
UInt16 = Annotated[int, Whole(0, 2**16 - 1)]
UInt32 = Annotated[int, Whole(0, 2**32 - 1)]
UInt40 = Annotated[int, Whole(0, 2**40 - 1)]
UInt48 = Annotated[int, Whole(0, 2**48 - 1)]
Int8 = Annotated[int, Whole(-(2**7), 2**7 - 1)]
Int16 = Annotated[int, Whole(-(2**15), 2**15 - 1)]
Int32 = Annotated[int, Whole(-(2**31), 2**31 - 1)]
Int48 = Annotated[int, Whole(-(2**47), 2**47 - 1)]
Int64 = Annotated[int, Whole(-(2**63), 2**63 - 1)]
HexBinary8 = Annotated[int, Bits(1)]
HexBinary16 = Annotated[int, Bits(2)]
HexBinary32 = Annotated[int, Bits(4)]
HexBinary128 = Annotated[str, Octets(16)]
HexBinary160 = Annotated[str, Octets(20)]
String6 = Annotated[str, Text(6)]
String16 = Annotated[str, Text(16)]
String32 = Annotated[str, Text(32)]
String192 = Annotated[str, Text(192)]
AnyUri = Annotated[str, Reference()]
