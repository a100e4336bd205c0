"""The property table: what each EPC of our device classes is, and its EDT as a value.

Values are in the specification's own sign and unit; :func:`is_turned` tells the driver which
ones to negate, once. The rows are ``properties.csv`` and ``codes.csv`` beside this module.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from protocols.echonet_lite.composite_codecs import COMPOSITES, item_type
from protocols.echonet_lite.composites import Composite
from protocols.echonet_lite.spec import NUMBERS, Access, PropertySpec
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

__all__ = [
    "SUPER_CLASS",
    "Access",
    "Decoded",
    "PropertySpec",
    "Value",
    "check_edt",
    "decode_value",
    "encode_value",
    "is_turned",
    "lookup",
    "properties_of",
    "required_epcs",
]

SUPER_CLASS: Final = 0x0000
"""Device object super class: its rows hold for every class that has none of its own."""

_PROFILE_GROUP: Final = 0x0E
_NEVER_SET: Final = frozenset({"overflow", "underflow"})
_CODE_SIZES: Final = {"code1": 1, "code2": 2}
_ACCESS: Final = {
    "G": Access.REQUIRED,
    "S": Access.REQUIRED,
    "I": Access.REQUIRED,
    "g": Access.OPTIONAL,
    "s": Access.OPTIONAL,
    "i": Access.OPTIONAL,
    "c": Access.CONDITIONAL,
    "-": Access.NONE,
}

Value = int | float | Decimal | str | Composite
"""What an EDT means: a number, the name of a code, or a compound value."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The meaning of an EDT.

    Attributes
    ----------
    value : Value or None
        In the specification's unit and sign; an enumeration gives the name of the code. None
        if the device says it has no value or sent one that cannot be true.
    reason : str
        Why there is no value; empty if there is one.
    count : int or None
        The integer on the wire of a number or enumeration, also where ``value`` is None.
    """

    value: Value | None
    reason: str = ""
    count: int | None = None

    def as_float(self) -> float | None:
        """Give the number as a float, None if there is no value or it is no number."""
        return float(self.value) if isinstance(self.value, int | float | Decimal) else None


def lookup(class_code: int, epc: int) -> PropertySpec | None:
    """Row of the table for an EPC of a class, else the super class's, else None.

    Parameters
    ----------
    class_code : int
        For example 0x027D. A class without a table still has the super class's rows;
        profiles (group 0x0E) have only their own.
    epc : int
        0x80..0xFF.
    """
    table = _table()
    spec = table.get((class_code, epc))
    if spec is None and class_code >> 8 != _PROFILE_GROUP:
        spec = table.get((SUPER_CLASS, epc))
    return spec


def properties_of(class_code: int) -> tuple[PropertySpec, ...]:
    """Every row that holds for a class, the super class's included, by EPC."""
    found = (lookup(class_code, epc) for epc in range(0x80, 0x100))
    return tuple(spec for spec in found if spec is not None)


def required_epcs(class_code: int) -> frozenset[int]:
    """EPCs that a device of the class, built to the latest release, lets us Get.

    An older device may lack some of them; no device lacks 9D, 9E and 9F.
    """
    return frozenset(spec.epc for spec in properties_of(class_code) if spec.get is Access.REQUIRED)


def is_turned(class_code: int, epc: int) -> bool:
    """Whether + in the specification is power absorbed, so that the driver negates it once.

    Magnitudes whose name carries the direction (charge and discharge settings, ranges,
    cumulative energies) are never turned.
    """
    spec = lookup(class_code, epc)
    return spec is not None and spec.turned


def decode_value(spec: PropertySpec, edt: bytes) -> Decoded:
    """Read an EDT.

    Parameters
    ----------
    spec : PropertySpec
        Row of the table.
    edt : bytes
        What the device sent; PDC 0 is no value and is not to be passed in.

    Returns
    -------
    Decoded
        A code for "no value", a number out of range, an unknown code or an impossible date
        is a value of None with its reason: a bad reading, not an error.

    Raises
    ------
    RemoteProtocolError
        If the size is wrong or a list disagrees with its own count.
    """
    if spec.type in NUMBERS or spec.type in _CODE_SIZES:
        return _decode_count(spec, edt)
    composite = COMPOSITES[spec.type]
    if edt in spec.no_data and composite.fits(edt):
        return Decoded(None, spec.no_data[edt])
    try:
        return Decoded(composite.decode(spec, edt))
    except ValueError as error:
        return Decoded(None, f"impossible value: {error}")


