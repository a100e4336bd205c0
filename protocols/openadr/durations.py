"""Durations and date-times of OpenADR, both ways; no clock.

A duration is a ``timedelta``; PT0S is zero and means "open end" where a period may have one.
Years and months have no length of their own and are refused. A date-time is an aware UTC
``datetime``; it is always written with Z and may be read with any offset.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

_DURATION = re.compile(
    r"(?P<sign>[+-])?(?:P|(?=\d+W))(?:(?P<weeks>\d{1,9}(?:[.,]\d+)?)W"
    r"|(?=[\dT])(?:0{1,9}Y)?(?:0{1,9}M)?(?:(?P<days>\d{1,9}(?:[.,]\d+)?)D)?"
    r"(?:T(?:(?P<hours>\d{1,12}(?:[.,]\d+)?)H)?(?:(?P<minutes>\d{1,12}(?:[.,]\d+)?)M)?"
    r"(?:(?P<seconds>\d{1,15}(?:[.,]\d+)?)S)?)?)",
    re.ASCII,
)
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:?\d\d)?", re.ASCII
)
_LONGEST_TEXT = 64
_MICROSECONDS = {
    "weeks": 604_800_000_000,
    "days": 86_400_000_000,
    "hours": 3_600_000_000,
    "minutes": 60_000_000,
    "seconds": 1_000_000,
}


def parse_duration(text: str) -> timedelta:
    """Length of an ISO 8601 duration.

    Parameters
    ----------
    text : str
        E.g. ``PT10M``, ``-PT0.5S``, ``P2W`` (or ``2W``, which the schema has by mistake),
        ``P1DT2H``; a decimal comma is a point.

    Returns
    -------
    timedelta
        Exact to the microsecond.

    Raises
    ------
    RemoteProtocolError
        If it is none, has years or months (no fixed length), or is longer than can be held.

    Notes
    -----
    oadr_xcal_20b.xsd, DurationValueType; fractions and W after P as in ISO 8601.
    """
    found = _DURATION.fullmatch(text.strip()) if len(text) <= _LONGEST_TEXT else None
    given = {} if found is None else {k: v for k, v in found.groupdict().items() if v}
    sign = given.pop("sign", "+")
    if found is None or (not given and not re.search(r"0[YM]", text)):
        raise RemoteProtocolError(f"{text[:_LONGEST_TEXT]!r} is not a duration of fixed length")
    try:
        total = timedelta(microseconds=sum(_exact(v, _MICROSECONDS[k]) for k, v in given.items()))
    except OverflowError as error:
        raise RemoteProtocolError(f"{text[:_LONGEST_TEXT]!r} is longer than any event") from error
    return -total if sign == "-" else total


def _exact(number: str, unit: int) -> int:
    """Microseconds of a decimal number of a unit, without a float in between."""
    whole, _, fraction = number.replace(",", ".").partition(".")
    part = int(fraction or "0") * unit // int("1" + "0" * len(fraction))
    return int(whole) * unit + part


def format_duration(length: timedelta) -> str:
    """Shortest ISO 8601 duration in days, hours, minutes and seconds; zero is PT0S.

    Parameters
    ----------
    length : timedelta
        Any sign. A part of a second is written as a fraction, which ISO 8601 has and the
        profile's schema has not: roles send whole seconds.
    """
    micros = (length.days * 86_400 + length.seconds) * 1_000_000 + length.microseconds
    sign, rest = ("-", -micros) if micros < 0 else ("", micros)
    days, rest = divmod(rest, _MICROSECONDS["days"])
    hours, rest = divmod(rest, _MICROSECONDS["hours"])
    minutes, rest = divmod(rest, _MICROSECONDS["minutes"])
    seconds, micros = divmod(rest, _MICROSECONDS["seconds"])
    fraction = f".{micros:06d}".rstrip("0") if micros else ""
    date = f"{days}D" if days else ""
    time = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M")) if n)
    if seconds or fraction:
        time += f"{seconds}{fraction}S"
    if not date and not time:
        time = "0S"
    return f"{sign}P{date}{'T' if time else ''}{time}"


def parse_instant(text: str) -> datetime:
    """Moment of an ISO 8601 date-time.

    Parameters
    ----------
    text : str
        With Z, any offset, or none: the profile reads a time without zone as UTC.

    Returns
    -------
    datetime
        Aware, UTC, to the microsecond (further digits are cut).

    Raises
    ------
    RemoteProtocolError
        If it is none, or no day of the calendar.
    """
    found = _INSTANT.fullmatch(text.strip()) if len(text) <= _LONGEST_TEXT else None
    if found is None:
        raise RemoteProtocolError(f"{text[:_LONGEST_TEXT]!r} is not a date-time")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    micros = int(((found[7] or "") + "000000")[:6])
    extra = timedelta()
    if second == 60:  # noqa: PLR2004 - a leap second, which belongs to the next minute
        second, extra = 59, timedelta(seconds=1)
    if (hour, minute, second, micros) == (24, 0, 0, 0):
        hour, extra = 0, timedelta(days=1)
    try:
        local = datetime(
            year, month, day, hour, minute, second, micros, tzinfo=_zone(found[8] or "Z")
        )
        return (local + extra).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise RemoteProtocolError(f"{text!r} is not a moment: {error}") from error


def _zone(text: str) -> timezone:
    """Time zone of Z or an offset; ValueError beyond a day."""
    if text == "Z":
        return UTC
    size = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-size if text[0] == "-" else size)


def format_instant(moment: datetime) -> str:
    """ISO 8601 date-time in UTC with Z; a fraction only where there is one.

    Raises
    ------
    LocalProtocolError
        If the moment knows no zone.
    """
    if moment.tzinfo is None:
        raise LocalProtocolError(f"{moment} knows no time zone")
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    text = utc.isoformat(timespec="microseconds")
    return text.rstrip("0").rstrip(".") + "Z"
