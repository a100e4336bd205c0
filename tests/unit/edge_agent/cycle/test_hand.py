"""A person's hand on a site, as a table, and the door it comes through."""

import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_agent.cycle.hand import HandKind, HandMemory, HandOrder, HandTaken, take_hand
from edge_agent.cycle.hand_door import HandDoor, answered, knock, read_order
from edge_agent.cycle.memory import AgentMemory, changed_state, load_memory
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ResourceId, SiteId
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

BATTERY = ResourceId("site-001/battery")


def resource() -> Resource:
    return Resource(
        resource_id=BATTERY,
        site_id=SiteId("site-001"),
        kind=ResourceKind.BATTERY,
        power_w_min=-3000.0,
        power_w_max=3000.0,
        ramp_w_per_s=1000.0,
        energy_wh_capacity=10_000.0,
        capabilities=frozenset({Capability.TAKES_SETPOINT}),
    )


def order(nouns: SimpleNamespace, name: str = "o1", **changes: object) -> HandOrder:
    whole = {
        "order_id": name,
        "kind": HandKind.OVERRIDE,
        "by": "mori",
        "given_at": nouns.now,
        "resource_id": BATTERY,
        "power_w": 1000.0,
        "until": nouns.now + timedelta(minutes=15),
    }
    return HandOrder(**{**whole, **changes})  # type: ignore[arg-type]


def done(
    nouns: SimpleNamespace, memory: HandMemory, *orders: HandOrder, later_s: float = 0.0
) -> HandTaken:
    now = nouns.now + timedelta(seconds=later_s)
    return take_hand(memory, orders, resources=[resource()], now=now)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"by": " "}, "by"),
        ({"power_w": 4000.0}, "power_w"),
        ({"power_w": float("nan")}, "power_w"),
        ({"power_w": None}, "power_w"),
        ({"until": None}, "until"),
        ({"resource_id": ResourceId("site-001/none")}, "device"),
        ({"resource_id": None}, "device"),
    ],
)
def test_a_bad_override_is_refused_with_its_field(
    nouns: SimpleNamespace, changes: dict[str, object], field: str
) -> None:
    """If it fails, a slip of the hand moves a device beyond what it can or for ever."""
    found = done(nouns, HandMemory(), order(nouns, **changes))
    assert found.answers["o1"].startswith(field)
    assert found.memory == HandMemory()
    assert [one.kind for one in found.happened] == ["override.refused"]


def test_old_and_endless_orders_are_refused(nouns: SimpleNamespace) -> None:
    """If it fails, an order left in the door acts long after its giver has gone home."""
    old = order(nouns, given_at=nouns.now - timedelta(minutes=1))
    endless = order(nouns, "o2", until=nouns.now + timedelta(hours=5))
    found = done(nouns, HandMemory(), old, endless)
    assert found.answers["o1"].startswith("given_at")
    assert found.answers["o2"].startswith("until")


def test_an_override_holds_once_ends_by_itself_and_survives_a_restart(
    nouns: SimpleNamespace,
) -> None:
    """If it fails, a forgotten override stays, a restart loses it, or a repeat prolongs it."""
    first = done(nouns, HandMemory(), order(nouns))
    assert [one.kind for one in first.happened] == ["override.set"]
    assert first.memory.left_s(nouns.now) == 900.0
    (limit,) = first.memory.limits()
    assert (limit.power_w_min, limit.power_w_max) == (1000.0, 1000.0)
    assert done(nouns, first.memory, order(nouns)).happened == ()
    state = changed_state(AgentMemory(), AgentMemory(hand=first.memory))
    assert load_memory(state.get).hand == first.memory
    over = done(nouns, first.memory, later_s=901.0)
    assert over.memory.overrides == ()
    assert [one.kind for one in over.happened] == ["override.ended"]


def test_safe_ends_only_by_a_release_at_the_site(nouns: SimpleNamespace) -> None:
    """If it fails, the cloud takes back what a technician made safe with his hands inside."""
    safe = done(nouns, HandMemory(), order(nouns, kind=HandKind.SAFE, resource_id=None))
    remote = order(nouns, "r", kind=HandKind.RELEASE, resource_id=None, is_remote=True)
    assert done(nouns, safe.memory, remote).memory.safe_by == "mori"
    one = order(nouns, "d", kind=HandKind.RELEASE)
    assert done(nouns, safe.memory, one).memory.safe_by == "mori", "one device is not the site"
    local = order(nouns, "l", kind=HandKind.RELEASE, resource_id=None)
    left = done(nouns, safe.memory, local, later_s=1.0)
    assert left.memory.safe_by == ""
    assert [event.kind for event in left.happened] == ["safe.left"]


def test_the_door_passes_an_order_and_its_answer(nouns: SimpleNamespace, tmp_path: Path) -> None:
    """If it fails, a technician's order is lost, or read by others."""
    door = HandDoor(tmp_path)
    assert door.take() == ()
    place = knock(tmp_path, order(nouns))
    assert answered(place) is None
    (taken,) = door.take()
    assert taken == order(nouns)
    assert (tmp_path / "hand").stat().st_mode & 0o077 == 0
    door.answer({"o1": "power_w: no"})
    assert answered(place) == "power_w: no"
    assert door.take() == ()
    (tmp_path / "hand" / "bad.order.json").write_text("{")
    assert door.take() == ()
    assert answered(tmp_path / "hand" / "bad.answer.json") == "order: is not JSON"


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"kind": "override", "power_w": "x"}', '{"kind": "safe", "given_at": "today"}',
     '{"kind": "safe", "given_at": "2026-07-22"}', '{"kind": [], "by": 3}', "[" * 3000],
)  # fmt: skip
def test_what_is_no_order_is_one_clear_line(text: str) -> None:
    """If it fails, a broken file in the door stops the site's cycle."""
    with pytest.raises(ConfigError):
        read_order(text.encode(), "x")
    with pytest.raises(ConfigError):
        read_order(json.dumps({"kind": "safe", "by": "x" * 5000}).encode(), "x")
