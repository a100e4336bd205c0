"""What a recorded step test shows of devices, alone and together."""

import math

import pytest

from edge_agent.control.recording import Recording, by_law
from edge_agent.control.step_test import RULES, judge
from protocols.vocabulary.commitment import Droop

ONLINE, OFFLINE, SEED = RULES


def _recording(
    *,
    delay_s: dict[str, float],
    ramp_w_per_s: dict[str, float],
    gain: dict[str, float] | None = None,
    row_s: float = 1.0,
    seconds: int = 60,
) -> Recording:
    times = [row * row_s for row in range(int(seconds / row_s))]
    commands: dict[str, tuple[float, ...]] = {}
    powers: dict[str, tuple[float, ...]] = {}
    gains = gain or {}
    for name, delay in delay_s.items():
        asked = 1000.0
        commands[name] = tuple(asked if t >= 10.0 else 0.0 for t in times)
        powers[name] = tuple(
            min(
                max((t - 10.0 - delay) * ramp_w_per_s[name], 0.0),
                asked * gains.get(name, 1.0),
            )
            for t in times
        )
    return Recording(
        times_s=tuple(times),
        frequency_hz=tuple(49.8 if t >= 10.0 else 50.0 + 0.01 * (int(t) % 2) for t in times),
        samples=tuple(10.0 * row_s for _ in times),
        commands_w=commands,
        powers_w=powers,
    )


def test_a_quick_device_qualifies_with_its_times() -> None:
    """If it fails, a site that can earn is told that it cannot."""
    report = judge(_recording(delay_s={"a": 0.5}, ramp_w_per_s={"a": 500.0}, row_s=0.5), SEED)
    (one,) = report.combinations
    assert one.qualifies, one.reasons
    assert one.available_w == pytest.approx(1000.0)
    (step,) = one.steps
    assert step.at_s == 10.0
    assert step.dead_time_s == pytest.approx(0.5)
    assert step.first_movement_s == pytest.approx(1.0)
    assert step.to_90_s == pytest.approx(2.5)
    assert step.settled_error == pytest.approx(0.0)
    assert report.frequency_s == pytest.approx(0.1)


def test_a_late_device_does_not_qualify_and_says_why() -> None:
    """If it fails, an award is sold with a heater that needs a minute."""
    report = judge(_recording(delay_s={"a": 5.0}, ramp_w_per_s={"a": 20.0}), SEED)
    (one,) = report.combinations
    assert not one.qualifies
    assert report.best is None
    assert any("first movement after" in reason for reason in one.reasons)
    assert any("in the band" in reason for reason in one.reasons)
    assert one.available_w < 200.0


def test_a_slow_one_is_judged_alone_and_with_a_quick_one() -> None:
    """If it fails, one bad device hides what the others of the site can do."""
    recording = _recording(
        delay_s={"quick": 0.0, "slow": 1.0}, ramp_w_per_s={"quick": 1e3, "slow": 60.0}
    )
    found = {one.names: one for one in judge(recording, SEED).combinations}
    assert found["quick",].qualifies
    assert not found["slow",].qualifies
    assert not found["quick", "slow"].qualifies, "together 74 % after ten seconds"
    offline = {one.names: one for one in judge(recording, OFFLINE).combinations}
    assert offline["slow",].qualifies is False, "its first movement comes after 3 s"
    assert judge(recording, SEED).best == found["quick",]


def test_a_device_that_gives_too_little_is_outside_the_band() -> None:
    """If it fails, an inverter that derates by a fifth counts as full."""
    report = judge(_recording(delay_s={"a": 0.0}, ramp_w_per_s={"a": 1e4}, gain={"a": 0.8}), SEED)
    (one,) = report.combinations
    assert not one.qualifies
    assert one.steps[0].settled_error == pytest.approx(-0.2)
    assert one.available_w == pytest.approx(800.0)


def test_the_online_product_wants_five_minutes() -> None:
    """If it fails, a short test stands for a power that a battery cannot hold."""
    short = judge(_recording(delay_s={"a": 0.0}, ramp_w_per_s={"a": 1e4}), ONLINE)
    assert any("the rule wants 300 s" in reason for reason in short.combinations[0].reasons)
    long = judge(_recording(delay_s={"a": 0.0}, ramp_w_per_s={"a": 1e4}, seconds=320), ONLINE)
    assert long.combinations[0].qualifies, long.combinations[0].reasons


def test_slow_rows_slow_frequency_and_no_step_are_reasons() -> None:
    """If it fails, a record that shows nothing qualifies a site."""
    recording = _recording(delay_s={"a": 0.0}, ramp_w_per_s={"a": 1e4}, row_s=2.0)
    flat = Recording(
        times_s=recording.times_s,
        frequency_hz=tuple(50.0 + 0.05 * (row % 2) for row in range(len(recording.times_s))),
        samples=tuple(1.0 for _ in recording.times_s),
        commands_w={"a": tuple(0.0 for _ in recording.times_s)},
        powers_w=recording.powers_w,
    )
    (one,) = judge(flat, SEED).combinations
    text = " | ".join(one.reasons)
    assert "recorded every 2.00 s" in text
    assert "frequency every 2.00 s" in text
    assert "steps of 0.05 Hz" in text
    assert "no upward step" in text


def test_a_hole_in_the_record_is_not_filled() -> None:
    """If it fails, the seconds in which a device fell out are left out of its test."""
    recording = _recording(delay_s={"a": 0.0}, ramp_w_per_s={"a": 1e4})
    powers = tuple(
        math.nan if 30 <= row < 40 else w for row, w in enumerate(recording.powers_w["a"])
    )
    holed = Recording(
        times_s=recording.times_s,
        frequency_hz=recording.frequency_hz,
        samples=recording.samples,
        commands_w=recording.commands_w,
        powers_w={"a": powers},
    )
    (one,) = judge(holed, SEED).combinations
    assert not one.qualifies
    assert one.available_w == 0.0


def test_an_injected_frequency_becomes_a_command_by_the_law() -> None:
    """If it fails, a test with a frequency generator cannot be judged."""
    recording = _recording(delay_s={"a": 0.0}, ramp_w_per_s={"a": 1e4})
    droop = Droop(nominal_hz=50.0, droop=0.05, dead_band_hz=0.01, delay_s=2.0)
    asked = by_law(recording, droop, {"a": 5000.0})["a"]
    assert asked[5] == 0.0
    assert asked[20] == pytest.approx(400.0)
