"""Delivery as JSON and CSV, and the statement."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from cloud_coordinator.web.award_views import CELLS_MAX, delivery_seconds
from protocols.vocabulary.identifiers import ObligationId, SiteId
from protocols.vocabulary.intervals import utc_from_seconds

OBLIGATION = "/api/v1/obligations/award-1"
START_S = 1_784_680_000


def fill(plant: Any, seconds: int = 300) -> None:
    """Store every site's row but one: site-2 has none for the seventh second."""
    for second in range(seconds):
        for site, delivered_w in (("site-1", 1000.0), ("site-2", 500.0), ("site-3", 1500.0)):
            key = (START_S + second, SiteId(site))
            plant.record.rows[key] = (-1500.0 + delivered_w, -1500.0, delivered_w)
    del plant.record.rows[START_S + 7, SiteId("site-2")]


def command(api: Any, power_w: float = 3000.0) -> None:
    body = {"issued_at": utc_from_seconds(START_S).isoformat(), "power_w": power_w}
    assert api.post(f"{OBLIGATION}/commands", body).status == 201


def test_delivery_says_promised_and_delivered_for_each_second(running: Any, plant: Any) -> None:
    """A dispute could not be settled from the record."""
    fill(plant)
    command(running)
    found = running.get(f"{OBLIGATION}/delivery").json
    assert found["second"] == list(range(START_S, START_S + 300))
    assert found["promised_w"][:2] == [3000.0, 3000.0]
    assert found["delivered_w"][6:9] == [3000.0, 2500.0, 3000.0]
    assert found["complete"][6:9] == [True, False, True]
    assert found["sites_present"][6:9] == [3, 2, 3]
    assert found["next_cursor"] is None


def test_a_missing_row_is_null_and_never_zero(running: Any, plant: Any) -> None:
    """A second that nobody measured would be settled as 0 W."""
    fill(plant)
    by_site = {one["site_id"]: one for one in running.get(f"{OBLIGATION}/delivery").json["sites"]}
    assert by_site["site-2"]["delivered_w"][6:9] == [500.0, None, 500.0]
    assert by_site["site-2"]["share_w"][7] is None
    assert by_site["site-1"]["delivered_w"][7] == 1000.0


def test_a_long_delivery_comes_in_pages_that_fit_together(
    api: Any, plant: Any, make_award: Callable[..., dict[str, Any]]
) -> None:
    """A day of a fleet would not be readable, or would lose seconds between pages."""
    day_s = 86_400
    plant.hear_all()
    plant.offer_all(seconds=day_s)
    end = utc_from_seconds(START_S + day_s).isoformat()
    assert api.post("/api/v1/obligations", make_award(end=end)).json["sites_committed"] == 3
    fill(plant, 20)
    view = plant.coordinator.queries.delivery(ObligationId("award-1"))
    pages, first = [], None
    for _ in range(3):
        pages.append(delivery_seconds(view, first_second=first))
        first = int(pages[-1].next_cursor or 0)
    assert pages[-1].next_cursor is None
    assert [s for page in pages for s in page.second] == list(range(START_S, START_S + day_s))
    assert [w for page in pages for w in page.delivered_w] == view.series.delivered_w.tolist()
    for page in pages:
        assert len(page.sites) * len(page.second) <= CELLS_MAX
        assert {len(site.delivered_w) for site in page.sites} == {len(page.second)}
    rest = api.get(f"{OBLIGATION}/delivery?cursor={START_S + day_s - 2}").json
    assert (len(rest["second"]), rest["next_cursor"]) == (2, None)


@pytest.mark.parametrize("cursor", ["x", "-1", "1e3", "", "9" * 13, "%D9%A1", "999999999999", "0"])
def test_a_cursor_of_a_delivery_is_read_or_refused(shared: Any, cursor: str) -> None:
    """A cursor that was cut on its way would break the service."""
    reply = shared.get(f"{OBLIGATION}/delivery?cursor={cursor}")
    if cursor in {"999999999999", "0"}:
        assert reply.status == 200
    else:
        assert reply.status == 422
        assert reply.json["errors"][0]["field"] == "cursor"


