"""What no device should do, done to our driver: it goes on, and believes nobody for another."""

import asyncio
import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.drivers.port import WriteState
from protocols.echonet_lite.frame import Eoj, Esv, Frame, Property, decode_frame, encode_frame
from protocols.echonet_lite.property_map import encode_property_map
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.resource import Capability
from tests.unit.edge_agent.drivers.echonet_lite.conftest import (
    CONTROLLER,
    NODE_PROFILE,
    Bench,
    FakeDevice,
    FakeNetwork,
    Site,
)

D3, DA = 0xD3, 0xDA
CHARGING, AUTO = b"\x42", b"\x46"


class Noisy(FakeNetwork):
    """A network that bends what passes, as long as it is told to."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self.bends = False

    def listen(self, receiver: Callable[[bytes, str], None]) -> None:
        def hear(data: bytes, address: str) -> None:
            for bent in self._bent(data) if self.bends else (data,):
                receiver(bent, address)

        super().listen(hear)

    def _bent(self, data: bytes) -> list[bytes]:
        draw = self._random
        place = draw.randrange(len(data) + 1)
        other = draw.randbytes(1)
        return draw.choice(
            (
                [],
                [data],
                [data, data],
                [data[:place]],
                [data + draw.randbytes(draw.randrange(1, 9))],
                [data[:place] + other + data[place + 1 :]],
                [data[:10] + other + data[11:]],
                [draw.randbytes(draw.randrange(1, 64)), data],
            )
        )


EOJS = st.sampled_from((Eoj(2, 0x7D, 1), Eoj(2, 0x7D, 2), NODE_PROFILE, CONTROLLER))
FRAMES = st.builds(
    lambda tid, seoj, deoj, esv, properties: encode_frame(
        Frame(tid, seoj, deoj, esv, properties, properties if esv.has_second_block else ())
    ),
    st.integers(0, 40) | st.integers(0, 0xFFFF),
    EOJS,
    EOJS,
    st.sampled_from(Esv),
    st.lists(
        st.builds(Property, st.integers(0x80, 0xFF), st.binary(max_size=20)), min_size=1, max_size=6
    ).map(tuple),
)
DATAGRAMS = st.lists(
    FRAMES | st.binary(max_size=80) | st.binary(max_size=40).map(lambda tail: b"\x10\x81" + tail),
    max_size=40,
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(DATAGRAMS, st.integers(0, 1 << 30))
def test_no_datagram_stops_the_driver(bench: Bench, datagrams: list[bytes], seed: int) -> None:
    """If it fails, one bent or forged datagram ends the reading of a whole site."""

    async def test(site: Site) -> None:
        network = site.network = Noisy(seed)
        device = site.add(bench.battery(), "b")
        device.values[D3] = (1_234).to_bytes(4, "big")
        other = site.add(bench.battery(12), "c")
        async with site.running() as driver:
            network.bends = True
            for data in datagrams:
                for address in (device.address, "127.9.0.99"):
                    network.inject_bytes(data, address)
                await asyncio.sleep(0.05)
            await asyncio.gather(site.cycles(4), driver.write(site.setpoint(-2_000.0)))
            network.bends = False
            await asyncio.sleep(100.0)  # pauses of refused properties, looks and searches
            values = await site.cycles(3)
            assert values["b.power_w"].value == -1_234.0
            assert values["b.power_w"].quality is Quality.GOOD
            assert values["c.power_w"].value == 0.0
        assert other.values[DA] in {AUTO, b"\x44"}, "what was meant for one went to another"

    bench.run(test)


def test_a_stranger_s_answer_is_nobody_s(bench: Bench) -> None:
    """If it fails, one device's power is booked as another's."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(delay_s=0.3), "b")
        async with site.running():
            reading = asyncio.ensure_future(site.read())
            await asyncio.sleep(0.1)
            asked = device.frames[-1]
            power = (Property(D3, (999).to_bytes(4, "big")),)
            right = Frame(asked.tid, device.eoj, CONTROLLER, Esv.GET_RES, power)
            site.network.inject(right, "127.9.0.99")
            for wrong in (
                Frame(asked.tid, Eoj(2, 0x7D, 2), CONTROLLER, Esv.GET_RES, power),
                Frame(asked.tid + 1, device.eoj, CONTROLLER, Esv.GET_RES, power),
                Frame(asked.tid, device.eoj, CONTROLLER, Esv.SET_RES, power),
            ):
                site.network.inject(wrong, device.address)
            values = await reading
            assert values["b.power_w"].value == 0.0

    bench.run(test)


