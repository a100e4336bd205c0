"""The bus on real servers: native NATS, NATS's MQTT listener, mosquitto.

The same expectations on each, which proves that no broker feature is needed.
"""

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cloud_coordinator.gateway.broker_config import find_binary
from cloud_coordinator.gateway.bus import Bus
from cloud_coordinator.gateway.connect import connect_bus
from cloud_coordinator.gateway.nats_bus import NatsBus
from tests.ports import free_port


@dataclass
class Server:
    """A broker that a test can kill and start again at the same address."""

    command: list[str]
    port: int
    url: str
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 5.0
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 0.5).close()
                return
            time.sleep(0.01)
        pytest.fail("the broker did not start")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(2.0)
            self.process = None


def nats_server(folder: Path, scheme: str) -> Server:
    native, mqtt = free_port(), free_port()
    configuration = folder / "nats.conf"
    configuration.write_text(
        f'host: "127.0.0.1"\nport: {native}\nserver_name: "test"\n'
        f'jetstream {{ store_dir: "{folder}/js" }}\n'
        f'mqtt {{ host: "127.0.0.1", port: {mqtt} }}\n'
    )
    port = native if scheme == "nats" else mqtt
    command = [str(find_binary(None)), "-c", str(configuration)]
    return Server(command, port, f"{scheme}://127.0.0.1:{port}")


def mosquitto(folder: Path, binary: str) -> Server:
    port = free_port()
    configuration = folder / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
    )
    return Server([binary, "-c", str(configuration)], port, f"mqtt://127.0.0.1:{port}")


@pytest.fixture(
    params=[
        "nats",
        "mqtt-on-nats",
        pytest.param("mosquitto", marks=pytest.mark.peer("mosquitto")),
    ]
)
def server(
    request: pytest.FixtureRequest, tmp_path: Path, peer: Callable[[str], str]
) -> Iterator[Server]:
    if request.param == "mosquitto":
        made = mosquitto(tmp_path, peer("mosquitto"))
    else:
        made = nats_server(tmp_path, "nats" if request.param == "nats" else "mqtt")
    made.start()
    yield made
    made.kill()


