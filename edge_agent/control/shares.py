"""What a site owes this second: the share of each obligation, held when the signal ends.

A share comes from the one pure function of the vocabulary while a valid signal is here. When the
signal has expired or the link is cut, the last received share stays to the end of the obligation;
an obligation with a profile follows its profile. A power ordered at the meter from outside the
market moves what the market's shares are added to, so that neither counts as the other's delivery.
Called by decide.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from edge_agent.control.inputs import CycleInputs, Frame
from edge_agent.control.nouns import HeldShare, MeterOrder, ShareSource
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.envelope import Baseline
from protocols.vocabulary.identifiers import NO_SIGNAL, ObligationId
from protocols.vocabulary.intervals import step_index
from protocols.vocabulary.obligation import HoldRule, ObligationState, RelativeTo
from protocols.vocabulary.offer import DispatchSignal, share

OVER = frozenset({ObligationState.DONE, ObligationState.CANCELLED, ObligationState.REFUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """The sum of what is owed.

    Attributes
    ----------
    shares : tuple of HeldShare
        By obligation.
    share_w : float
        Their sum, W.
    baseline_w : float
        The meter power the shares are added to, W.
    source : ShareSource
        Of the first obligation; for the reason.
    """

    shares: tuple[HeldShare, ...]
    share_w: float
    baseline_w: float
    source: ShareSource


def in_force(commitments: Sequence[Commitment], inputs: CycleInputs) -> list[Commitment]:
    """List commitments whose obligation runs now, ordered by id."""
    running = [
        commitment
        for commitment in commitments
        if commitment.obligation.interval.contains(inputs.now)
        and commitment.obligation.state not in OVER
    ]
    running.sort(key=lambda commitment: commitment.obligation.obligation_id)
    return running


def valid_signal(inputs: CycleInputs) -> DispatchSignal | None:
    """Return the held signal while it may be applied."""
    held = inputs.signal
    if held is None or not held.signal.interval.contains(inputs.now):
        return None
    return held.signal


def owed(inputs: CycleInputs, before: Sequence[HeldShare]) -> Owed | None:
    """Add up what is owed now.

    Parameters
    ----------
    inputs : CycleInputs
        This cycle.
    before : sequence of HeldShare
        Shares of the last cycle, also from before a restart.

    Returns
    -------
    Owed or None
        None without a running obligation or order. A schedule relative to zero takes the
        place of the baseline; else the baseline that was computed last is used. An ordered
        change moves it, an ordered power at the meter takes its place and a schedule's.
    """
    orders = orders_at(inputs.frame, inputs.now)
    running = beside_orders(in_force(inputs.frame.commitments, inputs), orders)
    if not running:
        return _ordered(orders, inputs.now) if orders else None
    kept = {held.obligation_id: held for held in before}
    signal = valid_signal(inputs)
    shares = tuple(_share_of(commitment, inputs, signal, kept=kept) for commitment in running)
    baseline_w = _baseline(running, inputs)
    if replaces_schedule(orders):
        baseline_w = 0.0
    return Owed(
        shares=(*shares, *_order_shares(orders, inputs.now)),
        share_w=sum(held.power_w for held in shares),
        baseline_w=baseline_w + ordered_w(orders, inputs.now),
        source=shares[0].source,
    )


def orders_at(frame: Frame, moment: datetime) -> list[MeterOrder]:
    """List powers ordered at the meter at a moment."""
    return [one for one in frame.meter_orders or () if one.obligation.interval.contains(moment)]


def replaces_schedule(orders: Sequence[MeterOrder]) -> bool:
    """Whether the meter's power itself is ordered, not a change of it."""
    return any(one.obligation.relative_to is RelativeTo.ZERO for one in orders)


def beside_orders(running: Sequence[Commitment], orders: Sequence[MeterOrder]) -> list[Commitment]:
    """List commitments that stand beside orders: a schedule gives way to an ordered power."""
    scheduled = replaces_schedule(orders)
    return [
        one for one in running if not scheduled or one.obligation.relative_to is RelativeTo.BASELINE
    ]


def ordered_w(orders: Sequence[MeterOrder], moment: datetime) -> float:
    """Sum of what is ordered at a moment, W."""
    return math.fsum(one.obligation.power_at(moment) for one in orders)


def _ordered(orders: Sequence[MeterOrder], now: datetime) -> Owed:
    """Say what is owed when nothing but orders is in force."""
    baseline_w = 0.0 if replaces_schedule(orders) else orders[0].baseline_w
    return Owed(
        shares=_order_shares(orders, now),
        share_w=ordered_w(orders, now),
        baseline_w=baseline_w,
        source=ShareSource.ORDER,
    )


def _order_shares(orders: Sequence[MeterOrder], now: datetime) -> tuple[HeldShare, ...]:
    return tuple(
        HeldShare(
            obligation_id=one.obligation.obligation_id,
            power_w=one.obligation.power_at(now),
            source=ShareSource.ORDER,
        )
        for one in orders
    )


def _share_of(
    commitment: Commitment,
    inputs: CycleInputs,
    signal: DispatchSignal | None,
    *,
    kept: dict[ObligationId, HeldShare],
) -> HeldShare:
    """Share of one obligation."""
    obligation = commitment.obligation
    before = kept.get(obligation.obligation_id)
    if signal is not None and commitment.hold is not HoldRule.FOLLOW_DROOP:
        power_w, source = share(commitment.curve, signal.multipliers), ShareSource.SIGNAL
        signal_id = signal.signal_id
    elif commitment.hold is HoldRule.FOLLOW_PROFILE:
        power_w, source = obligation.power_at(inputs.now), ShareSource.PROFILE
        signal_id = NO_SIGNAL if before is None else before.signal_id
    elif before is not None and before.signal_id != NO_SIGNAL:
        power_w, source, signal_id = before.power_w, ShareSource.HELD, before.signal_id
    else:
        power_w, source, signal_id = 0.0, ShareSource.NONE, NO_SIGNAL
    return HeldShare(
        obligation_id=obligation.obligation_id,
        power_w=_inside_envelope(commitment, inputs, power_w),
        signal_id=signal_id,
        source=source,
    )


def _inside_envelope(commitment: Commitment, inputs: CycleInputs, power_w: float) -> float:
    """Clip a share to the committed envelope."""
    envelope = commitment.envelope
    if not envelope.interval.contains(inputs.now):
        return power_w
    step = step_index(envelope.interval, envelope.step_s, inputs.now)
    step = min(step, len(envelope.power_w_min) - 1)
    low_w, high_w = float(envelope.power_w_min[step]), float(envelope.power_w_max[step])
    return min(max(power_w, low_w), high_w)


def _baseline(running: list[Commitment], inputs: CycleInputs) -> float:
    """Meter power that the shares are added to, W."""
    if any(c.obligation.relative_to is RelativeTo.ZERO for c in running):
        return 0.0
    newest = max(running, key=lambda c: c.baseline.computed_at).baseline
    return _value_at(newest, inputs)


def _value_at(baseline: Baseline, inputs: CycleInputs) -> float:
    """Baseline now, W; its first or last value outside its interval."""
    interval, step_s, column = baseline.interval, baseline.step_s, baseline.power_w
    if inputs.now < interval.start:
        return float(column[0])
    if inputs.now >= interval.end:
        return float(column[-1])
    return float(column[min(step_index(interval, step_s, inputs.now), len(column) - 1)])
