"""openleadr's VEN against our VTN, as processes: plain, and with mutual TLS and signatures."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.peers.vtn_bed import VtnBed
from tests.ports import free_port

NAME = 'Building <A> & 蓄電池 "東京"'
COMMENT = '節電のお願い <&>"'
pytestmark = [pytest.mark.peer("openleadr"), pytest.mark.timeout(120)]


@pytest.fixture(params=[False, True], ids=["plain", "signed"])
def bed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VtnBed]:
    made = VtnBed(tmp_path, "127.71.2.1", free_port(), secure=request.param)
    try:
        made.start_vtn()
        yield made
    finally:
        made.end()


def event(start_s: float, **changes: Any) -> dict[str, Any]:
    """Make an event of two intervals, a minute each."""
    start = datetime.now(UTC) + timedelta(seconds=start_s)
    return {
        "dtstart": start.isoformat(timespec="seconds"),
        "duration": "PT2M",
        "market_context": "http://market.example/dr?a=1&b=2",
        "priority": 1,
        "comment": COMMENT,
        "signals": [
            {
                "name": "SIMPLE",
                "type": "level",
                "intervals": [
                    {"duration": "PT1M", "value": 2.0},
                    {"duration": "PT1M", "value": 1.0},
                ],
            }
        ],
        **changes,
    }


def answer_of(bed: VtnBed, event_id: str) -> dict[str, Any]:
    """Return the only VEN's answer to an event; {} before there is one."""
    answers = bed.admin("GET", f"/events/{event_id}")["answers"]
    return answers[0] if answers else {}


def test_a_foreign_ven_does_its_whole_day(bed: VtnBed, peer: Callable[[str], str]) -> None:
    """If it fails, a building with another maker's VEN cannot take part with us."""
    ven = bed.start_ven(NAME, peer("openleadr"), opt={"LOAD_DISPATCH": "optOut"})
    running = ven.wait_for("running")
    (known,) = bed.admin("GET", "/vens")["vens"]
    assert known["ven_id"] == running["ven_id"]
    assert known["ven_name"] == NAME
    assert (known["fingerprint"] is not None) == bed.url.startswith("https")
    ven_id = known["ven_id"]

    bed.until(lambda: len(readings(bed, ven_id)) >= 2, "readings come")
    assert bed.admin("GET", f"/vens/{ven_id}/reports")["asked"][0]["confirmed"]

    first = bed.admin(
        "POST",
        "/events",
        event(
            60,
            event_id="first",
            startafter="PT5M",
            ramp_up="PT10M",
            recovery="PT15M",
            notification="PT30M",
            targets={"ven_id": [ven_id]},
        ),
    )
    assert first["status"] == "near"
    told = ven.wait_for("event")
    assert (told["event_id"], told["comment"]) == ("first", COMMENT)
    assert told["market_context"] == "http://market.example/dr?a=1&b=2"
    assert told["signals"][0]["values"] == [2.0, 1.0]
    assert told["signals"][0]["durations_s"] == [60.0, 60.0]
    assert told["period"]["tolerance"]["tolerate"]["startafter"] == "0:05:00"
    bed.until(lambda: answer_of(bed, "first").get("opt_type") == "optIn", "the VEN opts in")

    second = event(-10, event_id="second", priority=2)
    second["signals"][0] |= {"name": "LOAD_DISPATCH", "type": "setpoint"}
    bed.admin("POST", "/events", second)
    told = ven.wait_for("event", lambda said: said["event_id"] == "second")
    assert told["status"] == "active"
    assert told["signals"][0]["current_value"] == 2.0
    bed.until(lambda: answer_of(bed, "second").get("opt_type") == "optOut", "the VEN opts out")

    modified = bed.admin("PUT", "/events/first", event(90, targets={"ven_id": [ven_id]}))
    assert modified["modification_number"] == 1
    told = ven.wait_for("update", lambda said: said["event_id"] == "first")
    assert told["modification_number"] == 1
    bed.until(lambda: answer_of(bed, "first")["modification_number"] == 1, "the VEN answers again")

    bed.admin("DELETE", "/events/second")
    told = ven.wait_for("update", lambda said: said["event_id"] == "second")
    assert told["status"] == "cancelled"
    bed.until(lambda: answer_of(bed, "second")["modification_number"] == 1, "the VEN takes note")


def test_nothing_is_lost_when_the_vtn_is_killed(bed: VtnBed, peer: Callable[[str], str]) -> None:
    """If it fails, an event ordered before a crash never reaches the building, or twice."""
    ven = bed.start_ven(NAME, peer("openleadr"))
    ven_id = ven.wait_for("running")["ven_id"]
    bed.admin("POST", "/events", event(60, event_id="known"))
    ven.wait_for("event")
    bed.until(lambda: answer_of(bed, "known").get("opt_type") == "optIn", "the VEN opts in")
    bed.until(lambda: len(readings(bed, ven_id)) >= 2, "readings come")
    before = readings(bed, ven_id)
    bed.admin("POST", "/events", event(120, event_id="unknown"))
    assert bed.vtn is not None
    bed.vtn.kill()

    assert bed.start_vtn()["vens"] == 1
    assert answer_of(bed, "known")["opt_type"] == "optIn"
    after = readings(bed, ven_id)
    assert after[: len(before)] == before
    bed.until(lambda: answer_of(bed, "unknown").get("opt_type") == "optIn", "it is told after all")
    bed.until(lambda: len(readings(bed, ven_id)) > len(after), "readings go on")
    told = [said["event_id"] for said in ven.said if said["event"] == "event"]
    assert sorted(set(told)) == sorted(told), "told twice as new"


def readings(bed: VtnBed, ven_id: str) -> list[dict[str, Any]]:
    """Return the readings of a VEN that our VTN has."""
    found: list[dict[str, Any]] = bed.admin("GET", f"/vens/{ven_id}/readings")["readings"]
    return found
