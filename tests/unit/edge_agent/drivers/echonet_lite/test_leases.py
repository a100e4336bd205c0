"""Writes of the ECHONET driver: order, read-back, refusal, silence, expiry, restart."""

import asyncio

import pytest

from edge_agent.drivers.port import WriteState
from protocols.echonet_lite.frame import Eoj, Esv, Frame, Property
from protocols.vocabulary.identifiers import ResourceId
from tests.unit.edge_agent.drivers.echonet_lite.conftest import Bench, FakeDevice, Site

BATTERY = ResourceId("site-1/b")


def watts(value: int) -> bytes:
    return value.to_bytes(4, "big")


def sets(device: FakeDevice) -> list[Frame]:
    return [frame for frame in device.frames if frame.esv is Esv.SET_C]


@pytest.mark.parametrize(
    ("power_w", "method", "amount", "power", "mode"),
    [
        (-3600.0, 0xC1, 0xAA, 0xEB, b"\x42"),
        (3600.0, 0xC2, 0xAB, 0xEC, b"\x43"),
    ],
)
def test_setpoint_is_one_frame_in_the_specified_order(
    bench: Bench, *, power_w: float, method: int, amount: int, power: int, mode: bytes
) -> None:
    """The battery would start in the old direction or at full power, without an end."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running() as driver:
            outcome = await driver.write(site.setpoint(power_w, lease_s=10.0))
            assert outcome.state is WriteState.DONE
            assert outcome.read_back_w == power_w
            (frame,) = sets(device)
            assert frame.properties == (
                Property(method, b"\x03"),
                Property(amount, watts(11)),  # 3600 W for 10 s is 10 Wh, and one for rounding
                Property(power, watts(3600)),
                Property(0xDA, mode),
            )
            after = device.frames[device.frames.index(frame) + 1]
            assert after.esv is Esv.GET
            assert {entry.epc for entry in after.properties} == {method, power, 0xDA}

    bench.run(test)


def test_zero_power_is_standby(bench: Bench) -> None:
    """A battery told "0 W" would go on with what it did, or into its own automatic mode."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running() as driver:
            outcome = await driver.write(site.setpoint(0.0))
            assert (outcome.state, outcome.read_back_w) == (WriteState.DONE, 0.0)
            assert device.writes == [(0xDA, b"\x44")]

    bench.run(test)


def test_power_outside_the_stated_range_is_bounded_and_told(bench: Bench) -> None:
    """The device would refuse the whole frame, or be asked for what it cannot do."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running() as driver:
            most = await driver.write(site.setpoint(9_000.0))
            assert (most.state, most.read_back_w) == (WriteState.DONE, 4_000.0)
            assert "9000 W" in most.detail
            least = await driver.write(site.setpoint(-60.0))
            assert (least.state, least.read_back_w) == (WriteState.DONE, 0.0)
            assert device.values[0xDA] == b"\x44"

    bench.run(test)


def test_nothing_outside_the_set_map_is_ever_written(bench: Bench) -> None:
    """A property the maker keeps closed would be written to, perhaps in flash, each second."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        device.settable = {0xDA, 0xEB, 0xEC}
        async with site.running() as driver:
            for power_w in (-1_000.0, 1_000.0, 0.0):
                assert (await driver.write(site.setpoint(power_w))).state is WriteState.DONE
            await driver.release(BATTERY)
            written = {entry.epc for frame in sets(device) for entry in frame.properties}
            assert written == {0xDA, 0xEB, 0xEC}

    bench.run(test)


def test_without_power_settings_the_amount_bounds_it(bench: Bench) -> None:
    """An older battery could not be used, or would charge without an end."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        device.settable = {0xDA, 0xAA, 0xAB}
        async with site.running() as driver:
            outcome = await driver.write(site.setpoint(-3_600.0, lease_s=10.0))
            assert outcome.state is WriteState.DONE
            assert outcome.read_back_w == 0.0 or outcome.read_back_w is None
            assert device.writes == [(0xAA, watts(11)), (0xDA, b"\x42")]

    bench.run(test)


def test_device_that_takes_no_setpoint_refuses_without_a_frame(bench: Bench) -> None:
    """Frames would be sent that cannot work, and the reason would be lost."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        device.settable = set()
        device.set_map = b"\x01\x80"
        async with site.running() as driver:
            outcome = await driver.write(site.setpoint(-1_000.0))
            assert outcome.state is WriteState.REFUSED
            assert "DA is not in the Set map" in outcome.detail
            assert not sets(device)
            unknown = await driver.write(site.setpoint(1.0, device="nobody"))
            assert unknown.state is WriteState.REFUSED

    bench.run(test)


