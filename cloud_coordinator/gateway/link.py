"""The coordinator's shell around :mod:`protocols.link`: sessions on one side, a bus on the other.

Received bytes are decoded and judged on the event loop, without a task per message. History
goes to the telemetry store's buffer, live rows to the use cases, answers to the site. A flush
runs in a worker thread; what it made durable is acknowledged, nothing else. Nothing a site
sends can raise out of here. Made by main.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

import structlog

from cloud_coordinator.gateway.bus import Bus
from cloud_coordinator.gateway.downward import Downward
from cloud_coordinator.gateway.refusals import Refusals
from cloud_coordinator.gateway.sessions import (
    EntryProgress,
    JournalKey,
    Progress,
    Sessions,
    TelemetryProgress,
)
from cloud_coordinator.services.ports import EventStore, HistoryWriter
from protocols.link.messages import Event, Hello, Lane, Message, Offer, Stream, Telemetry
from protocols.link.site_session import SiteSession, Verdict
from protocols.link.topics import TopicKind, Topics, parse_topic, uplink_filter
from protocols.link.wire import decode, encode
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.errors import (
    RemoteProtocolError,
    StoreError,
    UnsupportedVersionError,
)
from protocols.vocabulary.identifiers import SiteId, ZoneId
from protocols.vocabulary.intervals import Clock
from protocols.vocabulary.offer import DispatchSignal

TICK_S: Final = 0.05
SHARE_EVERY_NS: Final = 1_000_000_000

_log = structlog.get_logger(__name__)


class UplinkTaker(Protocol):
    """Where live rows and entries go: :class:`cloud_coordinator.services.intake.Intake`."""

    def live(self, site_id: SiteId, telemetry: Telemetry) -> bool:
        """Take live rows into the fleet."""

    def event(self, site_id: SiteId, event: Event) -> None:
        """Store an event; durable on return."""

    def offer(self, offer: Offer) -> None:
        """Store an offer; durable on return."""


class GreetingTaker(Protocol):
    """What answers a hello: the intake's other side."""

    def hello(self, hello: Hello) -> None:
        """Register the site."""

    def commitments_of(self, site_id: SiteId) -> tuple[Commitment, ...]:
        """Return what a site still owes."""

    def signal_of(self, zone: ZoneId) -> DispatchSignal | None:
        """Return the signal in force."""


class Taker(UplinkTaker, GreetingTaker, Protocol):
    """The use case behind the link."""


class TelemetryLog(HistoryWriter, TelemetryProgress, Protocol):
    """The telemetry history as the gateway needs it."""

    @property
    def full(self) -> bool:
        """Whether nothing can be appended until a flush succeeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPorts:
    """What the gateway stores into."""

    telemetry: TelemetryLog
    entries: EntryProgress
    events: EventStore


@dataclass(slots=True)
class LinkStatistics:
    """Counters since the start.

    ``taken`` are telemetry rows that went to the history, ``duplicates`` and ``ahead`` rows
    that did not; ``held_off`` are messages refused because the disk is too slow.
    """

    messages: int = 0
    taken: int = 0
    duplicates: int = 0
    ahead: int = 0
    held_off: int = 0
    flushes: int = 0


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

    Attributes
    ----------
    downlink : Downward
        The services' way down.
    statistics : LinkStatistics
        For the operator.
    refusals : Refusals
        What was not taken.
    """

    def __init__(self, bus: Bus, ports: LinkPorts, *, epoch: int, clock: Clock) -> None:
        self._bus = bus
        self._ports = ports
        self._clock = clock
        self._taker: Taker | None = None
        self._taken: dict[JournalKey, dict[Stream, int]] = {}
        self._shared_ns = 0
        self._sessions = Sessions(
            Progress(telemetry=ports.telemetry, entries=ports.entries), epoch=epoch
        )
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
        await self._bus.subscribe(uplink_filter(), self.receive)

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

    def receive(self, topic: str, payload: bytes) -> None:
        """Take one message from the bus; nothing a site sends raises."""
        self.statistics.messages += 1
        try:
            address = parse_topic(topic)
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
        """Send what is due: acknowledgements, obligations, commands."""
        now_ns = self._clock.monotonic_ns()
        self._save_entries()
        if now_ns - self._shared_ns >= SHARE_EVERY_NS:
            self._shared_ns = now_ns
            self._sessions.share_backfill()
        for session in self._sessions.due(now_ns):
            self._answer(session, now_ns)

    async def flush(self) -> None:
        """Make what was taken durable, so that the next acknowledgement says so."""
        try:
            await asyncio.to_thread(self._ports.telemetry.flush)
        except StoreError as error:
            self.refusals.notice(None, "store.failed", str(error))
            _log.error("history.unflushed", cause=str(error))
            return
        self.statistics.flushes += 1
        self._sessions.stored()

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
        topic = Topics(session.site_id).topic(TopicKind.ACKNOWLEDGEMENT)
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
            self.tick()
            await asyncio.sleep(TICK_S)

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
