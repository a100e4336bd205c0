"""What orders come to: scales, signs, ranks, leases."""

import math
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from edge_agent.northbound.meaning import meant
from edge_agent.northbound.port import OPEN_END, Origin, RefusalKind
from edge_agent.northbound.refusals import refusal_of
from edge_agent.northbound.scaling import SiteFacts, ratings_of
from edge_agent.northbound.signals import OrderScope, Pricing, package_signals
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Authority, RelativeTo

INF = math.inf

BOUNDS = [
    ("opModMaxLimW", 0.5, OrderScope.DER, -INF, 5000.0),
    ("opModFixedW", 0.25, OrderScope.DER, 2500.0, 2500.0),
    ("opModFixedW", -0.25, OrderScope.DER, -750.0, -750.0),
    ("opModTargetW", 1500.0, OrderScope.DER, 1500.0, 1500.0),
    ("opModExpLimW", 1500.0, OrderScope.METER, -INF, 1500.0),
    ("opModImpLimW", 2000.0, OrderScope.METER, -2000.0, INF),
    ("opModGenLimW", 3000.0, OrderScope.GENERATION, -INF, 3000.0),
    ("opModLoadLimW", 2500.0, OrderScope.CONSUMPTION, -2500.0, INF),
    ("SIMPLE.level", 2.0, OrderScope.METER, -4000.0, INF),
]


@pytest.mark.parametrize("row", BOUNDS)
def test_a_mode_becomes_its_limit(
    grid: SimpleNamespace, row: tuple[str, float, OrderScope, float, float]
) -> None:
    """If it fails, a site charges when told to discharge, or obeys a limit ten times too wide."""
    mode, value, scope, low_w, high_w = row
    found = meant([grid.order(mode, value)], package_signals(), grid.facts, now=grid.now)
    (bound,) = found.bounds
    assert (bound.scope, bound.power_w_min, bound.power_w_max) == (scope, low_w, high_w)
    assert bound.valid_until == grid.now + timedelta(minutes=20)
    assert "grid" in bound.source


def test_the_ratings_count_generators_and_stores(grid: SimpleNamespace) -> None:
    """If it fails, every percentage of the utility is of the wrong power."""
    ratings = ratings_of(grid.facts.resources)
    assert (ratings.max_w, ratings.max_charge_w, ratings.max_discharge_w) == (10e3, 3e3, 4e3)
    assert (ratings.load_w, ratings.energy_wh) == (5e3, 10e3)


def test_cease_to_energize_holds_each_generator_and_store(grid: SimpleNamespace) -> None:
    """If it fails, a line that is being worked on is fed by a battery."""
    found = meant([grid.order("opModEnergize", 0.0)], package_signals(), grid.facts, now=grid.now)
    assert {bound.members[0] for bound in found.bounds} == {
        ResourceId("site-001/battery"),
        ResourceId("site-001/pv"),
    }
    assert all(bound.power_w_min == bound.power_w_max == 0.0 for bound in found.bounds)
    assert all(bound.authority is Authority.GRID_CODE for bound in found.bounds)
    free = meant([grid.order("opModEnergize", 1.0)], package_signals(), grid.facts, now=grid.now)
    assert free.bounds == ()
    assert free.in_force == ((Origin.IEEE2030_5, "opModEnergize/1"),)


def test_a_dispatch_is_turned_into_the_generator_frame(grid: SimpleNamespace) -> None:
    """If it fails, demand response raises the demand."""
    change = grid.order("LOAD_DISPATCH.delta", -2000.0)
    setpoint = grid.order("LOAD_DISPATCH.setpoint", 3000.0, event_id="event-2")
    for order, relative_to, power_w in (
        (change, RelativeTo.BASELINE, 2000.0),
        (setpoint, RelativeTo.ZERO, -3000.0),
    ):
        (one,) = meant([order], package_signals(), grid.facts, now=grid.now).dispatches
        assert (one.relative_to, one.power_w) == (relative_to, power_w)


def test_a_price_moves_the_tariff(grid: SimpleNamespace) -> None:
    """If it fails, a price signal is taken for a power."""
    order = grid.order("ELECTRICITY_PRICE.priceRelative", 12.5)
    (price,) = meant([order], package_signals(), grid.facts, now=grid.now).prices
    assert (price.pricing, price.value) == (Pricing.RELATIVE, 12.5)


def test_an_order_without_an_end_is_a_lease_that_rolls_forward(grid: SimpleNamespace) -> None:
    """If it fails, a default control of a server that is gone never ends."""
    order = grid.order(
        "opModExpLimW", 0.0, interval=Interval(start=grid.now, end=OPEN_END), is_default=True
    )
    ends = {
        meant([order], package_signals(), grid.facts, now=grid.now + timedelta(seconds=s))
        .bounds[0]
        .valid_until
        for s in range(600)
    }
    assert ends == {grid.now + timedelta(seconds=600), grid.now + timedelta(seconds=900)}


def test_a_future_order_does_nothing_yet_and_a_past_one_nothing_more(
    grid: SimpleNamespace,
) -> None:
    """If it fails, an event of tomorrow curtails today."""
    order = grid.order("opModExpLimW", 0.0)
    for moment in (order.interval.start - timedelta(seconds=1), order.interval.end):
        found = meant([order], package_signals(), grid.facts, now=moment)
        assert (found.bounds, found.in_force, found.refused) == ((), (), {})


