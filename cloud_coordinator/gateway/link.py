"""The coordinator's shell around :mod:`protocols.link`: sessions on one side, a bus on the other.

What the bus hands in waits for the next turn, twenty a second. Live rows are then taken by the
block (:mod:`cloud_coordinator.gateway.live_rows`), all else message by message, with one commit
for all that a turn stores and within a share of the time, so that a fleet that greets at once
does not stop the ticks. History goes to the telemetry store's buffer, live rows to the use cases,
answers to the site. A flush runs in a worker thread; what it made durable is acknowledged,
nothing else. Nothing a site sends can raise out of here. Made by main.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import structlog

from cloud_coordinator.gateway.bus import Bus
from cloud_coordinator.gateway.downward import Downward
from cloud_coordinator.gateway.link_ports import LinkPorts, LinkStatistics, Taker
from cloud_coordinator.gateway.live_rows import TOGETHER_MAX, LiveMessage, LiveRows
from cloud_coordinator.gateway.refusals import Refusals
from cloud_coordinator.gateway.sessions import (
    JournalKey,
    Progress,
    Sessions,
)
from protocols.link.messages import Event, Hello, Lane, Message, Offer, Stream, Telemetry
from protocols.link.site_session import SiteSession, Verdict
from protocols.link.topics import Address, TopicKind, Topics, parse_topic, uplink_filter
from protocols.link.wire import decode, encode
from protocols.vocabulary.errors import (
    RemoteProtocolError,
    StoreError,
    UnsupportedVersionError,
)
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Clock

TICK_S: Final = 0.05
TURN_S: Final = 0.03
"""Time that messages which are not live rows, and answers, get in a turn, each."""
HELLO_S: Final = 0.02
"""Time that hellos get in a turn."""
READ_PART: Final = 0.5
"""A turn that took long leaves at least this part of its length to the reader of the bus."""
WAITING_MAX: Final = 65_536
"""Messages that may wait for a turn; further ones are dropped, counted and sent again by their
sites. Of a site's hellos only the latest waits."""
ADDRESSES_MAX: Final = 200_000
_ANSWERS_TOGETHER: Final = 64
SHARE_EVERY_NS: Final = 1_000_000_000

_log = structlog.get_logger(__name__)


