"""The relay that cuts a gateway's link to its broker."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from firmware_sim.relay import CutKind, Relay
from protocols.vocabulary.errors import ConfigError

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)
        await writer.drain()
    writer.close()


def with_relay(test: Callable[[Relay], Awaitable[None]]) -> None:
    """Run a test against a relay in front of an echo server."""

    async def run() -> None:
        broker = await asyncio.start_server(_echo, "127.0.0.1", 0)
        relay = Relay(("127.0.0.1", 0), broker.sockets[0].getsockname())
        await relay.start()
        try:
            await asyncio.wait_for(test(relay), 10.0)
        finally:
            await relay.close()
            broker.close()

    asyncio.run(run())


async def _connect(relay: Relay) -> Streams:
    return await asyncio.open_connection("127.0.0.1", relay.port)


async def _exchange(streams: Streams, data: bytes, *, within_s: float = 1.0) -> bytes:
    reader, writer = streams
    writer.write(data)
    await writer.drain()
    return await asyncio.wait_for(reader.readexactly(len(data)), within_s)


def test_an_uncut_relay_moves_everything() -> None:
    """The demo's links could lose data that nobody cut."""

    async def test(relay: Relay) -> None:
        data = bytes(range(256)) * 2000
        assert await _exchange(await _connect(relay), data) == data
        assert relay.bytes_moved == 2 * len(data)

    with_relay(test)


def test_closed_cut_ends_connections_and_refuses_new_ones() -> None:
    """A cut link could keep an old connection alive, and the agent never be cut off."""

    async def test(relay: Relay) -> None:
        streams = await _connect(relay)
        await _exchange(streams, b"before")
        relay.cut(CutKind.CLOSED)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await _exchange(streams, b"during")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await _exchange(await _connect(relay), b"during")
        relay.heal()
        assert await _exchange(await _connect(relay), b"after") == b"after"

    with_relay(test)


def test_black_hole_keeps_connections_and_delivers_late() -> None:
    """A black hole could drop bytes out of the middle of a stream, which no network does."""

    async def test(relay: Relay) -> None:
        streams = await _connect(relay)
        await _exchange(streams, b"before")
        relay.cut(CutKind.BLACKHOLE)
        with pytest.raises(TimeoutError):
            await _exchange(streams, b"during", within_s=0.3)
        late = await _connect(relay)
        with pytest.raises(TimeoutError):
            await _exchange(late, b"new", within_s=0.3)
        relay.heal()
        assert await asyncio.wait_for(streams[0].readexactly(6), 1.0) == b"during"
        assert await asyncio.wait_for(late[0].readexactly(3), 1.0) == b"new"

    with_relay(test)


def test_a_dead_broker_ends_the_connection() -> None:
    """A gateway could hang on a relay whose broker is gone."""

    async def run() -> None:
        relay = Relay(("127.0.0.1", 0), ("127.0.0.1", 1))
        await relay.start()
        reader, _ = await _connect(relay)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 3.0)
        with pytest.raises(ConfigError, match="cannot listen"):
            await Relay(("127.0.0.1", relay.port), ("127.0.0.1", 1)).start()
        await relay.close()

    asyncio.run(run())
