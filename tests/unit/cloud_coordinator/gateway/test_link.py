"""The link's shell: what a site sends is stored, answered and acknowledged, or refused."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgpack
import numpy as np
import pytest

from cloud_coordinator.gateway.bus import BusStatistics, MessageCallback
from cloud_coordinator.gateway.link import LinkGateway
from cloud_coordinator.gateway.link_ports import LinkPorts
from cloud_coordinator.services.records import EventQuery, EventRecord, OfferRequest
from protocols.link.messages import (
    Acknowledgement,
    Command,
    Event,
    Hello,
    Layout,
    Message,
    ObligationMessage,
    Offer,
    SignalMessage,
    Snapshot,
    Stream,
    Telemetry,
)
from protocols.link.telemetry import RowBlock
from protocols.link.topics import TopicKind, Topics, parse_topic, signal_topic
from protocols.link.wire import decode, encode
from protocols.vocabulary.arrays import column
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.identifiers import (
    NO_SIGNAL,
    JournalId,
    ModelId,
    ObligationId,
    SignalId,
    SiteId,
    ZoneId,
)
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import HoldRule, Obligation, RelativeTo, Service
from protocols.vocabulary.offer import DispatchSignal, OfferCurve

START = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
RUN = Interval(start=START, end=START + timedelta(minutes=30))
SITE = SiteId("site-001")
ZONE = ZoneId("tokyo")
JOURNAL = JournalId("j-1")
TOPICS = Topics(SITE)


class Clock:
    """Time that a test moves by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic_ns(self) -> int:
        return int(self.seconds * 1e9)


class FakeBus:
    """Remembers what was published; hands in what a test receives."""

    def __init__(self) -> None:
        self.statistics = BusStatistics(connected=True)
        self.sent: list[tuple[str, bytes]] = []
        self.callback: MessageCallback | None = None

    def publish(self, topic: str, payload: bytes) -> bool:
        self.sent.append((topic, payload))
        return True

    async def subscribe(self, pattern: str, callback: MessageCallback) -> None:
        assert pattern == "v1/+/+/up/+"
        self.callback = callback

    async def close(self) -> None:
        pass

    def take(self, kind: TopicKind) -> list[Message]:
        """Return and forget what was sent to the site on this topic."""
        topic = TOPICS.topic(kind)
        found = [decode(kind, payload) for where, payload in self.sent if where == topic]
        self.sent = [(where, payload) for where, payload in self.sent if where != topic]
        return found


class FakeTelemetry:
    """A history that is durable when it is told to flush."""

    def __init__(self) -> None:
        self.full = False
        self.failing = False
        self.rows: list[tuple[SiteId, int]] = []
        self._received: dict[tuple[SiteId, JournalId], int] = {}
        self._durable: dict[tuple[SiteId, JournalId], int] = {}

    def append(self, site_id: SiteId, telemetry: Telemetry) -> None:
        last = telemetry.first_sequence + len(telemetry.times_s) - 1
        self.rows += [(site_id, n) for n in range(telemetry.first_sequence, last + 1)]
        self._received[(site_id, telemetry.journal_id)] = last

    def append_rows(self, sites: Sequence[SiteId], block: RowBlock) -> None:
        for row, site_id in enumerate(sites):
            self.append(site_id, block.message(row))

    def flush(self) -> None:
        if self.failing:
            message = "disk full"
            raise StoreError(message)
        self._durable = dict(self._received)

    def durable(self) -> Mapping[tuple[SiteId, JournalId], int]:
        return self._durable


class FakeEntries:
    """Watermarks of events and offers."""

    def __init__(self) -> None:
        self.kept: dict[tuple[SiteId, JournalId], dict[Stream, int]] = {}

    def durable(self, site_id: SiteId, journal_id: JournalId) -> Mapping[Stream, int]:
        return dict.fromkeys(Stream, 0) | self.kept.get((site_id, journal_id), {})

    def save_many(self, durable: Mapping[tuple[SiteId, JournalId], Mapping[Stream, int]]) -> None:
        for key, streams in durable.items():
            self.kept[key] = self.kept.get(key, {}) | dict(streams)


