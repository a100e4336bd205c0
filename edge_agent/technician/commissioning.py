"""The test that ends an installation: each device read, driven a little, released; a record.

Made of the same commands a technician has. The record is JSON for programs and a page that can
be printed; both say what was seen, and what was not tested.
"""

import asyncio
import html
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edge_agent.config.site import DeviceConfig, SiteConfig
from edge_agent.drivers.frames import NO_TAP
from edge_agent.points.table import FREQUENCY_HZ, POWER_W
from edge_agent.technician.bench import DriveTest, DriveWish, drive, told_by
from edge_agent.technician.opening import open_devices
from protocols.vocabulary.errors import DeviceUnsupportedError, VppError
from protocols.vocabulary.intervals import Clock

HOLD_S: Final = 2.0


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
    frequency_hz : float or None
        As some device told it.
    not_tested : tuple of str
        What the test did not do.
    """

    site_id: str
    serial: str
    started_at: datetime
    ended_at: datetime
    devices: tuple[DeviceLine, ...]
    frequency_hz: float | None
    not_tested: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every device did what it can."""
        return all(line.ok for line in self.devices)


def commission(
    config: SiteConfig, clock: Clock, *, serial: str, hold_s: float = HOLD_S
) -> CommissioningRecord:
    """Test every device; the agent must not run.

    Raises
    ------
    ConfigError
        If an agent or another command speaks with the devices.
    """
    started_at = clock.now()
    told = asyncio.run(_read_all(config, clock))
    lines = []
    for device in config.devices:
        values = told.get(device.device_id, {})
        lines.append(_driven(config, device, values, clock=clock, hold_s=hold_s))
    hertz = [line.frequency_hz for line in lines if line.frequency_hz is not None]
    missing = ["link cut and held: see `edge-agent doctor` once the agent runs"]
    if not hertz:
        missing.append("frequency: no device told it")
    return CommissioningRecord(
        site_id=config.site_id,
        serial=serial,
        started_at=started_at,
        ended_at=clock.now(),
        devices=tuple(lines),
        frequency_hz=hertz[0] if hertz else None,
        not_tested=tuple(missing),
    )


def page_of(record: CommissioningRecord) -> str:
    """Write the record as a page that prints on one sheet."""
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(line)) + "</tr>"
        for line in record.devices
    )
    head = "".join(
        f"<th>{cell}</th>"
        for cell in (
            "Device 機器",
            "Read 読取 W",
            "Driven 指令 W",
            "Held 保持 W",
            "Result 結果",
            "Released 解放",
        )
    )
    word = "passed 合格" if record.ok else "NOT passed 不合格"
    hertz = "–" if record.frequency_hz is None else f"{record.frequency_hz:.3f} Hz"
    missing = "".join(f"<li>{html.escape(one)}</li>" for one in record.not_tested)
    return (
        '<!doctype html><html lang="ja"><meta charset="utf-8">'
        f"<title>{html.escape(record.site_id)}</title>"
        "<style>body{font:14px sans-serif;margin:2em}table{border-collapse:collapse;width:100%}"
        "td,th{border:1px solid #888;padding:.3em;text-align:left}</style>"
        f"<h1>Commissioning 竣工試験: {html.escape(record.site_id)}</h1>"
        f"<p>{record.started_at:%F %T} – {record.ended_at:%T} UTC, certificate 証明書 "
        f"{html.escape(record.serial)}, frequency 周波数 {hertz}: <b>{word}</b></p>"
        f"<table><tr>{head}</tr>{rows}</table>"
        f"<p>Not tested 未試験:</p><ul>{missing}</ul>"
        "<p>Installer 施工者: ____________________ Date 日付: ____________</p></html>\n"
    )


def _cells(line: DeviceLine) -> tuple[str, ...]:
    return (
        line.device_id,
        _plain(line.power_w),
        _plain(line.asked_w),
        _plain(line.held_w),
        line.driven,
        line.released,
    )


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:+,.0f}"


async def _read_all(config: SiteConfig, clock: Clock) -> dict[str, dict[str, float]]:
    """Good values of every device by the name of the point."""
    async with open_devices(config, clock, NO_TAP) as driver:
        await driver.discover()
        told = await told_by(driver)
    return {
        device_id: {
            point.partition(".")[2]: measurement.value
            for point, measurement in readings
            if measurement.value is not None
        }
        for device_id, readings in told.items()
    }


def _driven(
    config: SiteConfig,
    device: DeviceConfig,
    values: dict[str, float],
    *,
    clock: Clock,
    hold_s: float,
) -> DeviceLine:
    power_w, hertz = values.get(POWER_W), values.get(FREQUENCY_HZ)
    try:
        wish = DriveWish(power_w=None, hold_s=hold_s)
        test = asyncio.run(drive(config, device.device_id, clock, wish=wish, tap=NO_TAP))
    except DeviceUnsupportedError as error:
        return DeviceLine(
            device_id=device.device_id,
            power_w=power_w,
            frequency_hz=hertz,
            driven=str(error),
            ok=bool(values),
        )
    except VppError as error:
        return DeviceLine(
            device_id=device.device_id,
            power_w=power_w,
            frequency_hz=hertz,
            driven=str(error),
            ok=False,
        )
    return _line(test, power_w, hertz)


def _line(test: DriveTest, power_w: float | None, hertz: float | None) -> DeviceLine:
    held = {point.partition(".")[2]: measurement.value for point, measurement in test.held}
    return DeviceLine(
        device_id=test.device_id,
        power_w=power_w,
        frequency_hz=hertz,
        asked_w=test.asked_w,
        held_w=held.get(POWER_W),
        driven=f"{test.written.state.value} {test.written.detail}".strip(),
        released=f"{test.released.state.value} {test.released.detail}".strip(),
        ok=test.ok,
    )
