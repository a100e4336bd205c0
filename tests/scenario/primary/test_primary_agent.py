"""The whole agent with the primary loop inside, in real time: what it journals and replays."""

import asyncio
import contextlib
import json
import time
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import msgpack

from cloud_coordinator.services.attributing import frequency_hz
from cloud_coordinator.services.ports import EventStore
from cloud_coordinator.services.records import EventRecord
from edge_agent.cycle.advice import PLAN_STEP_S, PLAN_STEPS, Advice
from edge_agent.cycle.agent import Agent
from edge_agent.cycle.memory import AgentMemory, HeldMemory
from edge_agent.cycle.parts import AgentParts
from edge_agent.cycle.primary_members import members_path
from edge_agent.cycle.site_orders import SiteOrders
from edge_agent.forecast.persistence import PersistenceForecaster
from edge_agent.forecast.port import Grid
from edge_agent.image.image import LatestValues
from edge_agent.journal.journal import Journal
from edge_agent.journal.reader import JournalReader
from edge_agent.journal.records import JournalStream
from edge_agent.link.inbox import Inbox
from edge_agent.link.site_link import SiteLink
from edge_agent.northbound.judge import SiteJudge
from edge_agent.northbound.scaling import SiteFacts
from edge_agent.northbound.signals import package_signals
from edge_agent.points.table import points_of
from edge_agent.technician.history import History
from edge_agent.technician.primary_record import logged_rows, summary_of
from edge_agent.technician.replay import replay
from protocols.link.orders import Liveness
from protocols.vocabulary.intervals import Interval, utc_from_seconds

SECONDS = 5


class Started:
    """Real time, counted from a fixed moment."""

    def __init__(self, start: datetime) -> None:
        self.start, self.began = start, time.monotonic()

    def now(self) -> datetime:
        return self.start + timedelta(seconds=time.monotonic() - self.began)

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


def _quiet_link() -> SiteLink:
    async def run() -> None:
        await asyncio.sleep(60)

    link = SimpleNamespace(
        health=SimpleNamespace(liveness=Liveness.LOST, heard_ns=None, connected=False, malformed=0),
        run=run,
        journaled=lambda _: None,
        take_durable=dict,
    )
    return cast("SiteLink", link)


async def _live(kit: Any, journal: Journal, *, clock: Started, config: Any) -> Any:
    site = kit.site_of(config, clock, lambda _: 49.9)
    site.load_w = -1000.0
    held = HeldMemory(AgentMemory(commitments=(kit.commitment(kit.east, 3000.0),)))
    parts = AgentParts(
        config=config,
        clock=clock,
        driver=site,
        specs=points_of(config),
        latest=LatestValues(clock),
        journal=journal,
        inbox=Inbox(config.site_id, config.zone, held.memory.guards),
        link=_quiet_link(),
        advice=Advice(PersistenceForecaster(grid=Grid(step_s=PLAN_STEP_S, steps=PLAN_STEPS))),
        heartbeat=SimpleNamespace(beat=lambda: None),
        orders=SiteOrders(
            config.site_id,
            SiteJudge(package_signals(), SiteFacts(resources=(), contract_import_w=1.0)),
            (),
        ),
    )
    stop = asyncio.Event()
    running = asyncio.create_task(Agent(parts, held).run(stop))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(running), SECONDS)
    assert not running.done(), running
    stop.set()
    await running
    return site


def _as_the_coordinator_reads(events: Any, site_id: Any) -> Any:
    """Frequency of the seconds that were written, found from the lines as they go up."""
    records = [
        EventRecord(
            event_key=str(one.sequence),
            site_id=site_id,
            recorded_at=one.recorded_at,
            received_at=one.recorded_at,
            kind=one.kind,
            payload=msgpack.unpackb(one.payload),
        )
        for one in events
        if one.kind == "primary.logged"
    ]
    store = cast("EventStore", SimpleNamespace(events=lambda _: records[::-1]))
    first = utc_from_seconds(records[0].payload["second"])
    span = Interval(start=first, end=first + timedelta(seconds=len(records)))
    return frequency_hz(store, [site_id], span)


def test_the_agent_lends_logs_replays_and_gives_back(kit: Any) -> None:
    """If it fails, the site gives reserve without a record that explains it."""
    config, clock = kit.config(), Started(kit.t0)
    test = {
        "members": ["site-001/battery-1"],
        "rule_set_id": "eprx-2025-04-01",
        "product": "primary",
        "available_w": 4000.0,
        "tested_at": "2026-07-01T00:00:00+00:00",
    }
    members_path(config).parent.mkdir(parents=True, exist_ok=True)
    members_path(config).write_text(json.dumps(test), encoding="utf-8")
    journal = Journal.open(config.journal_path, config.site_id, clock)
    site = asyncio.run(_live(kit, journal, clock=clock, config=config))
    events = journal.read(JournalStream.EVENT, 1, journal.last(JournalStream.EVENT))
    journal.close()
    written = [msgpack.unpackb(one.payload) for one in events if one.kind == "primary.logged"]
    assert len(written) >= SECONDS - 2
    assert ["since" in one for one in written] == [False] + [True] * (len(written) - 1)
    told = [msgpack.unpackb(one.payload) for one in events if one.kind == "primary.qualified"]
    assert told == [test], "told once, at the start"
    assert set(_as_the_coordinator_reads(events, config.site_id).tolist()) == {49.9}
    reader = JournalReader(config.journal_path)
    logged = logged_rows(reader, seconds=100)
    assert len(logged) == len(written)
    assert logged[-1]["frequency_hz"] == 49.9
    assert logged[-1]["asked_w"] == 200.0
    assert logged[-1]["samples"] >= 5
    assert abs(logged[-1]["power_w"] - 200.0) < 50.0
    assert {one.reason for one in site.writes} == {"primary.droop"}
    assert [str(name) for name in site.released] == ["site-001/battery-1"], "given back at the end"
    history = History(reader)
    found = replay(history, history.cycles())
    summary = summary_of(logged)
    reader.close()
    assert found.replayed >= SECONDS - 1
    assert found.differing == 0, found.differences
    assert summary.seconds == len(logged)
    assert summary.gaps == 0
