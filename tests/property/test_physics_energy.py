"""Energy is conserved, bounds hold and ramps are respected by every physical step."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.physics.battery import BatteryParameters, BatteryState, soc, step_battery
from firmware_sim.physics.ev import EvSession, EvState, step_ev
from firmware_sim.physics.fuel_cell import (
    FuelCellOrder,
    FuelCellParameters,
    FuelCellPhase,
    FuelCellState,
    step_fuel_cell,
)
from firmware_sim.physics.load import LoadState, step_load
from firmware_sim.physics.meter import MeterState, step_meter
from firmware_sim.physics.pv import PvParameters, PvState, step_pv
from firmware_sim.physics.water_heater import (
    WaterHeaterParameters,
    WaterHeaterState,
    step_water_heater,
)

durations = st.floats(0.05, 120.0)
powers = st.floats(-20_000.0, 20_000.0)
orders = st.lists(st.tuples(powers, durations), min_size=1, max_size=6)


@st.composite
def batteries(draw: st.DrawFn) -> BatteryParameters:
    """Draw a battery as one could buy it."""
    return BatteryParameters(
        energy_wh_capacity=draw(st.floats(2_000.0, 40_000.0)),
        power_w_charge_max=draw(st.floats(0.0, 10_000.0)),
        power_w_discharge_max=draw(st.floats(0.0, 10_000.0)),
        efficiency_charge=draw(st.floats(0.7, 1.0)),
        efficiency_discharge=draw(st.floats(0.7, 1.0)),
        ramp_w_per_s=draw(st.floats(1_000.0, 10_000.0)),
        standby_w=draw(st.floats(0.0, 50.0)),
        taper_soc=draw(st.floats(0.02, 0.2)),
    )


@given(batteries(), st.floats(0.0, 1.0), orders)
@settings(deadline=None)
def test_battery_conserves_energy(
    parameters: BatteryParameters, start: float, steps: list[tuple[float, float]]
) -> None:
    """A simulated battery could make or swallow energy, and every saving shown be false."""
    first = BatteryState(energy_wh=start * parameters.energy_wh_capacity)
    state = first
    for request_w, duration_s in steps:
        before = state
        state = step_battery(parameters, state, request_w=request_w, duration_s=duration_s)
        net_wh = (state.energy_wh_discharged - before.energy_wh_discharged) - (
            state.energy_wh_charged - before.energy_wh_charged
        )
        assert math.isclose(net_wh, state.mean_w * duration_s / 3600.0, abs_tol=1e-6)
    came_wh = state.energy_wh_charged + first.energy_wh
    went_wh = state.energy_wh_discharged + state.energy_wh_lost + state.energy_wh
    assert math.isclose(came_wh, went_wh, rel_tol=1e-9, abs_tol=1e-6)
    assert state.energy_wh_lost >= -1e-9


@given(batteries(), st.floats(0.0, 1.0), orders)
@settings(deadline=None)
def test_battery_stays_within_bounds(
    parameters: BatteryParameters, start: float, steps: list[tuple[float, float]]
) -> None:
    """A battery could be charged past full, exceed its rating or jump faster than its ramp."""
    state = BatteryState(energy_wh=start * parameters.energy_wh_capacity)
    for request_w, duration_s in steps:
        before = state
        state = step_battery(parameters, state, request_w=request_w, duration_s=duration_s)
        assert 0.0 <= soc(parameters, state) <= 1.0
        assert -parameters.power_w_charge_max - 1e-6 <= state.power_w
        assert state.power_w <= parameters.power_w_discharge_max + 1e-6
        allowed_w = parameters.ramp_w_per_s * duration_s
        assert abs(state.power_w - before.power_w) <= allowed_w + 1e-6
        assert state.throughput_wh >= before.throughput_wh


@given(batteries(), st.floats(0.1, 0.9), powers, st.floats(0.1, 20.0))
@settings(deadline=None)
def test_battery_two_half_steps_are_one(  # noqa: PLR0917 - hypothesis fills them
    parameters: BatteryParameters, start: float, request_w: float, duration_s: float
) -> None:
    """The simulated energy could depend on how often somebody asks the device."""
    state = BatteryState(energy_wh=start * parameters.energy_wh_capacity)
    whole = step_battery(parameters, state, request_w=request_w, duration_s=duration_s)
    half = step_battery(parameters, state, request_w=request_w, duration_s=duration_s / 2)
    twice = step_battery(parameters, half, request_w=request_w, duration_s=duration_s / 2)
    assert math.isclose(whole.energy_wh, twice.energy_wh, abs_tol=0.05)
    assert math.isclose(whole.power_w, twice.power_w, rel_tol=0.01, abs_tol=5.0)


@given(
    st.floats(500.0, 10_000.0),
    st.lists(st.tuples(st.floats(0.0, 8_000.0), st.floats(0.0, 12_000.0), durations), min_size=1),
)
def test_pv_available_is_generated_plus_curtailed(
    rated_w: float, steps: list[tuple[float, float, float]]
) -> None:
    """Curtailed energy could be lost from the books, and curtailment look free."""
    parameters = PvParameters(power_w_rated=rated_w)
    state = PvState(limit_w=rated_w)
    for available_w, limit_w, duration_s in steps:
        before = state
        state = step_pv(
            parameters, state, available_w=available_w, limit_w=limit_w, duration_s=duration_s
        )
        assert 0.0 <= state.power_w <= min(available_w, rated_w) + 1e-9
        assert state.energy_wh_curtailed >= before.energy_wh_curtailed - 1e-9
    assert math.isclose(
        state.energy_wh_available,
        state.energy_wh_generated + state.energy_wh_curtailed,
        abs_tol=1e-6,
    )


@given(orders, st.floats(0.0, 1.0), st.floats(0.0, 30_000.0))
@settings(deadline=None)
def test_ev_books_the_energy_that_drives_in_and_out(
    steps: list[tuple[float, float]], arrival_soc: float, needed_wh: float
) -> None:
    """A car's arrival could give energy to the house that nobody ever paid for."""
    parameters = BatteryParameters(
        energy_wh_capacity=40_000.0, power_w_charge_max=6_000.0, power_w_discharge_max=6_000.0
    )
    sessions = (
        EvSession(
            arrival_s=20.0, departure_s=200.0, arrival_soc=arrival_soc, energy_wh_needed=needed_wh
        ),
        EvSession(arrival_s=230.0, departure_s=900.0, arrival_soc=0.5, energy_wh_needed=0.0),
    )
    state, now_s = EvState(), 0.0
    for request_w, duration_s in steps:
        state = step_ev(
            parameters,
            state,
            sessions=sessions,
            request_w=request_w,
            span_s=(now_s, now_s + duration_s),
        )
        now_s += duration_s
        if state.session is None:
            assert state.power_w == 0.0
    battery = state.battery
    came_wh = state.energy_wh_arrived + battery.energy_wh_charged
    went_wh = (
        state.energy_wh_departed
        + battery.energy_wh_discharged
        + battery.energy_wh_lost
        + battery.energy_wh
    )
    assert math.isclose(came_wh, went_wh, rel_tol=1e-9, abs_tol=1e-6)


