"""Requests and answers over one endpoint: the shell around ``requester`` and ``node``.

Everything that comes in passes here once. A datagram that is no frame is counted and dropped
(this is the border where :class:`RemoteProtocolError` ends), a request is answered by the
gateway's own node, an answer wakes whoever waits for it, a notification goes to the driver.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edge_agent.drivers.port import DatagramEndpoint
from protocols.echonet_lite.frame import CONTROLLER, Property, decode_frame, encode_frame
from protocols.echonet_lite.node import Answer, LocalNode
from protocols.echonet_lite.requester import (
    Answered,
    Discovered,
    Event,
    Notified,
    Peer,
    Request,
    Requester,
    TimedOut,
    get,
    set_c,
)
from protocols.sansio.deadlines import wait_ns
from protocols.vocabulary.errors import DeviceTimeoutError, RemoteProtocolError
from protocols.vocabulary.intervals import Clock

_NS_PER_S: Final = 1_000_000_000
_LONGEST_NS: Final = 60 * _NS_PER_S


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and when it arrived, aware UTC."""

    answered: Answered
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSettings:
    """How long an attempt waits (s, > 0), and where transaction numbers begin (1..65535)."""

    timeout_s: float
    first_tid: int


class Exchange:
    """One controller's conversations.

    Parameters
    ----------
    endpoint : DatagramEndpoint
        Moves the bytes.
    node : LocalNode
        Answers what others ask of the gateway.
    clock : Clock
        Time of receipt and of deadlines.
    settings : ExchangeSettings
        Time-out and first transaction.

    Attributes
    ----------
    garbage : int
        Datagrams dropped because they are no frame.
    unmatched : int
        Late, duplicate or stray answers dropped.
    """

    def __init__(
        self,
        endpoint: DatagramEndpoint,
        node: LocalNode,
        *,
        clock: Clock,
        settings: ExchangeSettings,
    ) -> None:
        self._endpoint = endpoint
        self._node = node
        self._clock = clock
        self._timeout_ns = round(settings.timeout_s * _NS_PER_S)
        self._requester = Requester(CONTROLLER, first_tid=settings.first_tid)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._found: list[Discovered] = []
        self._notify: Callable[[Notified], None] = lambda _notified: None
        self._timer: asyncio.TimerHandle | None = None
        self.garbage = 0
        self.unmatched = 0

    def start(self, notify: Callable[[Notified], None]) -> None:
        """Begin to listen, and announce the gateway's node to the group (INF D5)."""
        self._notify = notify
        self._endpoint.listen(self._receive)
        self._answer(self._node.announcement(), "")

    def close(self) -> None:
        """Give up everything that still waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for future in self._waiting.values():
            future.cancel()
        self._waiting.clear()

    async def get(self, peer: Peer, epcs: Sequence[int]) -> Reply:
        """Get several properties in one frame, repeated once.

        Raises
        ------
        DeviceTimeoutError
            If no attempt was answered in time.
        """
        return await self._ask(get(peer, epcs, timeout_ns=self._timeout_ns))

    async def set_c(self, peer: Peer, properties: Sequence[Property]) -> Reply:
        """Set with an answer, never repeated.

        Raises
        ------
        DeviceTimeoutError
            If it was not answered in time; it may have been done all the same.
        """
        return await self._ask(set_c(peer, properties, timeout_ns=self._timeout_ns))

    async def discover(self, window_s: float) -> list[Discovered]:
        """Ask the group for instance lists and collect the answers of a window."""
        self._found = []
        now_ns = self._clock.monotonic_ns()
        self._requester.discover(now_ns, window_ns=round(window_s * _NS_PER_S))
        self._flush()
        await asyncio.sleep(window_s)
        found, self._found = self._found, []
        return found

    async def _ask(self, request: Request) -> Reply:
        now_ns = self._clock.monotonic_ns()
        request_id = self._requester.submit(request, now_ns)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future
        self._flush()
        try:
            return await future
        finally:
            if self._waiting.pop(request_id, None) is not None:
                self._requester.cancel(request_id, self._clock.monotonic_ns())
                self._flush()

    def _receive(self, data: bytes, address: str) -> None:
        try:
            frame = decode_frame(data)
        except RemoteProtocolError:
            self.garbage += 1
            return
        for answer in self._node.respond(frame):
            self._answer(answer, address)
        now_ns = self._clock.monotonic_ns()
        self._handle(self._requester.receive(address, frame, now_ns))

    def _answer(self, answer: Answer, address: str) -> None:
        data = encode_frame(answer.frame)
        if answer.multicast:
            self._endpoint.multicast(data)
        else:
            self._endpoint.send(data, address)

    def _handle(self, events: list[Event]) -> None:
        received_at = self._clock.now()
        for event in events:
            if isinstance(event, Answered):
                future = self._waiting.pop(event.request_id, None)
                if future is not None and not future.done():
                    future.set_result(Reply(event, received_at))
            elif isinstance(event, TimedOut):
                self._fail(event)
            elif isinstance(event, Notified):
                self._notify(event)
            elif isinstance(event, Discovered):
                self._found.append(event)
            else:
                self.unmatched += 1
        self._flush()

    def _fail(self, event: TimedOut) -> None:
        future = self._waiting.pop(event.request_id, None)
        if future is not None and not future.done():
            peer = event.request.peer
            message = f"{peer.eoj} at {peer.address}: no answer to {event.request.esv.name}"
            future.set_exception(DeviceTimeoutError(message))

    def _flush(self) -> None:
        """Send what is due and set the timer for the next deadline."""
        for datagram in self._requester.take_datagrams():
            if datagram.address is None:
                self._endpoint.multicast(datagram.data)
            else:
                self._endpoint.send(datagram.data, datagram.address)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._requester.next_deadline_ns() is not None:
            sleep_ns = wait_ns(self._requester, self._clock.monotonic_ns(), most_ns=_LONGEST_NS)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(sleep_ns / _NS_PER_S, self._on_deadline)

    def _on_deadline(self) -> None:
        self._timer = None
        self._handle(self._requester.on_deadline(self._clock.monotonic_ns()))
