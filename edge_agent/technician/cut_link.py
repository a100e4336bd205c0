"""A way to the broker that can be cut: what the commissioning test puts under the agent's link.

Listens on the gateway itself and moves bytes, so TLS stays between agent and broker; the
coordinator's certificate is for a fixed name and holds at this address too. Not a part of a
running site: only :mod:`edge_agent.technician.link_trial` opens one.
"""

import asyncio
from types import TracebackType
from typing import Final, Self

from edge_agent.config.site import Broker

CHUNK_BYTES: Final = 65_536
CONNECTIONS_MAX: Final = 8
CONNECT_TIMEOUT_S: Final = 5.0


class CutLink:
    """A relay to one broker, open as long as its ``async with``.

    Parameters
    ----------
    broker : Broker
        Where it leads.

    Attributes
    ----------
    bytes_moved : int
        Both ways.
    port : int
        On 127.0.0.1.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._is_cut = False
        self.bytes_moved = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything."""
        assert self._server is not None, "entered before"
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """End every connection and let no new one through."""
        self._is_cut = True
        for task in self._tasks:
            task.cancel()

    def join(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio serves each connection in a task"
        if self._is_cut or len(self._tasks) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        self._tasks.add(task)
        try:
            await self._carry(reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # the agent's link sees the end and says so
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.wait_for(
            asyncio.open_connection(self._broker.host, self._broker.port), CONNECT_TIMEOUT_S
        )
        ways = [
            asyncio.create_task(self._move(reader, far_writer)),
            asyncio.create_task(self._move(far_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            far_writer.transport.abort()

    async def _move(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(CHUNK_BYTES):
            sink.write(data)
            await sink.drain()
            self.bytes_moved += len(data)
