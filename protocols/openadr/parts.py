"""How a field of a payload class stands on the wire: its path of elements and its text form.

A class of `messages` is its own table: the order of its fields is the order of the schema, and
each field's metadata is made here. :mod:`protocols.openadr.xml` reads the tables. A path such as
``"strm:intervals/ei:interval[]"`` names each element on the way: ``[]`` marks the one that
repeats, ``?`` one that may be left out though those above it stand there. Prefix ``*`` is the
namespace of the element that the class itself is written as.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from protocols.openadr.durations import (
    format_duration,
    format_instant,
    parse_duration,
    parse_instant,
)
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

PREFIXES: Mapping[str, str] = {
    "oadr": "http://openadr.org/oadr-2.0b/2012/07",
    "pyld": "http://docs.oasis-open.org/ns/energyinterop/201110/payloads",
    "ei": "http://docs.oasis-open.org/ns/energyinterop/201110",
    "scale": "http://docs.oasis-open.org/ns/emix/2011/06/siscale",
    "emix": "http://docs.oasis-open.org/ns/emix/2011/06",
    "power": "http://docs.oasis-open.org/ns/emix/2011/06/power",
    "strm": "urn:ietf:params:xml:ns:icalendar-2.0:stream",
    "xcal": "urn:ietf:params:xml:ns:icalendar-2.0",
    "gml": "http://www.opengis.net/gml/3.2",
}
_KEY = "openadr"
_WHOLE_MAX = 2**32 - 1
_FLOAT_MAX = 3.4028234663852886e38


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One element on the way to a value.

    Attributes
    ----------
    tag : str
        ``{namespace}name``; namespace ``*`` for that of the class's own element.
    repeats : bool
        True if there is one of these per value.
    optional : bool
        True if the elements above it may stand there without it.
    """

    tag: str
    repeats: bool
    optional: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Wire form of one field.

    Attributes
    ----------
    steps : tuple of Step
        From the class's element down to the one that holds the value.
    read : callable or None
        Value of an element's text; None if the value is another payload class.
    write : callable or None
        Text of a value.
    child : type or None
        Payload class of the value.
    variants : Mapping
        Element name to the child's `kind`, where the schema has a substitution group.
    always : bool
        True if the elements around a list stand there even when it is empty.
    many : bool
        True if the field is a tuple.
    """

    steps: tuple[Step, ...]
    read: Callable[[str], object] | None = None
    write: Callable[[object], str] | None = None
    child: type | None = None
    variants: Mapping[str, str]
    always: bool = False
    many: bool


def tag(name: str) -> str:
    """``{namespace}name`` of a prefixed name."""
    prefix, _, local = name.partition(":")
    return f"{{{PREFIXES.get(prefix, prefix)}}}{local}"


def part_of(metadata: Mapping[object, object]) -> Part:
    """Wire form kept in the metadata of a field."""
    part = metadata[_KEY]
    assert isinstance(part, Part)
    return part


def _steps(path: str) -> tuple[Step, ...]:
    return tuple(
        Step(tag=tag(step.rstrip("[]?")), repeats=step.endswith("[]"), optional=step.endswith("?"))
        for step in path.split("/")
    )


def _leaf(
    path: str,
    read: Callable[[str], object],
    write: Callable[[object], str],
    *,
    always: bool = False,
) -> dict[object, object]:
    return {
        _KEY: Part(
            steps=_steps(path),
            read=read,
            write=write,
            variants={},
            always=always,
            many="[]" in path,
        )
    }


def text(path: str, *, always: bool = False) -> dict[object, object]:
    """Characters as they are: identifiers and names."""
    return _leaf(path, str, str, always=always)


def token(path: str) -> dict[object, object]:
    """Characters without white space around them: words of open lists."""
    return _leaf(path, str.strip, str)


def word(path: str, words: type[StrEnum]) -> dict[object, object]:
    """One of a closed list of words."""

    def read(wire: str) -> StrEnum:
        try:
            return words(wire.strip())
        except ValueError as error:
            raise RemoteProtocolError(f"{wire[:40]!r} is no {words.__name__}") from error

    return _leaf(path, read, str)


def whole(path: str) -> dict[object, object]:
    """Unsigned 32-bit integer."""
    return _leaf(path, _read_whole, _write_whole)


def number(path: str) -> dict[object, object]:
    """Finite number; the schema's float holds no more than a 32-bit one does."""
    return _leaf(path, _read_number, _write_number)


def decimal(path: str) -> dict[object, object]:
    """Finite number that the schema wants without an exponent."""
    return _leaf(path, _read_number, lambda value: format(Decimal(_write_number(value)), "f"))


def flag(path: str) -> dict[object, object]:
    """Boolean, written true or false."""
    return _leaf(path, _read_flag, lambda value: "true" if value else "false")


def length(path: str) -> dict[object, object]:
    """ISO 8601 duration as a timedelta."""
    return _leaf(path, parse_duration, _write_duration)


def instant(path: str) -> dict[object, object]:
    """ISO 8601 date-time as an aware UTC datetime."""
    return _leaf(path, parse_instant, _write_instant)


def child(
    path: str, of: type, *, variants: Mapping[str, str] | None = None
) -> dict[object, object]:
    """Another payload class, or a tuple of them where the path repeats."""
    return {_KEY: Part(steps=_steps(path), child=of, variants=variants or {}, many="[]" in path)}


def _read_whole(wire: str) -> int:
    stripped = wire.strip()
    if not (stripped.isascii() and stripped.isdigit()) or len(stripped) > 20:  # noqa: PLR2004 - int() of a long text is slow
        raise RemoteProtocolError(f"{wire[:40]!r} is no whole number")
    value = int(stripped)
    if value > _WHOLE_MAX:
        raise RemoteProtocolError(f"{value} does not fit 32 bits")
    return value


def _write_whole(value: object) -> str:
    assert isinstance(value, int)
    if not 0 <= value <= _WHOLE_MAX:
        raise LocalProtocolError(f"{value} does not fit an unsigned 32-bit number")
    return str(value)


def _read_number(wire: str) -> float:
    try:
        value = float(wire) if "_" not in wire else math.nan
    except ValueError as error:
        raise RemoteProtocolError(f"{wire[:40]!r} is no number") from error
    if not abs(value) <= _FLOAT_MAX:
        raise RemoteProtocolError(f"{wire[:40]!r} is no finite number")
    return value


def _write_number(value: object) -> str:
    assert isinstance(value, int | float)
    if not abs(value) <= _FLOAT_MAX:
        raise LocalProtocolError(f"{value} is no finite number")
    return repr(float(value))


def _read_flag(wire: str) -> bool:
    stripped = wire.strip()
    if stripped not in {"true", "false", "1", "0"}:
        raise RemoteProtocolError(f"{wire[:40]!r} is neither true nor false")
    return stripped in {"true", "1"}


def _write_duration(value: object) -> str:
    assert isinstance(value, timedelta)
    return format_duration(value)


def _write_instant(value: object) -> str:
    assert isinstance(value, datetime)
    return format_instant(value)
