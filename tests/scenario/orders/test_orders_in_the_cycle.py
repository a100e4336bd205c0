"""Orders from the grid in a running agent: carried out, recorded, replayed, told back."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgpack

from edge_agent.config.loader import load_config
from edge_agent.cycle.advice import PLAN_STEP_S, PLAN_STEPS, Advice
from edge_agent.cycle.agent import Agent
from edge_agent.cycle.memory import HeldMemory, load_memory
from edge_agent.cycle.parts import AgentParts
from edge_agent.cycle.record import FRAME_KIND
from edge_agent.cycle.site_orders import SiteOrders
from edge_agent.drivers.port import Reading, WriteOutcome, WriteState
from edge_agent.forecast.persistence import PersistenceForecaster
from edge_agent.forecast.port import Grid
from edge_agent.image.image import LatestValues
from edge_agent.journal.journal import Journal
from edge_agent.journal.reader import JournalReader
from edge_agent.journal.records import JournalStream
from edge_agent.link.inbox import Inbox
from edge_agent.link.site_link import SiteLink
from edge_agent.northbound.judge import SiteJudge
from edge_agent.northbound.port import GridOrder, OrderReport, OrderState, Origin, SiteSecond
from edge_agent.northbound.scaling import SiteFacts
from edge_agent.northbound.signals import package_signals
from edge_agent.points.table import points_of
from edge_agent.technician.history import History
from edge_agent.technician.replay import replay
from edge_agent.technician.why import page_of
from protocols.link.orders import Liveness
from protocols.vocabulary.identifiers import PointId, ResourceId, SiteId
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
    """Wall time that jumps at each look, on from where an earlier life was."""

    def __init__(self, seconds: float = 1_000_000.0) -> None:
        self.seconds = seconds

    def now(self) -> datetime:
        self.seconds += 0.25
        return datetime.fromtimestamp(self.seconds, tz=UTC)

    def monotonic_ns(self) -> int:
        return int(self.seconds * 1e9)


class House:
    """A driver with a meter, a load and a battery that does at once what it is told."""

    def __init__(self, clock: FastClock, load_w: float) -> None:
        self.clock = clock
        self.load_w = load_w
        self.power_w = 0.0
        self.battery = Resource(
            resource_id=ResourceId("site-001/battery-1"),
            site_id=SiteId("site-001"),
            kind=ResourceKind.BATTERY,
            power_w_min=-3000.0,
            power_w_max=3000.0,
            ramp_w_per_s=float("inf"),
            energy_wh_capacity=10_000.0,
            capabilities=frozenset(
                {Capability.READS_POWER, Capability.TAKES_SETPOINT, Capability.HAS_SOC}
            ),
        )

    @property
    def meter_w(self) -> float:
        return self.load_w + self.power_w

    async def read(self, deadline_s: float) -> list[Reading]:
        now = self.clock.now()
        values = {
            "meter.power_w": self.meter_w,
            "battery-1.power_w": self.power_w,
            "battery-1.soc": 0.5,
        }
        return [
            (
                PointId(name),
                Measurement(value=value, quality=Quality.GOOD, measured_at=now, received_at=now),
            )
            for name, value in values.items()
        ]

    async def write(self, setpoint: Setpoint) -> WriteOutcome:
        self.power_w = setpoint.power_w
        return self._outcome(setpoint.resource_id, setpoint.sequence)

    async def release(self, resource_id: ResourceId) -> WriteOutcome:
        self.power_w = 0.0
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
            read_back_w=self.power_w,
            detail="",
            finished_at=self.clock.now(),
        )


class Utility:
    """A northbound client whose orders a test sets."""

    trouble = ""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.held: Sequence[GridOrder] = ()
        self.seconds: list[SiteSecond] = []

    def orders(self) -> Sequence[GridOrder]:
        return self.held

    def tell(self, second: SiteSecond) -> None:
        self.seconds.append(second)

    @property
    def reports(self) -> list[OrderReport]:
        return [report for second in self.seconds for report in second.reports]

    @property
    def states(self) -> list[OrderState]:
        return [report.state for report in self.reports]


def order(mode: str, value: float, *, clock: FastClock, minutes: float = 600.0) -> GridOrder:
    start = datetime.fromtimestamp(clock.seconds, tz=UTC)
    return GridOrder(
        order_id=f"{mode}/1",
        event_id="0F00000000000000000000010001E240",
        origin=Origin.OPENADR if "." in mode else Origin.IEEE2030_5,
        issued_by="utility",
        mode=mode,
        value=value,
        interval=Interval(start=start, end=start + timedelta(minutes=minutes)),
        priority=1,
        issued_at=start,
    )


def quiet_link() -> SiteLink:
    """Make a link that is never up."""

    async def run() -> None:
        await asyncio.sleep(60)

    link = SimpleNamespace(
        health=SimpleNamespace(liveness=Liveness.LOST, heard_ns=None, connected=False, malformed=0),
        run=run,
        journaled=lambda _: None,
        take_durable=dict,
    )
    return cast("SiteLink", link)


class Life:
    """One life of an agent on the site's journal."""

    def __init__(self, folder: Path, clock: FastClock, *, load_w: float = -2000.0) -> None:
        (folder / "site.toml").write_text(SITE)
        self.config = load_config(folder / "site.toml")
        self.clock = clock
        self.journal = Journal.open(self.config.journal_path, self.config.site_id, clock)
        self.house = House(clock, load_w)
        self.held = HeldMemory(load_memory(self.journal.state))
        self.utility, self.vtn = Utility(Origin.IEEE2030_5), Utility(Origin.OPENADR)
        facts = SiteFacts(resources=(), contract_import_w=10_000.0, devices=1)
        self.judge = SiteJudge(package_signals(), facts)
        self.running: asyncio.Task[None] | None = None

    def parts(self) -> AgentParts:
        config, clock = self.config, self.clock
        return AgentParts(
            config=config,
            clock=clock,
            driver=self.house,
            specs=points_of(config),
            latest=LatestValues(clock),
            journal=self.journal,
            inbox=Inbox(config.site_id, config.zone, self.held.memory.guards),
            link=quiet_link(),
            advice=Advice(PersistenceForecaster(grid=Grid(step_s=PLAN_STEP_S, steps=PLAN_STEPS))),
            heartbeat=SimpleNamespace(beat=lambda: None),
            orders=SiteOrders(config.site_id, self.judge, (self.utility, self.vtn)),
        )

    async def live(self, *steps: tuple[Callable[[], None], Callable[[], bool]]) -> None:
        """Do each thing, and wait for what must come of it."""
        stop = asyncio.Event()
        self.running = asyncio.create_task(Agent(self.parts(), self.held).run(stop))
        for do, happens in steps:
            do()
            await self.until(happens)
        stop.set()
        await self.running
        self.journal.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        assert self.running is not None
        for _ in range(5_000):
            if condition():
                return
            assert not self.running.done(), self.running
            await asyncio.sleep(0.002)
        raise AssertionError("the agent did not get there")

    def after(self, cycles: int) -> Callable[[], bool]:
        """Say when so many more cycles have passed."""
        last = self.held.memory.cycle + cycles
        return lambda: self.held.memory.cycle >= last

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        reader = JournalReader(self.config.journal_path)
        found = [
            (entry.kind, msgpack.unpackb(entry.payload))
            for entry in reader.scan(JournalStream.EVENT, *reader.bounds(JournalStream.EVENT))
            if entry.kind.startswith("order.")
        ]
        reader.close()
        return found

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events()]


