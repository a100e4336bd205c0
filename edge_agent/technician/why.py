"""Why a site did what it did in one second: everything that bore on it, on one page.

Made from the journal alone, so it holds beside a running agent, after it, and without a
network. :mod:`edge_agent.technician.screen` prints it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from edge_agent.control.inputs import HeldSignal, ResourceRange
from edge_agent.control.limits import Limit, Relaxed, in_order
from edge_agent.cycle.outlooks import CHANGED_KIND
from edge_agent.technician.happening import Happening
from edge_agent.technician.history import History, Outcome, Tick
from edge_agent.technician.journals import ModeChange, mode_change
from edge_agent.technician.moments import AskedTime
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.intervals import utc_from_seconds
from protocols.vocabulary.obligation import Obligation
from protocols.vocabulary.setpoint import Setpoint

OUTCOMES_WITHIN_CYCLES: Final = 15
EVENTS_AROUND: Final = timedelta(seconds=5)

REASONS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "share.none": ("obligation begun, no share asked yet", "義務中・指令まだなし"),
        "share.signal": ("share of the obligation, by the dispatch signal", "義務分担(指令信号)"),
        "share.held": ("last share held: the signal is gone", "指令喪失: 最終分担を保持"),
        "share.profile": ("profile of the obligation", "義務の計画値に追従"),
        "share.order": ("power ordered at the meter", "受電点電力の指令に追従"),
        "economy.plan": ("local economy by the plan", "経済運転(計画)"),
        "economy.tariff": ("local economy by the tariff, no plan", "経済運転(料金のみ)"),
        "mode.safe": ("SAFE: devices released to their own defaults", "安全側: 機器の既定に戻す"),
        "mode.manual": ("MANUAL: a technician's powers", "手動"),
        "meter.lost": ("meter unknown: devices released", "計測不能: 機器を解放"),
        "primary.droop": ("primary reserve follows the frequency", "一次調整力: 周波数に追従"),
        "lease.ended": ("its lease ended", "リース満了"),
    }
)
"""Rules of control, in English and Japanese."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitLine:
    """A limit in force, strongest first."""

    name: str
    authority: str
    scope: str
    power_w_min: float | None
    power_w_max: float | None
    valid_until: datetime | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareLine:
    """A share of one obligation."""

    obligation_id: str
    service: str
    ends_at: datetime | None
    power_w: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalLine:
    """The last admitted dispatch signal, and whether it was valid in this second."""

    signal_id: int
    epoch: int
    received_at: datetime
    valid_until: datetime
    valid: bool
    multipliers: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceLine:
    """One device: what it was seen doing, what it was told, and what it said to it.

    Attributes
    ----------
    resource_id : str
        Which one.
    power_w, soc : float or None
        Measured; None when unknown.
    quality : str
        Of the power.
    allowed_w_min, allowed_w_max : float or None
        This second's limits.
    limited_by : str
        Who sets them.
    setpoint_w : float or None
        The lease in force after this second; None when there is none.
    setpoint_until : datetime or None
        When it ends.
    action : str
        ``"written"``, ``"kept"``, ``"released"`` or ``"none"``.
    reason : str
        The rule.
    outcome : str
        What the device said; empty if it was not written to, or has not answered.
    """

    resource_id: str
    power_w: float | None
    soc: float | None
    quality: str
    allowed_w_min: float | None
    allowed_w_max: float | None
    limited_by: str
    setpoint_w: float | None
    setpoint_until: datetime | None
    action: str
    reason: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaxedLine:
    """A limit or obligation that gave way, by how much and to what."""

    name: str
    amount_w: float
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyPage:
    """One second of a site. Powers in W, generator frame; times aware UTC."""

    site_id: str
    second: datetime
    cycle: int
    mode: str
    mode_since: ModeChange | None
    reason: str
    meter_w: float | None
    meter_quality: str
    target_meter_w: float | None
    baseline_w: float | None
    share_w: float | None
    residual_w: float | None
    residual_quality: str
    flexible_w: float
    shortfall_w: float
    price_jpy_per_kwh: float
    plan_id: str
    forecast_by: str
    signal: SignalLine | None
    shares: tuple[ShareLine, ...]
    limits: tuple[LimitLine, ...]
    relaxed: tuple[RelaxedLine, ...]
    resources: tuple[ResourceLine, ...]
    events: tuple[Happening, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoCycle:
    """A second in which no cycle ran, and what is known around it."""

    second: datetime
    before: datetime | None
    after: datetime | None
    events: tuple[Happening, ...]


def why(history: History, asked: AskedTime) -> WhyPage | NoCycle:
    """Explain one second.

    Parameters
    ----------
    history : History
        The journal.
    asked : AskedTime
        The second; where only the minute was said, its first second that ran, and the events
        of the whole minute.
    """
    events = tuple(
        history.events(
            asked.moment - (EVENTS_AROUND if asked.span_s == 1 else timedelta(0)),
            asked.moment + max(EVENTS_AROUND, timedelta(seconds=asked.span_s)),
        )
    )
    for slot_s in range(asked.slot_s, asked.slot_s + asked.span_s):
        tick = history.at_slot(slot_s)
        if tick is not None:
            return page_of(history, tick, events)
    before, after = history.around(asked.slot_s)
    return NoCycle(
        second=asked.moment,
        before=None if before is None else utc_from_seconds(before),
        after=None if after is None else utc_from_seconds(after),
        events=events,
    )


def page_of(history: History, tick: Tick, events: tuple[Happening, ...]) -> WhyPage:
    """Lay out one cycle."""
    inputs, decision = tick.inputs, tick.decision
    frame = inputs.frame
    meter = inputs.image.points.get(frame.meter_point)
    changed = history.last_event(
        "mode.changed", until=tick.entry.recorded_at + timedelta(seconds=1)
    )
    outcomes = {
        outcome.sequence: outcome
        for outcome in history.outcomes(tick.entry.cycle, within=OUTCOMES_WITHIN_CYCLES)
    }
    return WhyPage(
        site_id=frame.site_id,
        second=utc_from_seconds(inputs.slot_s),
        cycle=inputs.cycle,
        mode=decision.mode.name,
        mode_since=None if changed is None else mode_change(changed),
        reason=decision.reason,
        meter_w=None if meter is None else meter.value,
        meter_quality="BAD" if meter is None else meter.quality.name,
        target_meter_w=decision.target_meter_w,
        baseline_w=decision.baseline_w,
        share_w=decision.share_w,
        residual_w=decision.residual_w,
        residual_quality=decision.residual_quality.name,
        flexible_w=decision.flexible_w,
        shortfall_w=decision.shortfall_w,
        price_jpy_per_kwh=decision.price_jpy_per_kwh,
        plan_id="" if inputs.plan is None else inputs.plan.plan_id,
        forecast_by=_forecast_by(history, tick),
        signal=None if inputs.signal is None else _signal(inputs.signal, inputs.now),
        shares=_shares(tick),
        limits=tuple(_limit(limit) for limit in in_order(frame.limits, inputs.now)),
        relaxed=tuple(_relaxed(one) for one in decision.relaxed),
        resources=tuple(
            _resource(tick, binding.resource.resource_id, outcomes) for binding in frame.bindings
        ),
        events=events,
    )


def _forecast_by(history: History, tick: Tick) -> str:
    """Where the forecast came from: models, or why persistence; empty before the first."""
    told = history.last_event(CHANGED_KIND, until=tick.entry.recorded_at + timedelta(seconds=1))
    return "" if told is None else str(told.payload.get("reason", ""))


def reason_text(reason: str) -> str:
    """Rule in English and Japanese; the rule itself if it is not known."""
    return " / ".join(REASONS[reason]) if reason in REASONS else reason


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _limit(limit: Limit) -> LimitLine:
    return LimitLine(
        name=limit.name,
        authority=limit.authority.name,
        scope=", ".join(limit.scope.members) or limit.scope.kind.value,
        power_w_min=_finite(limit.power_w_min),
        power_w_max=_finite(limit.power_w_max),
        valid_until=limit.valid_until,
        source=limit.source,
    )


def _relaxed(relaxed: Relaxed) -> RelaxedLine:
    return RelaxedLine(name=relaxed.name, amount_w=relaxed.amount_w, by=relaxed.by)


def _signal(held: HeldSignal, now: datetime) -> SignalLine:
    signal = held.signal
    return SignalLine(
        signal_id=signal.signal_id,
        epoch=signal.epoch,
        received_at=held.received_at,
        valid_until=signal.interval.end,
        valid=signal.interval.contains(now),
        multipliers={service.value: price for service, price in signal.multipliers.items()},
    )


def _shares(tick: Tick) -> tuple[ShareLine, ...]:
    held = {
        item.obligation.obligation_id: item.obligation for item in tick.inputs.frame.commitments
    }
    ordered = {item.obligation.obligation_id: item for item in tick.inputs.frame.meter_orders or ()}
    lines = []
    for share in tick.decision.shares:
        order = ordered.get(share.obligation_id)
        obligation = held.get(share.obligation_id) if order is None else order.obligation
        lines.append(
            ShareLine(
                obligation_id=share.obligation_id,
                service=_service(obligation) if order is None else order.source,
                ends_at=None if obligation is None else obligation.interval.end,
                power_w=share.power_w,
                source=share.source.name,
            )
        )
    return tuple(lines)


def _service(obligation: Obligation | None) -> str:
    return "" if obligation is None else obligation.service.value


def _resource(tick: Tick, resource_id: ResourceId, outcomes: Mapping[int, Outcome]) -> ResourceLine:
    binding = next(b for b in tick.inputs.frame.bindings if b.resource.resource_id == resource_id)
    power = tick.inputs.image.points.get(binding.power_point)
    soc_point = binding.soc_point
    allowed = _range_of(tick, resource_id)
    action, setpoint, reason = lease_after(tick, resource_id)
    outcome = None if setpoint is None else outcomes.get(setpoint.sequence)
    return ResourceLine(
        resource_id=resource_id,
        power_w=None if power is None else power.value,
        soc=None if soc_point is None else tick.inputs.image.value(soc_point),
        quality="BAD" if power is None else power.quality.name,
        allowed_w_min=None if allowed is None else _finite(allowed.power_w_min),
        allowed_w_max=None if allowed is None else _finite(allowed.power_w_max),
        limited_by="" if allowed is None else allowed.limited_by,
        setpoint_w=None if setpoint is None else setpoint.power_w,
        setpoint_until=None if setpoint is None else setpoint.valid_until,
        action=action,
        reason=reason,
        outcome="" if outcome is None else _said(outcome),
    )


def _range_of(tick: Tick, resource_id: ResourceId) -> ResourceRange | None:
    return next((r for r in tick.decision.ranges if r.resource_id == resource_id), None)


def lease_after(tick: Tick, resource_id: ResourceId) -> tuple[str, Setpoint | None, str]:
    """Return what a cycle did to a resource, the lease in force afterwards, and the rule."""
    for setpoint in tick.decision.setpoints:
        if setpoint.resource_id == resource_id:
            return "written", setpoint, setpoint.reason
    for release in tick.decision.releases:
        if release.resource_id == resource_id:
            return "released", None, release.reason
    kept = tick.before.setpoint_of(resource_id)
    if kept is None or kept.valid_until <= tick.inputs.now:
        return "none", None, tick.decision.reason
    return "kept", kept, kept.reason


def _said(outcome: Outcome) -> str:
    power = "" if outcome.read_back_w is None else f", reads back {outcome.read_back_w:.0f} W"
    detail = f" ({outcome.detail})" if outcome.detail else ""
    return f"{outcome.state}{power}{detail}"
