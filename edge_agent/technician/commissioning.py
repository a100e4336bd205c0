"""The test that ends an installation: each device read, driven a little, released; a record.

Made of the same commands a technician has; then the site's own agent holds an obligation while
its link is cut (:mod:`edge_agent.technician.link_trial`). The record says what was seen, and what
was not tested; :mod:`edge_agent.technician.commissioning_page` prints it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from edge_agent.config.site import DeviceConfig, SiteConfig
from edge_agent.drivers.frames import NO_TAP
from edge_agent.drivers.port import Reading
from edge_agent.drivers.site import SiteDriver
from edge_agent.points.table import FREQUENCY_HZ, POWER_W, SOC
from edge_agent.technician.bench import TEST_SHARE, DriveTest, DriveWish, drive_one, told_by
from edge_agent.technician.link_trial import LinkTrial, TrialTimes, TrialWish, try_link
from edge_agent.technician.opening import open_to_move
from protocols.vocabulary.errors import DeviceUnsupportedError, VppError
from protocols.vocabulary.intervals import Clock
from protocols.vocabulary.resource import Capability, Resource

HOLD_S: Final = 2.0
FULL_SOC: Final = 0.9
"""Above it a store is asked to give instead of to take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLine:
    """What was seen of one device.

    Attributes
    ----------
    device_id : str
        As configured.
    power_w : float or None
        Read before it was moved, W, + toward the grid.
    frequency_hz : float or None
        If it measures it.
    asked_w : float or None
        What it was driven to; None if it cannot be driven.
    held_w : float or None
        What it told while it was driven.
    driven, released : str
        How it answered, as words.
    ok : bool
        Read, and where it can be driven: done and given back.
    """

    device_id: str
    power_w: float | None
    frequency_hz: float | None
    asked_w: float | None = None
    held_w: float | None = None
    driven: str
    released: str = ""
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissioningRecord:
    """The record of an installation.

    Attributes
    ----------
    site_id, serial : str
        Which site, and the certificate it had.
    started_at, ended_at : datetime
        Aware UTC.
    devices : tuple of DeviceLine
        Each configured one.
    link : LinkTrial or None
        What became of the obligation while the link was cut; None if that was not tested.
    frequency_hz : float or None
        As some device told it.
    not_tested : tuple of str
        What the test did not do, and why.
    ok : bool
        Whether all that was tested is well.
    """

    site_id: str
    serial: str
    started_at: datetime
    ended_at: datetime
    devices: tuple[DeviceLine, ...]
    link: LinkTrial | None
    frequency_hz: float | None
    not_tested: tuple[str, ...]
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissioningTerms:
    """How the test is done.

    Attributes
    ----------
    serial : str
        Of the certificate.
    hold_s : float
        How long each device is driven, s.
    link : TrialTimes or None
        None leaves the test of the link out.
    """

    serial: str
    hold_s: float = HOLD_S
    link: TrialTimes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the devices showed."""

    lines: tuple[DeviceLine, ...]
    wish: TrialWish | None


def commission(
    path: Path,
    config: SiteConfig,
    clock: Clock,
    *,
    terms: CommissioningTerms,
    tell: Callable[[str], None],
) -> CommissioningRecord:
    """Test every device and the link; the agent must not run.

    Parameters
    ----------
    path, config : Path, SiteConfig
        The site's file, and as loaded from it.
    clock : Clock
        Time.
    terms : CommissioningTerms
        How.
    tell : callable
        Told ``"devices"`` and ``"link"`` as they are done.

    Raises
    ------
    ConfigError
        If an agent or another command speaks with the devices.
    """
    started_at = clock.now()
    seen = asyncio.run(_see(config, clock, terms.hold_s))
    tell("devices")
    link, missing = None, []
    if terms.link is None:
        missing.append("link cut and held: left out")
    elif seen.wish is None:
        missing.append("link cut and held: no store follows orders, or no meter was read")
    else:
        trial = try_link(path, config, clock, wish=seen.wish, times=terms.link)
        link = asyncio.run(trial)
        if link.reached:
            tell("link")
        else:
            missing.append(f"link cut and held: {link.cause}")
    hertz = [line.frequency_hz for line in seen.lines if line.frequency_hz is not None]
    if not hertz:
        missing.append("frequency: no device tells it")
    return CommissioningRecord(
        site_id=config.site_id,
        serial=terms.serial,
        started_at=started_at,
        ended_at=clock.now(),
        devices=seen.lines,
        link=link,
        frequency_hz=hertz[0] if hertz else None,
        not_tested=tuple(missing),
        ok=all(line.ok for line in seen.lines) and (link is None or link.ok),
    )


async def _see(config: SiteConfig, clock: Clock, hold_s: float) -> _Seen:
    """Read every device, then move one after the other."""
    async with open_to_move(config, clock, NO_TAP) as driver:
        await driver.discover()
        told = await told_by(driver)
        values = {device_id: _values(readings) for device_id, readings in told.items()}
        lines = [
            await _driven(
                driver,
                config,
                device,
                values=values.get(device.device_id, {}),
                clock=clock,
                hold_s=hold_s,
            )
            for device in config.devices
        ]
        after = await told_by(driver)
        resources = {one.resource_id: one for one in driver.resources()}
    meter_w = _values(after.get(config.meter.device_id, ())).get(POWER_W)
    stores = [
        (resource, values.get(line.device_id, {}).get(SOC))
        for line in lines
        if line.ok and (resource := resources.get(config.resource_id(line.device_id))) is not None
    ]
    wishes = [_share_w(resource, soc) for resource, soc in stores if _is_store(resource)]
    wish = None
    if wishes and meter_w is not None:
        wish = TrialWish(share_w=wishes[0], baseline_w=meter_w)
    return _Seen(lines=tuple(lines), wish=wish)


def _is_store(resource: Resource) -> bool:
    return {Capability.TAKES_SETPOINT, Capability.HAS_SOC} <= set(resource.capabilities)


def _share_w(resource: Resource, soc: float | None) -> float:
    """Little enough for any store: it takes, for a site may not export, unless it is full."""
    if soc is not None and soc > FULL_SOC:
        return TEST_SHARE * resource.power_w_max
    return TEST_SHARE * resource.power_w_min


def _values(readings: tuple[Reading, ...]) -> dict[str, float]:
    """Values of one device by the name of the point."""
    return {
        point.partition(".")[2]: measurement.value
        for point, measurement in readings
        if measurement.value is not None
    }


async def _driven(  # noqa: PLR0913  a device and what it needs
    driver: SiteDriver,
    config: SiteConfig,
    device: DeviceConfig,
    *,
    values: dict[str, float],
    clock: Clock,
    hold_s: float,
) -> DeviceLine:
    power_w, hertz = values.get(POWER_W), values.get(FREQUENCY_HZ)
    try:
        known = {one.resource_id: one for one in driver.resources()}
        resource = known.get(config.resource_id(device.device_id))
        power = None
        if resource is not None and _is_store(resource):
            power = _share_w(resource, values.get(SOC))
        wish = DriveWish(power_w=power, hold_s=hold_s)
        test = await drive_one(driver, config, device.device_id, wish=wish, clock=clock)
    except VppError as error:
        only_read = isinstance(error, DeviceUnsupportedError) and bool(values)
        return DeviceLine(
            device_id=device.device_id,
            power_w=power_w,
            frequency_hz=hertz,
            driven=str(error).removeprefix(f"{device.device_id}: "),
            ok=only_read,
        )
    return _line(test, power_w, hertz)


def _line(test: DriveTest, power_w: float | None, hertz: float | None) -> DeviceLine:
    return DeviceLine(
        device_id=test.device_id,
        power_w=power_w,
        frequency_hz=hertz,
        asked_w=test.asked_w,
        held_w=_values(test.held).get(POWER_W),
        driven=f"{test.written.state.value} {test.written.detail}".strip(),
        released=f"{test.released.state.value} {test.released.detail}".strip(),
        ok=test.ok,
    )
