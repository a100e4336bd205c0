"""Fields of published files: days, times, numbers and headers, as publishers write them. Pure.

Each function refuses the file at its line when a field cannot be what its column promises.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

import numpy as np

from cloud_coordinator.gateway.exchanges.files import PublishedFile, shown, split_line
from cloud_coordinator.services.publications import Quality, Series
from protocols.vocabulary.calendar import jst_moment

_DAY: Final = re.compile(r"(\d{4})([/-])(\d{1,2})\2(\d{1,2})", re.ASCII)
_TIME: Final = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d{1,12}(\.\d{1,6})?", re.ASCII)
_UPDATE: Final = re.compile(r"(\S+) (\S+) UPDATE")
YEARS: Final = (1990, 2100)
"""First and last year a slot of a file can lie in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Values a column can hold, in its published unit."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A value with its quality; NaN if it is missing."""

    value: float
    quality: Quality


def missing(quality: Quality) -> Reading:
    """Make a reading without a value, for a reason."""
    return Reading(value=float("nan"), quality=quality)


def normal(text: str) -> str:
    """Header text in one form: full-width signs made narrow, spaces taken away, one tilde."""
    return "".join(unicodedata.normalize("NFKC", text).split()).replace("〜", "~")


def header(line: str) -> tuple[str, ...]:
    """Columns of a header line in normal form."""
    return tuple(normal(field) for field in split_line(line))


def day(file: PublishedFile, line: int, text: str) -> date:
    """Read ``2022/4/1`` or ``2022-04-01``.

    Raises
    ------
    ImportRefusedError
        If it is no day.
    """
    match = _DAY.fullmatch(text)
    if match is None:
        raise file.refusal(line, f"{shown(text)} is not a day")
    try:
        found = date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:
        raise file.refusal(line, f"{shown(text)} is not a day") from None
    if not YEARS[0] <= found.year <= YEARS[1]:
        raise file.refusal(line, f"the year of {shown(text)} is not possible")
    return found


def minute(file: PublishedFile, line: int, text: str) -> int:
    """Read ``0:00`` to ``23:59`` as minutes of the day.

    Raises
    ------
    ImportRefusedError
        If it is no time of a day.
    """
    match = _TIME.fullmatch(text)
    if match is None or int(match[1]) >= 24 or int(match[2]) >= 60:  # noqa: PLR2004  a clock
        raise file.refusal(line, f"{shown(text)} is not a time")
    return int(match[1]) * 60 + int(match[2])


def number(file: PublishedFile, line: int, text: str, *, bounds: Bounds) -> float:
    """Read a plain decimal within bounds.

    Raises
    ------
    ImportRefusedError
        If it is no number, or not a possible one.
    """
    if _NUMBER.fullmatch(text) is None:
        raise file.refusal(line, f"{shown(text)} is not a number")
    found = float(text)
    if not bounds.low <= found <= bounds.high:
        raise file.refusal(line, f"{text} is not between {bounds.low:g} and {bounds.high:g}")
    return found


def update_moment(file: PublishedFile, line: int) -> datetime:
    """Read the moment of ``2022/4/1 23:55 UPDATE``, aware UTC.

    Raises
    ------
    ImportRefusedError
        If the line says something else.
    """
    text = file.lines[line - 1].rstrip(", ")
    match = _UPDATE.fullmatch(text)
    if match is None:
        raise file.refusal(line, f"{shown(text)} is no day, time and UPDATE")
    return moment(day(file, line, match[1]), minute(file, line, match[2]))


def moment(local_day: date, minutes: int) -> datetime:
    """Aware UTC moment of a minute of a market day; 1440 is the end of the day."""
    return jst_moment(local_day, time()) + timedelta(minutes=minutes)


def seconds(local_day: date, minutes: int) -> int:
    """:func:`moment`, in seconds since 1970 UTC."""
    return int(moment(local_day, minutes).timestamp())


def series(
    kind: str, area: str, *, step_s: int, start_s: Sequence[int], readings: Sequence[Reading]
) -> Series:
    """Make a series of readings."""
    return Series(
        kind=kind,
        area=area,
        step_s=step_s,
        start_s=np.array(start_s, dtype=np.int64),
        value=np.array([one.value for one in readings], dtype=np.float64),
        quality=np.array([one.quality for one in readings], dtype=np.int8),
    )
