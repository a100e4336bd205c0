"""Offers and forecasts beside the cycle."""

import math
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from edge_agent.control.decide import decide
from edge_agent.control.inputs import Binding, ControlState, CycleInputs, Frame, Tariff
from edge_agent.control.limits import contract_import, export_limit, owner_range
from edge_agent.cycle.advice import HISTORY_LEAST, PLAN_STEP_S, PLAN_STEPS, Advice
from edge_agent.cycle.arrivals import OfferWanted
from edge_agent.cycle.history import MinuteHistory
from edge_agent.cycle.record import Answer
from edge_agent.forecast.persistence import PersistenceForecaster
from edge_agent.forecast.port import Grid
from protocols.vocabulary.identifiers import PointId, ResourceId
from protocols.vocabulary.measurement import Measurement, ProcessImage, Quality
from protocols.vocabulary.mode import Mode
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

METER, POWER, SOC = (PointId(name) for name in ("meter.power_w", "b.power_w", "b.soc"))


def answer(nouns: SimpleNamespace, cycle: int, load_w: float = 900.0) -> Answer:
    now = nouns.now + timedelta(seconds=cycle)
    values = {METER: -load_w, POWER: 0.0, SOC: 0.5}
    battery = Resource(
        resource_id=ResourceId("site-001/b"),
        site_id=nouns.site,
        kind=ResourceKind.BATTERY,
        power_w_min=-3000.0,
        power_w_max=3000.0,
        ramp_w_per_s=float("inf"),
        energy_wh_capacity=10_000.0,
        capabilities=frozenset({Capability.TAKES_SETPOINT, Capability.HAS_SOC}),
    )
    frame = Frame(
        site_id=nouns.site,
        meter_point=METER,
        bindings=(Binding(resource=battery, power_point=POWER, soc_point=SOC),),
        limits=(contract_import(10_000.0), export_limit(5_000.0)),
        commitments=(),
        tariff=Tariff(import_jpy_per_kwh=30.0, export_jpy_per_kwh=8.0),
        points=(METER, POWER, SOC),
    )
    image = ProcessImage(
        cycle=cycle,
        taken_at=now,
        monotonic_ns=cycle,
        points={
            name: Measurement(value=value, quality=Quality.GOOD, measured_at=now, received_at=now)
            for name, value in values.items()
        },
    )
    inputs = CycleInputs(
        cycle=cycle,
        slot_s=int(now.timestamp()),
        now=now,
        image=image,
        frame=frame,
        frame_id="f",
        signal=None,
        mode=Mode.NORMAL,
    )
    decision, after = decide(inputs, ControlState())
    return Answer(inputs=inputs, before=ControlState(), after=after, decision=decision, steps_ms={})


def advice() -> Advice:
    return Advice(PersistenceForecaster(grid=Grid(step_s=PLAN_STEP_S, steps=PLAN_STEPS)))


def test_a_wish_that_came_too_early_is_answered_later(nouns: SimpleNamespace) -> None:
    """A site that had just started would be left out of the award it was asked for."""
    adviser = advice()
    wish = OfferWanted(service=Service.SECONDARY_2, interval=nouns.interval(60.0, 600.0))
    assert adviser.offers([wish], answer(nouns, 1), version=1) == ()
    for cycle in range(1, HISTORY_LEAST + 1):
        adviser.observe(answer(nouns, cycle))
    offered = adviser.offers([], answer(nouns, 11), version=1)
    assert [one.curve.service for one in offered] == [Service.SECONDARY_2]
    assert offered[0].curve.version == 2
    assert adviser.offers([], answer(nouns, 12), version=2) == ()


def test_a_wish_for_the_past_is_dropped(nouns: SimpleNamespace) -> None:
    """A site would promise an interval that is over."""
    adviser = advice()
    wish = OfferWanted(service=Service.SECONDARY_1, interval=nouns.interval(-600.0, 60.0))
    for cycle in range(1, HISTORY_LEAST + 1):
        adviser.observe(answer(nouns, cycle))
    assert adviser.offers([wish], answer(nouns, 11), version=1) == ()


def test_offers_come_by_themselves_and_their_versions_rise(nouns: SimpleNamespace) -> None:
    """The coordinator would award on curves an hour old."""
    adviser = advice()
    for cycle in range(1, HISTORY_LEAST + 1):
        adviser.observe(answer(nouns, cycle))
    first = adviser.offers([], answer(nouns, 11), version=0)
    assert [one.curve.version for one in first] == [1]
    assert adviser.offers([], answer(nouns, 61), version=1) == ()
    assert [o.curve.version for o in adviser.offers([], answer(nouns, 120), version=1)] == [2]


