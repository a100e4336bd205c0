"""What the property table says about one EPC, and the numbers EDTs are made of.

Plain data: the table itself is ``properties.csv`` (read by
:mod:`protocols.echonet_lite.properties`), compound values are
:mod:`protocols.echonet_lite.composites`.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from protocols.vocabulary.errors import LocalProtocolError


class Access(enum.Enum):
    """Whether a class must, may or must not offer a service for a property."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    CONDITIONAL = "conditional"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class NumberType:
    """A big-endian integer with the specification's two "no value" codes.

    Attributes
    ----------
    name : str
        The specification's name, for example ``"int32"``.
    size : int
        Bytes.
    signed : bool
        Two's complement.
    """

    name: str
    size: int
    signed: bool

    @property
    def overflow(self) -> int:
        """The code for "above the range": 7F.. signed, FF.. unsigned."""
        bits = 8 * self.size
        return (1 << (bits - 1)) - 1 if self.signed else (1 << bits) - 1

    @property
    def underflow(self) -> int:
        """The code for "below the range": 80.. signed, FF..FE unsigned."""
        return -(1 << (8 * self.size - 1)) if self.signed else self.overflow - 1

    @property
    def minimum(self) -> int:
        """Smallest count that is a value."""
        return self.underflow + 1 if self.signed else 0

    @property
    def maximum(self) -> int:
        """Largest count that is a value."""
        return self.overflow - 1 if self.signed else self.underflow - 1

    def decode(self, data: bytes) -> int:
        """Count of exactly ``size`` bytes."""
        return int.from_bytes(data, "big", signed=self.signed)

    def encode(self, count: int) -> bytes:
        """Bytes of a count.

        Raises
        ------
        LocalProtocolError
            If it does not fit.
        """
        try:
            return count.to_bytes(self.size, "big", signed=self.signed)
        except OverflowError:
            raise LocalProtocolError(f"{count} does not fit in {self.name}") from None

    def no_data(self) -> dict[bytes, str]:
        """EDT of the two codes with the reason each stands for."""
        return {
            self.encode(self.overflow): "overflow",
            self.encode(self.underflow): "underflow",
        }


NUMBERS: Final[Mapping[str, NumberType]] = {
    f"{prefix}int{8 * size}": NumberType(f"{prefix}int{8 * size}", size, prefix == "")
    for prefix in ("u", "")
    for size in (1, 2, 4)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertySpec:
    """One row of the property table.

    Attributes
    ----------
    class_code : int
        For example 0x027D; 0x0000 is the device object super class.
    epc : int
        0x80..0xFF.
    name : str
        The specification's name.
    get, set_, inf : Access
        Access rule per service.
    type : str
        A number (``"uint8"`` .. ``"int32"``), ``"code1"``/``"code2"`` (enumeration) or a name
        from :mod:`protocols.echonet_lite.composites`.
    number : NumberType or None
        The number itself, or the number the items of a compound value are made of.
    unit : str
        ``"W"``, ``"Wh"``, ``"kWh"``, ``"%"`` ...; empty if there is none.
    multiplier : Decimal
        A value is its count times this.
    minimum, maximum : int
        Bounds of a count that is a value, both included.
    codes : mapping of int to str
        The enumeration, empty if there is none.
    no_data : mapping of bytes to str
        EDT (or item) that stands for "no value", with the reason.
    turned : bool
        True if + in the specification is power the device absorbs, so that the driver has to
        change the sign once to get to the generator frame.
    """

    class_code: int
    epc: int
    name: str
    get: Access
    set_: Access
    inf: Access
    type: str
    number: NumberType | None
    unit: str
    multiplier: Decimal
    minimum: int
    maximum: int
    codes: Mapping[int, str]
    no_data: Mapping[bytes, str]
    turned: bool

    def scaled(self, count: int) -> int | Decimal:
        """Value of a count, exact: an int where the multiplier is 1, else a Decimal."""
        return count if self.multiplier == 1 else count * self.multiplier

    def count_of(self, value: float | Decimal) -> int:
        """Count of a value, checked against the range.

        Parameters
        ----------
        value : int, Decimal or float
            In ``unit``. An int or Decimal must be a whole number of counts; a float is
            rounded to the nearest count.

        Raises
        ------
        LocalProtocolError
            If it is not finite, not a whole count or out of range.
        """
        exact = Decimal(value)
        if not exact.is_finite():
            raise LocalProtocolError(f"{self}: {value} is not finite")
        counts = exact / self.multiplier
        count = int(counts.to_integral_value(ROUND_HALF_EVEN))
        if count != counts and not isinstance(value, float):
            raise LocalProtocolError(f"{self}: {value} is not a multiple of {self.multiplier}")
        if not self.minimum <= count <= self.maximum:
            raise LocalProtocolError(f"{self}: {value} {self.unit} is out of range")
        return count

    def __str__(self) -> str:
        """Class and EPC, for messages."""
        return f"{self.class_code:04X}.{self.epc:02X}"
