"""Events and the accounts of the telemetry."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloud_coordinator.services.records import EventRecord, StreamAccount
from protocols.link.messages import Plain
from protocols.vocabulary.identifiers import JournalId, SiteId

EVENTS = "/api/v1/events"
NOON = datetime(2026, 7, 22, 3, 0, tzinfo=UTC)


def event(
    number: int, payload: dict[str, Plain] | None = None, *, site: str = "site-1"
) -> EventRecord:
    at = NOON + timedelta(seconds=number)
    return EventRecord(
        event_key=f"{site}/journal-1/{number}",
        site_id=SiteId(site),
        recorded_at=at,
        received_at=at,
        kind="link.lost" if number % 2 else "link.live",
        payload=payload or {},
    )


def keys(reply: Any) -> list[str]:
    return [one["event_key"] for one in reply.json["items"]]


def test_events_come_newest_first_in_pages(api: Any, plant: Any) -> None:
    """The night's alarms would be missing from the morning's list."""
    plant.record.save_events([event(number) for number in range(7)])
    whole = keys(api.get(EVENTS))
    assert whole[:2] == ["site-1/journal-1/6", "site-1/journal-1/5"]
    found: list[str] = []
    query = "limit=3"
    for _ in range(3):
        page = api.get(f"{EVENTS}?{query}")
        found += keys(page)
        query = f"limit=3&cursor={page.json['next_cursor']}"
    assert (found, page.json["next_cursor"]) == (whole, None)


def test_an_event_that_arrives_between_pages_moves_no_other(api: Any, plant: Any) -> None:
    """An alarm would be read twice, and another left out."""
    plant.record.save_events([event(number) for number in range(4)])
    first = api.get(f"{EVENTS}?limit=2")
    plant.record.save_event(event(4))
    rest = api.get(f"{EVENTS}?limit=2&cursor={first.json['next_cursor']}")
    assert keys(rest) == ["site-1/journal-1/1", "site-1/journal-1/0"]


def test_events_can_be_asked_by_site_kind_and_time(api: Any, plant: Any) -> None:
    """Finding one house's alarm would mean reading everybody's."""
    plant.record.save_events([event(1), event(2), event(3, site="site-2")])
    assert keys(api.get(f"{EVENTS}?site_id=site-2")) == ["site-2/journal-1/3"]
    assert len(keys(api.get(f"{EVENTS}?kind=link.lost"))) == 2
    jst = "2026-07-22T12:00:02%2B09:00"
    assert keys(api.get(f"{EVENTS}?since={jst}&site_id=site-1")) == ["site-1/journal-1/2"]


@pytest.mark.parametrize(
    "since",
    [
        "0001-01-01T00:00:00%2B14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-07-22T12:00:00",
        "now",
        "",
        "1e999",
        "NaN",
    ],
)
def test_a_time_that_no_store_can_hold_is_refused(shared: Any, since: str) -> None:
    """One odd time stamp in a query would break the reader of the store."""
    asked = len(shared.plant.record.asked)
    reply = shared.get(f"{EVENTS}?since={since}")
    assert reply.status == 422
    assert reply.json["errors"][0]["field"] == "since"
    assert len(shared.plant.record.asked) == asked


def test_stores_are_asked_in_utc(api: Any, plant: Any) -> None:
    """A store that forgets offsets would compare JST with UTC."""
    api.get(f"{EVENTS}?since=2026-07-22T12:00:00%2B09:00")
    since = plant.record.asked[0].since
    assert since == NOON
    assert since.utcoffset() == timedelta(0)


def test_what_a_site_sent_is_shown_as_json(api: Any, plant: Any) -> None:
    """One odd payload of one site would make all events unreadable."""
    deep: Plain = "end"
    for _ in range(100):
        deep = [deep]
    payload: dict[str, Plain] = {
        "bytes": b"\x81\x00",
        "nan": float("nan"),
        "inf": [float("inf")],
        "big": 2**63,
        "deep": deep,
        "markup": "<script>alert(1)</script>\u2028",
    }
    plant.record.save_event(event(1, payload))
    shown = api.get(EVENTS).json["items"][0]["payload"]
    assert (shown["bytes"], shown["nan"], shown["inf"]) == ("8100", None, [None])
    assert shown["big"] == str(2**63)
    assert shown["markup"] == payload["markup"]


@pytest.mark.parametrize("cursor", ["bm9uZQ", "YQpi", "!!", "%00", "_w", "a"])
def test_a_cursor_that_is_none_of_ours_is_refused(shared: Any, cursor: str) -> None:
    """A broken cursor would begin the list again, for ever."""
    reply = shared.get(f"{EVENTS}?cursor={cursor}")
    assert reply.status == 422
    assert reply.json["errors"][0]["field"] == "cursor"


def test_accounts_say_what_is_missing_and_doubled(api: Any, plant: Any) -> None:
    """A loss of telemetry would not be counted anywhere."""
    for site, rows, distinct in (("site-2", 10, 10), ("site-1", 12, 9)):
        plant.record.account_records.append(
            StreamAccount(
                site_id=SiteId(site),
                journal_id=JournalId("journal-1"),
                rows=rows,
                distinct=distinct,
                first_sequence=1,
                last_sequence=10,
                received=10,
                durable=8,
            )
        )
    found = api.get("/api/v1/telemetry/accounting?limit=1").json
    one = found["items"][0]
    assert (one["site_id"], one["missing"], one["duplicated"]) == ("site-1", 1, 3)
    rest = api.get(f"/api/v1/telemetry/accounting?cursor={found['next_cursor']}").json
    assert [each["site_id"] for each in rest["items"]] == ["site-2"]
    assert rest["next_cursor"] is None


def test_a_store_that_fails_is_503(api: Any, plant: Any) -> None:
    """A disk error would look like a quiet night."""
    plant.record.broken = True
    assert api.get(EVENTS).status == api.get("/api/v1/telemetry/accounting").status == 503
