"""Speaks with a site's devices for a technician, while the agent does not run.

Opens the same families the agent would, for as long as one command takes. What is written is
leased, written down for the watchdog and given back before the command ends, like everything
the agent writes.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from edge_agent.config.site import DeviceConfig, SiteConfig
from edge_agent.drivers.frames import FrameTap
from edge_agent.drivers.port import FoundDevice, Reading, WriteOutcome
from edge_agent.drivers.site import SiteDriver
from edge_agent.technician.opening import open_devices, open_to_move
from protocols.vocabulary.errors import ConfigError, DeviceUnsupportedError
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.intervals import Clock
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
    async with open_devices(config, clock, tap) as driver:
        return await driver.discover()


async def probe(config: SiteConfig, device_id: str, clock: Clock, *, tap: FrameTap) -> Probe:
    """Ask one device for everything it has."""
    device = device_named(config, device_id)
    async with open_devices(config, clock, tap) as driver:
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
    async with open_to_move(config, clock, tap) as driver:
        await driver.discover()
        return await drive_one(driver, config, device_id, wish=wish, clock=clock)


async def drive_one(
    driver: SiteDriver, config: SiteConfig, device_id: str, *, wish: DriveWish, clock: Clock
) -> DriveTest:
    """Move one device of an open site; as :func:`drive`."""
    resource_id = config.resource_id(device_id)
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


async def told_by(driver: SiteDriver) -> dict[str, tuple[Reading, ...]]:
    """Read everything twice; per device the newest value of each of its points."""
    newest: dict[str, dict[str, Reading]] = {}
    for _ in range(ROUNDS):
        for point, measurement in await driver.read(READ_S):
            device_id = point.partition(".")[0]
            newest.setdefault(device_id, {})[point] = (point, measurement)
    return {
        device_id: tuple(values[point] for point in sorted(values))
        for device_id, values in newest.items()
    }


async def _told(driver: SiteDriver, device_id: str) -> tuple[Reading, ...]:
    return (await told_by(driver)).get(device_id, ())