def test_sna_is_refused_and_names_the_property(bench: Bench) -> None:
    """A refused charge would be booked as done, and nobody would know why it was not."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(refuses={0xEB}), "b")
        async with site.running() as driver:
            outcome = await driver.write(site.setpoint(-1_000.0))
            assert outcome.state is WriteState.REFUSED
            assert "SNA for EB" in outcome.detail
            assert device.values[0xEB] == watts(0)
            await site.cycles(2)
            assert device.values[0xDA] == b"\x46", "the half of it that was taken is undone"
            assert not site.book.held

    bench.run(test)


def test_sna_that_says_nothing_is_found_out_one_by_one(bench: Bench) -> None:
    """A stack that answers SNA with PDC 0 everywhere would look as if it had obeyed."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(refuses={0xEB}, echo_refused=False), "b")
        async with site.running() as driver:
            outcome = await driver.write(site.setpoint(-1_000.0))
            assert outcome.state is WriteState.REFUSED
            assert "SNA for EB" in outcome.detail
            single = [frame.properties[0].epc for frame in sets(device)[1:5]]
            assert single[:3] == [0xC1, 0xAA, 0xEB]
            assert device.set_most

    bench.run(test)


def test_device_that_takes_one_property_a_frame_is_driven_and_remembered(bench: Bench) -> None:
    """It could not be used, or would get a refused frame before each good one."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(set_most=1), "b")
        async with site.running() as driver:
            assert (await driver.write(site.setpoint(-1_000.0))).state is WriteState.DONE
            device.frames.clear()
            assert (await driver.write(site.setpoint(-2_000.0))).state is WriteState.DONE
            assert [len(frame.properties) for frame in sets(device)] == [1, 1, 1]

    bench.run(test)


def test_answered_set_that_did_nothing_is_not_done(bench: Bench) -> None:
    """A stack that acknowledges every Set without effect would be counted as delivered."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running() as driver:
            device.values = LyingValues(device.values)
            outcome = await driver.write(site.setpoint(-1_000.0))
            assert outcome.state is WriteState.UNCONFIRMED
            assert "DA=46" in outcome.detail
            assert outcome.read_back_w is None

    bench.run(test)


class LyingValues(dict):
    """A store that forgets what it is told."""

    def __setitem__(self, epc: int, edt: bytes) -> None:
        """Do nothing."""


def test_lost_answer_is_read_back_and_not_repeated(bench: Bench) -> None:
    """A Set that was done would be done twice: twice the energy of the lease."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(mute_after_sets=1), "b")
        async with site.running() as driver:
            outcome = await driver.write(site.setpoint(-1_000.0, lease_s=20.0))
            assert outcome.state is WriteState.DONE
            assert "answer lost" in outcome.detail
            assert len(sets(device)) == 1

    bench.run(test)


def test_lost_set_is_read_back_before_it_is_sent_again(bench: Bench) -> None:
    """One lost datagram would cost the setpoint, or a Set be repeated blindly."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(deaf_to_sets=1), "b")
        async with site.running() as driver:
            outcome = await driver.write(site.setpoint(-1_000.0, lease_s=20.0))
            assert outcome.state is WriteState.DONE
            first, second = sets(device)
            between = device.frames[device.frames.index(first) + 1]
            assert between.esv is Esv.GET
            assert second.properties == first.properties

    bench.run(test)


def test_silence_on_a_set_and_on_reading_back_is_a_timeout(bench: Bench) -> None:
    """The journal would say "done" or "refused" of a device that has said nothing."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running() as driver:
            device.silent = True
            outcome = await driver.write(site.setpoint(-1_000.0, lease_s=60.0))
            assert outcome.state is WriteState.TIMEOUT
            assert len(sets(device)) == 1
            assert BATTERY in site.book.held, "it may have been done"

    bench.run(test)


def test_latest_setpoint_wins_while_one_is_in_flight(bench: Bench) -> None:
    """A slow device would work off a queue of setpoints that are long out of date."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(delay_s=0.3), "b")
        async with site.running() as driver:
            writes = []
            for power_w in (-1_000.0, -2_000.0, -3_000.0):
                writes.append(asyncio.create_task(driver.write(site.setpoint(power_w))))
                await asyncio.sleep(0.05)
            first, second, third = await asyncio.gather(*writes)
            assert first.state is WriteState.DONE
            assert second.state is WriteState.SUPERSEDED
            assert (third.state, third.read_back_w) == (WriteState.DONE, -3_000.0)
            assert len(sets(device)) == 2

    bench.run(test)


