"""Courses of sun, clouds and households, and single steps a person can check."""

import itertools

import pytest

from firmware_sim.physics.battery import (
    BatteryParameters,
    BatteryState,
    equivalent_full_cycles,
    step_battery,
)
from firmware_sim.physics.load import Household, household_w
from firmware_sim.physics.noise import smooth, uniform
from firmware_sim.physics.profile import Profile
from firmware_sim.physics.pv import Sky, sky_power_w
from firmware_sim.physics.sun import sine_of_elevation

MIDSUMMER_NOON_TOKYO_S = 1_782_010_980.0
"""2026-06-21 03:03 UTC: within minutes of the true solar noon at 139.77 E."""


def test_sun_stands_where_the_almanac_says() -> None:
    """PV could peak at the wrong hour or in the wrong season."""
    high = sine_of_elevation(MIDSUMMER_NOON_TOKYO_S, latitude=35.68, longitude=139.77)
    assert high == pytest.approx(0.978, abs=0.01)
    winter_noon_s = MIDSUMMER_NOON_TOKYO_S + 183 * 86_400
    low = sine_of_elevation(winter_noon_s, latitude=35.68, longitude=139.77)
    assert low == pytest.approx(0.513, abs=0.02)
    midnight = MIDSUMMER_NOON_TOKYO_S + 43_200
    assert sine_of_elevation(midnight, latitude=35.68, longitude=139.77) < 0.0


def test_clouds_take_power_and_are_the_same_each_time() -> None:
    """Two runs of one seed could differ, and no test be repeated."""
    noon = MIDSUMMER_NOON_TOKYO_S
    clear = Sky(peak_w=5000.0, cloudiness=0.0)
    cloudy = Sky(peak_w=5000.0, cloudiness=0.6, seed=4)
    course = [sky_power_w(cloudy, noon + 10.0 * step) for step in range(360)]
    assert course == [sky_power_w(cloudy, noon + 10.0 * step) for step in range(360)]
    assert min(course) < 0.6 * sky_power_w(clear, noon)
    assert max(course) <= 1.02 * sky_power_w(clear, noon)
    assert 3500.0 < sky_power_w(clear, noon) < 5000.0
    assert sky_power_w(clear, noon + 43_200) == 0.0


def test_household_moves_and_has_its_own_seed() -> None:
    """All simulated homes could switch their kettles on together."""
    first = [household_w(Household(seed=1), 1e9 + 60.0 * step) for step in range(1440)]
    second = [household_w(Household(seed=2), 1e9 + 60.0 * step) for step in range(1440)]
    assert first != second
    assert min(first) > 100.0
    assert max(first) > 1000.0
    assert 200.0 < sum(first) / len(first) < 1500.0


def test_noise_is_even_and_continuous() -> None:
    """Clouds could jump, or all stand in one half of the sky."""
    numbers = [uniform(3, step) for step in range(2000)]
    assert 0.45 < sum(numbers) / 2000 < 0.55
    assert min(numbers) >= 0.0
    assert max(numbers) < 1.0
    steps = [smooth(3, 0.01 * step) for step in range(1000)]
    assert max(abs(b - a) for a, b in itertools.pairwise(steps)) < 0.02


def test_profile_is_straight_between_points_and_flat_outside() -> None:
    """A measured course could be read between its points with a jump."""
    profile = Profile(times_s=(0.0, 10.0, 20.0), power_w=(100.0, 200.0, 0.0))
    moments = (-5.0, 0.0, 5.0, 10.0, 15.0, 25.0)
    assert [profile.at(t) for t in moments] == [100.0, 100.0, 150.0, 200.0, 100.0, 0.0]


def test_one_full_cycle_counts_as_one() -> None:
    """The ageing counter could make a battery look half or twice as old."""
    parameters = BatteryParameters(
        energy_wh_capacity=10_000.0,
        power_w_charge_max=5_000.0,
        power_w_discharge_max=5_000.0,
        standby_w=0.0,
    )
    state = BatteryState(energy_wh=0.0)
    state = step_battery(parameters, state, request_w=-5_000.0, duration_s=4 * 3600.0)
    state = step_battery(parameters, state, request_w=5_000.0, duration_s=4 * 3600.0)
    assert equivalent_full_cycles(parameters, state) == pytest.approx(1.0, abs=0.01)
    assert state.energy_wh_discharged / state.energy_wh_charged == pytest.approx(0.9025, abs=1e-3)
