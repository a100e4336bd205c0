"""The statement of a dispatched award: by which rules, for which slots, for how much."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from cloud_coordinator.settlement.records import Performance, Statement
from protocols.vocabulary.identifiers import ObligationId

AWARD = ObligationId("award-1")
AWARD_W = 40_000.0
MakeWorld = Callable[..., Any]


@pytest.fixture
def world(make_world: MakeWorld) -> Any:
    """Return a zone of 20 sites with an award that begins in ten seconds."""
    world = make_world(sites=20, seed=1)
    world.run_until(world.clock.time_s + 3)
    world.award(AWARD_W, duration_s=300)
    return world


def settled(world: Any) -> Statement:
    world.run_until(world.clock.time_s + 330)
    found = world.coordinator.queries.statement(AWARD)
    assert isinstance(found, Statement)
    return found


def command(world: Any, power_w: float) -> None:
    start = int(world.coordinator.queries.award(AWARD).obligation.interval.start.timestamp())
    world.at(start + 0.05, lambda: world.command(start, power_w))


def test_the_market_s_rules_settle_what_ours_steered(world: Any) -> None:
    """If it fails, the demo's bill is made by the rules we steer by, or by none."""
    command(world, 0.5 * AWARD_W)
    found = settled(world)
    assert world.coordinator.queries.award(AWARD).terms.rule_set_id == "seed-internal"
    assert found.rule_set_id == "eprx-2026-03-14"
    assert found.rule_version.startswith("eprx-2026-03-14@")
    assert found.final_at > found.interval.end
    assert found.available, "twenty sites offered more than was awarded"
    assert found.band_kept
    assert sum(slot.seconds for slot in found.slots) == 300
    assert sum(slot.points for slot in found.slots) == 300
    price = world.coordinator.queries.award(AWARD).terms.price_jpy_per_kw_30min
    assert abs(found.capacity_value_jpy - price * 40 * 300 / 1800) < Decimal("1e-8")
    assert found.amount_yen == int(found.capacity_value_jpy)
    assert world.coordinator.queries.statement(AWARD) == found


def test_a_command_beyond_the_award_is_no_failure_of_ours(world: Any) -> None:
    """If it fails, we are charged for a command that the contract does not know."""
    command(world, 2.0 * AWARD_W)
    found = settled(world)
    assert {slot.performance for slot in found.slots} == {Performance.EXCLUDED}
    assert found.penalty_performance_jpy == 0


def test_the_live_band_is_the_engine_s(world: Any) -> None:
    """If it fails, the operator steers by another band than the tables say."""
    command(world, 0.5 * AWARD_W)
    world.run_until(world.clock.time_s + 320)
    points = world.coordinator.live.points_after(AWARD, 0)
    first, last = points[0], points[-1]
    assert (first.lower_w, first.upper_w) == pytest.approx((-1000.0, 21_000.0))
    assert last.lower_w <= last.promised_w <= last.upper_w
    assert len(points) > 250
