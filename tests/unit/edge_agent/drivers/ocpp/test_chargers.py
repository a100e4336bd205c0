"""Our driver and our simulated chargers on real websockets: read, limit, give back, lose, find.

Loopback 127.5.1.x, port 8887.
"""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.drivers.lease_book import WIRE_NONE
from firmware_sim.devices.ocpp.device import OcppDevice
from firmware_sim.faults import Fault, FaultKind
from protocols.templates.catalogue import catalogue
from protocols.templates.ocpp import OcppWire
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.resource import Capability
from tests.unit.edge_agent.drivers.ocpp.site import (
    CHARGER,
    RESOURCE,
    Book,
    Served,
    charging,
    served,
    site,
)

TEMPLATES = sorted(name for name, one in catalogue().items() if one.protocol == "ocpp")


def _settled(us: Served, device: OcppDevice) -> Callable[[], bool]:
    """Whether what we read is what the charger does, as near as its ramp lets a second be."""
    return lambda: us.value("power_w") == pytest.approx(device.reading.power_w, abs=3_000.0)


@pytest.mark.parametrize("template_id", TEMPLATES)
def test_every_template_is_read_limited_and_given_back(template_id: str, tmp_path: Path) -> None:
    """If it fails, a family of chargers is in the catalogue that nobody can drive."""
    template = catalogue()[template_id]
    wire = template.wire
    assert isinstance(wire, OcppWire)
    address = f"127.5.1.{TEMPLATES.index(template_id) + 1}"
    wanted_w = template.nameplate.power_w_min / 2.0

    async def drive() -> None:
        async with (
            served(site(tmp_path, template_id, address)) as us,
            charging(template_id, address) as device,
        ):
            assert await us.until(lambda: us.value("connected") == 1.0)
            if wire.trigger or not wire.sample_fixed:
                assert await us.until(_settled(us, device))
                assert us.seen["power_w"].quality in {Quality.GOOD, Quality.SUBSTITUTED}
            outcome = await us.write(wanted_w)
            if wire.composite_schedule:
                assert outcome.state.value == "done", outcome
                assert outcome.read_back_w is not None
                assert wanted_w <= outcome.read_back_w < 0.0
            allowed_w = device.profiles.station_w(device.own_s)
            assert 0.0 < allowed_w <= -wanted_w, "what it allows is not what we asked for"
            outcome = await us.release()
            assert outcome.state.value == "done", outcome
            assert RESOURCE not in us.book.held

    asyncio.run(drive())


def test_a_dead_gateway_leaves_the_charger_at_its_own_default(tmp_path: Path) -> None:
    """If it fails, a charger holds a limit for ever after the gateway has died."""
    template_id, address = "ocpp-16-ac-6kw", "127.5.1.101"

    async def drive() -> None:
        async with charging(template_id, address) as device:
            async with served(site(tmp_path, template_id, address)) as us:
                assert await us.until(_settled(us, device))
                outcome = await us.write(-1500.0, lease_s=3.0)
                assert outcome.state.value == "done", outcome
                assert us.book.held[RESOURCE].wire == WIRE_NONE
                assert us.book.held[RESOURCE].frames == ()
            for _ in range(40):
                await asyncio.sleep(0.1)
                if device.reading.power_w > -1501.0:
                    break
            assert device.reading.power_w == pytest.approx(-1500.0, abs=1.0)
            for _ in range(60):
                await asyncio.sleep(0.1)
                if device.reading.power_w < -3000.0:
                    break
            assert device.reading.power_w < -3000.0, "it holds the limit of a dead gateway"

    asyncio.run(drive())


def test_a_charger_without_schedule_is_confirmed_by_what_it_draws(tmp_path: Path) -> None:
    """If it fails, an order counts as done that nothing has confirmed, or never counts."""
    template_id, address = "ocpp-16-no-composite", "127.5.1.102"

    async def drive() -> None:
        async with (
            served(site(tmp_path, template_id, address)) as us,
            charging(template_id, address) as device,
        ):
            assert await us.until(_settled(us, device))
            outcome = await us.write(-2400.0)
            if outcome.state.value == "unconfirmed":  # its car is still on the way there
                await us.until(lambda: device.reading.power_w > -2500.0)
                outcome = await us.write(-2400.0)
            assert outcome.state.value == "done", outcome
            assert outcome.read_back_w is None
            device.switch_on(Fault(kind=FaultKind.NO_EFFECT), 0.0)
            outcome = await us.write(-4800.0)
            assert outcome.state.value == "unconfirmed", outcome
            assert "draws" in outcome.detail

    asyncio.run(drive())


