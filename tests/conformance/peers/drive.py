"""Our driver against one battery, in a process of its own: finds, reads, drives, gives back.

Usage: ``drive.py GATEWAY_ADDRESS DEVICE_ADDRESS``. Prints a JSON line per step.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from edge_agent.config.site import (
    DeviceConfig,
    EchonetConfig,
    JournalConfig,
    LimitsConfig,
    LinkConfig,
    LocationConfig,
    SiteConfig,
    TariffConfig,
)
from edge_agent.drivers.echonet_lite.family import open_family
from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.frames import NO_TAP
from edge_agent.drivers.lease_book import LeasedDevice
from edge_agent.drivers.port import WriteOutcome
from protocols.vocabulary.identifiers import ResourceId, SiteId, ZoneId
from protocols.vocabulary.resource import ResourceKind
from protocols.vocabulary.setpoint import Setpoint

TEMPLATE = "echonet-battery-amount"
BATTERY = ResourceId("site-1/battery-1")


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class Book:
    """A lease book that tells what it is told."""

    def hold(self, leased: LeasedDevice) -> None:
        say("held", frames=[frame.hex() for frame in leased.frames])

    def drop(self, resource_id: ResourceId) -> None:
        say("dropped", resource_id=resource_id)

    def left_over(self) -> tuple[LeasedDevice, ...]:
        return ()


class Ledger:
    """Counts writes and spares none."""

    def __init__(self) -> None:
        self._writes = 0

    def spend(self, resource_id: ResourceId, writes: int, budget: int | None) -> bool:
        self._writes += writes
        return True

    def count(self, resource_id: ResourceId) -> int:
        return self._writes


def say(event: str, **fields: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def site(gateway: str, device: str) -> SiteConfig:
    battery = DeviceConfig(
        device_id="battery-1",
        kind=ResourceKind.BATTERY,
        protocol="echonet-lite",
        address=device,
        eoj="027D01",
        template_id=TEMPLATE,
    )
    return SiteConfig(
        site_id=SiteId("site-1"),
        zone=ZoneId("tokyo"),
        data_dir=Path("data"),
        link=LinkConfig(brokers=(), keepalive_s=10),
        limits=LimitsConfig(contract_import_w=10_000.0, export_limit_w=5_000.0),
        tariff=TariffConfig(import_jpy_per_kwh=30.0, export_jpy_per_kwh=8.0),
        location=LocationConfig(latitude=35.6, longitude=139.7),
        echonet=EchonetConfig(address=gateway, port=3610, group="224.0.23.0", timeout_s=1.0),
        journal=JournalConfig(bytes_max=10**9, tick_age_s_max=86_400.0),
        pv_peak_w=0.0,
        forecast_model=None,
        devices=(battery,),
    )


def tell(step: str, outcome: WriteOutcome) -> None:
    say(
        "outcome",
        step=step,
        state=outcome.state.value,
        read_back_w=outcome.read_back_w,
        detail=outcome.detail,
    )


async def tell_readings(driver: DeviceFamily) -> None:
    readings = await driver.read(0.4)
    say("readings", values={point: measurement.value for point, measurement in readings})


async def drive(gateway: str, device: str) -> None:
    clock = SystemClock()
    ports = FamilyPorts(clock=clock, book=Book(), ledger=Ledger(), tap=NO_TAP)
    driver = await open_family(site(gateway, device), ports)
    assert driver is not None
    running = asyncio.create_task(driver.run())
    found = await driver.discover()
    say("found", devices=[(entry.address, entry.unit, entry.device_id) for entry in found])
    (resource,) = driver.resources()
    say(
        "resource",
        power_w_min=resource.power_w_min,
        power_w_max=resource.power_w_max,
        capabilities=sorted(entry.value for entry in resource.capabilities),
    )
    await tell_readings(driver)
    for sequence, power_w in enumerate((-1_500.0, 2_000.0, 0.0), start=1):
        now = clock.now()
        setpoint = Setpoint(
            resource_id=BATTERY,
            power_w=power_w,
            valid_from=now,
            valid_until=now + timedelta(seconds=20),
            reason="test",
            cycle=sequence,
            sequence=sequence,
        )
        tell(f"{power_w:.0f}", await driver.write(setpoint))
        await tell_readings(driver)
    tell("release", await driver.release(BATTERY))
    await tell_readings(driver)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    say("end")


structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
asyncio.run(asyncio.wait_for(drive(sys.argv[1], sys.argv[2]), 60.0))
