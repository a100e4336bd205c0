"""Checked readings of decoded msgpack values: everything wrong is a RemoteProtocolError.

Each function takes the value and the words for it in the error. Used by
:mod:`protocols.link.plain` and :mod:`protocols.link.wire` alone.
"""

import enum
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn, TypeVar

import numpy as np

from protocols.link.messages import Plain
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import JournalId
from protocols.vocabulary.intervals import Interval

MAX_INTEGER: Final = 2**63 - 1
MAX_TEXT: Final = 160
MAX_STEPS: Final = 4096
MAX_ITEMS: Final = 512
MAX_DEPTH: Final = 8
MAX_SEQUENCE: Final = 2**62
"""Sequences stay far from where adding rows would overflow int64 columns of a store."""
MAX_SECONDS: Final = 253_402_300_800
"""Unix time of the year 10000, which ``datetime`` cannot hold."""
MAX_MAGNITUDE: Final = 1e12
"""Greatest number, in W, Wh, JPY/kWh or s: far beyond what any site has and any device can say
in four bytes, and small enough that sums and squares of a whole fleet stay exact and finite."""

NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\Z")
JOURNAL_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}\Z")
IDENTIFIER: Final = re.compile(r"[!-~]{1,160}\Z")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_F8: Final = np.dtype("<f8")
_I8: Final = np.dtype("<i8")
_SHOWN: Final = 40
_FEWEST_REPEATED: Final = 3
_BOUNDED: Final = f"a finite number, {MAX_MAGNITUDE:g} at most"

_Member = TypeVar("_Member", bound=enum.Enum)


def refuse(what: str, value: object, wanted: str) -> NoReturn:
    """Raise for a value that is not what was wanted; long values are shown cut."""
    message = f"{what}: {repr(value)[:_SHOWN]}, wanted {wanted}"
    raise RemoteProtocolError(message)


def fields(value: object, count: int, what: str) -> list[object]:
    """First ``count`` fields of an array; a newer sender may have added some behind."""
    if not isinstance(value, list) or len(value) < count:
        refuse(what, value, f"an array of at least {count}")
    return value[:count]


def items(value: object, what: str, limit: int = MAX_ITEMS) -> list[object]:
    """All items of an array of at most ``limit``."""
    if not isinstance(value, list) or len(value) > limit:
        refuse(what, value, f"an array of at most {limit}")
    return value


def mapping(value: object, what: str, limit: int = MAX_ITEMS) -> dict[str, object]:
    """Return a map with text keys of at most ``limit`` entries."""
    if not isinstance(value, dict) or len(value) > limit:
        refuse(what, value, f"a map of at most {limit}")
    for key in value:
        text(key, f"{what} key")
    return value


def text(value: object, what: str, limit: int = MAX_TEXT) -> str:
    """Return a text of at most ``limit`` characters."""
    if not isinstance(value, str) or len(value) > limit:
        refuse(what, value, f"text of at most {limit} characters")
    return value


def matched(value: object, pattern: re.Pattern[str], what: str) -> str:
    """Return a text that matches a pattern from its beginning."""
    if not isinstance(value, str) or pattern.match(value) is None:
        refuse(what, value, pattern.pattern)
    return value


def journal_id(value: object) -> JournalId:
    """Return a journal id: letters, digits and hyphens, so that it can be a file name."""
    return JournalId(matched(value, JOURNAL_ID, "journal id"))


def integer(value: object, what: str, *, low: int = 0, high: int = MAX_INTEGER) -> int:
    """Return an integer (not a bool) within bounds."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        refuse(what, value, f"an integer {low}..{high}")
    return value


def number(value: object, what: str) -> float:
    """Return a finite number of at most ``MAX_MAGNITUDE`` either way."""
    result = number_or_infinite(value, what)
    if not math.isfinite(result):
        refuse(what, value, _BOUNDED)
    return result


def number_or_infinite(value: object, what: str) -> float:
    """Return a number that may be infinite but is not NaN, and else as :func:`number`."""
    if not isinstance(value, int | float) or isinstance(value, bool) or value != value:  # noqa: PLR0124 - NaN
        refuse(what, value, "a number")
    if abs(value) > MAX_MAGNITUDE and not math.isinf(value):
        refuse(what, value, _BOUNDED)
    return float(value)


def octets(value: object, what: str, limit: int) -> bytes:
    """Return bytes of at most ``limit``."""
    if not isinstance(value, bytes) or len(value) > limit:
        refuse(what, value, f"at most {limit} bytes")
    return value


def member(value: object, kind: type[_Member], what: str) -> _Member:
    """Return the member of an enumeration with this value."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        refuse(what, value, kind.__name__)
    try:
        return kind(value)
    except ValueError:
        refuse(what, value, kind.__name__)


def moment_to_plain(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime, exact."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: object, what: str) -> datetime:
    """Aware UTC datetime of microseconds since 1970."""
    microseconds = integer(value, what, high=MAX_SECONDS * 1_000_000 - 1)
    return _EPOCH + timedelta(microseconds=microseconds)


def interval_to_plain(interval: Interval) -> Plain:
    """Start and end in microseconds since 1970."""
    return [moment_to_plain(interval.start), moment_to_plain(interval.end)]


def interval(value: object, what: str) -> Interval:
    """Half-open interval of two moments in order."""
    first, last = fields(value, 2, what)
    start, end = moment(first, f"{what} start"), moment(last, f"{what} end")
    if start >= end:
        refuse(what, value, "an end after the start")
    return Interval(start=start, end=end)


def column_to_plain(column: FloatArray) -> Plain:
    """Little-endian float64 bytes, or ``[n, value]`` if all n >= 3 entries are the same bits."""
    little = np.ascontiguousarray(column, dtype=_F8)
    bits = little.view(_I8)
    if len(bits) >= _FEWEST_REPEATED and bool((bits == bits[0]).all()):
        return [len(bits), float(little[0])]
    return little.tobytes()


def column(value: object, what: str, limit: int = MAX_STEPS) -> FloatArray:
    """Read-only float64 column of 1..limit numbers, each as :func:`number`."""
    if isinstance(value, list):
        count, repeated = fields(value, 2, what)
        result = np.full(integer(count, what, low=1, high=limit), number(repeated, what))
        result.flags.writeable = False
        return result
    data = octets(value, what, limit * _F8.itemsize)
    if not data or len(data) % _F8.itemsize:
        refuse(what, value, "1 or more float64")
    array = np.frombuffer(data, dtype=_F8).astype(np.float64, copy=False)
    if not bool((np.abs(array) <= MAX_MAGNITUDE).all()):
        refuse(what, value, f"finite numbers, {MAX_MAGNITUDE:g} at most")
    array.flags.writeable = False
    return array


def payload(value: object, what: str) -> Mapping[str, Plain]:
    """Return a map of plain values, nested at most ``MAX_DEPTH`` deep."""
    result = mapping(value, what)
    _check_plain(list(result.values()), what, MAX_DEPTH)
    return result  # type: ignore[return-value]  # checked just now, value by value


def _check_plain(values: list[object], what: str, depth: int) -> None:
    if depth == 0:
        refuse(what, "...", f"at most {MAX_DEPTH} levels")
    for value in values:
        if isinstance(value, list):
            _check_plain(value, what, depth - 1)
        elif isinstance(value, dict):
            _check_plain(list(mapping(value, what).values()), what, depth - 1)
        elif not isinstance(value, None | bool | int | float | str | bytes):
            refuse(what, value, "a plain value")
