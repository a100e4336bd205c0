"""The short form of a line of the primary record: only what differs from a whole line. Pure.

A line has two dozen fields of which a few change each second. One line a minute is written
whole; the others name it and say what is different, with numbers as whole thousandths, which
is the precision lines have. Every second is an entry of its own, so that none waits for the
next to be safe.
"""

from collections.abc import Mapping
from typing import Final

from protocols.link.messages import Plain

WHOLE_EVERY_S: Final = 60
"""A whole line at least this often: a journal is trimmed from its beginning."""
SECOND: Final = "second"
SINCE: Final = "since"
"""Second of the whole line that a short one is the difference from; whole lines have none."""
_CHANGES: Final = "changes"
_MEMBERS: Final = "members"
_FIELDS: Final = (
    "frequency_hz", "frequency_hz_min", "frequency_hz_max", "samples", "quality", "age_s",
    "source", "basis", "base_w", "asked_w", "response_w", "power_w", "power_quality",
    "limit_w_min", "limit_w_max", "award_w", "rated_w", "nominal_hz", "droop", "dead_band_hz",
    "obligations",
)  # fmt: skip
"""By number in short lines: append only."""
_COUNTED: Final = frozenset({"samples"})
"""Whole numbers as they are; every other number is in thousandths."""
_FINE: Final = frozenset({"award_w", "rated_w", "nominal_hz", "droop", "dead_band_hz"})
"""Terms of the grant that are not rounded: where one changes, the line is whole."""

Line = Mapping[str, Plain]


def shortened(line: Line, base: Line | None) -> Line:
    """Return the short form of a line, or the line itself where it must be whole.

    Parameters
    ----------
    line : mapping
        Whole, numbers rounded to thousandths.
    base : mapping or None
        The last whole line; None if there is none.
    """
    if base is None or set(line) != {SECOND, _MEMBERS, *_FIELDS}:
        return line
    second, since = line[SECOND], base[SECOND]
    assert isinstance(second, int), "seconds are whole"
    assert isinstance(since, int), "seconds are whole"
    aged = not 0 < second - since < WHOLE_EVERY_S
    if aged or any(line[name] != base[name] for name in _FINE) or _names(line) != _names(base):
        return line
    changes: list[Plain] = []
    for number, name in enumerate(_FIELDS):
        if line[name] != base[name]:
            changes += [number, _packed(name, line[name])]
    members = [[_milli(one[1]), _milli(one[2]), one[3]] for one in _members(line)]
    return {SECOND: second, SINCE: since, _CHANGES: changes, _MEMBERS: list(members)}


def opened(short: Line, base: Line) -> Line:
    """Return the whole line of a short one; ``base`` is the whole line it names."""
    changes, members = short[_CHANGES], short[_MEMBERS]
    assert isinstance(changes, list), "pairs of number and value"
    assert isinstance(members, list), "one for each device"
    line = {**base, SECOND: short[SECOND]}
    for number, value in zip(changes[::2], changes[1::2], strict=True):
        assert isinstance(number, int), "number of a field"
        name = _FIELDS[number]
        line[name] = value if name in _COUNTED else _whole(value)
    line[_MEMBERS] = [
        [before[0], _whole(one[0]), _whole(one[1]), one[2]]
        for before, one in zip(_members(base), members, strict=True)
        if isinstance(one, list)
    ]
    return line


def _members(line: Line) -> list[list[Plain]]:
    members = line[_MEMBERS]
    assert isinstance(members, list), "a line has its devices"
    return [one for one in members if isinstance(one, list)]


def _names(line: Line) -> list[Plain]:
    return [one[0] for one in _members(line)]


def _packed(name: str, value: Plain) -> Plain:
    return value if name in _COUNTED else _milli(value)


def _milli(value: Plain) -> Plain:
    """Thousandths of a number; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    return round(value * 1000.0)


def _whole(value: Plain) -> Plain:
    """Return the number of some thousandths; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    return value / 1000.0
