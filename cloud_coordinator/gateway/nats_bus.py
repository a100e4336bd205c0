"""The bus on native NATS: nine times an MQTT client, and the same server.

Uses callbacks of nats-py. Its traps are met here: pending limits are set and drops counted,
errors of callbacks come to us instead of vanishing, nothing is buffered while disconnected
(an old dispatch signal must not appear after a reconnect), dead peers are found by a ping.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from typing import Final

import nats
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from cloud_coordinator.gateway.bus import (
    CONNECT_TIMEOUT_S,
    INBOX_LIMIT,
    OUTBOX_LIMIT,
    BusStatistics,
    MessageCallback,
    check_pattern,
    check_topic,
    failure_place,
)
from protocols.vocabulary.errors import LinkError

INBOX_BYTES: Final = 128 * 1024 * 1024
RECONNECT_WAIT_S: Final = 0.1
PING_INTERVAL_S: Final = 5
CLOSE_TIMEOUT_S: Final = 1.0
TOGETHER_MAX: Final = 512
TOGETHER_BYTES: Final = 256 * 1024
"""Messages, and about how many bytes of them, that are written to the socket at once."""
HEADS_MAX: Final = 200_000
"""Topics whose subject is remembered: checked and turned once, not with every message."""

_log = structlog.get_logger(__name__)


def subject_of(pattern: str) -> str:
    """Turn a topic or pattern of MQTT form into a NATS subject."""
    levels = ("*" if level == "+" else level for level in pattern.split("/"))
    return ".".join(">" if level == "#" else level for level in levels)


def topic_of(subject: str) -> str:
    """Turn a NATS subject into a topic of MQTT form."""
    return subject.replace(".", "/")


class _PlainClient(Client):
    """A client that does not read headers: the server marks every MQTT message with one.

    Reading it costs as much as all else a message costs here. If nats-py renames the method, they
    are read again, and nothing else changes.
    """

    async def _process_headers(self, _headers: bytes) -> None:
        return None

    async def write_frames(self, frames: bytes) -> None:
        """Write messages that are already framed: what ``publish`` does, for many at once."""
        await self._send_command(frames)
        if self._flush_queue is not None and self._flush_queue.empty():
            await self._flush_pending()


class NatsBus:
    """A :class:`~cloud_coordinator.gateway.bus.Bus` on one NATS server.

    Made by :func:`connect_nats`.
    """

    def __init__(self) -> None:
        self.statistics = BusStatistics()
        self._client = _PlainClient()
        self._outbox: deque[bytes] = deque()
        self._heads: dict[str, bytes] = {}
        self._wake = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._closing = False
        self._cause = "no answer"

    async def open(self, host: str, port: int, *, user: str, password: str) -> None:
        """Connect once; afterwards the client reconnects by itself for ever.

        Parameters
        ----------
        host, port : str, int
            The server's native listener.
        user, password : str
            A user, or a token as ``user`` with an empty ``password``; both may be empty.

        Raises
        ------
        LinkError
            If the server is not reached within CONNECT_TIMEOUT_S or refuses us.
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._client.connect(
                    servers=f"nats://{host}:{port}",
                    name="vpp-coordinator",
                    connect_timeout=CONNECT_TIMEOUT_S,
                    reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]
                    max_reconnect_attempts=-1,
                    ping_interval=PING_INTERVAL_S,
                    max_outstanding_pings=2,
                    error_cb=self._on_error,
                    disconnected_cb=self._on_disconnected,
                    reconnected_cb=self._on_reconnected,
                    skip_subject_validation=True,
                    user=user if password else None,
                    password=password or None,
                    token=user if user and not password else None,
                )
        except (TimeoutError, OSError, nats.errors.Error) as error:
            with contextlib.suppress(nats.errors.Error, OSError):
                await self._client.close()
            message = f"nats://{host}:{port}: {self._cause}"
            raise LinkError(message) from error
        self.statistics.connected = True
        self._sender = asyncio.create_task(self._send(), name="nats-bus-sender")

    def publish(self, topic: str, payload: bytes) -> bool:
        """Hand a message to the bus without waiting; False if it was dropped."""
        return self.publish_many(((topic, payload),)) == 1

    def publish_many(self, messages: Sequence[tuple[str, bytes]]) -> int:
        """Hand over many messages, (topic, payload), at once; how many were not dropped."""
        room = OUTBOX_LIMIT - len(self._outbox) if self._client.is_connected else 0
        heads, longest = self._heads, self._client.max_payload
        frames = [
            b"%b%d\r\n%b\r\n" % (heads.get(topic) or self._head(topic), len(payload), payload)
            for topic, payload in messages[:room]
            if len(payload) <= longest or self._too_long(topic, len(payload))
        ]
        self.statistics.dropped_out += len(messages) - len(frames)
        if frames:
            self._outbox.extend(frames)
            self._wake.set()
        return len(frames)

    def _head(self, topic: str) -> bytes:
        """How a message on a topic begins on the wire."""
        head = f"PUB {subject_of(check_topic(topic))} ".encode()
        if len(self._heads) >= HEADS_MAX:
            self._heads.clear()
        self._heads[topic] = head
        return head

    def _too_long(self, topic: str, length: int) -> bool:
        """Say that the server would close the connection on a message; never is it sent."""
        limit = self._client.max_payload
        _log.warning("bus.send_failed", subject=topic, error=f"{length} bytes, at most {limit}")
        return False

    async def subscribe(self, pattern: str, callback: MessageCallback) -> None:
        """Call ``callback`` for each message that matches; in force when this returns."""
        statistics = self.statistics

        async def handle(message: Msg) -> None:
            statistics.received += 1
            callback(message.subject.replace(".", "/"), message.data)

        try:
            await self._client.subscribe(
                subject_of(check_pattern(pattern)),
                cb=handle,
                pending_msgs_limit=INBOX_LIMIT,
                pending_bytes_limit=INBOX_BYTES,
            )
            await self._confirm()
        except (TimeoutError, OSError, nats.errors.Error) as error:
            message = f"subscription {pattern!r} was not confirmed: {error}"
            raise LinkError(message) from error

    async def _confirm(self) -> None:
        """Wait until the server has read all that was handed to the client.

        A message to ourselves, which goes the way of all else: the ping of ``flush()`` is written
        past the client's buffer and overtakes the subscription it should confirm.
        """
        subject = self._client.new_inbox()
        arrived: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        echo = await self._client.subscribe(subject, future=arrived, max_msgs=1)
        try:
            await self._client.publish(subject, b"")
            await asyncio.wait_for(arrived, CONNECT_TIMEOUT_S)
        finally:
            await echo.unsubscribe()

    async def close(self) -> None:
        """Send what waits, within a second, and disconnect."""
        self._closing = True
        self._wake.set()
        if self._sender is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._sender, CLOSE_TIMEOUT_S)
        with contextlib.suppress(TimeoutError, OSError, nats.errors.Error):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._client.close()
        self.statistics.connected = False

    async def _send(self) -> None:
        """Move messages from the outbox to the socket, as many at once as wait."""
        while not (self._closing and not self._outbox):
            await self._wake.wait()
            self._wake.clear()
            while self._outbox:
                await self._send_some()
                await asyncio.sleep(0)

    async def _send_some(self) -> None:
        frames: list[bytes] = []
        size = 0
        while self._outbox and len(frames) < TOGETHER_MAX and size < TOGETHER_BYTES:
            frames.append(self._outbox.popleft())
            size += len(frames[-1])
        if not self._client.is_connected:
            self.statistics.dropped_out += len(frames)
            return
        try:
            await self._client.write_frames(b"".join(frames))
        except (OSError, nats.errors.Error) as error:
            self.statistics.dropped_out += len(frames)
            _log.warning("bus.send_failed", messages=len(frames), error=str(error))
        else:
            self.statistics.sent += len(frames)

    async def _on_error(self, error: Exception) -> None:
        """Receive everything nats-py would otherwise keep to itself."""
        if isinstance(error, nats.errors.SlowConsumerError):
            self.statistics.dropped_in += 1
            if self.statistics.dropped_in == 1:
                _log.warning("bus.consumer_slow", subject=error.subject)
        elif isinstance(error, nats.errors.Error | OSError):
            self._cause = str(error) or type(error).__name__
            if self.statistics.connected:
                _log.info("bus.connection_failed", error=self._cause)
        else:
            self.statistics.failed_callbacks += 1
            _log.error("bus.callback_failed", error=repr(error), place=failure_place(error))

    async def _on_disconnected(self) -> None:
        if self.statistics.connected and not self._closing:
            _log.warning("bus.lost")
        self.statistics.connected = False
        self.statistics.dropped_out += len(self._outbox)
        self._outbox.clear()

    async def _on_reconnected(self) -> None:
        self.statistics.connected = True
        self.statistics.reconnects += 1
        _log.info("bus.back", reconnects=self.statistics.reconnects)


async def connect_nats(host: str, port: int, *, user: str = "", password: str = "") -> NatsBus:
    """Connect to a NATS server's native listener.

    Raises
    ------
    LinkError
        If it is not reached within CONNECT_TIMEOUT_S.
    """
    bus = NatsBus()
    await bus.open(host, port, user=user, password=password)
    return bus