def test_names_stay_unique_for_events_whose_mrids_begin_alike(grid: SimpleNamespace) -> None:
    """If it fails, two limits share a name and the wrong one is told as relaxed."""
    one = grid.order("opModExpLimW", 1.0, event_id="0" * 24 + "00000001")
    two = replace(one, mode="opModImpLimW", order_id="two", event_id="0" * 24 + "00000002")
    found = meant([one, two], package_signals(), grid.facts, now=grid.now)
    assert len({bound.name for bound in found.bounds}) == 2


def test_targets_that_differ_do_not_exclude_each_other(grid: SimpleNamespace) -> None:
    """If it fails, an event for one device ends another's."""
    mode = "LOAD_CONTROL.x-loadControlCapacity"
    heat = grid.order(mode, 0.5, order_id="a", targets=("heat",))
    store = grid.order(mode, 0.0, order_id="b", targets=("battery",), priority=2)
    found = meant([heat, store], package_signals(), grid.facts, now=grid.now)
    assert {(b.members[0], b.power_w_min) for b in found.bounds} == {
        (ResourceId("site-001/heat"), -1000.0),
        (ResourceId("site-001/battery"), 0.0),
    }
    both = replace(store, targets=())
    ranked = meant([heat, both], package_signals(), grid.facts, now=grid.now)
    assert list(ranked.yielding) == [(Origin.OPENADR, "b")]


REFUSED = [
    ("opModFreqWatt", 0.0, RefusalKind.UNSUPPORTED),
    ("opModVoltVar", 0.0, RefusalKind.UNSUPPORTED),
    ("opModUnheardOf", 0.0, RefusalKind.UNSUPPORTED),
    ("CHARGE_STATE.setpoint", 0.5, RefusalKind.UNSUPPORTED),
    ("BID_LOAD.setpoint", 1.0, RefusalKind.UNSUPPORTED),
    ("opModMaxLimW", 1.01, RefusalKind.INVALID),
    ("opModExpLimW", -1.0, RefusalKind.INVALID),
    ("opModExpLimW", math.nan, RefusalKind.INVALID),
    ("opModConnect", 2.0, RefusalKind.INVALID),
    ("SIMPLE.level", 4.0, RefusalKind.INVALID),
    ("SIMPLE.level", 0.5, RefusalKind.INVALID),
]


@pytest.mark.parametrize("row", REFUSED)
def test_what_cannot_be_done_is_refused_and_does_nothing(
    grid: SimpleNamespace, row: tuple[str, float, RefusalKind]
) -> None:
    """If it fails, a utility believes in a curve that no device follows."""
    mode, value, kind = row
    order = grid.order(mode, value)
    refusal = refusal_of(order, package_signals(), grid.facts)
    assert refusal is not None
    assert refusal.kind is kind
    found = meant([order], package_signals(), grid.facts, now=grid.now)
    assert found.bounds == ()
    assert list(found.refused) == [(order.origin, order.order_id)]


def test_a_refused_order_outranks_nobody(grid: SimpleNamespace) -> None:
    """If it fails, an order that is not carried out ends one that could be."""
    bad = grid.order("SIMPLE.level", 9.0, order_id="bad", priority=1)
    good = grid.order("SIMPLE.level", 1.0, order_id="good", priority=5)
    found = meant([bad, good], package_signals(), grid.facts, now=grid.now)
    assert found.in_force == ((Origin.OPENADR, "good"),)


def test_a_unit_that_is_not_watts_is_refused(grid: SimpleNamespace) -> None:
    """If it fails, volt-amperes or watt-hours are carried out as watts."""
    order = grid.order("LOAD_DISPATCH.setpoint", 5.0, unit="VA")
    refusal = refusal_of(order, package_signals(), grid.facts)
    assert refusal is not None
    assert refusal.kind is RefusalKind.INVALID


def test_unknown_targets_and_sites_without_the_resource_are_unable(grid: SimpleNamespace) -> None:
    """If it fails, a VEN opts in to what it has no device for."""
    named = grid.order("SIMPLE.level", 1.0, targets=("pool",))
    load_only = SiteFacts(resources=grid.facts.resources[2:], contract_import_w=8000.0, devices=1)
    connect = grid.order("opModConnect", 0.0)
    dispatch = grid.order("LOAD_DISPATCH.delta", 5.0, targets=("battery",))
    for order, facts in ((named, grid.facts), (connect, load_only), (dispatch, grid.facts)):
        refusal = refusal_of(order, package_signals(), facts)
        assert refusal is not None
        assert refusal.kind is RefusalKind.UNABLE


def test_before_the_devices_are_found_nothing_is_refused_for_want_of_them(
    grid: SimpleNamespace,
) -> None:
    """If it fails, every event that comes right after a restart is opted out of."""
    early = SiteFacts(resources=(), contract_import_w=8000.0, devices=3)
    for order in (
        grid.order("opModConnect", 0.0),
        grid.order("SIMPLE.level", 1.0, targets=("battery",)),
    ):
        assert refusal_of(order, package_signals(), early) is None
        assert meant([order], package_signals(), early, now=grid.now).bounds == ()


def test_a_hostile_name_stays_one_short_line(grid: SimpleNamespace) -> None:
    """If it fails, a peer's words forge lines of the log or fill the journal."""
    order = grid.order("opModExpLimW", 1.0, event_id="a\nb" * 500, issued_by="x\x1b[2J" * 500)
    (bound,) = meant([order], package_signals(), grid.facts, now=grid.now).bounds
    assert bound.name.isprintable()
    assert bound.source.isprintable()
    assert len(bound.name) < 200
    assert len(bound.source) < 200
