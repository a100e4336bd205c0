"""The embedded broker: started, adopted, watched and stopped as a real process."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloud_coordinator.gateway.broker import EmbeddedBroker
from cloud_coordinator.gateway.broker_config import BrokerSettings, find_binary
from cloud_coordinator.gateway.connect import connect_bus
from protocols.vocabulary.errors import ConfigError, LinkError
from tests.ports import free_port


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(tz=UTC)

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[BrokerSettings]:
    yield BrokerSettings(data_dir=tmp_path, mqtt_port=free_port())
    with contextlib.suppress(OSError, ValueError):
        os.kill(int((tmp_path / "broker" / "nats-server.pid").read_text()), signal.SIGKILL)


def run(settings: BrokerSettings, scenario: Callable[[EmbeddedBroker], Awaitable[None]]) -> None:
    async def body() -> None:
        broker = EmbeddedBroker(settings, SystemClock())
        await broker.ensure()
        try:
            await scenario(broker)
        finally:
            await broker.stop()

    asyncio.run(body())


async def until(condition: Callable[[], bool], timeout_s: float = 6.0) -> float:
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < timeout_s, "it did not happen in time"
        await asyncio.sleep(0.01)
    return time.monotonic() - begin


def test_a_gateway_reaches_the_coordinator_and_only_its_own_kind_of_topics(
    settings: BrokerSettings,
) -> None:
    """The fleet would be unreachable, or any gateway could dispatch all others."""

    async def scenario(broker: EmbeddedBroker) -> None:
        coordinator = await connect_bus(broker.url)
        gateway = await connect_bus(f"mqtt://127.0.0.1:{settings.mqtt_port}")
        up: list[str] = []
        down: list[str] = []
        await coordinator.subscribe("v1/+/+/up/+", lambda t, _p: up.append(t))
        await gateway.subscribe("v1/7/site-1/dn/+", lambda t, _p: down.append(t))
        await gateway.subscribe("v1/z/tokyo/sig", lambda t, _p: down.append(t))
        with pytest.raises(LinkError, match="refuses"):
            await gateway.subscribe("v1/7/site-2/up/tel", lambda _t, _p: None)
        gateway.publish("v1/z/tokyo/sig", b"forged")
        gateway.publish("v1/7/site-1/up/tel", b"row")
        coordinator.publish("v1/z/tokyo/sig", b"signal")
        coordinator.publish("v1/7/site-1/dn/ack", b"ack")
        await until(lambda: len(up) == 1 and len(down) == 2)
        await asyncio.sleep(0.05)
        assert up == ["v1/7/site-1/up/tel"]
        assert sorted(down) == ["v1/7/site-1/dn/ack", "v1/z/tokyo/sig"]
        await coordinator.close()
        await gateway.close()

    run(settings, scenario)


def test_the_secret_is_readable_by_the_owner_only(settings: BrokerSettings) -> None:
    """Any user of the machine could take the coordinator's place and move all devices."""

    async def scenario(broker: EmbeddedBroker) -> None:
        for name in ("identity.json", "nats-server.conf"):
            assert (settings.folder / name).stat().st_mode & 0o077 == 0
        without = broker.url.partition("@")[2]
        with pytest.raises(LinkError, match=r"(?i)authorization|reset by peer"):
            await connect_bus(f"nats://coordinator:guess@{without}")

    run(settings, scenario)


def test_the_next_coordinator_adopts_the_broker_that_outlived_the_last(
    settings: BrokerSettings,
) -> None:
    """A kill -9 of the coordinator would throw every gateway off its link."""

    async def scenario(first: EmbeddedBroker) -> None:
        second = EmbeddedBroker(settings, SystemClock())
        await second.ensure()
        assert second.adopted
        assert second.pid == first.pid
        assert os.getsid(first.pid) != os.getsid(0)

    run(settings, scenario)


