r"""One device with a fault against the real driver, on loopback: the cells of the fault matrix.

A protocol's test file is no more than::

    @pytest.mark.parametrize("cell", cells("sunspec"), ids=fault_id)
    def test_fault(cell: Cell) -> None:
        '''If it fails, a SunSpec device with this fault gives a wrong number or none again.'''
        prove(cell, Bench(template_id="sunspec-battery-704", room="sunspec",
                          address="127.0.61.1", port=15020, configured="127.0.61.1:15020/1",
                          section="[modbus]\ntimeout_s = 0.3"))

:func:`prove` starts the simulated device of the template and the family of the room, waits
for a right value, switches the fault on, watches, switches it off and sees the device come
back. What it holds against the readings is the device's own power, noted as it was.
"""

import asyncio
import contextlib
import importlib
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from edge_agent.config.loader import load_config
from edge_agent.config.site import SiteConfig
from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.frames import NO_TAP
from edge_agent.drivers.lease_book import LeasedDevice
from edge_agent.drivers.port import WriteOutcome, WriteState
from firmware_sim.devices.contract import SimulatedDevice, Span
from firmware_sim.devices.rooms import simulated
from firmware_sim.faults import Fault, FaultKind, MapFault
from firmware_sim.main import SystemClock
from firmware_sim.matrix import Cell, Outcome, matrix
from firmware_sim.servers.port import Hosted, Listener, World
from firmware_sim.servers.registry import listeners
from protocols.templates.catalogue import template_of
from protocols.vocabulary.identifiers import PointId, ResourceId
from protocols.vocabulary.measurement import Measurement, Quality
from protocols.vocabulary.setpoint import Setpoint

STEP_S = 0.05
READ_S = 0.15
DEADLINE_S = 0.6
"""How long one read may take, whatever the device does."""
SITE = "hostile"
DEVICE = "device-1"
HOUSE_W = -700.0
"""What the house around the device takes."""
SWING_W = 400.0
"""And how far that moves up and down, so that a device that follows it moves as well."""

