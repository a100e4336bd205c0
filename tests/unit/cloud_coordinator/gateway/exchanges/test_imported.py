"""Files that publishers have, fetched by the clock, kept, and read as columns."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from cloud_coordinator.gateway.exchanges.catalogue import Catalogue
from cloud_coordinator.gateway.exchanges.fetch import Fetcher, FetchLimits
from cloud_coordinator.gateway.exchanges.imported import ImportedHistory
from cloud_coordinator.gateway.exchanges.importing import FetchedImports
from cloud_coordinator.gateway.exchanges.publishers import Publishers, read_publishers
from cloud_coordinator.services.market_day.alerting import Alerts
from cloud_coordinator.services.market_history import MarketSeries
from cloud_coordinator.services.publications import Origin, Publication, Quality, Series, Stage
from cloud_coordinator.services.records import EventQuery, EventRecord
from cloud_coordinator.store.database import open_database
from cloud_coordinator.store.publications import PublicationRegistry
from cloud_coordinator.store.record_table import RecordTable
from firmware_sim.counterparts.publisher import Fault, Publisher, PublisherSettings
from protocols.templates.table import Table
from protocols.vocabulary.calendar import day_slots
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.obligation import Service
from tests.conformance.market.venues import Hand
from tests.ports import free_port

DAY = date(2026, 4, 1)
NOON = datetime.fromisoformat("2026-04-01T12:00+09:00")


@dataclass
class Heard:
    """Events in memory."""

    kept: dict[str, EventRecord] = field(default_factory=dict)

    def save_event(self, event: EventRecord) -> None:
        self.kept.setdefault(event.event_key, event)

    def save_events(self, events: Sequence[EventRecord]) -> None:
        raise NotImplementedError

    def events(self, query: EventQuery) -> Sequence[EventRecord]:
        return list(self.kept.values())

    def kinds(self) -> list[str]:
        return [one.kind for one in self.kept.values()]


def series(kind: str, values: list[float], *, step_s: int, area: str = "tokyo") -> Series:
    """Publish values from the beginning of the day."""
    start = int(day_slots(DAY)[0].interval.start.timestamp())
    return Series(
        kind=kind,
        area=area,
        step_s=step_s,
        start_s=start + step_s * np.arange(len(values)),
        value=np.array(values),
        quality=np.where(np.isnan(values), Quality.BLANK, Quality.GOOD).astype(np.int8),
    )


def kept(store: PublicationRegistry, *parts: Series) -> None:
    """Import them."""
    made = Publication(
        layout="test", publisher="us", stage=Stage.FINAL, published_at=None, series=parts
    )
    origin = Origin(source="test", sha256=str(len(store.imports())), size_bytes=1, encoding="utf-8")
    store.add(made, origin, at=NOON, by="test")


def test_publishers_are_asked_by_the_clock_and_their_files_become_columns(tmp_path: Path) -> None:
    """If it fails, the service trades on what a person remembered to import."""
    clock, heard, port = Hand(NOON), Heard(), free_port()
    text = f"http://127.0.0.1:{port}/tokyo/{{day}}_power_usage.csv"
    plans = read_publishers(
        Table({"publisher": [{"name": "tepco", "address": text, "days_back": 1}]}, "file")
    )
    database = open_database(tmp_path / "registry.sqlite3")
    store = PublicationRegistry(database)

    async def run() -> list[int]:
        publisher, found = Publisher(PublisherSettings(), clock, [Fault.PAGE]), []
        await publisher.start("127.0.0.1", port)
        async with aiohttp.ClientSession() as session:
            versions = RecordTable(database, book="versions")
            fetcher = Fetcher(session, FetchLimits(tries=1))
            imports = FetchedImports(fetcher, store, versions)
            alerts = Alerts(heard, clock.now, name="zone-1")
            publishers = Publishers(plans, imports, alerts=alerts, clock=clock)
            for moment in ("12:00", "12:05", "12:31", "13:02"):
                clock.at = datetime.fromisoformat(f"2026-04-01T{moment}+09:00")
                found.append(await publishers.turn())
        await publisher.stop()
        return found

    assert asyncio.run(run()) == [1, 0, 2, 1]
    assert heard.kinds().count("market.failed") == 1
    history = ImportedHistory(store, area="tokyo", at=clock.now())
    demand = history.column(MarketSeries.DEMAND, "tokyo").of_day(DAY)
    assert np.isfinite(demand[:24]).all()
    assert 10_000 < demand[0] < 60_000
    assert np.isnan(demand[30:]).all()
    assert "nothing is imported" in _line(history, MarketSeries.SPOT)


def _line(history: ImportedHistory, wanted: MarketSeries) -> str:
    history.column(wanted, "tokyo")
    return next(line for line in history.missing() if line.startswith(wanted.value))


def test_columns_of_all_steps_are_half_hours_in_our_units(tmp_path: Path) -> None:
    """If it fails, bids rest on watts read as megawatts, or an hour ago as now."""
    store = PublicationRegistry(open_database(tmp_path / "registry.sqlite3"))
    kept(store, series("spot_price_jpy_per_kwh", [10.0, np.nan, 12.0], step_s=1800))
    kept(store, series("demand_w", [30e9, 31e9], step_s=3600))
    kept(store, series("pv_w", [1e9, 3e9] * 3 + [5e9] * 3, step_s=300))
    kept(store, series("sea_level_pressure_pa", [101300.0], step_s=3600))
    history = ImportedHistory(store, area="tokyo", at=NOON)
    spot = history.column(MarketSeries.SPOT, "tokyo").of_day(DAY)[:4].tolist()
    assert (spot[0], spot[2]) == (10.0, 12.0)
    assert np.isnan([spot[1], spot[3]]).all()
    demand = history.column(MarketSeries.DEMAND, "tokyo").of_day(DAY)
    assert demand[:4].tolist() == pytest.approx([30_000.0, 30_000.0, 31_000.0, 31_000.0])
    pv = history.column(MarketSeries.PV, "tokyo").of_day(DAY)
    assert pv[0] == pytest.approx(2000.0)
    assert np.isnan(pv[1])
    pressure = history.column(MarketSeries.PRESSURE, "tokyo").of_day(DAY)
    assert pressure[0] == pytest.approx(1013.0)


def test_results_of_both_block_lengths_and_a_folder_for_what_was_before(tmp_path: Path) -> None:
    """If it fails, the change of blocks in 2026 leaves the reserve without any price."""
    store = PublicationRegistry(open_database(tmp_path / "registry.sqlite3"))
    prefix = Service.TERTIARY_2.value.replace("-", "_")
    for kind, value in (("awarded_w", 5e8), ("required_w", 1e9), ("mean_jpy_per_kw_30min", 2.5)):
        kept(store, series(f"{prefix}_{kind}", [value], step_s=10_800))
    older = Catalogue(tmp_path / "nothing")
    history = ImportedHistory(store, area="tokyo", at=NOON, older=older)
    found = history.balancing(Service.TERTIARY_2, "tokyo")
    assert found.price_mean.of_day(DAY)[:7].tolist()[:6] == [2.5] * 6
    assert found.awarded_mw.of_day(DAY)[0] == 500.0
    assert found.block_minutes.of_day(DAY)[0] == 180.0
    assert not len(history.balancing(Service.PRIMARY, "tokyo").awarded_mw.values)
    assert any("is not there" in line for line in history.missing())


def test_what_is_imported_and_old_is_said(tmp_path: Path) -> None:
    """If it fails, prices of last week pass for today's."""
    store = PublicationRegistry(open_database(tmp_path / "registry.sqlite3"))
    kept(store, series("spot_price_jpy_per_kwh", [10.0], step_s=1800))
    later = datetime.fromisoformat("2026-04-05T12:00+09:00")
    line = _line(ImportedHistory(store, area="tokyo", at=later), MarketSeries.SPOT)
    assert "ends" in line


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        ({"address": "http://x/{week}"}, "'week' in it"),
        ({"address": "ftp://x"}, "neither http"),
        ({"address": "http://x", "at": "noon"}, "is not HH:MM"),
        ({"address": "http://x", "every": 3}, "every: is not known"),
    ],
)
def test_a_wrong_publisher_is_one_clear_line(row: dict[str, object], cause: str) -> None:
    """If it fails, a slip of the pen fetches nothing, and nobody knows."""
    with pytest.raises(ConfigError, match=cause):
        read_publishers(Table({"publisher": [{"name": "x", **row}]}, "file"))