def test_lease_that_is_not_renewed_is_released_by_the_driver(bench: Bench) -> None:
    """A battery would go on discharging at the last setpoint of a control that fell silent."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running() as driver:
            await driver.write(site.setpoint(2_000.0, lease_s=5.0))
            await site.cycles(4)
            assert device.values[0xDA] == b"\x43"
            await asyncio.sleep(1.2)
            assert device.values[0xDA] == b"\x46"
            assert not site.book.held
            assert device.writes[-1] == (0xDA, b"\x46")

    bench.run(test)


def test_unchanged_setpoint_spares_the_device_and_keeps_the_lease(bench: Bench) -> None:
    """A device with settings in flash would be written to each second for nothing."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running() as driver:
            for _ in range(12):
                outcome = await driver.write(site.setpoint(-2_000.0, lease_s=10.0))
                assert outcome.state is WriteState.DONE
                await site.cycles(1)
            assert 2 <= len(sets(device)) <= 3, "armed again at half of the lease"
            assert device.values[0xDA] == b"\x42"
            device.frames.clear()
            for _ in range(10):
                await driver.write(site.setpoint(0.0, lease_s=10.0))
                await site.cycles(1)
            assert len(sets(device)) == 1, "standby needs no energy bound"

    bench.run(test)


def test_setting_that_the_device_dropped_is_written_again(bench: Bench) -> None:
    """An obligation would be counted as served by a battery that went back to automatic."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running() as driver:
            await driver.write(site.setpoint(-2_000.0, lease_s=60.0))
            device.values[0xDA] = b"\x46"
            await site.cycles(3)
            assert device.values[0xDA] == b"\x42"

    logged = bench.run(test)
    assert "setpoint.dropped" in [entry["event"] for entry in logged]


def test_restarted_device_is_read_anew_and_armed_again(bench: Bench) -> None:
    """After a power cut of one device its share would be missing until the next change."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running() as driver:
            await driver.write(site.setpoint(-2_000.0, lease_s=60.0))
            device.values |= {0xDA: b"\x46", 0xEB: watts(0), 0xC1: b"\x01"}
            device.writes.clear()
            device.frames.clear()
            started = (Property(0xD5, b"\x01\x02\x7d\x01"),)
            profile = Eoj(0x0E, 0xF0, 1)
            site.network.inject(Frame(1, profile, profile, Esv.INF, started), device.address)
            await asyncio.sleep(0.5)
            assert {0x9E, 0x9F} <= {p.epc for f in device.frames for p in f.properties}
            assert [epc for epc, _ in device.writes] == [0xC1, 0xAA, 0xEB, 0xDA]
            assert device.values[0xDA] == b"\x42"

    bench.run(test)


def test_device_that_announces_itself_before_it_can_answer_is_read_later(
    bench: Bench,
) -> None:
    """A device that boots slowly would keep the maps and the lease of its life before."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running() as driver:
            await driver.write(site.setpoint(-2_000.0, lease_s=60.0))
            device.values |= {0xDA: b"\x46"}
            device.silent = True
            started = (Property(0xD5, b"\x01\x02\x7d\x01"),)
            profile = Eoj(0x0E, 0xF0, 1)
            site.network.inject(Frame(1, profile, profile, Esv.INF, started), device.address)
            await asyncio.sleep(4.5)
            device.silent = False
            device.frames.clear()
            await site.cycles(3)
            assert 0x9E in {entry.epc for frame in device.frames for entry in frame.properties}
            assert device.values[0xDA] == b"\x42"

    bench.run(test)


def test_lease_of_a_lost_device_is_released_when_it_is_back(bench: Bench) -> None:
    """A device that was out of reach at the end of its lease would stay forced for ever."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running() as driver:
            await driver.write(site.setpoint(-2_000.0, lease_s=5.0))
            device.silent = True
            await site.cycles(30)
            assert (await driver.write(site.setpoint(-1.0))).state is WriteState.TIMEOUT
            assert (await driver.release(BATTERY)).state is WriteState.TIMEOUT
            assert BATTERY in site.book.held
            device.silent = False
            await site.cycles(40)
            assert device.values[0xDA] == b"\x46"
            assert not site.book.held

    bench.run(test)


