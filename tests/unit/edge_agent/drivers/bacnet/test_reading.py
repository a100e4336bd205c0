"""What a device says: who it is, what it lacks, and when a number is none."""

import pytest

from edge_agent.drivers.bacnet.stack import AnswerTooLongError, Refusal
from protocols.bacnet.objects import ANY_DEVICE, Property, device_id
from protocols.vocabulary.errors import (
    DeviceRefusedError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
    RemoteProtocolError,
)
from protocols.vocabulary.measurement import Quality
from tests.unit.edge_agent.drivers.bacnet.conftest import INSTANCE, POWER, ROOM, Bed, run

_ANY = device_id(ANY_DEVICE)


def test_a_device_of_another_instance_is_not_met(bed: Bed) -> None:
    """If it fails, after a change of addresses another building is limited."""

    async def test() -> None:
        bed.stack.set(_ANY, Property.OBJECT_IDENTIFIER, 78)
        assert not await bed.contact.meet()
        assert bed.stack.said("write") == []
        bed.stack.set(_ANY, Property.OBJECT_IDENTIFIER, "unit 77")
        with pytest.raises(RemoteProtocolError):
            await bed.contact.meet()

    run(test())


def test_a_device_that_is_exchanged_under_way_gives_no_number(bed: Bed) -> None:
    """If it fails, another device's power is told as ours until the next slow poll."""

    async def test() -> None:
        await bed.contact.meet()
        bed.told()
        mine = device_id(INSTANCE)
        bed.stack.set(mine, Property.OBJECT_IDENTIFIER, Refusal("unknown-object"))
        bed.clock.pass_s(1.0)
        with pytest.raises(DeviceRefusedError, match="another device"):
            await bed.readings.poll_fast()
        assert bed.told() == {}

    run(test())


def test_an_object_that_is_not_there_is_told_as_absent(bed: Bed) -> None:
    """If it fails, a missing sensor looks like one that reads zero."""

    async def test() -> None:
        bed.stack.set(ROOM, Property.PRESENT_VALUE, Refusal("unknown-object"))
        await bed.contact.meet()
        told = bed.told()
        assert told["power_w"].value == -6500.0
        assert told["room_c"].value is None
        assert told["room_c"].quality is Quality.BAD
        assert "unknown-object" in told["room_c"].reason
        bed.stack.set(ROOM, Property.PRESENT_VALUE, 24.0)
        await bed.readings.poll_slow()
        assert bed.told()["room_c"].value == 24.0, "what comes back is read again"

    run(test())


def test_a_device_without_any_of_the_objects_is_not_that_device(bed: Bed) -> None:
    """If it fails, a wrong template is told as a device that is there and says nothing."""

    async def test() -> None:
        for object_id in (POWER, ROOM):
            bed.stack.set(object_id, Property.PRESENT_VALUE, Refusal("unknown-object"))
        with pytest.raises(DeviceUnsupportedError, match="none of the family's objects"):
            await bed.contact.meet()

    run(test())


@pytest.mark.parametrize(
    ("unit", "power_w", "cause"),
    [
        (47, -6.5, ""),
        (49, -6_500_000.0, "cannot be"),
        (95, -6500.0, ""),
        (62, None, "is not W"),
        (51, None, "is not W"),
        (Refusal("unknown-property"), -6500.0, ""),
        (Refusal("operational-problem"), None, "does not tell its unit"),
    ],
)
def test_the_unit_is_the_devices_and_never_guessed(
    bed: Bed, *, unit: int | Refusal, power_w: float | None, cause: str
) -> None:
    """If it fails, a power is wrong by a thousand because its unit was not asked for."""

    async def test() -> None:
        bed.stack.set(POWER, Property.UNITS, unit)
        await bed.contact.meet()
        told = bed.told()["power_w"]
        assert cause in told.reason
        assert told.value == (None if cause else pytest.approx(power_w))

    run(test())


def test_a_number_that_cannot_be_is_no_measurement(bed: Bed) -> None:
    """If it fails, a room of 400 degC or a unit of a gigawatt is steered by."""

    async def test() -> None:
        await bed.contact.meet()
        bed.stack.set(POWER, Property.PRESENT_VALUE, 9.9e8)
        bed.stack.set(ROOM, Property.PRESENT_VALUE, 400.0)
        await bed.readings.poll_slow()
        told = bed.told()
        assert told["power_w"].quality is Quality.BAD
        assert told["room_c"].value is None

    run(test())


def test_a_slow_answer_is_dated_when_it_was_asked_for(bed: Bed) -> None:
    """If it fails, a value that was two seconds under way counts as of now."""

    async def test() -> None:
        await bed.contact.meet()
        bed.told()
        bed.clock.pass_s(10.0)
        asked_at = bed.clock.now()
        read = bed.stack.read

        async def slow(node: str, asked: object) -> object:
            bed.clock.pass_s(1.8)
            return await read(node, asked)  # type: ignore[arg-type]

        bed.stack.read = slow  # type: ignore[method-assign, assignment]
        await bed.readings.poll_fast()
        assert bed.told()["power_w"].measured_at == asked_at

    run(test())


def test_old_controllers_are_asked_for_less_or_one_by_one(bed: Bed) -> None:
    """If it fails, a controller of the first BACnet years is lost."""

    async def test() -> None:
        bed.stack.fails["read"] = AnswerTooLongError("buffer-overflow")
        await bed.contact.meet()
        assert bed.device.batch == 1
        assert bed.told()["power_w"].value == -6500.0

    run(test())


def test_a_device_without_read_property_multiple_is_asked_once_and_then_singly(bed: Bed) -> None:
    """If it fails, each poll of an old controller costs a request that it rejects."""

    async def test() -> None:
        bed.stack.fails["read"] = DeviceUnsupportedError("unrecognized-service")
        await bed.contact.meet()
        before = len(bed.stack.said("read"))
        await bed.readings.poll_slow()
        assert len(bed.stack.said("read")) == before
        assert bed.told()["room_c"].value == 25.0

    run(test())


def test_silence_is_an_error_and_not_a_value(bed: Bed) -> None:
    """If it fails, a dead device keeps the cycle waiting, or its last number young."""

    async def test() -> None:
        await bed.contact.meet()
        bed.told()
        bed.clock.pass_s(5.0)
        bed.stack.fails["read"] = DeviceTimeoutError("no answer")
        with pytest.raises(DeviceTimeoutError):
            await bed.readings.poll_fast()
        assert bed.told() == {}

    run(test())
