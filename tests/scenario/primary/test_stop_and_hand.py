"""A small fleet of whole agents in real time: two persons stop it, a technician overrides one."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from cloud_coordinator.fleet.fleet import Fleet
from cloud_coordinator.fleet.moment import moment_of
from cloud_coordinator.services.emergency import Emergency, EmergencyPorts
from cloud_coordinator.services.intervention import CHECK_LIST
from cloud_coordinator.services.people import MemoryState, NobodyToCall
from edge_agent.cycle.advice import PLAN_STEP_S, PLAN_STEPS, Advice
from edge_agent.cycle.agent import Agent
from edge_agent.cycle.hand import HandKind
from edge_agent.cycle.hand_door import HandDoor
from edge_agent.cycle.memory import AgentMemory, HeldMemory
from edge_agent.cycle.parts import AgentParts
from edge_agent.cycle.site_orders import SiteOrders
from edge_agent.forecast.persistence import PersistenceForecaster
from edge_agent.forecast.port import Grid
from edge_agent.image.image import LatestValues
from edge_agent.journal.journal import Journal
from edge_agent.journal.reader import JournalReader
from edge_agent.link.inbox import Inbox
from edge_agent.link.site_link import SiteLink
from edge_agent.northbound.judge import SiteJudge
from edge_agent.northbound.scaling import SiteFacts
from edge_agent.northbound.signals import package_signals
from edge_agent.points.table import points_of
from edge_agent.technician.hand import Wish, order_of_agent
from edge_agent.technician.history import History
from edge_agent.technician.replay import replay
from protocols.link.messages import Command, Plain
from protocols.link.orders import Liveness
from protocols.vocabulary.identifiers import SiteId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.mode import Mode

SITES = 4
WAIT_S = 20.0


class Real:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class Inboxes:
    """A downlink that puts commands straight into the agents' inboxes."""

    def __init__(self) -> None:
        self.inboxes: dict[SiteId, Inbox] = {}
        self.sequence = 0

    def send_command(
        self, site_id: SiteId, kind: str, payload: Mapping[str, Plain], *, valid: timedelta
    ) -> bool:
        now = datetime.now(UTC)
        self.sequence += 1
        message = Command(
            sequence=self.sequence,
            epoch=1,
            validity=Interval(start=now, end=now + valid),
            kind=kind,
            payload=payload,
        )
        self.inboxes[site_id].put(message, now)
        return True


def _link() -> SiteLink:
    async def run() -> None:
        await asyncio.sleep(600)

    link = SimpleNamespace(
        health=SimpleNamespace(liveness=Liveness.LOST, heard_ns=None, connected=False, malformed=0),
        run=run,
        journaled=lambda _: None,
        take_durable=dict,
    )
    return cast("SiteLink", link)


def _agent(kit: Any, inboxes: Inboxes, name: SiteId, *, journal: Journal, config: Any) -> Any:
    clock = Real()
    site = kit.site_of(config, clock, lambda _: 50.0)
    held = HeldMemory(AgentMemory())
    inbox = Inbox(config.site_id, config.zone, held.memory.guards)
    inboxes.inboxes[name] = inbox
    parts = AgentParts(
        config=config,
        clock=clock,
        driver=site,
        specs=points_of(config),
        latest=LatestValues(clock),
        journal=journal,
        inbox=inbox,
        link=_link(),
        advice=Advice(PersistenceForecaster(grid=Grid(step_s=PLAN_STEP_S, steps=PLAN_STEPS))),
        heartbeat=SimpleNamespace(beat=lambda: None),
        orders=SiteOrders(
            config.site_id,
            SiteJudge(package_signals(), SiteFacts(resources=(), contract_import_w=1.0)),
            (),
        ),
        hand=HandDoor(config.data_dir),
    )
    return SimpleNamespace(agent=Agent(parts, held), held=held, site=site, config=config)


async def _until(condition: Any) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < WAIT_S, "it did not come to pass"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def _live(agents: list[Any], emergency: Emergency) -> None:
    stop, clock = asyncio.Event(), Real()
    running = [asyncio.create_task(one.agent.run(stop)) for one in agents]
    try:
        await _until(lambda: all(one.held.memory.cycle for one in agents))
        wish = Wish(
            kind=HandKind.OVERRIDE, by="mori", device_id="battery-1", power_w=500.0, minutes=5.0
        )
        found = await order_of_agent(agents[0].config, wish, clock)
        assert found.is_done, found.refused
        await _until(lambda: agents[0].held.memory.control.mode is Mode.MANUAL)
        await _until(lambda: agents[0].site.writes)
        emergency.ask_stop(by="mori", reason="fire", now=moment_of(clock))
        emergency.confirm_stop(by="sato", now=moment_of(clock))
        took_s = await _until(
            lambda: all(one.held.memory.control.mode is Mode.SAFE for one in agents)
        )
        rest_s = await _until(
            lambda: all(
                one.held.memory.control.setpoint_of(r.resource_id) is None
                or one.held.memory.control.setpoint_of(r.resource_id).power_w == 0.0
                for one in agents
                for r in one.site.resources()
            )
        )
        print(f"stop to last device: {took_s + rest_s:.2f} s")  # noqa: T201 - the figure
        for point in CHECK_LIST:
            emergency.tick_point(point, by="mori", now=moment_of(clock))
        emergency.resume(by="mori", now=moment_of(clock))
        await _until(lambda: not any(one.held.memory.stopped for one in agents))
    finally:
        stop.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*running)


def test_two_persons_stop_a_fleet_and_a_technician_holds_one_device(
    kit: Any, tmp_path: Path
) -> None:
    """If it fails, "stop" leaves a device running, or a technician at the site is powerless."""
    inboxes, fleet, agents, notes = Inboxes(), Fleet(), [], []
    for number in range(SITES):
        name = SiteId(f"site-{number}")
        fleet.upsert_site(name, ZoneId("tokyo"))
        folder = tmp_path / str(number)
        folder.mkdir()
        config = type(kit)(folder).config()
        config.data_dir.mkdir(parents=True, exist_ok=True)
        journal = Journal.open(config.journal_path, config.site_id, Real())
        agents.append(_agent(kit, inboxes, name, journal=journal, config=config))
        agents[-1].journal = journal
    ports = EmergencyPorts(
        downlink=inboxes,
        operators=NobodyToCall(),
        state=MemoryState(),
        note=lambda kind, payload: notes.append(kind),
    )
    asyncio.run(_live(agents, Emergency(fleet, ports)))
    for one in agents:
        one.journal.close()
    assert "emergency.stopped" in notes
    reader = JournalReader(agents[0].config.journal_path)
    try:
        history = History(reader)
        found = replay(history, history.cycles())
        assert found.replayed
        assert found.differing == 0, found.differences
    finally:
        reader.close()