def _decode_count(spec: PropertySpec, edt: bytes) -> Decoded:
    """Read a number or an enumeration."""
    number = spec.number
    assert number is not None, "a row of numbers has its number"
    if len(edt) != number.size:
        raise RemoteProtocolError(f"{spec}: {len(edt)} bytes instead of {number.size}")
    count = number.decode(edt)
    reason = spec.no_data.get(edt)
    if reason is not None:
        return Decoded(None, reason, count)
    if spec.codes:
        name = spec.codes.get(count)
        return Decoded(name, "" if name is not None else f"unknown code {edt.hex()}", count)
    if not spec.minimum <= count <= spec.maximum:
        return Decoded(None, "out of range", count)
    return Decoded(spec.scaled(count), "", count)


def encode_value(spec: PropertySpec, value: Value | None) -> bytes:
    """Write a value as EDT.

    Parameters
    ----------
    spec : PropertySpec
        Row of the table.
    value : Value or None
        In the specification's unit and sign; a float is rounded to the nearest count; an
        enumeration takes the name or the code. None is the property's "no value" code.

    Raises
    ------
    LocalProtocolError
        If the value is out of range, of the wrong kind, or None where no code says so.
    """
    composite = COMPOSITES.get(spec.type)
    if value is None:
        for code in spec.no_data:
            if composite is None or composite.fits(code):
                return code
        raise LocalProtocolError(f"{spec} has no code for no value")
    if composite is not None:
        return composite.encode(spec, value)
    assert spec.number is not None, "a row of numbers has its number"
    return spec.number.encode(_count(spec, value))


def _count(spec: PropertySpec, value: Value) -> int:
    """Count on the wire of a number or an enumeration."""
    if spec.codes:
        for code, name in spec.codes.items():
            if value in {code, name}:
                return code
        raise LocalProtocolError(f"{spec} has no code {value!r}")
    if not isinstance(value, int | float | Decimal):
        raise LocalProtocolError(f"{spec} takes a number, not {value!r}")
    return spec.count_of(value)


def check_edt(spec: PropertySpec, edt: bytes) -> str:
    """Why a Set of this EDT is to be refused; empty if it is acceptable.

    A size, range or code that the table does not have is a reason. So are the codes for
    overflow and underflow, but not a property's own codes such as "undefined".
    """
    try:
        reason = decode_value(spec, edt).reason
    except RemoteProtocolError as error:
        return str(error)
    own_code = edt in spec.no_data and reason not in _NEVER_SET
    return "" if own_code else reason


@cache
def _table() -> Mapping[tuple[int, int], PropertySpec]:
    """Read the table, once."""
    code_sets: dict[str, dict[int, str]] = {}
    for row in _rows("codes.csv"):
        code_sets.setdefault(row["set"], {})[int(row["code"], 16)] = row["name"]
    specs = (_spec(row, code_sets) for row in _rows("properties.csv"))
    return MappingProxyType({(spec.class_code, spec.epc): spec for spec in specs})


def _rows(name: str) -> Iterator[dict[str, str]]:
    """Rows of a CSV file beside this module."""
    with files("protocols.echonet_lite").joinpath(name).open(encoding="utf-8") as stream:
        yield from csv.DictReader(stream)


def _spec(row: Mapping[str, str], code_sets: Mapping[str, Mapping[int, str]]) -> PropertySpec:
    """Turn a row into a spec."""
    get, set_, inf = (_ACCESS[letter] for letter in row["access"])
    number = (
        NUMBERS[f"uint{8 * _CODE_SIZES[row['type']]}"]
        if row["type"] in _CODE_SIZES
        else item_type(row["type"])
    )
    pairs = (entry.split("=") for entry in row["no_data"].split(";") if "=" in entry)
    no_data = {bytes.fromhex(code): reason for code, reason in pairs}
    if number is not None and not row["codes"] and row["no_data"] != "none":
        no_data = {**no_data, **{k: v for k, v in number.no_data().items() if k not in no_data}}
    return PropertySpec(
        class_code=int(row["class"], 16),
        epc=int(row["epc"], 16),
        name=row["name"],
        get=get,
        set_=set_,
        inf=inf,
        type=row["type"],
        number=number,
        unit=row["unit"],
        multiplier=Decimal(row["multiplier"] or 1),
        minimum=int(row["minimum"] or (number.minimum if number else 0)),
        maximum=int(row["maximum"] or (number.maximum if number else 0)),
        codes=MappingProxyType(dict(code_sets[row["codes"]]) if row["codes"] else {}),
        no_data=MappingProxyType(no_data),
        turned=row["turned"] == "turned",
    )
