"""What orders from the grid put into a frame, and what became of each. Pure.

An order's note outlives the process: what was told once about it is not told again as news, and
the power a change is counted from stays what it was when the order began.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from edge_agent.control.inputs import Tariff
from edge_agent.control.limits import (
    CONSUMPTION,
    GENERATION,
    METER,
    Limit,
    Scope,
    group_scope,
    resource_scope,
)
from edge_agent.control.nouns import MeterOrder
from edge_agent.northbound.meaning import Bound, Dispatch, Meant, OrderKey, PriceOrder, key_of
from edge_agent.northbound.port import GridOrder, OrderState
from edge_agent.northbound.refusals import printable
from edge_agent.northbound.signals import OrderScope, Pricing
from protocols.vocabulary.arrays import column
from protocols.vocabulary.identifiers import ObligationId, SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import (
    Obligation,
    ObligationState,
    RelativeTo,
    Service,
)

TOLERANCE_RATIO: Final = 0.05
TOLERANCE_W: Final = 100.0
"""An order is kept while the meter is within the greater of these, of what was ordered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNote:
    """What is remembered of one order.

    Attributes
    ----------
    order : GridOrder
        As it was offered last.
    state : OrderState
        What was told last.
    cause : str
        Why it is refused or partial.
    baseline_w : float or None
        Meter power that an ordered change is counted from, W; None before it began.
    turning : int
        Cycles that what is seen differs from what was told.
    is_new : bool
        Whether nothing was told about it yet.
    """

    order: GridOrder
    state: OrderState
    cause: str = ""
    baseline_w: float | None = None
    turning: int = 0
    is_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """What orders add to a frame.

    Attributes
    ----------
    meant : Meant
        What the orders mean.
    notes : tuple of OrderNote
        Of every order offered now, and of those that were until now.
    offered : frozenset of OrderKey
        Orders offered now.
    limits : tuple of Limit
        Of those in force.
    meter_orders : tuple of MeterOrder
        Powers at the meter.
    """

    meant: Meant
    notes: tuple[OrderNote, ...]
    offered: frozenset[OrderKey]
    limits: tuple[Limit, ...]
    meter_orders: tuple[MeterOrder, ...]

    @property
    def substance(self) -> tuple[object, ...]:
        """What of it goes into a frame, in a form that can be compared."""
        powers = tuple(
            (dispatch, note.baseline_w)
            for dispatch in self.meant.dispatches
            for note in self.notes
            if key_of(note.order) == dispatch.key
        )
        return self.meant.bounds, powers, self.meant.prices


def ordered(
    meant: Meant,
    offered: Iterable[GridOrder],
    notes: Sequence[OrderNote],
    *,
    site_id: SiteId,
    baseline_w: float | None,
) -> Ordered:
    """Turn what orders mean into limits and powers at the meter.

    Parameters
    ----------
    meant : Meant
        What the orders mean now.
    offered : iterable of GridOrder
        Every order that is known.
    notes : sequence of OrderNote
        From the cycle before, or the life before.
    site_id : SiteId
        The site.
    baseline_w : float or None
        Mean power at the meter before now without what was owed, W; None while unknown.
    """
    known = {key_of(note.order): note for note in notes}
    starting = {dispatch.key for dispatch in meant.dispatches}
    kept = {}
    for order in offered:
        key = key_of(order)
        note = known.pop(key, OrderNote(order=order, state=OrderState.RECEIVED, is_new=True))
        if key in starting and note.baseline_w is None:
            note = replace(note, baseline_w=_baseline_of(order, notes, baseline_w))
        kept[key] = replace(note, order=order)
    meter_orders = tuple(
        _meter_order(dispatch, kept[dispatch.key].baseline_w or 0.0, site_id)
        for dispatch in meant.dispatches
        if can_begin(dispatch, kept[dispatch.key])
    )
    return Ordered(
        meant=meant,
        notes=(*kept.values(), *known.values()),
        offered=frozenset(kept),
        limits=tuple(limit_of(bound) for bound in meant.bounds),
        meter_orders=meter_orders,
    )


def _baseline_of(
    order: GridOrder, notes: Sequence[OrderNote], baseline_w: float | None
) -> float | None:
    """Baseline of the event's earlier interval, or that of now."""
    earlier = [
        note.baseline_w
        for note in notes
        if note.order.origin is order.origin
        and note.order.event_id == order.event_id
        and note.baseline_w is not None
    ]
    return earlier[0] if earlier else baseline_w


def can_begin(dispatch: Dispatch, note: OrderNote) -> bool:
    """Whether an ordered power can be worked out: a change needs something to count from."""
    return dispatch.relative_to is RelativeTo.ZERO or note.baseline_w is not None


def limit_of(bound: Bound) -> Limit:
    """Limit of control that an order asks for."""
    return Limit(
        name=bound.name,
        authority=bound.authority,
        scope=_scope_of(bound),
        power_w_min=bound.power_w_min,
        power_w_max=bound.power_w_max,
        valid_until=bound.valid_until,
        source=bound.source,
    )


def _scope_of(bound: Bound) -> Scope:
    whole: Mapping[OrderScope, Scope] = {
        OrderScope.METER: METER,
        OrderScope.GENERATION: GENERATION,
        OrderScope.CONSUMPTION: CONSUMPTION,
    }
    if bound.scope in whole:
        return whole[bound.scope]
    if bound.scope is OrderScope.DER:
        return group_scope(bound.members)
    return resource_scope(bound.members[0])


def _meter_order(dispatch: Dispatch, baseline_w: float, site_id: SiteId) -> MeterOrder:
    order = dispatch.order
    interval = Interval(start=order.interval.start, end=dispatch.valid_until)
    return MeterOrder(
        obligation=Obligation(
            obligation_id=ObligationId(f"{order.origin.value}:{printable(order.order_id)}"),
            parent_id=None,
            target=site_id,
            service=Service.ENERGY,
            interval=interval,
            step_s=interval.duration_s,
            power_w=column([dispatch.power_w]),
            relative_to=dispatch.relative_to,
            tolerance_w=tolerance_w(dispatch.power_w),
            state=ObligationState.ACTIVE,
        ),
        baseline_w=baseline_w,
        source=f"{order.origin.value}: {printable(order.issued_by)}",
    )


def tolerance_w(power_w: float) -> float:
    """By how much an ordered power may be missed and is still kept, W."""
    return max(TOLERANCE_RATIO * abs(power_w), TOLERANCE_W)


def tariff_under(tariff: Tariff, prices: Iterable[PriceOrder]) -> Tariff:
    """Tariff while prices are ordered; what is earned for a kWh stays the site's own."""
    price = tariff.import_jpy_per_kwh
    for one in prices:
        if one.pricing is Pricing.PRICE:
            price = one.value
        elif one.pricing is Pricing.RELATIVE:
            price += one.value
        else:
            price *= one.value
    return replace(tariff, import_jpy_per_kwh=price)