def test_the_baseline_of_an_offer_is_the_recent_mean(nouns: SimpleNamespace) -> None:
    """One kettle in the last second would become the baseline of the whole award."""
    adviser = advice()
    for cycle in range(1, 100):
        adviser.observe(answer(nouns, cycle, load_w=4_900.0 if cycle == 99 else 900.0))
    offered = adviser.offers([], answer(nouns, 100), version=0)[0]
    residual_w = -(98 * 900.0 + 4_900.0) / 99
    # The battery covers the load by itself: what is left is what it cannot.
    assert offered.baseline.power_w[0] == pytest.approx(min(residual_w + 3000.0, 0.0), abs=1e-6)


def test_minutes_that_were_missed_stay_missing(nouns: SimpleNamespace) -> None:
    """A gap in the record would be forecast from as if it had been measured."""
    history = MinuteHistory()
    for second in (0, 30, 240):
        history.add(nouns.now + timedelta(seconds=second), -100.0 - second, 0.0)
    grid = history.site_history()
    assert grid is not None
    assert grid.load_w[0] == pytest.approx(-115.0)
    assert [math.isnan(value) for value in grid.load_w] == [False, True, True, True, False]
    history.add(nouns.now, -1.0, 0.0)
    assert len(replace(history.site_history() or grid).load_w) == 5


def with_load(base: Answer, *, load_w: float, held: bool) -> Answer:
    """Give the site a load that can be held down, and take its power out of the house."""
    point = PointId("l.power_w")
    load = Resource(
        resource_id=ResourceId("site-001/l"),
        site_id=base.inputs.frame.site_id,
        kind=ResourceKind.LOAD,
        power_w_min=-2000.0,
        power_w_max=0.0,
        ramp_w_per_s=float("inf"),
        capabilities=frozenset({Capability.TAKES_LIMIT}),
    )
    binding = Binding(resource=load, power_point=point, comfort_jpy_per_kwh=60.0)
    measured = replace(base.inputs.image.points[POWER], value=load_w)
    frame = replace(base.inputs.frame, bindings=(*base.inputs.frame.bindings, binding))
    image = replace(base.inputs.image, points={**base.inputs.image.points, point: measured})
    inputs = replace(base.inputs, frame=frame, image=image)
    if held:
        frame = replace(frame, limits=(*frame.limits, owner_range(load.resource_id, -100.0, 0.0)))
        inputs = replace(inputs, frame=frame)
    decision, after = decide(inputs, ControlState())
    return replace(base, inputs=inputs, decision=decision, after=after)


def test_a_load_is_offered_with_the_least_it_took_and_counted_once(nouns: SimpleNamespace) -> None:
    """If it fails, the baseline has a load twice or not at all, or the offer cannot be kept."""
    adviser = advice()
    for cycle in range(1, 61):
        load_w = -500.0 if cycle == 30 else -800.0
        seen = with_load(answer(nouns, cycle, load_w=8_000.0), load_w=load_w, held=False)
        assert seen.decision.residual_w == pytest.approx(-8_000.0 - load_w)
        adviser.observe(seen)
    offered = adviser.offers([], seen, version=0)[0]
    # The battery covers 3 kW of it; the load is in the house's mean once.
    assert offered.baseline.power_w[0] == pytest.approx(-5_000.0)
    without = advice()
    for cycle in range(1, 61):
        without.observe(answer(nouns, cycle, load_w=8_000.0))
    plain = without.offers([], answer(nouns, 60, load_w=8_000.0), version=0)[0]
    assert plain.baseline.power_w[0] == pytest.approx(-5_000.0)
    more_w = offered.envelope.power_w_max[0] - plain.envelope.power_w_max[0]
    assert more_w == pytest.approx(500.0)


def test_a_load_that_is_held_is_not_offered_again(nouns: SimpleNamespace) -> None:
    """If it fails, what a load was made to go without is promised a second time."""
    adviser = advice()
    for cycle in range(1, 21):
        seen = with_load(answer(nouns, cycle, load_w=8_000.0), load_w=-800.0, held=cycle == 20)
        adviser.observe(seen)
    assert seen.after.setpoint_of(ResourceId("site-001/l")) is not None
    offered = adviser.offers([], seen, version=0)[0]
    # The battery gives all it can without an obligation.
    assert offered.envelope.power_w_max[0] == 0.0
