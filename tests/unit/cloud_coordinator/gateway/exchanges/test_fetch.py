"""Fetching published files from a publisher that fails as real ones do."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from cloud_coordinator.gateway.exchanges.fetch import (
    Fetched,
    Fetcher,
    FetchFailedError,
    FetchLimits,
    NotPublishedError,
    Version,
)
from cloud_coordinator.gateway.exchanges.files import ImportRefusedError, decode_published
from cloud_coordinator.gateway.exchanges.layouts import read_publication
from firmware_sim.counterparts.publisher import Fault, Publisher, PublisherSettings
from tests.ports import free_port

NOON = datetime(2024, 4, 2, 3, 2, tzinfo=UTC)
TODAY = "/tokyo/20240402_power_usage.csv"
LIMITS = FetchLimits(timeout_s=5.0, bytes_max=1_000_000, tries=3, backoff_s=0.5)


@dataclass
class Hands:
    """A clock and a sleep that a test moves."""

    at: datetime = NOON
    slept_s: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.at

    def monotonic_ns(self) -> int:
        return 0

    async def sleep(self, wait_s: float) -> None:
        self.slept_s.append(wait_s)


@dataclass(frozen=True)
class Door:
    """A publisher that runs and one who fetches from it."""

    publisher: Publisher
    fetcher: Fetcher
    hands: Hands
    base: str

    async def get(self, path: str, known: Version | None = None) -> Fetched:
        return await self.fetcher.fetch(self.base + path, known or Version())


def at_the_door(
    job: Callable[[Door], Awaitable[None]],
    *faults: Fault,
    limits: FetchLimits = LIMITS,
    folder: Path | None = None,
) -> None:
    async def run() -> None:
        hands, port = Hands(), free_port()
        publisher = Publisher(PublisherSettings(folder=folder, late_s=60.0), hands, faults)
        await publisher.start("127.0.0.1", port)
        try:
            async with aiohttp.ClientSession() as session:
                fetcher = Fetcher(session, limits, hands.sleep)
                await job(Door(publisher, fetcher, hands, f"http://127.0.0.1:{port}"))
        finally:
            await publisher.stop()

    asyncio.run(run())


def test_what_every_publisher_has_is_read_by_its_layout(tmp_path: Path) -> None:
    """If it fails, a file that is published cannot be fetched and taken in."""
    (tmp_path / "own.csv").write_bytes(b"a,b\n")

    async def job(door: Door) -> None:
        for path, layout in (
            (TODAY, "tepco-power-usage"),
            ("/kansai/20240401_power_usage.csv", "kansai-power-usage"),
            ("/kyushu/20240401_power_usage.csv", "kyushu-power-usage"),
            ("/hokkaido/20240401_power_usage.csv", "hokkaido-power-usage"),
            ("/tokyo/juyo-2024.csv", "tso-hourly-demand"),
            ("/chugoku/juyo-2023.csv", "chugoku-hourly-demand"),
            ("/kyushu/eria_jukyu_202403_09.csv", "tso-supply-mix"),
            ("/jma/sapporo_20240401_hourly.csv", "jma-hourly"),
        ):
            data = (await door.get(path)).data
            assert data is not None
            assert read_publication(decode_published(data, source=path)).layout == layout
        assert (await door.get("/files/own.csv")).data == b"a,b\n"

    at_the_door(job, folder=tmp_path)


def test_only_what_changed_is_fetched_again() -> None:
    """If it fails, a publisher is asked for the same file all day and shuts us out."""

    async def job(door: Door) -> None:
        first = await door.get(TODAY)
        assert first.version.etag
        again = await door.get(TODAY, first.version)
        assert (again.data, again.version) == (None, first.version)
        door.hands.at += timedelta(minutes=5)
        later = await door.get(TODAY, first.version)
        assert later.data is not None
        assert later.data != first.data

    at_the_door(job)


@pytest.mark.parametrize(
    "fault", [Fault.SERVER_ERROR, Fault.BUSY, Fault.TRUNCATED, Fault.PAGE, Fault.EMPTY]
)
def test_what_passes_is_tried_again_with_growing_pauses(fault: Fault) -> None:
    """If it fails, a moment of maintenance costs a day of data, or a page counts as a file."""

    async def job(door: Door) -> None:
        data = (await door.get(TODAY)).data
        assert data is not None
        read_publication(decode_published(data, source=TODAY))
        assert door.publisher.answers == 3
        assert door.hands.slept_s == ([1.0, 1.0] if fault is Fault.BUSY else [0.5, 1.0])

    at_the_door(job, fault, fault)


def test_who_does_not_answer_is_not_waited_for() -> None:
    """If it fails, one publisher that hangs holds up the data of all others."""

    async def job(door: Door) -> None:
        with pytest.raises(FetchFailedError, match=r"the last: no answer within 0\.2 s"):
            await door.get(TODAY)
        assert door.publisher.answers == 2

    limits = FetchLimits(timeout_s=0.2, bytes_max=1_000_000, tries=2, backoff_s=0.5)
    at_the_door(job, Fault.LATE, Fault.LATE, limits=limits)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (Fault.SERVER_ERROR, "3 tries failed, the last: status 500"),
        (Fault.TRUNCATED, "3 tries failed"),
        (Fault.PAGE, "a page came instead of the file"),
        (Fault.EMPTY, "an empty answer"),
    ],
)
def test_what_lasts_is_a_failure_and_no_empty_file(fault: Fault, cause: str) -> None:
    """If it fails, a publisher that is down looks like a day without any demand."""

    async def job(door: Door) -> None:
        with pytest.raises(FetchFailedError, match=cause):
            await door.get(TODAY)
        assert door.publisher.answers == 3

    at_the_door(job, *[fault] * 3)


def test_what_does_not_pass_is_not_tried_again() -> None:
    """If it fails, a day that is not published yet is asked for again and again."""

    async def job(door: Door) -> None:
        for path in ("/tokyo/20240403_power_usage.csv", "/jma/sapporo_20240402_hourly.csv"):
            with pytest.raises(NotPublishedError, match="404"):
                await door.get(path)
        for path in ("/files/x.csv", "/edo/juyo-2024.csv", "/tokyo/20249999_power_usage.csv"):
            with pytest.raises(NotPublishedError):
                await door.get(path)
        with pytest.raises(FetchFailedError, match="not an http"):
            await door.fetcher.fetch("file:///etc/passwd", Version())
        with pytest.raises(FetchFailedError):
            await door.fetcher.fetch("http://127.0.0.1:99999/x", Version())
        with pytest.raises(FetchFailedError, match="name or password") as caught:
            await door.fetcher.fetch("http://me:secret@127.0.0.1/x", Version())
        assert "secret" not in str(caught.value)
        assert door.hands.slept_s == []

    at_the_door(job)


def test_an_endless_answer_ends_at_the_limit() -> None:
    """If it fails, one publisher fills the memory of the coordinator."""

    async def job(door: Door) -> None:
        with pytest.raises(FetchFailedError, match="larger than 1000000 bytes"):
            await door.get(TODAY)

    at_the_door(job, Fault.ENDLESS)


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.WRONG_ENCODING])
def test_damage_that_http_does_not_see_is_refused_at_the_file_door(fault: Fault) -> None:
    """If it fails, half a day or mojibake is stored because the connection was sound."""

    async def job(door: Door) -> None:
        data = (await door.get(TODAY)).data
        assert data is not None
        with pytest.raises(ImportRefusedError):
            read_publication(decode_published(data, source=TODAY))

    at_the_door(job, fault)
