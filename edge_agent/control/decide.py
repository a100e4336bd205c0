"""``decide``: one second of control as a pure function.

What is known (inputs) and remembered (state) goes in; what to write and what to remember comes
out. No clock, no drawn numbers, no I/O: the same inputs give the same answer, bit for bit, so any
second can be replayed from the journal. Called by the cycle, once a second, and by the replay.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge_agent.control.bounds import Bounds, compose
from edge_agent.control.dispatch import (
    NOTICEABLE_W,
    Balance,
    Windows,
    balance,
    economic_total,
    nameplate,
    soc_limits,
    surroundings,
    windows_of,
)
from edge_agent.control.inputs import (
    ControlState,
    CycleInputs,
    Decision,
    ResourceRange,
)
from edge_agent.control.leases import Wish, Written, capped, resting, write
from edge_agent.control.limits import Limit, Relaxed, ScopeKind, in_order
from edge_agent.control.nouns import ShareSource
from edge_agent.control.observe import Residual, Seen, members_of, moved_of, residual_of, see
from edge_agent.control.reserve import grant_of, missing_headroom, terms_of
from edge_agent.control.shares import Owed, owed
from edge_agent.control.sinks import ceiling, ceilings, device_limits
from edge_agent.control.supply import is_sink, takes_limit_only
from protocols.vocabulary.identifiers import NO_SIGNAL, ResourceId
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.mode import Mode
from protocols.vocabulary.obligation import Authority

NEEDS_KEPT = 4
"""Needs of the last cycles that a device may still be on its way between."""

SHARE_REASONS = {
    ShareSource.NONE: "share.none",
    ShareSource.SIGNAL: "share.signal",
    ShareSource.HELD: "share.held",
    ShareSource.PROFILE: "share.profile",
    ShareSource.ORDER: "share.order",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """What was worked out before anything is decided."""

    inputs: CycleInputs
    state: ControlState
    seen: tuple[Seen, ...]
    residual: Residual
    owed: Owed | None
    limits: tuple[Limit, ...]


def decide(inputs: CycleInputs, state: ControlState) -> tuple[Decision, ControlState]:
    """Decide one second.

    Parameters
    ----------
    inputs : CycleInputs
        What is known.
    state : ControlState
        What was remembered; ``ControlState()`` at the very first.

    Returns
    -------
    tuple of Decision and ControlState
        The answer with its reason, and what to remember. There is always one: without a
        trustworthy meter, or in SAFE, it is to let every device go inside the limits.
    """
    seen = see(inputs, state)
    parameters = inputs.frame.parameters
    own = [limit for one in seen for limit in (*soc_limits(one, parameters), *device_limits(one))]
    scene = _Scene(
        inputs=inputs,
        state=state,
        seen=seen,
        residual=residual_of(inputs, state, seen),
        owed=owed(inputs, state.shares),
        limits=tuple(in_order([*inputs.frame.limits, *own], inputs.now)),
    )
    if inputs.mode is Mode.SAFE:
        return _let_go(scene, "mode.safe")
    if scene.residual.power_w is None:
        return _let_go(scene, "meter.lost")
    return _steer(scene, scene.residual.power_w)


def _let_go(scene: _Scene, reason: str) -> tuple[Decision, ControlState]:
    """Release every device inside the limits still in force."""
    residual_w = scene.residual.power_w or 0.0
    wishes = _at_rest(scene, scene.seen, residual_w, reason=reason)
    written = write(scene.inputs, scene.state, scene.seen, wishes=wishes)
    decision = _decision(scene, written, wishes, reason=reason)
    return decision, _remember(scene, written, need_w=None, correction_w=0.0)


def _steer(scene: _Scene, residual_w: float) -> tuple[Decision, ControlState]:
    """Balance the second with the resources that can be counted on."""
    inputs = scene.inputs
    active = [one for one in scene.seen if one.counted]
    wishes: dict[ResourceId, Wish] = {}
    if inputs.mode is Mode.MANUAL:
        overridden = _overridden(scene)
        idle = [one for one in scene.seen if one.resource_id not in overridden]
        wishes = _at_rest(scene, idle, residual_w, reason="mode.manual")
        residual_w += math.fsum(one.power_w or 0.0 for one in idle if one.counted)
        active = [one for one in active if one.resource_id in overridden]
    bounds = compose(
        {one.resource_id: nameplate(one) for one in active},
        scene.limits,
        residual_w=residual_w,
        margin_w=_margin(scene),
        beside=surroundings(inputs, scene.seen, active, residual_w=residual_w),
    )
    windows = windows_of(inputs, active, bounds)
    correction_w = _correction(scene, windows)
    wanted_w, reason = _wanted(scene, windows, residual_w, correction_w=correction_w)
    answer = balance(windows, bounds, wanted_w)
    floor_w = _floor(scene, answer, residual_w=residual_w, wanted_w=wanted_w)
    wishes |= _wishes(windows, bounds, answer, reason=reason, floor_w=floor_w)
    terms = terms_of(inputs, scene.seen)
    lent = () if terms is None else terms.members
    written = write(inputs, scene.state, scene.seen, wishes=wishes, lent=lent)
    powers_w = {
        one.resource_id: power_w for one, power_w in zip(windows.seen, answer.powers_w, strict=True)
    }
    grant = grant_of(inputs, terms, bounds=bounds, powers_w=powers_w, sequence=written.sequence)
    target_w = _target(scene, residual_w, answer)
    decision = replace(
        _decision(scene, written, wishes, reason=reason),
        target_meter_w=target_w,
        flexible_w=answer.total_w,
        shortfall_w=_shortfall(answer, wanted_w),
        price_jpy_per_kwh=answer.price,
        relaxed=bounds.relaxed
        + _unmet(scene, bounds, windows, gap_w=wanted_w - answer.within_limits_w)
        + missing_headroom(grant),
        grant=grant,
    )
    need_w = wanted_w - correction_w
    state = _remember(scene, written, need_w=need_w, correction_w=correction_w)
    sequence = state.sequence if grant is None else grant.sequence_last
    return decision, replace(state, saturated=answer.saturated, sequence=sequence)


def _at_rest(
    scene: _Scene, idle: Sequence[Seen], residual_w: float, *, reason: str
) -> dict[ResourceId, Wish]:
    """Let devices go, inside the limits; the others of the site go on as they are."""
    busy = [one for one in scene.seen if one.counted and one not in idle]
    beside_w = residual_w + math.fsum(one.power_w or 0.0 for one in busy)
    return resting(
        idle,
        scene.limits,
        reason=reason,
        load_w=max(-residual_w, 0.0),
        beside=surroundings(scene.inputs, scene.seen, idle, residual_w=beside_w),
    )


def _floor(scene: _Scene, answer: Balance, *, residual_w: float, wanted_w: float) -> float:
    """Least sum of the active resources that sinks may be let go to, W.

    What limits on the meter and on consumption leave, whatever the devices can reach; under an
    obligation not less than what is wanted.
    """
    taken_w = math.fsum(min(power_w, 0.0) for power_w in (*answer.powers_w, residual_w))
    beside_w = {ScopeKind.METER: residual_w, ScopeKind.CONSUMPTION: taken_w - answer.total_w}
    floor_w = _margin(scene) + max(
        (
            limit.power_w_min - beside_w[limit.scope.kind]
            for limit in scene.limits
            if limit.scope.kind in beside_w
        ),
        default=-math.inf,
    )
    if scene.owed is None or scene.inputs.mode is Mode.MANUAL:
        return floor_w
    return max(floor_w, wanted_w)


def _overridden(scene: _Scene) -> dict[ResourceId, float]:
    """Resources a technician holds, and at which power, W."""
    return {
        member: limit.power_w_min
        for limit in scene.limits
        if limit.authority is Authority.TECHNICIAN and limit.scope.kind is ScopeKind.RESOURCE
        for member in limit.scope.members
    }


def _margin(scene: _Scene) -> float:
    """Distance to keep from the meter's limits, W: what the residual may do by the next second.

    Never less than what the dead band of the writes may leave.
    """
    parameters = scene.inputs.frame.parameters
    least_w = parameters.write_deadband_w * len(scene.seen)
    return least_w + min(parameters.margin_gain * scene.residual.change_w, parameters.margin_cap_w)


def _wanted(
    scene: _Scene, windows: Windows, residual_w: float, *, correction_w: float
) -> tuple[float, str]:
    """Sum wanted of the active resources, W, and the rule that says so."""
    inputs = scene.inputs
    if inputs.mode is Mode.MANUAL:
        held = _overridden(scene)
        wanted = [
            allowed.clip(held[one.resource_id])
            for one, allowed in zip(windows.seen, windows.ranges, strict=True)
        ]
        return math.fsum(wanted), "mode.manual"
    if scene.owed is not None:
        target_w = scene.owed.baseline_w + scene.owed.share_w
        return target_w - residual_w + correction_w, SHARE_REASONS[scene.owed.source]
    planned = inputs.plan is not None and inputs.plan.step_at(inputs.now) is not None
    wanted_w = economic_total(windows, inputs.frame.tariff, residual_w)
    return wanted_w, "economy.plan" if planned else "economy.tariff"


def _correction(scene: _Scene, windows: Windows) -> float:
    """Integrator on what the devices lastingly give too little or too much, W.

    They may be anywhere between what was needed of them in the last cycles, give or take what
    they have just moved: then they are on their way. Only what lies outside is an error. A
    change of the load is none: the residual has it already. It does not grow while the need was
    out of reach or a device does not move, and begins at zero with each obligation. While the
    primary loop moves devices it stays what it is.
    """
    state = scene.state
    if scene.owed is None or not _same_obligations(scene):
        return 0.0
    correction_w = state.correction_w
    moving = any(one.response_w for one in windows.seen)
    settled = (
        not moving
        and len(state.needs_w) == NEEDS_KEPT
        and not state.saturated
        and _same_members(scene)
    )
    if settled and not any(one.idle_cycles for one in windows.seen):
        given_w = math.fsum(one.power_w or 0.0 for one in windows.seen)
        moved_w = moved_of(scene.seen)
        low_w, high_w = min(state.needs_w) - moved_w, max(state.needs_w) + moved_w
        error_w = min(max(given_w, low_w), high_w) - given_w
        correction_w += scene.inputs.frame.parameters.integral_gain * error_w
    width_w = math.fsum(r.high_w - r.low_w for r in windows.ranges)
    cap_w = scene.inputs.frame.parameters.integral_cap_ratio * width_w
    return min(max(correction_w, -cap_w), cap_w)


def _same_obligations(scene: _Scene) -> bool:
    """Whether the obligations in force are those of the last cycle."""
    now = () if scene.owed is None else scene.owed.shares
    before = {held.obligation_id for held in scene.state.shares}
    return {held.obligation_id for held in now} == before


def _same_members(scene: _Scene) -> bool:
    """Whether the resources that are counted on are those of the last cycle."""
    return scene.state.residual_members == members_of(scene.seen)


def _target(scene: _Scene, residual_w: float, answer: Balance) -> float:
    """Power wanted at the meter, W; what is owed, or what the economy comes to."""
    if scene.owed is not None and scene.inputs.mode is not Mode.MANUAL:
        return scene.owed.baseline_w + scene.owed.share_w
    return residual_w + answer.total_w


def _shortfall(answer: Balance, wanted_w: float) -> float:
    """Wanted minus counted on, W; 0 for rounding."""
    gap_w = wanted_w - answer.total_w
    return gap_w if abs(gap_w) > NOTICEABLE_W else 0.0


def _unmet(scene: _Scene, bounds: Bounds, windows: Windows, *, gap_w: float) -> tuple[Relaxed, ...]:
    """Say which obligation the limits do not allow in full."""
    if scene.owed is None or scene.inputs.mode is Mode.MANUAL or abs(gap_w) <= NOTICEABLE_W:
        return ()
    upward = gap_w > 0.0
    names = {r.high_by if upward else r.low_by for r in windows.ranges}
    meter = bounds.flexible.high_by if upward else bounds.flexible.low_by
    names = {meter} if meter not in {"", "reach"} else names
    return tuple(
        Relaxed(
            name=f"obligation {held.obligation_id}",
            amount_w=abs(gap_w),
            by="|".join(sorted(names)) or "no resource",
        )
        for held in scene.owed.shares[:1]
    )


def _wishes(
    windows: Windows, bounds: Bounds, answer: Balance, *, reason: str, floor_w: float
) -> dict[ResourceId, Wish]:
    """Say what each active device should be told; all of them take no more than ``floor_w``."""
    limited = sum(takes_limit_only(one.binding) for one in windows.seen)
    room_w = max(bounds.flexible.high_w - answer.total_w, 0.0) / max(limited, 1)
    held = sum(is_sink(one.binding) and one.memory.setpoint is not None for one in windows.seen)
    lift_w = max(answer.total_w - floor_w, 0.0) / max(held, 1)
    wishes: dict[ResourceId, Wish] = {}
    for one, allowed, power_w in zip(windows.seen, windows.ranges, answer.powers_w, strict=True):
        told_w: float | None = power_w
        if takes_limit_only(one.binding):
            told_w = capped(one, power_w, room_w=room_w, allowed=allowed)
        inside = allowed
        if is_sink(one.binding):
            told_w = ceiling(one, power_w, room_w=lift_w, allowed=allowed)
            inside = ceilings(one, allowed)
        wishes[one.resource_id] = Wish(power_w=told_w, allowed=inside, reason=reason)
    return wishes


def _decision(
    scene: _Scene, written: Written, wishes: dict[ResourceId, Wish], *, reason: str
) -> Decision:
    """Answer without a balance; a steered one adds its numbers."""
    held = scene.inputs.signal
    return Decision(
        cycle=scene.inputs.cycle,
        mode=scene.inputs.mode,
        setpoints=written.setpoints,
        releases=written.releases,
        reason=reason,
        target_meter_w=None,
        baseline_w=None if scene.owed is None else scene.owed.baseline_w,
        share_w=None if scene.owed is None else scene.owed.share_w,
        shares=() if scene.owed is None else scene.owed.shares,
        residual_w=scene.residual.power_w,
        residual_quality=scene.residual.quality,
        flexible_w=0.0,
        shortfall_w=0.0,
        price_jpy_per_kwh=0.0,
        ranges=tuple(_range_of(one, wishes.get(one.resource_id)) for one in scene.seen),
        relaxed=(),
        signal_id=NO_SIGNAL if held is None else held.signal.signal_id,
    )


def _range_of(one: Seen, wish: Wish | None) -> ResourceRange:
    """Say what the limits leave to a resource, for people."""
    allowed = nameplate(one) if wish is None else wish.allowed
    return ResourceRange(
        resource_id=one.resource_id,
        power_w_min=allowed.low_w,
        power_w_max=allowed.high_w,
        limited_by=f"{allowed.low_by}|{allowed.high_by}",
        counted=one.counted,
    )


def _remember(
    scene: _Scene, written: Written, *, need_w: float | None, correction_w: float
) -> ControlState:
    """State for the next cycle."""
    inputs, before, residual = scene.inputs, scene.state, scene.residual
    good = residual.quality is Quality.GOOD
    same = _same_obligations(scene) and _same_members(scene)
    needs = before.needs_w if same else ()
    return ControlState(
        sequence=written.sequence,
        mode=inputs.mode,
        shares=() if scene.owed is None else scene.owed.shares,
        residual_w=residual.power_w if good else before.residual_w,
        residual_at=inputs.now if good else before.residual_at,
        residual_members=members_of(scene.seen) if good else before.residual_members,
        residual_change_w=residual.change_w,
        forecast_at_residual_w=inputs.forecast_uncontrolled_w
        if good
        else before.forecast_at_residual_w,
        correction_w=correction_w,
        needs_w=() if need_w is None else (*needs, need_w)[-NEEDS_KEPT:],
        saturated=False,
        memories=written.memories,
    )
