"""Short lines of the primary record: nothing is lost, and they are short."""

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.link.primary_line import SINCE, WHOLE_EVERY_S, opened, shortened

NUMBERS = st.one_of(st.none(), st.floats(-1e6, 1e6).map(lambda value: round(value, 3)))


def _line(second: int = 1_784_000_000, **changes: Any) -> dict[str, Any]:
    return {
        "second": second,
        "frequency_hz": 49.987,
        "frequency_hz_min": 49.985,
        "frequency_hz_max": 49.99,
        "samples": 10,
        "quality": "GOOD",
        "age_s": 0.053,
        "source": "battery-1.frequency_hz",
        "basis": "following",
        "base_w": 100.0,
        "asked_w": 433.333,
        "response_w": 433.333,
        "power_w": 531.25,
        "power_quality": "GOOD",
        "limit_w_min": -5000.0,
        "limit_w_max": 5000.0,
        "award_w": 3000.0,
        "rated_w": 5000.0,
        "nominal_hz": 50.0,
        "droop": 0.05,
        "dead_band_hz": 0.01,
        "obligations": ["award-1/site-001"],
        "members": [["site-001/battery-1", 533.0, 531.25, False]],
    } | changes


@given(
    frequency=NUMBERS,
    asked=NUMBERS,
    power=NUMBERS,
    samples=st.integers(0, 64),
    told=NUMBERS,
    failing=st.booleans(),
    quality=st.sampled_from(["GOOD", "STALE", "BAD"]),
    after=st.integers(1, WHOLE_EVERY_S - 1),
)
def test_a_short_line_opens_to_the_whole_one(after: int, told: Any, **values: Any) -> None:
    """If it fails, an inspection reads another frequency or power than there was."""
    base = _line()
    line = _line(
        base["second"] + after,
        frequency_hz=values["frequency"],
        asked_w=values["asked"],
        power_w=values["power"],
        samples=values["samples"],
        quality=values["quality"],
        members=[["site-001/battery-1", told, values["power"], values["failing"]]],
    )
    short = shortened(line, base)
    assert short[SINCE] == base["second"]
    wire = msgpack.unpackb(msgpack.packb(short))
    assert opened(wire, base) == line


def test_a_typical_line_is_short() -> None:
    """If it fails, a day of primary reserve fills the gateway's disk again."""
    base = _line()
    line = _line(
        base["second"] + 30,
        frequency_hz=50.012,
        frequency_hz_min=50.009,
        frequency_hz_max=50.014,
        age_s=0.021,
        base_w=103.2,
        asked_w=-400.0,
        response_w=-400.0,
        power_w=-301.22,
        limit_w_min=-4990.0,
        members=[["site-001/battery-1", -300.0, -301.22, False]],
    )
    assert len(msgpack.packb(shortened(line, base))) <= 120
    assert len(msgpack.packb(line)) >= 400


@pytest.mark.parametrize(
    "line",
    [
        _line(1_784_000_000 + WHOLE_EVERY_S),
        _line(1_784_000_000 - 1),
        _line(1_784_000_001, award_w=2000.0005),
        _line(1_784_000_001, members=[["site-001/battery-2", 1.0, 1.0, False]]),
        _line(1_784_000_001, news="a field of a later version"),
    ],
)
def test_what_cannot_be_told_shortly_is_whole(line: dict[str, Any]) -> None:
    """If it fails, a line is told from one that was trimmed, or loses what is new in it."""
    assert shortened(line, _line()) is line
    assert shortened(line, None) is line
