"""A family over any devices: reading all, finding all, closing what was opened."""

import asyncio
import contextlib

from edge_agent.drivers.family import DeviceFamily
from edge_agent.drivers.field_device import FieldDevice
from edge_agent.drivers.port import FoundDevice, WriteState
from protocols.vocabulary.identifiers import ResourceId
from tests.unit.edge_agent.drivers.conftest import FakeUnit, Yard, in_virtual_time


class Finder:
    """A search that knows a stranger and one that is configured."""

    def __init__(self) -> None:
        self.runs = 0

    async def run(self) -> None:
        self.runs += 1
        await asyncio.Event().wait()

    async def discover(self) -> tuple[FoundDevice, ...]:
        return tuple(
            FoundDevice(address=address, unit="1", identity="", device_id="", about="answered")
            for address in ("here", "elsewhere")
        )


def family_of(yard: Yard, unit: FakeUnit, **more: object) -> DeviceFamily:
    device = FieldDevice(
        resource_id=unit.resource_id, contact=unit, readings=unit, orders=unit, slow_s=30.0
    )
    return DeviceFamily("fake", [device], yard.ports, **more)


def test_discovery_names_configured_devices_and_keeps_strangers() -> None:
    """If it fails, an installer sees a device twice, or not the one that is not configured."""

    async def test(yard: Yard) -> None:
        search, closed = Finder(), []

        async def close() -> None:
            closed.append(True)

        family = family_of(yard, yard.add("a"), search=search, close=close)
        task = asyncio.create_task(family.run())
        found = await family.discover()
        assert [(one.address, one.device_id) for one in found] == [("elsewhere", ""), ("here", "a")]
        assert search.runs == 1
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert closed == [True]

    in_virtual_time(test)


def test_device_that_does_not_answer_is_not_found_and_holds_discovery_up_briefly() -> None:
    """If it fails, one dead device keeps the installer's list from ever appearing."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a")
        unit.meeting.takes_s = 1e6
        family = family_of(yard, unit)
        task = asyncio.create_task(family.run())
        async with asyncio.timeout(20.0):
            assert await family.discover() == ()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    in_virtual_time(test)


def test_unknown_resource_is_refused() -> None:
    """If it fails, a setpoint for a device that was removed ends the cycle."""

    async def test(yard: Yard) -> None:
        family = family_of(yard, yard.add("a"))
        outcome = await family.release(ResourceId("site-1/gone"))
        assert outcome.state is WriteState.REFUSED
        family.revert_to(ResourceId("site-1/gone"), 0.0)

    in_virtual_time(test)


def test_a_value_read_out_of_turn_is_also_in_the_next_reading() -> None:
    """If it fails, the second's image misses what the frequency loop has just taken."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a")
        family = family_of(yard, unit)
        task = asyncio.create_task(family.run())
        await family.discover()
        unit.power_w = 700.0
        early = await family.read_fast(unit.resource_id)
        assert [measurement.value for _, measurement in early] == [700.0]
        unit.present = False
        again = await family.read(0.4)
        assert [(point, m.value, m.measured_at) for point, m in again] == [
            (point, m.value, m.measured_at) for point, m in early
        ]
        assert await family.read(0.4) == []
        assert await family.read_fast(ResourceId("site-1/gone")) == []
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    in_virtual_time(test)


def test_two_who_ask_at_once_share_one_poll() -> None:
    """If it fails, the frequency loop makes the cycle take a quick device for a slow one."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a")
        family = family_of(yard, unit)
        task = asyncio.create_task(family.run())
        await family.discover()
        unit.polling.takes_s = 0.1
        fast, ordinary = await asyncio.gather(family.read_fast(unit.resource_id), family.read(0.4))
        assert len(fast) == 1
        assert [m.measured_at for _, m in fast + ordinary] == [fast[0][1].measured_at] * 2
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    in_virtual_time(test)