def nothing() -> None:
    """Only wait."""


def test_a_limit_is_carried_out_recorded_and_told_back(tmp_path: Path) -> None:
    """If it fails, a utility's order changes nothing at the site, or nobody can show it did."""
    life = Life(tmp_path, FastClock(), load_w=-2000.0)
    limit = order("opModExpLimW", 0.0, clock=life.clock)
    target = order("opModTargetW", 1000.0, clock=life.clock)

    def offer() -> None:
        life.utility.held = (limit, target)

    def withdraw() -> None:
        life.utility.held = (limit,)

    asyncio.run(
        life.live(
            (nothing, lambda: life.held.memory.cycle >= 3),
            (offer, lambda: life.utility.states.count(OrderState.STARTED) == 2),
            (nothing, lambda: life.house.meter_w == -1000.0),
            (withdraw, lambda: OrderState.WITHDRAWN in life.utility.states),
        )
    )
    told = [(kind, event["mode"], event["issued_by"]) for kind, event in life.events()]
    assert told == [
        ("order.started", "opModExpLimW", "utility"),
        ("order.started", "opModTargetW", "utility"),
        ("order.ended", "opModTargetW", "utility"),
    ]
    assert not life.vtn.reports
    second = life.utility.seconds[-1]
    assert second.ratings.max_w == 3000.0
    assert second.resources[0].power_w is not None


