"""Awards and commands: taken once, refused clearly."""

from collections.abc import Callable
from typing import Any

import pytest

from cloud_coordinator.allocation.certificate import verify
from protocols.vocabulary.intervals import utc_from_seconds

OBLIGATIONS = "/api/v1/obligations"
COMMANDS = f"{OBLIGATIONS}/award-1/commands"
START_S = 1_784_680_000
Maker = Callable[..., dict[str, Any]]


def at(seconds: float) -> str:
    return utc_from_seconds(START_S + seconds).isoformat()


def test_an_award_is_taken_and_can_be_read_back(api: Any, make_award: Maker) -> None:
    """An award that was answered 201 would not be there, or be another one."""
    reply = api.post(OBLIGATIONS, make_award())
    assert reply.status == 201
    assert reply.headers["Location"] == f"{OBLIGATIONS}/award-1"
    shown = api.get(reply.headers["Location"]).json
    assert shown == reply.json
    assert (shown["state"], shown["allocation"], shown["sites"]) == ("proposed", None, [])
    posted = make_award()
    assert shown["power_w"] == posted["power_w"]
    assert shown["price_jpy_per_kw_30min"] == posted["price_jpy_per_kw_30min"]
    assert shown["start"] == "2026-07-22T00:26:40Z"


def test_the_same_award_again_changes_nothing(api: Any, plant: Any, make_award: Maker) -> None:
    """A repeated request, after a lost answer, would owe the power twice."""
    first = api.post(OBLIGATIONS, make_award())
    writes = plant.awards.award_writes
    plant.clock.time_s += 7.0
    again = api.post(OBLIGATIONS, make_award())
    assert (first.status, again.status) == (201, 200)
    assert again.json == first.json
    assert plant.awards.award_writes == writes
    assert len(api.get(OBLIGATIONS).json["items"]) == 1


def test_the_same_award_in_another_notation_is_the_same(api: Any, make_award: Maker) -> None:
    """A client that writes JST or 10.5 in its retry would be refused its own award."""
    assert api.post(OBLIGATIONS, make_award()).status == 201
    body = make_award(start="2026-07-22T09:26:40+09:00", price_jpy_per_kw_30min=10.5, power_w=6000)
    assert api.post(OBLIGATIONS, body).status == 200


@pytest.mark.parametrize(
    "change",
    [
        {"power_w": 6000.1},
        {"tolerance_w": 1.0},
        {"price_jpy_per_kw_30min": "10.51"},
        {"end": at(301)},
        {"service": "tertiary1"},
    ],
)
def test_another_award_under_the_same_id_is_409(
    api: Any, make_award: Maker, change: dict[str, Any]
) -> None:
    """An award would silently become another one than was bid."""
    first = api.post(OBLIGATIONS, make_award())
    reply = api.post(OBLIGATIONS, make_award(**change))
    assert (reply.status, reply.json["type"]) == (409, "/docs#problem-conflict")
    assert "award-1" in reply.json["detail"]
    assert api.get(f"{OBLIGATIONS}/award-1").json == first.json


def test_a_second_award_in_the_same_time_and_zone_is_409(api: Any, make_award: Maker) -> None:
    """The same batteries would be sold twice."""
    api.post(OBLIGATIONS, make_award())
    reply = api.post(OBLIGATIONS, make_award(obligation_id="award-2"))
    assert (reply.status, reply.json["errors"]) == (409, [])
    assert api.get(f"{OBLIGATIONS}/award-2").status == 404