OpenFamily = Callable[[SiteConfig, FamilyPorts], Awaitable[DeviceFamily | None]]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where one protocol's cells are tried.

    Attributes
    ----------
    template_id : str
        The device; one that takes setpoints, and that moves.
    room : str
        Room of :mod:`edge_agent.drivers`.
    address, port : str, int
        Where the simulated device listens (a charger: whom it calls).
    configured : str
        Address of the device as the agent's configuration writes it.
    section : str
        TOML of the protocol's section, with a short time-out.
    other_address : str
        Where the device goes with ADDRESS_CHANGE.
    identity : str or None
        Of the device in the configuration; None: it is learnt.
    unit : int
        Unit id or device instance.
    group : str
        Multicast group.
    setpoint_w : float
        A power the device can be ordered, W, generator frame, not its default.
    delay_s : float
        Delay of SLOW, LATE, SPLIT and DUPLICATE: longer than the time-out.
    grace_s : float
        How long after the fault's beginning values may still be told as good.
    watch_s : float
        How long the fault is watched after that.
    back_s : float
        How long the device may take to be back after the fault.
    old_s : float
        How old a value may be that is told as good.
    """

    template_id: str
    room: str
    address: str
    port: int
    configured: str
    section: str
    other_address: str = ""
    identity: str | None = None
    unit: int = 1
    group: str = ""
    setpoint_w: float = -500.0
    delay_s: float = 0.8
    grace_s: float = 1.2
    watch_s: float = 1.5
    back_s: float = 12.0
    old_s: float = 1.5


def cells(protocol: str) -> tuple[Cell, ...]:
    """Cells of a protocol in which something is required."""
    return tuple(
        cell for cell in matrix() if cell.protocol == protocol and cell.outcome is not Outcome.NONE
    )


def fault_id(cell: Cell) -> str:
    """Id of a parametrised test, as the matrix names it."""
    return cell.fault.value


def prove(cell: Cell, bench: Bench, *, fault: Fault | None = None) -> None:
    """Try one cell; AssertionError says what went wrong.

    Parameters
    ----------
    cell : Cell
        The fault and what is required.
    bench : Bench
        Device and driver.
    fault : Fault or None
        Instead of the usual one of that kind.
    """
    asyncio.run(_prove(cell, bench, fault or usual_fault(cell.fault, bench)))


def usual_fault(kind: FaultKind, bench: Bench) -> Fault:
    """Fault of a kind as the benches have it."""
    delay_s = 0.05 if kind in {FaultKind.SPLIT, FaultKind.DUPLICATE} else bench.delay_s
    return Fault(
        kind=kind,
        delay_s=delay_s,
        every=20 if kind is FaultKind.FLOOD else 3,
        gain=0.8,
        variant=MapFault.EXTRA,
        address=bench.other_address,
        offset_s=-86_400.0,
    )


@dataclass
class Book:
    """Leases in memory."""

    held: dict[ResourceId, LeasedDevice] = field(default_factory=dict)

    def hold(self, leased: LeasedDevice) -> None:
        """Record."""
        self.held[leased.resource_id] = leased

    def drop(self, resource_id: ResourceId) -> None:
        """Forget."""
        self.held.pop(resource_id, None)

    def left_over(self) -> tuple[LeasedDevice, ...]:
        """Nothing: there was no earlier life."""
        return ()


@dataclass
class Ledger:
    """Writes in memory."""

    counts: dict[ResourceId, int] = field(default_factory=dict)

    def spend(self, resource_id: ResourceId, writes: int, budget: int | None) -> bool:
        """Count, within the budget."""
        count = self.counts.get(resource_id, 0) + writes
        if budget is not None and count > budget:
            return False
        self.counts[resource_id] = count
        return True

    def count(self, resource_id: ResourceId) -> int:
        """Count of writes so far."""
        return self.counts.get(resource_id, 0)


class Stage:
    """A device, its driver and the truth, running.

    Attributes
    ----------
    device : SimulatedDevice
        The simulated one.
    family : DeviceFamily
        The real one.
    seen : dict
        Latest measurement of each point.
    """

    def __init__(self, device: SimulatedDevice, family: DeviceFamily, bench: Bench) -> None:
        self.device = device
        self.family = family
        self.bench = bench
        self.resource_id = ResourceId(f"{SITE}/{DEVICE}")
        self.seen: dict[PointId, Measurement] = {}
        self.truth: deque[tuple[datetime, float]] = deque(maxlen=2000)
        self.sequence = 0

    @property
    def power(self) -> Measurement | None:
        """Latest power the driver told."""
        found = [entry for point, entry in self.seen.items() if point.endswith("power_w")]
        return found[0] if found else None

    async def read(self) -> None:
        """Read once as the cycle does, and hold every good power against the truth."""
        began = asyncio.get_running_loop().time()
        readings = await self.family.read(READ_S)
        took_s = asyncio.get_running_loop().time() - began
        assert took_s < DEADLINE_S, f"a read took {took_s:.2f} s: the loop stood still"
        for point, measurement in readings:
            self.seen[point] = measurement
            if point.endswith("power_w"):
                self.check(measurement)

    def check(self, measurement: Measurement) -> None:
        """Refuse a good power that the device did not have when it was measured."""
        assert measurement.value is not None or measurement.quality is not Quality.GOOD
        if measurement.quality is not Quality.GOOD or measurement.value is None:
            assert measurement.reason, "a power that is not good must say why"
            return
        begins = measurement.measured_at - timedelta(seconds=self.bench.old_s)
        ends = measurement.measured_at + timedelta(seconds=2 * STEP_S)
        had = [power_w for at, power_w in self.truth if begins <= at <= ends]
        assert had, f"a good power of {measurement.measured_at}, when there was no device"
        slack_w = 2.0 + 0.02 * max(abs(power_w) for power_w in had)
        assert min(had) - slack_w <= measurement.value <= max(had) + slack_w, (
            f"{measurement.value} W is told as good; the device had {min(had)}..{max(had)} W"
        )

    def fresh(self, since: datetime) -> bool:
        """Whether a good power was measured after a moment."""
        power = self.power
        return power is not None and power.quality is Quality.GOOD and power.measured_at >= since

    async def until(self, holds: Callable[[], bool], within_s: float) -> bool:
        """Read until something holds, as long as that may take."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + within_s
        while not holds():
            if loop.time() > ends:
                return False
            await self.read()
            await asyncio.sleep(READ_S)
        return True

    async def write(self, power_w: float, *, lease_s: float = 30.0) -> WriteOutcome:
        """Order a power and go on reading until it is known what became of it."""
        now = datetime.now(UTC)
        self.sequence += 1
        setpoint = Setpoint(
            resource_id=self.resource_id,
            power_w=power_w,
            valid_from=now,
            valid_until=now + timedelta(seconds=lease_s),
            reason="hostile",
            cycle=self.sequence,
            sequence=self.sequence,
        )
        wish = asyncio.ensure_future(self.family.write(setpoint))
        while not wish.done():
            await self.read()
            await asyncio.wait([wish], timeout=READ_S)
        return wish.result()


