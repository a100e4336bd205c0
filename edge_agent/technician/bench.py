"""Speaks with a site's devices for a technician, while the agent does not run.

Opens the same families the agent would, for as long as one command takes. What is written is
leased, written down for the watchdog and given back before the command ends, like everything
the agent writes.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from edge_agent.config.site import DeviceConfig, SiteConfig
from edge_agent.drivers.families import open_site
from edge_agent.drivers.family import FamilyPorts
from edge_agent.drivers.frames import FrameTap
from edge_agent.drivers.ledger import FileLedger
from edge_agent.drivers.port import FoundDevice, Reading, WriteOutcome
from edge_agent.drivers.site import SiteDriver
from edge_agent.journal.opening import writer_pid
from edge_agent.technician.status import WATCHDOG_FOLDER
from edge_agent.watchdog.recipe import ReleaseRecipe
from protocols.vocabulary.errors import ConfigError, DeviceUnsupportedError
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.intervals import Clock
from protocols.vocabulary.measurement import Measurement
from protocols.vocabulary.resource import Capability, Resource
from protocols.vocabulary.setpoint import Setpoint

READ_S: Final = 2.0
"""How long one round of answers is waited for."""
ROUNDS: Final = 2
"""Rounds read, so that slow points come along."""
LEASE_S: Final = 30.0
"""Time a test's lease has beyond its holding."""
TEST_SHARE: Final = 0.1
"""Part of its rating that a test asks of a device when no power is named."""
_MOVES: Final = frozenset(
    {Capability.TAKES_SETPOINT, Capability.TAKES_LIMIT, Capability.TAKES_ON_OFF}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What one device says of itself.

    Attributes
    ----------
    device_id : str
        As configured.
    found : FoundDevice or None
        Where and who it is; None if it does not answer.
    resource : Resource or None
        What it is taken for.
    values : tuple of (point, measurement)
        Everything it told, the newest of each point.
    """

    device_id: str
    found: FoundDevice | None
    resource: Resource | None
    values: tuple[Reading, ...]

    @property
    def ok(self) -> bool:
        """Whether it answers and tells something."""
        return self.found is not None and bool(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveWish:
    """How a device is to be moved.

    Attributes
    ----------
    power_w : float or None
        W, generator frame; None: a tenth of what the device can, in the direction it can.
    hold_s : float
        How long it holds that before it is given back, s.
    """

    power_w: float | None
    hold_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveTest:
    """What came of moving a device a little.

    Attributes
    ----------
    device_id : str
        As configured.
    asked_w : float
        W, generator frame.
    written, released : WriteOutcome
        As the device read back.
    before, held, after : tuple of (point, measurement)
        What it told before, while it held the power, and after its release.
    """

    device_id: str
    asked_w: float
    written: WriteOutcome
    released: WriteOutcome
    before: tuple[Reading, ...]
    held: tuple[Reading, ...]
    after: tuple[Reading, ...]

    @property
    def ok(self) -> bool:
        """Whether the device confirmed both."""
        return self.written.state.value == "done" == self.released.state.value


def device_named(config: SiteConfig, device_id: str) -> DeviceConfig:
    """Device of the configuration by its id.

    Raises
    ------
    ConfigError
        If there is none; the names there are are told.
    """
    for device in config.devices:
        if device.device_id == device_id:
            return device
    names = ", ".join(device.device_id for device in config.devices)
    raise ConfigError(f"{device_id!r} is not a device of {config.site_id}; there are {names}")


async def discover(config: SiteConfig, clock: Clock, tap: FrameTap) -> tuple[FoundDevice, ...]:
    """Look for every device of every configured protocol once."""
    async with _open(config, clock, tap) as driver:
        return await driver.discover()


async def probe(config: SiteConfig, device_id: str, clock: Clock, *, tap: FrameTap) -> Probe:
    """Ask one device for everything it has."""
    device = device_named(config, device_id)
    async with _open(config, clock, tap) as driver:
        found = await driver.discover()
        values = await _told(driver, device_id)
        resource_id = config.resource_id(device.device_id)
        return Probe(
            device_id=device_id,
            found=next((one for one in found if one.device_id == device_id), None),
            resource=_resource(driver, resource_id),
            values=values,
        )


async def drive(
    config: SiteConfig,
    device_id: str,
    clock: Clock,
    *,
    wish: DriveWish,
    tap: FrameTap,
) -> DriveTest:
    """Move one device a little, see it, and give it back.

    Parameters
    ----------
    config, device_id, clock
        The site, its device, time.
    wish : DriveWish
        How far and how long.
    tap : FrameTap
        Sees every frame.

    Raises
    ------
    DeviceUnsupportedError
        If the device does not answer, or can be told nothing.
    """
    device_named(config, device_id)
    resource_id = config.resource_id(device_id)
    async with _open(config, clock, tap) as driver:
        await driver.discover()
        before = await _told(driver, device_id)
        resource = _resource(driver, resource_id)
        if resource is None or not before:
            raise DeviceUnsupportedError(f"{device_id}: does not answer")
        if not resource.capabilities & _MOVES:
            raise DeviceUnsupportedError(f"{device_id}: can be read, not driven")
        asked_w = _small(resource) if wish.power_w is None else wish.power_w
        now = clock.now()
        setpoint = Setpoint(
            resource_id=resource_id,
            power_w=min(max(asked_w, resource.power_w_min), resource.power_w_max),
            valid_from=now,
            valid_until=now + timedelta(seconds=LEASE_S + wish.hold_s),
            reason="technician's test",
            cycle=0,
            sequence=1,
        )
        released = None
        try:
            written = await driver.write(setpoint)
            await asyncio.sleep(wish.hold_s)
            held = await _told(driver, device_id)
        finally:
            released = await driver.release(resource_id)
        return DriveTest(
            device_id=device_id,
            asked_w=setpoint.power_w,
            written=written,
            released=released,
            before=before,
            held=held,
            after=await _told(driver, device_id),
        )


def _small(resource: Resource) -> float:
    """Power that any device of this rating can be asked for without harm."""
    if resource.power_w_max > 0.0:
        return TEST_SHARE * resource.power_w_max
    return TEST_SHARE * resource.power_w_min


def _resource(driver: SiteDriver, resource_id: ResourceId) -> Resource | None:
    return next((one for one in driver.resources() if one.resource_id == resource_id), None)


async def _told(driver: SiteDriver, device_id: str) -> tuple[Reading, ...]:
    """Read everything twice and keep the newest value of each of the device's points."""
    newest: dict[str, tuple[Reading, Measurement]] = {}
    for _ in range(ROUNDS):
        for reading in await driver.read(READ_S):
            point, measurement = reading
            if point.partition(".")[0] == device_id:
                newest[point] = (reading, measurement)
    return tuple(newest[point][0] for point in sorted(newest))


@asynccontextmanager
async def _open(config: SiteConfig, clock: Clock, tap: FrameTap) -> AsyncIterator[SiteDriver]:
    """Open every family and keep it running until the command is done."""
    running = writer_pid(config.journal_path)
    if running is not None:
        raise ConfigError(
            f"the agent runs (process {running}) and speaks with the devices; stop it first, "
            "or see `edge-agent points`"
        )
    ledger = FileLedger(config.data_dir, clock)
    book = ReleaseRecipe.of_site(config, config.data_dir / WATCHDOG_FOLDER)
    ports = FamilyPorts(clock=clock, book=book, ledger=ledger, tap=tap)
    driver = await open_site(config, ports)
    task = asyncio.create_task(driver.run())
    try:
        yield driver
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        ledger.close()
