"""The lease of any protocol: budget, interval, timers, reversion. No protocol is needed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from edge_agent.drivers.family import DeviceFamily
from edge_agent.drivers.port import WriteState
from protocols.templates.template import Writes
from tests.unit.edge_agent.drivers.conftest import FakeBook, FakeUnit, Yard, in_virtual_time

FLASH = Writes(flash=True, budget_per_day=10, interval_s=0.0)
SLOW_FLASH = Writes(flash=True, budget_per_day=None, interval_s=60.0)


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


def told(unit: FakeUnit) -> list[float | None]:
    return [order.power_w for order in unit.orders]


def test_setpoints_beyond_the_budget_are_refused_and_releases_are_not() -> None:
    """If it fails, control wears a register out, or a spent budget keeps a device forced."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a", writes=FLASH)
        async with running(yard) as family:
            outcomes = [await family.write(yard.setpoint(-float(n))) for n in range(1, 8)]
            assert [o.state for o in outcomes[:5]] == [WriteState.DONE] * 5
            assert [o.state for o in outcomes[5:]] == [WriteState.REFUSED] * 2
            assert "budget of 10 writes" in outcomes[5].detail
            assert yard.ledger.count(unit.resource_id) == 10
            assert unit.power_w == -5.0, "the lease before goes on to its end"
            assert (await family.release(unit.resource_id)).state is WriteState.DONE
            assert yard.ledger.count(unit.resource_id) == 11
            assert unit.power_w is None

    logged = in_virtual_time(test)
    assert [entry["event"] for entry in logged].count("budget.spent") == 1


def test_refused_first_setpoint_leaves_no_lease_in_the_book() -> None:
    """If it fails, the watchdog writes to a worn-out device that nobody has leased."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a", writes=Writes(flash=True, budget_per_day=1, interval_s=0.0))
        async with running(yard) as family:
            assert (await family.write(yard.setpoint(-1.0))).state is WriteState.REFUSED
            assert not yard.book.held
            assert not unit.orders

    in_virtual_time(test)


def test_unchanged_setpoint_costs_no_write() -> None:
    """If it fails, prolonging a lease each few seconds spends a flash budget before noon."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a", writes=FLASH)
        async with running(yard) as family:
            for _ in range(60):
                assert (await family.write(yard.setpoint(-1.0))).state is WriteState.DONE
                await asyncio.sleep(5.0)
            assert told(unit) == [-1.0]

    in_virtual_time(test)


def test_interval_holds_setpoints_back_and_the_newest_is_written() -> None:
    """If it fails, a device with a slow memory is written each second, or an old power stays."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a", writes=SLOW_FLASH)
        async with running(yard) as family:
            assert (await family.write(yard.setpoint(-1.0))).state is WriteState.DONE
            waiting = []
            for n in range(2, 60):
                waiting.append(asyncio.create_task(family.write(yard.setpoint(-float(n)))))
                await asyncio.sleep(1.0)
                assert unit.power_w == -1.0, "neither written nor released meanwhile"
            await asyncio.sleep(3.0)
            assert told(unit) == [-1.0, -59.0]
            outcomes = [await one for one in waiting]
            assert outcomes[-1].state is WriteState.DONE
            assert {o.state for o in outcomes[:-1]} == {WriteState.SUPERSEDED}

    in_virtual_time(test)


def test_release_is_not_held_back_by_the_interval() -> None:
    """If it fails, an emergency stop waits a minute for the pause of a memory."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a", writes=SLOW_FLASH)
        async with running(yard) as family:
            await family.write(yard.setpoint(-1.0))
            later = asyncio.create_task(family.write(yard.setpoint(-2.0)))
            await asyncio.sleep(0.5)
            assert (await family.release(unit.resource_id)).state is WriteState.DONE
            assert told(unit) == [-1.0, None]
            assert (await later).state is WriteState.SUPERSEDED

    in_virtual_time(test)


def test_setpoint_that_expires_while_held_back_is_not_written() -> None:
    """If it fails, a device moves by a setpoint whose control has been dead for a minute."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a", writes=SLOW_FLASH)
        async with running(yard) as family:
            await family.write(yard.setpoint(-1.0))
            late = asyncio.create_task(family.write(yard.setpoint(-2.0, lease_s=10.0)))
            await asyncio.sleep(100.0)
            assert (await late).state is WriteState.TIMEOUT
            assert told(unit) == [-1.0, None]

    in_virtual_time(test)


def test_device_with_a_slow_memory_holds_until_it_may_be_told_again() -> None:
    """If it fails, the device's own timer ends each setpoint before the next may be written."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a", writes=SLOW_FLASH)
        unit.timer = True
        async with running(yard) as family:
            await family.write(yard.setpoint(-1.0, lease_s=10.0))
            words = unit.orders[0].words
            assert isinstance(words, tuple)
            assert words[1] >= 60.0

    in_virtual_time(test)


def test_setpoint_on_a_device_timer_is_sent_again_before_it_ends() -> None:
    """If it fails, a battery drops its unchanged setpoint each time its own timer runs out."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a")
        unit.timer = True
        async with running(yard) as family:
            for _ in range(12):
                await family.write(yard.setpoint(-1.0, lease_s=10.0))
                await asyncio.sleep(1.0)
            assert 2 <= len(unit.orders) <= 4
            assert set(told(unit)) == {-1.0}

    in_virtual_time(test)


def test_lease_of_an_earlier_life_is_adopted_and_released() -> None:
    """If it fails, a device on any protocol stays forced after a crash of the agent."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a")
        async with running(yard) as family:
            await family.write(yard.setpoint(-1.0, lease_s=5.0))
        yard.book = FakeBook(tuple(yard.book.held.values()))
        async with running(yard):
            assert unit.said("adopt")
            await asyncio.sleep(8.0)
            assert unit.power_w is None
            assert not yard.book.held

    in_virtual_time(test)


def test_release_on_a_device_that_fails_is_owed_until_it_is_done() -> None:
    """If it fails, a library's error in the middle of a release leaves the device forced."""

    async def test(yard: Yard) -> None:
        unit = yard.add("a")
        async with running(yard) as family:
            await family.write(yard.setpoint(-1.0))
            unit.writing.error = RuntimeError("in the middle")
            outcome = await family.release(unit.resource_id)
            assert outcome.state is WriteState.UNCONFIRMED
            unit.writing.error = None
            await asyncio.sleep(20.0)
            assert unit.power_w is None
            assert not yard.book.held

    in_virtual_time(test)