class FakeEvents:
    """The operator's events."""

    def __init__(self) -> None:
        self.records: list[EventRecord] = []

    def save_event(self, event: EventRecord) -> None:
        self.records.append(event)

    def save_events(self, events: Sequence[EventRecord]) -> None:
        self.records += events

    def events(self, query: EventQuery) -> Sequence[EventRecord]:
        return self.records


class FakeBatching:
    """Transactions that can be refused as a whole."""

    def __init__(self) -> None:
        self.failing = False
        self.begun = 0

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        self.begun += 1
        yield
        if self.failing:
            message = "disk full"
            raise StoreError(message)


class FakeTaker:
    """The use cases behind the link."""

    def __init__(self) -> None:
        self.hellos: list[Hello] = []
        self.lives: list[int] = []
        self.events: list[int] = []
        self.offers: list[int] = []
        self.owed: tuple[Commitment, ...] = ()
        self.signal: DispatchSignal | None = None
        self.failing = False
        self.blocks: list[tuple[SiteId, ...]] = []
        self.settled = 0

    def hello(self, hello: Hello) -> None:
        self.hellos.append(hello)

    def live(self, site_id: SiteId, telemetry: Telemetry) -> bool:
        self.lives.append(telemetry.first_sequence + len(telemetry.times_s) - 1)
        return True

    def live_rows(self, sites: Sequence[SiteId], block: RowBlock) -> None:
        self.blocks.append(tuple(sites))
        self.lives += block.sequences.tolist()

    def settle(self) -> None:
        self.settled += 1

    def event(self, site_id: SiteId, event: Event) -> None:
        if self.failing:
            message = "database is locked"
            raise StoreError(message)
        self.events.append(event.sequence)

    def offer(self, offer: Offer) -> None:
        self.offers.append(offer.sequence)

    def commitments_of(self, site_id: SiteId) -> tuple[Commitment, ...]:
        return self.owed

    def signal_of(self, zone: ZoneId) -> DispatchSignal | None:
        return self.signal


class World:
    """A gateway with everything around it faked."""

    def __init__(self) -> None:
        self.clock, self.bus, self.taker = Clock(), FakeBus(), FakeTaker()
        self.telemetry, self.entries, self.events = FakeTelemetry(), FakeEntries(), FakeEvents()
        self.batching = FakeBatching()
        self.gateway = self.restart(epoch=3)

    def restart(self, *, epoch: int) -> LinkGateway:
        """Begin a new run on the same store, as after a kill."""
        ports = LinkPorts(
            telemetry=self.telemetry,
            entries=self.entries,
            events=self.events,
            batching=self.batching,
        )
        self.gateway = LinkGateway(self.bus, ports, epoch=epoch, clock=self.clock)
        asyncio.run(self.gateway.start(self.taker))
        return self.gateway

    def receive(self, kind: TopicKind, message: Message | bytes) -> None:
        payload = message if isinstance(message, bytes) else encode(message)
        self.gateway.receive(TOPICS.topic(kind), payload)

    def flush(self) -> None:
        asyncio.run(self.gateway.flush())

    def acknowledged(self, seconds: float = 1.0) -> Acknowledgement:
        """Let time pass and return the last acknowledgement."""
        self.clock.seconds += seconds
        self.gateway.tick()
        last = self.bus.take(TopicKind.ACKNOWLEDGEMENT)[-1]
        assert isinstance(last, Acknowledgement)
        return last


def hello(held: int = 0, *, obligations: Mapping[ObligationId, int] | None = None) -> Hello:
    counts = dict.fromkeys(Stream, 0) | {Stream.TELEMETRY: held}
    return Hello(
        site_id=SITE,
        zone=ZONE,
        journal_id=JOURNAL,
        agent_version="1",
        held=counts,
        durable_known=dict.fromkeys(Stream, 0),
        oldest=dict.fromkeys(Stream, 1),
        epochs={},
        obligations=obligations or {},
        offer_version=0,
        layout=Layout(version=1, resources=()),
        signal_id=NO_SIGNAL,
    )


