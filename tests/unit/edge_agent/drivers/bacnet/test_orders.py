"""Commands: what is written, what counts as done, and what is given back."""

from datetime import UTC, datetime

import pytest

from edge_agent.drivers.lease_book import WIRE_BACNET_IP
from edge_agent.drivers.port import WriteState
from protocols.bacnet.objects import Property
from protocols.vocabulary.errors import (
    DeviceRefusedError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
)
from tests.unit.edge_agent.drivers.bacnet.conftest import LIMIT, NODE, ROOM, Bed, make_device, run


def test_a_command_is_done_when_it_reads_back_in_both_places(bed: Bed) -> None:
    """If it fails, an acknowledgement is taken for the deed."""

    async def test() -> None:
        assert await bed.contact.meet()
        carried = await bed.order(-5000.0)
        assert carried.state is WriteState.DONE, carried
        assert bed.stack.said("write") == [(5.0, 10)]
        assert bed.orders.setting_power_w() == -5000.0
        assert bed.orders.in_force(bed.orders.plan(-5000.0, 60.0))
        assert not bed.orders.in_force(bed.orders.plan(-6000.0, 60.0))
        released = await bed.release()
        assert released.state is WriteState.DONE
        assert bed.stack.array == [None] * 16
        assert bed.orders.setting_power_w() is None

    run(test())


def test_an_acknowledgement_without_effect_is_not_done(bed: Bed) -> None:
    """If it fails, a device that only says yes is booked as if it had obeyed."""

    async def test() -> None:
        await bed.contact.meet()
        bed.stack.deaf = True
        carried = await bed.order(-5000.0)
        assert carried.state is WriteState.UNCONFIRMED
        assert "reads back nothing at priority 10" in carried.detail

    run(test())


def test_a_lost_acknowledgement_is_settled_by_reading_back(bed: Bed) -> None:
    """If it fails, what was done is told as failed, and written a second time."""

    async def test() -> None:
        await bed.contact.meet()
        bed.stack.fails["write"] = DeviceTimeoutError("no answer")
        carried = await bed.order(-5000.0)
        assert carried.state is WriteState.DONE
        bed.stack.deaf = True
        assert (await bed.order(-6000.0)).state is WriteState.UNCONFIRMED
        bed.stack.fails["read"] = DeviceTimeoutError("no answer")
        assert (await bed.order(-7000.0)).state is WriteState.TIMEOUT

    run(test())


def test_a_refusal_is_told_with_the_devices_own_word(bed: Bed) -> None:
    """If it fails, nobody knows why a building does not take part."""

    async def test() -> None:
        await bed.contact.meet()
        bed.stack.fails["write"] = DeviceRefusedError("write-access-denied")
        carried = await bed.order(-5000.0)
        assert carried.state is WriteState.REFUSED
        assert carried.detail.endswith("write-access-denied")

    run(test())


def test_a_stronger_holder_is_told_and_not_written_against(bed: Bed) -> None:
    """If it fails, we fight with the operator, datagram by datagram."""

    async def test() -> None:
        await bed.contact.meet()
        bed.stack.array[7] = 18.0
        carried = await bed.order(-5000.0)
        assert carried.state is WriteState.UNCONFIRMED
        assert "held at priority 8 (manual operator): 18" in carried.detail
        for _ in range(5):
            assert (await bed.order(-5000.0)).state is WriteState.UNCONFIRMED
        assert bed.stack.said("write") == [(5.0, 10)], "what stands is not written again"
        bed.stack.array[7] = None
        assert (await bed.order(-5000.0)).state is WriteState.DONE
        assert len(bed.stack.said("write")) == 1

    run(test())


def test_the_same_value_above_us_is_as_good_as_ours(bed: Bed) -> None:
    """If it fails, a limit that is kept is told as missed."""

    async def test() -> None:
        await bed.contact.meet()
        bed.stack.array[7] = 5.0
        assert (await bed.order(-5000.0)).state is WriteState.DONE

    run(test())


def test_an_output_under_somebodys_hand_is_not_done(bed: Bed) -> None:
    """If it fails, a switch on the panel in position HAND is told as obeying."""

    async def test() -> None:
        await bed.contact.meet()
        bed.stack.set(LIMIT, Property.STATUS_FLAGS, (False, False, True, False))
        carried = await bed.order(-5000.0)
        assert carried.state is WriteState.UNCONFIRMED
        assert carried.detail.endswith("overridden by hand")

    run(test())


def test_what_is_left_over_is_given_back_and_what_is_not_ours_stays(bed: Bed) -> None:
    """If it fails, a crashed gateway's limit stays for good, or another's program is ended."""

    async def test() -> None:
        bed.stack.array[9], bed.stack.array[15] = 4.0, 12.0
        await bed.contact.meet()
        assert bed.stack.array[9] is None
        assert bed.stack.array[15] == 12.0
        bed.stack.array[9] = 4.0  # a datagram of an earlier order that was long under way
        await bed.readings.poll_slow()
        assert bed.stack.array[9] is None

    run(test())


def test_a_lease_of_an_earlier_life_is_left_to_its_end(bed: Bed) -> None:
    """If it fails, a restart of the agent ends every event."""

    async def test() -> None:
        await bed.contact.meet()
        order = bed.orders.plan_release()
        record = bed.orders.record(order, datetime(2026, 7, 1, tzinfo=UTC))
        bed.stack.array[9] = 4.0
        bed.orders.adopt(record)
        await bed.readings.poll_slow()
        assert bed.stack.array[9] == 4.0

    run(test())


