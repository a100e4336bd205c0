"""A site whose second passes in no time: virtual event loop, battery physics, grid frequency."""

import asyncio
import gzip
import selectors
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest

from edge_agent.config.loader import load_config
from edge_agent.config.site import SiteConfig
from edge_agent.control.decide import decide
from edge_agent.control.inputs import ControlState, CycleInputs, Decision
from edge_agent.control.plain import digest_of, pack_frame
from edge_agent.cycle.framing import bindings_of, frame_of
from edge_agent.cycle.parts import AgentParts
from edge_agent.cycle.primary import PrimaryLoop
from edge_agent.cycle.primary_log import logged_second
from edge_agent.drivers.port import Reading, WriteOutcome, WriteState
from edge_agent.image.image import LatestValues, freeze
from edge_agent.points.table import points_of
from firmware_sim.physics.battery import BatteryParameters, BatteryState, soc, step_battery
from protocols.vocabulary.arrays import column
from protocols.vocabulary.commitment import Commitment, Droop
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.identifiers import ModelId, ObligationId, PointId, ResourceId, SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.measurement import Measurement, Quality
from protocols.vocabulary.mode import Mode
from protocols.vocabulary.obligation import HoldRule, Obligation, RelativeTo, Service
from protocols.vocabulary.offer import OfferCurve
from protocols.vocabulary.resource import Capability, Resource, ResourceKind
from protocols.vocabulary.setpoint import Setpoint

T0 = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
SITE = SiteId("site-001")
DATA = Path("/work/shared/data/frequency")
Result = TypeVar("Result")

CONFIG = """
site_id = "site-001"
zone = "tokyo"
data_dir = "data"
[link]
brokers = ["mqtt://127.0.0.1:1"]
[limits]
contract_import_w = 20000
export_limit_w = {export_w}
[tariff]
import_jpy_per_kwh = 30.0
export_jpy_per_kwh = 8.0
[location]
latitude = 35.6
longitude = 139.7
[echonet]
address = "127.1.77.1"
[[devices]]
id = "meter"
kind = "meter"
protocol = "echonet-lite"
address = "127.1.77.11"
eoj = "028801"
"""
BATTERY = """
[[devices]]
id = "{name}"
kind = "battery"
protocol = "echonet-lite"
address = "127.1.77.{host}"
eoj = "027D01"
"""


class _Selector(selectors.SelectSelector):
    """Never waits: where nothing is ready, time moves on to the next timer."""

    elapsed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is not None:
            self.elapsed_s += max(timeout, 0.0)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose time is its selector's."""

    def __init__(self) -> None:
        self.virtual = _Selector()
        super().__init__(self.virtual)

    def time(self) -> float:
        return self.virtual.elapsed_s