def telemetry(first: int, count: int = 1) -> Telemetry:
    return Telemetry(
        journal_id=JOURNAL,
        first_sequence=first,
        layout_version=1,
        times_s=np.arange(first, first + count, dtype=np.int64) + 1_784_682_000,
        signal_ids=np.zeros(count, dtype=np.int64),
        values=np.zeros((count, 6), dtype=np.float32),
    )


def event(number: int, kind: str = "mode.changed", /, **payload: int | str) -> Event:
    return Event(journal_id=JOURNAL, sequence=number, recorded_at=START, kind=kind, payload=payload)


def curve(site_id: SiteId = SITE) -> OfferCurve:
    return OfferCurve(
        site_id=site_id,
        service=Service.SECONDARY_1,
        version=1,
        multipliers=column([0.0, 10.0]),
        power_w=column([0.0, 100.0]),
        interval=RUN,
    )


def terms() -> tuple[Envelope, Baseline]:
    zeros, more = column([0.0]), column([0.0, 0.0])
    envelope = Envelope(
        target=SITE,
        interval=RUN,
        step_s=1800.0,
        power_w_min=zeros,
        power_w_max=zeros,
        energy_wh_min=more,
        energy_wh_max=more,
        ramp_w_per_s=10.0,
    )
    baseline = Baseline(
        target=SITE,
        interval=RUN,
        step_s=1800.0,
        power_w=zeros,
        method="persistence-300s",
        computed_at=START,
        data_until=START,
        model_id=ModelId("m"),
    )
    return envelope, baseline


def offer(sequence: int, site_id: SiteId = SITE) -> Offer:
    envelope, baseline = terms()
    return Offer(
        journal_id=JOURNAL,
        sequence=sequence,
        curve=curve(site_id),
        envelope=envelope,
        baseline=baseline,
    )


def commitment(version: int = 1) -> Commitment:
    envelope, baseline = terms()
    return Commitment(
        obligation=Obligation(
            obligation_id=ObligationId("award-1/site-001"),
            parent_id=ObligationId("award-1"),
            target=SITE,
            service=Service.SECONDARY_1,
            interval=RUN,
            step_s=1800.0,
            power_w=column([100.0]),
            relative_to=RelativeTo.BASELINE,
            tolerance_w=10.0,
            version=version,
        ),
        curve=curve(),
        envelope=envelope,
        baseline=baseline,
        hold=HoldRule.HOLD_SHARE,
        band_lower_w=column([-10.0]),
        band_upper_w=column([10.0]),
    )


@pytest.fixture
def world() -> World:
    return World()


def test_a_hello_is_answered_with_what_the_site_must_know(world: World) -> None:
    """A site that comes back would not know its obligation or the signal in force."""
    world.taker.owed = (commitment(),)
    world.taker.signal = DispatchSignal(
        zone=ZONE, signal_id=SignalId(9), epoch=3, interval=RUN, multipliers={}
    )
    world.receive(TopicKind.HELLO, hello())
    (snapshot,) = world.bus.take(TopicKind.SNAPSHOT)
    assert isinstance(snapshot, Snapshot)
    assert snapshot.epoch == 3
    assert [c.obligation.obligation_id for c in snapshot.commitments] == ["award-1/site-001"]
    assert snapshot.signal is not None
    assert snapshot.signal.signal_id == 9
    assert len(world.taker.hellos) == 1


def test_what_the_site_holds_is_not_sent_again(world: World) -> None:
    """Each reconnect of the fleet would send every obligation again."""
    world.taker.owed = (commitment(version=2),)
    world.receive(TopicKind.HELLO, hello(obligations={ObligationId("award-1/site-001"): 2}))
    assert world.bus.take(TopicKind.OBLIGATION) == []
    world.receive(TopicKind.HELLO, hello(obligations={ObligationId("award-1/site-001"): 1}))
    (message,) = world.bus.take(TopicKind.OBLIGATION)
    assert isinstance(message, ObligationMessage)
    assert message.commitment.obligation.version == 2


