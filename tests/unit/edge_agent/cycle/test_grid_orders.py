"""What orders add to a frame, and what became of them."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from edge_agent.control.inputs import Decision, Tariff
from edge_agent.control.limits import Relaxed, ScopeKind
from edge_agent.control.records import from_plain, to_plain
from edge_agent.cycle.grid_orders import Ordered, OrderNote, ordered, tariff_under
from edge_agent.cycle.order_progress import (
    SETTLE_CYCLES,
    Outcome,
    after_cycle,
    order_events,
)
from edge_agent.northbound.meaning import meant
from edge_agent.northbound.port import OPEN_END, GridOrder, OrderState, Origin
from edge_agent.northbound.scaling import SiteFacts
from edge_agent.northbound.signals import package_signals
from protocols.vocabulary.identifiers import NO_SIGNAL, ResourceId, SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.mode import Mode
from protocols.vocabulary.resource import Resource, ResourceKind

NOW = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
SITE = SiteId("site-001")
BATTERY = Resource(
    resource_id=ResourceId("site-001/battery"),
    site_id=SITE,
    kind=ResourceKind.BATTERY,
    power_w_min=-3000.0,
    power_w_max=3000.0,
    ramp_w_per_s=math.inf,
    energy_wh_capacity=10_000.0,
)
FACTS = SiteFacts(resources=(BATTERY,), contract_import_w=8000.0, devices=1)


def order(mode: str, value: float, **changes: Any) -> GridOrder:
    fields: dict[str, Any] = {
        "order_id": f"{mode}/1",
        "event_id": "event-1",
        "origin": Origin.OPENADR if "." in mode else Origin.IEEE2030_5,
        "issued_by": "grid",
        "mode": mode,
        "value": value,
        "interval": Interval(start=NOW, end=NOW + timedelta(minutes=30)),
        "priority": 1,
        "issued_at": NOW,
    }
    return GridOrder(**(fields | changes))


def look(
    *orders: GridOrder,
    notes: tuple[OrderNote, ...] = (),
    now: datetime = NOW,
    baseline_w: float | None = -500.0,
) -> Ordered:
    meaning = meant(orders, package_signals(), FACTS, now=now)
    return ordered(meaning, orders, notes, site_id=SITE, baseline_w=baseline_w)


def decision(**changes: Any) -> Decision:
    fields: dict[str, Any] = {
        "cycle": 1, "mode": Mode.NORMAL, "setpoints": (), "releases": (), "reason": "share.order",
        "target_meter_w": 0.0, "baseline_w": None, "share_w": None, "shares": (),
        "residual_w": 0.0, "residual_quality": Quality.GOOD, "flexible_w": 0.0,
        "shortfall_w": 0.0, "price_jpy_per_kwh": 0.0, "ranges": (), "relaxed": (),
        "signal_id": NO_SIGNAL,
    }  # fmt: skip
    return Decision(**(fields | changes))


def outcome(meter_w: float | None = 0.0, now: datetime = NOW, **changes: Any) -> Outcome:
    return Outcome(decision=decision(**changes), meter_w=meter_w, now=now)


SCOPES = [
    ("opModExpLimW", 1.0, ScopeKind.METER),
    ("opModMaxLimW", 0.5, ScopeKind.GROUP),
    ("opModGenLimW", 1.0, ScopeKind.GENERATION),
    ("opModLoadLimW", 1.0, ScopeKind.CONSUMPTION),
    ("opModConnect", 0.0, ScopeKind.RESOURCE),
]


@pytest.mark.parametrize("row", SCOPES)
def test_each_scope_becomes_control_s_own(row: tuple[str, float, ScopeKind]) -> None:
    """If it fails, a limit bounds something else than was ordered."""
    mode, value, kind = row
    (limit,) = look(order(mode, value)).limits
    assert limit.scope.kind is kind
    assert limit.valid_until == NOW + timedelta(minutes=30)
    assert limit.source.startswith("ieee2030.5: grid")


def test_a_price_replaces_adds_or_multiplies() -> None:
    """If it fails, the site buys at the price it should avoid."""
    tariff = Tariff(import_jpy_per_kwh=30.0, export_jpy_per_kwh=8.0)
    for mode, value, price in (
        ("ELECTRICITY_PRICE.price", 50.0, 50.0),
        ("ELECTRICITY_PRICE.priceRelative", 5.0, 35.0),
        ("ELECTRICITY_PRICE.priceMultiplier", 2.0, 60.0),
    ):
        under = tariff_under(tariff, look(order(mode, value)).meant.prices)
        assert under == Tariff(import_jpy_per_kwh=price, export_jpy_per_kwh=8.0)


def test_the_intervals_of_an_event_count_from_one_baseline() -> None:
    """If it fails, the second half hour of an event is counted from the first's delivery."""
    half = timedelta(minutes=30)
    first = order("LOAD_DISPATCH.delta", -1000.0, order_id="event-1/s/0")
    second = order(
        "LOAD_DISPATCH.delta",
        -2000.0,
        order_id="event-1/s/1",
        interval=Interval(start=NOW + half, end=NOW + 2 * half),
    )
    begun = look(first, second, baseline_w=-700.0)
    notes, _ = after_cycle(begun, outcome())
    later = look(second, notes=notes, now=NOW + half, baseline_w=300.0)
    (one,) = later.meter_orders
    assert one.baseline_w == -700.0
    assert one.obligation.power_at(NOW + half) == 2000.0