def test_the_record_for_the_watchdog_is_a_whole_datagram(bed: Bed) -> None:
    """If it fails, the watchdog sends what no device understands."""

    async def test() -> None:
        await bed.contact.meet()
        at = datetime(2026, 7, 1, tzinfo=UTC)
        record = bed.orders.record(bed.orders.plan_release(), at)
        assert record.wire == WIRE_BACNET_IP
        assert f"{record.address}:{record.port}" == NODE
        # BVLC | NPDU | confirmed, up to 1476 bytes, invoke id 0, WriteProperty | analog-value 10 |
        # present-value | Null | priority 10
        expected = "810a001601040005000f0c0080000a19553e003f490a"
        assert record.frames == (bytes.fromhex(expected),)
        limit = bed.orders.record(bed.orders.plan(-5000.0, None), at)
        expected = "810a001a01040005000f0c0080000a19553e4440a000003f490a"
        assert limit.frames == (bytes.fromhex(expected),)

    run(test())


def test_comfort_refuses_and_releases_but_not_a_limit_that_is_law(bed: Bed) -> None:
    """If it fails, a room overheats for a market, or a legal limit is lifted for a room."""

    async def test() -> None:
        await bed.contact.meet()
        assert (await bed.order(-5000.0)).state is WriteState.DONE
        bed.stack.set(ROOM, Property.PRESENT_VALUE, 29.5)
        await bed.readings.poll_slow()
        assert bed.stack.array[9] is None
        with pytest.raises(DeviceUnsupportedError, match=r"room_c 29.5 is above 28.5"):
            bed.orders.plan(-5000.0, 60.0)
        assert (await bed.order(-8000.0, lease_s=None)).state is WriteState.DONE
        await bed.readings.poll_slow()
        assert bed.stack.array[9] == 8.0

    run(test())


def test_a_room_that_is_not_measured_any_more_is_not_moved(bed: Bed) -> None:
    """If it fails, a dead sensor keeps a room shed."""

    async def test() -> None:
        await bed.contact.meet()
        assert (await bed.order(-5000.0)).state is WriteState.DONE
        bed.clock.pass_s(121.0)
        await bed.readings.poll_fast()
        assert bed.stack.array[9] is None
        with pytest.raises(DeviceUnsupportedError, match="is not known"):
            bed.orders.plan(-5000.0, 60.0)

    run(test())


def test_without_a_priority_array_a_device_is_only_read(bed: Bed) -> None:
    """If it fails, we command what can never be given back."""

    async def test() -> None:
        bed.stack.array = bed.stack.array[:3]
        await bed.contact.meet()
        with pytest.raises(DeviceUnsupportedError, match="priorityArray is not whole"):
            bed.orders.plan(-5000.0, 60.0)
        assert bed.told()["power_w"].value == -6500.0

    run(test())


def test_the_end_of_the_agent_gives_leases_back_and_leaves_lasting_limits(bed: Bed) -> None:
    """If it fails, a stopped gateway leaves an event standing, or lifts a curtailment."""

    async def test() -> None:
        await bed.contact.meet()
        await bed.order(-5000.0)
        await bed.orders.shut()
        assert bed.stack.array[9] is None
        await bed.order(-8000.0, lease_s=None)
        await bed.orders.shut()
        assert bed.stack.array[9] == 8.0
        await bed.order(-5000.0)
        bed.stack.fails["write"] = DeviceTimeoutError("no answer")
        bed.stack.deaf = True
        await bed.orders.shut()  # a device that is gone does not hold the agent up

    run(test())


def test_a_load_says_how_far_it_can_be_held_down(bed: Bed) -> None:
    """If it fails, control counts on what the unit cannot do, or on a room that is too warm."""

    async def test() -> None:
        await bed.contact.meet()
        await bed.readings.poll_slow()
        assert bed.told()["power_w_max"].value == -2000.0
        bed.stack.set(ROOM, Property.PRESENT_VALUE, 29.5)
        await bed.readings.poll_slow()
        assert bed.told()["power_w_max"].value == -20_000.0
        bed.stack.set(ROOM, Property.PRESENT_VALUE, 25.0)
        bed.stack.array[4] = 9.0
        await bed.readings.poll_slow()
        assert "power_w_max" not in bed.told()
        bed.stack.array[4] = None
        await bed.readings.poll_slow()
        assert bed.told()["power_w_max"].value == -2000.0
        await bed.readings.poll_slow()
        assert "power_w_max" not in bed.told(), "said again although nothing changed"
        bed.clock.pass_s(31.0)
        await bed.readings.poll_slow()
        assert bed.told()["power_w_max"].value == -2000.0

    run(test())


@pytest.mark.parametrize(
    ("template", "least_w"),
    [
        ("bacnet-lighting-shed", -2800.0),
        ("bacnet-lighting-dimmer", -3600.0),
        ("bacnet-multi-split-shift", -1000.0),
    ],
)
def test_levels_and_shares_have_a_least_power(template: str, least_w: float) -> None:
    """If it fails, lights are promised to go dark that only dim."""
    device = make_device(template)
    device.learn({})
    at = datetime(2026, 7, 22, tzinfo=UTC)
    device.say_least(movable=True, at=at)
    assert device.latest["power_w_max"].value == pytest.approx(least_w)
    device.say_least(movable=False, at=at)
    assert device.latest["power_w_max"].value == device.power_w_bounds()[0]


@pytest.mark.parametrize("template", ["bacnet-load-meter", "bacnet-ventilation-on-off"])
def test_what_takes_no_ceiling_says_nothing_of_it(template: str) -> None:
    """If it fails, a meter claims that it can be held down."""
    device = make_device(template)
    device.learn({})
    device.say_least(movable=True, at=datetime(2026, 7, 22, tzinfo=UTC))
    assert "power_w_max" not in device.latest