def test_rows_are_acknowledged_durable_only_after_the_flush(world: World) -> None:
    """A gateway would trim rows that are only in our memory."""
    world.receive(TopicKind.HELLO, hello())
    for sequence in (1, 2, 3):
        world.receive(TopicKind.TELEMETRY, telemetry(sequence))
    before = world.acknowledged()
    assert (before.received[Stream.TELEMETRY], before.durable[Stream.TELEMETRY]) == (3, 0)
    assert before.epoch == 3
    world.flush()
    assert world.acknowledged().durable[Stream.TELEMETRY] == 3
    assert world.telemetry.rows == [(SITE, 1), (SITE, 2), (SITE, 3)]
    assert world.taker.lives == [1, 2, 3]


def test_a_live_row_ahead_of_a_gap_is_shown_and_stored_later(world: World) -> None:
    """After an outage the live page would stay dark, or the record would have a hole."""
    world.receive(TopicKind.HELLO, hello(held=10))
    world.receive(TopicKind.TELEMETRY, telemetry(10))
    assert world.taker.lives == [10]
    assert world.telemetry.rows == []
    granted = world.acknowledged()
    assert granted.backfill_per_s > 0
    world.receive(TopicKind.BACKFILL, telemetry(1, 10))
    world.receive(TopicKind.BACKFILL, telemetry(5, 8))
    assert [sequence for _, sequence in world.telemetry.rows] == list(range(1, 13))
    assert world.gateway.statistics.duplicates == 6
    assert world.taker.lives == [10]


def test_a_restart_goes_on_from_what_is_durable(world: World) -> None:
    """After a kill the coordinator would lose what it had not flushed, or store it twice."""
    world.receive(TopicKind.HELLO, hello())
    world.receive(TopicKind.TELEMETRY, telemetry(1, 5))
    world.flush()
    world.receive(TopicKind.TELEMETRY, telemetry(6, 2))
    world.telemetry.rows = world.telemetry.rows[:5]
    world.restart(epoch=4)
    world.receive(TopicKind.TELEMETRY, telemetry(8))
    answer = world.acknowledged()
    assert (answer.epoch, answer.received[Stream.TELEMETRY]) == (4, 5)
    world.receive(TopicKind.BACKFILL, telemetry(6, 3))
    assert [sequence for _, sequence in world.telemetry.rows] == list(range(1, 9))


def test_the_gateway_in_a_broken_ones_place_goes_on(world: World) -> None:
    """A replaced gateway begins its record anew; the old one's numbers would shut it out."""
    world.taker.owed = (commitment(),)
    world.receive(TopicKind.HELLO, hello(held=7))
    world.receive(TopicKind.BACKFILL, telemetry(1, 5))
    world.receive(TopicKind.EVENT, event(1))
    world.flush()
    fresh = JournalId("0198f2c4d5e67a8b9c0d1e2f3a4b5c6d")
    world.bus.take(TopicKind.SNAPSHOT)
    world.receive(TopicKind.HELLO, replace(hello(), journal_id=fresh))
    (snapshot,) = world.bus.take(TopicKind.SNAPSHOT)
    assert isinstance(snapshot, Snapshot)
    assert [c.obligation.obligation_id for c in snapshot.commitments] == ["award-1/site-001"]
    world.receive(TopicKind.TELEMETRY, replace(telemetry(1), journal_id=fresh))
    world.receive(TopicKind.EVENT, replace(event(1), journal_id=fresh))
    world.receive(TopicKind.OFFER, replace(offer(1), journal_id=fresh))
    world.flush()
    answer = world.acknowledged()
    assert answer.journal_id == fresh
    assert answer.durable == {Stream.TELEMETRY: 1, Stream.EVENT: 1, Stream.OFFER: 1}
    assert world.taker.lives[-1] == 1
    assert world.taker.events == [1, 1]


