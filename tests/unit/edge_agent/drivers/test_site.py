"""A site's driver over its families: one that fails takes nobody with it, and comes back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from edge_agent.config.site import (
    DeviceConfig,
    JournalConfig,
    LimitsConfig,
    LinkConfig,
    LocationConfig,
    SiteConfig,
    TariffConfig,
)
from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.field_device import FieldDevice
from edge_agent.drivers.port import WriteState
from edge_agent.drivers.site import FamilyOpening, SiteDriver
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ResourceId, SiteId, ZoneId
from protocols.vocabulary.resource import ResourceKind
from tests.unit.edge_agent.drivers.conftest import (
    FakeUnit,
    LibraryError,
    Yard,
    in_virtual_time,
)

SUN, BAC = ResourceId("site-1/sun"), ResourceId("site-1/bac")
Open = Callable[[SiteConfig, FamilyPorts], Awaitable[DeviceFamily | None]]


def site_config(**protocols: str) -> SiteConfig:
    return SiteConfig(
        site_id=SiteId("site-1"),
        zone=ZoneId("tokyo"),
        data_dir=Path("data"),
        link=LinkConfig(brokers=(), keepalive_s=10),
        limits=LimitsConfig(contract_import_w=10_000.0, export_limit_w=5_000.0),
        tariff=TariffConfig(import_jpy_per_kwh=30.0, export_jpy_per_kwh=8.0),
        location=LocationConfig(latitude=35.6, longitude=139.7),
        echonet=None,
        journal=JournalConfig(bytes_max=10**9, tick_age_s_max=86_400.0),
        pv_peak_w=0.0,
        forecast_model=None,
        devices=tuple(
            DeviceConfig(
                device_id=name, kind=ResourceKind.BATTERY, protocol=protocol, address="here"
            )
            for name, protocol in protocols.items()
        ),
    )


class Room:
    """A protocol's room: opens a family over one fake unit, as often as it is asked."""

    def __init__(self, unit: FakeUnit) -> None:
        self.unit = unit
        self.opened: list[BreakableFamily] = []
        self.closed = 0
        self.refuses: BaseException | None = None

    async def open_family(self, _config: SiteConfig, ports: FamilyPorts) -> DeviceFamily | None:
        if self.refuses is not None:
            raise self.refuses
        unit = self.unit
        device = FieldDevice(
            resource_id=unit.resource_id, contact=unit, readings=unit, orders=unit, slow_s=30.0
        )

        async def close() -> None:
            self.closed += 1

        search = Breaks()
        family = BreakableFamily("room", [device], ports, search=search, close=close)
        family.search = search
        self.opened.append(family)
        return family


class Breaks:
    """A background task that breaks when told."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.error: BaseException = RuntimeError("the stack fell over")

    async def run(self) -> None:
        await self.told.wait()
        raise self.error

    async def discover(self) -> tuple[()]:
        return ()


class BreakableFamily(DeviceFamily):
    """A family whose reading can be made to hang or raise."""

    search: Breaks
    reading: BaseException | float | None = None

    async def read(self, deadline_s: float) -> list[object]:
        if isinstance(self.reading, BaseException):
            raise self.reading
        if self.reading is not None:
            await asyncio.sleep(self.reading)
        return await super().read(deadline_s)


def opening(name: str, open_family: Open) -> FamilyOpening:
    return FamilyOpening(name=name, protocols=frozenset({name}), open=open_family)


class Town:
    """Two rooms with a device each, and the site's driver over them."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.sun, self.bac = Room(yard.add("sun")), Room(yard.add("bac"))
        self.driver = SiteDriver(
            site_config(bac="bacnet", sun="sunspec"),
            yard.ports,
            (
                opening("sunspec", self.sun.open_family),
                opening("bacnet", self.bac.open_family),
                opening("ocpp", self._unused),
            ),
        )

    async def _unused(self, _config: SiteConfig, _ports: FamilyPorts) -> DeviceFamily | None:
        raise AssertionError("the site has no such device")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[SiteDriver]:
        await self.driver.open()
        task = asyncio.create_task(self.driver.run())
        await asyncio.sleep(0.05)
        try:
            yield self.driver
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def points(self, seconds: int) -> list[str]:
        found: list[str] = []
        for _ in range(seconds):
            began = asyncio.get_running_loop().time()
            found += [point for point, _ in await self.driver.read(0.4)]
            took_s = asyncio.get_running_loop().time() - began
            assert took_s <= 0.51, "the cycle was held up"
            await asyncio.sleep(1.0 - took_s)
        return found


