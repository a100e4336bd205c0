"""Primary reserve on physics: the loop, the cycle and a battery follow the grid's frequency."""

import math
import sys
from typing import Any

import pytest

from edge_agent.control.decide import decide
from edge_agent.control.plain import (
    pack_decision,
    pack_frame,
    pack_inputs,
    pack_state,
    unpack_frame,
    unpack_inputs,
    unpack_state,
)
from protocols.vocabulary.arrays import column
from protocols.vocabulary.droop import Owing, Trace, assess_abnormal, assess_normal
from protocols.vocabulary.mode import Mode


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _at(trace: list[tuple[float, float]], second: float) -> float:
    return min(trace, key=lambda pair: abs(pair[0] - second))[1]


def _fall(at_s: float, deep_hz: float = 0.2) -> Any:
    return lambda second: 50.0 if second < at_s else 50.0 - deep_hz


def test_a_fall_is_answered_in_time_and_by_the_law(kit: Any) -> None:
    """If it fails, the site misses the ten seconds it is paid for."""
    scene = kit.scene(_fall(10.0))
    site = scene.run(40)
    trace = site.batteries["battery-1"].trace
    before_w = _at(trace, 9.9)
    law_w = 0.2 / 50.0 / 0.05 * 5000.0
    gave = [(t - 10.0, p - before_w) for t, p in trace if t >= 10.0]
    first_s = next(t for t, p in gave if p > 0.05 * law_w)
    full_s = next(t for t, p in gave if p >= 0.9 * law_w)
    _say(f"first movement {first_s:.2f} s, 90 % after {full_s:.2f} s of {law_w:.0f} W")
    assert first_s < 2.0
    assert full_s < 10.0
    assert _at(trace, 35.0) - before_w == pytest.approx(law_w, abs=60.0)
    assert site.meter_w() == pytest.approx(-1000.0 + law_w, abs=100.0)


def test_the_response_stays_while_the_fall_lasts(kit: Any) -> None:
    """If it fails, the balance takes back in a few seconds what the loop has just given."""
    site = kit.scene(_fall(10.0)).run(120)
    trace = site.batteries["battery-1"].trace
    before_w = _at(trace, 9.9)
    late = [p - before_w for t, p in trace if 20.0 <= t <= 119.0]
    assert max(late) - min(late) < 60.0
    assert min(late) > 0.9 * 400.0


def test_only_one_of_cycle_and_loop_writes(kit: Any) -> None:
    """If it fails, two masters pull at one battery."""
    scene = kit.scene(_fall(10.0))
    site = scene.run(30)
    assert all(decision.grant is not None for decision in scene.decisions)
    assert all(not decision.setpoints for decision in scene.decisions)
    assert all(not decision.releases for decision in scene.decisions)
    assert {setpoint.reason for setpoint in site.writes} == {"primary.droop"}
    sequences = [setpoint.sequence for setpoint in site.writes]
    assert sequences == sorted(set(sequences)), "a number was used twice"
    assert all(s.valid_until > s.valid_from for s in site.writes)


def test_the_load_is_balanced_at_the_base_point(kit: Any) -> None:
    """If it fails, a kettle counts as response, or the response as a kettle."""
    scene = kit.scene(_fall(20.0), load_w=-2500.0)
    site = scene.run(60)
    law_w = 400.0
    assert site.meter_w() == pytest.approx(-1000.0 + law_w, abs=100.0)


def test_the_other_grids_frequency_and_no_frequency_give_zero_change(kit: Any) -> None:
    """If it fails, a wrong or silent meter drives the battery to full power."""
    for wrong in (60.0, None):
        scene = kit.scene(lambda second, wrong=wrong: 49.9 if second < 10.0 else wrong)
        site = scene.run(40)
        trace = site.batteries["battery-1"].trace
        assert _at(trace, 9.0) == pytest.approx(200.0, abs=20.0)
        held = _at(trace, 13.0)
        assert held == pytest.approx(200.0, abs=20.0), "held for a short time"
        assert _at(trace, 35.0) == pytest.approx(0.0, abs=20.0)
        assert scene.rows[-1]["basis"] == "zero"
        assert scene.rows[5]["basis"] == "following"


def test_a_single_wild_sample_moves_nothing(kit: Any) -> None:
    """If it fails, one broken byte makes the battery jump."""
    scene = kit.scene(lambda second: 48.0 if 10.0 <= second < 10.08 else 50.0)
    site = scene.run(20)
    assert max(abs(p) for _, p in site.batteries["battery-1"].trace) < 20.0


