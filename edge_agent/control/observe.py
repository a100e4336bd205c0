"""What this second's image says: resources that can be counted on, and the residual.

The residual is the power at the meter that nobody here controls, from samples of one instant, so
a device that has not yet answered its last setpoint is not corrected twice. Called by decide.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from edge_agent.control.inputs import (
    Binding,
    ControlState,
    CycleInputs,
    ResourceMemory,
)
from edge_agent.control.supply import is_controllable, is_sink, is_storage, takes_limit_only
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.measurement import Quality

CHANGE_MEMORY = 0.9
"""Part of the residual's mean change that is kept from cycle to cycle."""
TRACKING_W = 50.0
TRACKING_RATIO = 0.05
TRACKING_PART = 0.15
"""A device is off its setpoint beyond all three: these watts, this part of its rating, and this
part of the greater of setpoint and power. What is less is inaccuracy, and the integrator's."""
PROGRESS_RATIO = 0.1
"""Part of the way it must have gone in a cycle to count as moving."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A controllable resource in this second.

    Attributes
    ----------
    binding : Binding
        The resource.
    power_w : float or None
        Its power, None if unknown.
    soc : float or None
        Its state of charge, None if unknown or without storage.
    memory : ResourceMemory
        From the last cycle.
    idle_cycles : int
        Cycles in which it was asked to move and did not.
    counted : bool
        Whether power (and SoC, for a store) are known.
    response_w : float
        Part of its power that answers the grid's frequency, as told by the primary loop, W.
    least_w : float
        Power nearest to zero that a sink says it can be held at, W, <= 0.
    """

    binding: Binding
    power_w: float | None
    soc: float | None
    memory: ResourceMemory
    idle_cycles: int
    counted: bool
    response_w: float = 0.0
    least_w: float = 0.0

    @property
    def resource_id(self) -> ResourceId:
        """The resource's id."""
        return self.binding.resource.resource_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """Power at the meter that nobody here controls.

    Attributes
    ----------
    power_w : float or None
        W; None when the meter has been away for too long.
    quality : Quality
        GOOD, SUBSTITUTED while the meter is away, BAD without a number.
    change_w : float
        Its mean absolute change per cycle, W.
    """

    power_w: float | None
    quality: Quality
    change_w: float


def see(inputs: CycleInputs, state: ControlState) -> tuple[Seen, ...]:
    """Look at every controllable resource, in the frame's order."""
    memories = {memory.resource_id: memory for memory in state.memories}
    return tuple(
        _see_one(inputs, binding, memories.get(binding.resource.resource_id))
        for binding in inputs.frame.bindings
        if is_controllable(binding)
    )


def _see_one(inputs: CycleInputs, binding: Binding, memory: ResourceMemory | None) -> Seen:
    """Look at one resource."""
    if memory is None:
        memory = ResourceMemory(resource_id=binding.resource.resource_id)
    report = inputs.primary
    told = None if report is None else report.told(memory.resource_id)
    if told is not None and told.setpoint is not None:
        memory = replace(memory, setpoint=told.setpoint)
    power_w = _finite(inputs.image.value(binding.power_point))
    if power_w is not None and is_sink(binding):
        # What it takes beyond its rating nobody can order it to leave: that is uncontrolled.
        power_w = min(max(power_w, binding.resource.power_w_min), binding.resource.power_w_max)
    soc = None
    if binding.soc_point is not None:
        soc = _finite(inputs.image.value(binding.soc_point))
    counted = power_w is not None and (soc is not None or not is_storage(binding))
    return Seen(
        binding=binding,
        power_w=power_w,
        soc=soc,
        memory=memory,
        idle_cycles=_idle_cycles(binding, memory, power_w),
        counted=counted,
        response_w=0.0 if told is None else told.response_w,
        least_w=_least(inputs, binding),
    )


def _least(inputs: CycleInputs, binding: Binding) -> float:
    """Power nearest to zero that a device says it can be held at, W; 0 where it says none."""
    if binding.least_point is None:
        return 0.0
    return min(_finite(inputs.image.value(binding.least_point)) or 0.0, 0.0)


def _finite(value: float | None) -> float | None:
    """Return the number, or None for what is no number."""
    return value if value is not None and math.isfinite(value) else None


