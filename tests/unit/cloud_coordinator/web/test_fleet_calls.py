"""Sites, resources and health."""

from dataclasses import replace
from typing import Any

import pytest

from cloud_coordinator.web.ports import Vitals
from protocols.vocabulary.identifiers import SiteId


def test_a_site_that_was_never_heard_has_no_numbers(api: Any) -> None:
    """A site that is only registered would look as if it delivered 0 W."""
    items = api.get("/api/v1/sites").json["items"]
    assert [one["site_id"] for one in items] == ["site-1", "site-2", "site-3"]
    assert {one["link"] for one in items} == {"never"}
    for one in items:
        assert one["meter_w"] is one["delivered_w"] is one["soc"] is one["age_s"] is None


def test_a_live_site_shows_what_it_said(api: Any, plant: Any) -> None:
    """The operator would be shown another power than the site's meter has."""
    plant.hear_all()
    one = api.get("/api/v1/sites/site-2").json
    shown = {name: one[name] for name in ("link", "mode", "quality", "meter_w", "delivered_w")}
    assert shown == {
        "link": "live",
        "mode": "normal",
        "quality": "good",
        "meter_w": -500.0,
        "delivered_w": 1000.0,
    }
    assert (one["soc"], one["signal_id"], one["agent_version"]) == (0.5, 7, "1.2.3")
    battery, meter = one["resources"]
    assert (battery["resource_id"], battery["kind"]) == ("site-2/battery-1", "battery")
    assert (battery["power_w"], battery["soc"], battery["setpoint_w"]) == (1000.0, 0.5, None)
    assert battery["ramp_w_per_s"] is None
    assert (meter["kind"], meter["power_w"]) == ("meter", -500.0)


def test_a_silent_site_never_looks_fresh(api: Any, plant: Any) -> None:
    """An old reading would be taken for the present one."""
    plant.hear_all()
    plant.clock.time_s += 30.0
    plant.coordinator.tick()
    one = api.get("/api/v1/sites/site-1").json
    assert (one["link"], one["quality"], one["age_s"]) == ("lost", "stale", 30.0)
    assert {resource["quality"] for resource in one["resources"]} == {"stale"}


def test_an_unknown_site_is_404(api: Any) -> None:
    """A typing error in a site's name would be taken for an empty site."""
    reply = api.get("/api/v1/sites/site-9")
    assert reply.status == 404
    assert reply.json["detail"] == "site 'site-9' is not known"
    assert reply.json["type"] == "/docs#problem-unknown"
    assert api.get("/api/v1/resources?site_id=site-9").status == 404


def test_resources_can_be_asked_of_one_site(api: Any) -> None:
    """Reading one house's devices would mean reading the whole fleet's."""
    every = [one["resource_id"] for one in api.get("/api/v1/resources").json["items"]]
    assert every == sorted(every)
    assert len(every) == 6
    one = api.get("/api/v1/resources?site_id=site-3").json["items"]
    assert [each["resource_id"] for each in one] == ["site-3/battery-1", "site-3/meter"]


@pytest.mark.parametrize("path", ["/api/v1/sites", "/api/v1/resources"])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 6, 7, 1000])
def test_pages_hold_each_row_once(api: Any, path: str, limit: int) -> None:
    """A program that reads page by page would miss a site, or count one twice."""
    whole = api.get(path).json
    assert whole["next_cursor"] is None
    found: list[dict[str, Any]] = []
    query = f"limit={limit}"
    for _ in range(10):
        page = api.get(f"{path}?{query}").json
        assert len(page["items"]) <= limit
        found += page["items"]
        if page["next_cursor"] is None:
            break
        query = f"limit={limit}&cursor={page['next_cursor']}"
    assert found == whole["items"]


def test_a_site_that_enrols_between_pages_moves_no_other(api: Any, plant: Any) -> None:
    """A site enrolled while a program reads would push another out of its list."""
    first = api.get("/api/v1/sites?limit=2").json
    plant.hello(SiteId("site-0"))
    rest = api.get(f"/api/v1/sites?limit=2&cursor={first['next_cursor']}").json
    assert [one["site_id"] for one in rest["items"]] == ["site-3"]


def test_a_store_that_fails_is_503_and_tells_no_path(api: Any, plant: Any) -> None:
    """A disk error would look like an empty fleet, or show the server's files to strangers."""
    plant.record.broken = True
    for path in ("/api/v1/sites", "/api/v1/sites/site-1", "/api/v1/resources"):
        reply = api.get(path)
        assert (reply.status, reply.json["type"]) == (503, "/docs#problem-store")
        assert "registry.db" not in reply.text
        assert int(reply.headers["Retry-After"]) > 0


def test_health_is_up_when_every_part_is(api: Any) -> None:
    """A supervisor would restart a coordinator that is well."""
    reply = api.get("/healthz")
    assert reply.status == 200
    assert reply.json == {"status": "up", "broker": "up", "store": "up", "tick_age_s": 0.5}


@pytest.mark.parametrize(
    "change",
    [{"broker_up": False}, {"store_up": False}, {"tick_age_s": None}, {"tick_age_s": 3.1}],
)
def test_health_is_503_when_one_part_is_down(api: Any, plant: Any, change: dict[str, Any]) -> None:
    """A coordinator that dispatches nothing would be reported as well."""
    well: Vitals = plant.vitals
    plant.vitals = replace(well, **change)
    reply = api.get("/healthz")
    assert (reply.status, reply.json["status"]) == (503, "down")