def test_events_and_offers_are_taken_once_and_in_order(world: World) -> None:
    """An acceptance would be lost, or an old offer would overtake a newer one."""
    world.receive(TopicKind.EVENT, event(2))
    world.receive(TopicKind.EVENT, event(1))
    world.receive(TopicKind.EVENT, event(1))
    world.receive(TopicKind.EVENT, event(2))
    world.receive(TopicKind.OFFER, offer(1))
    assert world.taker.events == [1, 2]
    assert world.taker.offers == [1]
    answer = world.acknowledged()
    assert answer.durable == {Stream.TELEMETRY: 0, Stream.EVENT: 2, Stream.OFFER: 1}
    world.restart(epoch=4)
    world.receive(TopicKind.EVENT, event(2))
    assert world.taker.events == [1, 2]


def test_an_event_that_was_not_stored_is_asked_for_again(world: World) -> None:
    """A locked database would lose a site's acceptance for ever."""
    world.receive(TopicKind.EVENT, event(1))
    world.acknowledged()
    world.taker.failing = True
    world.receive(TopicKind.EVENT, event(2))
    world.taker.failing = False
    world.receive(TopicKind.TELEMETRY, telemetry(1))
    assert world.acknowledged().received[Stream.EVENT] == 1
    world.receive(TopicKind.EVENT, event(2))
    assert world.taker.events == [1, 2]
    assert world.acknowledged().durable[Stream.EVENT] == 2


def test_a_flush_that_fails_acknowledges_nothing_and_is_told(world: World) -> None:
    """A full disk would go unnoticed until the gateways have trimmed their rows."""
    world.receive(TopicKind.TELEMETRY, telemetry(1))
    world.telemetry.failing = True
    world.flush()
    assert world.acknowledged().durable[Stream.TELEMETRY] == 0
    assert [record.kind for record in world.events.records] == ["store.failed"]
    world.telemetry.failing = False
    world.flush()
    assert world.acknowledged().durable[Stream.TELEMETRY] == 1


def test_a_site_begun_again_during_a_flush_stays_consistent(world: World) -> None:
    """A store error at the wrong moment would stop the whole coordinator."""
    world.receive(TopicKind.TELEMETRY, telemetry(1, 5))
    world.taker.failing = True
    world.receive(TopicKind.EVENT, event(1))
    world.taker.failing = False
    world.receive(TopicKind.TELEMETRY, telemetry(6))
    world.flush()
    answer = world.acknowledged()
    assert answer.durable[Stream.TELEMETRY] == answer.received[Stream.TELEMETRY] == 5


def test_a_full_buffer_takes_nothing_and_acknowledges_nothing(world: World) -> None:
    """Rows would be called received and then be thrown away."""
    world.receive(TopicKind.HELLO, hello())
    world.telemetry.full = True
    world.receive(TopicKind.TELEMETRY, telemetry(1))
    assert world.acknowledged().received[Stream.TELEMETRY] == 0
    assert world.gateway.statistics.held_off == 1
    world.telemetry.full = False
    world.receive(TopicKind.TELEMETRY, telemetry(1, 2))
    assert world.acknowledged().received[Stream.TELEMETRY] == 2


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xc1", b"garbage", msgpack.packb({"a": 1}), msgpack.packb([1, 2]), b"\xff" * 70_000],
)
def test_garbage_is_counted_and_told_once_a_minute(world: World, payload: bytes) -> None:
    """One broken gateway would stop the coordinator or fill its database."""
    for _ in range(50):
        world.receive(TopicKind.TELEMETRY, payload)
    assert world.gateway.refusals.total == 50
    (record,) = world.events.records
    assert (record.site_id, record.kind) == (SITE, "link.message_refused")
    world.clock.seconds += 61
    world.receive(TopicKind.TELEMETRY, payload)
    assert world.events.records[-1].payload["also"] == 49
    world.receive(TopicKind.TELEMETRY, telemetry(1))
    assert world.taker.lives == [1]


def test_a_newer_version_is_refused_by_name(world: World) -> None:
    """An agent that was updated too early would vanish without a reason."""
    newer = msgpack.unpackb(encode(event(1)))
    newer[0] = 99
    world.receive(TopicKind.EVENT, msgpack.packb(newer))
    (record,) = world.events.records
    assert record.kind == "link.version_refused"
    assert "99" in str(record.payload["reason"])
    assert world.taker.events == []