async def until(condition: Callable[[], bool], timeout_s: float = 8.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "nothing came in time"
        await asyncio.sleep(0.01)


def run(server: Server, scenario: Callable[[Bus, Bus], Awaitable[None]]) -> None:
    async def body() -> None:
        one, two = await connect_bus(server.url), await connect_bus(server.url)
        try:
            await scenario(one, two)
        finally:
            await one.close()
            await two.close()

    asyncio.run(body())


def test_a_message_reaches_exactly_the_patterns_that_match(server: Server) -> None:
    """A site's telemetry would be lost, or another site's commands would reach it."""

    async def scenario(site: Bus, coordinator: Bus) -> None:
        up: list[tuple[str, bytes]] = []
        down: list[tuple[str, bytes]] = []
        await coordinator.subscribe("v1/+/+/up/#", lambda t, p: up.append((t, p)))
        await site.subscribe("v1/7/site-1/dn/+", lambda t, p: down.append((t, p)))
        assert site.publish("v1/7/site-1/up/tel", b"\x00\xff row")
        assert coordinator.publish("v1/7/site-1/dn/ack", b"")
        assert coordinator.publish("v1/8/site-2/dn/ack", b"not yours")
        assert coordinator.publish("v1/7/site-1/dn/ob", b"x" * 32_768)
        await until(lambda: len(up) == 1 and len(down) == 2)
        await asyncio.sleep(0.05)
        assert up == [("v1/7/site-1/up/tel", b"\x00\xff row")]
        assert down == [("v1/7/site-1/dn/ack", b""), ("v1/7/site-1/dn/ob", b"x" * 32_768)]

    run(server, scenario)


def test_a_subscription_is_in_force_when_it_returns(server: Server) -> None:
    """A command sent right after a gateway was let in would reach nobody."""

    async def scenario(site: Bus, coordinator: Bus) -> None:
        down: list[str] = []
        for number in range(100):
            await site.subscribe(f"v1/7/site-{number}/dn/ack", lambda t, _: down.append(t))
            assert coordinator.publish(f"v1/7/site-{number}/dn/ack", b"")
        await until(lambda: len(down) == 100)

    run(server, scenario)


def test_many_messages_at_once_all_arrive_in_order(server: Server) -> None:
    """Some sites of a fleet would miss their setpoints, or get an older one after a newer."""

    async def scenario(site: Bus, coordinator: Bus) -> None:
        heard: list[tuple[str, bytes]] = []
        await site.subscribe("v1/7/+/dn/cmd", lambda t, p: heard.append((t, p)))
        sent = [
            (f"v1/7/site-{number % 500}/dn/cmd", f"{number}".encode() * 40)
            for number in range(3_000)
        ]
        assert coordinator.publish_many(sent) == len(sent)
        assert coordinator.publish("v1/7/site-1/dn/cmd", b"last")
        await until(lambda: len(heard) > len(sent))
        assert heard == [*sent, ("v1/7/site-1/dn/cmd", b"last")]
        assert coordinator.statistics.sent == len(sent) + 1
        if isinstance(coordinator, NatsBus):  # the server would close the connection on it
            assert not coordinator.publish("v1/7/site-1/dn/cmd", bytes(2_000_000))
            assert coordinator.statistics.dropped_out == 1
            assert coordinator.statistics.connected

    run(server, scenario)


def test_the_bus_comes_back_by_itself_and_sends_nothing_old(server: Server) -> None:
    """After a broker's death the fleet would stay deaf, or act on a stale dispatch signal."""

    async def scenario(site: Bus, coordinator: Bus) -> None:
        heard: list[bytes] = []
        await site.subscribe("v1/z/tokyo/sig", lambda _t, p: heard.append(p))
        server.kill()
        await until(lambda: not coordinator.statistics.connected and not site.statistics.connected)
        assert coordinator.publish("v1/z/tokyo/sig", b"stale") is False
        assert coordinator.statistics.dropped_out == 1
        server.start()
        await until(lambda: coordinator.statistics.connected and site.statistics.connected)
        end = time.monotonic() + 5.0
        while not heard and time.monotonic() < end:
            coordinator.publish("v1/z/tokyo/sig", b"fresh")
            await asyncio.sleep(0.05)
        assert heard
        assert set(heard) == {b"fresh"}
        assert site.statistics.reconnects == 1

    run(server, scenario)


def test_a_callback_that_fails_is_counted_and_does_not_end_the_listening(server: Server) -> None:
    """One malformed message would make the coordinator deaf without a trace."""

    async def scenario(site: Bus, coordinator: Bus) -> None:
        seen: list[bytes] = []

        def callback(_topic: str, payload: bytes) -> None:
            seen.append(payload)
            assert payload != b"bad", "a callback's own mistake"

        await coordinator.subscribe("v1/+/+/up/#", callback)
        site.publish("v1/7/site-1/up/tel", b"bad")
        site.publish("v1/7/site-1/up/tel", b"good")
        await until(lambda: seen == [b"bad", b"good"])
        assert coordinator.statistics.failed_callbacks == 1

    run(server, scenario)


def test_ten_thousand_messages_in_a_burst_all_arrive_in_order(server: Server) -> None:
    """A second of a large fleet's telemetry would be dropped inside our own process."""

    async def scenario(site: Bus, coordinator: Bus) -> None:
        got: list[int] = []
        await coordinator.subscribe(
            "v1/+/+/up/#", lambda _t, p: got.append(int.from_bytes(p, "big"))
        )
        for number in range(10_000):
            assert site.publish("v1/7/site-1/up/tel", number.to_bytes(4, "big"))
        await until(lambda: len(got) == 10_000)
        assert got == list(range(10_000))
        assert coordinator.statistics.dropped_in == 0

    run(server, scenario)
