"""What a fleet stores at once: one commit, and each row where it would be alone."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from cloud_coordinator.services.records import EventQuery, EventRecord, SiteRecord
from cloud_coordinator.store.registry import Registry
from cloud_coordinator.store.telemetry import TelemetrySettings, TelemetryStore
from protocols.link.messages import Layout, Stream, Telemetry
from protocols.link.telemetry import decode_rows
from protocols.link.wire import VERSION, encode
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.identifiers import JournalId, ResourceId, SiteId, ZoneId
from protocols.vocabulary.resource import Resource, ResourceKind

NOW = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
JOURNAL = JournalId("j-1")
WRITTEN_AT = "created_at"
"""Column that the database itself fills, to the second: no part of what was given."""


class Clock:
    def now(self) -> datetime:
        return NOW

    def monotonic_ns(self) -> int:
        return 0


def event(key: str) -> EventRecord:
    return EventRecord(
        event_key=key,
        site_id=SiteId("site-1"),
        recorded_at=NOW,
        received_at=NOW,
        kind="mode.changed",
        payload={},
    )


def site(number: int, *, resources: int = 2, version: int = 1, seen_s: int = 0) -> SiteRecord:
    site_id = SiteId(f"site-{number}")
    return SiteRecord(
        site_id=site_id,
        zone=ZoneId("tokyo"),
        journal_id=JOURNAL,
        agent_version="1",
        layout=Layout(
            version=version,
            resources=tuple(
                Resource(
                    resource_id=ResourceId(f"{site_id}/{place}"),
                    site_id=site_id,
                    kind=ResourceKind.BATTERY,
                    power_w_min=-1_000.0,
                    power_w_max=1_000.0,
                    ramp_w_per_s=10.0,
                )
                for place in range(resources)
            ),
        ),
        seen_at=NOW + timedelta(seconds=seen_s),
    )


def test_what_is_written_together_is_there_when_it_ends_and_not_before(tmp_path: Path) -> None:
    """If it fails, what a crash takes back was acknowledged."""
    path = tmp_path / "registry.sqlite3"
    registry = Registry.open(path)
    with registry.database.together():
        registry.sites.save_site(site(1))
        registry.events.save_event(event("a"))
        registry.events.save_events([event("b"), event("a")])
        with sqlite3.connect(path) as other:
            assert other.execute("SELECT count(*) FROM events").fetchone() == (0,)
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM events").fetchone() == (2,)
        assert other.execute("SELECT count(*) FROM sites").fetchone() == (1,)
    registry.close()


def test_what_fails_within_leaves_nothing_of_the_whole(tmp_path: Path) -> None:
    """If it fails, half of what a turn took is stored, and all of it sent again."""
    registry = Registry.open(tmp_path / "registry.sqlite3")

    def nothing_of_this() -> None:
        with registry.database.together():
            registry.events.save_event(event("a"))
            raise StoreError("the disk is full")

    with pytest.raises(StoreError):
        nothing_of_this()
    registry.events.save_event(event("b"))
    assert [one.event_key for one in registry.events.events(EventQuery())] == ["b"]
    registry.close()


def test_many_sites_are_kept_as_each_alone(tmp_path: Path) -> None:
    """If it fails, a fleet that greets at once is registered with others' resources."""
    registries = [Registry.open(tmp_path / f"{name}.sqlite3") for name in ("one", "many")]
    records = [
        *(site(number) for number in range(5)),
        site(2, seen_s=5),
        site(3, resources=1, version=2, seen_s=6),
        site(4, resources=3, version=2, seen_s=7),
    ]
    for record in records:
        registries[0].sites.save_site(record)
    for some in (records[:5], records[5:]):
        with registries[1].database.together():
            for record in some:
                registries[1].sites.save_site(record)
    tables = []
    for registry, name in zip(registries, ("one", "many"), strict=True):
        registry.close()
        with sqlite3.connect(tmp_path / f"{name}.sqlite3") as file:
            file.row_factory = sqlite3.Row
            tables.append(
                [
                    [
                        {key: row[key] for key in row.keys() if key != WRITTEN_AT}  # noqa: SIM118
                        for row in file.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3")
                    ]
                    for table in ("sites", "layouts", "resources")
                ]
            )
    assert tables[0] == tables[1]
    status = {row["resource_id"]: row for row in tables[1][2]}
    assert "INACTIVE" in status["site-3/1"].values()


def test_watermarks_of_many_journals_only_rise(tmp_path: Path) -> None:
    """If it fails, a restart asks for events again that were stored, or for none that were not."""
    registry = Registry.open(tmp_path / "registry.sqlite3")
    sites = [SiteId(f"site-{number}") for number in range(3)]
    registry.progress.save_many({(one, JOURNAL): {Stream.EVENT: 5} for one in sites})
    assert registry.progress.durable(sites[0], JOURNAL)[Stream.EVENT] == 5
    registry.progress.save_many(
        {
            (sites[0], JOURNAL): {Stream.EVENT: 4, Stream.OFFER: 1},
            (sites[1], JOURNAL): {Stream.EVENT: 9},
        }
    )
    for progress in (registry.progress, Registry.open(tmp_path / "registry.sqlite3").progress):
        held = [progress.durable(one, JOURNAL) for one in sites]
        assert [one[Stream.EVENT] for one in held] == [5, 9, 5]
        assert [one[Stream.OFFER] for one in held] == [1, 0, 0]
    registry.close()


@pytest.mark.parametrize("partitions", [64, 8])
def test_rows_appended_together_are_the_same_rows(tmp_path: Path, partitions: int) -> None:
    """If it fails, the history of a busy coordinator is another than that of an idle one."""
    stores = [
        TelemetryStore(
            TelemetrySettings(root=tmp_path / name, partitions_per_segment=partitions), Clock()
        )
        for name in ("one", "many")
    ]
    sites = [SiteId(f"site-{number}") for number in range(12)]
    for sequence in (1, 2, 2, 3):
        messages = [
            Telemetry(
                journal_id=JOURNAL,
                first_sequence=sequence,
                layout_version=1,
                times_s=np.array([1_800_000_000 + sequence]),
                signal_ids=np.array([sequence]),
                values=np.full((1, 6 + 4 * (number % 2)), number, dtype=np.float32),
            )
            for number in range(12)
        ]
        for name, message in zip(sites, messages, strict=True):
            stores[0].append(name, message)
        blocks, _ = decode_rows([encode(message) for message in messages], VERSION)
        for block in blocks:
            stores[1].append_rows([sites[place] for place in block.positions], block)
    for store in stores:
        store.flush()
    assert stores[0].durable() == stores[1].durable() == {(one, JOURNAL): 3 for one in sites}
    assert stores[0].overlaps == stores[1].overlaps == 12
    rows = [sum(segment.rows for segment in store.catalog.segments()) for store in stores]
    assert rows == [36, 36]
