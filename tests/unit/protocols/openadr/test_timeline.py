"""When an event does what; the worked examples of the timeline by name."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from protocols.openadr.durations import parse_instant
from protocols.openadr.messages.event import EiEvent, EventStatus
from protocols.openadr.timeline import (
    current_value,
    event_is_test,
    event_status,
    shift_of,
    span_of,
    value_intervals,
)
from tests.unit.protocols.openadr.samples import at, event, interval, signal

WORKED = event(
    start="06:00",
    duration=timedelta(hours=1),
    startafter=timedelta(minutes=5),
    ramp_up=timedelta(minutes=10),
    recovery=timedelta(minutes=15),
    notification=timedelta(minutes=30),
    signals=(signal(interval(20, 2.0, uid="0"), interval(40, 1.0, uid="1")),),
)


def _values(event_: EiEvent, shift: timedelta = timedelta()) -> list[tuple[object, ...]]:
    (one,) = event_.ei_event_signals.ei_event_signal
    return [
        (value.start, value.end, value.value)
        for value in value_intervals(one, event_.ei_active_period.properties, shift)
    ]


def test_worked_example_randomised_by_120_seconds() -> None:
    """If it fails, all sites of a programme step at once, or at times of their own making."""
    properties = WORKED.ei_active_period.properties
    shift = shift_of(properties, 120 / 300)
    assert shift == timedelta(seconds=120)
    assert _values(WORKED, shift) == [
        (at("06:02"), at("06:22"), 2.0),
        (at("06:22"), at("07:02"), 1.0),
    ]
    span = span_of(WORKED, shift)
    assert (span.start, span.end, span.recovered_at) == (at("06:02"), at("07:02"), at("07:17"))
    assert (span.ramp_from, span.notice_by) == (at("05:52"), at("05:32"))


@pytest.mark.parametrize(
    ("moment", "status", "value"),
    [
        ("05:49", EventStatus.FAR, 0.0),
        ("05:50", EventStatus.NEAR, 0.0),
        ("05:59", EventStatus.NEAR, 0.0),
        ("06:00", EventStatus.ACTIVE, 2.0),
        ("06:19", EventStatus.ACTIVE, 2.0),
        ("06:20", EventStatus.ACTIVE, 1.0),
        ("06:59", EventStatus.ACTIVE, 1.0),
        ("07:00", EventStatus.COMPLETED, 0.0),
        ("07:16", EventStatus.COMPLETED, 0.0),
    ],
)
def test_worked_example_status_and_current_value(
    moment: str, status: EventStatus, value: float
) -> None:
    """If it fails, a VTN tells its VENs that an event is over while it runs."""
    (one,) = WORKED.ei_event_signals.ei_event_signal
    assert event_status(WORKED, at(moment)) is status
    assert current_value(WORKED, one, at(moment)) == value


def test_without_ramp_far_becomes_active() -> None:
    """If it fails, a VTN calls an event near that no VEN prepares for."""
    plain = event(start="06:00", signals=(signal(interval(20, 1.0)),))
    assert event_status(plain, at("05:59")) is EventStatus.FAR
    assert event_status(plain, at("06:00")) is EventStatus.ACTIVE


def test_intervals_are_trusted_over_the_duration() -> None:
    """If it fails, a VTN that miscounts its period cuts or stretches what it asked for."""
    wrong = event(
        start="06:00",
        duration=timedelta(minutes=10),
        signals=(signal(interval(20, 2.0), interval(40, 1.0)),),
    )
    assert _values(wrong)[-1][1] == at("07:00")
    assert event_status(wrong, at("06:30")) is EventStatus.ACTIVE


def test_uid_gives_the_order() -> None:
    """If it fails, levels of an event are carried out in the order of a document's lines."""
    mixed = event(
        start="06:00", signals=(signal(interval(40, 1.0, uid="10"), interval(20, 2.0, uid="9")),)
    )
    assert [one[2] for one in _values(mixed)] == [2.0, 1.0]


def test_interval_may_say_its_own_start() -> None:
    """If it fails, a gap that the VTN meant is filled with the level before it."""
    gap = event(
        start="06:00", signals=(signal(interval(20, 2.0), interval(10, 1.0, start="06:40")),)
    )
    assert _values(gap) == [(at("06:00"), at("06:20"), 2.0), (at("06:40"), at("06:50"), 1.0)]
    (one,) = gap.ei_event_signals.ei_event_signal
    assert current_value(gap, one, at("06:30")) == 0.0


def test_zero_duration_has_no_end_until_it_is_cancelled() -> None:
    """If it fails, an event "until further notice" is over at once."""
    endless = event(start="06:00", duration=timedelta(), signals=(signal(interval(0, 3.0)),))
    assert _values(endless) == [(at("06:00"), None, 3.0)]
    late = at("06:00") + timedelta(days=400)
    assert event_status(endless, late) is EventStatus.ACTIVE
    assert span_of(endless).recovered_at is None


def test_last_interval_without_length_lasts_as_long_as_the_period() -> None:
    """If it fails, an event with a clear end runs for ever."""
    one = event(start="06:00", duration=timedelta(hours=1), signals=(signal(interval(0, 3.0)),))
    assert _values(one) == [(at("06:00"), at("07:00"), 3.0)]


def test_shift_is_whole_seconds_within_the_tolerance() -> None:
    """If it fails, a site begins before the event or after its tolerance."""
    properties = WORKED.ei_active_period.properties
    assert shift_of(properties, 0.0) == timedelta()
    assert shift_of(properties, 1.0) == timedelta(minutes=5)
    assert shift_of(properties, 0.3333).microseconds == 0
    assert shift_of(event(start="06:00").ei_active_period.properties, 0.9) == timedelta()


def test_daylight_saving_does_not_move_an_event() -> None:
    """If it fails, a site in a country with summer time runs an event an hour off."""
    summer, winter = (
        parse_instant("2026-10-25T02:30:00+02:00"),
        parse_instant("2026-10-25T02:30:00+01:00"),
    )
    assert winter - summer == timedelta(hours=1)
    across = event(
        start="00:30", duration=timedelta(hours=2), signals=(signal(interval(120, 1.0)),)
    )
    berlin = timezone(timedelta(hours=2))
    moment = at("02:29").astimezone(berlin)
    assert event_status(across, moment) is EventStatus.ACTIVE
    assert event_status(across, at("02:30").astimezone(berlin)) is EventStatus.COMPLETED


def test_the_vtns_clock_does_not_move_an_event() -> None:
    """If it fails, an event shifts by as much as the VTN's clock is wrong."""
    ahead = event(
        start="06:00",
        created=datetime(2027, 1, 1, tzinfo=UTC),
        signals=(signal(interval(20, 1.0)),),
    )
    assert _values(ahead) == [(at("06:00"), at("06:20"), 1.0)]


@pytest.mark.parametrize(
    ("word", "is_test"),
    [(None, False), ("", False), ("false", False), ("False ", False), ("true", True), ("x", True)],
)
def test_anything_but_false_is_a_test(word: str | None, *, is_test: bool) -> None:
    """If it fails, a drill switches loads off."""
    assert event_is_test(word) is is_test
