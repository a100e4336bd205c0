"""One worker per device: contact, polls, and whatever a device's library may do to us."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

import pytest

from edge_agent.drivers.contact import Contact
from edge_agent.drivers.family import DeviceFamily
from edge_agent.drivers.port import WriteState
from tests.unit.edge_agent.drivers.conftest import (
    Fault,
    LibraryError,
    Yard,
    in_virtual_time,
)


@contextlib.asynccontextmanager
async def running(yard: Yard) -> AsyncIterator[DeviceFamily]:
    family = yard.family()
    task = asyncio.create_task(family.run())
    await asyncio.sleep(0.05)
    try:
        yield family
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def seconds(family: DeviceFamily, count: int) -> list[str]:
    """Read once a second; return the points that came, in order."""
    points: list[str] = []
    for _ in range(count):
        points += [point for point, _ in await family.read(0.4)]
        await asyncio.sleep(1.0)
    return points


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("broken"),
        LibraryError("not an Exception at all"),
        asyncio.CancelledError(),
        BaseExceptionGroup("several", [LibraryError("one")]),
        TimeoutError(),
        AssertionError("an invariant of the library"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("part", ["meeting", "polling", "writing"])
def test_whatever_a_library_raises_costs_its_device_alone(error: BaseException, part: str) -> None:
    """If it fails, one library's odd error ends the polling of every device of the site."""

    async def test(yard: Yard) -> None:
        broken, sound = yard.add("a"), yard.add("b")
        async with running(yard) as family:
            setattr(broken, part, Fault(error=error, takes_s=0.01))
            if part == "meeting":
                family.worker(broken.resource_id).restarted()
            if part == "writing":
                outcome = await family.write(yard.setpoint(-100.0))
                assert outcome.state is WriteState.UNCONFIRMED
            points = await seconds(family, 20)
            assert points.count("b.power_w") == 20
            assert family.worker(sound.resource_id).contact is Contact.LIVE
            setattr(broken, part, Fault(takes_s=0.01))
            points = await seconds(family, 40)
            assert points.count("a.power_w") > 5, "it is back without a restart"

    logged = in_virtual_time(test)
    events = [entry["event"] for entry in logged if "a" in str(entry.get("resource_id"))]
    assert "device.failed" in events
    assert "device.back" in events


def test_device_that_goes_on_failing_is_tried_less_and_less() -> None:
    """If it fails, a broken library keeps the processor busy and fills the log each second."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a")
        unit.polling = Fault(error=LibraryError("always"))
        async with running(yard) as family:
            await seconds(family, 600)
            assert 15 < len(unit.said("meet")) < 35
            assert family.worker(unit.resource_id).contact is not Contact.NEW
            assert unit.lost >= len(unit.said("meet")) - 1, "its connection is let go of"

    logged = in_virtual_time(test)
    pauses = [entry["pause_s"] for entry in logged if entry["event"] == "device.failed"]
    assert pauses[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    assert set(pauses[6:]) == {30.0}


def test_device_that_never_answers_has_failed_and_is_looked_for_again() -> None:
    """If it fails, a call that hangs for ever takes its device away until the next restart."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a")
        async with running(yard) as family:
            unit.polling = Fault(takes_s=1e6)
            await seconds(family, 60)
            unit.polling = Fault(takes_s=0.01)
            assert "a.power_w" in await seconds(family, 20)

    logged = in_virtual_time(test)
    assert "device.failed" in [entry["event"] for entry in logged]


def test_write_that_never_ends_is_told_as_unconfirmed() -> None:
    """If it fails, the cycle waits for the outcome of a write for ever."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a")
        async with running(yard) as family:
            unit.writing = Fault(takes_s=1e6)
            async with asyncio.timeout(120.0):
                outcome = await family.write(yard.setpoint(-100.0))
            assert outcome.state is WriteState.UNCONFIRMED
            assert unit.resource_id in yard.book.held, "it may have been done"

    in_virtual_time(test)


def test_slow_device_delays_no_other_and_not_the_cycle() -> None:
    """If it fails, one slow device makes every other device's values a second old."""

    async def test(yard: Yard) -> None:
        slow, quick = yard.add("a"), yard.add("b")
        slow.polling = Fault(takes_s=5.0)
        async with running(yard) as family:
            loop = asyncio.get_running_loop()
            took_s = []
            for _ in range(30):
                began = loop.time()
                points = [point for point, _ in await family.read(0.4)]
                took_s.append(loop.time() - began)
                assert "b.power_w" in points
                await asyncio.sleep(1.0 - took_s[-1])
            assert max(took_s) <= 0.41
            assert took_s.count(max(took_s)) <= 2, "a slow device is not waited for again"
            assert len(quick.said("fast")) == 30

    in_virtual_time(test)


