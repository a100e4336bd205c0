"""Primary reserve as japan-market R11, R12 and R13 count it (kW in the names, W inside)."""

import math

import pytest

from protocols.vocabulary.commitment import Droop
from protocols.vocabulary.droop import (
    DeadBand,
    Owing,
    Trace,
    assess_abnormal,
    assess_normal,
    clipped,
    droop_response_w,
    is_plausible,
    unusable,
)

EAST = Droop(nominal_hz=50.0, droop=0.04, dead_band_hz=0.010, delay_s=2.0)
WEST = Droop(nominal_hz=60.0, droop=0.05, dead_band_hz=0.012, delay_s=2.0)
RATED_W = 2_000_000.0
OWING = Owing(droop=EAST, rated_w=RATED_W, award_w=200_000.0)


@pytest.mark.parametrize(
    ("droop", "frequency_hz", "power_kw"),
    [
        (EAST, 49.80, 200.0),
        (EAST, 49.995, 0.0),
        (EAST, 50.05, -50.0),
        (EAST, 49.40, 600.0),
        (WEST, 59.76, 160.0),
        (WEST, 59.99, 0.0),
    ],
)
def test_r11_deviation_asks_for_power(droop: Droop, frequency_hz: float, power_kw: float) -> None:
    """If it fails, a site answers a frequency with another power than its award says."""
    assert droop_response_w(droop, RATED_W, frequency_hz) == pytest.approx(power_kw * 1e3)


def test_r11_response_is_clipped_to_the_award() -> None:
    """If it fails, a deep fall takes more from the battery than was sold."""
    asked_w = droop_response_w(EAST, RATED_W, 49.40)
    assert clipped(asked_w, -500_000.0, 500_000.0) == 500_000.0


def test_r11_dead_band_with_an_offset() -> None:
    """If it fails, the other reading of the dead band cannot be chosen where it is the rule."""
    response_w = droop_response_w(EAST, RATED_W, 49.80, shape=DeadBand.OFFSET)
    assert response_w == pytest.approx(190_000.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"nominal_hz": 0.0},
        {"nominal_hz": 55.0},
        {"droop": 0.0},
        {"droop": 0.06},
        {"droop": math.nan},
        {"dead_band_hz": -0.01},
        {"dead_band_hz": math.inf},
        {"delay_s": math.nan},
    ],
)
def test_parameters_that_make_no_law_are_named(changes: dict[str, float]) -> None:
    """If it fails, a malformed award divides by zero in the middle of a loop that must not stop."""
    fields = {"nominal_hz": 50.0, "droop": 0.05, "dead_band_hz": 0.01, "delay_s": 2.0} | changes
    assert unusable(Droop(**fields))
    assert not unusable(EAST)
    assert not unusable(WEST)


def test_the_other_grid_s_frequency_is_no_measurement() -> None:
    """If it fails, a meter that says 60 on a 50 Hz award makes the site charge at full power."""
    assert not is_plausible(EAST, 60.0)
    assert not is_plausible(EAST, math.nan)
    assert is_plausible(EAST, 47.5)


def _trace(low_from_s: float, power_w: dict[float, float], until_s: float = 40.0) -> Trace:
    times = [float(second) for second in range(int(until_s))]
    frequency = [49.70 if low_from_s <= t < until_s - 5.0 else 49.85 for t in times]
    return Trace(
        times_s=times, frequency_hz=frequency, power_w=[power_w.get(t, 185_000.0) for t in times]
    )


def test_r12_185_of_180_passes_and_179_anywhere_fails() -> None:
    """If it fails, a failed slot counts as kept, or a kept one suspends the resource."""
    kept = assess_abnormal(OWING, _trace(3.0, {}), began_s=0.0)
    assert kept.passed
    assert kept.checked_from_s == 10.0
    assert kept.points == 25
    assert kept.least_margin_w == pytest.approx(5_000.0)
    missed = assess_abnormal(OWING, _trace(3.0, {20.0: 179_000.0}), began_s=0.0)
    assert missed.failed == (20.0,)
    before = assess_abnormal(OWING, _trace(3.0, {9.0: 0.0}), began_s=0.0)
    assert before.passed, "the first ten seconds do not count"
    after = assess_abnormal(OWING, _trace(3.0, {36.0: 0.0}), began_s=0.0)
    assert after.passed, "49.80 Hz and above does not count"
    exact = assess_abnormal(OWING, _trace(3.0, {20.0: 180_000.0}), began_s=0.0)
    assert exact.passed


def test_r12_checking_starts_where_the_frequency_first_falls() -> None:
    """If it fails, a site is judged for seconds in which nothing was asked of it."""
    found = assess_abnormal(OWING, _trace(14.0, {12.0: 0.0, 13.0: 0.0}), began_s=0.0)
    assert found.passed
    assert found.checked_from_s == 14.0


def test_r12_five_minutes_at_most_and_a_missing_point_fails() -> None:
    """If it fails, a battery is asked for longer than it sold, or a gap in the log goes unseen."""
    long = assess_abnormal(OWING, _trace(3.0, {311.0: 0.0, 350.0: 0.0}, 400.0), began_s=0.0)
    assert long.passed
    gap = assess_abnormal(OWING, _trace(3.0, {30.0: math.nan}), began_s=0.0)
    assert gap.failed == (30.0,)


def test_r12_a_frequency_that_never_fell_is_not_judged() -> None:
    """If it fails, an ordinary day suspends a resource."""
    found = assess_abnormal(OWING, _trace(1e9, {}), began_s=0.0)
    assert found.passed
    assert found.points == 0
    assert found.checked_from_s is None


def _normal(*pairs: tuple[float, float]) -> tuple[list[float], list[float]]:
    return [x for x, _ in pairs], [y * 1e3 for _, y in pairs]


def test_r13_slope_of_an_ordinary_period() -> None:
    """If it fails, a period that followed the frequency is judged as one that did not."""
    pairs = _normal((-0.03, 30), (-0.01, 9), (0.0, 1), (0.02, -18), (0.03, -29))
    found = assess_normal(*pairs)
    assert found.slope_w_per_hz == pytest.approx(-967_540.0, abs=10.0)
    assert found.passed


def test_r13_downward_points_are_dropped_when_they_spoil_it() -> None:
    """If it fails, an upward-only resource fails for what it did not sell."""
    pairs = _normal((-0.04, 40), (-0.02, 20), (0.01, 5), (0.03, 60), (0.04, 70))
    found = assess_normal(*pairs)
    assert found.slope_w_per_hz == pytest.approx(413_720.0, abs=10.0)
    assert found.upward_slope_w_per_hz == pytest.approx(-1_000_000.0)
    assert found.passed


def test_r13_a_slope_the_wrong_way_fails() -> None:
    """If it fails, a battery wired the wrong way round passes."""
    pairs = _normal((-0.03, -5), (-0.01, 0), (0.0, 2), (0.02, 6), (0.03, 9))
    found = assess_normal(*pairs)
    assert found.slope_w_per_hz == pytest.approx(226_320.0, abs=10.0)
    assert found.upward_slope_w_per_hz == pytest.approx(235_710.0, abs=10.0)
    assert not found.passed
    assert not assess_normal([0.0, 0.0], [1.0, 2.0]).passed, "one frequency has no slope"