def test_csv_holds_every_second_as_json_does(running: Any, plant: Any) -> None:
    """The accountant's table would say something else than the API."""
    fill(plant)
    command(running)
    reply = running.get(f"{OBLIGATION}/delivery?format=csv")
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    disposition = reply.headers["Content-Disposition"]
    assert disposition == 'attachment; filename="delivery-award-1.csv"'
    rows = list(csv.DictReader(io.StringIO(reply.text, newline="")))
    found = running.get(f"{OBLIGATION}/delivery").json
    assert [int(row["second"]) for row in rows] == found["second"]
    assert [float(row["promised_w"]) for row in rows] == found["promised_w"]
    assert [float(row["delivered_w"]) for row in rows] == found["delivered_w"]
    assert rows[0]["time_utc"] == "2026-07-22T00:26:40Z"
    assert (rows[7]["complete"], rows[7]["sites_present"]) == ("0", "2")
    assert (rows[7]["site-2.delivered_w"], rows[7]["site-1.delivered_w"]) == ("", "1000.000")
    assert rows[8]["site-2.share_w"] == "500.000"


def test_csv_has_no_pages(shared: Any) -> None:
    """A program would believe that it had read one page of a table that has none."""
    reply = shared.get(f"{OBLIGATION}/delivery?format=csv&cursor=0")
    assert reply.status == 422
    assert reply.json["detail"].startswith("cursor: ")


@pytest.mark.parametrize("query", ["format=xml", "format=CSV", "format=", "limit=5"])
def test_a_wrong_question_about_a_delivery_is_refused(shared: Any, query: str) -> None:
    """A misspelt format would be answered with another one."""
    reply = shared.get(f"{OBLIGATION}/delivery?{query}")
    assert reply.status == 422
    assert reply.json["errors"][0]["field"] == query.partition("=")[0]


def test_the_statement_counts_what_is_stored(running: Any, plant: Any) -> None:
    """Money would be asked for other energy than the record holds."""
    fill(plant)
    command(running)
    found = running.get(f"{OBLIGATION}/statement").json
    assert (found["seconds_expected"], found["seconds_complete"]) == (300, 299)
    gap = {"start": "2026-07-22T00:26:47Z", "end": "2026-07-22T00:26:48Z"}
    assert found["missing"] == [gap]
    assert found["promised_wh"] == 250
    assert {one["site_id"]: one["seconds_missing"] for one in found["sites"]} == {
        "site-1": 0,
        "site-2": 1,
        "site-3": 0,
    }
    assert running.get(f"{OBLIGATION}/statement").json == found


def test_an_award_without_any_row_has_a_statement_without_errors(shared: Any) -> None:
    """The figures of a delivery that nobody measured would be no numbers."""
    found = shared.get(f"{OBLIGATION}/statement").json
    assert (found["seconds_complete"], found["delivered_wh"]) == (0, 0)
    assert found["error_rms_w"] is found["error_median_w"] is None


def test_an_award_that_is_not_allocated_has_an_empty_delivery(
    api: Any, make_award: Callable[..., dict[str, Any]]
) -> None:
    """Looking at an award before its start would break the service."""
    api.post("/api/v1/obligations", make_award())
    found = api.get(f"{OBLIGATION}/delivery").json
    assert (found["sites"], found["delivered_w"][:1]) == ([], [0.0])
    assert api.get(f"{OBLIGATION}/statement").json["sites"] == []
    assert api.get(f"{OBLIGATION}/delivery?format=csv").status == 200


def test_a_store_that_fails_is_503(running: Any, plant: Any) -> None:
    """A disk error would be settled as nothing delivered."""
    plant.record.broken = True
    for end in ("delivery", "delivery?format=csv", "statement"):
        reply = running.get(f"{OBLIGATION}/{end}")
        assert (reply.status, reply.json["type"]) == (503, "/docs#problem-store")
    plant.record.broken = False
    assert running.get(f"{OBLIGATION}/delivery?format=csv").status == 200