def test_an_order_to_discharge_is_refused_and_never_sent(tmp_path: Path) -> None:
    """If it fails, a plan counts on energy that no profile of these versions can order."""
    template_id, address = "ocpp-201-v2x-charge-only", "127.5.1.103"

    async def drive() -> None:
        async with (
            served(site(tmp_path, template_id, address)) as us,
            charging(template_id, address) as device,
        ):
            assert await us.until(_settled(us, device))
            (resource,) = us.family.resources()
            assert resource.power_w_max == 0.0
            assert Capability.HAS_SOC in resource.capabilities
            outcome = await us.write(3000.0)
            assert outcome.state.value == "refused"
            assert "discharge" in outcome.detail

    asyncio.run(drive())


def test_a_charger_that_restarts_is_limited_again(tmp_path: Path) -> None:
    """If it fails, a charger that lost power in an event charges through it at full power."""
    template_id, address = "ocpp-201-dc-50kw", "127.5.1.104"

    async def drive() -> None:
        async with (
            served(site(tmp_path, template_id, address)) as us,
            charging(template_id, address) as device,
        ):
            assert await us.until(_settled(us, device))
            outcome = await us.write(-5000.0)
            assert outcome.state.value == "done"
            device.switch_on(Fault(kind=FaultKind.RESTARTED), 0.0)
            assert not device.profiles.composite(whole=True, now_s=0.0, duration_s=1.0)[0][1] < 1e4
            limited = lambda: device.profiles.station_w(device.own_s) == 5000.0  # noqa: E731
            assert await us.until(limited), "the limit is not armed again"

    asyncio.run(drive())


def test_a_charger_that_comes_from_another_address_is_the_same(tmp_path: Path) -> None:
    """If it fails, a charger is lost whenever its network gives it a new address."""
    template_id, address = "ocpp-16-ac-6kw", "127.5.1.105"

    async def drive() -> None:
        async with (
            served(site(tmp_path, template_id, address)) as us,
            charging(template_id, address) as device,
        ):
            assert await us.until(_settled(us, device))
            moved = Fault(kind=FaultKind.ADDRESS_CHANGE, address="127.5.1.205")
            device.switch_on(moved, 0.0)
            found: list[str] = []

            def moved_here() -> bool:
                known = us.family.worker(RESOURCE).describe()
                found.append("" if known is None else known.address)
                return found[-1] == "127.5.1.205"

            assert await us.until(moved_here), found[-1]
            us.seen.clear()
            assert await us.until(lambda: us.value("power_w") is not None)

    asyncio.run(drive())


def test_a_stranger_is_found_and_never_controlled(tmp_path: Path) -> None:
    """If it fails, a technician cannot see a charger that calls, or a foreign one is limited."""
    template_id, address = "ocpp-16-ac-6kw", "127.5.1.106"

    async def drive() -> None:
        async with (
            served(site(tmp_path, template_id, address)) as us,
            charging(template_id, address, name="foreign") as device,
        ):
            strangers: list[str] = []
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(10.0):
                    while "Simulated" not in "".join(strangers):
                        await asyncio.sleep(0.2)
                        found = await us.family.discover()
                        strangers = [f"{one.identity} {one.about}" for one in found]
            assert strangers == ["foreign Simulated 16-ac-6kw (1.0), OCPP 1.6, not configured"]
            await us.read()
            assert "power_w" not in us.seen
            assert device.profiles.station_w(device.own_s) == 6000.0

    asyncio.run(drive())


def test_an_earlier_lease_ends_and_the_next_life_goes_on(tmp_path: Path) -> None:
    """If it fails, a gateway that restarts never gives a charger back."""
    template_id, address = "ocpp-16-ac-6kw", "127.5.1.107"
    book = Book()

    async def drive() -> None:
        async with charging(template_id, address) as device:
            async with served(site(tmp_path, template_id, address), book=book) as us:
                assert await us.until(_settled(us, device))
                assert (await us.write(-2000.0, lease_s=60.0)).state.value == "done"
            assert RESOURCE in book.held
            async with served(site(tmp_path, template_id, address), book=book) as us:
                assert await us.until(lambda: us.value("connected") == 1.0)
                outcome = await us.release()
                assert outcome.state.value == "done", outcome
                assert device.profiles.station_w(device.own_s) == 6000.0

    asyncio.run(drive())


def test_what_the_charger_is_called_is_its_identity() -> None:
    """If it fails, a simulated charger calls with an id that the site does not know."""
    assert CHARGER == "cp-1"
