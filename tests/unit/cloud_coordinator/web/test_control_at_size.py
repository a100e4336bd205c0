"""A plan for 100,000 resources: decided on the thread, answered in pieces; times are printed."""

import sys
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np

from cloud_coordinator.fleet.moment import moment_of
from cloud_coordinator.services.plans import PlanRequest
from cloud_coordinator.services.strategies.port import Objective
from protocols.link.messages import Layout, Telemetry
from protocols.vocabulary.identifiers import JournalId, ResourceId, SiteId, ZoneId
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

SITES, PER_SITE = 5_000, 20
BIG = ZoneId("big")
KINDS = (ResourceKind.BATTERY, ResourceKind.EV_V2H, ResourceKind.LOAD, ResourceKind.HEAT_PUMP)
PATH = "/api/v1/control/optimize"
DECISIONS, REQUESTS = 12, 3
WAITS_MAX = 3_000


def fill(plant: Any) -> None:
    """Put 5,000 live sites with 20 resources each into the live table."""
    fleet, clock = plant.coordinator.fleet, plant.clock
    draw = np.random.default_rng(5)
    for site in range(SITES):
        name = SiteId(f"big-{site:04d}")
        resources = []
        for at in range(PER_SITE):
            kind = KINDS[at % len(KINDS)]
            stores = kind in {ResourceKind.BATTERY, ResourceKind.EV_V2H}
            resources.append(
                Resource(
                    resource_id=ResourceId(f"{name}/{at:02d}"),
                    site_id=name,
                    kind=kind,
                    power_w_min=-5000.0,
                    power_w_max=5000.0 if stores else 0.0,
                    ramp_w_per_s=float("inf"),
                    energy_wh_capacity=10_000.0 if stores else 0.0,
                    capabilities=frozenset({Capability.TAKES_SETPOINT}),
                )
            )
        fleet.upsert_site(name, BIG)
        fleet.upsert_layout(name, Layout(version=1, resources=tuple(resources)))
        row = [-5e3, -5e3, 0.0, 5e4, 0.0, 0.0]
        for power in draw.uniform(-3000.0, -500.0, PER_SITE):
            row += [power, np.nan, 0.5, 0.0]
        fleet.update(
            name,
            Telemetry(
                journal_id=JournalId("j"),
                first_sequence=1,
                layout_version=1,
                times_s=np.array([int(clock.time_s)], dtype=np.int64),
                signal_ids=np.array([0], dtype=np.int64),
                values=np.array([row], dtype=np.float32),
            ),
            moment_of(clock),
        )
    fleet.tick(moment_of(clock))
    for _ in range(WAITS_MAX):
        if plant.coordinator.optimizing.prepare():
            return
        time.sleep(0.02)
    raise AssertionError("the columns were never laid out")


def say(what: str, times_ms: list[float]) -> None:
    sys.stdout.write(
        f"{what}: p50 {np.percentile(times_ms, 50):.1f} ms, "
        f"p99 {np.percentile(times_ms, 99):.1f} ms of {len(times_ms)}\n"
    )


def test_a_plan_for_100_000_resources(api: Any) -> None:
    """If it fails, the API would hold for a demo's fleet and not for the one it is made for."""
    plant = api.plant
    fill(plant)
    desk = plant.coordinator.optimizing
    spent: dict[str, list[float]] = {"wall": [], "cpu": []}
    for round_ in range(DECISIONS):
        request = PlanRequest(
            vpp_id=BIG,
            target_at=plant.clock.now() + timedelta(seconds=60),
            objective=tuple(Objective)[round_ % len(Objective)],
            reserve_w=1e6,
            limits=(),
        )
        began, cpu = time.perf_counter(), time.thread_time()
        task = desk.ask(request, plant.coordinator.now())
        answer = desk.decide(replace(task, asked_w=40e6))
        spent["wall"].append((time.perf_counter() - began) * 1e3)
        spent["cpu"].append((time.thread_time() - cpu) * 1e3)
        assert answer.resources == SITES * PER_SITE
        assert answer.response_w >= 40e6 * (1.0 - 1e-6)
    say("decision, processor time", spent["cpu"])
    say("decision, wall time", spent["wall"])


def test_a_long_answer_is_one_document(api: Any) -> None:
    """If it fails, a large fleet's plan would come as text that no program can read."""
    plant = api.plant
    fill(plant)
    body = {
        "vpp_id": BIG,
        "target_timestamp": (plant.clock.now() + timedelta(seconds=60)).isoformat(),
        "optimization_objective": "PROFIT_MAX",
    }
    desk, now = plant.coordinator.optimizing, plant.coordinator.now()
    request = PlanRequest(
        vpp_id=BIG,
        target_at=now.at,
        objective=Objective.COST_MIN,
        reserve_w=0.0,
        limits=(),
    )
    desk.decide(desk.ask(request, now))
    times, reply = [], None
    for _ in range(REQUESTS):
        began = time.perf_counter()
        reply = api.run(api._call("POST", PATH, {"json": body}))
        times.append((time.perf_counter() - began) * 1e3)
        assert reply.status in {200, 504}, reply.text
    assert reply is not None
    say("request, answer read and parsed", times)
    if reply.status == 200:
        assert "Content-Length" not in reply.headers
        names = [one["resource_id"] for one in reply.json["control_commands"]]
        assert len(set(names)) == len(names) > SITES
        sys.stdout.write(f"{len(names):,} commands, {len(reply.text):,} bytes\n")