@pytest.mark.parametrize(
    "topic",
    ["v1/0/site-001/up/tel", "v2/1/site-001/up/tel", "v1/x", "v1/1/Site/up/tel", "v1/1/a/up/zz"],
)
def test_a_wrong_topic_is_counted(world: World, topic: str) -> None:
    """A site could speak for another partition, or a stranger end the coordinator."""
    world.gateway.receive(topic, encode(telemetry(1)))
    assert world.gateway.refusals.total == 1
    assert world.taker.lives == []


def test_a_site_cannot_speak_for_another(world: World) -> None:
    """A gateway could sell its neighbour's battery."""
    world.receive(TopicKind.OFFER, offer(1, SiteId("site-002")))
    other = Topics(SiteId("site-002")).topic(TopicKind.HELLO)
    world.gateway.receive(other, encode(hello()))
    assert world.gateway.refusals.total == 2
    assert world.taker.offers == []
    assert world.taker.hellos == []


def test_an_obligation_is_sent_until_it_is_receipted(world: World) -> None:
    """One lost message would leave a share of the award undelivered."""
    world.gateway.downlink.send_commitment(commitment())
    assert len(world.bus.take(TopicKind.OBLIGATION)) == 1
    world.clock.seconds += 3.1
    world.gateway.tick()
    (again,) = world.bus.take(TopicKind.OBLIGATION)
    assert isinstance(again, ObligationMessage)
    assert again.epoch == 3
    world.receive(
        TopicKind.EVENT,
        event(1, "obligation.accepted", obligation_id="award-1/site-001", version=1),
    )
    world.clock.seconds += 60
    world.gateway.tick()
    assert world.bus.take(TopicKind.OBLIGATION) == []


def test_an_obligation_that_is_over_is_not_sent(world: World) -> None:
    """A site would be told to deliver for a time that has passed."""
    world.gateway.downlink.send_commitment(commitment())
    world.bus.take(TopicKind.OBLIGATION)
    world.clock.seconds += 3600
    world.gateway.tick()
    world.gateway.downlink.send_commitment(commitment())
    assert world.bus.take(TopicKind.OBLIGATION) == []


def test_the_same_request_for_an_offer_waits_once(world: World) -> None:
    """Asking every few seconds would bury a silent site under requests."""
    request = OfferRequest(site_id=SITE, service=Service.SECONDARY_1, interval=RUN)
    for _ in range(500):
        world.gateway.downlink.request_offer(request)
    (command,) = world.bus.take(TopicKind.COMMAND)
    assert isinstance(command, Command)
    assert command.payload == {
        "start_s": int(RUN.start.timestamp()),
        "end_s": int(RUN.end.timestamp()),
        "service": "secondary1",
    }
    sequence = command.sequence
    world.receive(TopicKind.EVENT, event(1, "command.done", sequence=sequence))
    world.gateway.downlink.request_offer(request)
    (command,) = world.bus.take(TopicKind.COMMAND)
    assert isinstance(command, Command)
    assert command.sequence == sequence + 1
    world.restart(epoch=4).downlink.request_offer(request)
    (command,) = world.bus.take(TopicKind.COMMAND)
    assert isinstance(command, Command)
    assert command.sequence > sequence + 1


def test_a_signal_goes_to_its_zone_at_once(world: World) -> None:
    """The fleet would not be dispatched."""
    signal = DispatchSignal(
        zone=ZONE,
        signal_id=SignalId(1),
        epoch=3,
        interval=RUN,
        multipliers={Service.SECONDARY_1: 5.0},
    )
    world.gateway.downlink.send_signal(signal)
    ((topic, payload),) = world.bus.sent
    assert topic == signal_topic(ZONE)
    assert parse_topic(topic).zone == ZONE
    message = decode(TopicKind.SIGNAL, payload)
    assert isinstance(message, SignalMessage)
    assert message.signal == signal