class Halves(FakeDevice):
    """Answers each Get in two frames, the last properties first."""

    def answer(self, frame: Frame) -> Frame | None:
        whole = super().answer(frame)
        if whole is None or whole.esv is not Esv.GET_RES or len(whole.properties) < 2:
            return whole
        turned = whole.properties[::-1]
        middle = len(turned) // 2
        network = self.network
        rest = Frame(whole.tid, whole.seoj, whole.deoj, whole.esv, turned[middle:])
        asyncio.get_running_loop().call_later(
            self.delay_s + 0.01, lambda: network.inject(rest, self.address)
        )
        return Frame(whole.tid, whole.seoj, whole.deoj, whole.esv, turned[:middle])


def test_answers_in_two_frames_and_another_order_are_read(bench: Bench) -> None:
    """If it fails, a device that splits its answers is half read, or its values are swapped."""

    async def test(site: Site) -> None:
        plain = bench.battery()
        device = Halves(
            **{name: getattr(plain, name) for name in ("address", "eoj", "values")},
            settable=plain.settable,
            node_id=plain.node_id,
        )
        device.network = site.network
        device.values[D3] = (700).to_bytes(4, "big")
        site.add(device, "b")
        async with site.running() as driver:
            values = await site.cycles(3)
            assert (values["b.power_w"].value, values["b.soc"].value) == (-700.0, 0.5)
            outcome = await driver.write(site.setpoint(-1_000.0))
            assert outcome.state is WriteState.DONE

    bench.run(test)


class Restarts(FakeDevice):
    """Loses its settings between the answer to a Set and the reading back."""

    def answer(self, frame: Frame) -> Frame | None:
        told = super().answer(frame)
        if frame.esv is Esv.SET_C and self.restarts:
            self.restarts -= 1
            self.values[DA] = AUTO
            listed = b"\x01" + self.eoj.encode()
            started = Frame(1, NODE_PROFILE, NODE_PROFILE, Esv.INF, (Property(0xD5, listed),))
            asyncio.get_running_loop().call_soon(lambda: self.network.inject(started, self.address))
        return told


def test_a_restart_in_the_middle_of_a_set_is_not_done(bench: Bench) -> None:
    """If it fails, a setpoint the device has forgotten is booked as delivered."""

    async def test(site: Site) -> None:
        plain = bench.battery()
        device = Restarts(
            **{name: getattr(plain, name) for name in ("address", "eoj", "values")},
            settable=plain.settable,
            node_id=plain.node_id,
        )
        device.network, device.restarts = site.network, 1
        site.add(device, "b")
        async with site.running() as driver:
            outcome = await driver.write(site.setpoint(-1_000.0))
            assert outcome.state is not WriteState.DONE
            assert device.values[DA] == AUTO
            again = await driver.write(site.setpoint(-1_000.0))
            assert again.state is WriteState.DONE
            assert device.values[DA] == CHARGING

    bench.run(test)


def test_a_flood_of_announcements_is_not_a_flood_of_questions(bench: Bench) -> None:
    """If it fails, a device that starts for ever is read and written to death."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        listed = b"\x01" + device.eoj.encode()
        started = Frame(1, NODE_PROFILE, NODE_PROFILE, Esv.INF, (Property(0xD5, listed),))
        async with site.running() as driver:
            await driver.write(site.setpoint(-1_000.0, lease_s=60.0))
            frames, writes = len(device.frames), len(device.writes)
            for _ in range(2_000):
                site.network.inject(started, device.address)
                await asyncio.sleep(0.01)
            assert len(device.frames) - frames < 100
            assert len(device.writes) - writes < 40
            values = await site.read()
            assert values["b.power_w"].quality is Quality.GOOD

    bench.run(test)


def test_a_map_that_forgets_the_power_is_asked_beyond(bench: Bench) -> None:
    """If it fails, a battery whose map lacks its power is never measured."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        device.get_map = encode_property_map(set(device.values) - {D3})
        async with site.running():
            assert (await site.cycles(2))["b.power_w"].value == 0.0

    logged = bench.run(test)
    assert [entry["get_map"] for entry in logged if entry["event"] == "device.map_wrong"] == [
        "the map lacks what the device gives"
    ]


def test_a_device_that_refused_everything_is_read_again_soon(bench: Bench) -> None:
    """If it fails, a device that was out of order for a second is not read for a minute."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(), "b")
        async with site.running():
            values, device.values = device.values, {}
            await site.cycles(4)
            device.values = values
            assert "b.power_w" in await site.cycles(4)

    bench.run(test)


def test_a_device_that_gives_nothing_at_all_is_not_met(bench: Bench) -> None:
    """If it fails, a device that refuses everything counts as live, and is never learnt again."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(get_map=b"", set_map=b""), "b")
        values, device.values = device.values, {}
        async with site.running() as driver:
            assert not driver.resources()[0].capabilities
            device.values, device.get_map, device.set_map = values, None, None
            await asyncio.sleep(35.0)
            assert "b.power_w" in await site.cycles(3)

    bench.run(test)


