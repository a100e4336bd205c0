"""V2H, EV charger, PV, fuel cell and water heater: their own commands and signs."""

import asyncio

import pytest

from edge_agent.drivers.port import WriteState
from protocols.echonet_lite.frame import Eoj
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.resource import Capability
from tests.unit.edge_agent.drivers.echonet_lite.conftest import Bench, FakeDevice, Site


def watts(value: int, size: int = 4) -> bytes:
    return value.to_bytes(size, "big", signed=value < 0)


def v2h(bench: Bench) -> FakeDevice:
    values = {
        0x80: b"\x30",
        0x88: b"\x42",
        0xC5: watts(6_000),
        0xC6: watts(6_000),
        0xC7: b"\x43",
        0xC8: watts(0) + watts(5_900),
        0xC9: watts(0) + watts(5_800),
        0xD3: watts(-2_500),
        0xDA: b"\x47",
        0xE1: b"\x47",
        0xE4: b"\x46",
        0xEB: watts(0),
        0xEC: watts(0),
    }
    return bench.device(
        address="127.9.0.20",
        eoj=Eoj(0x02, 0x7E, 1),
        values=values,
        settable={0xDA, 0xEB, 0xEC, 0xCD},
        node_id=bench.node_id(20),
    )


def charger(bench: Bench) -> FakeDevice:
    values = {
        0x80: b"\x30",
        0x88: b"\x42",
        0xC5: watts(3_000),
        0xC7: b"\x30",
        0xD3: watts(1_200),
        0xDA: b"\x47",
        0xEB: watts(0),
    }
    return bench.device(
        address="127.9.0.21",
        eoj=Eoj(0x02, 0xA1, 1),
        values=values,
        settable={0xDA, 0xEB, 0xCD},
        node_id=bench.node_id(21),
    )


def pv(bench: Bench, epc: int) -> FakeDevice:
    values = {
        0x80: b"\x30",
        0x88: b"\x42",
        epc: watts(5_000, 2),
        0xC3: watts(5_500, 2),
        0xE0: watts(3_210, 2),
        0xE1: watts(1_234_567),
    }
    return bench.device(
        address="127.9.0.22",
        eoj=Eoj(0x02, 0x79, 1),
        values=values,
        settable={epc},
        node_id=bench.node_id(22),
    )


def switched(
    bench: Bench, code: int, values: dict[int, bytes], *, settable: set[int]
) -> FakeDevice:
    return bench.device(
        address="127.9.0.23",
        eoj=Eoj(0x02, code, 1),
        values={0x80: b"\x30", 0x88: b"\x42", **values},
        settable=settable,
        node_id=bench.node_id(23),
    )


def test_v2h_is_driven_both_ways_and_back_to_idle(bench: Bench) -> None:
    """A car would be discharged when it should be charged, or left discharging for ever."""

    async def test(site: Site) -> None:
        device = site.add(v2h(bench), "ev")
        async with site.running() as driver:
            values = await site.read()
            assert values["ev.power_w"].value == 2_500.0
            assert values["ev.connected"].value == 1.0
            for power_w, mode in ((-3_000.0, b"\x42"), (4_000.0, b"\x43"), (0.0, b"\x44")):
                outcome = await driver.write(site.setpoint(power_w, device="ev"))
                assert (outcome.state, outcome.read_back_w) == (WriteState.DONE, power_w)
                assert device.values[0xDA] == mode
            outcome = await driver.release(ResourceId("site-1/ev"))
            assert outcome.state is WriteState.DONE
            assert device.values[0xDA] == b"\x47"
            (resource,) = driver.resources()
            assert (resource.power_w_min, resource.power_w_max) == (-5_900.0, 5_800.0)

    bench.run(test)


def test_connection_is_refreshed_before_it_is_asked(bench: Bench) -> None:
    """A car that left an hour ago would still count as connected."""

    async def test(site: Site) -> None:
        device = site.add(v2h(bench), "ev")
        async with site.running():
            await site.cycles(40)
            assert (0xCD, b"\x10") in device.writes
            device.values[0xC7] = b"\x30"
            values = await site.cycles(40)
            assert values["ev.connected"].value == 0.0

    bench.run(test)


