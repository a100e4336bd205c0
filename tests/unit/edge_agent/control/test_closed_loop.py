"""The balance on a plant on paper: a second of delay, a ramp, noise and faults."""

import random
from typing import Any

import pytest

from edge_agent.control.limits import contract_import, export_limit
from edge_agent.control.nouns import ShareSource
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.obligation import HoldRule, ObligationState


@pytest.mark.parametrize("ramp_w_per_s", [1000.0, 2000.0, 5000.0])
def test_a_step_of_the_share_arrives_within_three_seconds(paper: Any, ramp_w_per_s: float) -> None:
    """The site would be too slow for its product, or swing around its target."""
    plant = paper.plant(
        bindings=(paper.battery(ramp_w_per_s=ramp_w_per_s),),
        commitments=(paper.commitment(),),
        signal=paper.signal(20.0),
    )
    plant.run(5)
    plant.signal = paper.signal(35.0, number=2)
    trace = plant.run(20)
    assert all(abs(meter_w - 2000.0) <= 60.0 for meter_w in trace[2:])
    assert max(trace) <= 2060.0


@pytest.mark.parametrize("meter_lag", [False, True])
def test_noise_of_the_load_is_made_up(paper: Any, meter_lag: Any) -> None:
    """The neighbour's kettle would be delivered to the grid instead of the award."""
    drawn = random.Random(7)
    plant = paper.plant(
        bindings=(paper.battery(),),
        commitments=(paper.commitment(),),
        signal=paper.signal(30.0),
        meter_lag=meter_lag,
    )
    plant.run(10)
    load, meter = [], []
    for _ in range(400):
        plant.load_w = -1000.0 + 0.97 * (plant.load_w + 1000.0) + drawn.gauss(0.0, 60.0)
        load.append(plant.load_w + 1000.0)
        meter.append(plant.run(1)[0] - 1000.0)
    rms_load = (sum(x * x for x in load) / len(load)) ** 0.5
    rms_meter = (sum(x * x for x in meter) / len(meter)) ** 0.5
    assert rms_meter < 0.6 * rms_load


def test_a_meter_that_lags_a_second_does_not_make_it_swing(paper: Any) -> None:
    """Samples that are not of one instant would drive the battery to and fro for ever."""
    plant = paper.plant(
        bindings=(paper.battery(),),
        commitments=(paper.commitment(),),
        signal=paper.signal(20.0),
        meter_lag=True,
    )
    plant.run(5)
    plant.signal = paper.signal(35.0, number=2)
    trace = plant.run(20)
    assert max(trace) <= 2000.0 + 0.2 * 3000.0
    assert all(abs(meter_w - 2000.0) <= 60.0 for meter_w in trace[10:])


def test_a_device_that_gives_less_than_told_is_corrected_at_the_meter(paper: Any) -> None:
    """A battery that always gives 5 per cent less would always miss the band."""
    plant = paper.plant(
        bindings=(paper.battery(),), commitments=(paper.commitment(),), signal=paper.signal(20.0)
    )
    plant.device("battery-1").gain = 0.95
    plant.run(5)
    plant.signal = paper.signal(35.0, number=2)
    trace = plant.run(20)
    assert abs(trace[-1] - 2000.0) <= 20.0
    assert max(trace) <= 2030.0


def test_a_deaf_device_is_replaced_by_the_others_and_taken_back(paper: Any) -> None:
    """A battery that answers but does not move would take its part of the award with it."""
    plant = paper.plant(
        bindings=(paper.battery("battery-1"), paper.battery("battery-2")),
        commitments=(paper.commitment(),),
        signal=paper.signal(20.0),
    )
    plant.run(5)
    plant.device("battery-1").deaf = True
    plant.signal = paper.signal(35.0, number=2)
    trace = plant.run(15)
    assert abs(trace[-1] - 2000.0) <= 60.0
    plant.device("battery-1").deaf = False
    trace = plant.run(15)
    assert abs(trace[-1] - 2000.0) <= 60.0
    assert plant.device("battery-1").power_w > 500.0


def test_a_slow_device_is_made_up_by_a_quick_one(paper: Any) -> None:
    """The award would wait for the slowest device of the site."""
    plant = paper.plant(
        bindings=(
            paper.battery("battery-1", ramp_w_per_s=50.0),
            paper.battery("battery-2", ramp_w_per_s=5000.0),
        ),
        commitments=(paper.commitment(),),
        signal=paper.signal(20.0),
    )
    plant.run(5)
    plant.signal = paper.signal(35.0, number=2)
    trace = plant.run(60)
    assert all(abs(meter_w - 2000.0) <= 150.0 for meter_w in trace[2:])
    assert plant.device("battery-1").power_w > 1000.0


def test_the_last_share_is_held_to_the_end_of_the_obligation(paper: Any) -> None:
    """A cut site would drop its award in the moment the signal expires."""
    plant = paper.plant(
        bindings=(paper.battery(),),
        commitments=(paper.commitment(duration_s=60.0),),
        signal=paper.signal(30.0, valid_s=10.0),
    )
    plant.run(10)
    assert plant.tick().reason == "share.held"
    plant.load_w = -1800.0
    trace = plant.run(45)
    assert all(abs(meter_w - 1000.0) <= 40.0 for meter_w in trace[2:])
    (held,) = plant.state.shares
    assert held.source is ShareSource.HELD
    assert held.power_w == 2000.0
    plant.run(10)
    decision = plant.tick()
    assert decision.reason == "economy.tariff"
    assert decision.share_w is None
    assert plant.state.shares == ()