fuel_orders = st.lists(
    st.tuples(st.booleans(), st.floats(-500.0, 2_000.0), st.floats(0.1, 900.0)),
    min_size=1,
    max_size=10,
)


@given(fuel_orders)
def test_fuel_cell_conserves_energy_and_keeps_its_minimum(
    steps: list[tuple[bool, float, float]],
) -> None:
    """A fuel cell could run below its minimum or start without its delay."""
    parameters = FuelCellParameters()
    state = FuelCellState()
    for runs, target_w, duration_s in steps:
        before = state
        order = FuelCellOrder(runs=runs, target_w=target_w)
        state = step_fuel_cell(parameters, state, order, duration_s=duration_s)
        if state.phase is FuelCellPhase.GENERATING:
            assert 200.0 - 1e-6 <= state.power_w <= 700.0 + 1e-6
        net_wh = (state.energy_wh_generated - before.energy_wh_generated) - (
            state.energy_wh_drawn - before.energy_wh_drawn
        )
        assert math.isclose(net_wh, state.mean_w * duration_s / 3600.0, abs_tol=1e-6)
    assert math.isclose(
        state.energy_wh_gas, state.energy_wh_generated + state.energy_wh_heat, abs_tol=1e-6
    )


@given(fuel_orders)
def test_fuel_cell_two_half_steps_are_one(steps: list[tuple[bool, float, float]]) -> None:
    """The start delay could depend on how often somebody asks the device."""
    parameters = FuelCellParameters()
    whole = twice = FuelCellState()
    for runs, target_w, duration_s in steps:
        order = FuelCellOrder(runs=runs, target_w=target_w)
        whole = step_fuel_cell(parameters, whole, order, duration_s=duration_s)
        twice = step_fuel_cell(parameters, twice, order, duration_s=duration_s / 2)
        twice = step_fuel_cell(parameters, twice, order, duration_s=duration_s / 2)
        assert math.isclose(whole.power_w, twice.power_w, abs_tol=1e-3)
        assert math.isclose(
            whole.energy_wh_generated, twice.energy_wh_generated, rel_tol=1e-6, abs_tol=1e-3
        )


