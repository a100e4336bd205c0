"""Whatever the site looks like: there is an answer, and every setpoint lies in its envelope."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.control.decide import decide
from edge_agent.control.inputs import (
    Binding,
    ControlState,
    CycleInputs,
    Decision,
    Frame,
    HeldSignal,
    Tariff,
)
from edge_agent.control.limits import (
    Limit,
    contract_import,
    emergency_stop,
    export_limit,
    group_scope,
    owner_range,
    technician_override,
)
from edge_agent.control.plain import (
    pack_decision,
    pack_inputs,
    pack_state,
    unpack_inputs,
    unpack_state,
)
from protocols.vocabulary.arrays import column
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.identifiers import (
    ModelId,
    ObligationId,
    PointId,
    ResourceId,
    SignalId,
    SiteId,
    ZoneId,
)
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.measurement import Measurement, ProcessImage, Quality
from protocols.vocabulary.mode import Mode
from protocols.vocabulary.obligation import (
    Authority,
    HoldRule,
    Obligation,
    ObligationState,
    RelativeTo,
    Service,
)
from protocols.vocabulary.offer import DispatchSignal, OfferCurve
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

T0 = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
SITE = SiteId("s")
METER = PointId("meter.power_w")
WATTS = st.floats(-20_000.0, 20_000.0)


@st.composite
def bindings(draw: st.DrawFn, number: int) -> Binding:
    """Draw a battery, charger, PV or load."""
    kind = draw(st.sampled_from(["battery", "charger", "pv", "load"]))
    name = f"d-{number}"
    up = draw(st.floats(1.0, 8000.0))
    store = kind in {"battery", "charger"}
    takes_limit = kind == "pv" or (kind == "load" and draw(st.booleans()))
    low, high = draw(st.floats(0.0, 0.5)), draw(st.floats(0.5, 1.0))
    takes = Capability.TAKES_LIMIT if takes_limit else Capability.TAKES_SETPOINT
    least = kind == "load" and draw(st.booleans())
    return Binding(
        resource=Resource(
            resource_id=ResourceId(f"{SITE}/{name}"),
            site_id=SITE,
            kind=ResourceKind.BATTERY if store else ResourceKind.PV,
            power_w_min=0.0 if kind == "pv" else -draw(st.floats(1.0, 8000.0)),
            power_w_max=0.0 if kind in {"charger", "load"} else up,
            ramp_w_per_s=draw(st.sampled_from([10.0, 1000.0, math.inf])),
            energy_wh_capacity=draw(st.floats(100.0, 50_000.0)) if store else 0.0,
            efficiency_charge=draw(st.floats(0.7, 1.0)),
            efficiency_discharge=draw(st.floats(0.7, 1.0)),
            soc_min=low,
            soc_max=high,
            capabilities=frozenset({Capability.READS_POWER, takes}),
        ),
        power_point=PointId(f"{name}.power_w"),
        soc_point=PointId(f"{name}.soc") if store else None,
        degradation_jpy_per_kwh=draw(st.floats(0.0, 20.0)),
        comfort_jpy_per_kwh=draw(st.floats(0.0, 100.0)) if kind == "load" else None,
        least_point=PointId(f"{name}.power_w_max") if least else None,
    )


@st.composite
def limit_lists(draw: st.DrawFn, found: tuple[Binding, ...]) -> tuple[Limit, ...]:
    """Draw limits that may contradict one another."""
    members = [b.resource.resource_id for b in found]
    limits = [
        contract_import(draw(st.floats(0.0, 15_000.0))),
        export_limit(draw(st.sampled_from([0.0, 500.0, 5000.0]))),
    ]
    for member in members:
        if draw(st.booleans()):
            low = draw(st.floats(-9000.0, 9000.0))
            limits.append(owner_range(member, low, low + draw(st.floats(0.0, 5000.0))))
        if draw(st.integers(0, 3)) == 0:
            power_w, until = draw(st.floats(-9000.0, 9000.0)), T0 + timedelta(hours=1)
            limits.append(technician_override(member, power_w, valid_until=until, source="t"))
    if len(members) > 1 and draw(st.booleans()):
        limits.append(
            Limit(
                name="conditioner",
                authority=draw(st.sampled_from(Authority)),
                scope=group_scope(members[:2]),
                power_w_min=-draw(st.floats(0.0, 5000.0)),
                power_w_max=draw(st.floats(0.0, 5000.0)),
            )
        )
    if draw(st.integers(0, 9)) == 0:
        limits += emergency_stop([b.resource for b in found], source="button")
    return tuple(draw(st.permutations(limits)))


def commitment(capacity_w: float, baseline_w: float) -> Commitment:
    """Make an award of an hour."""
    interval = Interval(start=T0 - timedelta(minutes=1), end=T0 + timedelta(hours=1))
    return Commitment(
        obligation=Obligation(
            obligation_id=ObligationId("a"),
            parent_id=None,
            target=SITE,
            service=Service.SECONDARY_1,
            interval=interval,
            step_s=3660.0,
            power_w=column([capacity_w]),
            relative_to=RelativeTo.BASELINE,
            tolerance_w=100.0,
            state=ObligationState.ACTIVE,
        ),
        curve=OfferCurve(
            site_id=SITE,
            service=Service.SECONDARY_1,
            version=1,
            multipliers=column([0.0, 40.0]),
            power_w=column([-capacity_w, capacity_w]),
            interval=interval,
        ),
        envelope=Envelope(
            target=SITE,
            interval=interval,
            step_s=3660.0,
            power_w_min=column([-capacity_w]),
            power_w_max=column([capacity_w]),
            energy_wh_min=column([-1e9, -1e9]),
            energy_wh_max=column([1e9, 1e9]),
            ramp_w_per_s=1.0,
        ),
        baseline=Baseline(
            target=SITE,
            interval=interval,
            step_s=3660.0,
            power_w=column([baseline_w]),
            method="m",
            computed_at=T0,
            data_until=T0,
            model_id=ModelId("m"),
        ),
        hold=HoldRule.HOLD_SHARE,
        band_lower_w=column([-100.0]),
        band_upper_w=column([100.0]),
    )


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """Draw a site."""
    count = draw(st.integers(0, 4))
    found = tuple(draw(bindings(number)) for number in range(count))
    points = [METER, *(b.power_point for b in found)]
    points += [b.soc_point for b in found if b.soc_point is not None]
    points += [b.least_point for b in found if b.least_point is not None]
    award = commitment(draw(st.floats(0.0, 9000.0)), draw(WATTS))
    return Frame(
        site_id=SITE,
        meter_point=METER,
        bindings=found,
        limits=draw(limit_lists(found)),
        commitments=(award,) if draw(st.booleans()) else (),
        tariff=Tariff(import_jpy_per_kwh=30.0, export_jpy_per_kwh=draw(st.floats(-5.0, 40.0))),
        points=tuple(points),
    )


@st.composite
def days(draw: st.DrawFn) -> list[CycleInputs]:
    """Draw some seconds of a site, with whatever the points say."""
    frame = draw(frames())
    made = []
    for k in range(draw(st.integers(1, 6))):
        now = T0 + timedelta(seconds=k * draw(st.sampled_from([1, 1, 1, 20])))
        points = {
            point: Measurement(
                value=draw(
                    st.none()
                    | (st.floats(0.0, 1.0) if point.endswith("soc") else WATTS)
                    | st.just(math.nan)
                ),
                quality=draw(st.sampled_from([*[Quality.GOOD] * 5, *Quality])),
                measured_at=now,
                received_at=now,
            )
            for point in frame.points
        }
        signal = DispatchSignal(
            zone=ZoneId("z"),
            signal_id=SignalId(k + 1),
            epoch=1,
            interval=Interval(start=T0, end=T0 + timedelta(seconds=30)),
            multipliers={Service.SECONDARY_1: draw(st.floats(-10.0, 50.0))},
        )
        made.append(
            CycleInputs(
                cycle=k + 1,
                slot_s=int(now.timestamp()),
                now=now,
                image=ProcessImage(cycle=k + 1, taken_at=now, monotonic_ns=k, points=points),
                frame=frame,
                frame_id="f",
                signal=draw(st.sampled_from([None, HeldSignal(signal=signal, received_at=now)])),
                mode=draw(st.sampled_from([Mode.NORMAL, *Mode])),
                forecast_uncontrolled_w=draw(st.none() | WATTS),
            )
        )
    return made


def check(decision: Decision, state: ControlState, inputs: CycleInputs, *, sequence: int) -> None:
    """Look at one answer."""
    plates = {b.resource.resource_id: b.resource for b in inputs.frame.bindings}
    ranges = {r.resource_id: r for r in decision.ranges}
    for number, setpoint in enumerate(decision.setpoints, start=sequence + 1):
        inside, plate = ranges[setpoint.resource_id], plates[setpoint.resource_id]
        assert inside.power_w_min <= setpoint.power_w <= inside.power_w_max
        assert plate.power_w_min - 1e-6 <= setpoint.power_w <= plate.power_w_max + 1e-6
        assert setpoint.valid_from == inputs.now
        assert setpoint.valid_until - inputs.now == timedelta(seconds=10)
        assert setpoint.sequence == number
    assert state.sequence == sequence + len(decision.setpoints)
    assert decision.reason
    for relaxed in decision.relaxed:
        assert relaxed.amount_w > 0.0
        assert relaxed.name
        assert relaxed.by
    for memory in state.memories:
        held = memory.setpoint
        assert held is None or held.valid_from <= inputs.now < held.valid_until


@settings(max_examples=150, deadline=None)
@given(days())
def test_there_is_always_an_answer_inside_the_envelope(day: list[CycleInputs]) -> None:
    """Some combination of faults and limits would stop control or send a device too far."""
    state = ControlState()
    for inputs in day:
        sequence = state.sequence
        decision, state = decide(inputs, state)
        check(decision, state, inputs, sequence=sequence)


@settings(max_examples=60, deadline=None)
@given(days())
def test_the_replay_gives_the_same_bits(day: list[CycleInputs]) -> None:
    """The journal would prove something that was never decided."""
    state, again = ControlState(), ControlState()
    for inputs in day:
        packed = pack_inputs(inputs)
        decision, state = decide(inputs, state)
        replayed, again = decide(
            unpack_inputs(packed, frame=inputs.frame, plan=None), unpack_state(pack_state(again))
        )
        assert pack_decision(replayed) == pack_decision(decision)
        assert pack_state(again) == pack_state(state)


@settings(max_examples=60, deadline=None)
@given(days(), st.randoms(use_true_random=False))
def test_the_order_of_limits_does_not_matter(day: list[CycleInputs], drawn) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 hypothesis names no public type
    """A restart that reads its limits in another order would decide otherwise."""
    first = day[0]
    limits = list(first.frame.limits)
    drawn.shuffle(limits)
    other = replace(first, frame=replace(first.frame, limits=tuple(limits)))
    assert pack_decision(decide(first, ControlState())[0]) == pack_decision(
        decide(other, ControlState())[0]
    )


@settings(max_examples=100, deadline=None)
@given(days())
def test_an_emergency_stop_means_zero_for_everybody(day: list[CycleInputs]) -> None:
    """One device would run on after the button was pressed, or a load be told what it cannot.

    Only what protects a device itself is stronger.
    """
    state = ControlState()
    for inputs in day:
        leasts = {
            b.resource.resource_id: inputs.image.value(b.least_point)
            for b in inputs.frame.bindings
            if b.least_point is not None
        }
        resources = [b.resource for b in inputs.frame.bindings]
        stop = emergency_stop(resources, source="button")
        weaker = [one for one in inputs.frame.limits if one.authority > Authority.EMERGENCY_STOP]
        stopped = replace(inputs, frame=replace(inputs.frame, limits=(*weaker, *stop)))
        decision, state = decide(stopped, state)
        for setpoint in decision.setpoints:
            least_w = leasts.get(setpoint.resource_id)
            if least_w is None or not least_w < 0.0:
                assert setpoint.power_w == 0.0
            else:
                assert setpoint.power_w <= 0.0
