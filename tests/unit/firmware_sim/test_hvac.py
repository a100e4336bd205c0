"""The physics of a building's loads: energy is neither made nor lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.physics.hvac import (
    ClimateOrder,
    ClimateParameters,
    ClimateState,
    LightingParameters,
    LightingState,
    lit_w,
    step_climate,
    step_lighting,
)


def building(*, cools: bool) -> ClimateParameters:
    """Make a building of 10 kW."""
    return ClimateParameters(
        power_w_rated=10_000.0,
        fans_w=1_000.0,
        efficiency=3.0,
        mass_wh_per_k=20_000.0,
        loss_w_per_k=700.0,
        gain_w=8_000.0,
        comfort_c=26.0 if cools else 21.0,
        cools=cools,
        ramp_w_per_s=500.0,
    )


@settings(max_examples=60, deadline=None)
@given(
    cools=st.booleans(),
    limits=st.lists(st.floats(0.0, 12_000.0), min_size=1, max_size=30),
    duration_s=st.floats(0.1, 60.0),
)
def test_the_rooms_heat_is_what_came_in_and_what_was_moved(
    *, cools: bool, limits: list[float], duration_s: float
) -> None:
    """If it fails, a shed building gains or loses comfort from nothing."""
    parameters = building(cools=cools)
    state = first = ClimateState(room_c=24.0)
    for number, limit_w in enumerate(limits):
        state = step_climate(
            parameters,
            state,
            ClimateOrder(limit_w=limit_w),
            local_s=50_000.0 + number * duration_s,
            duration_s=duration_s,
        )
        assert -parameters.power_w_rated - 1e-6 <= state.power_w <= 1e-6
    moved_wh = -state.heat_wh_moved if cools else state.heat_wh_moved
    held_wh = parameters.mass_wh_per_k * (state.room_c - first.room_c)
    assert held_wh == pytest.approx(state.heat_wh_in + moved_wh, abs=1e-3)
    assert state.heat_wh_moved <= parameters.efficiency * state.energy_wh_taken + 1e-6


def test_below_its_fans_a_machine_is_off() -> None:
    """If it fails, a limit below what the fans take is answered with half a machine."""
    state = ClimateState(room_c=30.0, power_w=-5_000.0)
    for number in range(60):
        state = step_climate(
            building(cools=True),
            state,
            ClimateOrder(limit_w=900.0),
            local_s=50_000.0 + number,
            duration_s=1.0,
        )
    assert state.power_w == 0.0


def test_a_moved_comfort_temperature_moves_the_power() -> None:
    """If it fails, pre-cooling and shedding by temperature do nothing."""
    powers = []
    for shift_k in (-2.0, 0.0, 2.0):
        state = ClimateState(room_c=26.0)
        for number in range(120):
            state = step_climate(
                building(cools=True),
                state,
                ClimateOrder(limit_w=1e9, shift_k=shift_k),
                local_s=50_000.0 + number,
                duration_s=1.0,
            )
        powers.append(state.power_w)
    assert powers[0] < powers[1] < powers[2]


def test_lighting_is_dimmed_and_brighter_by_day() -> None:
    """If it fails, a limit on lighting does not bind, or a building is lit by night as by day."""
    parameters = LightingParameters(power_w_rated=5_000.0, ramp_w_per_s=1_000.0, seed=1)
    assert lit_w(parameters, 12 * 3600.0) > lit_w(parameters, 3 * 3600.0)
    state = LightingState()
    for second in range(20):
        state = step_lighting(
            parameters, state, limit_w=1_500.0, local_s=12 * 3600.0 + second, duration_s=1.0
        )
    assert state.power_w == pytest.approx(-1_500.0)
    assert state.energy_wh_taken > 0.0
