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

from edge_agent.drivers.frames import NO_TAP, Direction, FrameTap
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
    """How conversations go.

    Attributes
    ----------
    timeout_s : float
        How long an attempt waits, s, > 0.
    first_tid : int
        Where transaction numbers begin, 1..65535.
    tap : FrameTap
        Sees every datagram.
    """

    timeout_s: float
    first_tid: int
    tap: FrameTap = NO_TAP


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a device may be spoken with.

    Attributes
    ----------
    timeout_s : float or None
        How long an attempt waits, s; None: as the site says.
    pacing_s : float
        Least pause after an answer before the next frame to the same node, s, >= 0.
    """

    timeout_s: float | None = None
    pacing_s: float = 0.0


USUAL: Final = Pace()


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
        self._tap = settings.tap
        self._timeout_ns = round(settings.timeout_s * _NS_PER_S)
        self._requester = Requester(CONTROLLER, first_tid=settings.first_tid)
        self._free_ns: dict[str, int] = {}
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

    async def get(self, peer: Peer, epcs: Sequence[int], *, pace: Pace = USUAL) -> Reply:
        """Get several properties in one frame, repeated once.

        Parameters
        ----------
        peer : Peer
            Whose.
        epcs : sequence of int
            Which.
        pace : Pace
            How long each attempt waits, and how long the node rests before.

        Raises
        ------
        DeviceTimeoutError
            If no attempt was answered in time.
        """
        return await self._ask(get(peer, epcs, timeout_ns=self._waits_ns(pace)), pace)

    async def set_c(
        self, peer: Peer, properties: Sequence[Property], *, pace: Pace = USUAL
    ) -> Reply:
        """Set with an answer, never repeated; parameters as for :meth:`get`.

        Raises
        ------
        DeviceTimeoutError
            If it was not answered in time; it may have been done all the same.
        """
        return await self._ask(set_c(peer, properties, timeout_ns=self._waits_ns(pace)), pace)

    async def discover(self, window_s: float) -> list[Discovered]:
        """Ask the group for instance lists and collect the answers of a window."""
        self._found = []
        now_ns = self._clock.monotonic_ns()
        self._requester.discover(now_ns, window_ns=round(window_s * _NS_PER_S))
        self._flush()
        await asyncio.sleep(window_s)
        found, self._found = self._found, []
        return found

    def _waits_ns(self, pace: Pace) -> int:
        return self._timeout_ns if pace.timeout_s is None else round(pace.timeout_s * _NS_PER_S)

    async def _ask(self, request: Request, pace: Pace) -> Reply:
        """Let the node rest as long as it must, and ask."""
        address = request.peer.address
        wait_ns = self._free_ns.get(address, 0) - self._clock.monotonic_ns()
        if wait_ns > 0:
            await asyncio.sleep(wait_ns / _NS_PER_S)
        try:
            return await self._ask_now(request)
        finally:
            if pace.pacing_s > 0.0:
                pacing_ns = round(pace.pacing_s * _NS_PER_S)
                self._free_ns[address] = self._clock.monotonic_ns() + pacing_ns

    async def _ask_now(self, request: Request) -> Reply:
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
        self._tap(Direction.RECEIVED, address, data)
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
        self._send(encode_frame(answer.frame), None if answer.multicast else address)

    def _send(self, data: bytes, address: str | None) -> None:
        """Send to a node, or to the group (None)."""
        self._tap(Direction.SENT, address or "group", data)
        if address is None:
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
            self._send(datagram.data, datagram.address)
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
