"""What the orders of a second mean: bounds, dispatches and a price. Pure.

Ranks orders of one language that exclude each other, refuses what the site cannot do, scales
percentages, and turns every power into the generator frame. What is returned holds for a bounded
time: an order is a lease, and one without an end is rolled forward. Called by the cycle.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edge_agent.northbound.port import OPEN_END, GridOrder, OrderRefusal, Origin
from edge_agent.northbound.refusals import TEXT_MAX, printable, refusal_of
from edge_agent.northbound.scaling import SiteFacts, power_w_of, scoped
from edge_agent.northbound.signals import (
    Becomes,
    OrderScope,
    Pricing,
    Side,
    Signal,
    Signals,
    Unit,
)
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.intervals import utc_from_seconds
from protocols.vocabulary.obligation import Authority, RelativeTo

LEASE_STEP_S: Final = 300
"""An order without an end holds for one to two of these from now on; rolled forward each."""

OrderKey = tuple[Origin, str]
"""An order's origin and order_id: unique among all that are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A limit that an order asks for; becomes one of control's limits.

    Attributes
    ----------
    key : OrderKey
        Whose.
    name, source : str
        Unique name, and provenance for people.
    authority : Authority
        Its place in the order of authority.
    scope : OrderScope
        METER, DER, GENERATION or CONSUMPTION of the whole site; EACH_* with the one member.
    members : tuple of ResourceId
        Of DER: all of them; of EACH_*: the one; else empty.
    power_w_min, power_w_max : float
        W, generator frame.
    valid_until : datetime
        Always set.
    """

    key: OrderKey
    name: str
    source: str
    authority: Authority
    scope: OrderScope
    members: tuple[ResourceId, ...]
    power_w_min: float
    power_w_max: float
    valid_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """A power at the meter that an order asks for; becomes a commitment.

    Attributes
    ----------
    order : GridOrder
        Whose.
    relative_to : RelativeTo
        BASELINE for a change, ZERO for a power at the meter.
    power_w : float
        W, generator frame.
    valid_until : datetime
        Always set.
    """

    order: GridOrder
    relative_to: RelativeTo
    power_w: float
    valid_until: datetime

    @property
    def key(self) -> OrderKey:
        """Whose."""
        return key_of(self.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOrder:
    """A price in force."""

    key: OrderKey
    pricing: Pricing
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """What the orders of a second come to.

    Attributes
    ----------
    bounds, dispatches, prices : tuple
        What holds now, in a fixed order.
    in_force : tuple of OrderKey
        Orders that hold now.
    yielding : mapping of OrderKey to str
        Orders that would hold now but for a higher rank, and whose.
    refused : mapping of OrderKey to OrderRefusal
        Orders, also future ones, that the site cannot carry out.
    """

    bounds: tuple[Bound, ...] = ()
    dispatches: tuple[Dispatch, ...] = ()
    prices: tuple[PriceOrder, ...] = ()
    in_force: tuple[OrderKey, ...] = ()
    yielding: Mapping[OrderKey, str]
    refused: Mapping[OrderKey, OrderRefusal]


def key_of(order: GridOrder) -> OrderKey:
    """Key of an order."""
    return order.origin, order.order_id


def meant(
    orders: Sequence[GridOrder], signals: Signals, facts: SiteFacts, *, now: datetime
) -> Meant:
    """Say what orders mean now.

    Parameters
    ----------
    orders : sequence of GridOrder
        Known ones of every language.
    signals : Signals
        The mapping.
    facts : SiteFacts
        The site.
    now : datetime
        Aware UTC.
    """
    refused: dict[OrderKey, OrderRefusal] = {}
    active: list[GridOrder] = []
    for order in sorted(orders, key=_rank):
        refusal = refusal_of(order, signals, facts)
        if refusal is not None:
            refused[key_of(order)] = refusal
        elif order.interval.contains(now):
            active.append(order)
    yielding: dict[OrderKey, str] = {}
    ruling: list[GridOrder] = []
    for order in active:
        stronger = next((one for one in ruling if _excludes(one, order, signals)), None)
        if stronger is None:
            ruling.append(order)
        else:
            yielding[key_of(order)] = f"{stronger.mode} {printable(stronger.event_id)} ranks higher"
    ruling.sort(key=lambda order: (order.origin.value, order.order_id))
    bounds: list[Bound] = []
    dispatches: list[Dispatch] = []
    prices: list[PriceOrder] = []
    for order in ruling:
        signal = signals.supported[order.origin, order.mode]
        if signal.becomes is Becomes.LIMIT:
            bounds += _bounds(order, signal, facts, now=now)
        elif signal.becomes is Becomes.OBLIGATION:
            dispatches.append(_dispatch(order, signal, now))
        else:
            assert signal.pricing is not None, "checked by the parser"
            price = PriceOrder(key=key_of(order), pricing=signal.pricing, value=order.value)
            prices.append(price)
    return Meant(
        bounds=tuple(bounds),
        dispatches=tuple(dispatches),
        prices=tuple(prices),
        in_force=tuple(key_of(order) for order in ruling),
        yielding=yielding,
        refused=refused,
    )


def _rank(order: GridOrder) -> tuple[bool, float, float, str]:
    """Strongest first: events before defaults, then by each language's own priority, newest first.

    2030.5: the lower primacy wins. OpenADR: 1 is the highest, 0 is none and the lowest.
    """
    priority = float(order.priority)
    if order.origin is Origin.OPENADR and order.priority <= 0:
        priority = math.inf
    return order.is_default, priority, -order.issued_at.timestamp(), order.order_id


def _excludes(stronger: GridOrder, weaker: GridOrder, signals: Signals) -> bool:
    """Whether two active orders cannot both hold."""
    if stronger.origin is not weaker.origin:
        return False
    families = {signals.supported[one.origin, one.mode].family for one in (stronger, weaker)}
    targets = set(stronger.targets), set(weaker.targets)
    together = not all(targets) or bool(targets[0] & targets[1])
    return len(families) == 1 and together


def lease_end(order: GridOrder, now: datetime) -> datetime:
    """Until when an order in force holds: its end, or a while from now on, in whole steps."""
    if order.interval.end < OPEN_END:
        return order.interval.end
    step = now.timestamp() // LEASE_STEP_S
    return utc_from_seconds((step + 2) * LEASE_STEP_S)


def _bounds(
    order: GridOrder, signal: Signal, facts: SiteFacts, *, now: datetime
) -> Iterable[Bound]:
    """Turn one order into limits; none where it asks for nothing, as opModConnect true does."""
    assert signal.scope is not None, "checked by the parser"
    if signal.unit is Unit.OFF and order.value:
        return
    scope, limits = scoped(signal, order, facts)
    for members, of_members in limits:
        power_w = power_w_of(order, signal, facts, of_members=of_members)
        upper = signal.side in {Side.UPPER, Side.BOTH}
        lower = signal.side in {Side.LOWER, Side.BOTH}
        yield Bound(
            key=key_of(order),
            name=f"{order.mode} {printable(order.event_id)}",
            source=_provenance(order),
            authority=signal.authority,
            scope=scope,
            members=members,
            power_w_min=power_w if lower else -math.inf,
            power_w_max=power_w if upper else math.inf,
            valid_until=lease_end(order, now),
        )


def _dispatch(order: GridOrder, signal: Signal, now: datetime) -> Dispatch:
    assert signal.relative_to is not None, "checked by the parser"
    return Dispatch(
        order=order,
        relative_to=signal.relative_to,
        power_w=(-order.value if signal.is_load_frame else order.value) + 0.0,
        valid_until=lease_end(order, now),
    )


def _provenance(order: GridOrder) -> str:
    words = [order.origin.value, printable(order.issued_by), printable(order.detail)]
    return ": ".join(word for word in words if word)[:TEXT_MAX]
