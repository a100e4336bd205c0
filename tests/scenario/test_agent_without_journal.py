"""The agent whose disk refuses: what cannot be recorded is not done, and nothing is forgotten."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgpack

from edge_agent.config.loader import load_config
from edge_agent.cycle.advice import PLAN_STEP_S, PLAN_STEPS, Advice
from edge_agent.cycle.agent import Agent
from edge_agent.cycle.memory import HeldMemory, load_memory
from edge_agent.cycle.parts import AgentParts
from edge_agent.cycle.site_orders import SiteOrders
from edge_agent.drivers.port import Reading, WriteOutcome, WriteState
from edge_agent.forecast.persistence import PersistenceForecaster
from edge_agent.forecast.port import Grid
from edge_agent.image.image import LatestValues
from edge_agent.journal.journal import Journal
from edge_agent.journal.records import Draft, JournalStream
from edge_agent.link.inbox import Inbox
from edge_agent.link.site_link import SiteLink
from edge_agent.northbound.judge import SiteJudge
from edge_agent.northbound.scaling import SiteFacts
from edge_agent.northbound.signals import package_signals
from edge_agent.points.table import points_of
from protocols.link.messages import Command
from protocols.link.orders import Liveness
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.identifiers import PointId, ResourceId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.measurement import Measurement, Quality
from protocols.vocabulary.resource import Capability, Resource, ResourceKind
from protocols.vocabulary.setpoint import Setpoint

SITE = """
site_id = "site-001"
zone = "tokyo"
data_dir = "data"
[link]
brokers = ["mqtt://127.0.0.1:1"]
[limits]
contract_import_w = 10000
export_limit_w = 5000
[tariff]
import_jpy_per_kwh = 30.0
export_jpy_per_kwh = 8.0
[location]
latitude = 35.6
longitude = 139.7
[echonet]
address = "127.1.1.1"
[[devices]]
id = "meter"
kind = "meter"
protocol = "echonet-lite"
address = "127.1.1.11"
eoj = "028801"
[[devices]]
id = "battery-1"
kind = "battery"
protocol = "echonet-lite"
address = "127.1.1.12"
eoj = "027D01"
"""


class FastClock:
    """Wall time that jumps to the next second at each look of the schedule."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def now(self) -> datetime:
        self.seconds += 0.25
        return datetime.fromtimestamp(self.seconds, tz=UTC)

    def monotonic_ns(self) -> int:
        return int(self.seconds * 1e9)


class Battery:
    """A driver with a meter and a battery that answer at once."""

    def __init__(self, clock: FastClock) -> None:
        self.clock = clock
        self.told: list[str] = []
        self.battery = Resource(
            resource_id=ResourceId("site-001/battery-1"),
            site_id=load_site,
            kind=ResourceKind.BATTERY,
            power_w_min=-3000.0,
            power_w_max=3000.0,
            ramp_w_per_s=float("inf"),
            energy_wh_capacity=10_000.0,
            capabilities=frozenset(
                {Capability.READS_POWER, Capability.TAKES_SETPOINT, Capability.HAS_SOC}
            ),
        )

    async def read(self, deadline_s: float) -> list[Reading]:
        now = self.clock.now()
        values = {"meter.power_w": -800.0, "battery-1.power_w": 0.0, "battery-1.soc": 0.5}
        return [
            (
                PointId(name),
                Measurement(value=value, quality=Quality.GOOD, measured_at=now, received_at=now),
            )
            for name, value in values.items()
        ]

    async def write(self, setpoint: Setpoint) -> WriteOutcome:
        self.told.append("write")
        return self._outcome(setpoint.resource_id, setpoint.sequence)

    async def release(self, resource_id: ResourceId) -> WriteOutcome:
        self.told.append("release")
        return self._outcome(resource_id, 0)

    async def discover(self) -> tuple[()]:
        return ()

    def resources(self) -> tuple[Resource, ...]:
        return (self.battery,)

    async def run(self) -> None:
        await asyncio.sleep(60)

    def _outcome(self, resource_id: ResourceId, sequence: int) -> WriteOutcome:
        return WriteOutcome(
            resource_id=resource_id,
            sequence=sequence,
            state=WriteState.DONE,
            read_back_w=0.0,
            detail="",
            finished_at=self.clock.now(),
        )


