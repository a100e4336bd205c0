"""The gateway's link: a connection, a session, and the journal they send from.

The shell around :class:`protocols.link.edge_session.EdgeSession`. It tells the session what
happened, carries out its orders in order, and puts what the cycle must know into the inbox.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import structlog

from edge_agent.link.connection import Connection
from edge_agent.link.inbox import Inbox
from edge_agent.link.seals import LinkSeals
from edge_agent.link.sparing import Sparing
from protocols.identity.signing import SealRefusal
from protocols.link.edge_session import EdgeSession
from protocols.link.messages import (
    Acknowledgement,
    Command,
    Hello,
    Lane,
    LinkState,
    Message,
    ObligationMessage,
    SignalMessage,
    Snapshot,
    Stream,
)
from protocols.link.orders import (
    ApplySnapshot,
    Durable,
    Liveness,
    LivenessChanged,
    Order,
    SendEvents,
    SendHello,
    SendTelemetry,
    StaleCoordinator,
)
from protocols.link.topics import TopicKind, Topics, parse_topic
from protocols.link.wire import decode, encode
from protocols.sansio.deadlines import wait_ns
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.intervals import Clock

ORDERS_MAX: Final = 2_000
NS_PER_S: Final = 1_000_000_000
IDLE_NS: Final = NS_PER_S
LEAST_WAIT_NS: Final = 20_000_000
TOPIC_CHARACTERS: Final = 128
CAUSE_CHARACTERS: Final = 200

log = structlog.get_logger()

_LANE_TOPIC = {Lane.LIVE: TopicKind.TELEMETRY, Lane.BACKFILL: TopicKind.BACKFILL}
_STREAM_TOPIC = {Stream.EVENT: TopicKind.EVENT, Stream.OFFER: TopicKind.OFFER}


class Uplink(Protocol):
    """Makes messages from what is journaled."""

    def hello(self) -> Hello:
        """Say what the journal and the cycle hold now."""

    def telemetry(self, first: int, last: int) -> list[Message]:
        """Rows ``first..last`` in as few messages as their layouts allow."""

    def entries(self, stream: Stream, first: int, last: int) -> list[Message]:
        """Entries ``first..last`` of EVENT or OFFER, one message each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkHealth:
    """How the link is, for the mode table and people.

    Attributes
    ----------
    liveness : Liveness
        By the silence of acknowledgements.
    heard_ns : int or None
        Monotonic time of the last acknowledgement or snapshot; None if never.
    connected : bool
        Whether the broker is reached.
    malformed : int
        Messages that could not be read since the start.
    """

    liveness: Liveness
    heard_ns: int | None
    connected: bool
    malformed: int


