"""Our BACnet driver against an air handling unit written here, straight on bacpypes3.

It shares no code with the simulator. Loopback: device 127.4.31.11 at UDP 47835, the gateway at
127.4.31.1:47836; a second device of another instance takes the address in one test.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from bacpypes3.app import Application
from bacpypes3.basetypes import PriorityValue
from bacpypes3.local.analog import AnalogInputObject, AnalogValueObjectCmd
from bacpypes3.local.binary import BinaryInputObject
from bacpypes3.local.device import DeviceObject
from bacpypes3.local.networkport import NetworkPortObject
from bacpypes3.primitivedata import Null, Real

from edge_agent.drivers.contact import Contact
from edge_agent.drivers.lease_book import WIRE_BACNET_IP
from edge_agent.drivers.port import WriteState
from edge_agent.watchdog.bacnet_wire import release_bacnet
from edge_agent.watchdog.errand import Errand, ReleaseState
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.resource import Capability
from tests.conformance.peers.bacnet_bed import DEVICE, Book, Driven, driven

HOST, PORT = "127.4.31.11", 47_835
GATEWAY, OWN_PORT = "127.4.31.1", 47_836
TEMPLATE = "bacnet-ahu-demand-limit"
_CLEAR = [0, 0, 0, 0]


@dataclass
class Unit:
    """The unit with its objects at hand."""

    application: Any
    power: Any
    room: Any
    limit: Any

    def slots(self) -> dict[int, float]:
        """List what is commanded, by priority."""
        entries = enumerate(self.limit.priorityArray, start=1)
        return {n: float(entry.real) for n, entry in entries if entry.null is None}

    def command(self, priority: int, value: float | None) -> None:
        """Command as somebody else would."""
        words = PriorityValue(null=Null(())) if value is None else PriorityValue(real=Real(value))
        self.limit.priorityArray[priority - 1] = words


def _status() -> dict[str, Any]:
    return {"statusFlags": _CLEAR, "eventState": "normal", "outOfService": False}


@contextlib.asynccontextmanager
async def unit(*, instance: int = 77, power_unit: str = "kilowatts") -> AsyncIterator[Unit]:
    """Run a unit that takes 6.5 kW in a room of 25 degC."""
    made = Unit(
        application=None,
        power=AnalogInputObject(
            objectIdentifier=("analogInput", 1),
            objectName="power",
            presentValue=6.5,
            units=power_unit,
            covIncrement=0.1,
            **_status(),
        ),
        room=AnalogInputObject(
            objectIdentifier=("analogInput", 2),
            objectName="room",
            presentValue=25.0,
            units="degreesCelsius",
            covIncrement=0.1,
            **_status(),
        ),
        limit=AnalogValueObjectCmd(
            objectIdentifier=("analogValue", 10),
            objectName="limit",
            presentValue=20.0,
            relinquishDefault=20.0,
            units="kilowatts",
            covIncrement=0.1,
            **_status(),
        ),
    )
    meter = AnalogInputObject(
        objectIdentifier=("analogInput", 3),
        objectName="energy",
        presentValue=1234.5,
        units="kilowattHours",
        covIncrement=1.0,
        **_status(),
    )
    running = BinaryInputObject(
        objectIdentifier=("binaryInput", 1),
        objectName="on",
        presentValue="active",
        polarity="normal",
        **_status(),
    )
    device = DeviceObject(
        objectIdentifier=("device", instance),
        objectName="unit",
        vendorIdentifier=999,
        vendorName="Nobody",
        modelName="U-1",
        apduTimeout=1000,
        numberOfApduRetries=1,
    )
    port = NetworkPortObject(
        f"{HOST}/32:{PORT}", objectIdentifier=("networkPort", 1), objectName="port"
    )
    objects = [device, port, made.power, made.room, made.limit, meter, running]
    made.application = Application.from_object_list(objects)
    try:
        yield made
    finally:
        made.application.close()
        await asyncio.sleep(0.01)


def ours(book: Book | None = None) -> contextlib.AbstractAsyncContextManager[Driven]:
    """Our driver for the unit."""
    return driven(
        gateway=GATEWAY, port=OWN_PORT, device=f"{HOST}:{PORT}", template=TEMPLATE, book=book
    )


def test_it_is_met_and_read_although_it_does_not_know_the_wildcard() -> None:
    """If it fails, a controller that does not answer to 'whichever device' is never found."""

    async def test() -> None:
        async with unit() as device, ours() as on:
            await on.until(lambda: on.value("energy_wh_imported") is not None)
            assert on.value("power_w") == pytest.approx(-6500.0)
            assert on.value("room_c") == pytest.approx(25.0)
            assert on.value("energy_wh_imported") == pytest.approx(1_234_500.0)
            assert on.value("on") == 1.0
            assert on.value("limit_w") == pytest.approx(-20_000.0)
            fault = on.point("fault")
            assert fault is not None
            assert fault.quality is Quality.BAD
            assert "unknown-object" in fault.reason
            resource = next(r for r in on.family.resources() if r.resource_id == DEVICE)
            assert Capability.TAKES_LIMIT in resource.capabilities
            found = await on.family.discover()
            known = {(f.address, f.unit, f.device_id, f.about) for f in found}
            assert (f"{HOST}:{PORT}", "device,77", "hvac", "Nobody U-1") in known
            device.power.presentValue = 7.25
            await on.until(lambda: on.value("power_w") == pytest.approx(-7250.0))

    asyncio.run(test())


def test_the_unit_a_device_states_wins_over_its_family() -> None:
    """If it fails, a unit that speaks W instead of kW is read a thousand times too strong."""

    async def test() -> None:
        async with unit(power_unit="watts") as device, ours() as on:
            device.power.presentValue = 6400.0
            await on.until(lambda: on.value("power_w") == pytest.approx(-6400.0))

    asyncio.run(test())


def test_a_value_with_a_fault_flag_or_no_number_is_told_as_bad_with_the_reason() -> None:
    """If it fails, a broken sensor's last or senseless number is steered by."""

    async def test() -> None:
        async with unit() as device, ours() as on:
            await on.until(lambda: on.value("power_w") is not None)
            device.power.presentValue = float("nan")
            await on.until(lambda: on.value("power_w") is None)
            power = on.point("power_w")
            assert power is not None
            assert power.quality is Quality.BAD
            assert power.reason == "not a finite number"
            device.power.presentValue = 5.0
            await on.until(lambda: on.value("power_w") == pytest.approx(-5000.0))
            device.power.statusFlags = [0, 1, 0, 0]
            await on.until(lambda: on.value("power_w") is None)
            told = on.point("power_w")
            assert told is not None
            assert told.reason == "fault flag set"

    asyncio.run(test())