WRONG_AWARDS = [
    ("obligation_id", ""),
    ("obligation_id", "Award_1"),
    ("obligation_id", "../etc"),
    ("obligation_id", "a" * 65),
    ("obligation_id", "a\r\nX-Evil: 1"),
    ("obligation_id", 7),
    ("obligation_id", None),
    ("service", "secondary9"),
    ("service", ["secondary1"]),
    ("zone", "osaka"),
    ("zone", ""),
    ("zone", "x" * 201),
    ("start", "2026-07-22T09:26:40"),
    ("start", "yesterday"),
    ("start", START_S),
    ("start", "0001-01-01T00:00:00+14:00"),
    ("start", "9999-12-31T23:59:59-14:00"),
    ("start", at(-66)),
    ("start", at(0.5)),
    ("end", at(0)),
    ("end", at(-10)),
    ("end", at(86_401)),
    ("end", "2199-12-31T23:59:59Z"),
    ("power_w", 0),
    ("power_w", -1),
    ("power_w", "6000"),
    ("power_w", True),
    ("power_w", None),
    ("power_w", 1e13),
    ("power_w", {"w": 1}),
    ("tolerance_w", -0.1),
    ("tolerance_w", []),
    ("price_jpy_per_kw_30min", -1),
    ("price_jpy_per_kw_30min", "NaN"),
    ("price_jpy_per_kw_30min", "Infinity"),
    ("price_jpy_per_kw_30min", "1e999999999"),
    ("price_jpy_per_kw_30min", "1e-999999999"),
    ("price_jpy_per_kw_30min", "0.00001"),
    ("price_jpy_per_kw_30min", "ten"),
    ("price_jpy_per_kw_30min", True),
]


@pytest.mark.parametrize(("field", "value"), WRONG_AWARDS)
def test_a_wrong_field_of_an_award_is_named(
    shared: Any, make_award: Maker, *, field: str, value: object
) -> None:
    """The operator would not learn which field of a refused award to mend."""
    writes = shared.plant.awards.award_writes
    reply = shared.post(OBLIGATIONS, make_award(**{"obligation_id": "award-2", field: value}))
    assert (reply.status, reply.json["type"]) == (422, "/docs#problem-rejected")
    named, _, cause = reply.json["detail"].partition(": ")
    assert field in named
    assert cause
    assert shared.plant.awards.award_writes == writes


@pytest.mark.parametrize("field", ["obligation_id", "service", "zone", "start", "end", "power_w"])
def test_a_missing_field_is_named(api: Any, make_award: Maker, field: str) -> None:
    """A field left out would be guessed."""
    body = make_award()
    del body[field]
    reply = api.post(OBLIGATIONS, body)
    assert reply.status == 422
    assert reply.json["detail"] == f"{field}: is missing"
    assert reply.json["errors"] == [{"field": field, "cause": "is missing"}]


def test_every_wrong_field_is_told_at_once(api: Any, make_award: Maker) -> None:
    """A person would mend a form one field per attempt."""
    reply = api.post(OBLIGATIONS, make_award(power_w=-1, zone=5, tolerence_w=300.0))
    assert [one["field"] for one in reply.json["errors"]] == ["zone", "power_w", "tolerence_w"]
    assert reply.json["errors"][-1]["cause"] == "is not a field here"


def test_awards_come_by_start_in_pages(api: Any, make_award: Maker) -> None:
    """A settlement program that reads page by page would miss an award."""
    for name, first in (("award-b", 900), ("award-c", 300), ("award-a", 1500)):
        body = make_award(obligation_id=name, start=at(first), end=at(first + 300))
        assert api.post(OBLIGATIONS, body).status == 201
    found: list[str] = []
    query = "limit=1"
    for _ in range(3):
        page = api.get(f"{OBLIGATIONS}?{query}").json
        found += [one["obligation_id"] for one in page["items"]]
        query = f"limit=1&cursor={page['next_cursor']}"
    assert (found, page["next_cursor"]) == (["award-c", "award-b", "award-a"], None)


def test_an_unknown_award_is_404_everywhere(api: Any) -> None:
    """A typing error in an award's name would be answered with an empty delivery."""
    for end in ("", "/delivery", "/delivery?format=csv", "/statement"):
        reply = api.get(f"{OBLIGATIONS}/award-9{end}")
        assert (reply.status, reply.json["detail"]) == (404, "obligation 'award-9' is not known")
    body = {"issued_at": at(0), "power_w": 1.0}
    assert api.post(f"{OBLIGATIONS}/award-9/commands", body).status == 404