def test_release_is_read_back_and_repeated_until_confirmed(bench: Bench) -> None:
    """A release that was lost would leave the battery forced, and the book say it is free."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running() as driver:
            await driver.write(site.setpoint(-2_000.0, lease_s=5.0))
            device.refuses = {0xDA}
            outcome = await driver.release(BATTERY)
            assert outcome.state is WriteState.REFUSED
            assert BATTERY in site.book.held
            device.refuses = set()
            await site.cycles(20)
            assert device.values[0xDA] == b"\x46"
            assert not site.book.held

    bench.run(test)


def test_book_is_written_before_the_first_frame_with_what_gives_the_device_back(
    bench: Bench,
) -> None:
    """The agent could die between the Set and the note that says how to undo it."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running() as driver:
            taken = []
            answer = device.answer

            def watching(frame: Frame) -> Frame | None:
                if frame.esv is Esv.SET_C:
                    taken.append(dict(site.book.held))
                return answer(frame)

            device.answer = watching
            await driver.write(site.setpoint(-2_000.0, lease_s=5.0))
            leased = taken[0][BATTERY]
            assert leased.address == device.address
            assert [frame.hex() for frame in leased.frames] == ["1081000005ff01027d016101da0146"]
            assert leased.check_frame.hex() == "1081000005ff01027d016201da00"
            assert leased.expected == b"\xda\x01\x46"
            assert "auto" in leased.restores

    bench.run(test)


def test_nothing_is_leased_that_cannot_be_written_down(bench: Bench) -> None:
    """With a full disk a crash of the agent would leave the battery forced for ever."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running() as driver:
            await driver.write(site.setpoint(-2_000.0, lease_s=5.0))
            site.book.full = True
            outcome = await driver.write(site.setpoint(-1_000.0, lease_s=5.0))
            assert outcome.state is WriteState.REFUSED
            assert "no space" in outcome.detail
            await site.cycles(7)
            assert device.values[0xDA] == b"\x46", "the lease before it has expired"

    bench.run(test)


def test_limit_in_force_is_what_release_means(bench: Bench) -> None:
    """Giving a battery back to automatic would break a curtailment that still holds."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running() as driver:
            await driver.write(site.setpoint(-2_000.0, lease_s=5.0))
            driver.revert_to(BATTERY, 0.0)
            assert site.book.held[BATTERY].expected == b"\xda\x01\x44"
            await site.cycles(7)
            assert device.values[0xDA] == b"\x44"
            assert not site.book.held
            driver.revert_to(BATTERY, None)
            await asyncio.sleep(0.5)
            assert device.values[0xDA] == b"\x46", "the limit has ended"

    bench.run(test)


def test_lease_of_an_earlier_life_is_released_unless_it_is_renewed(bench: Bench) -> None:
    """After a crash of the agent a battery would stay forced, for nobody remembers it."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running() as driver:
            await driver.write(site.setpoint(-2_000.0, lease_s=5.0))
        before = tuple(site.book.held.values())
        assert before
        site.book = bench.book(before)
        device.frames.clear()
        async with site.running():
            await site.cycles(3)
            assert device.values[0xDA] == b"\x42", "there is time for a new setpoint"
            await site.cycles(5)
            assert device.values[0xDA] == b"\x46"
            assert not site.book.held

    bench.run(test)


def test_setpoint_that_has_expired_is_not_sent(bench: Bench) -> None:
    """A setpoint from before a pause of the gateway would move the battery afterwards."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running() as driver:
            late = site.setpoint(-2_000.0, lease_s=1.0)
            await asyncio.sleep(1.5)
            outcome = await driver.write(late)
            assert outcome.state is WriteState.TIMEOUT
            assert not sets(device)

    bench.run(test)


def test_remote_control_is_announced_first_where_the_device_wants_it(bench: Bench) -> None:
    """Devices that take orders only "through a public network" would refuse every Set."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        device.settable |= {0x93}
        async with site.running() as driver:
            await driver.write(site.setpoint(-2_000.0))
            assert device.writes[0] == (0x93, b"\x42")
            device.writes.clear()
            await driver.write(site.setpoint(-2_500.0))
            assert 0x93 not in {epc for epc, _ in device.writes}

    bench.run(test)


def test_value_set_already_may_be_refused_without_harm(bench: Bench) -> None:
    """A stack that refuses to set what is set would never be "done"."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        answer = device.answer

        def picky(frame: Frame) -> Frame | None:
            if frame.esv is Esv.SET_C:
                device.refuses = {
                    entry.epc for entry in frame.properties if device.values[entry.epc] == entry.edt
                }
            return answer(frame)

        device.answer = picky
        async with site.running() as driver:
            for power_w in (-1_000.0, -2_000.0, -2_000.0, 0.0, 1_000.0):
                outcome = await driver.write(site.setpoint(power_w))
                assert (outcome.state, outcome.read_back_w) == (WriteState.DONE, power_w)

    bench.run(test)
