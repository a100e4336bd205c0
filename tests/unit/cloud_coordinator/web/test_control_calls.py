"""``POST /api/v1/control/optimize``: what it answers, and what it refuses."""

import json
import threading
import time
from datetime import timedelta
from typing import Any

import pytest

from cloud_coordinator.services.records import EventQuery

PATH = "/api/v1/control/optimize"
JSON = {"Content-Type": "application/json"}
AGAIN_MAX = 20
DEEP = 20_000
START_S = 1_784_680_000


def body(plant: Any, **changes: Any) -> dict[str, Any]:
    at = plant.clock.now() + timedelta(seconds=2)
    return {
        "vpp_id": "tokyo",
        "target_timestamp": at.isoformat(),
        "optimization_objective": "COST_MIN",
        "constraints": {"max_response_time_ms": 100},
        **changes,
    }


def ask(api: Any, text: bytes | None = None, **changes: Any) -> Any:
    """Post; on a busy machine 100 ms may pass, and the caller asks again, as a caller should."""
    if text is None:
        text = json.dumps(body(api.plant, **changes)).encode()
    for _ in range(AGAIN_MAX):
        reply = api.post(PATH, data=text, headers=JSON)
        if reply.status != 504:
            break
        time.sleep(0.2)
    return reply


def command(api: Any, power_w: float) -> None:
    issued_at = (api.plant.clock.now() - timedelta(seconds=1)).isoformat()
    path = "/api/v1/obligations/award-1/commands"
    assert api.post(path, {"issued_at": issued_at, "power_w": power_w}).status in {200, 201}


def plans(api: Any) -> list[Any]:
    query = EventQuery(kind="plan.computed", site_id=None, since=None, limit=100)
    return list(api.plant.record.events(query))


@pytest.mark.parametrize("objective", ["PROFIT_MAX", "STABILITY_FIRST", "COST_MIN"])
def test_what_a_command_asks_is_shared(running: Any, objective: str) -> None:
    """If it fails, the plan would promise another power than the award's command asks for."""
    command(running, 6000.0)
    running.plant.hear_all()
    reply = ask(running, optimization_objective=objective)
    assert reply.status == 200, reply.text
    told = reply.json["expected_performance"]
    powers = {one["resource_id"]: one["target_value"] for one in reply.json["control_commands"]}
    assert set(powers) == {f"site-{i}/battery-1" for i in (1, 2, 3)}
    assert all(1000.0 <= power <= 5000.0 for power in powers.values())
    assert told["total_response_mw"] == pytest.approx(6e-3, rel=1e-6) or objective != "COST_MIN"
    assert told["total_response_mw"] >= 6e-3 * (1.0 - 1e-6)
    assert 0.0 <= told["confidence_score"] <= 1.0


def test_stability_promises_more_than_cost(running: Any) -> None:
    """If it fails, the objective's name would not change what is done."""
    command(running, 4000.0)
    running.plant.hear_all()
    scores = [
        ask(running, optimization_objective=name).json["expected_performance"]["confidence_score"]
        for name in ("COST_MIN", "STABILITY_FIRST")
    ]
    assert scores[1] > scores[0]


def test_a_plan_is_recorded_and_nothing_is_sent(running: Any) -> None:
    """If it fails, an outsider's question would move batteries, or leave no trace."""
    before = running.plant.awards.award_writes
    reply = ask(running)
    (event,) = plans(running)
    assert event.payload["optimization_id"] == reply.json["optimization_id"]
    assert event.payload["commands"] == len(reply.json["control_commands"])
    assert event.payload["price_source"] == "reference"
    assert running.plant.awards.award_writes == before


def test_a_silent_fleet_is_not_planned_with(running: Any) -> None:
    """If it fails, powers of ten minutes ago would look like those of now."""
    running.plant.clock.time_s += 20.0
    reply = ask(running)
    assert reply.status == 503
    assert reply.json["type"].endswith("stale")
    assert plans(running) == []


def test_a_silent_site_gets_no_command(running: Any) -> None:
    """If it fails, the plan would count on a site that nobody has heard of for a while."""
    command(running, 3000.0)
    running.plant.clock.time_s += 6.0
    for site in ("site-1", "site-2"):
        running.plant.hear(site)
    reply = ask(running)
    asked = {one["resource_id"] for one in reply.json["control_commands"]}
    assert reply.status == 200
    assert asked
    assert "site-3/battery-1" not in asked


def test_a_limit_of_the_grid_is_kept(running: Any) -> None:
    """If it fails, a plan would overload the feeder that the request named."""
    command(running, 6000.0)
    running.plant.hear_all()
    limit = {"node_id": "feeder-1", "site_ids": ["site-1", "site-2"], "limit_up_mw": 0.0005}
    reply = ask(running, constraints={"grid_constraints": [limit]})
    powers = {one["resource_id"]: one["target_value"] for one in reply.json["control_commands"]}
    assert reply.status == 200
    first_two = sum(powers.get(f"site-{i}/battery-1", 1000.0) - 1000.0 for i in (1, 2))
    assert first_two <= 500.0 + 0.2


