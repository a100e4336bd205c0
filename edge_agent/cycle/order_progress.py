"""What became of each order in a cycle: states, reports to its issuer, events. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from edge_agent.control.inputs import Decision
from edge_agent.cycle.grid_orders import Ordered, OrderNote, can_begin, tolerance_w
from edge_agent.cycle.record import Happened
from edge_agent.northbound.meaning import Bound, Dispatch, key_of
from edge_agent.northbound.port import OPEN_END, OrderReport, OrderState
from edge_agent.northbound.refusals import printable
from edge_agent.northbound.signals import OrderScope
from protocols.link.messages import Plain

SETTLE_CYCLES: Final = 10
"""Cycles that an order must be kept badly, or well again, before that is told."""
ENDED: Final = frozenset({OrderState.COMPLETED, OrderState.REFUSED})
IN_FORCE: Final = frozenset({OrderState.STARTED, OrderState.PARTIAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a cycle came to, as far as orders are concerned.

    Attributes
    ----------
    decision : Decision
        The cycle's.
    meter_w : float or None
        At the meter, W; None while unknown.
    now : datetime
        Aware UTC.
    """

    decision: Decision
    meter_w: float | None
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """State an order seems to be in; ``is_measured``: by what the devices do this cycle."""

    state: OrderState
    cause: str = ""
    missing_w: float = 0.0
    is_measured: bool = False


def after_cycle(
    ordered: Ordered, outcome: Outcome
) -> tuple[tuple[OrderNote, ...], tuple[OrderReport, ...]]:
    """Say what became of each order.

    Parameters
    ----------
    ordered : Ordered
        From the freeze.
    outcome : Outcome
        Of the cycle.

    Returns
    -------
    tuple
        Notes to keep, and one report per change.
    """
    notes: list[OrderNote] = []
    reports: list[OrderReport] = []
    for note in ordered.notes:
        seen = _seen(note, ordered, outcome)
        if seen.is_measured and note.state not in IN_FORCE:
            seen = _Seen(state=OrderState.STARTED)  # the devices are still on their way
        changed = seen.state is not note.state or note.is_new
        after = replace(note, is_new=False, turning=note.turning + 1 if changed else 0)
        wavers = {note.state, seen.state} <= IN_FORCE and not note.is_new
        if changed and (after.turning >= SETTLE_CYCLES or not wavers):
            after = replace(after, state=seen.state, cause=seen.cause, turning=0)
            reports.append(
                OrderReport(
                    order=note.order,
                    state=seen.state,
                    at=outcome.now,
                    cause=seen.cause,
                    missing_w=seen.missing_w,
                )
            )
        if key_of(note.order) in ordered.offered:
            notes.append(after)
    return tuple(notes), tuple(reports)


def _seen(note: OrderNote, ordered: Ordered, outcome: Outcome) -> _Seen:
    key, meant = key_of(note.order), ordered.meant
    if key in meant.refused:
        return _Seen(state=OrderState.REFUSED, cause=meant.refused[key].cause)
    if note.order.interval.end <= outcome.now:
        begun = note.state in IN_FORCE
        return _Seen(state=OrderState.COMPLETED if begun else note.state, cause=note.cause)
    if key not in ordered.offered:
        over = note.state in ENDED
        return _Seen(state=note.state if over else OrderState.WITHDRAWN)
    if key in meant.yielding:
        return _Seen(state=OrderState.PARTIAL, cause=meant.yielding[key])
    if key in meant.in_force:
        return _shortfall(note, ordered, outcome) or _Seen(state=OrderState.STARTED)
    return _Seen(state=OrderState.RECEIVED)


def _shortfall(note: OrderNote, ordered: Ordered, outcome: Outcome) -> _Seen | None:
    """Why an order in force is not kept in full; None if it is."""
    key = key_of(note.order)
    bounds = [bound for bound in ordered.meant.bounds if bound.key == key]
    if bounds:
        return _unkept(bounds, outcome)
    dispatch = next((one for one in ordered.meant.dispatches if one.key == key), None)
    return None if dispatch is None else _undelivered(dispatch, note, outcome)


def _unkept(bounds: Sequence[Bound], outcome: Outcome) -> _Seen | None:
    """Whether limits gave way, or the meter is beyond one."""
    names = {bound.name for bound in bounds}
    for relaxed in outcome.decision.relaxed:
        if relaxed.name in names:
            return _partly(f"{relaxed.by} is stronger", relaxed.amount_w)
    for bound in bounds:
        if bound.scope is not OrderScope.METER or outcome.meter_w is None:
            continue
        over_w = max(outcome.meter_w - bound.power_w_max, bound.power_w_min - outcome.meter_w)
        edge_w = bound.power_w_max if math.isfinite(bound.power_w_max) else bound.power_w_min
        if over_w > tolerance_w(edge_w):
            return _partly("the meter is beyond it", over_w)
    return None


def _undelivered(dispatch: Dispatch, note: OrderNote, outcome: Outcome) -> _Seen | None:
    """Whether the power at the meter is not what it should be."""
    target_w, meter_w = outcome.decision.target_meter_w, outcome.meter_w
    whole_w = abs(dispatch.power_w)
    if not can_begin(dispatch, note):
        return _partly("no measured power to count the change from", whole_w)
    if target_w is None or meter_w is None:
        return _partly(f"not steered: {outcome.decision.reason}", whole_w)
    missing_w = abs(target_w - meter_w)
    if missing_w <= tolerance_w(dispatch.power_w):
        return None
    given_way = [one.by for one in outcome.decision.relaxed if one.name.startswith("obligation")]
    return _partly(f"limited by {given_way[0] if given_way else 'the devices'}", missing_w)


def _partly(cause: str, missing_w: float) -> _Seen:
    return _Seen(state=OrderState.PARTIAL, cause=cause, missing_w=missing_w, is_measured=True)


def order_events(reports: Iterable[OrderReport]) -> tuple[Happened, ...]:
    """Events of the site's record for what became of orders, with their provenance."""
    return tuple(_event(report) for report in reports)


def _event(report: OrderReport) -> Happened:
    payload = _provenance(report)
    if report.state is OrderState.RECEIVED:
        return Happened(kind="order.received", payload=payload)
    if report.state is OrderState.REFUSED:
        return Happened(kind="order.refused", payload=payload)
    if report.state is OrderState.STARTED:
        return Happened(kind="order.started", payload=payload)
    if report.state is OrderState.PARTIAL:
        return Happened(kind="order.limited", payload=payload)
    return Happened(kind="order.ended", payload=payload)


def _provenance(report: OrderReport) -> dict[str, Plain]:
    order, end = report.order, report.order.interval.end
    return {
        "origin": order.origin.value,
        "order_id": printable(order.order_id),
        "event_id": printable(order.event_id),
        "issued_by": printable(order.issued_by),
        "mode": printable(order.mode),
        "value": order.value,
        "start": order.interval.start.isoformat(),
        "end": "" if end == OPEN_END else end.isoformat(),
        "state": report.state.value,
        "cause": printable(report.cause),
        "missing_w": report.missing_w,
    }
