"""The order of authority as a table: rows of authority.toml, what is in force and what happens."""

import math
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_agent.control.decide import decide
from edge_agent.control.limits import (
    contract_import,
    emergency_stop,
    export_limit,
    technician_override,
)
from edge_agent.cycle.grid_orders import ordered, tariff_under
from edge_agent.northbound.meaning import Meant, meant
from edge_agent.northbound.port import OPEN_END, GridOrder, Origin
from edge_agent.northbound.scaling import SiteFacts
from edge_agent.northbound.signals import package_signals
from protocols.vocabulary.arrays import column
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.mode import Mode
from protocols.vocabulary.obligation import HoldRule, RelativeTo

ROWS: list[dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("authority.toml").read_text(encoding="utf-8")
)["row"]
SECONDS = 40


def order_of(index: int, said: dict[str, Any], t0: datetime) -> GridOrder:
    openadr = "." in said["mode"]
    default = bool(said.get("default", False))
    return GridOrder(
        order_id=f"order-{index}",
        event_id=f"order-{index}",
        origin=Origin.OPENADR if openadr else Origin.IEEE2030_5,
        issued_by="test",
        mode=said["mode"],
        value=said["value"],
        interval=Interval(start=t0, end=OPEN_END if default else t0 + timedelta(hours=1)),
        priority=said.get("priority", 1),
        issued_at=t0 - timedelta(seconds=said.get("age", 60.0)),
        is_default=default,
    )


def market_of(paper: Any, row: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
    """Make commitment and signal: a share relative to the baseline, or a schedule."""
    if "schedule" in row:
        one = paper.commitment(capacity_w=2.0 * row["schedule"], hold=HoldRule.FOLLOW_PROFILE)
        zero = paper.replace(one.obligation, relative_to=RelativeTo.ZERO)
        wide = paper.replace(one.envelope, power_w_min=column([-1e5]), power_w_max=column([1e5]))
        return (paper.replace(one, obligation=zero, envelope=wide),), None
    if "market" in row:
        price = 20.0 + row["market"] / 200.0
        return (paper.commitment(),), paper.signal(price)
    return (), None


def site_of(paper: Any, row: dict[str, Any]) -> tuple[Any, Meant, tuple[Any, ...], Any]:
    battery, pv = paper.battery("battery"), paper.photovoltaic("pv")
    plant = paper.plant(bindings=(battery, pv), load_w=row["load"])
    plant.device("pv").available_w = plant.device("pv").power_w = row["pv"]
    plant.device("battery").soc = row.get("soc", 0.5)
    plant.limits = (contract_import(10_000.0), export_limit(row.get("export_limit", 10_000.0)))
    plant.commitments, plant.signal = market_of(paper, row)
    resources = (battery.resource, pv.resource)
    if row.get("stop"):
        plant.limits += emergency_stop(resources, source="test")
    if "technician" in row:
        until = paper.t0 + timedelta(hours=1)
        name = battery.resource.resource_id
        plant.limits += (
            technician_override(name, row["technician"], valid_until=until, source="mori"),
        )
        plant.mode = Mode.MANUAL
    if row.get("safe") or row.get("stop"):
        plant.mode = Mode.SAFE
    orders = [order_of(i, said, paper.t0) for i, said in enumerate(row.get("orders", []))]
    facts = SiteFacts(resources=resources, contract_import_w=10_000.0, devices=2)
    meaning = meant(orders, package_signals(), facts, now=paper.t0)
    assert not meaning.refused
    now_ordered = ordered(
        meaning, orders, (), site_id=battery.resource.site_id, baseline_w=row.get("baseline")
    )
    plant.limits += now_ordered.limits
    return plant, meaning, now_ordered.meter_orders, now_ordered


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_the_order_of_authority(paper: Any, row: dict[str, Any]) -> None:
    """If it fails, a site obeys the weaker of two commands, or tells both that it obeyed."""
    plant, meaning, meter_orders, now_ordered = site_of(paper, row)
    gave_way: set[str] = set()
    trace = []
    for _ in range(SECONDS):
        frame = plant.frame()
        frame = paper.replace(
            frame,
            meter_orders=meter_orders or None,
            tariff=tariff_under(frame.tariff, now_ordered.meant.prices),
        )
        inputs = paper.replace(plant.inputs(), frame=frame)
        decision, plant.state = decide(inputs, plant.state)
        for setpoint in decision.setpoints:
            plant.devices[setpoint.resource_id].told_w = setpoint.power_w
        for release in decision.releases:
            plant.devices[release.resource_id].told_w = None
        for device in plant.devices.values():
            device.step()
            device.soc = row.get("soc", 0.5)
        plant.second += 1
        trace.append(plant.meter_w)
        gave_way |= {one.name for one in decision.relaxed}
    seen = {
        "meter": plant.meter_w,
        "battery": plant.device("battery").power_w,
        "pv_does": plant.device("pv").power_w,
    }
    for what, power_w in seen.items():
        low_w, high_w = row.get(what, [-math.inf, math.inf])
        assert low_w - 1.0 <= power_w <= high_w + 1.0, (what, seen, gave_way, decision.ranges)
    for name in row.get("gives_way", []):
        assert any(one.startswith(name) for one in gave_way), (gave_way, seen)
    assert sorted(order_id for _, order_id in meaning.yielding) == row.get("yields", [])
