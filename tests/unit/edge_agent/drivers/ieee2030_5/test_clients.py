"""Inverters and batteries that are clients of the gateway's own server, over real sockets.

Loopback 127.5.31.x.
"""

import asyncio
import time
from pathlib import Path

from edge_agent.drivers.port import WriteState
from protocols.ieee2030_5.units import amount_of
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.resource import Capability
from tests.ports import free_port
from tests.unit.edge_agent.drivers.ieee2030_5.site import (
    FIXED,
    FULL_W,
    MAX_LIM,
    PV,
    RESOURCE,
    TARGET,
    Book,
    Place,
    device_of,
    served,
)

NET = "127.5.31"


def test_what_a_device_says_is_read_with_its_own_time(tmp_path: Path) -> None:
    """If it fails, a battery's power has the wrong sign, or one of a minute ago looks fresh."""

    async def story() -> None:
        place = Place.at(tmp_path, f"{NET}.1", free_port())
        async with served(place.config()) as site, device_of(place) as device:
            await device.measure(-1200.0, age_s=60)
            assert await site.live()
            assert await site.until(lambda: site.value("power_w") == -1200.0)
            measured = site.seen["power_w"]
            age_s = time.time() - measured.measured_at.timestamp()
            assert 59.0 <= age_s <= 70.0
            assert measured.quality is Quality.GOOD
            await device.measure(800.0)
            assert await site.until(lambda: site.value("power_w") == 800.0)
            assert site.value("soc") == 0.5
            (resource,) = site.family.resources()
            assert (resource.power_w_min, resource.power_w_max) == (-FULL_W, FULL_W)
            wanted = {Capability.TAKES_SETPOINT, Capability.HAS_SOC, Capability.HAS_LEASE_TIMER}
            assert wanted <= resource.capabilities

    asyncio.run(story())


def test_an_order_is_done_when_the_device_says_that_it_has_started(tmp_path: Path) -> None:
    """If it fails, an order counts as obeyed that the device never took, or never ends."""

    async def story() -> None:
        place = Place.at(tmp_path, f"{NET}.2", free_port())
        async with served(place.config()) as site, device_of(place) as device:
            await device.measure(0.0)
            assert await site.live()
            outcome = await site.write(-3000.0)
            assert (outcome.state, outcome.read_back_w) == (WriteState.DONE, -3000.0)
            (control,) = device.active()
            asked = control.der_control_base.op_mod_target_w
            assert asked is not None
            assert amount_of(asked) == -3000.0
            assert 30 <= control.interval.duration <= 60
            assert device.answered[control.mrid] == [1, 2]
            outcome = await site.release()
            assert outcome.state is WriteState.DONE
            assert device.answered[control.mrid] == [1, 2, 6]
            assert not site.book.held

    asyncio.run(story())


def test_an_order_is_done_when_the_power_shows_it(tmp_path: Path) -> None:
    """If it fails, a device that does as told but answers nothing is told again and again."""

    async def story() -> None:
        place = Place.at(tmp_path, f"{NET}.3", free_port())
        async with served(place.config()) as site, device_of(place, statuses=()) as device:
            await device.measure(0.0)
            assert await site.live()
            wish = asyncio.ensure_future(site.write(-3000.0))
            await asyncio.sleep(1.5)
            assert not wish.done()
            await device.measure(-2990.0)
            outcome = await wish
            assert (outcome.state, "-2990 W" in outcome.detail) == (WriteState.DONE, True)

    asyncio.run(story())


def test_a_device_that_will_not_is_refused_and_its_control_taken_back(tmp_path: Path) -> None:
    """If it fails, control counts on a battery that has said it will not."""

    async def story() -> None:
        place = Place.at(tmp_path, f"{NET}.4", free_port())
        async with served(place.config()) as site, device_of(place, statuses=(1, 253)) as device:
            await device.measure(0.0)
            assert await site.live()
            outcome = await site.write(-3000.0)
            assert outcome.state is WriteState.REFUSED
            assert "253" in outcome.detail
            assert await site.until(lambda: not device.active())

    asyncio.run(story())