def test_orders_survive_a_restart_and_nothing_is_told_as_news_twice(tmp_path: Path) -> None:
    """If it fails, a restart frees the site of its limits, or the record shows an order twice."""
    first = Life(tmp_path, FastClock())
    limit = order("opModImpLimW", 500.0, clock=first.clock)
    first.utility.held = (limit,)
    asyncio.run(first.live((nothing, lambda: OrderState.STARTED in first.utility.states)))
    second = Life(tmp_path, FastClock(first.clock.seconds))
    begun = second.held.memory.cycle
    second.utility.held = (limit,)
    asyncio.run(second.live((nothing, second.after(5))))
    assert second.kinds() == ["order.started"]
    assert second.utility.seconds[0].reports[0].state is OrderState.STARTED
    reader = JournalReader(second.config.journal_path)
    history = History(reader)
    tick = history.of_cycle(begun + 1)
    assert tick is not None
    (held,) = [one for one in tick.inputs.frame.limits if one.name.startswith("opModImpLimW")]
    assert held.valid_until == limit.interval.end
    page = page_of(history, tick, ())
    assert any("utility" in line.source for line in page.limits)
    reader.close()


def test_seconds_with_orders_are_replayed_bit_for_bit(tmp_path: Path) -> None:
    """If it fails, the record cannot prove why the site did what a utility disputes."""
    life = Life(tmp_path, FastClock())
    change = order("LOAD_DISPATCH.delta", -1500.0, clock=life.clock)
    limit = order("opModGenLimW", 1000.0, clock=life.clock)
    price = order("ELECTRICITY_PRICE.price", 55.0, clock=life.clock)

    def dispatch() -> None:
        life.vtn.held = (change, price)

    def curtail() -> None:
        life.utility.held = (limit,)

    asyncio.run(
        life.live(
            (nothing, lambda: life.held.memory.cycle >= 5),
            (dispatch, lambda: OrderState.STARTED in life.vtn.states),
            (nothing, life.after(5)),
            (curtail, lambda: OrderState.PARTIAL in life.vtn.states),
        )
    )
    reader = JournalReader(life.config.journal_path)
    history = History(reader)
    found = replay(history, history.cycles())
    assert found.replayed >= 12
    assert found.differing == 0, found.differences
    ticks = reader.scan(JournalStream.TICK, *reader.bounds(JournalStream.TICK))
    frames = [entry for entry in ticks if entry.kind == FRAME_KIND]
    assert len(frames) <= 4, "a frame is made anew only when an order changed"
    reader.close()
    (limited,) = [one for one in life.vtn.reports if one.state is OrderState.PARTIAL]
    assert "opModGenLimW" in limited.cause
    assert limited.missing_w > 400.0


def test_the_baseline_of_a_change_survives_a_restart(tmp_path: Path) -> None:
    """If it fails, a restart in the middle of an event counts the change from the changed power."""
    first = Life(tmp_path, FastClock())
    change = order("LOAD_DISPATCH.delta", -1000.0, clock=first.clock)

    def dispatch() -> None:
        first.vtn.held = (change,)

    asyncio.run(
        first.live(
            (nothing, lambda: first.held.memory.cycle >= 5),
            (dispatch, lambda: OrderState.STARTED in first.vtn.states),
            (nothing, first.after(3)),
        )
    )
    (note,) = first.held.memory.orders
    second = Life(tmp_path, FastClock(first.clock.seconds))
    second.vtn.held = (change,)
    asyncio.run(second.live((nothing, second.after(5))))
    reader = JournalReader(second.config.journal_path)
    tick = History(reader).last()
    assert tick is not None
    (kept,) = tick.inputs.frame.meter_orders or ()
    assert kept.baseline_w == note.baseline_w
    reader.close()


def test_what_the_site_cannot_do_is_refused_once_and_changes_nothing(tmp_path: Path) -> None:
    """If it fails, a curve nobody follows counts as carried out."""
    life = Life(tmp_path, FastClock())
    curve = order("opModVoltVar", 0.0, clock=life.clock)
    life.utility.held = (curve,)
    asyncio.run(life.live((nothing, lambda: life.held.memory.cycle >= 20)))
    assert life.kinds() == ["order.refused"]
    assert life.utility.states == [OrderState.REFUSED]
    refusal = life.judge.refusal(curve)
    assert refusal is not None
