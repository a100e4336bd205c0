"""Deciding a second again, because a signal came in the middle of it. Pure.

A command should not wait for the site's phase. The second is decided again from what was known
and remembered when it was decided first, as if the signal had come just before: nothing is
measured, filtered or counted twice. What has been told to the devices meanwhile is kept.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from edge_agent.control.inputs import ControlState, CycleInputs, HeldSignal
from edge_agent.cycle.memory import AgentMemory
from edge_agent.cycle.record import Answer
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.offer import share

IMAGE_AGE_MAX: Final = timedelta(seconds=1.5)
"""An older image is not decided on again; the next cycle is due anyway."""
MOVE_PART: Final = 0.005
"""Part of its range by which a share must move for the second to be decided again."""


def is_worth_it(last: Answer, memory: AgentMemory, signal: HeldSignal, *, now: datetime) -> bool:
    """Whether a signal moves what a site owes by enough not to wait for the next cycle.

    Parameters
    ----------
    last : Answer
        Of the last full cycle.
    memory : AgentMemory
        As committed.
    signal : HeldSignal
        Admitted just now.
    now : datetime
        Aware UTC.
    """
    if now - last.inputs.image.taken_at > IMAGE_AGE_MAX:
        return False
    if memory.commitments is not last.inputs.frame.commitments:
        return False
    held = {one.obligation_id: one.power_w for one in memory.control.shares}
    return any(
        _moves(item, signal, held.get(item.obligation.obligation_id))
        for item in memory.commitments
        if item.obligation.interval.contains(now)
    )


def _moves(commitment: Commitment, signal: HeldSignal, held_w: float | None) -> bool:
    powers = commitment.curve.power_w
    range_w = float(powers[-1] - powers[0])
    wanted_w = share(commitment.curve, signal.signal.multipliers)
    return held_w is None or abs(wanted_w - held_w) > MOVE_PART * range_w


def decided_again(
    last: Answer, memory: AgentMemory, *, cycle: int, now: datetime
) -> tuple[CycleInputs, ControlState]:
    """Make inputs and memory for deciding the last second again.

    Parameters
    ----------
    last : Answer
        Of the last full cycle.
    memory : AgentMemory
        With the new signal.
    cycle : int
        Number of this cycle.
    now : datetime
        Aware UTC.

    Returns
    -------
    tuple of CycleInputs and ControlState
        The same image under a new number; the memory from before the last full cycle, but with
        the leases and the setpoint sequence as they are now.
    """
    told = {one.resource_id: one.setpoint for one in memory.control.memories}
    before = replace(
        last.before,
        sequence=memory.control.sequence,
        memories=tuple(
            replace(one, setpoint=told[one.resource_id]) if one.resource_id in told else one
            for one in last.before.memories
        ),
    )
    inputs = replace(
        last.inputs,
        cycle=cycle,
        now=now,
        image=replace(last.inputs.image, cycle=cycle),
        signal=memory.signal,
    )
    return inputs, before


def remembered(last: Answer, again: ControlState) -> ControlState:
    """Memory after a second was decided again: what was counted in it counts once."""
    counted = {one.resource_id: one.idle_cycles for one in last.after.memories}
    return replace(
        again,
        correction_w=last.after.correction_w,
        memories=tuple(
            replace(one, idle_cycles=counted.get(one.resource_id, one.idle_cycles))
            for one in again.memories
        ),
    )