def test_each_device_is_told_in_a_mode_it_supports(tmp_path: Path) -> None:
    """If it fails, a device is told in words it does not know, or by the wrong full scale."""

    async def story() -> None:
        place = Place.at(tmp_path, f"{NET}.5", free_port())
        async with served(place.config()) as site, device_of(place, modes=FIXED) as device:
            await device.measure(0.0)
            assert await site.live()
            assert (await site.write(-1250.0)).state is WriteState.DONE
            assert device.active()[0].der_control_base.op_mod_fixed_w == -2500
        other = Place.at(tmp_path / "pv", f"{NET}.6", free_port())
        async with served(other.config(PV)) as site, device_of(other, modes=MAX_LIM | TARGET) as pv:
            await pv.measure(4000.0)
            assert await site.live()
            (resource,) = site.family.resources()
            assert Capability.TAKES_LIMIT in resource.capabilities
            assert (await site.write(1666.0)).state is WriteState.DONE
            assert pv.active()[0].der_control_base.op_mod_max_lim_w == 3332
            assert (await site.write(-100.0)).state is WriteState.REFUSED

    asyncio.run(story())


def test_a_limit_that_must_hold_is_the_devices_default(tmp_path: Path) -> None:
    """If it fails, a dead gateway leaves a PV above a limit that is still in force."""

    async def story() -> None:
        place = Place.at(tmp_path, f"{NET}.7", free_port())
        async with served(place.config(PV)) as site, device_of(place, modes=MAX_LIM) as pv:
            await pv.measure(4000.0)
            assert await site.live()
            site.family.revert_to(RESOURCE, 2500.0)
            assert (await site.write(1000.0)).state is WriteState.DONE
            limit = 5000
            assert pv.default is not None
            assert pv.default.der_control_base.op_mod_max_lim_w == limit
            assert (await site.release()).state is WriteState.DONE
            assert not pv.active()
            site.family.revert_to(RESOURCE, None)
            assert await site.until(
                lambda: (
                    pv.default is not None and pv.default.der_control_base.op_mod_max_lim_w is None
                )
            )

    asyncio.run(story())


def test_a_restart_of_the_gateway_resumes_nothing_that_is_over(tmp_path: Path) -> None:
    """If it fails, a battery goes back to an old order after the gateway was started again."""

    async def story() -> None:
        place = Place.at(tmp_path, f"{NET}.8", free_port())
        config, book = place.config(), Book()
        async with served(config, book=book) as site, device_of(place) as device:
            await device.measure(0.0)
            assert await site.live()
            assert (await site.write(-1000.0)).state is WriteState.DONE
            first = device.active()[0].mrid
        async with served(config, book=book) as site, device_of(place) as device:
            await device.measure(-1000.0)
            assert await site.live()
            assert [one.mrid for one in device.active()] == [first]
            assert (await site.write(-2000.0)).state is WriteState.DONE
            assert await site.until(lambda: first not in [one.mrid for one in device.active()])
            (second,) = device.active()
        book.held.clear()
        async with served(config, book=book) as site, device_of(place) as device:
            assert await site.live()
            await device.poll()
            assert device.active() == []
            known = {one.mrid: one.event_status.current_status for one in device.controls}
            assert (known[first], known[second.mrid]) == (4, 2)

    asyncio.run(story())


def test_a_device_that_falls_silent_is_lost_and_comes_back(tmp_path: Path) -> None:
    """If it fails, an order to a device that is gone looks as if it might arrive."""

    async def story() -> None:
        place = Place.at(tmp_path, f"{NET}.9", free_port())
        async with served(place.config()) as site:
            outcome = await site.write(-1000.0)
            assert outcome.state is WriteState.TIMEOUT
            async with device_of(place) as device:
                await device.measure(0.0)
                assert await site.live()
                assert (await site.write(-1000.0)).state is WriteState.DONE

    asyncio.run(story())