def test_a_dead_broker_is_back_at_the_same_address_at_once(settings: BrokerSettings) -> None:
    """One crash of the broker would end the delivery of the whole fleet."""

    async def scenario(broker: EmbeddedBroker) -> None:
        watching = asyncio.create_task(broker.supervise())
        bus = await connect_bus(broker.url)
        heard: list[bytes] = []
        await bus.subscribe("v1/+/+/up/+", lambda _t, p: heard.append(p))
        old = broker.pid
        os.kill(old, signal.SIGKILL)
        took_s = await until(lambda: broker.restarts == 1)
        assert took_s < 2.0
        assert broker.pid != old
        await until(lambda: bus.statistics.connected)
        gateway = await connect_bus(f"mqtt://127.0.0.1:{settings.mqtt_port}")
        gateway.publish("v1/7/site-1/up/tel", b"row")
        await until(lambda: heard == [b"row"])
        await gateway.close()
        await bus.close()
        watching.cancel()

    run(settings, scenario)


def test_an_adopted_broker_is_watched_too(settings: BrokerSettings) -> None:
    """After a restart of the coordinator a later crash of the broker would stay unnoticed."""

    async def scenario(first: EmbeddedBroker) -> None:
        second = EmbeddedBroker(settings, SystemClock())
        await second.ensure()
        watching = asyncio.create_task(second.supervise())
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: second.restarts == 1)
        watching.cancel()
        await second.stop()

    run(settings, scenario)


def test_a_frozen_broker_is_replaced(settings: BrokerSettings) -> None:
    """A stopped broker would hold the port and the coordinator could never start again."""

    async def scenario(first: EmbeddedBroker) -> None:
        os.kill(first.pid, signal.SIGSTOP)
        second = EmbeddedBroker(settings, SystemClock())
        await second.ensure()
        assert not second.adopted
        assert second.pid != first.pid
        await second.stop()

    run(settings, scenario)


def test_another_mqtt_port_moves_the_broker(settings: BrokerSettings, tmp_path: Path) -> None:
    """The operator's --mqtt-port would be ignored while an old broker still runs."""

    async def scenario(first: EmbeddedBroker) -> None:
        moved = BrokerSettings(data_dir=tmp_path, mqtt_port=free_port())
        second = EmbeddedBroker(moved, SystemClock())
        await second.ensure()
        assert not second.adopted
        await (await connect_bus(f"mqtt://127.0.0.1:{moved.mqtt_port}")).close()
        await second.stop()

    run(settings, scenario)


def test_a_port_taken_by_another_program_is_named(settings: BrokerSettings) -> None:
    """The operator would see a traceback, or a broker that no gateway can reach."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.mqtt_port))
        other.listen()
        with pytest.raises(ConfigError, match=f"port {settings.mqtt_port} .*--mqtt-port"):
            asyncio.run(EmbeddedBroker(settings, SystemClock()).ensure())
    assert not (settings.folder / "nats-server.pid").exists()


def test_a_clean_stop_leaves_no_process_and_a_new_start_finds_its_place(
    settings: BrokerSettings,
) -> None:
    """Ctrl-C would leave a broker behind that takes the port of the next demo."""

    async def body() -> None:
        for _ in range(2):
            broker = EmbeddedBroker(settings, SystemClock())
            await broker.ensure()
            assert not broker.adopted
            await broker.stop()
            with pytest.raises(ProcessLookupError):
                os.kill(broker.pid, 0)

    asyncio.run(body())


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("echo hello", "does not say its version"),
        ("echo 'nats-server: v2.9.10'", "needed is 2.10 or newer"),
    ],
)
def test_a_wrong_binary_is_one_clear_line(tmp_path: Path, script: str, cause: str) -> None:
    """--nats-server with a wrong program would fail later, somewhere else, unexplained."""
    binary = tmp_path / "nats-server"
    binary.write_text(f"#!/bin/sh\n{script}\n")
    binary.chmod(0o755)
    with pytest.raises(ConfigError, match=cause):
        find_binary(binary)
    with pytest.raises(ConfigError, match="does not run"):
        find_binary(tmp_path / "nothing")


def test_a_damaged_identity_is_kept_and_named(settings: BrokerSettings) -> None:
    """A torn file would be taken for no broker and a second one started beside the first."""
    settings.folder.mkdir(parents=True)
    path = settings.folder / "identity.json"
    path.write_text('{"server_name": ')
    with pytest.raises(ConfigError, match=r"identity\.json: not ours or damaged"):
        asyncio.run(EmbeddedBroker(settings, SystemClock()).ensure())
    assert path.read_text() == '{"server_name": '
