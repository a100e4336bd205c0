"""Finding devices: by the group, by the list, by identification number, wherever they go."""

import asyncio

from protocols.echonet_lite.frame import Eoj, Esv, Frame, Property
from tests.unit.edge_agent.drivers.echonet_lite.conftest import Bench, Site

PROFILE = Eoj(0x0E, 0xF0, 1)


def test_discovery_lists_configured_devices_and_strangers(bench: Bench) -> None:
    """An installer would not see the battery that is there but not yet configured."""

    async def test(site: Site) -> None:
        site.add(bench.battery(11), "b")
        site.network.devices.append(bench.battery(12))
        async with site.running() as driver:
            found = await driver.discover()
            assert [(entry.address, entry.unit, entry.device_id) for entry in found] == [
                ("127.9.0.11", "027D01", "b"),
                ("127.9.0.12", "027D01", ""),
            ]
            assert found[0].identity == bench.node_id(11).hex().upper()

    bench.run(test)


def test_configured_device_is_found_without_multicast(bench: Bench) -> None:
    """A switch that drops multicast would make the whole site invisible."""

    async def test(site: Site) -> None:
        site.network.multicast_works = False
        site.add(bench.battery(11), "b")
        async with site.running() as driver:
            (found,) = await driver.discover()
            assert found.device_id == "b"
            assert "b.power_w" in await site.read()

    bench.run(test)


def test_device_is_found_by_its_node_id_at_another_address(bench: Bench) -> None:
    """After a new DHCP lease the site would lose its battery until somebody drives there."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(11), "b", identity=bench.node_id(11).hex().upper())
        device.address = "127.9.0.77"
        async with site.running():
            values = await site.read()
            assert values["b.power_w"].value == 0.0

    logged = bench.run(test)
    assert "device.moved" in [entry["event"] for entry in logged]


def test_address_change_while_running_is_survived(bench: Bench) -> None:
    """A battery that gets a new address would be lost though it is there."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(11), "b")
        async with site.running():
            await site.cycles(3)
            device.address = "127.9.0.77"
            values = await site.cycles(60)
            assert values["b.power_w"].value == 0.0
            assert device.frames[-1].deoj == device.eoj

    logged = bench.run(test)
    events = [entry["event"] for entry in logged]
    assert events == ["device.found", "device.lost", "device.moved", "device.back"]


def test_moved_device_that_announces_itself_is_found_at_once(bench: Bench) -> None:
    """Half a minute of control would be lost after each new address."""

    async def test(site: Site) -> None:
        device = site.add(bench.battery(11), "b")
        async with site.running():
            await site.cycles(3)
            device.silent = True
            await site.cycles(12)
            device.silent, device.address = False, "127.9.0.77"
            listed = (Property(0xD5, b"\x01\x02\x7d\x01"),)
            site.network.inject(Frame(1, PROFILE, PROFILE, Esv.INF, listed), device.address)
            await asyncio.sleep(0.5)
            assert "b.power_w" in await site.read()

    bench.run(test)


def test_another_device_at_the_address_is_not_taken_for_ours(bench: Bench) -> None:
    """Two batteries that swap addresses would be read and driven as each other."""

    async def test(site: Site) -> None:
        first = site.add(bench.battery(11), "b")
        second = site.add(bench.battery(12), "c")
        second.values[0xD3] = (700).to_bytes(4, "big")
        async with site.running():
            await site.cycles(3)
            first.address, second.address = second.address, first.address
            await site.cycles(90)
            values = await site.read()
            assert values["b.power_w"].value == 0.0
            assert values["c.power_w"].value == -700.0

    bench.run(test)


def test_node_without_identification_is_known_by_its_address_and_said_so(bench: Bench) -> None:
    """A cheap adapter without EPC 83 could not be used, or nobody would know the risk."""

    async def test(site: Site) -> None:
        site.add(bench.battery(node_id=b""), "b")
        async with site.running():
            await site.cycles(70)
            assert "b.power_w" in await site.read()

    logged = bench.run(test)
    assert [entry["event"] for entry in logged].count("device.identified_by_address") == 1


def test_instance_list_with_a_lie_is_not_believed(bench: Bench) -> None:
    """One broken node would end the discovery of all the others."""

    async def test(site: Site) -> None:
        site.add(bench.battery(11), "b")
        broken = bench.battery(12)
        site.network.devices.append(broken)
        answer = broken.answer

        def lying(frame: Frame) -> Frame | None:
            told = answer(frame)
            if told is None or frame.properties[0].epc != 0xD6:
                return told
            return Frame(told.tid, told.seoj, told.deoj, told.esv, (Property(0xD6, b"\x05\x02"),))

        broken.answer = lying
        async with site.running() as driver:
            assert [entry.device_id for entry in await driver.discover()] == ["b"]

    bench.run(test)