def test_a_silent_site_costs_nothing_and_gets_nothing(world: World) -> None:
    """A gateway that is not heard would believe that it is."""
    world.receive(TopicKind.TELEMETRY, telemetry(1))
    world.acknowledged()
    world.clock.seconds += 10
    world.gateway.tick()
    world.bus.take(TopicKind.ACKNOWLEDGEMENT)
    world.clock.seconds += 10
    world.gateway.tick()
    assert world.bus.take(TopicKind.ACKNOWLEDGEMENT) == []
    world.receive(TopicKind.TELEMETRY, telemetry(2))
    assert world.acknowledged().received[Stream.TELEMETRY] == 2


def test_live_rows_of_a_turn_are_taken_together(world: World) -> None:
    """If it fails, a fleet of thousands is taken row by row, and too late."""
    world.gateway.accept(TOPICS.topic(TopicKind.HELLO), encode(hello()))
    world.gateway.tick()
    assert len(world.bus.take(TopicKind.SNAPSHOT)) == 1
    for sequence in (1, 2):
        world.gateway.accept(TOPICS.topic(TopicKind.TELEMETRY), encode(telemetry(sequence)))
    world.gateway.accept(TOPICS.topic(TopicKind.TELEMETRY), b"nonsense")
    assert world.telemetry.rows == []
    world.gateway.tick()
    assert world.telemetry.rows == [(SITE, 1), (SITE, 2)]
    assert world.taker.blocks == [(SITE,)]
    assert world.taker.lives == [1, 2]
    assert world.gateway.refusals.total == 1
    assert world.gateway.statistics.taken == 2
    assert world.acknowledged().received[Stream.TELEMETRY] == 2


def test_a_row_ahead_shows_at_once_and_is_stored_in_order(world: World) -> None:
    """If it fails, a site that comes back is shown as it was, or its gap is never filled."""
    world.receive(TopicKind.HELLO, hello(held=5))
    world.receive(TopicKind.TELEMETRY, telemetry(1))
    world.gateway.accept(TOPICS.topic(TopicKind.TELEMETRY), encode(telemetry(5)))
    world.gateway.tick()
    assert world.taker.lives[-1] == 5
    assert world.telemetry.rows == [(SITE, 1)]
    world.gateway.accept(TOPICS.topic(TopicKind.BACKFILL), encode(telemetry(2, 4)))
    world.gateway.tick()
    assert [row for _, row in world.telemetry.rows] == [1, 2, 3, 4, 5]


def test_messages_of_a_turn_are_one_commit_and_the_offers_wait_for_it(world: World) -> None:
    """If it fails, a fleet that answers at once waits for thousands of commits in turn."""
    world.gateway.accept(TOPICS.topic(TopicKind.HELLO), encode(hello()))
    world.gateway.accept(TOPICS.topic(TopicKind.HELLO), encode(hello(held=3)))
    world.gateway.accept(TOPICS.topic(TopicKind.EVENT), encode(event(1)))
    world.gateway.accept(TOPICS.topic(TopicKind.OFFER), encode(offer(1)))
    world.gateway.tick()
    assert (world.batching.begun, world.taker.settled) == (1, 1)
    assert (world.taker.events, world.taker.offers) == ([1], [1])
    assert [one.held[Stream.TELEMETRY] for one in world.taker.hellos] == [3]


def test_a_commit_that_fails_makes_the_sites_send_again(world: World) -> None:
    """If it fails, what a full disk refused is acknowledged, and lost."""
    world.batching.failing = True
    world.gateway.accept(TOPICS.topic(TopicKind.EVENT), encode(event(1)))
    world.gateway.tick()
    world.batching.failing = False
    world.receive(TopicKind.TELEMETRY, telemetry(1))
    assert world.acknowledged().durable[Stream.EVENT] == 0
    world.gateway.accept(TOPICS.topic(TopicKind.EVENT), encode(event(1)))
    world.gateway.tick()
    assert world.acknowledged().durable[Stream.EVENT] == 1
    assert world.taker.events == [1, 1]