def test_a_change_waits_until_there_is_something_to_count_from() -> None:
    """If it fails, a site without a meter value delivers a change from nothing."""
    one = look(order("LOAD_DISPATCH.delta", -1000.0), baseline_w=None)
    assert one.meter_orders == ()
    notes, _ = after_cycle(one, outcome())
    again = look(order("LOAD_DISPATCH.delta", -1000.0), notes=notes, baseline_w=-400.0)
    assert again.meter_orders[0].baseline_w == -400.0


def walk(one: GridOrder, *, cycles: int, result: Outcome) -> tuple[list[OrderState], list[str]]:
    notes: tuple[OrderNote, ...] = ()
    states, causes = [], []
    for _ in range(cycles):
        notes, reports = after_cycle(look(one, notes=notes), result)
        states += [report.state for report in reports]
        causes += [report.cause for report in reports]
    return states, causes


def test_a_limit_that_gives_way_is_told_once_and_with_its_cause() -> None:
    """If it fails, a utility is told that its limit holds while a stronger one breaks it."""
    one = order("opModTargetW", 3000.0)
    name = look(one).limits[0].name
    relaxed = (Relaxed(name=name, amount_w=900.0, by="export-limit"),)
    states, causes = walk(one, cycles=3 * SETTLE_CYCLES, result=outcome(relaxed=relaxed))
    assert states == [OrderState.STARTED, OrderState.PARTIAL]
    assert causes[1] == "export-limit is stronger"


def test_a_meter_beyond_the_limit_is_told_even_if_nothing_was_relaxed() -> None:
    """If it fails, a device that does not obey makes a limit look kept."""
    states, causes = walk(
        order("opModExpLimW", 1000.0), cycles=2 * SETTLE_CYCLES, result=outcome(meter_w=1500.0)
    )
    assert states == [OrderState.STARTED, OrderState.PARTIAL]
    assert "meter" in causes[1]


def test_a_dispatch_that_is_not_steered_is_partial() -> None:
    """If it fails, SAFE looks like delivery."""
    result = outcome(target_meter_w=None, reason="mode.safe")
    states, causes = walk(order("LOAD_DISPATCH.setpoint", 10.0), cycles=15, result=result)
    assert states == [OrderState.STARTED, OrderState.PARTIAL]
    assert "mode.safe" in causes[1]


def test_what_wavers_is_not_told_each_second() -> None:
    """If it fails, a cloud fills the utility's log and the journal."""
    one = order("opModExpLimW", 1000.0)
    notes: tuple[OrderNote, ...] = ()
    told = []
    for second in range(60):
        meter_w = 1500.0 if second % 5 < 3 else 0.0
        notes, reports = after_cycle(look(one, notes=notes), outcome(meter_w=meter_w))
        told += reports
    assert [report.state for report in told] == [OrderState.STARTED]


def test_the_life_of_an_order_is_told_once_each() -> None:
    """If it fails, a response is repeated or missing."""
    one = order("opModExpLimW", 0.0, interval=Interval(start=NOW, end=NOW + timedelta(seconds=10)))
    notes: tuple[OrderNote, ...] = ()
    states = []
    for second in range(-5, 20):
        now = NOW + timedelta(seconds=second)
        offered = (one,) if second < 12 else ()
        notes, reports = after_cycle(look(*offered, notes=notes, now=now), outcome(now=now))
        states += [report.state for report in reports]
    assert states == [OrderState.RECEIVED, OrderState.STARTED, OrderState.COMPLETED]
    assert notes == ()


def test_a_cancelled_order_is_withdrawn_and_an_outranked_one_partial() -> None:
    """If it fails, an event that was taken back counts as delivered."""
    weak = order("opModExpLimW", 0.0, order_id="weak", priority=5)
    strong = order("opModExpLimW", 9.0, order_id="strong", priority=1)
    notes, reports = after_cycle(look(weak), outcome())
    assert [r.state for r in reports] == [OrderState.STARTED]
    for _ in range(SETTLE_CYCLES):
        notes, reports = after_cycle(look(weak, strong, notes=notes), outcome())
        if reports and reports[0].order is weak:
            assert reports[0].state is OrderState.PARTIAL
    notes, reports = after_cycle(look(strong, notes=notes), outcome())
    assert [(r.order.order_id, r.state) for r in reports] == [("weak", OrderState.WITHDRAWN)]


def test_notes_come_back_from_the_journal_as_they_were() -> None:
    """If it fails, a restart repeats responses."""
    default = order("opModExpLimW", 0.0, interval=Interval(start=NOW, end=OPEN_END))
    curve = order("opModVoltVar", 0.0, curve=((0.9, 0.5), (1.1, -0.5)), targets=("battery",))
    notes, reports = after_cycle(look(default, curve), outcome())
    for note in notes:
        assert from_plain(OrderNote, to_plain(OrderNote, note)) == note
    kinds = {event.kind for event in order_events(reports)}
    assert kinds == {"order.started", "order.refused"}
