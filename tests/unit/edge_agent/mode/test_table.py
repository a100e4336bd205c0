"""The fallback table, checked as a model: every mode, every combination of conditions."""

import itertools
import math
from collections.abc import Iterator

import pytest

from edge_agent.mode.conditions import FAULTS, ModeInputs, SteadyWatch, Thresholds, faults
from edge_agent.mode.table import TABLE, diagram, next_mode
from protocols.vocabulary.mode import Mode

LIMITS = Thresholds()
WELL = ModeInputs(
    link_silent_s=0.0, link_steady_s=1e6, meter_silent_s=0.0, devices_lost=0, devices_total=3
)


def look(**changes: float) -> ModeInputs:
    """Make the inputs of a well site with some changes."""
    plain = {name: getattr(WELL, name) for name in ModeInputs.__slots__}
    return ModeInputs(**(plain | changes))  # type: ignore[arg-type]


def all_inputs() -> Iterator[ModeInputs]:
    """Go through every combination of what the table can tell apart."""
    for link, meter, lost, clock, journal, healthy, override, stop in itertools.product(
        [(0.0, 1e6), (0.0, 12.0), (0.0, 1.0), (5.0, 0.0), (60.0, 0.0), (math.inf, 0.0)],
        [0.0, math.inf],
        [0, 1, 3],
        [0.0, 100.0],
        [0.0, 1.0],
        [0.0, math.inf],
        [0.0, 10.0, 1e9],
        [False, True],
    ):
        yield ModeInputs(
            link_silent_s=link[0],
            link_steady_s=link[1],
            meter_silent_s=meter,
            devices_lost=lost,
            devices_total=3,
            clock_error_s=clock,
            journal_failed_s=journal,
            healthy_s=healthy,
            override_left_s=override,
            stop=stop,
        )


@pytest.mark.parametrize("mode", Mode)
def test_loss_of_the_link_reaches_autonomous_from_any_mode_in_bounded_time(mode: Mode) -> None:
    """A cut site would wait for ever for a signal that does not come."""
    override_left_s, healthy_s = LIMITS.override_max_s, 0.0
    bound_s = int(LIMITS.override_max_s + LIMITS.link_lost_s + LIMITS.healthy_s) + 1
    step_s = 60
    for second in range(0, bound_s + step_s, step_s):
        inputs = look(
            link_silent_s=float(second),
            link_steady_s=0.0,
            override_left_s=max(override_left_s - second, 0.0),
            healthy_s=healthy_s + second,
        )
        mode = next_mode(mode, inputs).mode
    assert mode is Mode.AUTONOMOUS


@pytest.mark.parametrize("mode", [Mode.NORMAL, Mode.DEGRADED])
def test_a_linked_site_is_autonomous_ten_seconds_after_the_last_word(mode: Mode) -> None:
    """The obligation would have a gap while nobody decides that the link is gone."""
    assert next_mode(mode, look(link_silent_s=10.0, link_steady_s=0.0)).mode is Mode.AUTONOMOUS


def test_every_fault_leads_to_safe_from_every_mode_in_one_step() -> None:
    """A stop, a lost meter, clock or disk would be overruled by another row."""
    for inputs in all_inputs():
        if faults(inputs, LIMITS):
            for mode in Mode:
                assert next_mode(mode, inputs).mode is Mode.SAFE


def test_each_kind_of_fault_is_reached_alone() -> None:
    """A row of the table would be dead and nobody would see it."""
    alone = [
        look(stop=True),
        look(journal_failed_s=0.5),
        look(clock_error_s=-3.0),
        look(meter_silent_s=31.0),
        look(devices_lost=3),
    ]
    for condition, inputs in zip(FAULTS, alone, strict=True):
        assert faults(inputs, LIMITS) == (condition,)
        assert next_mode(Mode.NORMAL, inputs).reason == condition.value


def test_no_number_is_no_health() -> None:
    """A NaN in an age would pass for a good meter or a fresh link."""
    nan = float("nan")
    for inputs in (look(meter_silent_s=nan), look(clock_error_s=nan)):
        assert next_mode(Mode.NORMAL, inputs).mode is Mode.SAFE
    lost = look(link_silent_s=nan, link_steady_s=0.0)
    assert next_mode(Mode.NORMAL, lost).mode is Mode.AUTONOMOUS


def test_there_is_no_mode_but_the_five() -> None:
    """Some row could lead to a mode in which nothing is limited."""
    reached = {next_mode(mode, inputs).mode for mode in Mode for inputs in all_inputs()}
    assert reached == set(Mode)
    assert {row.target for row in TABLE} <= {*Mode, None}
    assert len(Mode) == 5


