"""The family on real sockets: what it refuses to open, and what it does not do for strangers.

Loopback: the gateway at 127.4.41.1:47851, a stranger at 127.4.41.2:47852.
"""

import asyncio
import socket
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.config.loader import load_config
from edge_agent.config.site import SiteConfig
from edge_agent.drivers.bacnet.family import open_family
from edge_agent.drivers.family import FamilyPorts
from edge_agent.drivers.frames import NO_TAP, Direction
from protocols.vocabulary.errors import ConfigError
from tests.conformance.peers.bacnet_bed import Book
from tests.unit.edge_agent.drivers.bacnet.conftest import HandClock, run

TEXT = """
site_id = "site-1"
zone = "tokyo"
data_dir = "data"
[link]
brokers = ["mqtt://127.0.0.1:1"]
[limits]
contract_import_w = 50000.0
export_limit_w = 0.0
[tariff]
import_jpy_per_kwh = 31.0
export_jpy_per_kwh = 8.5
[location]
latitude = 35.68
longitude = 139.77
[bacnet]
address = "127.4.41.1/8"
port = 47851
[[devices]]
id = "meter"
template = "bacnet-power-meter"
address = "127.4.41.99:47808"
"""


def datagram(octets: str) -> bytes:
    """Put an NPDU into a unicast BVLC."""
    data = bytes.fromhex(octets)
    return b"\x81\x0a" + (len(data) + 4).to_bytes(2, "big") + data


class Ledger:
    """Allows everything."""

    def spend(self, resource_id: str, writes: int, budget: int | None) -> bool:
        """Allow."""
        return True

    def count(self, resource_id: str) -> int:
        """No writes."""
        return 0


def site(text: str = TEXT) -> SiteConfig:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.toml"
        path.write_text(text, encoding="utf-8")
        return load_config(path)


def ports(tap: object = NO_TAP) -> FamilyPorts:
    return FamilyPorts(clock=HandClock(), book=Book(), ledger=Ledger(), tap=tap)  # type: ignore[arg-type]


def test_a_site_without_bacnet_opens_nothing() -> None:
    """If it fails, every gateway occupies the BACnet port."""

    async def test() -> None:
        config = site()
        assert await open_family(replace(config, devices=()), ports()) is None

    run(test())


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"port": 47808}, "gateway's own port"),
        ({"priority": 5}, "critical equipment"),
        ({"address": "203.0.113.77/24"}, "cannot be bound"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(change: dict[str, object], cause: str) -> None:
    """If it fails, the library answers itself, or waits for a port without a word."""

    async def test() -> None:
        config = site()
        assert config.bacnet is not None
        bad = replace(config, bacnet=replace(config.bacnet, **change))  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=cause):
            await open_family(bad, ports())

    run(test())


def test_a_port_that_is_taken_is_told() -> None:
    """If it fails, two gateways share a port and each gets half of the answers."""

    async def test() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.4.41.1", 47_851))
            with pytest.raises(ConfigError, match="47851"):
                await open_family(site(), ports())

    run(test())


def test_strangers_may_read_who_we_are_and_nothing_else() -> None:
    """If it fails, anybody on the network silences the gateway with one datagram."""
    silence = datagram("0104000521111901")  # DeviceCommunicationControl: disable
    write = datagram("01040005220f0c023fef70194d3e7300583f")  # its objectName

    async def test() -> None:
        frames: list[tuple[Direction, bytes]] = []

        def tap(direction: Direction, _peer: str, data: bytes) -> None:
            frames.append((direction, data))

        family = await open_family(site(), ports(tap))
        assert family is not None
        running = asyncio.ensure_future(family.run())
        await asyncio.sleep(0.1)
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.4.41.2", 47_852))
            stranger.setblocking(False)
            for octets, invoke in ((silence, 0x21), (write, 0x22)):
                await loop.sock_sendto(stranger, octets, ("127.4.41.1", 47_851))
                async with asyncio.timeout(2.0):
                    answer = await loop.sock_recv(stranger, 1500)
                assert answer[6] >> 4 == 6, f"a reject is due: {answer.hex()}"
                assert answer[7] == invoke
            for number in range(300):
                datagram = bytes.fromhex("810a000c0120ffff00ff1008")
                stranger.sendto(datagram, ("127.4.41.1", 47_851))
                if number % 50 == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(0.2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        received = [data for direction, data in frames if direction is Direction.RECEIVED]
        assert silence in received
        assert len(received) <= 2 * 100 + 2, "a flood is cut off before it is decoded"

    run(test())