def test_a_grant_that_is_not_renewed_ends_by_itself(kit: Any) -> None:
    """If it fails, a loop without a cycle moves devices by limits that are long past."""
    scene = kit.scene(lambda second: 49.8 + 0.001 * second)
    scene.stalled = lambda second: second >= 10.0
    site = scene.run(40)
    last = max(setpoint.valid_from for setpoint in site.writes)
    assert (last - kit.t0).total_seconds() < 14.0
    assert _at(site.batteries["battery-1"].trace, 35.0) == pytest.approx(0.0, abs=20.0)


@pytest.mark.parametrize("mode", [Mode.SAFE, Mode.MANUAL])
def test_safe_and_manual_take_the_devices_back(kit: Any, mode: Mode) -> None:
    """If it fails, an emergency stop or a technician's hand is overruled by the frequency."""
    scene = kit.scene(_fall(5.0))
    scene.mode_at = lambda second: Mode.NORMAL if second < 10.0 else mode
    site = scene.run(30)
    assert scene.decisions[-1].grant is None
    assert [str(name) for name in site.released] == ["site-001/battery-1"]
    late = [w for w in site.writes if (w.valid_from - kit.t0).total_seconds() > 10.2]
    assert not late
    assert _at(site.batteries["battery-1"].trace, 28.0) == pytest.approx(0.0, abs=20.0)


def test_no_cloud_is_needed(kit: Any) -> None:
    """If it fails, a cut link takes the reserve with it."""
    scene = kit.scene(_fall(10.0))
    scene.mode_at = lambda second: Mode.NORMAL if second < 5.0 else Mode.AUTONOMOUS
    site = scene.run(30)
    assert site.batteries["battery-1"].trace[-1][1] == pytest.approx(400.0, abs=60.0)


def test_a_deaf_device_is_made_up_for_by_the_other(kit: Any) -> None:
    """If it fails, one inverter that hangs takes half of the award with it."""
    batteries = {"battery-1": kit.battery(), "battery-2": kit.battery()}
    scene = kit.scene(_fall(10.0), batteries=batteries, award_w=6000.0)
    batteries["battery-2"].deaf = True
    site = scene.run(40)
    law_w = 0.2 / 50.0 / 0.05 * 10_000.0
    assert site.batteries["battery-1"].trace[-1][1] == pytest.approx(law_w, abs=80.0)


def test_the_export_limit_is_kept(kit: Any) -> None:
    """If it fails, primary reserve breaks the ban of reverse flow."""
    scene = kit.scene(_fall(10.0, 1.0), export_w=0.0, award_w=4000.0)
    scene.award = kit.replace(
        scene.award, baseline=kit.replace(scene.award.baseline, power_w=column([-500.0]))
    )
    highest = -math.inf
    site = scene.run(40)
    for _, power_w in site.batteries["battery-1"].trace:
        highest = max(highest, site.load_w + power_w)
    _say(f"highest meter power {highest:.1f} W")
    assert highest <= 1.0
    relaxed = {one.name: one.amount_w for one in scene.decisions[-1].relaxed}
    assert relaxed["primary award-1/site-001"] > 2000.0, "what is missing is said"


def _column(value: float) -> Any:
    from protocols.vocabulary.arrays import column

    return column([value])


def test_every_second_is_logged_with_quality(kit: Any) -> None:
    """If it fails, an inspector finds a hole in the record, or a number nobody vouches for."""
    scene = kit.scene(lambda second: 49.9 if second < 20.0 else None)
    scene.run(40)
    seconds = [row["second"] for row in scene.rows]
    assert seconds == list(range(seconds[0], seconds[0] + len(seconds)))
    assert len(seconds) == 39, "each second after the first grant"
    good = scene.rows[10]
    assert good["frequency_hz"] == pytest.approx(49.9)
    assert good["quality"] == "GOOD"
    assert good["samples"] >= 8, "ten looks a second"
    assert good["asked_w"] == pytest.approx(200.0, abs=1.0)
    assert good["power_w"] == pytest.approx(200.0, abs=20.0)
    assert good["limit_w_min"] <= good["power_w"] <= good["limit_w_max"]
    lost = scene.rows[-1]
    assert lost["quality"] == "STALE"
    assert lost["age_s"] > 15.0
    assert lost["samples"] == 0