@contextlib.asynccontextmanager
async def stage(bench: Bench) -> AsyncIterator[Stage]:
    """Run a device and its driver as long as the context lasts."""
    clock, template = SystemClock(), template_of(bench.template_id)
    name = f"{SITE}/{DEVICE}"
    wall_s = clock.now().timestamp()
    device = simulated(template, name, seed=7, soc_start=0.5, wall_s=wall_s)
    with tempfile.TemporaryDirectory() as folder:
        config = _config(bench, Path(folder))
    ports = FamilyPorts(clock=clock, book=Book(), ledger=Ledger(), tap=NO_TAP)
    family = await _open_family(bench.room)(config, ports)
    assert family is not None, f"{bench.room} finds no device of its own in the configuration"
    running = Stage(device, family, bench)
    stepper = _Stepper(running, clock)
    hosted = Hosted(
        device=device,
        template=template,
        address=bench.address,
        port=bench.port,
        unit=bench.unit,
        group=bench.group,
    )
    world = World(now_s=lambda: clock.now().timestamp(), catch_up=lambda _name: stepper.step())
    listening = listeners([(template.protocol, hosted)], world)
    tasks = [asyncio.create_task(family.run())]
    try:
        for listener in listening:
            await listener.start()
        tasks.append(asyncio.create_task(stepper.run(listening)))
        yield running
        for task in tasks:
            assert not task.done(), f"{task} has ended: {task.exception()}"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for listener in listening:
            await listener.close()


async def _prove(cell: Cell, bench: Bench, fault: Fault) -> None:
    async with stage(bench) as on:
        first = datetime.now(UTC)
        assert await on.until(lambda: on.fresh(first), bench.back_s), (
            f"no good power of a healthy device; seen: {on.power}"
        )
        if cell.outcome is Outcome.REFUSAL:
            await _see_refusal(on, fault)
        else:
            await _see_fault(on, cell, fault)
        on.device.switch_off(fault.kind)
        ended = datetime.now(UTC)
        assert await on.until(lambda: on.fresh(ended), bench.back_s), (
            f"the fault is over and the device is not back; seen: {on.power}"
        )


async def _see_fault(on: Stage, cell: Cell, fault: Fault) -> None:
    """Watch what is told while the fault is on."""
    bench = on.bench
    on.device.switch_on(fault, datetime.now(UTC).timestamp())
    if cell.outcome is Outcome.VALUE:
        await on.until(lambda: False, bench.watch_s)
        watched = datetime.now(UTC)
        assert await on.until(lambda: on.fresh(watched), bench.back_s), (
            f"right values should go on; seen: {on.power}"
        )
        return
    await on.until(lambda: False, bench.grace_s)
    bad_from = datetime.now(UTC)
    await on.until(lambda: False, bench.watch_s)
    assert not on.fresh(bad_from), f"a value is told as good under {fault.kind}: {on.power}"


