"""A TCP relay that can be cut: the link between one gateway and its broker, for tests.

While cut, a ``CLOSED`` relay resets every connection and every attempt; a ``BLACKHOLE`` lets
connections stand and moves nothing. Nothing that was accepted is ever dropped inside a
connection that lives on: after a black hole its bytes go on where they stopped, late, as TCP
would do it.
"""

import asyncio
import contextlib
import enum

from protocols.vocabulary.errors import ConfigError

CHUNK_BYTES = 1 << 16
CONNECTIONS_MAX = 64
CONNECT_TIMEOUT_S = 2.0


class CutKind(enum.Enum):
    """How a link is cut."""

    CLOSED = "closed"
    BLACKHOLE = "blackhole"


class Relay:
    """One listening port that leads to one target.

    Parameters
    ----------
    listen : tuple of str and int
        Loopback address and port; port 0 takes a free one.
    target : tuple of str and int
        The broker.
    """

    def __init__(self, listen: tuple[str, int], target: tuple[str, int]) -> None:
        self._listen = listen
        self._target = target
        self._cut: CutKind | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.bytes_moved = 0

    @property
    def port(self) -> int:
        """Port it listens on, after :meth:`start`."""
        assert self._server is not None, "the relay has not been started"
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        ConfigError
            If the address and port are taken.
        """
        host, port = self._listen
        try:
            self._server = await asyncio.start_server(self._accept, host, port)
        except OSError as error:
            cause = error.strerror or str(error)
            raise ConfigError(f"relay {host}:{port}: cannot listen: {cause}") from None

    def cut(self, kind: CutKind) -> None:
        """Cut the link; a cut of another kind is replaced."""
        self._cut = kind
        self._flows.clear()
        if kind is CutKind.CLOSED:
            self._abort_all()

    def heal(self) -> None:
        """Let it flow again."""
        self._cut = None
        self._flows.set()

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
        self._abort_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _abort_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection from its beginning to its end."""
        task = asyncio.current_task()
        assert task is not None, "asyncio runs a connection in a task"
        if self._cut is CutKind.CLOSED or len(self._tasks) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._carry(reader, writer)
        except (OSError, TimeoutError):
            pass
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect to the target and move bytes both ways until one side ends."""
        await self._flows.wait()
        far_reader, far_writer = await asyncio.wait_for(
            asyncio.open_connection(*self._target), CONNECT_TIMEOUT_S
        )
        self._writers.add(far_writer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer))
                group.create_task(self._pump(far_reader, writer))
        except* OSError:
            pass
        finally:
            self._writers.discard(far_writer)
            far_writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Move bytes one way; at the end of the source the sink is told and closed."""
        while True:
            await self._flows.wait()
            data = await source.read(CHUNK_BYTES)
            await self._flows.wait()
            if not data:
                break
            sink.write(data)
            await sink.drain()
            self.bytes_moved += len(data)
        with contextlib.suppress(OSError):
            sink.write_eof()
