"""Loads that take a ceiling: held down when something asks for it, and let go when nothing does."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from edge_agent.control.decide import decide
from edge_agent.control.inputs import ControlState
from edge_agent.control.limits import CONSUMPTION, Limit, contract_import, export_limit
from edge_agent.control.plain import pack_frame, unpack_frame
from edge_agent.control.supply import is_controllable, is_sink
from protocols.vocabulary.mode import Mode
from protocols.vocabulary.obligation import Authority
from protocols.vocabulary.resource import Capability

HVAC, LIGHTS = "hvac-1", "lights-1"


def building(paper: Any, *, contract_w: float = 10_000.0, demand_w: float = -6000.0) -> Any:
    plant = paper.plant(
        bindings=(paper.sink(HVAC), paper.sink(LIGHTS)),
        limits=(contract_import(contract_w), export_limit(5000.0)),
        load_w=-1000.0,
    )
    for name in (HVAC, LIGHTS):
        device = plant.device(name)
        device.available_w = device.power_w = demand_w
    return plant


def told(plant: Any) -> list[float | None]:
    return [plant.device(name).told_w for name in (HVAC, LIGHTS)]


def test_a_load_that_takes_no_order_is_no_sink(paper: Any) -> None:
    """If it fails, sub-meters are told to switch off, or an old journal replays otherwise."""
    assert is_controllable(paper.sink())
    meter = paper.sink(capabilities=frozenset({Capability.READS_POWER}))
    assert not is_controllable(meter)
    switch = paper.sink(capabilities=frozenset({Capability.TAKES_ON_OFF}))
    assert not is_controllable(switch)
    old = replace(paper.sink(), comfort_jpy_per_kwh=None, least_point=None)
    assert not is_sink(old)
    assert not is_controllable(old)


def test_the_tariff_alone_never_costs_comfort(paper: Any) -> None:
    """If it fails, a building goes dark because power is dear at noon."""
    plant = building(paper, contract_w=20_000.0)
    plant.run(30)
    assert told(plant) == [None, None]
    assert plant.meter_w == -13_000.0
    assert plant.decision is not None
    assert plant.decision.residual_w == pytest.approx(-1000.0)


def test_comfort_cheaper_than_the_tariff_is_given_up(paper: Any) -> None:
    """If it fails, an owner who says what comfort is worth is not heard."""
    plant = building(paper, contract_w=20_000.0)
    plant.bindings = (replace(plant.bindings[0], comfort_jpy_per_kwh=5.0), plant.bindings[1])
    plant.devices[plant.bindings[0].resource.resource_id].binding = plant.bindings[0]
    plant.run(10)
    assert told(plant) == [0.0, None]


def test_contract_power_is_kept_with_loads_alone(paper: Any) -> None:
    """If it fails, a building without a battery breaks its contract although it could do less."""
    plant = building(paper, contract_w=10_000.0)
    trace = plant.run(120)
    assert min(trace[2:]) >= -10_000.0
    assert max(trace[2:]) <= -9000.0
    assert plant.device(HVAC).power_w == pytest.approx(plant.device(LIGHTS).power_w, abs=1.0)


def test_a_load_is_let_go_when_the_need_is_over(paper: Any) -> None:
    """If it fails, a load stays at its ceiling for ever, for nobody sees that it wants more."""
    plant = building(paper, contract_w=6000.0)
    plant.run(20)
    assert plant.meter_w >= -6000.0
    plant.limits = (contract_import(30_000.0), export_limit(5000.0))
    plant.run(30)
    assert told(plant) == [None, None]
    assert plant.meter_w == -13_000.0


def test_lifting_a_ceiling_does_not_overshoot_the_limit(paper: Any) -> None:
    """If it fails, loads that are let go all come back at once and break the limit."""
    plant = building(paper, contract_w=6000.0)
    plant.run(20)
    plant.limits = (contract_import(9000.0), export_limit(5000.0))
    trace = plant.run(60)
    assert min(trace) >= -9000.0
    assert trace[-1] <= -8000.0


def test_what_is_not_consumed_is_not_counted_on(paper: Any) -> None:
    """If it fails, an obligation rests on loads that are off."""
    plant = building(paper, contract_w=20_000.0, demand_w=0.0)
    plant.commitments = (paper.commitment(baseline_w=-1000.0),)
    plant.signal = paper.signal(40.0)
    plant.run(5)
    assert plant.decision is not None
    assert plant.decision.shortfall_w == pytest.approx(4000.0)


def test_an_obligation_is_delivered_by_loads_and_ends(paper: Any) -> None:
    """If it fails, consumption earns nothing, or is not given back after the award."""
    plant = building(paper, contract_w=30_000.0)
    plant.commitments = (paper.commitment(baseline_w=-13_000.0, duration_s=60.0),)
    plant.signal = paper.signal(40.0)
    trace = plant.run(55)
    assert trace[3:] == pytest.approx([-9000.0] * 52, abs=5.0)
    plant.run(60)
    assert told(plant) == [None, None]
    assert plant.meter_w == -13_000.0


def test_the_battery_comes_before_the_comfort(paper: Any) -> None:
    """If it fails, lights are dimmed while a full battery stands by."""
    plant = paper.plant(
        bindings=(paper.sink(HVAC), paper.battery(soc_min=0.0)),
        limits=(contract_import(30_000.0), export_limit(5000.0)),
    )
    plant.device(HVAC).available_w = plant.device(HVAC).power_w = -6000.0
    plant.device("battery-1").soc = 0.9
    plant.commitments = (paper.commitment(baseline_w=-7000.0),)
    plant.signal = paper.signal(40.0)
    plant.run(20)
    assert plant.device(HVAC).told_w is None
    assert plant.device("battery-1").power_w == pytest.approx(4000.0, abs=5.0)


def test_a_load_in_stages_is_not_switched_to_and_fro(paper: Any) -> None:
    """If it fails, the lights of a building flicker as long as an award lasts."""
    plant = building(paper, contract_w=30_000.0)
    lights = plant.device(LIGHTS)
    plant.device(HVAC).available_w = plant.device(HVAC).power_w = 0.0
    lights.available_w = lights.power_w = -8000.0
    lights.levels_w = (-10_000.0, -8000.0, -6000.0, -3500.0)
    plant.commitments = (paper.commitment(baseline_w=-9000.0, capacity_w=3000.0),)
    plant.signal = paper.signal(40.0)
    powers = []

    def look(second: int) -> None:
        plant.load_w = -1000.0 + (50.0 if second % 2 else -50.0)
        powers.append(lights.power_w)

    plant.run(120, look)
    changes = sum(a != b for a, b in pairwise(powers))
    assert changes <= 2
    assert powers[-1] == -3500.0


def test_a_device_s_least_is_not_promised_away(paper: Any) -> None:
    """If it fails, an air conditioner that cannot go below its fans is counted on to do so."""
    plant = building(paper, contract_w=20_000.0)
    for name in (HVAC, LIGHTS):
        plant.device(name).least_w = -4000.0
    plant.commitments = (paper.commitment(baseline_w=-13_000.0, capacity_w=8000.0),)
    plant.signal = paper.signal(40.0)
    plant.run(10)
    assert plant.decision is not None
    assert told(plant) == [-4000.0, -4000.0]
    assert plant.decision.flexible_w == pytest.approx(-8000.0)
    assert plant.decision.shortfall_w == pytest.approx(4000.0, abs=10.0)
    assert plant.decision.ranges[0].limited_by.endswith("device-range")


def test_a_room_out_of_comfort_is_left_alone_and_not_counted_on(paper: Any) -> None:
    """If it fails, control rests on a load that refuses, and others do not make up for it."""
    plant = building(paper, contract_w=20_000.0)
    plant.commitments = (paper.commitment(baseline_w=-13_000.0),)
    plant.signal = paper.signal(40.0)
    plant.run(10)
    assert all(power_w is not None for power_w in told(plant))
    plant.device(HVAC).least_w = -10_000.0
    plant.run(5)
    assert plant.device(HVAC).told_w is None
    assert plant.device(HVAC).power_w == -6000.0
    assert plant.meter_w == pytest.approx(-9000.0, abs=5.0)
    assert plant.device(LIGHTS).power_w == pytest.approx(-2000.0, abs=5.0)


def test_a_load_at_or_below_its_ceiling_answers(paper: Any) -> None:
    """If it fails, a load that wants less than it may is given up as broken."""
    plant = building(paper, contract_w=10_000.0)
    plant.run(10)
    plant.device(HVAC).available_w = 0.0
    plant.run(20)
    assert all(memory.idle_cycles == 0 for memory in plant.state.memories)


def test_a_load_that_does_not_obey_is_made_up_for(paper: Any) -> None:
    """If it fails, one deaf device makes the site break its contract."""
    plant = building(paper, contract_w=10_000.0)
    plant.device(HVAC).deaf = True
    plant.run(15)
    assert plant.device(HVAC).power_w == -6000.0
    assert plant.meter_w >= -10_000.0
    assert plant.device(HVAC).told_w is not None


def test_in_safe_the_contract_still_holds_and_nothing_flickers(paper: Any) -> None:
    """If it fails, a fault frees every load at once and the main breaker opens."""
    plant = building(paper, contract_w=10_000.0)
    plant.run(10)
    plant.mode = Mode.SAFE
    trace = plant.run(40)
    assert min(trace) >= -10_000.0
    held = told(plant)
    assert all(power_w is not None for power_w in held)
    plant.limits = (contract_import(60_000.0), export_limit(5000.0))
    plant.run(3)
    assert told(plant) == [None, None]


def test_in_safe_loads_that_fit_are_free(paper: Any) -> None:
    """If it fails, a site that loses its meter goes dark although nothing is wrong."""
    plant = building(paper, contract_w=20_000.0)
    plant.mode = Mode.SAFE
    plant.run(5)
    assert told(plant) == [None, None]
    assert plant.state.sequence == 0


def test_a_device_is_never_told_to_take_more_than_by_itself(paper: Any) -> None:
    """If it fails, lifting a ceiling cools a room ahead that nobody wanted colder."""
    plant = building(paper, contract_w=30_000.0)
    plant.bindings = (paper.sink(HVAC, default_power_w=-6000.0), plant.bindings[1])
    plant.devices[plant.bindings[0].resource.resource_id].binding = plant.bindings[0]
    plant.commitments = (paper.commitment(baseline_w=-13_000.0, duration_s=20.0),)
    plant.signal = paper.signal(40.0)
    asked: list[float] = []

    def look(_: int) -> None:
        if (power_w := plant.device(HVAC).told_w) is not None:
            asked.append(power_w)

    plant.run(60, look)
    assert asked
    assert min(asked) >= -6000.0
    assert plant.device(HVAC).told_w is None


def test_frames_of_before_are_read_and_keep_their_bytes(paper: Any) -> None:
    """If it fails, a journal from before there were sinks cannot be replayed."""
    plant = paper.plant(bindings=(paper.battery(), paper.photovoltaic()))
    packed = pack_frame(plant.frame())
    assert unpack_frame(packed) == plant.frame()
    assert b"power_w_max" not in packed
    sinks = building(paper).frame()
    assert unpack_frame(pack_frame(sinks)) == sinks


def test_a_load_that_was_never_controlled_stays_in_the_residual(paper: Any) -> None:
    """If it fails, the replay of an old journal commands a load that was only read then."""
    plant = building(paper, contract_w=10_000.0)
    old = tuple(
        replace(binding, comfort_jpy_per_kwh=None, least_point=None) for binding in plant.bindings
    )
    inputs = plant.inputs()
    before = replace(inputs, frame=replace(inputs.frame, bindings=old))
    decision, state = decide(before, ControlState())
    assert decision.setpoints == ()
    assert decision.residual_w == pytest.approx(-13_000.0)
    assert state.memories == ()


def test_a_lease_ends_in_full_consumption(paper: Any) -> None:
    """If it fails, a load whose power is not told any more stays held for ever."""
    plant = building(paper, contract_w=10_000.0)
    plant.run(5)
    released = []
    bindings = plant.bindings
    for _ in range(15):
        inputs = plant.inputs()
        points = {
            point: measured
            for point, measured in inputs.image.points.items()
            if point != bindings[0].power_point
        }
        inputs = replace(inputs, image=replace(inputs.image, points=points))
        decision, plant.state = decide(inputs, plant.state)
        released += [one.resource_id for one in decision.releases]
        plant.second += 1
    assert bindings[0].resource.resource_id in released
    held = plant.state.setpoint_of(bindings[0].resource.resource_id)
    assert held is None


def test_a_limit_on_consumption_holds_loads_and_lets_nothing_flicker(paper: Any) -> None:
    """If it fails, an order to consume less is kept by a battery's discharge, or flickers."""
    plant = building(paper, contract_w=60_000.0)
    lights = plant.device(LIGHTS)
    lights.available_w = lights.power_w = -8000.0
    lights.levels_w = (-10_000.0, -8000.0, -6000.0, -3500.0)
    order = Limit(
        name="load-limit",
        authority=Authority.GRID_CODE,
        scope=CONSUMPTION,
        power_w_min=-10_000.0,
        power_w_max=float("inf"),
    )
    plant.limits += (order,)
    powers = []
    trace = plant.run(60, lambda _: powers.append(lights.power_w))
    assert min(trace[2:]) >= -10_000.0
    assert sum(a != b for a, b in pairwise(powers)) <= 2
    plant.limits = plant.limits[:-1]
    plant.run(40)
    assert told(plant) == [None, None]