def test_a_limit_is_commanded_at_ten_read_back_and_given_back() -> None:
    """If it fails, a limit is told as done that the device does not have, or outlives its event."""

    async def test() -> None:
        async with unit() as device, ours() as on:
            await on.until(lambda: on.value("power_w") is not None)
            outcome = await on.write(-5000.0)
            assert outcome.state is WriteState.DONE, outcome
            assert outcome.read_back_w == pytest.approx(-5000.0)
            assert device.slots() == {10: 5.0}
            record = on.book.held[DEVICE]
            assert (record.wire, record.address, record.port) == (WIRE_BACNET_IP, HOST, PORT)
            released = await on.family.release(DEVICE)
            assert released.state is WriteState.DONE, released
            assert device.slots() == {}
            assert float(device.limit.presentValue) == 20.0
            assert DEVICE not in on.book.held
            await on.write(-4000.0, lease_s=1.0)
            assert device.slots() == {10: 4.0}
            await on.until(lambda: device.slots() == {}, within_s=5.0)

    asyncio.run(test())


def test_somebody_stronger_is_reported_and_not_fought() -> None:
    """If it fails, the operator's hand is overridden, or a power is booked that nobody gives."""

    async def test() -> None:
        async with unit() as device, ours() as on:
            await on.until(lambda: on.value("power_w") is not None)
            device.command(6, 12.0)
            outcome = await on.write(-5000.0)
            assert outcome.state is WriteState.UNCONFIRMED
            assert "held at priority 6 (minimum on/off): 12" in outcome.detail
            assert device.slots() == {6: 12.0, 10: 5.0}, "ours waits, theirs stands"
            device.command(6, None)
            again = await on.write(-5000.0)
            assert again.state is WriteState.DONE, again
            device.command(8, 15.0)
            await on.until(lambda: on.value("limit_w") == pytest.approx(-15_000.0))
            overruled = await on.write(-5000.0)
            assert overruled.state is WriteState.UNCONFIRMED
            assert "held at priority 8 (manual operator): 15" in overruled.detail

    asyncio.run(test())


