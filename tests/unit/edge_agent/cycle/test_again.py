"""Deciding a second again when a signal comes in the middle of it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from edge_agent.control.decide import decide
from edge_agent.control.inputs import (
    Binding,
    ControlState,
    CycleInputs,
    Frame,
    HeldSignal,
    Tariff,
)
from edge_agent.control.limits import contract_import, export_limit
from edge_agent.cycle.again import decided_again, is_worth_it, remembered
from edge_agent.cycle.memory import AgentMemory
from edge_agent.cycle.record import Answer
from edge_agent.cycle.waiting import Woken, wait_for_slot
from protocols.vocabulary.identifiers import PointId, ResourceId
from protocols.vocabulary.measurement import Measurement, ProcessImage, Quality
from protocols.vocabulary.mode import Mode
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

METER, POWER, SOC = (PointId(name) for name in ("meter.power_w", "b.power_w", "b.soc"))
BATTERY = ResourceId("site-001/b")


def signal_of(nouns: SimpleNamespace, number: int, price: float) -> HeldSignal:
    signal = replace(nouns.signal(number), multipliers={Service.SECONDARY_1: price})
    return HeldSignal(signal=signal, received_at=nouns.now)


def first(nouns: SimpleNamespace) -> tuple[Answer, AgentMemory]:
    """Make a full cycle under a signal of share 0, with the meter at its baseline."""
    resource = Resource(
        resource_id=BATTERY,
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
        bindings=(Binding(resource=resource, power_point=POWER, soc_point=SOC),),
        limits=(contract_import(10_000.0), export_limit(5_000.0)),
        commitments=(nouns.commitment(),),
        tariff=Tariff(import_jpy_per_kwh=30.0, export_jpy_per_kwh=8.0),
        points=(METER, POWER, SOC),
    )
    values = {METER: -500.0, POWER: 0.0, SOC: 0.5}
    image = ProcessImage(
        cycle=7,
        taken_at=nouns.now,
        monotonic_ns=7,
        points={
            name: Measurement(
                value=value, quality=Quality.GOOD, measured_at=nouns.now, received_at=nouns.now
            )
            for name, value in values.items()
        },
    )
    inputs = CycleInputs(
        cycle=7,
        slot_s=int(nouns.now.timestamp()),
        now=nouns.now,
        image=image,
        frame=frame,
        frame_id="f",
        signal=signal_of(nouns, 1, 10.0),
        mode=Mode.NORMAL,
    )
    decision, after = decide(inputs, ControlState(mode=Mode.NORMAL))
    answer = Answer(
        inputs=inputs,
        before=ControlState(mode=Mode.NORMAL),
        after=after,
        decision=decision,
        steps_ms={},
    )
    memory = AgentMemory(cycle=7, commitments=frame.commitments, control=after)
    return answer, memory


def test_a_new_command_is_carried_out_without_waiting_for_the_phase(
    nouns: SimpleNamespace,
) -> None:
    """A command would reach the battery up to a second late."""
    answer, memory = first(nouns)
    signal = signal_of(nouns, 2, 15.0)
    assert is_worth_it(answer, memory, signal, now=nouns.now + timedelta(seconds=0.3))
    inputs, before = decided_again(
        answer,
        replace(memory, signal=signal),
        cycle=8,
        now=nouns.now + timedelta(seconds=0.3),
    )
    decision, after = decide(inputs, before)
    assert decision.share_w == pytest.approx(500.0)
    assert decision.setpoints[-1].power_w == pytest.approx(500.0)
    assert decision.setpoints[-1].sequence > memory.control.sequence
    assert decision.cycle == 8
    assert after.residual_w == answer.after.residual_w, "the load was counted twice"


def test_going_back_to_the_lease_before_is_written_again(nouns: SimpleNamespace) -> None:
    """The device would keep what it was told in between: it is not where the record says."""
    answer, memory = first(nouns)
    up = replace(memory, signal=signal_of(nouns, 2, 15.0))
    inputs, before = decided_again(answer, up, cycle=8, now=nouns.now)
    _, after = decide(inputs, before)
    back = replace(up, control=remembered(answer, after), signal=signal_of(nouns, 3, 10.0))
    inputs, before = decided_again(answer, back, cycle=9, now=nouns.now)
    decision, _ = decide(inputs, before)
    assert [one.power_w for one in decision.setpoints] == [pytest.approx(0.0)]


def test_a_device_is_not_called_idle_for_what_it_was_told_just_now(
    nouns: SimpleNamespace,
) -> None:
    """A good battery would be given up after a few commands in a row."""
    answer, memory = first(nouns)
    for number in range(2, 12):
        memory = replace(memory, signal=signal_of(nouns, number, 10.0 + number))
        inputs, before = decided_again(answer, memory, cycle=7 + number, now=nouns.now)
        _, after = decide(inputs, before)
        memory = replace(memory, control=remembered(answer, after))
    assert [one.idle_cycles for one in memory.control.memories] == [0]


@pytest.mark.parametrize(
    ("price", "later_s", "expected"), [(10.05, 0.3, False), (15.0, 2.0, False), (15.0, 0.3, True)]
)
def test_small_moves_and_old_images_wait(
    nouns: SimpleNamespace, price: float, later_s: float, *, expected: bool
) -> None:
    """Every signal would cost a commit to disk, or be acted on with a stale picture."""
    answer, memory = first(nouns)
    moment = nouns.now + timedelta(seconds=later_s)
    assert is_worth_it(answer, memory, signal_of(nouns, 2, price), now=moment) is expected


def test_another_commitment_waits_for_a_full_cycle(nouns: SimpleNamespace) -> None:
    """A share would be taken from a commitment that is not in the journaled frame."""
    answer, memory = first(nouns)
    other = replace(memory, commitments=(nouns.commitment(version=2),))
    assert not is_worth_it(answer, other, signal_of(nouns, 2, 15.0), now=nouns.now)


def test_a_stop_wins_over_a_signal_and_both_over_the_slot() -> None:
    """The agent would not stop while signals keep coming."""

    async def scenario() -> list[Woken]:
        stop, signal = asyncio.Event(), asyncio.Event()
        woken = [await wait_for_slot(stop, signal, 0.01)]
        signal.set()
        woken.append(await wait_for_slot(stop, signal, 5.0))
        stop.set()
        woken.append(await wait_for_slot(stop, signal, 5.0))
        return woken

    assert asyncio.run(scenario()) == [Woken.SLOT, Woken.SIGNAL, Woken.STOP]