class VirtualClock:
    """The virtual loop's time as a clock."""

    def _elapsed_s(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return T0 + timedelta(seconds=self._elapsed_s())

    def monotonic_ns(self) -> int:
        return 10**12 + round(self._elapsed_s() * 1e9)


def run_virtual(work: Callable[[], Awaitable[Result]]) -> Result:
    """Run a coroutine in virtual time."""

    async def entered() -> Result:
        return await work()

    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(entered())


@dataclass
class PhysicalBattery:
    """Battery physics behind a device that takes a setpoint after some time."""

    parameters: BatteryParameters
    state: BatteryState
    latency_s: float = 0.05
    request_w: float = 0.0
    until: datetime = T0
    deaf: bool = False
    trace: list[tuple[float, float]] = field(default_factory=list)

    def advance(self, elapsed_s: float, duration_s: float, now: datetime) -> None:
        request_w = self.request_w if now < self.until else 0.0
        self.state = step_battery(
            self.parameters, self.state, request_w=request_w, duration_s=duration_s
        )
        self.trace.append((elapsed_s, self.state.power_w))


@dataclass
class PolledSite:
    """A fake driver with a meter, batteries and the grid's frequency.

    ``frequency`` gives Hz of a time in s, None for no answer.
    """

    config: SiteConfig
    clock: VirtualClock
    frequency: Callable[[float], float | None]
    batteries: dict[str, PhysicalBattery]
    load_w: float = -1000.0
    measures: tuple[str, ...] = ("battery-1",)
    resolution_hz: float = 0.001
    answer_s: float = 0.02
    slow: tuple[str, ...] = ()
    writes: list[Setpoint] = field(default_factory=list)
    released: list[ResourceId] = field(default_factory=list)
    fast_reads: int = 0

    def name(self, resource_id: ResourceId) -> str:
        return resource_id.partition("/")[2]

    def meter_w(self) -> float:
        return self.load_w + sum(one.state.power_w for one in self.batteries.values())

    def reading(self, point: str, value: float) -> Reading:
        now = self.clock.now()
        return PointId(point), Measurement(
            value=value, quality=Quality.GOOD, measured_at=now, received_at=now
        )

    def rounded(self, frequency_hz: float) -> float:
        return round(frequency_hz / self.resolution_hz) * self.resolution_hz

    async def read(self, deadline_s: float) -> list[Reading]:
        found = [self.reading("meter.power_w", self.meter_w())]
        for name, one in self.batteries.items():
            found.append(self.reading(f"{name}.power_w", one.state.power_w))
            found.append(self.reading(f"{name}.soc", soc(one.parameters, one.state)))
            frequency_hz = self.frequency(asyncio.get_running_loop().time())
            if name in self.measures and frequency_hz is not None:
                found.append(self.reading(f"{name}.frequency_hz", self.rounded(frequency_hz)))
        return found

    async def write(self, setpoint: Setpoint) -> WriteOutcome:
        self.writes.append(setpoint)
        one = self.batteries[self.name(setpoint.resource_id)]
        await asyncio.sleep(one.latency_s)
        if not one.deaf:
            one.request_w, one.until = setpoint.power_w, setpoint.valid_until
        return WriteOutcome(
            resource_id=setpoint.resource_id,
            sequence=setpoint.sequence,
            state=WriteState.TIMEOUT if one.deaf else WriteState.DONE,
            read_back_w=None if one.deaf else setpoint.power_w,
            detail="",
            finished_at=self.clock.now(),
        )

    async def release(self, resource_id: ResourceId) -> WriteOutcome:
        self.released.append(resource_id)
        self.batteries[self.name(resource_id)].until = T0
        return WriteOutcome(
            resource_id=resource_id,
            sequence=0,
            state=WriteState.DONE,
            read_back_w=None,
            detail="",
            finished_at=self.clock.now(),
        )

    def revert_to(self, resource_id: ResourceId, power_w: float | None) -> None:
        del resource_id, power_w

    async def discover(self) -> tuple[()]:
        return ()

    def resources(self) -> tuple[Resource, ...]:
        return tuple(
            Resource(
                resource_id=self.config.resource_id(name),
                site_id=SITE,
                kind=ResourceKind.BATTERY,
                power_w_min=-one.parameters.power_w_charge_max,
                power_w_max=one.parameters.power_w_discharge_max,
                ramp_w_per_s=one.parameters.ramp_w_per_s,
                energy_wh_capacity=one.parameters.energy_wh_capacity,
                capabilities=frozenset(
                    {
                        Capability.READS_POWER,
                        Capability.TAKES_SETPOINT,
                        Capability.HAS_SOC,
                        *([Capability.MEASURES_FREQUENCY] if name in self.measures else []),
                    }
                ),
            )
            for name, one in self.batteries.items()
        )

    async def run(self) -> None:
        """Physics, twenty times a second."""
        while True:
            await asyncio.sleep(0.05)
            elapsed_s, now = asyncio.get_running_loop().time(), self.clock.now()
            for one in self.batteries.values():
                one.advance(elapsed_s, 0.05, now)


@dataclass
class PhysicalSite(PolledSite):
    """The same, read out of turn too."""

    async def read_fast(self, resource_id: ResourceId) -> list[Reading]:
        self.fast_reads += 1
        name = self.name(resource_id)
        await asyncio.sleep(0.6 if name in self.slow else self.answer_s)
        frequency_hz = self.frequency(asyncio.get_running_loop().time())
        if frequency_hz is None or name not in self.measures:
            return []
        return [
            self.reading(f"{name}.frequency_hz", self.rounded(frequency_hz)),
            self.reading(f"{name}.power_w", self.batteries[name].state.power_w),
        ]


def commitment(droop: Droop, award_w: float, *, length_s: float = 7200.0) -> Commitment:
    """Make an award of primary reserve from a baseline of -1000 W."""
    span = Interval(start=T0 - timedelta(seconds=1), end=T0 + timedelta(seconds=length_s))
    return Commitment(
        obligation=Obligation(
            obligation_id=ObligationId("award-1/site-001"),
            parent_id=ObligationId("award-1"),
            target=SITE,
            service=Service.PRIMARY_OFFLINE,
            interval=span,
            step_s=span.duration_s,
            power_w=column([award_w]),
            relative_to=RelativeTo.BASELINE,
            tolerance_w=0.1 * award_w,
        ),
        curve=OfferCurve(
            site_id=SITE,
            service=Service.PRIMARY_OFFLINE,
            version=1,
            multipliers=column([0.0, 20.0]),
            power_w=column([0.0, award_w]),
            interval=span,
        ),
        envelope=Envelope(
            target=SITE,
            interval=span,
            step_s=span.duration_s,
            power_w_min=column([-award_w]),
            power_w_max=column([award_w]),
            energy_wh_min=column([-1e6, -1e6]),
            energy_wh_max=column([1e6, 1e6]),
            ramp_w_per_s=1e6,
        ),
        baseline=Baseline(
            target=SITE,
            interval=span,
            step_s=span.duration_s,
            power_w=column([-1000.0]),
            method="before-5min",
            computed_at=T0,
            data_until=T0,
            model_id=ModelId("rule"),
        ),
        hold=HoldRule.FOLLOW_DROOP,
        band_lower_w=column([-0.1 * award_w]),
        band_upper_w=column([0.1 * award_w]),
        droop=droop,
    )


@dataclass
class PrimaryScene:
    """Loop, driver and a cycle by hand, in virtual time."""

    config: SiteConfig
    award: Commitment
    frequency: Callable[[float], float | None]
    batteries: dict[str, PhysicalBattery]
    changes: dict[str, Any] = field(default_factory=dict)
    kind: type[PolledSite] = PhysicalSite
    mode_at: Callable[[float], Mode] = lambda _: Mode.NORMAL
    stalled: Callable[[float], bool] = lambda _: False
    decisions: list[Decision] = field(default_factory=list)
    inputs: list[CycleInputs] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    states: list[ControlState] = field(default_factory=list)

    def run(self, seconds: int) -> PolledSite:
        """Let some seconds pass; gives the driver with what it saw."""
        return run_virtual(lambda: self._live(seconds))

    async def _live(self, seconds: int) -> PolledSite:
        clock = VirtualClock()
        site = self.kind(self.config, clock, self.frequency, self.batteries, **self.changes)
        parts = cast(
            "AgentParts",
            SimpleNamespace(
                config=self.config,
                clock=clock,
                driver=site,
                specs=points_of(self.config),
                latest=LatestValues(clock),
            ),
        )
        loop = PrimaryLoop(parts)
        tasks = [asyncio.create_task(loop.run()), asyncio.create_task(site.run())]
        state = ControlState()
        for cycle in range(1, seconds + 1):
            if not self.stalled(asyncio.get_running_loop().time()):
                state = await self._cycle(cycle, parts, loop, state=state)
            await asyncio.sleep(1.0)
            assert not any(task.done() for task in tasks), tasks
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return site

    async def _cycle(
        self, cycle: int, parts: AgentParts, loop: PrimaryLoop, *, state: ControlState
    ) -> ControlState:
        for point_id, measurement in await parts.driver.read(0.4):
            parts.latest.update(point_id, measurement)
        now = parts.clock.now()
        bindings = bindings_of(self.config, parts.driver.resources())
        frame = frame_of(
            self.config, bindings, specs=parts.specs, commitments=(self.award,), stop=False
        )
        inputs = CycleInputs(
            cycle=cycle,
            slot_s=int(now.timestamp()),
            now=now,
            image=freeze(
                parts.latest,
                parts.specs,
                cycle=cycle,
                taken_at=now,
                monotonic_ns=parts.clock.monotonic_ns(),
            ),
            frame=frame,
            frame_id=digest_of(pack_frame(frame)),
            signal=None,
            mode=self.mode_at(asyncio.get_running_loop().time()),
            primary=loop.report(),
        )
        decision, after = decide(inputs, state)
        self.inputs.append(inputs)
        self.states.append(state)
        self.decisions.append(decision)
        self.rows += [dict(one.payload) for one in logged_second(inputs, loop.grant)]
        loop.take(decision.grant)
        for setpoint in decision.setpoints:
            await parts.driver.write(setpoint)
        for release in decision.releases:
            await parts.driver.release(release.resource_id)
        return after


EAST = Droop(nominal_hz=50.0, droop=0.05, dead_band_hz=0.010, delay_s=2.0)


class Kit:
    """What the scenarios are built from."""

    t0 = T0
    site = SITE
    data = DATA
    east = EAST
    west = replace(EAST, nominal_hz=60.0, dead_band_hz=0.012)
    polled = PolledSite
    physical = PhysicalSite
    clock = VirtualClock
    replace = staticmethod(replace)
    run_virtual = staticmethod(run_virtual)
    commitment = staticmethod(commitment)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def config(self, batteries: int = 1, export_w: float = 20_000.0) -> SiteConfig:
        text = CONFIG.format(export_w=export_w)
        text += "".join(
            BATTERY.format(name=f"battery-{n}", host=11 + n) for n in range(1, batteries + 1)
        )
        (self.folder / "site.toml").write_text(text, encoding="utf-8")
        return load_config(self.folder / "site.toml")

    def battery(self, *, ramp_w_per_s: float = 2500.0, latency_s: float = 0.05) -> PhysicalBattery:
        parameters = BatteryParameters(
            energy_wh_capacity=10_000.0,
            power_w_charge_max=5000.0,
            power_w_discharge_max=5000.0,
            ramp_w_per_s=ramp_w_per_s,
        )
        return PhysicalBattery(
            parameters=parameters, state=BatteryState(energy_wh=6000.0), latency_s=latency_s
        )

    def scene(
        self,
        frequency: Callable[[float], float | None],
        *,
        droop: Droop = EAST,
        award_w: float = 3000.0,
        batteries: dict[str, PhysicalBattery] | None = None,
        export_w: float = 20_000.0,
        **changes: Any,
    ) -> PrimaryScene:
        batteries = batteries or {"battery-1": self.battery()}
        return PrimaryScene(
            config=self.config(len(batteries), export_w),
            award=commitment(droop, award_w),
            frequency=frequency,
            batteries=batteries,
            changes=changes,
        )

    def site_of(
        self, config: SiteConfig, clock: Any, frequency: Callable[[float], float | None]
    ) -> PhysicalSite:
        """Make a driver with one battery for an agent in real time."""
        return PhysicalSite(config, clock, frequency, {"battery-1": self.battery()})

    def recorded(self, name: str) -> list[list[float]]:
        """Rows of a recorded frequency; skips the test where the data is not there."""
        path = self.data / f"{name}.csv.gz"
        if not path.is_file():
            pytest.skip(f"recorded frequency is not here: {path}")
        with gzip.open(path, "rt", encoding="utf-8") as text:
            return [[float(cell) for cell in line.split(",")] for line in list(text)[1:]]


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    """Builders of scenes."""
    return Kit(tmp_path)