@given(
    st.floats(0.0, 1.0),
    st.lists(
        st.tuples(st.booleans(), st.floats(0.0, 60_000.0), durations), min_size=1, max_size=10
    ),
)
def test_water_heater_conserves_energy(
    filling: float, steps: list[tuple[bool, float, float]]
) -> None:
    """A tank could be filled past full or drawn below empty."""
    parameters = WaterHeaterParameters()
    first_wh = filling * parameters.energy_wh_capacity
    state = WaterHeaterState(energy_wh=first_wh)
    for heats, heat_drawn_w, duration_s in steps:
        state = step_water_heater(
            parameters, state, heats=heats, heat_drawn_w=heat_drawn_w, duration_s=duration_s
        )
        assert -1e-6 <= state.energy_wh <= parameters.energy_wh_capacity + 1e-6
        assert state.energy_wh_unmet >= -1e-9
    came_wh = state.energy_wh_electric * parameters.efficiency + first_wh
    went_wh = state.energy_wh + state.energy_wh_drawn + state.energy_wh_lost
    assert math.isclose(came_wh, went_wh, rel_tol=1e-9, abs_tol=1e-6)


@given(st.lists(st.tuples(st.lists(powers, min_size=1, max_size=6), durations), min_size=1))
def test_meter_counters_are_the_integral_of_the_sum(
    steps: list[tuple[list[float], float]],
) -> None:
    """The meter could show a sum that its parts do not make, and settlement pay for air."""
    state, net_wh = MeterState(), 0.0
    for parts_w, duration_s in steps:
        before = state
        state = step_meter(state, powers_w=parts_w, means_w=parts_w, duration_s=duration_s)
        assert state.power_w == math.fsum(parts_w)
        assert state.energy_wh_imported >= before.energy_wh_imported
        assert state.energy_wh_exported >= before.energy_wh_exported
        net_wh += math.fsum(parts_w) * duration_s / 3600.0
    assert math.isclose(
        state.energy_wh_exported - state.energy_wh_imported, net_wh, rel_tol=1e-9, abs_tol=1e-6
    )


@given(st.lists(st.tuples(st.floats(0.0, 8_000.0), durations), min_size=1))
def test_load_counter_is_the_integral_of_its_power(steps: list[tuple[float, float]]) -> None:
    """A household's energy could differ from the power it was shown to take."""
    state, taken_wh = LoadState(power_w=0.0), 0.0
    for taken_w, duration_s in steps:
        state = step_load(state, taken_w=taken_w, duration_s=duration_s)
        assert state.power_w <= 0.0
        taken_wh -= state.mean_w * duration_s / 3600.0
    assert math.isclose(state.energy_wh_taken, taken_wh, rel_tol=1e-9, abs_tol=1e-9)
