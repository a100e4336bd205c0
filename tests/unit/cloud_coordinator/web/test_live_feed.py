"""The live feed: first message, heartbeat, bounded and dropped watchers."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from cloud_coordinator.web.live import FEED, QUEUED_MAX, WATCHERS_MAX, LiveFeed, Watcher
from cloud_coordinator.web.openapi import Document

LIVE = "/api/v1/live"
Validate = Callable[[Mapping[str, Any], object], None]


async def next_event(response: Any) -> tuple[str, Any]:
    """Read one event: its name and data; retry hints are passed over."""
    name = ""
    while True:
        line = (await response.content.readline()).decode().rstrip("\n")
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            return name, json.loads(line.removeprefix("data: "))
        elif not line and response.content.at_eof():
            raise EOFError


def test_the_snapshot_shows_promised_and_delivered(running: Any) -> None:
    """A program without a stream could not see the present."""
    found = running.get(f"{LIVE}?format=json").json
    assert (found["fleet"]["sites"], found["fleet"]["live"]) == (3, 3)
    assert found["fleet"]["modes"]["normal"] == 3
    award = found["awards"][0]
    assert (award["award_w"], award["band_w"], award["sites_accepted"]) == (6000.0, 300.0, 3)
    assert [one["second"] for one in award["points"]] == [1_784_680_000 + i for i in range(3)]
    assert award["points"][-1]["measured_w"] == 3000.0
    assert found["sites"][0]["soc"] == 0.5


def test_an_award_that_has_ended_has_no_command_in_force(running: Any, plant: Any) -> None:
    """The page would show a power that nobody owes any more."""
    at = {"issued_at": plant.clock.now().isoformat(), "power_w": 3000.0}
    assert running.post("/api/v1/obligations/award-1/commands", at).status == 201
    award = running.get(f"{LIVE}?format=json").json["awards"][0]
    assert award["command_w"] == 3000.0
    assert award["multiplier"] is not None
    plant.clock.time_s += 300.0
    plant.hear_all()
    award = running.get(f"{LIVE}?format=json").json["awards"][0]
    assert award["command_w"] is award["multiplier"] is award["following"] is None


def test_a_fleet_that_is_not_heard_has_no_power(running: Any, plant: Any) -> None:
    """A control room without any reading would be told that the fleet is at 0 W."""
    assert running.get(f"{LIVE}?format=json").json["fleet"]["meter_w"] == -1500.0
    plant.clock.time_s += 30.0
    plant.coordinator.tick()
    fleet = running.get(f"{LIVE}?format=json").json["fleet"]
    assert (fleet["live"], fleet["meter_w"]) == (0, None)


def test_the_stream_begins_at_once_and_beats(
    running: Any, document: Document, validate: Validate
) -> None:
    """The page would stay empty, or take a dead line for a quiet plant."""
    content = document["paths"][LIVE]["get"]["responses"]["200"]["content"]
    schema = content["text/event-stream"]["schema"]["contentSchema"]

    async def watch() -> list[tuple[str, Any]]:
        async with running.client.get(LIVE) as response:
            assert response.status == 200
            assert response.content_type == "text/event-stream"
            assert response.headers["Cache-Control"] == "no-store"
            assert await response.content.readline() == b"retry: 2000\n"
            return [await next_event(response) for _ in range(4)]

    found = running.run(watch())
    assert [name for name, _ in found] == ["live"] * 4
    for _, data in found:
        validate(schema, data)
    assert len(found[0][1]["awards"][0]["points"]) == 3


def test_a_store_that_fails_is_said_and_the_stream_lives_on(api: Any, plant: Any) -> None:
    """A short disk error would end the stream, or freeze the page without a word."""

    async def watch() -> list[str]:
        names = []
        async with api.client.get(LIVE) as response:
            names.append((await next_event(response))[0])
            plant.record.broken = True
            while names[-1] != "trouble":
                names.append((await next_event(response))[0])
            plant.record.broken = False
            while names[-1] != "live":
                names.append((await next_event(response))[0])
        return names

    names = api.run(watch())
    assert names[-1] == "live"
    assert "trouble" in names


def test_a_stream_cannot_begin_on_a_broken_store(api: Any, plant: Any) -> None:
    """Each attempt during a disk error would use up a place among the watchers."""
    plant.record.broken = True
    for _ in range(3):
        assert api.get(LIVE).status == 503
    assert api.client.server.app[FEED].watching == 0


def test_watchers_are_bounded_and_places_come_back(api: Any) -> None:
    """One program that opens streams without end would take the coordinator's memory."""
    feed = api.client.server.app[FEED]

    async def fill() -> None:
        opened = [await api.client.get(LIVE) for _ in range(WATCHERS_MAX)]
        assert feed.watching == WATCHERS_MAX
        refused = await api.client.get(LIVE)
        assert refused.status == 503
        assert refused.content_type == "application/problem+json"
        assert (await refused.json())["type"] == "/docs#problem-busy"
        for response in opened:
            response.close()
        for _ in range(300):
            await asyncio.sleep(0.01 if feed.watching else 0.0)
        assert feed.watching == 0
        async with api.client.get(LIVE) as again:
            assert (await next_event(again))[0] == "live"

    api.run(fill())


def test_a_watcher_that_does_not_read_is_cut_off() -> None:
    """One sleeping phone would hold every message of the day in memory."""

    async def lag() -> tuple[list[bool], int]:
        cuts: list[int] = []
        watcher = Watcher(lambda: cuts.append(1))
        return [watcher.offer(b"x") for _ in range(QUEUED_MAX + 1)], len(cuts)

    assert asyncio.run(lag()) == ([True] * QUEUED_MAX + [False], 1)


def test_nothing_is_made_while_nobody_watches(plant: Any) -> None:
    """A plant that nobody looks at would read its store every second for nothing."""

    async def idle() -> None:
        feed = LiveFeed(plant.coordinator, period_s=0.01)
        task = asyncio.create_task(feed.run())
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(idle())
    assert plant.record.asked == []


def test_streams_end_when_the_service_stops(api: Any) -> None:
    """Stopping the coordinator would hang until the last browser is closed."""

    async def stop() -> list[str]:
        async with api.client.get(LIVE) as response:
            names = [(await next_event(response))[0]]
            async with asyncio.timeout(1.0):
                await api.client.server.close()
            await response.content.read()
        return names

    assert api.run(stop()) == ["live"]
