"""The grid's orders within the cycle: read at the freeze, judged after the answer, told back.

Holds no decision: what orders mean is in :mod:`edge_agent.northbound.meaning`, what became of them
in :mod:`edge_agent.cycle.order_progress`. Neither reading nor telling waits for a client.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from edge_agent.control.inputs import Binding
from edge_agent.control.limits import Limit
from edge_agent.cycle.grid_orders import Ordered, OrderNote, ordered
from edge_agent.cycle.order_progress import Outcome, after_cycle
from edge_agent.cycle.record import Answer
from edge_agent.northbound.judge import SiteJudge
from edge_agent.northbound.meaning import meant
from edge_agent.northbound.port import (
    GridOrder,
    OrderReport,
    Origin,
    ResourceSample,
    SiteSecond,
)
from edge_agent.northbound.scaling import SiteFacts, ratings_of
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.obligation import Authority

SECOND: Final = timedelta(seconds=1)
BASELINE_OVER: Final = timedelta(minutes=5)
"""An ordered change is counted from the mean of the meter over so long before it began."""
ORDERS_MAX: Final = 512
"""Orders of one client that are looked at; more is no schedule but a fault."""


class Client(Protocol):
    """A northbound client as the cycle sees it: it answers at once."""

    @property
    def origin(self) -> Origin:
        """Its language."""

    @property
    def trouble(self) -> str:
        """Why it does not work, empty if it does."""

    def orders(self) -> Sequence[GridOrder]:
        """Orders it published last."""

    def tell(self, second: SiteSecond) -> None:
        """Leave a second for it."""


class SiteOrders:
    """Orders of every client of a site.

    Parameters
    ----------
    site_id : SiteId
        The site.
    judge : SiteJudge
        The mapping, and what the clients are told of the site.
    clients : sequence of Client
        Perhaps none.
    """

    def __init__(self, site_id: SiteId, judge: SiteJudge, clients: Sequence[Client]) -> None:
        self._site_id = site_id
        self._judge = judge
        self._clients = tuple(clients)
        self._meter: deque[tuple[datetime, float]] = deque(maxlen=int(BASELINE_OVER / SECOND))
        self._told: set[tuple[Origin, str]] = set()

    def read(
        self, notes: Sequence[OrderNote], bindings: Sequence[Binding], *, now: datetime
    ) -> Ordered:
        """Read what is ordered now.

        Parameters
        ----------
        notes : sequence of OrderNote
            Of the cycle before.
        bindings : sequence of Binding
            The site's resources.
        now : datetime
            Aware UTC.
        """
        resources = tuple(one.resource for one in bindings)
        facts = SiteFacts(
            resources=resources,
            contract_import_w=self._judge.facts.contract_import_w,
            devices=self._judge.facts.devices,
        )
        self._judge.facts = facts
        offered = _unique(order for client in self._clients for order in client.orders())
        return ordered(
            meant(offered, self._judge.signals, facts, now=now),
            offered,
            notes,
            site_id=self._site_id,
            baseline_w=self._baseline_w(now),
        )

    def look(
        self, now_ordered: Ordered, answer: Answer
    ) -> tuple[tuple[OrderNote, ...], tuple[OrderReport, ...]]:
        """Say what became of each order in a cycle, and remember the meter."""
        inputs, decision = answer.inputs, answer.decision
        meter_w = inputs.image.value(inputs.frame.meter_point)
        good = decision.residual_quality is Quality.GOOD
        if meter_w is not None and math.isfinite(meter_w) and good:
            self._meter.append((inputs.now, meter_w - (decision.share_w or 0.0)))
        return after_cycle(now_ordered, Outcome(decision=decision, meter_w=meter_w, now=inputs.now))

    def tell(
        self, answer: Answer, notes: Sequence[OrderNote], reports: Sequence[OrderReport]
    ) -> None:
        """Hand a committed second to every client, with what became of its orders."""
        if not self._clients:
            return
        again = [
            OrderReport(order=note.order, state=note.state, at=answer.inputs.now, cause=note.cause)
            for note in notes
            if (note.order.origin, note.order.order_id) not in self._told
        ]
        changed = {(one.order.origin, one.order.order_id) for one in reports}
        everything = [
            *reports,
            *(one for one in again if (one.order.origin, one.order.order_id) not in changed),
        ]
        self._told = {(note.order.origin, note.order.order_id) for note in notes}
        for client in self._clients:
            mine = tuple(one for one in everything if one.order.origin is client.origin)
            client.tell(_second(answer, mine))

    def troubles(self) -> Iterator[tuple[str, str]]:
        """Name each client, and why it does not work; empty if it does."""
        for client in self._clients:
            yield f"northbound {client.origin.value}", client.trouble

    def _baseline_w(self, now: datetime) -> float | None:
        """Mean power at the meter lately, without what was owed, W."""
        powers = [power_w for at, power_w in self._meter if now - at <= BASELINE_OVER]
        return math.fsum(powers) / len(powers) if powers else None


def _unique(orders: Iterable[GridOrder]) -> list[GridOrder]:
    """Orders by their keys, the first of each, bounded."""
    found: dict[tuple[Origin, str], GridOrder] = {}
    for order in orders:
        if len(found) < ORDERS_MAX:
            found.setdefault((order.origin, order.order_id), order)
    return list(found.values())


def _second(answer: Answer, reports: tuple[OrderReport, ...]) -> SiteSecond:
    inputs, frame = answer.inputs, answer.inputs.frame
    return SiteSecond(
        at=inputs.now,
        meter_w=inputs.image.value(frame.meter_point),
        resources=tuple(_sample(answer, binding) for binding in frame.bindings),
        ratings=ratings_of(binding.resource for binding in frame.bindings),
        reports=reports,
        is_overridden=any(_is_by_hand(limit, inputs.now) for limit in frame.limits),
    )


def _is_by_hand(limit: Limit, now: datetime) -> bool:
    """Whether a limit is a person's and in force."""
    lasts = limit.valid_until is None or now < limit.valid_until
    return lasts and limit.authority in {Authority.EMERGENCY_STOP, Authority.TECHNICIAN}


def _sample(answer: Answer, binding: Binding) -> ResourceSample:
    image, resource = answer.inputs.image, binding.resource
    setpoint = answer.after.setpoint_of(resource.resource_id)
    return ResourceSample(
        resource_id=resource.resource_id,
        kind=resource.kind,
        power_w=image.value(binding.power_point),
        soc=None if binding.soc_point is None else image.value(binding.soc_point),
        power_w_min=resource.power_w_min,
        power_w_max=resource.power_w_max,
        energy_wh_capacity=resource.energy_wh_capacity,
        setpoint_w=None if setpoint is None else setpoint.power_w,
    )