def _idle_cycles(binding: Binding, memory: ResourceMemory, power_w: float | None) -> int:
    """Count the cycles in which a device was asked to move and did not."""
    setpoint, before_w = memory.setpoint, memory.power_w
    if setpoint is None or power_w is None or before_w is None or takes_limit_only(binding):
        return 0
    rated_w = max(binding.resource.power_w_max, -binding.resource.power_w_min)
    way_w = setpoint.power_w - before_w
    off_w = abs(setpoint.power_w - power_w)
    if is_sink(binding):
        # Its setpoint is a ceiling: taking less is well, and only less is progress.
        off_w, way_w = max(setpoint.power_w - power_w, 0.0), abs(way_w)
    part_w = TRACKING_PART * max(abs(setpoint.power_w), abs(power_w))
    if off_w <= max(TRACKING_RATIO * rated_w, TRACKING_W, part_w):
        return 0
    if (power_w - before_w) * math.copysign(1.0, way_w) >= PROGRESS_RATIO * min(
        abs(way_w), binding.resource.ramp_w_per_s
    ):
        return 0
    return memory.idle_cycles + 1


def members_of(seen: Iterable[Seen]) -> tuple[ResourceId, ...]:
    """Resources whose measured power is taken out of the residual."""
    return tuple(one.resource_id for one in seen if one.counted)


def moved_of(seen: Iterable[Seen]) -> float:
    """Return how far the counted resources moved together since the last sample, W >= 0."""
    return abs(
        math.fsum(
            one.power_w - one.memory.power_w
            for one in seen
            if one.counted and one.power_w is not None and one.memory.power_w is not None
        )
    )


def residual_of(inputs: CycleInputs, state: ControlState, seen: tuple[Seen, ...]) -> Residual:
    """Estimate the residual.

    Parameters
    ----------
    inputs, state : CycleInputs, ControlState
        This cycle and the memory of the last.
    seen : tuple of Seen
        From :func:`see`.

    Returns
    -------
    Residual
        Measured where the meter is good. A change that our own movement since the last
        sample could feign (meter and devices are never read at quite the same instant) is
        believed slowly, any other at once. Without the meter: the last good one, moved by
        the forecast, for a bounded time.
    """
    meter_w = _finite(inputs.image.value(inputs.frame.meter_point))
    if meter_w is None:
        return _substituted(inputs, state, seen)
    raw_w = meter_w - math.fsum(one.power_w or 0.0 for one in seen if one.counted)
    before_w = state.residual_w
    if before_w is None or state.residual_members != members_of(seen):
        return Residual(power_w=raw_w, quality=Quality.GOOD, change_w=state.residual_change_w)
    moved_w = abs(
        math.fsum((one.power_w or 0.0) - (one.memory.power_w or 0.0) for one in seen if one.counted)
    )
    if inputs.primary is not None:
        moved_w = max(moved_w, inputs.primary.moved_w)
    parameters = inputs.frame.parameters
    innovation_w = raw_w - before_w
    feigned_w = min(abs(innovation_w), moved_w)
    step_w = (
        parameters.residual_fast * (abs(innovation_w) - feigned_w)
        + parameters.residual_slow * feigned_w
    )
    change_w = CHANGE_MEMORY * state.residual_change_w + (1.0 - CHANGE_MEMORY) * step_w
    return Residual(
        power_w=before_w + math.copysign(step_w, innovation_w),
        quality=Quality.GOOD,
        change_w=change_w,
    )


def _substituted(inputs: CycleInputs, state: ControlState, seen: tuple[Seen, ...]) -> Residual:
    """Residual without the meter; a resource that fell silent is taken to go on as it was."""
    away = Residual(power_w=None, quality=Quality.BAD, change_w=state.residual_change_w)
    if state.residual_w is None or state.residual_at is None:
        return away
    age_s = (inputs.now - state.residual_at).total_seconds()
    if not 0.0 <= age_s <= inputs.frame.parameters.residual_hold_s:
        return away
    drift_w = 0.0
    if inputs.forecast_uncontrolled_w is not None and state.forecast_at_residual_w is not None:
        drift_w = inputs.forecast_uncontrolled_w - state.forecast_at_residual_w
    drift_w += math.fsum(
        one.memory.power_w or 0.0
        for one in seen
        if not one.counted and one.resource_id in state.residual_members
    )
    return Residual(
        power_w=state.residual_w + drift_w,
        quality=Quality.SUBSTITUTED,
        change_w=state.residual_change_w,
    )
