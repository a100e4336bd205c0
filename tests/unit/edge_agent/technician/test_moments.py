"""Times as a technician types them."""

from datetime import UTC, datetime

import pytest

from edge_agent.technician.moments import age_text, parse_time, shown
from protocols.vocabulary.errors import ConfigError

NOW = datetime(2026, 7, 22, 5, 10, 0, tzinfo=UTC)
"""14:10 JST."""


@pytest.mark.parametrize(
    ("text", "expected", "span_s"),
    [
        ("14:03", datetime(2026, 7, 22, 5, 3, tzinfo=UTC), 60),
        ("14:03:05", datetime(2026, 7, 22, 5, 3, 5, tzinfo=UTC), 1),
        ("9:03", datetime(2026, 7, 22, 0, 3, tzinfo=UTC), 60),
        ("14:30", datetime(2026, 7, 21, 5, 30, tzinfo=UTC), 60),
        ("2026-07-22T14:03:05", datetime(2026, 7, 22, 5, 3, 5, tzinfo=UTC), 1),
        ("2026-07-22 14:03:05+09:00", datetime(2026, 7, 22, 5, 3, 5, tzinfo=UTC), 1),
        ("2026-07-22T05:03:05Z", datetime(2026, 7, 22, 5, 3, 5, tzinfo=UTC), 1),
        ("2026-07-22T05:03:05.900Z", datetime(2026, 7, 22, 5, 3, 5, tzinfo=UTC), 1),
    ],
)
def test_times_are_understood(text: str, expected: datetime, span_s: int) -> None:
    """If this fails, a technician is shown another hour than the one asked for."""
    asked = parse_time(text, NOW)
    assert (asked.moment, asked.span_s) == (expected, span_s)
    assert asked.slot_s == int(expected.timestamp())


@pytest.mark.parametrize("text", ["", "25:00", "14:60", "yesterday", "2026-13-01T00:00:00"])
def test_no_time_is_refused_with_the_way_to_write_it(text: str) -> None:
    """If this fails, a mistyped time shows the wrong second or a stack trace."""
    with pytest.raises(ConfigError, match="write 14:03"):
        parse_time(text, NOW)


def test_the_future_is_refused() -> None:
    """If this fails, a technician waits for a second that has not come."""
    with pytest.raises(ConfigError, match="2026-07-22 15:00:00 JST has not come yet"):
        parse_time("2026-07-22T15:00:00", NOW)


def test_times_and_ages_are_shown_with_their_unit() -> None:
    """If this fails, UTC is read as local time, nine hours off."""
    assert shown(NOW) == "2026-07-22 14:10:00 JST"
    assert [age_text(s) for s in (0.4, 119.0, 720.0, 12_600.0, 200_000.0)] == [
        "0.4 s",
        "119.0 s",
        "12 min",
        "3.5 h",
        "2 d",
    ]
