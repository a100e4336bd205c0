"""Durations and date-times, both ways."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.openadr.durations import (
    format_duration,
    format_instant,
    parse_duration,
    parse_instant,
)
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT0S", 0.0), ("P0D", 0.0), ("PT10M", 600.0), ("P2W", 1_209_600.0), ("P1DT2H", 93_600.0),
        ("PT0.5S", 0.5), ("P1DT", 86_400.0), ("2W", 1_209_600.0),
        ("PT1,5M", 90.0), ("-PT5M", -300.0), ("+PT1H", 3600.0), ("PT86400S", 86_400.0),
        ("P0Y0M1DT0H0M0S", 86_400.0), (" PT1S ", 1.0), ("PT0.0000001S", 0.0), ("-P1W", -604_800.0),
    ],
)  # fmt: skip
def test_duration_is_read(text: str, seconds: float) -> None:
    """If it fails, an event begins or ends at another time than its VTN meant."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "P", "PT", "T1S", "P1M", "P1Y", "1D", "PT1", "PT-5S", "PT1S1M", "P1W2D", "10",
     "PT1e3S", "PT٣S", "P999999999W", "PT" + "9" * 80 + "S", "p1d", "PT1S\nX"],
)  # fmt: skip
def test_what_is_no_fixed_duration_is_refused(text: str) -> None:
    """If it fails, a duration nobody can tell the length of moves an event."""
    with pytest.raises(RemoteProtocolError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(), "PT0S"), (timedelta(seconds=90), "PT1M30S"), (timedelta(days=14), "P14D"),
        (timedelta(hours=-1), "-PT1H"), (timedelta(milliseconds=1500), "PT1.5S"),
        (timedelta(days=1, microseconds=1), "P1DT0.000001S"),
    ],
)  # fmt: skip
def test_duration_is_written(length: timedelta, text: str) -> None:
    """If it fails, a zero duration (an open end) is not one on the wire."""
    assert format_duration(length) == text


@given(st.timedeltas())
def test_duration_survives(length: timedelta) -> None:
    """If it fails, a duration changes on its way."""
    assert parse_duration(format_duration(length)) == length


@given(st.datetimes(timezones=st.just(UTC)))
def test_instant_survives(moment: datetime) -> None:
    """If it fails, an event's start changes on its way."""
    assert parse_instant(format_instant(moment)) == moment
    assert format_instant(moment).endswith("Z")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-29T02:30:00+02:00", "2026-03-29T00:30:00Z"),
        ("2026-11-23T00:00:00+0900", "2026-11-22T15:00:00Z"),
        ("2026-11-23T00:00:00", "2026-11-23T00:00:00Z"),
        ("2026-12-31T23:59:60Z", "2027-01-01T00:00:00Z"),
        ("2026-11-23T24:00:00Z", "2026-11-24T00:00:00Z"),
        ("2026-11-23T00:00:00.123456789Z", "2026-11-23T00:00:00.123456Z"),
        ("2026-11-23T00:00:00-03:30", "2026-11-23T03:30:00Z"),
    ],
)
def test_instant_is_read_with_any_offset(text: str, utc: str) -> None:
    """If it fails, an event of a VTN abroad begins hours off."""
    assert format_instant(parse_instant(text)) == utc


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-23", "2026-02-30T00:00:00Z", "2026-11-23T25:00:00Z", "0000-01-01T00:00:00Z",
     "9999-12-31T23:59:60Z", "0001-01-01T00:00:00+01:00", "2026-11-23T00:00:00+25:00", "now",
     "2026-11-23 00:00:00Z", "２０２６-11-23T00:00:00Z"],
)  # fmt: skip
def test_what_is_no_moment_is_refused(text: str) -> None:
    """If it fails, a day that is none crashes a role."""
    with pytest.raises(RemoteProtocolError):
        parse_instant(text)


def test_moment_without_zone_is_ours_to_fix() -> None:
    """If it fails, local time goes out as if it were UTC."""
    with pytest.raises(LocalProtocolError):
        format_instant(datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused
