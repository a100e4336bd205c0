"""Readings of the ECHONET driver: signs, units, ages, partial answers, wrong maps."""

import asyncio
from datetime import timedelta

import pytest

from protocols.echonet_lite.frame import Eoj, Esv, Frame, Property
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.resource import Capability
from tests.unit.edge_agent.drivers.echonet_lite.conftest import Bench, Site


def test_discharging_battery_counts_as_generation(bench: Bench) -> None:
    """A battery that feeds the house would be booked as a load."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running():
            for power_w, ours_w in ((-1500, 1500.0), (2000, -2000.0)):
                device.values[0xD3] = power_w.to_bytes(4, "big", signed=True)
                values = await site.read()
                assert values["b.power_w"].value == ours_w
                assert values["b.power_w"].quality is Quality.GOOD
                await asyncio.sleep(1.0)

    bench.run(test)


def test_buying_meter_counts_as_import_and_energy_is_exact(bench: Bench) -> None:
    """The site would look like an exporter, and its bill would be off by a factor."""

    async def test(site: Site) -> None:
        site.add(bench.meter(), "meter")
        async with site.running():
            values = await site.read()
            assert values["meter.power_w"].value == -820.0
            assert values["meter.energy_wh_imported"].value == 12_345_600.0
            assert values["meter.energy_wh_exported"].value == 100_000.0

    bench.run(test)


def test_state_of_charge_and_mode_have_our_units(bench: Bench) -> None:
    """Control would think that a half full battery is at 50 times its capacity."""

    async def test(site: Site) -> None:
        site.add(bench.battery(), "b")
        async with site.running():
            values = await site.read()
            assert values["b.soc"].value == 0.5
            assert values["b.mode"].value == 0x44
            assert values["b.fault"].value == 0.0
            assert values["b.power_w_min"].value == -5_000.0
            assert values["b.power_w_max"].value == 4_000.0

    bench.run(test)


@pytest.mark.parametrize(
    ("epc", "edt", "point"),
    [
        (0xD3, b"\x7f\xff\xff\xff", "b.power_w"),
        (0xD3, b"\x80\x00\x00\x00", "b.power_w"),
        (0xE4, b"\xff", "b.soc"),
        (0xE4, b"\xfe", "b.soc"),
        (0xD3, b"\x00\x01", "b.power_w"),
    ],
)
def test_no_data_code_and_malformed_value_are_never_a_number(
    bench: Bench, *, epc: int, edt: bytes, point: str
) -> None:
    """2147483647 W or 255 % would be taken for a measurement."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running():
            device.values[epc] = edt
            measurement = (await site.read())[point]
            assert measurement.value is None
            assert measurement.quality is Quality.BAD
            assert measurement.reason

    bench.run(test)


def test_a_reading_is_as_old_as_its_answer_and_is_given_once(bench: Bench) -> None:
    """A cached value would look fresh in every cycle after the device has died."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(delay_s=0.1), "b")
        async with site.running():
            asked_at = site.clock.now()
            first = (await site.read())["b.power_w"]
            assert timedelta(seconds=0.09) < first.measured_at - asked_at < timedelta(seconds=0.2)
            device.silent = True
            for _ in range(5):
                await asyncio.sleep(1.0)
                assert "b.power_w" not in await site.read()

    bench.run(test)


def test_read_waits_for_the_quick_and_not_for_the_silent(bench: Bench) -> None:
    """One dead device would take 0.4 s out of every control cycle of the site."""

    async def test(site: Site) -> None:
        quick = site.add(bench.battery(11, delay_s=0.02), "b")
        silent = site.add(bench.battery(12), "c")
        async with site.running():
            await site.cycles(2)
            silent.silent = True
            await site.read()  # the one second in which nobody could know
            await asyncio.sleep(0.6)
            for _ in range(20):
                before = site.clock.now()
                values = await site.read()
                assert "b.power_w" in values
                assert site.clock.now() - before < timedelta(seconds=0.1)
                await asyncio.sleep(0.9)
        assert quick.frames

    bench.run(test)


def test_slow_device_is_polled_and_its_late_answer_keeps_its_own_time(bench: Bench) -> None:
    """A device that needs 0.8 s would never be read, or its value be stamped too young."""

    async def test(site: Site) -> None:
        site.add(bench.battery(delay_s=0.8), "b")
        async with site.running():
            seen = []
            for _ in range(10):
                before = site.clock.now()
                values = await site.read()
                if "b.power_w" in values:
                    seen.append(values["b.power_w"].measured_at)
                    assert seen[-1] <= site.clock.now()
                assert site.clock.now() - before <= timedelta(seconds=0.401)
                await asyncio.sleep(1.0)
            assert len(seen) >= 4
            assert len(set(seen)) == len(seen)

    bench.run(test)


def test_device_is_lost_once_and_back_once(bench: Bench) -> None:
    """The log would fill with one line per second and the one that matters be missed."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running():
            await site.cycles(3)
            device.silent = True
            await site.cycles(120)
            device.silent = False
            values = await site.cycles(40)
            assert values["b.power_w"].value == 0.0

    logged = bench.run(test)
    events = [entry["event"] for entry in logged if entry["event"].startswith("device.")]
    assert events == ["device.found", "device.lost", "device.back"]


def test_silent_device_is_asked_ever_more_rarely(bench: Bench) -> None:
    """A dead device would be flooded for ever."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running():
            device.silent = True
            await site.cycles(60)
            before = len(device.frames)
            await site.cycles(300)
            assert 10 <= len(device.frames) - before <= 40

    bench.run(test)


def test_partial_answers_lead_to_smaller_frames_that_are_remembered(bench: Bench) -> None:
    """A device that answers four EPCs at a time would never be fully read, or asked twice."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(get_most=3), "b")
        async with site.running():
            values = await site.read()
            assert {"b.power_w", "b.soc", "b.mode", "b.power_w_max"} <= set(values)
            await asyncio.sleep(1.0)
            device.frames.clear()
            await site.read()
            asked = [len(frame.properties) for frame in device.frames]
            assert max(asked) <= 3
            assert sum(asked) == 4

    bench.run(test)


def test_one_refused_property_does_not_shrink_the_frames(bench: Bench) -> None:
    """An EPC that a device lists and refuses would slow all its readings down."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        device.get_map = b""
        async with site.running():
            device.values.pop(0xE4)
            await site.cycles(3)
            device.frames.clear()
            values = await site.read()
            assert [len(frame.properties) for frame in device.frames] == [3]
            assert "b.power_w" in values
            device.values[0xE4] = b"\x32"
            await site.cycles(70)
            device.frames.clear()
            await site.read()
            assert [len(frame.properties) for frame in device.frames] == [4], "asked again"

    bench.run(test)


@pytest.mark.parametrize(
    "wrong", [b"", b"\x00", b"\x10" + bytes(16), b"\x09\x80\xd3", b"\x05\x80\x88\xda"]
)
def test_wrong_get_map_is_probed_and_told_once(bench: Bench, wrong: bytes) -> None:
    """A device with a broken map (and there are such stacks) could not be used at all."""

    async def test(site: Site) -> None:
        site.add(bench.battery(get_map=wrong), "b")
        async with site.running():
            values = await site.read()
            assert values["b.power_w"].value == 0.0
            assert values["b.soc"].value == 0.5
            (resource,) = site.driver.resources()
            assert Capability.TAKES_SETPOINT in resource.capabilities

    logged = bench.run(test)
    assert [entry["event"] for entry in logged].count("device.map_wrong") == 1


def test_map_is_obeyed(bench: Bench) -> None:
    """Properties a device says it does not have would be asked for every second."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running():
            await site.cycles(40)
            asked = {
                entry.epc
                for frame in device.frames
                if frame.deoj == device.eoj
                for entry in frame.properties
            }
            assert asked <= set(device.values) | {0x9D, 0x9E, 0x9F}

    bench.run(test)


def test_resource_is_what_the_device_states(bench: Bench) -> None:
    """Control would plan with powers and energies the battery does not have."""

    async def test(site: Site) -> None:
        site.add(bench.battery(), "b", soc_min=0.1, ramp_w_per_s=500.0)
        site.add(bench.battery(12), "c", power_w_max=2_500.0)
        async with site.running():
            first, second = site.driver.resources()
            assert (first.power_w_min, first.power_w_max) == (-5_000.0, 4_000.0)
            assert first.energy_wh_capacity == pytest.approx(9_000.0)
            assert first.efficiency_charge == pytest.approx(0.9)
            assert first.ramp_w_per_s == 500.0
            assert first.soc_min == 0.1
            assert {Capability.TAKES_SETPOINT, Capability.HAS_SOC} <= first.capabilities
            assert second.power_w_max == 2_500.0

    bench.run(test)


def test_device_never_seen_can_do_nothing(bench: Bench) -> None:
    """Shares would be promised on a battery that nobody has ever reached."""

    async def test(site: Site) -> None:
        site.add(bench.battery(silent=True), "b")
        async with site.running():
            (resource,) = site.driver.resources()
            assert resource.power_w_min == resource.power_w_max == 0.0
            assert not resource.capabilities

    logged = bench.run(test)
    assert [entry["event"] for entry in logged] == ["device.missing"]