load_site = "site-001"


class Disk:
    """A journal whose disk refuses while ``full`` is set."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.full = False
        self.refused = 0

    def append(
        self, entries: list[Draft], state: Mapping[str, bytes] | None = None
    ) -> dict[JournalStream, int]:
        if self.full:
            self.refused += 1
            raise JournalError("disk full")
        return self.journal.append(entries, state)


def link() -> SiteLink:
    """Make a link that is never up."""

    async def run() -> None:
        await asyncio.sleep(60)

    quiet = SimpleNamespace(
        health=SimpleNamespace(liveness=Liveness.LOST, heard_ns=None, connected=False, malformed=0),
        run=run,
        journaled=lambda _: None,
        take_durable=dict,
    )
    return cast("SiteLink", quiet)


def stop_command(now: datetime) -> Command:
    validity = Interval(start=now - timedelta(seconds=1), end=now + timedelta(hours=1))
    return Command(sequence=1, epoch=1, validity=validity, kind="stop", payload={})


async def _until(condition: object, agent: asyncio.Task[None]) -> None:
    for _ in range(5_000):
        if condition():  # type: ignore[operator]
            return
        assert not agent.done(), agent
        await asyncio.sleep(0.002)
    raise AssertionError("the agent did not get there")


async def _live(tmp_path: Path) -> tuple[Battery, Disk, Journal]:
    (tmp_path / "site.toml").write_text(SITE)
    config = load_config(tmp_path / "site.toml")
    clock = FastClock()
    journal = Journal.open(config.journal_path, config.site_id, clock)
    disk, driver = Disk(journal), Battery(clock)
    held = HeldMemory(load_memory(journal.state))
    inbox = Inbox(config.site_id, config.zone, held.memory.guards)
    forecaster = PersistenceForecaster(grid=Grid(step_s=PLAN_STEP_S, steps=PLAN_STEPS))
    parts = AgentParts(
        config=config,
        clock=clock,
        driver=driver,
        specs=points_of(config),
        latest=LatestValues(clock),
        journal=disk,
        inbox=inbox,
        link=link(),
        advice=Advice(forecaster),
        heartbeat=SimpleNamespace(beat=lambda: None),
        orders=SiteOrders(
            config.site_id,
            SiteJudge(package_signals(), SiteFacts(resources=(), contract_import_w=1.0)),
            (),
        ),
    )
    stop = asyncio.Event()
    running = asyncio.create_task(Agent(parts, held).run(stop))
    await _until(lambda: "write" in driver.told, running)
    disk.full = True
    inbox.put(stop_command(clock.now()), clock.now())
    before = list(driver.told)
    await _until(lambda: disk.refused >= 5, running)
    assert driver.told[len(before) :].count("release") == 1, "released once, not every second"
    assert "write" not in driver.told[len(before) + 1 :]
    disk.full = False
    await _until(lambda: held.memory.stopped and held.memory.cycle > 3, running)
    stop.set()
    await running
    return driver, disk, journal


def test_a_full_disk_releases_once_and_forgets_nothing(tmp_path: Path) -> None:
    """Devices would move without a record, or an emergency stop that came meanwhile be lost."""
    driver, _, journal = asyncio.run(_live(tmp_path))
    last = journal.last(JournalStream.EVENT)
    events = journal.read(JournalStream.EVENT, 1, last)
    kinds = [event.kind for event in events]
    assert "command.done" in kinds
    assert "cycle.skipped" in kinds
    raised = next(event for event in events if event.kind == "alarm.raised")
    assert msgpack.unpackb(raised.payload)["detail"] == "disk full"
    assert "alarm.cleared" in kinds
    assert kinds[-1] == "agent.stopped"
    assert load_memory(journal.state).stopped
    rows = journal.last(JournalStream.TELEMETRY)
    cycles = [entry.cycle for entry in journal.read(JournalStream.TELEMETRY, 1, rows)]
    assert cycles == list(range(1, rows + 1)), "a cycle number was lost or used twice"
    assert driver.told.count("release") >= 1
    journal.close()