def test_what_an_earlier_life_left_is_relinquished_at_the_start() -> None:
    """If it fails, a crash leaves a building limited until somebody notices."""

    async def test() -> None:
        async with unit() as device:
            device.command(10, 3.0)
            device.command(16, 18.0)
            async with ours() as on:
                await on.until(lambda: 10 not in device.slots())
                assert device.slots() == {16: 18.0}, "what is not ours is left alone"

    asyncio.run(test())


def test_a_lease_of_an_earlier_life_is_taken_over_and_ends_in_time() -> None:
    """If it fails, a restart of the agent interrupts an event, or never ends it."""

    async def test() -> None:
        book = Book()
        async with unit() as device:
            async with ours(book) as on:
                await on.until(lambda: on.value("power_w") is not None)
                await on.write(-5000.0, lease_s=20.0)
            assert device.slots() == {}, "an orderly end gives the device back"
            device.command(10, 5.0)  # as if it had been killed
            assert DEVICE in book.held
            async with ours(book) as on:
                await on.until(lambda: on.value("power_w") is not None)
                assert device.slots() == {10: 5.0}
                released = await on.family.release(DEVICE)
                assert released.state is WriteState.DONE, released
            assert device.slots() == {}

    asyncio.run(test())


def test_the_watchdogs_datagram_gives_the_device_back() -> None:
    """If it fails, a gateway whose agent has died leaves the building limited."""

    async def test() -> None:
        async with unit() as device, ours() as on:
            await on.until(lambda: on.value("power_w") is not None)
            await on.write(-5000.0)
            record = on.book.held[DEVICE]
            errand = Errand(
                monotonic_s=time.monotonic, silent=lambda: True, until_s=time.monotonic() + 3.0
            )
            verdicts = await asyncio.to_thread(release_bacnet, [record], errand)
            assert verdicts[0][0] is ReleaseState.RELEASED, verdicts
            assert device.slots() == {}

    asyncio.run(test())


def test_comfort_comes_before_the_event() -> None:
    """If it fails, people sit in a room of 30 degC because a market asked for it."""

    async def test() -> None:
        async with unit() as device, ours() as on:
            await on.until(lambda: on.value("room_c") is not None)
            await on.write(-4000.0)
            assert device.slots() == {10: 4.0}
            device.room.presentValue = 29.6
            await on.until(lambda: device.slots() == {})
            refused = await on.write(-4000.0)
            assert refused.state is WriteState.REFUSED
            assert refused.detail.startswith("comfort: room_c 29.6 is above")
            assert device.slots() == {}
            device.room.presentValue = 28.8
            await on.until(lambda: on.value("room_c") == pytest.approx(28.8))
            assert (await on.write(-4000.0)).state is WriteState.REFUSED, "not yet by the margin"
            device.room.presentValue = 27.0
            await on.until(lambda: on.value("room_c") == pytest.approx(27.0))
            assert (await on.write(-4000.0)).state is WriteState.DONE

    asyncio.run(test())


def test_a_device_that_restarts_is_told_again_what_holds() -> None:
    """If it fails, a short power cut ends a limit that is booked, or its values stand still."""

    async def test() -> None:
        async with ours() as on:
            async with unit() as device:
                await on.until(lambda: on.value("power_w") is not None)
                await on.write(-5000.0)
                assert device.slots() == {10: 5.0}
            async with unit() as device:
                await on.until(lambda: device.slots() == {10: 5.0}, within_s=10.0)
                device.power.presentValue = 4.5
                await on.until(lambda: on.value("power_w") == pytest.approx(-4500.0))

    asyncio.run(test())


def test_another_device_at_the_address_is_not_taken_for_ours() -> None:
    """If it fails, after a mix-up of addresses one room's power is told as another's."""

    async def test() -> None:
        async with ours() as on:
            async with unit():
                await on.until(lambda: on.value("power_w") is not None)
            async with unit(instance=78) as stranger:
                stranger.power.presentValue = 1.0
                worker = on.family.worker(DEVICE)
                await on.until(lambda: worker.contact is not Contact.LIVE, within_s=15.0)
                assert on.value("power_w") == pytest.approx(-6500.0), "the stranger's is not taken"
                outcome = await on.write(-5000.0)
                assert outcome.state is WriteState.TIMEOUT
                assert stranger.slots() == {}
            async with unit() as device:
                device.power.presentValue = 2.0
                await on.until(lambda: on.value("power_w") == pytest.approx(-2000.0), within_s=20.0)

    asyncio.run(test())