class SiteLink:
    """The link of one site.

    Parameters
    ----------
    connection : Connection
        Moves the bytes.
    session : EdgeSession
        Says what to send.
    uplink : Uplink
        Makes the messages.
    inbox : Inbox
        Takes what the cycle must know.
    topics, clock
        Names and time.
    seals : LinkSeals or None
        Signatures demanded and made; None on a test's plain link.
    """

    def __init__(  # noqa: PLR0913  wiring: each is one collaborator
        self,
        *,
        connection: Connection,
        session: EdgeSession,
        uplink: Uplink,
        inbox: Inbox,
        topics: Topics,
        clock: Clock,
        seals: LinkSeals | None = None,
    ) -> None:
        self._seals = seals
        self._connection = connection
        self._session = session
        self._uplink = uplink
        self._inbox = inbox
        self._topics = topics
        self._clock = clock
        self._orders: asyncio.Queue[Order | LinkState] = asyncio.Queue(maxsize=ORDERS_MAX)
        self._wake = asyncio.Event()
        self._heard_ns: int | None = None
        self._malformed = 0
        self._refusals = Sparing()
        self._stale = Sparing()
        self._forged = {one: Sparing() for one in SealRefusal}
        self._seals_refused = 0
        self._durable: dict[Stream, int] = {}

    @property
    def health(self) -> LinkHealth:
        """How the link is now."""
        return LinkHealth(
            liveness=self._session.liveness,
            heard_ns=self._heard_ns,
            connected=self._connection.connected,
            malformed=self._malformed,
        )

    def take_durable(self) -> dict[Stream, int]:
        """Durable acknowledgements since the last call, to be persisted by the cycle."""
        durable, self._durable = self._durable, {}
        return durable

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._connection.run(self))
            tasks.create_task(self._send_orders())
            tasks.create_task(self._keep_deadlines())

    def reconnect(self) -> None:
        """Give up the present connection for a new one, which reads the certificate anew."""
        self._connection.drop()

    def journaled(self, last: dict[Stream, int]) -> None:
        """Take note of a commit; the newest row goes out at once."""
        now_ns = self._clock.monotonic_ns()
        for stream, sequence in last.items():
            self._carry_out(self._session.journaled(stream, sequence, now_ns))

    def trimmed(self, stream: Stream, through: int) -> None:
        """Take note that entries are no longer in the journal."""
        self._session.trimmed(stream, through)

    def link_up(self) -> None:
        """Greet on a new connection."""
        self._queue(LinkState(online=True))
        self._carry_out(self._session.connected(self._clock.monotonic_ns()))

    def link_down(self) -> None:
        """Stop; liveness goes by silence."""
        self._carry_out(self._session.disconnected(self._clock.monotonic_ns()))

    def link_message(self, topic: str, payload: bytes) -> None:
        """Read one message; what cannot be read is counted and dropped."""
        now_ns = self._clock.monotonic_ns()
        try:
            message = self._read(topic, payload)
            orders = self._session.receive(message, now_ns)
        except RemoteProtocolError as wrong:
            self._malformed += 1
            if self._refusals.due(now_ns):
                log.warning(
                    "link.refused",
                    topic=topic[:TOPIC_CHARACTERS],
                    bytes=len(payload),
                    cause=str(wrong)[:CAUSE_CHARACTERS],
                    malformed=self._malformed,
                )
            return
        self._take(message, self._clock.now())
        self._carry_out(orders)

    def _read(self, topic: str, payload: bytes) -> Message:
        """Read a message and judge its seal, before anything acts on it."""
        address = parse_topic(topic)
        message = decode(address.kind, payload)
        if self._seals is None:
            return message
        believed = self._seals.believed(address, payload, message, moment=self._clock.now())
        if isinstance(believed, SealRefusal):
            self._note_refused(believed)
            raise RemoteProtocolError(f"seal: {believed.value}")
        return believed

    def _note_refused(self, refusal: SealRefusal) -> None:
        """Have a seal that does not hold recorded; one that is only late is the line's doing."""
        if refusal is SealRefusal.EXPIRED:
            return
        self._seals_refused += 1
        if self._forged[refusal].due(self._clock.monotonic_ns()):
            self._inbox.put_refused(refusal.value, self._seals_refused)

    def _take(self, message: Message, now: datetime) -> None:
        if isinstance(message, SignalMessage):
            self._inbox.put_signal(message, now)
        elif isinstance(message, ObligationMessage | Command):
            self._inbox.put(message, now)
        elif isinstance(message, Acknowledgement | Snapshot):
            self._heard_ns = self._clock.monotonic_ns()

    def _carry_out(self, orders: list[Order]) -> None:
        for order in orders:
            if isinstance(order, Durable):
                self._durable[order.stream] = order.sequence
            elif isinstance(order, ApplySnapshot):
                self._inbox.put(order.snapshot, self._clock.now())
            elif isinstance(order, LivenessChanged):
                self._liveness_changed(order.liveness)
            elif isinstance(order, StaleCoordinator):
                if self._stale.due(self._clock.monotonic_ns()):
                    log.warning(
                        "link.stale_coordinator", epoch=order.epoch, epoch_known=order.epoch_known
                    )
            else:
                self._queue(order)
        if orders:
            self._wake.set()

    def _liveness_changed(self, liveness: Liveness) -> None:
        if liveness is Liveness.GOOD:
            log.info("link.live")
            return
        log.warning("link.silent", liveness=liveness.value)
        if liveness is Liveness.LOST:
            # A half-open connection looks connected for ever; a new one costs little.
            self._connection.drop()

    def _queue(self, order: Order | LinkState) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            # What is dropped here was not acknowledged and is ordered again.
            self._orders.put_nowait(order)

    async def _send_orders(self) -> None:
        while True:
            order = await self._orders.get()
            if self._connection.connected:
                await self._send(order)

    async def _send(self, order: Order | LinkState) -> None:
        if isinstance(order, LinkState):
            await self._publish(TopicKind.STATE, [order])
        elif isinstance(order, SendHello):
            log.info("link.greeting", reason=order.reason.value)
            await self._publish(TopicKind.HELLO, [self._uplink.hello()])
        elif isinstance(order, SendTelemetry):
            messages = self._uplink.telemetry(order.first, order.last)
            await self._publish(_LANE_TOPIC[order.lane], messages)
        elif isinstance(order, SendEvents):
            messages = self._uplink.entries(order.stream, order.first, order.last)
            await self._publish(_STREAM_TOPIC[order.stream], messages)

    async def _publish(self, kind: TopicKind, messages: list[Message]) -> None:
        topic = self._topics.topic(kind)
        for message in messages:
            data = encode(message)
            if self._seals is not None:
                data = self._seals.sealed(kind, message, data)
            if not await self._connection.publish(topic, data):
                return

    async def _keep_deadlines(self) -> None:
        while True:
            sleep_ns = wait_ns(self._session, self._clock.monotonic_ns(), most_ns=IDLE_NS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(sleep_ns, LEAST_WAIT_NS) / NS_PER_S)
            self._wake.clear()
            self._carry_out(self._session.on_deadline(self._clock.monotonic_ns()))
