"""Small nouns for the tests of orders from the grid."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from edge_agent.northbound.port import GridOrder, Origin
from edge_agent.northbound.scaling import SiteFacts
from protocols.vocabulary.identifiers import ResourceId, SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.resource import Resource, ResourceKind

NOW = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
SITE = SiteId("site-001")


def order(mode: str, value: float, **changes: Any) -> GridOrder:
    openadr = "." in mode
    fields: dict[str, Any] = {
        "order_id": f"{mode}/1",
        "event_id": "event-1",
        "origin": Origin.OPENADR if openadr else Origin.IEEE2030_5,
        "issued_by": "grid",
        "mode": mode,
        "value": value,
        "interval": Interval(start=NOW - timedelta(minutes=10), end=NOW + timedelta(minutes=20)),
        "priority": 1,
        "issued_at": NOW - timedelta(hours=1),
    }
    return GridOrder(**(fields | changes))


def resource(
    name: str, kind: ResourceKind, *, low_w: float, high_w: float, wh: float = 0.0
) -> Resource:
    return Resource(
        resource_id=ResourceId(f"{SITE}/{name}"),
        site_id=SITE,
        kind=kind,
        power_w_min=low_w,
        power_w_max=high_w,
        ramp_w_per_s=float("inf"),
        energy_wh_capacity=wh,
    )


FACTS = SiteFacts(
    resources=(
        resource("battery", ResourceKind.BATTERY, low_w=-3000.0, high_w=4000.0, wh=10_000.0),
        resource("pv", ResourceKind.PV, low_w=0.0, high_w=6000.0),
        resource("heat", ResourceKind.HEAT_PUMP, low_w=-2000.0, high_w=0.0),
    ),
    contract_import_w=8000.0,
    devices=3,
)


@pytest.fixture
def grid() -> SimpleNamespace:
    """Makers of orders, and a site with a battery, PV and a heat pump."""
    return SimpleNamespace(now=NOW, site=SITE, order=order, facts=FACTS, resource=resource)
