"""Subscriptions: a promise that is renewed, checked, and not believed for ever."""

from dataclasses import replace

from edge_agent.drivers.bacnet.application import Notification
from edge_agent.drivers.bacnet.stack import Refusal, Subscription
from protocols.bacnet.objects import Property
from protocols.vocabulary.errors import DeviceUnsupportedError
from tests.unit.edge_agent.drivers.bacnet.conftest import INSTANCE, NODE, POWER, Bed, run

TOLD = Notification(
    node=NODE,
    process_id=500,
    device_instance=INSTANCE,
    object_number=0,
    object_instance=1,
    remaining_s=59,
    values={85: 7.0, 111: (False, False, False, False)},
)


async def subscribed(bed: Bed) -> None:
    """Meet the device and make all subscriptions."""
    await bed.contact.meet()
    for _ in range(6):
        await bed.readings.poll_fast()
    bed.told()
    bed.stack.calls.clear()


def test_a_notification_is_a_measurement_of_its_arrival(bed: Bed) -> None:
    """If it fails, what a device tells by itself is lost, or dated as it pleases."""

    async def test() -> None:
        await subscribed(bed)
        bed.clock.pass_s(0.5)
        bed.readings.notified(TOLD)
        told = bed.told()["power_w"]
        assert told.value == -7000.0
        assert told.measured_at == bed.clock.now()

    run(test())


def test_what_is_not_for_us_or_not_from_it_is_not_taken(bed: Bed) -> None:
    """If it fails, another device's notification, or one of an earlier life, becomes our value."""

    async def test() -> None:
        await subscribed(bed)
        for stranger in (
            replace(TOLD, process_id=499),
            replace(TOLD, device_instance=78),
            replace(TOLD, object_instance=2),
            replace(TOLD, object_number=1),
            replace(TOLD, values={111: (False,)}),
        ):
            bed.readings.notified(stranger)
        assert bed.told() == {}

    run(test())


def test_a_notification_that_was_long_under_way_is_not_taken(bed: Bed) -> None:
    """If it fails, a value of some seconds ago arrives last and stands as the newest."""

    async def test() -> None:
        await subscribed(bed)
        bed.clock.pass_s(10.0)
        bed.readings.notified(replace(TOLD, remaining_s=53))
        assert bed.told() == {}
        bed.readings.notified(replace(TOLD, remaining_s=49))
        assert bed.told()["power_w"].value == -7000.0

    run(test())


def test_a_silent_subscription_does_not_keep_a_value_young(bed: Bed) -> None:
    """If it fails, a device that has died looks like one whose power does not change."""

    async def test() -> None:
        await subscribed(bed)
        bed.readings.notified(TOLD)
        told_at = bed.told()["power_w"].measured_at
        bed.clock.pass_s(1.0)
        await bed.readings.poll_fast()
        assert bed.told() == {}, "not asked yet, and the old one is not made younger"
        bed.clock.pass_s(1.5)
        await bed.readings.poll_fast()
        assert bed.told()["power_w"].measured_at > told_at, "asked, because nothing was told"

    run(test())


def test_a_device_that_talks_all_the_time_is_asked_all_the_same(bed: Bed) -> None:
    """If it fails, a device that does not answer any more is never found out."""

    async def test() -> None:
        await subscribed(bed)
        for second in range(7):
            bed.readings.notified(replace(TOLD, remaining_s=59 - second))
            await bed.readings.poll_fast()
            bed.clock.pass_s(1.0)
        asked = [entry for what in bed.stack.said("read") for entry in what]
        assert sum(entry.object_id == POWER for entry in asked) == 2

    run(test())


def test_a_subscription_is_renewed_at_half_of_its_life(bed: Bed) -> None:
    """If it fails, each minute there is a gap in what is told."""

    async def test() -> None:
        await subscribed(bed)
        bed.clock.pass_s(29.0)
        await bed.readings.poll_fast()
        assert bed.stack.said("subscribe") == []
        bed.clock.pass_s(2.0)
        await bed.readings.poll_fast()
        (renewed,) = bed.stack.said("subscribe")
        assert isinstance(renewed, Subscription)
        assert renewed.process_id >= 500

    run(test())


def test_a_poll_that_contradicts_a_subscription_makes_it_anew(bed: Bed) -> None:
    """If it fails, a device that restarted and forgot us tells nothing for half a minute."""

    async def test() -> None:
        await subscribed(bed)
        bed.readings.notified(TOLD)
        bed.stack.set(POWER, Property.PRESENT_VALUE, 3.0)
        for _ in range(4):
            bed.clock.pass_s(2.1)
            await bed.readings.poll_fast()
        assert any(
            isinstance(made, Subscription) and made.object_id == POWER
            for made in bed.stack.said("subscribe")
        )
        assert bed.told()["power_w"].value == -3000.0

    run(test())


def test_what_is_refused_when_asked_is_not_believed_when_told(bed: Bed) -> None:
    """If it fails, a device in trouble is good and bad at once."""

    async def test() -> None:
        await subscribed(bed)
        bed.readings.notified(TOLD)
        bed.told()
        bed.stack.set(POWER, Property.PRESENT_VALUE, Refusal("operational-problem"))
        bed.clock.pass_s(2.1)
        await bed.readings.poll_fast()
        assert bed.told()["power_w"].reason == "operational-problem"
        bed.readings.notified(replace(TOLD, remaining_s=57))
        assert bed.told() == {}

    run(test())


def test_a_device_that_was_lost_is_not_heard_until_it_is_met(bed: Bed) -> None:
    """If it fails, values of a device that nobody can command count as good."""

    async def test() -> None:
        await subscribed(bed)
        await bed.contact.lose()
        bed.readings.notified(TOLD)
        assert bed.told() == {}

    run(test())


def test_a_device_without_cov_is_polled_and_not_asked_for_it_each_time(bed: Bed) -> None:
    """If it fails, an old controller rejects a subscription each second."""

    async def test() -> None:
        bed.stack.fails["subscribe"] = DeviceUnsupportedError("unrecognized-service")
        await subscribed(bed)
        for _ in range(10):
            bed.clock.pass_s(1.0)
            await bed.readings.poll_fast()
        assert bed.stack.said("subscribe") == []
        assert len(bed.stack.said("read")) == 10

    run(test())


def test_the_end_takes_subscriptions_back(bed: Bed) -> None:
    """If it fails, devices talk to a gateway that is gone."""

    async def test() -> None:
        await subscribed(bed)
        await bed.subscriptions.end()
        ended = bed.stack.said("unsubscribe")
        assert {getattr(one, "object_id", None) for one in ended} >= {POWER}

    run(test())