def test_duplicate_late_and_foreign_answers_change_nothing(bench: Bench) -> None:
    """One battery's power would be shown as another's, or an old one as new."""

    async def test(site: Site) -> None:
        first = site.add(bench.battery(11, twice=True), "b")
        second = site.add(bench.battery(12), "c")
        second.values[0xD3] = (700).to_bytes(4, "big")
        async with site.running():
            await site.cycles(2)
            asked = next(
                frame
                for frame in reversed(first.frames)
                if frame.esv is Esv.GET and frame.deoj == first.eoj
            )
            lie = Property(0xD3, (9_999).to_bytes(4, "big"))
            for tid in (asked.tid, asked.tid + 1, asked.tid + 2, asked.tid + 3):
                answer = Frame(tid, first.eoj, asked.seoj, Esv.GET_RES, (lie,))
                site.network.inject(answer, first.address)  # nobody waits for it
            second.delay_s = 0.2
            reading = asyncio.create_task(site.read())
            await asyncio.sleep(0.1)
            pending = second.frames[-1]
            answer = Frame(pending.tid, second.eoj, pending.seoj, Esv.GET_RES, (lie,))
            site.network.inject(answer, first.address)  # right number, wrong house
            wrong = Frame(pending.tid, second.eoj, pending.seoj, Esv.SET_RES, (lie,))
            site.network.inject(wrong, second.address)  # right house, wrong service
            values = await reading
            assert values["b.power_w"].value == 0.0
            assert values["c.power_w"].value == -700.0

    bench.run(test)


def test_announced_value_is_taken_from_the_known_device_only(bench: Bench) -> None:
    """A change a device tells at once would wait for the poll, or a stranger's be believed."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running():
            await site.cycles(2)
            mode = (Property(0xCF, b"\x43"),)
            told = Frame(7, device.eoj, Eoj(0x0E, 0xF0, 1), Esv.INF, mode)
            site.network.inject(told, "127.9.0.99")
            device.silent = True
            assert "b.mode" not in await site.read()
            site.network.inject(told, device.address)
            assert (await site.read())["b.mode"].value == 0x43

    bench.run(test)


def test_confirmed_announcement_is_confirmed(bench: Bench) -> None:
    """A device would repeat its announcement for ever, and think that nobody listens."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running():
            told = Frame(8, device.eoj, Eoj(0x05, 0xFF, 1), Esv.INFC, (Property(0xDA, b"\x42"),))
            site.network.inject(told, device.address)
            answers = [frame for frame, _ in site.network.sent if frame.esv is Esv.INFC_RES]
            assert [(f.tid, f.properties) for f in answers] == [(8, (Property(0xDA),))]

    bench.run(test)


def test_gateway_announces_itself_and_answers_as_a_node(bench: Bench) -> None:
    """Other nodes could not find the gateway, and some devices would not talk to it."""

    async def test(site: Site) -> None:
        async with site.running():
            first = site.network.group[0]
            assert (first.esv, first.seoj) == (Esv.INF, Eoj(0x0E, 0xF0, 1))
            assert first.properties == (Property(0xD5, b"\x01\x05\xff\x01"),)
            epcs = (0x82, 0x83, 0x8A, 0x9D, 0x9E, 0x9F, 0xD3, 0xD4, 0xD6, 0xD7)
            asked = tuple(Property(epc) for epc in epcs)
            for deoj in (Eoj(0x0E, 0xF0, 1), Eoj(0x05, 0xFF, 1)):
                request = Frame(9, Eoj(0x02, 0x7D, 1), deoj, Esv.GET, asked[:6])
                site.network.inject(request, "127.9.0.50")
                answer, address = site.network.sent[-1]
                assert (answer.esv, answer.seoj, address) == (Esv.GET_RES, deoj, "127.9.0.50")
            request = Frame(10, Eoj(0x02, 0x7D, 1), Eoj(0x0E, 0xF0, 1), Esv.GET, asked)
            site.network.inject(request, "127.9.0.50")
            assert site.network.sent[-1][0].esv is Esv.GET_RES

    bench.run(test)


def test_garbage_is_dropped(bench: Bench) -> None:
    """One malformed datagram on the house's network would stop control."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running():
            for garbage in (b"", b"\x10", b"\x10\x81" + bytes(30), b"\xff" * 2000):
                site.network.inject_bytes(garbage, device.address)
            assert (await site.read())["b.soc"].value == 0.5

    bench.run(test)


def test_state_of_charge_comes_from_energy_where_there_is_no_per_cent(bench: Bench) -> None:
    """A battery that states Wh only would be planned as if nobody knew how full it is."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b", energy_wh_capacity=8_000.0)
        device.values.pop(0xE4)
        device.values[0xE2] = (2_000).to_bytes(4, "big")
        async with site.running():
            values = await site.read()
            assert values["b.soc"].value == 0.25
            assert values["b.energy_wh_remaining"].value == 2_000.0

    bench.run(test)
