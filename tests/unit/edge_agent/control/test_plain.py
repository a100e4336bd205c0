"""Records of a cycle as bytes and back, and the replay."""

import subprocess
import sys
from typing import Any

import msgpack
import numpy as np
import pytest

from edge_agent.control.decide import decide
from edge_agent.control.inputs import ControlState, CycleInputs
from edge_agent.control.limits import technician_override
from edge_agent.control.plain import (
    digest_of,
    pack_decision,
    pack_frame,
    pack_inputs,
    pack_plan,
    pack_state,
    references,
    unpack_decision,
    unpack_frame,
    unpack_inputs,
    unpack_plan,
    unpack_state,
)
from edge_agent.control.plan import Plan, PlanStatus
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.measurement import Quality


def plan_of(paper: Any, plant: Any) -> Plan:
    """Make a small plan that covers the first hour."""
    n, r = 2, len(plant.bindings)
    return Plan(
        plan_id="plan-7",
        interval=Interval(start=paper.t0, end=paper.t0.replace(hour=2)),
        step_s=1800.0,
        resource_ids=tuple(b.resource.resource_id for b in plant.bindings),
        power_w=np.full((r, n), 1.0 / 3.0),
        soc=np.full((r, n + 1), 0.1 + 0.2),
        meter_w=np.array([1e-300, -1.0]),
        price_jpy_per_kwh=np.array([12.3, 45.6]),
        stored_value_jpy_per_kwh=np.full((r, n), 17.0),
        status=PlanStatus.SOLVED,
        iterations=25,
        reason="solved",
        computed_at=paper.t0,
    )


def test_every_second_can_be_replayed_from_what_was_packed(paper: Any) -> None:
    """The journal would tell another story than the devices."""
    plant = paper.plant(
        bindings=(paper.battery("battery-1"), paper.battery("battery-2"), paper.photovoltaic()),
        commitments=(paper.commitment(duration_s=30.0),),
        signal=paper.signal(20.0, valid_s=15.0),
    )
    plant.plan = plan_of(paper, plant)
    member = plant.bindings[0].resource.resource_id
    until = paper.t0.replace(minute=1)
    plant.limits += (technician_override(member, 10.0, valid_until=until, source="x"),)
    plant.device("pv-1").available_w = 1234.5678
    state_bytes = pack_state(ControlState())
    for k in range(60):
        plant.load_w = -1000.0 - 333.3 * (k % 7) / 3.0
        if k == 20:
            plant.quality[plant.bindings[1].power_point] = Quality.STALE
        inputs = plant.inputs()
        record = pack_inputs(inputs)
        frame = unpack_frame(pack_frame(inputs.frame))
        plan = unpack_plan(pack_plan(inputs.plan)) if inputs.plan else None
        plant.tick()
        again, state = decide(
            unpack_inputs(record, frame=frame, plan=plan), unpack_state(state_bytes)
        )
        assert pack_decision(again) == pack_decision(plant.decision)
        assert again == plant.decision
        assert state == plant.state
        state_bytes = pack_state(plant.state)


def test_inputs_come_back_as_they_were(paper: Any) -> None:
    """Quality, age or absence of a reading would change on the way through the journal."""
    plant = paper.plant(bindings=(paper.battery(),), signal=paper.signal(20.0))
    inputs: CycleInputs = plant.inputs()
    points = dict(inputs.image.points)
    name = plant.bindings[0].soc_point
    points[name] = paper.replace(
        points[name],
        value=None,
        quality=Quality.BAD,
        measured_at=paper.t0.replace(year=2025, microsecond=1),
        reason="no data",
    )
    image = paper.replace(inputs.image, points=points)
    inputs = paper.replace(inputs, image=image, forecast_uncontrolled_w=-0.1)
    back = unpack_inputs(pack_inputs(inputs), frame=inputs.frame, plan=None)
    assert back == inputs
    assert list(back.image.points) == list(inputs.image.points)


def test_an_image_with_other_points_than_the_frame_keeps_its_names(paper: Any) -> None:
    """After a change of devices, old values would get other names."""
    plant = paper.plant(bindings=(paper.battery(),))
    inputs = plant.inputs()
    names = list(inputs.image.points)
    fewer = {name: inputs.image.points[name] for name in names[:-1]}
    inputs = paper.replace(inputs, image=paper.replace(inputs.image, points=fewer))
    back = unpack_inputs(pack_inputs(inputs), frame=inputs.frame, plan=None)
    assert back.image.points == fewer


def test_a_record_names_its_frame_and_plan(paper: Any) -> None:
    """The replay would run with the wrong limits."""
    plant = paper.plant(bindings=(paper.battery(),))
    plant.plan = plan_of(paper, plant)
    frame_id = digest_of(pack_frame(plant.frame()))
    inputs = paper.replace(plant.inputs(), frame_id=frame_id)
    assert references(pack_inputs(inputs)) == (frame_id, "plan-7")
    other = paper.replace(plant.frame(), limits=plant.limits[:1])
    assert digest_of(pack_frame(other)) != frame_id


def test_a_frame_comes_back_as_it_was(paper: Any) -> None:
    """A commitment's curve or a limit's end would change on the way through the journal."""
    plant = paper.plant(
        bindings=(paper.battery(), paper.photovoltaic()), commitments=(paper.commitment(),)
    )
    member = plant.bindings[0].resource.resource_id
    plant.limits += (technician_override(member, 1.5, valid_until=paper.t0, source="m"),)
    frame = plant.frame()
    back = unpack_frame(pack_frame(frame))
    assert pack_frame(back) == pack_frame(frame)
    assert back.bindings == frame.bindings
    assert back.limits == frame.limits
    assert not back.commitments[0].curve.power_w.flags.writeable


def test_a_decision_comes_back_as_it_was(paper: Any) -> None:
    """What was promised and what was written could not be proved afterwards."""
    plant = paper.plant(bindings=(paper.battery(),), commitments=(paper.commitment(),))
    decision = plant.tick()
    assert unpack_decision(pack_decision(decision)) == decision


def test_another_version_is_refused() -> None:
    """Bytes of a newer program would be misread as limits."""
    with pytest.raises(JournalError, match="version 99"):
        unpack_state(msgpack.packb([99, []]))


def test_deciding_and_replaying_need_no_solver() -> None:
    """A replay on a small gateway would have to load scipy."""
    code = (
        "import sys, edge_agent.control.decide, edge_agent.control.plain, "
        "edge_agent.control.offer, edge_agent.control.horizon; "
        "sys.exit(any(m in sys.modules for m in ('scipy', 'osqp', 'onnxruntime')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