def test_silent_device_is_lost_and_back_without_a_restart() -> None:
    """If it fails, a device that was switched off for a minute needs a visit to be back."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a")
        async with running(yard) as family:
            await seconds(family, 3)
            unit.present = False
            await seconds(family, 30)
            assert family.worker(unit.resource_id).contact is Contact.LOST
            assert unit.lost
            unit.present = True
            assert "a.power_w" in await seconds(family, 40)

    events = [entry["event"] for entry in in_virtual_time(test)]
    assert events.count("device.lost") == events.count("device.back") == 1


def test_other_device_at_the_address_is_not_taken_for_ours() -> None:
    """If it fails, two devices that swapped addresses are told each other's setpoints."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a")
        async with running(yard) as family:
            unit.somebody_else = True
            await seconds(family, 40)
            assert family.worker(unit.resource_id).contact is Contact.LOST
            assert await family.read(0.4) == []
            unit.somebody_else = False
            family.worker(unit.resource_id).go_to("there")
            await asyncio.sleep(0.1)
            assert family.worker(unit.resource_id).contact is Contact.LIVE
            (found,) = await family.discover()
            assert found.address == "there"

    in_virtual_time(test)


def test_restarted_device_is_met_anew_and_armed_again() -> None:
    """If it fails, a device that lost power is off its setpoint until the next change."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a")
        async with running(yard) as family:
            await family.write(yard.setpoint(-1_000.0, lease_s=60.0))
            unit.power_w = None
            family.worker(unit.resource_id).restarted()
            await asyncio.sleep(0.1)
            assert len(unit.said("meet")) == 2
            assert unit.power_w == -1_000.0

    in_virtual_time(test)


def test_device_is_not_asked_faster_than_it_can_bear() -> None:
    """If it fails, a serial gateway that needs a pause answers one device with another's data."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a", pacing_s=0.25)
        async with running(yard) as family:
            for power_w in (-100.0, -200.0, -300.0):
                asked = asyncio.create_task(family.read(1.0))
                await family.write(yard.setpoint(power_w))
                await asked
            moments = sorted(at for _, at in unit.calls)
            pauses = [after - before for before, after in itertools.pairwise(moments)]
            assert min(pauses) >= 0.25

    in_virtual_time(test)


def test_family_whose_plain_calls_raise_costs_its_device_alone() -> None:
    """If it fails, a decoding error in one device ends the second of the whole site."""

    async def test(yard: Yard) -> None:
        broken = yard.add("a")
        yard.add("b")
        async with running(yard) as family:
            assert len(family.resources()) == 2
            broken.telling = LibraryError("cannot be decoded")
            points = await seconds(family, 5)
            assert set(points) == {"b.power_w"}
            assert len(family.resources()) == 2, "as last known"
            broken.telling = None
            assert "a.power_w" in await seconds(family, 40)

    logged = in_virtual_time(test)
    assert "device.failed" in [entry["event"] for entry in logged]


def test_end_of_the_driver_is_told_to_whoever_waits_and_is_not_a_failure() -> None:
    """If it fails, the agent hangs when it is stopped while a write is under way."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a")
        unit.writing = Fault(takes_s=5.0)
        async with running(yard) as family:
            writes = [
                asyncio.create_task(family.write(yard.setpoint(power_w)))
                for power_w in (-1.0, -2.0)
            ]
            await asyncio.sleep(0.1)
            writes.append(asyncio.create_task(family.write(yard.setpoint(-3.0))))
            await asyncio.sleep(0.1)
        outcomes = await asyncio.gather(*writes)
        assert all(outcome.state is not WriteState.DONE for outcome in outcomes)

    logged = in_virtual_time(test)
    assert "device.failed" not in [entry["event"] for entry in logged]


def test_device_without_orders_refuses_them() -> None:
    """If it fails, a meter that is told a power ends the cycle's write with an error."""

    async def test(yard: Yard) -> None:
        yard.add("a")
        yard.read_only("a")
        async with running(yard) as family:
            outcome = await family.write(yard.setpoint(-1.0))
            assert (outcome.state, outcome.detail) == (
                WriteState.REFUSED,
                "this device takes no orders",
            )
            assert "a.power_w" in await seconds(family, 2)

    in_virtual_time(test)
