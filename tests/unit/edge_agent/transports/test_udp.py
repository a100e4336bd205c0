"""UDP endpoint on loopback addresses: own port, group, and what a person did wrong."""

import asyncio
import socket

import pytest

from edge_agent.transports.udp import UdpEndpoint, UdpSettings
from protocols.vocabulary.errors import ConfigError

GROUP = "239.192.77.1"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def settings(number: int, port: int, patience_s: float = 0.0) -> UdpSettings:
    return UdpSettings(address=f"127.7.7.{number}", port=port, group=GROUP, patience_s=patience_s)


async def heard(box: list[object], count: int) -> None:
    async with asyncio.timeout(2.0):
        while len(box) < count:  # noqa: ASYNC110 - the endpoint has no event to wait for
            await asyncio.sleep(0.005)


def test_unicast_and_multicast_arrive_with_their_source() -> None:
    """The gateway would find no device, or answer the wrong one."""

    async def test() -> None:
        port = free_port()
        one, two = [await UdpEndpoint.open(settings(n, port)) for n in (1, 2)]
        at_one: list[tuple[bytes, str]] = []
        at_two: list[tuple[bytes, str]] = []
        one.listen(lambda data, source: at_one.append((data, source)))
        two.listen(lambda data, source: at_two.append((data, source)))
        try:
            one.send(b"to two", two.address)
            await heard(at_two, 1)
            two.multicast(b"to all")
            await heard(at_one, 1)
            await asyncio.sleep(0.05)
            assert at_two == [(b"to two", "127.7.7.1")], "own multicast is not heard"
            assert at_one == [(b"to all", "127.7.7.2")]
            assert (one.sent, one.received, one.port) == (1, 1, port)
        finally:
            one.close()
            two.close()
            two.close()

    asyncio.run(test())


def test_taken_port_is_one_clear_line() -> None:
    """Two agents would steal each other's answers, or the installer see a traceback."""

    async def test() -> None:
        port = free_port()
        first = await UdpEndpoint.open(settings(1, port))
        try:
            with pytest.raises(ConfigError) as caught:
                await UdpEndpoint.open(settings(1, port))
            assert str(caught.value) == (
                f"echonet: UDP 127.7.7.1:{port} (group {GROUP}): "
                "the port is taken by another program"
            )
        finally:
            first.close()

    asyncio.run(test())


def test_port_that_is_let_go_in_time_is_waited_for() -> None:
    """An agent restarted while the watchdog releases devices would give up and stay down."""

    async def test() -> None:
        port = free_port()
        first = await UdpEndpoint.open(settings(1, port))
        asyncio.get_running_loop().call_later(0.2, first.close)
        second = await UdpEndpoint.open(settings(1, port, patience_s=2.0))
        second.close()

    asyncio.run(test())


@pytest.mark.parametrize(
    ("address", "port", "group", "words"),
    [
        ("192.0.2.1", 3610, GROUP, "does not have that address"),
        ("0.0.0.0", 3610, GROUP, "echonet.address"),
        ("house", 3610, GROUP, "echonet.address"),
        ("127.0.0.1", 0, GROUP, "echonet.port"),
        ("127.0.0.1", 70_000, GROUP, "echonet.port"),
        ("127.0.0.1", 3610, "10.0.0.1", "echonet.group"),
    ],
)
def test_wrong_settings_name_the_key(address: str, port: int, *, group: str, words: str) -> None:
    """An installer would have to guess which of the three is wrong."""

    async def test() -> None:
        with pytest.raises(ConfigError, match=words):
            await UdpEndpoint.open(UdpSettings(address=address, port=port, group=group))

    asyncio.run(test())


def test_datagram_that_cannot_be_sent_is_counted_and_not_raised() -> None:
    """A device without a route would end the loop that serves all the others."""

    async def test() -> None:
        endpoint = await UdpEndpoint.open(settings(1, free_port()))
        try:
            endpoint.send(b"x" * 70_000, "127.7.7.2")
            assert (endpoint.unsent, endpoint.sent) == (1, 0)
        finally:
            endpoint.close()

    asyncio.run(test())