# --- templates ----------------------------------------------------------------------------


def test_a_template_s_pace_and_sizes_are_kept(bench: Bench) -> None:
    """If it fails, a slow device behind a radio is asked too much at once and lost."""

    async def test(site: Site) -> None:
        template = "echonet-battery-watchdog"
        device = site.add(bench.battery(set_most=1), "b", template_id=template)
        device.settable = {0xDA, 0xEB, 0xEC}
        times: list[float] = []
        answer, loop = device.answer, asyncio.get_running_loop()

        def noted(frame: Frame) -> Frame | None:
            if frame.deoj == device.eoj:
                times.append(loop.time())
            return answer(frame)

        device.answer = noted
        async with site.running() as driver:
            outcome = await driver.write(site.setpoint(-1_000.0))
            assert outcome.state is WriteState.DONE
        assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 0.1
        own = [frame for frame in device.frames if frame.deoj == device.eoj]
        assert max(len(frame.properties) for frame in own if frame.esv is Esv.GET) <= 8
        assert {len(frame.properties) for frame in own if frame.esv is Esv.SET_C} == {1}

    bench.run(test)


@pytest.mark.parametrize(("listed", "sums"), [("027D01", True), ("027901", False)])
def test_a_conditioner_says_what_it_sums(bench: Bench, listed: str, *, sums: bool) -> None:
    """If it fails, a battery is counted as itself and in its conditioner."""

    async def test(site: Site) -> None:
        battery = site.add(bench.battery(), "b")
        conditioner = FakeDevice(
            address="127.9.0.30",
            eoj=Eoj(2, 0xA5, 1),
            values={
                0x80: b"\x30",
                0xE7: (1_500).to_bytes(4, "big"),
                0xE8: b"\x01" + bytes.fromhex(listed),
            },
            settable=set(),
            node_id=bench.node_id(11),
        )
        battery.address = conditioner.address
        site.configs.clear()
        site.network.devices = [battery, conditioner]
        site.add(battery, "b")
        site.add(conditioner, "pcs")
        site.network.devices = [battery, conditioner]
        async with site.running() as driver:
            await site.cycles(2)
            found = {one.resource_id: one.capabilities for one in driver.resources()}
            assert (Capability.SUMS_OTHERS in found[ResourceId("site-1/pcs")]) == sums
            assert Capability.SUMS_OTHERS not in found[ResourceId("site-1/b")]

    bench.run(test)


def test_an_air_conditioner_gives_back_what_people_had_set(bench: Bench) -> None:
    """If it fails, a house stays warm after the event, or a later wish of its people is undone."""

    async def test(site: Site) -> None:
        values = {
            0x80: b"\x30",
            0x84: (900).to_bytes(2, "big"),
            0xB0: b"\x42",
            0xB3: b"\x1a",
            0xBB: b"\x1b",
        }
        device = FakeDevice(
            address="127.9.0.31",
            eoj=Eoj(1, 0x30, 1),
            values=values,
            settable={0x80, 0xB0, 0xB3},
            node_id=bench.node_id(31),
        )
        site.add(device, "ac")
        async with site.running() as driver:
            read = await site.cycles(1)
            assert (read["ac.power_w"].value, read["ac.room_c"].value) == (-900.0, 27.0)
            for usual in (b"\x1a", b"\x19"):
                device.values[0xB3] = usual
                await asyncio.sleep(40.0)  # it is read again
                outcome = await driver.write(site.setpoint(0.0, device="ac"))
                assert (outcome.state, outcome.read_back_w) == (WriteState.DONE, None)
                assert device.values[0xB3] == bytes((usual[0] + 2,))
                released = await driver.release(ResourceId("site-1/ac"))
                assert released.state is WriteState.DONE
                assert device.values[0xB3] == usual

    bench.run(test)


@given(st.binary(max_size=300))
def test_only_a_remote_error_comes_out_of_the_codec(data: bytes) -> None:
    """If it fails, the border that drops garbage does not see all of it."""
    for prefix in (b"", b"\x10\x81", b"\x10\x81\x00\x01\x02\x7d\x01\x05\xff\x01\x72"):
        try:
            decode_frame(prefix + data)
        except RemoteProtocolError:
            continue