def test_an_allocated_award_shows_who_owes_what(running: Any) -> None:
    """Nobody could say which house carries which part of an award."""
    shown = running.get(f"{OBLIGATIONS}/award-1").json
    assert (shown["state"], shown["sites_accepted"]) == ("active", 3)
    assert shown["allocation"]["shortfall_up_w"] == 0.0
    parts = shown["sites"]
    assert [one["site_id"] for one in parts] == ["site-1", "site-2", "site-3"]
    assured = shown["allocation"]["assured"]
    assert sum(one["power_w"] for one in parts) == pytest.approx(6000.0 + assured["margin_up_w"])
    assert assured["kept"] == (assured["probability_up"] >= assured["probability_wanted"])
    assert sum(one["tolerance_w"] for one in parts) == pytest.approx(300.0)
    assert parts[0]["curve"]["multipliers"] == [10.0, 18.0, 22.0, 30.0]


def test_a_command_is_taken_once(running: Any, plant: Any) -> None:
    """A repeated command would be stored twice, or its power change unseen."""
    body = {"issued_at": at(4), "power_w": 3000}
    first, again = running.post(COMMANDS, body), running.post(COMMANDS, body)
    assert (first.status, first.json["outcome"]) == (201, "accepted")
    assert (again.status, again.json["outcome"]) == (200, "known")
    assert running.post(COMMANDS, {**body, "power_w": 3001}).status == 409
    assert [one.power_w for one in plant.awards.command_records] == [3000.0]


def test_a_command_beyond_the_award_says_what_is_owed(running: Any) -> None:
    """The operator would believe that more is delivered than was bid."""
    reply = running.post(COMMANDS, {"issued_at": at(4), "power_w": -99_000.0})
    assert (reply.json["power_w"], reply.json["clipped_w"]) == (-99_000.0, -6000.0)


def test_an_older_command_than_the_one_in_force_is_told_so(running: Any) -> None:
    """A command that overtook another on its way would undo the newer one."""
    running.post(COMMANDS, {"issued_at": at(4), "power_w": 3000.0})
    late = running.post(COMMANDS, {"issued_at": at(3), "power_w": 100.0})
    assert (late.status, late.json["outcome"]) == (200, "superseded")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("issued_at", at(60)),
        ("issued_at", at(-61)),
        ("issued_at", "2026-07-22T09:26:40"),
        ("issued_at", 5),
        ("issued_at", "0001-01-01T00:00:00+14:00"),
        ("power_w", "3000"),
        ("power_w", 2e12),
        ("power_w", None),
        ("power_w", [1]),
        ("powerW", 3000.0),
    ],
)
def test_a_wrong_field_of_a_command_is_named(shared: Any, field: str, value: object) -> None:
    """A command that was refused would count, or nobody would know why it did not."""
    reply = shared.post(COMMANDS, {"issued_at": at(4), "power_w": 3000.0, field: value})
    assert reply.status == 422
    assert reply.json["detail"].startswith(f"{field}: ")
    assert shared.plant.awards.command_records == []


def test_an_award_hands_out_its_certificates(running: Any) -> None:
    """If it fails, what an award's commitments hold against cannot be checked by anybody."""
    for direction in ("up", "down"):
        shown = running.get(f"/api/v1/awards/award-1/certificate?direction={direction}").json
        assert verify(shown) == ()
        assert shown["award"]["direction"] == direction
        assert shown["obligation_w"] == 6000.0
    assert running.get("/api/v1/awards/award-9/certificate").status == 404
    assert running.get("/api/v1/awards/award-1/certificate?direction=left").status == 422


def test_a_second_of_a_site_is_explained(running: Any) -> None:
    """If it fails, nobody can ask why a site owed what it owed."""
    start = running.get(f"{OBLIGATIONS}/award-1").json["start"]
    shown = running.get("/api/v1/sites/site-1/explanation", params={"at": start}).json
    assert (shown["obligation_id"], shown["site_id"]) == ("award-1", "site-1")
    assert running.get("/api/v1/sites/site-9/explanation", params={"at": start}).status == 404