async def _see_refusal(on: Stage, fault: Fault) -> None:
    """Order something of a device that does not do it, then of the same device healthy."""
    on.device.switch_on(fault, datetime.now(UTC).timestamp())
    outcome = await on.write(on.bench.setpoint_w)
    assert outcome.state is not WriteState.DONE, f"told as done under {fault.kind}: {outcome}"
    assert outcome.detail, "a write that was not done must say why"
    told = datetime.now(UTC)
    assert await on.until(lambda: on.fresh(told), on.bench.back_s), "values should go on"
    on.device.switch_off(fault.kind)
    for _ in range(3):
        outcome = await on.write(on.bench.setpoint_w)
        if outcome.state is WriteState.DONE:
            return
    raise AssertionError(f"the fault is over and a write is still not done: {outcome}")


class _Stepper:
    """Lets the device's time pass and notes its power."""

    def __init__(self, running: Stage, clock: SystemClock) -> None:
        self._stage = running
        self._clock = clock
        self._now_s = clock.now().timestamp()
        self._began_s = self._now_s

    def step(self) -> None:
        """Step to now, if that is some time."""
        now_s = self._clock.now().timestamp()
        if now_s - self._now_s < 1e-3:
            return
        device = self._stage.device
        phase = (now_s - self._began_s) % 4.0 / 2.0
        others_w = HOUSE_W + SWING_W * abs(phase - 1.0)
        span = Span(
            start_s=self._now_s,
            end_s=now_s,
            house_w=others_w,
            others_w=others_w,
            drift=device.faults.drift,
        )
        device.advance(span)
        self._now_s = now_s
        at = datetime.fromtimestamp(now_s, UTC)
        self._stage.truth.append((at, device.reading.power_w))

    async def run(self, listening: Sequence[Listener]) -> None:
        """Step and tick until cancelled."""
        while True:
            self.step()
            for listener in listening:
                await listener.tick(self._now_s)
            await asyncio.sleep(STEP_S)


def _open_family(room: str) -> OpenFamily:
    module = importlib.import_module(f"edge_agent.drivers.{room}.family")
    return cast("OpenFamily", module.open_family)


def _config(bench: Bench, folder: Path) -> SiteConfig:
    """Write a site with this device, and a meter that a site must have."""
    template = template_of(bench.template_id)
    address = f'address = "{bench.configured}"\n' if bench.configured else ""
    identity = f'identity = "{bench.identity}"\n' if bench.identity is not None else ""
    echonet = "" if "[echonet]" in bench.section else '[echonet]\naddress = "127.0.60.1"\n'
    meter = (
        ""
        if template.kind.value == "meter"
        else '[[devices]]\nid = "meter"\ntemplate = "echonet-meter"\naddress = "127.0.60.2"\n'
    )
    if bench.room == "echonet_lite":
        meter = meter.replace("127.0.60.2", bench.address.rsplit(".", 1)[0] + ".250")
    text = f"""
site_id = "{SITE}"
zone = "tokyo"
data_dir = "data"
[link]
brokers = ["mqtt://127.0.0.1:1"]
[limits]
contract_import_w = 10000.0
export_limit_w = 10000.0
[tariff]
import_jpy_per_kwh = 31.0
export_jpy_per_kwh = 8.5
[location]
latitude = 35.68
longitude = 139.77
[pv]
peak_w = {template.nameplate.power_w_max or 1000.0}
{echonet}
{bench.section}
[[devices]]
id = "{DEVICE}"
template = "{bench.template_id}"
{address}{identity}
{meter}
"""
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)