def test_a_reserve_stays_free(running: Any) -> None:
    """If it fails, the reserve that was asked for would be spent."""
    command(running, 6000.0)
    running.plant.hear_all()
    able = ask(running, constraints={"reserve_capacity_mw": 0.5})
    assert able.status == 422
    assert able.json["errors"][0]["field"].endswith("reserve_capacity_mw")
    some = ask(running, constraints={"reserve_capacity_mw": 0.01}).json["expected_performance"]
    assert some["total_response_mw"] < 6e-3


def test_what_is_not_decided_in_time_is_refused(running: Any) -> None:
    """If it fails, a caller would get a decision after the time it was for."""
    desk, gate = running.plant.coordinator.optimizing, threading.Event()
    decide = desk.decide
    desk.decide = lambda task: (gate.wait(2.0), decide(task))[1]
    try:
        text = json.dumps(body(running.plant, constraints={"max_response_time_ms": 20})).encode()
        reply = running.post(PATH, data=text, headers=JSON)
    finally:
        gate.set()
        desk.decide = decide
    assert reply.status == 504
    assert "max_response_time_ms" in reply.json["detail"]
    assert plans(running) == []
    assert ask(running).status == 200


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "late": ({"target_timestamp": "2020-01-01T00:00:00+09:00"}, "target_timestamp"),
    "far": ({"target_timestamp": "2190-01-01T00:00:00+09:00"}, "target_timestamp"),
    "local": ({"target_timestamp": "2026-07-22T10:00:00"}, "target_timestamp"),
    "number": ({"target_timestamp": 5}, "target_timestamp"),
    "objective": ({"optimization_objective": "MAX"}, "optimization_objective"),
    "slow": ({"constraints": {"max_response_time_ms": 101}}, "max_response_time_ms"),
    "zero": ({"constraints": {"max_response_time_ms": 0}}, "max_response_time_ms"),
    "text": ({"constraints": {"max_response_time_ms": "20"}}, "max_response_time_ms"),
    "negative": ({"constraints": {"reserve_capacity_mw": -1.0}}, "reserve_capacity_mw"),
    "huge": ({"constraints": {"reserve_capacity_mw": 1e300}}, "reserve_capacity_mw"),
    "unknown": ({"constraints": {"soon": True}}, "soon"),
    "no list": ({"constraints": {"grid_constraints": {}}}, "grid_constraints"),
    "no node": ({"constraints": {"grid_constraints": [{}]}}, "node_id"),
    "unknown node": ({"constraints": {"grid_constraints": [{"node_id": "x"}]}}, "node_id"),
    "unknown key": (
        {"constraints": {"grid_constraints": [{"node_id": "tokyo", "cap": 1}]}},
        "cap",
    ),
    "unknown site": (
        {"constraints": {"grid_constraints": [{"node_id": "f", "site_ids": ["nobody"]}]}},
        "site_ids",
    ),
    "many": ({"constraints": {"grid_constraints": [{"node_id": "tokyo"}] * 900}}, "grid_constr"),
    "overlap": (
        {
            "constraints": {
                "grid_constraints": [
                    {"node_id": "a", "site_ids": ["site-1", "site-2"]},
                    {"node_id": "b", "site_ids": ["site-2", "site-3"]},
                ]
            }
        },
        "site_ids",
    ),
    "id": ({"vpp_id": ""}, "vpp_id"),
    "type": ({"vpp_id": ["tokyo"]}, "vpp_id"),
    "field": ({"more": 1}, "more"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_field_is_named(running: Any, name: str) -> None:
    """If it fails, a mistake would be planned with, or refused without saying where."""
    command(running, 3000.0)
    changes, field = WRONG[name]
    reply = ask(running, **changes)
    assert reply.status == 422, reply.text
    assert field in reply.json["detail"]
    assert plans(running) == []


BROKEN: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "deep": (b'{"constraints": ' + b"[" * DEEP + b"]" * DEEP + b"}", 400),
    "deep object": (b'{"constraints":' * 4000 + b"1" + b"}" * 4000, 400),
    "null": (b"null", 422),
    "million": (b'{"constraints":{"grid_constraints":[' + b"{}," * 1_000_000 + b"{}]}}", 413),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_body_that_cannot_be_read_is_refused(shared: Any, name: str) -> None:
    """If it fails, one odd request would stop the service for everybody."""
    text, status = BROKEN[name]
    assert ask(shared, text).status == status
    assert shared.get("/healthz").status == 200


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 5000])
@pytest.mark.parametrize("field", ["reserve_capacity_mw", "limit_up_mw"])
def test_a_number_that_is_none_is_refused(shared: Any, field: str, value: bytes) -> None:
    """If it fails, NaN would pass every limit, because it is neither above nor below one."""
    held = {"node_id": "tokyo", field: "HERE"}
    constraints = {field: "HERE"} if field.startswith("reserve") else {"grid_constraints": [held]}
    text = json.dumps(body(shared.plant, constraints=constraints)).encode()
    reply = ask(shared, text.replace(b'"HERE"', value))
    assert reply.status in {400, 422}


def test_an_unknown_vpp_is_not_there(shared: Any) -> None:
    """If it fails, somebody else's fleet would be planned with."""
    assert ask(shared, vpp_id="osaka").status == 404