def test_families_are_read_and_written_as_one_driver() -> None:
    """If it fails, the devices of a second protocol are never seen or never told anything."""

    async def test(yard: Yard) -> None:
        town = Town(yard)
        async with town.running() as driver:
            assert set(await town.points(1)) == {"sun.power_w", "bac.power_w"}
            assert [r.resource_id for r in driver.resources()] == [BAC, SUN], "the file's order"
            assert (await driver.write(yard.setpoint(-1.0, name="bac"))).state is WriteState.DONE
            assert (town.bac.unit.power_w, town.sun.unit.power_w) == (-1.0, None)
            assert (await driver.release(BAC)).state is WriteState.DONE
            assert [one.device_id for one in await driver.discover()] == ["sun", "bac"]
            gone = await driver.release(ResourceId("site-1/gone"))
            assert gone.state is WriteState.REFUSED
        assert town.sun.closed == town.bac.closed == 1

    in_virtual_time(test)


@pytest.mark.parametrize("error", [RuntimeError("fell over"), LibraryError("odd"), OSError("gone")])
def test_family_that_fails_is_opened_again_while_the_others_go_on(error: BaseException) -> None:
    """If it fails, one protocol's stack takes the whole site out of control."""

    async def test(yard: Yard) -> None:
        town = Town(yard)
        async with town.running() as driver:
            await driver.write(yard.setpoint(-1.0, name="bac", lease_s=30.0))
            driver.revert_to(BAC, 0.0)
            search = town.bac.opened[0].search
            search.error = error
            search.told.set()
            await asyncio.sleep(0.01)
            outcome = await driver.write(yard.setpoint(-2.0, name="bac"))
            assert (outcome.state, outcome.sequence) == (WriteState.TIMEOUT, 2)
            assert "started again" in outcome.detail
            points = await town.points(10)
            assert points.count("sun.power_w") == 10
            assert points.count("bac.power_w") >= 7
            assert len(driver.resources()) == 2
            assert len(town.bac.opened) == 2
            assert town.bac.closed == 1
            await asyncio.sleep(40.0)
            assert town.bac.unit.power_w == 0.0, "the lease was adopted, and reverts as before"

    logged = in_virtual_time(test)
    events = [entry["event"] for entry in logged if entry["event"].startswith("family.")]
    assert events == ["family.failed", "family.back"]


def test_family_that_cannot_be_opened_again_is_tried_less_and_less() -> None:
    """If it fails, a port that was taken away is bound a thousand times a minute."""

    async def test(yard: Yard) -> None:
        town = Town(yard)
        async with town.running():
            town.bac.refuses = ConfigError("the port is taken")
            town.bac.opened[0].search.told.set()
            assert (await town.points(400)).count("sun.power_w") == 400
            town.bac.refuses = None
            assert "bac.power_w" in await town.points(90)

    logged = in_virtual_time(test)
    pauses = [entry["pause_s"] for entry in logged if entry["event"] == "family.failed"]
    assert pauses[:7] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0]
    assert len(pauses) < 15


@pytest.mark.parametrize("reading", [LibraryError("odd"), ValueError("bad"), 30.0])
def test_family_whose_reading_fails_or_hangs_costs_the_others_nothing(
    reading: BaseException | float,
) -> None:
    """If it fails, the cycle stops because one family's read does."""

    async def test(yard: Yard) -> None:
        town = Town(yard)
        async with town.running():
            town.bac.opened[0].reading = reading
            points = await town.points(5)
            assert points.count("sun.power_w") == 5

    in_virtual_time(test)


def test_configuration_error_of_a_family_ends_the_start_and_nothing_stays_open() -> None:
    """If it fails, an agent with a wrong address runs on without its devices, unnoticed."""

    async def test(yard: Yard) -> None:
        town = Town(yard)
        town.bac.refuses = ConfigError("bacnet.address: not this machine's")
        with pytest.raises(ConfigError, match=r"bacnet\.address"):
            await town.driver.open()
        assert town.sun.closed == 1

    in_virtual_time(test)


def test_family_that_fails_at_the_start_is_opened_later() -> None:
    """If it fails, a USB adapter that is late keeps the whole site down."""

    async def test(yard: Yard) -> None:
        town = Town(yard)
        town.bac.refuses = OSError("no such device")
        async with town.running():
            assert set(await town.points(2)) == {"sun.power_w"}
            town.bac.refuses = None
            assert "bac.power_w" in await town.points(10)

    in_virtual_time(test)
