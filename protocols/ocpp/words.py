"""Typed access to the words of an OCPP message: plain data as its JSON had it.

Keys are those of the specification in snake case, as the ``ocpp`` package gives them. What is
missing or of another type is None or empty: a schema has been there before, but not in front
of a charger that breaks it.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

Words = Mapping[str, object]

_EMPTY: Final[Words] = {}


def text_of(words: Words, key: str) -> str:
    """Text of a key; empty if there is none."""
    value = words.get(key)
    return value if isinstance(value, str) else ""


def number_of(words: Words, key: str) -> float | None:
    """Finite number of a key, also if it was written as text."""
    return finite(words.get(key))


def whole_of(words: Words, key: str) -> int | None:
    """Whole number of a key."""
    value = words.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def words_of(words: Words, key: str) -> Words:
    """Object below a key; empty if there is none."""
    value = words.get(key)
    return value if isinstance(value, Mapping) else _EMPTY


def list_of(words: Words, key: str) -> tuple[Words, ...]:
    """Objects in the list of a key."""
    value = words.get(key)
    if isinstance(value, str) or not isinstance(value, Sequence):
        return ()
    return tuple(entry for entry in value if isinstance(entry, Mapping))


def time_of(words: Words, key: str) -> datetime | None:
    """Aware UTC time of a key; one without offset is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text_of(words, key))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def time_text(moment: datetime) -> str:
    """Time as OCPP writes it: UTC, milliseconds, ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def finite(value: object) -> float | None:
    """Finite number from a number or from text."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value) if isinstance(value, int | float | str) else float(str(value))
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
