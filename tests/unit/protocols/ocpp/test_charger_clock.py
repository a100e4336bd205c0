"""Values of now and values that waited, told apart by a clock that may be wrong."""

from datetime import UTC, datetime, timedelta

from protocols.ocpp.charger_clock import ChargerClock, judged

NOW = datetime(2026, 7, 22, 3, 0, tzinfo=UTC)


def _aged(clock: ChargerClock, at_s: float, stamped_s: float) -> tuple[ChargerClock, float | None]:
    return judged(
        clock,
        NOW + timedelta(seconds=stamped_s),
        NOW + timedelta(seconds=at_s),
        asked_for=False,
    )


def _live(clock: ChargerClock, at_s: float, stamped_s: float) -> tuple[ChargerClock, bool]:
    clock, age_s = _aged(clock, at_s, stamped_s)
    return clock, age_s is not None


def test_a_queue_from_an_offline_time_is_not_of_now() -> None:
    """If it fails, an hour-old power is counted as the present one."""
    clock = ChargerClock()
    for number in range(20):
        clock, live = _live(clock, 0.05 * number, -1200.0 + 60.0 * number)
        assert not live, number
    clock, live = _live(clock, 1.5, 1.0)
    assert live


def test_a_clock_that_is_wrong_from_the_start_is_understood() -> None:
    """If it fails, a charger that believes it is 1970 has no power for ever."""
    clock = ChargerClock()
    found = []
    for number in range(4):
        clock, live = _live(clock, float(number), -1e9 + number)
        found.append(live)
    assert found == [False, True, True, True]


def test_a_clock_that_jumps_either_way_is_followed() -> None:
    """If it fails, a charger is lost whenever somebody sets its clock."""
    for jump_s in (-86_400.0, 86_400.0):
        clock = ChargerClock()
        clock, live = _live(clock, 0.0, 0.0)
        assert live
        clock, live = _live(clock, 1.0, 1.0 + jump_s)
        assert not live
        clock, live = _live(clock, 2.0, 2.0 + jump_s)
        assert live


def test_values_we_asked_for_set_the_clock_right_at_once() -> None:
    """If it fails, an answer to our own question is thrown away."""
    stamped = NOW - timedelta(days=3)
    clock, age_s = judged(ChargerClock(), stamped, NOW, asked_for=True)
    assert age_s == 0.0
    _, age_s = judged(
        clock, stamped + timedelta(seconds=1), NOW + timedelta(seconds=1), asked_for=False
    )
    assert age_s == 0.0


def test_late_messages_do_not_drag_the_clock_into_the_past() -> None:
    """If it fails, ever later messages are all taken for live."""
    clock = ChargerClock()
    clock, live = _live(clock, 9.0, 0.0)
    assert live
    clock, live = _live(clock, 30.0, 12.0)
    assert not live


def test_a_value_that_came_late_is_as_old_as_it_is_behind() -> None:
    """If it fails, a power of five seconds ago is shown as the present one."""
    clock, age_s = _aged(ChargerClock(), 0.0, 0.0)
    assert age_s == 0.0
    clock, age_s = _aged(clock, 6.0, 0.5)
    assert age_s == 5.5
    assert _aged(clock, 7.0, 6.2)[1] == 0.0


def test_a_short_queue_does_not_drag_the_clock_along() -> None:
    """If it fails, the last values before a short loss of the link count as the present ones."""
    clock, _ = _aged(ChargerClock(), 0.0, 0.0)
    for number in range(6):
        arrived_s, stamped_s = 7.0 + 0.05 * number, 1.0 + number
        clock, age_s = _aged(clock, arrived_s, stamped_s)
        assert age_s is not None
        assert abs(age_s - (arrived_s - stamped_s)) < 0.25, number