def test_charger_only_charges(bench: Bench) -> None:
    """A charger asked to feed the house would be thought to do it."""

    async def test(site: Site) -> None:
        device = site.add(charger(bench), "ev")
        async with site.running() as driver:
            values = await site.read()
            assert values["ev.power_w"].value == -1_200.0
            assert values["ev.connected"].value == 0.0
            outcome = await driver.write(site.setpoint(-2_000.0, device="ev"))
            assert (outcome.state, outcome.read_back_w) == (WriteState.DONE, -2_000.0)
            outcome = await driver.write(site.setpoint(1_000.0, device="ev"))
            assert (outcome.state, outcome.read_back_w) == (WriteState.DONE, 0.0)
            assert "not in the device's range" in outcome.detail
            assert device.values[0xDA] == b"\x44"
            (resource,) = driver.resources()
            assert (resource.power_w_min, resource.power_w_max) == (-3_000.0, 0.0)
            assert Capability.TAKES_SETPOINT in resource.capabilities

    bench.run(test)


@pytest.mark.parametrize("epc", [0xE6, 0xA1])
def test_pv_is_limited_and_gets_its_own_limit_back(bench: Bench, epc: int) -> None:
    """PV would stay curtailed after the event, or lose a limit that its installer set."""

    async def test(site: Site) -> None:
        device = site.add(pv(bench, epc), "pv")
        async with site.running() as driver:
            values = await site.read()
            assert values["pv.power_w"].value == 3_210.0
            assert values["pv.energy_wh_generated"].value == 1_234_567.0
            assert values["pv.limit_w"].value == 5_000.0
            outcome = await driver.write(site.setpoint(1_500.0, device="pv"))
            assert (outcome.state, outcome.read_back_w) == (WriteState.DONE, 1_500.0)
            assert device.values[epc] == watts(1_500, 2)
            await site.cycles(7)
            assert device.values[epc] == watts(5_000, 2)
            (resource,) = driver.resources()
            assert Capability.TAKES_LIMIT in resource.capabilities
            assert resource.power_w_max == 5_500.0

    bench.run(test)


def test_pv_limit_of_an_earlier_life_is_not_taken_for_its_own(bench: Bench) -> None:
    """After a crash during a curtailment the PV would stay curtailed for ever."""

    async def test(site: Site) -> None:
        device = site.add(pv(bench, 0xA1), "pv")
        device.values[0xA1] = watts(4_800, 2)
        async with site.running() as driver:
            await driver.write(site.setpoint(1_500.0, device="pv"))
            (first,) = site.book.held.values()
            assert first.expected == b"\xa1\x02" + watts(4_800, 2)
        site.book = bench.book(tuple(site.book.held.values()))
        async with site.running() as driver:
            await driver.write(site.setpoint(900.0, device="pv"))
            assert device.values[0xA1] == watts(900, 2)
            await driver.release(ResourceId("site-1/pv"))
            assert device.values[0xA1] == watts(4_800, 2)

    bench.run(test)


def test_fuel_cell_is_switched(bench: Bench) -> None:
    """A fuel cell would be read as a load, or left off after the event."""

    async def test(site: Site) -> None:
        values = {0xC2: watts(700, 2), 0xC4: watts(650, 2), 0xCA: b"\x41", 0xCB: b"\x41"}
        device = site.add(switched(bench, 0x7C, values, settable={0xCA}), "fc")
        async with site.running() as driver:
            assert (await site.read())["fc.power_w"].value == 650.0
            assert (await driver.write(site.setpoint(0.0, device="fc"))).state is WriteState.DONE
            assert device.values[0xCA] == b"\x42"
            await asyncio.sleep(6.0)
            assert device.values[0xCA] == b"\x41"

    bench.run(test)


def test_water_heater_is_a_load_that_is_switched(bench: Bench) -> None:
    """A heat pump would count as generation, or heat all day after one event."""

    async def test(site: Site) -> None:
        values = {0x84: watts(1_100, 2), 0xB0: b"\x41", 0xB2: b"\x41", 0xE1: watts(250, 2)}
        device = site.add(switched(bench, 0x6B, values, settable={0xB0}), "hp")
        async with site.running() as driver:
            values = await site.read()
            assert values["hp.power_w"].value == -1_100.0
            assert values["hp.hot_water_l"].value == 250.0
            await driver.write(site.setpoint(-1_000.0, device="hp"))
            assert device.values[0xB0] == b"\x42"
            await driver.release(ResourceId("site-1/hp"))
            assert device.values[0xB0] == b"\x41"

    bench.run(test)