def test_the_same_health_settles_at_once() -> None:
    """Two modes would alternate every second while nothing changes."""
    for inputs in all_inputs():
        for mode in Mode:
            first = next_mode(mode, inputs).mode
            second = next_mode(first, inputs).mode
            assert next_mode(second, inputs).mode is second


def test_an_override_ends_and_one_that_is_too_long_does_not_begin() -> None:
    """A forgotten override would hold the site in MANUAL for ever."""
    assert next_mode(Mode.NORMAL, look(override_left_s=60.0)).mode is Mode.MANUAL
    assert next_mode(Mode.MANUAL, look(override_left_s=0.0)).mode is Mode.NORMAL
    too_long = look(override_left_s=LIMITS.override_max_s + 1.0)
    assert next_mode(Mode.NORMAL, too_long).mode is Mode.NORMAL
    cut = look(override_left_s=0.0, link_silent_s=99.0)
    assert next_mode(Mode.MANUAL, cut).mode is Mode.AUTONOMOUS


def test_safe_is_left_only_after_all_has_been_well_for_long_enough() -> None:
    """A meter that comes and goes would throw the devices to and fro."""
    assert next_mode(Mode.SAFE, look(healthy_s=9.9)).mode is Mode.SAFE
    assert next_mode(Mode.SAFE, look(healthy_s=10.0)).mode is Mode.NORMAL
    assert next_mode(Mode.SAFE, look(healthy_s=10.0, link_silent_s=99.0)).mode is Mode.AUTONOMOUS


@pytest.mark.parametrize(("off_s", "on_s", "changes"), [(4, 4, 1), (12, 8, 2), (1, 30, 0)])
def test_a_flapping_link_does_not_flap_the_mode(off_s: int, on_s: int, changes: int) -> None:
    """The log would fill with mode changes, and the site would never settle."""
    mode, seen, silent_s, steady_s = Mode.NORMAL, [], 0.0, 100.0
    for second in range(600):
        up = second % (off_s + on_s) >= off_s
        silent_s = 0.0 if up else silent_s + 1.0
        steady_s = 0.0 if silent_s >= LIMITS.link_late_s else steady_s + 1.0
        mode = next_mode(mode, look(link_silent_s=silent_s, link_steady_s=steady_s)).mode
        seen.append(mode)
    times = sum(a is not b for a, b in itertools.pairwise([Mode.NORMAL, *seen]))
    assert times <= changes


def test_a_link_that_is_back_is_believed_after_a_while() -> None:
    """A cut site would stay alone although its coordinator is back."""
    back = look(link_silent_s=0.5, link_steady_s=14.0)
    assert next_mode(Mode.AUTONOMOUS, back).mode is Mode.AUTONOMOUS
    steady = look(link_silent_s=0.5, link_steady_s=15.0)
    assert next_mode(Mode.AUTONOMOUS, steady).mode is Mode.NORMAL
    late = look(link_silent_s=4.0, link_steady_s=0.0)
    assert next_mode(Mode.NORMAL, late).mode is Mode.DEGRADED
    assert next_mode(Mode.DEGRADED, look(link_steady_s=10.0)).mode is Mode.NORMAL


def test_one_lost_device_is_told_but_changes_no_mode() -> None:
    """One unplugged car would stop the whole site."""
    decision = next_mode(Mode.NORMAL, look(devices_lost=1))
    assert decision.mode is Mode.NORMAL
    assert not decision.changed
    assert decision.reason == "a device lost"


def test_the_diagram_shows_every_row_that_changes_the_mode() -> None:
    """The document would show another machine than the one that runs."""
    drawn = diagram()
    assert drawn.startswith("stateDiagram-v2\n")
    for row in TABLE:
        for mode in row.modes:
            if row.target is not None and row.target is not mode:
                line = f"    {mode.name} --> {row.target.name}: {row.condition.value}\n"
                assert line in drawn


def test_a_steady_watch_counts_only_good_time_without_a_break() -> None:
    """A link that was heard twice in an hour would pass for steady."""
    watch = SteadyWatch()
    for second, well in enumerate([True, True, False, True, True, True]):
        watch = watch.seen(second * 1_000_000_000, well=well)
    assert watch.steady_s(5_000_000_000) == 2.0
    assert watch.seen(6, well=False).steady_s(7) == 0.0
    assert watch.steady_s(0) == 0.0