def test_the_integrator_begins_anew_with_each_obligation(paper: Any) -> None:
    """A correction learnt in one award would spoil the first seconds of the next."""
    first = paper.commitment(duration_s=30.0, name="a")
    plant = paper.plant(
        bindings=(paper.battery(),), commitments=(first,), signal=paper.signal(35.0)
    )
    plant.device("battery-1").gain = 0.9
    plant.run(30)
    assert abs(plant.state.correction_w) > 50.0
    plant.commitments = (paper.commitment(start=plant.now, name="b"),)
    plant.tick()
    assert plant.state.correction_w == 0.0


def test_a_profile_is_followed_when_there_is_no_signal(paper: Any) -> None:
    """A site with a promised profile would do nothing once it is cut."""
    plant = paper.plant(
        bindings=(paper.battery(),), commitments=(paper.commitment(hold=HoldRule.FOLLOW_PROFILE),)
    )
    trace = plant.run(5)
    assert plant.tick().reason == "share.profile"
    assert abs(trace[-1] - 1000.0) <= 20.0


@pytest.mark.parametrize("state", [ObligationState.CANCELLED, ObligationState.REFUSED])
def test_an_obligation_that_is_over_is_not_delivered(paper: Any, state: Any) -> None:
    """A cancelled award would still be executed."""
    plant = paper.plant(
        bindings=(paper.battery(),),
        commitments=(paper.commitment(state=state),),
        signal=paper.signal(35.0),
    )
    assert plant.tick().share_w is None


def test_reverse_flow_is_banned_even_when_the_battery_is_full(paper: Any) -> None:
    """The site would export where its connection forbids it."""
    plant = paper.plant(
        bindings=(paper.battery(), paper.photovoltaic()),
        limits=(contract_import(10_000.0), export_limit(0.0)),
        load_w=-500.0,
    )
    plant.device("pv-1").available_w = 3000.0
    plant.run(10)
    assert plant.device("battery-1").power_w < -1500.0
    plant.device("battery-1").soc = 0.9499
    trace = plant.run(120)
    assert max(trace[2:]) <= 0.0
    assert plant.device("pv-1").power_w < 600.0
    plant.device("battery-1").soc = 0.5
    plant.run(40)
    assert plant.device("pv-1").power_w > 2900.0


def test_a_source_just_below_its_limit_is_not_counted_on_for_more(paper: Any) -> None:
    """PV under passing clouds would send the battery to and fro by its probe each second."""
    plant = paper.plant(
        bindings=(paper.battery(ramp_w_per_s=5000.0), paper.photovoltaic(power_w_max=10_000.0)),
        limits=(contract_import(10_000.0), export_limit(240.0)),
        load_w=-5000.0,
    )
    plant.device("pv-1").available_w = 3000.0
    plant.run(10)

    def brighter(_: int) -> None:
        plant.device("pv-1").available_w += 10.0

    trace = plant.run(60, brighter)
    assert max(trace[5:]) - min(trace[5:]) <= 100.0


def test_the_contract_holds_against_an_obligation(paper: Any) -> None:
    """An award to absorb would trip the site's main breaker."""
    plant = paper.plant(
        bindings=(paper.battery(),),
        commitments=(paper.commitment(baseline_w=-4000.0),),
        limits=(contract_import(6000.0), export_limit(5000.0)),
        load_w=-4000.0,
        signal=paper.signal(0.0),
    )
    trace = plant.run(10)
    assert min(trace) >= -6000.0
    decision = plant.tick()
    (relaxed,) = decision.relaxed
    assert relaxed.name == "obligation award-1/site-001"
    assert relaxed.by == "contract-import"
    assert decision.shortfall_w < -1900.0


def test_the_owner_s_floor_ends_the_discharge_softly(paper: Any) -> None:
    """The owner's backup energy would be sold."""
    plant = paper.plant(
        bindings=(paper.battery(),), commitments=(paper.commitment(),), signal=paper.signal(40.0)
    )
    plant.device("battery-1").soc = 0.102
    plant.run(200)
    assert plant.device("battery-1").soc >= 0.0999
    assert "owner-soc" in {by for r in plant.tick().relaxed for by in r.by.split("|")}


def test_a_lost_meter_is_bridged_for_a_bounded_time_and_then_all_is_let_go(paper: Any) -> None:
    """Control would steer blindly for ever, or drop the award at the first lost sample."""
    plant = paper.plant(
        bindings=(paper.battery(),), commitments=(paper.commitment(),), signal=paper.signal(30.0)
    )
    plant.run(5)
    meter = plant.frame().meter_point
    plant.quality[meter] = Quality.STALE
    decision = plant.tick()
    assert decision.residual_quality is Quality.SUBSTITUTED
    assert decision.reason == "share.signal"
    trace = plant.run(20)
    assert abs(trace[-1] - 1000.0) <= 20.0
    plant.run(15)
    decision = plant.tick()
    assert decision.reason == "meter.lost"
    assert decision.residual_quality is Quality.BAD
    assert plant.device("battery-1").told_w is None
    del plant.quality[meter]
    trace = plant.run(5)
    assert abs(trace[-1] - 1000.0) <= 20.0
