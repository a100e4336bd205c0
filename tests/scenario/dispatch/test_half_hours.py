"""The half hours of a dispatched award as rows of the requirement's tables, in a real registry."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from cloud_coordinator.services.half_hours import WAIT, HalfHourRows, HalfHourStores
from cloud_coordinator.services.records import SiteRecord
from cloud_coordinator.store import tables
from cloud_coordinator.store.market_days import MarketDays
from cloud_coordinator.store.record_table import RecordTable
from cloud_coordinator.store.registry import Registry
from protocols.link.messages import Layout
from protocols.vocabulary.calendar import slot_of
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.obligation import ObligationState
from protocols.vocabulary.resource import Resource, ResourceKind

SITES = 20
AWARD_W = 40_000.0


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    made = Registry.open(tmp_path / "registry.sqlite3")
    yield made
    made.close()


def _with_battery(record: SiteRecord) -> SiteRecord:
    battery = Resource(
        resource_id=ResourceId(f"{record.site_id}-battery"),
        site_id=record.site_id,
        kind=ResourceKind.BATTERY,
        power_w_min=-5000.0,
        power_w_max=5000.0,
        ramp_w_per_s=1000.0,
        energy_wh_capacity=10_000.0,
    )
    return replace(record, layout=Layout(version=1, resources=(battery,)))


def _rows(world: Any, registry: Registry) -> HalfHourRows:
    return HalfHourRows(
        world.coordinator.queries,
        HalfHourStores(
            sites=registry.sites,
            history=world.stores,
            rows=MarketDays(registry.database),
            records=RecordTable(registry.database, book="half-hours"),
        ),
    )


def test_a_dispatched_award_fills_control_history_and_performance_once(
    make_world: Callable[..., Any], registry: Registry
) -> None:
    """If it fails, the customer's tables stay empty while the fleet is paid for its work."""
    world = make_world(sites=SITES, seed=1)
    world.run_until(world.clock.time_s + 3)
    award = world.award(AWARD_W, duration_s=300)
    start = int(award.obligation.interval.start.timestamp())
    world.at(start + 0.05, lambda: world.command(start, 0.5 * AWARD_W))
    world.run_until(start + 330)
    for record in world.stores.sites():
        registry.sites.save_site(_with_battery(record))

    slot = slot_of(award.obligation.interval.start)
    ended = slot.interval.end + WAIT
    for _ in range(2):  # a second program, or a second look, changes nothing
        rows = _rows(world, registry)
        due = rows.due(ended)
        for one in due:
            for step in rows.steps(one):
                step()
    assert _rows(world, registry).due(ended) == ()
    assert len(_rows(world, registry).due(ended + timedelta(minutes=60))) == 2

    controls, performance = tables.control_history, tables.vpp_performance
    bound = [
        one
        for one in world.coordinator.queries.award(award.obligation.obligation_id).commitments
        if one.obligation.state is not ObligationState.REFUSED
    ]
    with registry.database.reading() as connection:
        count, target, actual = connection.execute(
            select(
                func.count(), func.sum(controls.c.target_value), func.sum(controls.c.actual_value)
            )
        ).one()
        assert count == len(bound)
        assert float(target) == pytest.approx(20.0, rel=0.1)
        assert float(actual) == pytest.approx(float(target), rel=0.15)
        row = connection.execute(
            select(performance).where(performance.c.measurement_timestamp == slot.interval.start)
        ).one()
        assert row.active_resources_count == SITES
        assert row.total_capacity_kw == 5 * SITES
        assert row.market_revenue_yen > 0
        assert row.availability_ratio == 100