class LinkGateway:
    """All sites' links.

    Parameters
    ----------
    bus : Bus
        Connected.
    ports : LinkPorts
        Stores.
    epoch : int
        Epoch of the lease of our partitions: higher than in any run before.
    clock : Clock
        The only clock.
    cpu_ns : callable
        Processor time of the thread, for the statistics.

    Attributes
    ----------
    downlink : Downward
        The services' way down.
    statistics : LinkStatistics
        For the operator.
    refusals : Refusals
        What was not taken.
    """

    def __init__(
        self,
        bus: Bus,
        ports: LinkPorts,
        *,
        epoch: int,
        clock: Clock,
        cpu_ns: Callable[[], int] = int,
    ) -> None:
        self._cpu_ns = cpu_ns
        self._bus = bus
        self._ports = ports
        self._clock = clock
        self._taker: Taker | None = None
        self._taken: dict[JournalKey, dict[Stream, int]] = {}
        self._shared_ns = 0
        self._sessions = Sessions(
            Progress(telemetry=ports.telemetry, entries=ports.entries), epoch=epoch
        )
        self._live = LiveRows(self._sessions, ports.telemetry)
        self._addresses: dict[str, Address] = {}
        self._answer_topics: dict[SiteId, str] = {}
        self._rows: deque[LiveMessage] = deque()
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._hellos: dict[str, bytes] = {}
        self.downlink = Downward(bus, self._sessions, clock=clock, epoch=epoch)
        self.refusals = Refusals(ports.events, clock, epoch=epoch)
        self.statistics = LinkStatistics()

    async def start(self, taker: Taker) -> None:
        """Listen to all sites.

        Parameters
        ----------
        taker : Taker
            The services' intake; it may have used :attr:`downlink` before.

        Raises
        ------
        LinkError
            If the broker does not confirm the subscription.
        """
        self._taker = taker
        await self._bus.subscribe(uplink_filter(), self.accept)

    async def run(self, *, flush_s: float = 5.0) -> None:
        """Acknowledge, re-send and flush until cancelled.

        Parameters
        ----------
        flush_s : float
            Seconds between flushes: how much a kill makes the sites send again.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tick_forever(), name="link-tick")
            group.create_task(self._flush_forever(flush_s), name="link-flush")

    def accept(self, topic: str, payload: bytes) -> None:
        """Keep one message of the bus for the next turn."""
        self.statistics.messages += 1
        try:
            address = self._address(topic)
        except RemoteProtocolError as error:
            self.refusals.refused(None, "link.topic_refused", str(error))
            return
        if len(self._rows) + len(self._hellos) + len(self._waiting) >= WAITING_MAX:
            self.statistics.dropped += 1
        elif address.kind is TopicKind.TELEMETRY and address.site_id is not None:
            self._rows.append((topic, address.site_id, payload))
        elif address.kind is TopicKind.HELLO:
            self._hellos[topic] = payload
        else:
            self._waiting.append((topic, payload))

    def receive(self, topic: str, payload: bytes) -> None:
        """Take one message now, the long way; nothing a site sends raises."""
        try:
            address = self._address(topic)
        except RemoteProtocolError as error:
            self.refusals.refused(None, "link.topic_refused", str(error))
            return
        site_id = address.site_id
        if site_id is None or self._taker is None:
            return
        try:
            self._take(site_id, address.kind, decode(address.kind, payload))
        except UnsupportedVersionError as error:
            self.refusals.refused(site_id, "link.version_refused", str(error))
        except RemoteProtocolError as error:
            self.refusals.refused(site_id, "link.message_refused", str(error))
        except StoreError as error:
            self.refusals.refused(site_id, "store.failed", str(error))
            self._begin_again(site_id)

    def tick(self) -> None:
        """Take what waits, and send what is due: acknowledgements, obligations, commands.

        Rows and answers come first: a site that misses its acknowledgements greets again, and a
        fleet that greets again is what slows us most.
        """
        self._take_rows()
        self._save_entries()
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._shared_ns >= SHARE_EVERY_NS:
            self._shared_ns = now_ns
            self._sessions.share_backfill()
        self._answer_due(now_ns)
        self._take_waiting()

    def _answer_due(self, now_ns: int) -> None:
        self.downlink.begin_turn()
        until_ns = now_ns + round(TURN_S * 1e9)
        while sessions := self._sessions.due(now_ns, _ANSWERS_TOGETHER):
            for session in sessions:
                self._answer(session, now_ns)
            if self._clock.monotonic_ns() >= until_ns:
                break

    async def flush(self) -> None:
        """Make what was taken durable, so that the next acknowledgement says so.

        If it is cancelled it ends with its thread: nobody may open the store before.
        """
        writing = asyncio.ensure_future(asyncio.to_thread(self._ports.telemetry.flush))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait([writing])
            raise
        except StoreError as error:
            self.refusals.notice(None, "store.failed", str(error))
            _log.error("history.unflushed", cause=str(error))
            return
        self.statistics.flushes += 1
        self._sessions.stored()

    def _address(self, topic: str) -> Address:
        """Address of a topic; those of sites that speak often are remembered."""
        address = self._addresses.get(topic)
        if address is None:
            address = parse_topic(topic)
            if len(self._addresses) >= ADDRESSES_MAX:
                self._addresses.clear()
            self._addresses[topic] = address
        return address

    def _take_rows(self) -> None:
        """Take the live rows that wait, by the block; what is no such row goes the long way."""
        rows, taker, statistics = self._rows, self._taker, self.statistics
        assert taker is not None or not rows, "start() comes first"
        cpu_ns, wall_ns = self._cpu_ns(), self._clock.monotonic_ns()
        while rows and taker is not None:
            some = [rows.popleft() for _ in range(min(len(rows), TOGETHER_MAX))]
            if self._ports.telemetry.full:
                statistics.held_off += len(some)
                continue
            taken, rest = self._live.take(some, taker, self._clock.monotonic_ns())
            statistics.taken += taken.history
            statistics.ahead += taken.ahead
            statistics.blocks += taken.history + taken.ahead
            for topic, _, payload in rest:
                self.receive(topic, payload)
        statistics.rows_cpu_ns += self._cpu_ns() - cpu_ns
        statistics.rows_wall_ns += self._clock.monotonic_ns() - wall_ns

    def _take_waiting(self) -> None:
        """Take other messages for a while, with one commit for all they store."""
        if not self._waiting and not self._hellos:
            return
        sites: set[SiteId] = set()
        try:
            with self._ports.batching.together():
                self._take_some(self._next_waiting, sites, for_s=TURN_S)
                self._take_some(self._next_hello, sites, for_s=HELLO_S)
        except StoreError as error:
            self.refusals.notice(None, "store.failed", str(error))
            for site_id in sites:
                self._begin_again(site_id)
        if self._taker is not None:
            self._taker.settle()

    def _take_some(
        self,
        next_one: Callable[[], tuple[str, bytes] | None],
        sites: set[SiteId],
        *,
        for_s: float,
    ) -> None:
        """Take messages of one sort for a while; note whose they were."""
        until_ns = self._clock.monotonic_ns() + round(for_s * 1e9)
        while self._clock.monotonic_ns() < until_ns and (some := next_one()) is not None:
            topic, payload = some
            sites |= {site for site in (self._address(topic).site_id,) if site}
            self.receive(topic, payload)

    def _next_waiting(self) -> tuple[str, bytes] | None:
        return self._waiting.popleft() if self._waiting else None

    def _next_hello(self) -> tuple[str, bytes] | None:
        if not self._hellos:
            return None
        topic = next(iter(self._hellos))
        return topic, self._hellos.pop(topic)

    def _take(self, site_id: SiteId, kind: TopicKind, message: Message) -> None:
        if isinstance(message, Telemetry):
            lane = Lane.LIVE if kind is TopicKind.TELEMETRY else Lane.BACKFILL
            self._telemetry(site_id, message, lane)
        elif isinstance(message, Event | Offer):
            self._entry(site_id, message)
        elif isinstance(message, Hello):
            self._hello(site_id, message)

    def _telemetry(self, site_id: SiteId, message: Telemetry, lane: Lane) -> None:
        assert self._taker is not None, "start() comes first"
        telemetry, statistics = self._ports.telemetry, self.statistics
        if telemetry.full:
            statistics.held_off += 1
            return
        session = self._sessions.for_journal(site_id, message.journal_id)
        now_ns = self._clock.monotonic_ns()
        accepted = session.telemetry(message, lane, now_ns)
        statistics.duplicates += accepted.duplicates
        statistics.ahead += accepted.ahead
        if accepted.history is not None:
            rows = _rows(message, accepted.history)
            statistics.taken += len(rows.times_s)
            telemetry.append(site_id, rows)
        if accepted.live:
            self._taker.live(site_id, message)
        self._sessions.touch(session, now_ns)

    def _entry(self, site_id: SiteId, message: Event | Offer) -> None:
        assert self._taker is not None, "start() comes first"
        if isinstance(message, Offer) and message.curve.site_id != site_id:
            text = f"offer of {message.curve.site_id} on the topic of {site_id}"
            raise RemoteProtocolError(text)
        session = self._sessions.for_journal(site_id, message.journal_id)
        now_ns = self._clock.monotonic_ns()
        if session.entry(message, now_ns) is Verdict.TAKEN:
            streams = self._taken.setdefault((site_id, message.journal_id), {})
            if isinstance(message, Event):
                self._taker.event(site_id, message)
                streams[Stream.EVENT] = message.sequence
                session.downlink.receipted(message)
            else:
                self._taker.offer(message)
                streams[Stream.OFFER] = message.sequence
        self._sessions.touch(session, now_ns)

    def _hello(self, site_id: SiteId, hello: Hello) -> None:
        assert self._taker is not None, "start() comes first"
        session = self._sessions.for_journal(site_id, hello.journal_id)
        now_ns = self._clock.monotonic_ns()
        for gap in session.hello(hello, now_ns):
            text = f"journal {gap.journal_id} no longer has {gap.stream.value} "
            self.refusals.notice(site_id, "journal.trimmed", f"{text}{gap.first}..{gap.last}")
        self._taker.hello(hello)
        for commitment in self._taker.commitments_of(site_id):
            obligation = commitment.obligation
            if hello.obligations.get(obligation.obligation_id, 0) < obligation.version:
                self.downlink.send_commitment(commitment)
        snapshot = session.snapshot(hello.journal_id, self._taker.signal_of(hello.zone), now_ns)
        self._bus.publish(Topics(site_id).topic(TopicKind.SNAPSHOT), encode(snapshot))
        self._sessions.touch(session, now_ns)

    def _answer(self, session: SiteSession, now_ns: int) -> None:
        topic = self._answer_topics.get(session.site_id)
        if topic is None:
            topic = Topics(session.site_id).topic(TopicKind.ACKNOWLEDGEMENT)
            self._answer_topics[session.site_id] = topic
        for acknowledgement in session.acknowledgements(now_ns):
            self._bus.publish(topic, encode(acknowledgement))
        self.downlink.send_due(session, now_ns)
        self._sessions.touch(session, now_ns)

    def _save_entries(self) -> None:
        taken: Mapping[JournalKey, Mapping[Stream, int]] = self._taken
        if not taken:
            return
        try:
            self._sessions.save_entries(taken)
        except StoreError as error:
            self.refusals.notice(None, "store.failed", str(error))
            return
        self._taken = {}

    def _begin_again(self, site_id: SiteId) -> None:
        """After a failed store call: what was not stored must be sent again."""
        self._sessions.forget(site_id)
        self._taken = {key: value for key, value in self._taken.items() if key[0] != site_id}

    async def _tick_forever(self) -> None:
        while True:
            began_ns = self._clock.monotonic_ns()
            self.tick()
            spent_s = (self._clock.monotonic_ns() - began_ns) / 1e9
            await asyncio.sleep(max(TICK_S - spent_s, READ_PART * spent_s))

    async def _flush_forever(self, flush_s: float) -> None:
        while True:
            await asyncio.sleep(flush_s)
            await self.flush()


def _rows(message: Telemetry, rows: slice) -> Telemetry:
    """Return the message with these rows only."""
    if rows.start == 0:
        return message
    return replace(
        message,
        first_sequence=message.first_sequence + rows.start,
        times_s=message.times_s[rows],
        signal_ids=message.signal_ids[rows],
        values=message.values[rows],
    )