def test_cycles_with_a_loop_are_replayed_bit_for_bit(kit: Any) -> None:
    """If it fails, nobody can show afterwards why the devices were lent."""
    scene = kit.scene(_fall(5.0))
    scene.run(20)
    for inputs, state, decision in zip(scene.inputs, scene.states, scene.decisions, strict=True):
        frame = unpack_frame(pack_frame(inputs.frame))
        again = unpack_inputs(pack_inputs(inputs), frame=frame, plan=None)
        assert again.primary == inputs.primary
        answer, _ = decide(again, unpack_state(pack_state(state)))
        assert pack_decision(answer) == pack_decision(decision)


def test_the_fastest_source_is_chosen_by_measurement(kit: Any) -> None:
    """If it fails, a site follows a slow meter although its inverter measures ten times faster."""
    batteries = {"battery-1": kit.battery(), "battery-2": kit.battery()}
    scene = kit.scene(
        lambda second: 50.0 + 0.05 * math.sin(second),
        batteries=batteries,
        measures=tuple(batteries),
        slow=("battery-1",),
    )
    scene.run(15)
    assert scene.rows[-1]["source"] == "battery-2.frequency_hz"
    assert scene.rows[-1]["samples"] >= 8


def test_a_recorded_under_frequency_event_is_answered(kit: Any) -> None:
    """If it fails, a real loss of generation finds the site too late or too weak."""
    rows = kit.recorded("gmlc_underfrequency_event_30hz")
    hertz: list[float] = [row[1] for row in rows]

    def frequency(second: float) -> float:
        return hertz[min(int(second * 30.0), len(hertz) - 1)]

    scene = kit.scene(frequency, droop=kit.west, award_w=3000.0)
    site = scene.run(149)
    trace = site.batteries["battery-1"].trace
    power = [_at(trace, t) for t in range(10, 149)]
    owing = Owing(droop=kit.west, rated_w=5000.0, award_w=3000.0, threshold_hz=0.1)
    times = [float(t) for t in range(10, 149)]
    shifted = [frequency(t - 1.0) for t in times]
    found = assess_abnormal(
        owing, Trace(times_s=times, frequency_hz=shifted, power_w=power), began_s=66.0
    )
    theory = [owing.theory_w(frequency(t)) for t in times]
    crossed = next(t for t in times if t >= 60.0 and owing.theory_w(frequency(t)) > 200.0)
    moved = next(t for t, p in trace if t >= crossed and p > 100.0)
    lag = min(range(30), key=lambda k: _distance(theory, trace, k))
    _say(
        f"asked over 200 W at {crossed:.1f} s, moved at {moved:.2f} s; checked {found.points} "
        f"points, least margin {found.least_margin_w:.0f} W; best-fitting lag {lag / 10:.1f} s"
    )
    assert found.points > 0
    assert found.passed
    assert moved - crossed < 2.0


def _distance(theory: list[float], trace: list[tuple[float, float]], tenths: int) -> float:
    return math.fsum(
        abs(_at(trace, 10.0 + k + tenths / 10.0) - asked) for k, asked in enumerate(theory[:120])
    )


def test_an_ordinary_recorded_hour_slopes_as_the_law(kit: Any) -> None:
    """If it fails, the normal-time assessment of an offline award fails on a normal day."""
    rows = kit.recorded("gmlc_grid_frequency_1s_part1")
    hertz = [50.0 * row[1] for row in rows[:1800]]
    scene = kit.scene(lambda second: hertz[min(int(second), len(hertz) - 1)])
    scene.run(600)
    logged = scene.rows[20:]
    deviations = [row["frequency_hz"] - 50.0 for row in logged]
    powers = [row["power_w"] - row["base_w"] for row in logged]
    lagged = assess_normal(deviations[:-1], powers[1:])
    _say(f"slope {lagged.slope_w_per_hz:.0f} W/Hz of -2000 over {lagged.points} s")
    assert lagged.passed
    assert lagged.slope_w_per_hz == pytest.approx(-2000.0, rel=0.25)


def test_a_site_that_is_only_polled_follows_too(kit: Any) -> None:
    """If it fails, a site without a fast register gives nothing, though it could within 10 s."""
    scene = kit.scene(_fall(10.0))
    scene.kind = kit.polled
    site = scene.run(40)
    trace = site.batteries["battery-1"].trace
    first_s = next(t for t, p in trace if t >= 10.0 and p > 20.0) - 10.0
    _say(f"polled at 1 Hz: first movement {first_s:.2f} s")
    assert _at(trace, 35.0) == pytest.approx(400.0, abs=60.0)
    assert first_s < 2.0
    assert {row["basis"] for row in scene.rows[2:]} == {"following"}
    assert scene.rows[-1]["samples"] == 1
