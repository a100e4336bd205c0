"""Signatures from the coordinator's border to the gateway's and back, over a wire that attacks."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_coordinator.gateway.bus import BusStatistics, MessageCallback
from cloud_coordinator.gateway.sealed_bus import SealedBus
from edge_agent.link.seals import LinkSeals
from protocols.identity.signing import SealRefusal, Signer, Statement, Verifier
from protocols.link.fencing import partition_lease
from protocols.link.messages import (
    Acknowledgement,
    Command,
    Event,
    SignalMessage,
    Stream,
)
from protocols.link.topics import TopicKind, Topics, parse_topic, signal_topic, uplink_filter
from protocols.link.wire import decode, encode
from protocols.vocabulary.identifiers import JournalId, SignalId, SiteId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.offer import DispatchSignal

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
SITE, ZONE = SiteId("one"), ZoneId("tokyo")
TOPICS = Topics(SITE)
COMMAND = Command(
    sequence=1,
    epoch=3,
    validity=Interval(start=NOW, end=NOW + timedelta(minutes=5)),
    kind="stop",
    payload={},
)


class StoppedClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        """Return the set time."""
        return self.moment

    def monotonic_ns(self) -> int:
        """Return the set time since the start of the test."""
        return round((self.moment - NOW).total_seconds() * 1e9)


class Wire:
    """A bus that keeps what was sent."""

    def __init__(self) -> None:
        self.statistics = BusStatistics()
        self.sent: list[tuple[str, bytes]] = []
        self.callback: MessageCallback = lambda _topic, _payload: None

    def publish(self, topic: str, payload: bytes) -> bool:
        """Keep it."""
        self.sent.append((topic, payload))
        return True

    def publish_many(self, messages: Sequence[tuple[str, bytes]]) -> int:
        """Keep them."""
        self.sent += messages
        return len(messages)

    async def subscribe(self, _pattern: str, callback: MessageCallback) -> None:
        """Keep the callback."""
        self.callback = callback

    async def close(self) -> None:
        """Do nothing."""


class Link:
    """A coordinator's border and a gateway's, and the wire between."""

    def __init__(self, *, epoch: int = 3, key: bytes = bytes(32)) -> None:
        self.clock, self.wire = StoppedClock(), Wire()
        self.gateway_key = Signer(bytes(range(32)))
        self.bus = SealedBus(
            self.wire,
            Signer(key),
            site_key={SITE: self.gateway_key.public}.get,
            clock=self.clock,
            epoch=epoch,
        )

    def gateway(self, **epochs: int) -> LinkSeals:
        """Make a gateway that knows the first coordinator's key."""
        verifier = Verifier([Signer(bytes(32)).public])
        held = {partition_lease(SITE): epochs.get("site", 0)}
        return LinkSeals(SITE, ZONE, verifier=verifier, signer=self.gateway_key, epochs=held)

    def send(self, topic: str, data: bytes) -> bytes:
        """Send and return what is on the wire."""
        assert self.bus.publish(topic, data)
        return self.wire.sent[-1][1]

    def judge(self, gateway: LinkSeals, topic: str, data: bytes) -> SealRefusal | None:
        """Return what the gateway says to bytes on a topic."""
        return gateway.judge(parse_topic(topic), data, self.clock.now())


def test_an_order_counts_once_here_and_now() -> None:
    """If it fails, a captured or forged message moves a device."""
    link, topic = Link(), TOPICS.topic(TopicKind.COMMAND)
    gateway = link.gateway()
    data = link.send(topic, encode(COMMAND))
    assert decode(TopicKind.COMMAND, data) == COMMAND, "a receiver without seals reads it too"
    changed = data[:20] + bytes((data[20] ^ 1,)) + data[21:]
    other = Topics(SiteId("two")).topic(TopicKind.COMMAND)
    cases: list[tuple[str, bytes, SealRefusal | None]] = [
        (topic, encode(COMMAND), SealRefusal.UNSEALED),
        (topic, changed, SealRefusal.WRONG_SIGNATURE),
        (TOPICS.topic(TopicKind.OBLIGATION), data, SealRefusal.OTHER_SCOPE),
        (topic, link.send(other, encode(COMMAND)), SealRefusal.OTHER_SCOPE),
        (topic, Link(key=b"x" * 32).send(topic, encode(COMMAND)), SealRefusal.UNKNOWN_KEY),
        (topic, data, None),
        (topic, data, SealRefusal.REPLAYED),
        (topic, Link(epoch=2).send(topic, encode(COMMAND)), SealRefusal.LOWER_EPOCH),
    ]
    for where, wire, expected in cases:
        assert link.judge(gateway, where, wire) is expected, (where, expected)


def test_orders_handed_over_together_are_each_sealed() -> None:
    """If it fails, an allocation sent in one piece is refused by every gateway."""
    link, topic = Link(), TOPICS.topic(TopicKind.COMMAND)
    gateway = link.gateway()
    assert link.bus.publish_many([(topic, encode(COMMAND))] * 3) == 3
    assert [link.judge(gateway, topic, data) for _, data in link.wire.sent] == [None] * 3


def test_an_order_is_refused_outside_its_window() -> None:
    """If it fails, a message kept back by a broker acts when its owner likes."""
    link, topic = Link(), TOPICS.topic(TopicKind.COMMAND)
    data = link.send(topic, encode(COMMAND))
    for shift_s, expected in ((-3, SealRefusal.NOT_YET_VALID), (31, SealRefusal.EXPIRED)):
        link.clock.moment = NOW + timedelta(seconds=shift_s)
        assert link.judge(link.gateway(), topic, data) is expected


def test_a_restarted_gateway_refuses_the_replaced_coordinator() -> None:
    """If it fails, a woken old coordinator gives orders to a gateway that restarted meanwhile."""
    link, topic = Link(epoch=2), TOPICS.topic(TopicKind.COMMAND)
    data = link.send(topic, encode(COMMAND))
    assert link.judge(link.gateway(site=3), topic, data) is SealRefusal.LOWER_EPOCH
    signal = DispatchSignal(
        zone=ZONE,
        signal_id=SignalId(5),
        epoch=2,
        interval=COMMAND.validity,
        multipliers={},
    )
    sent = link.send(signal_topic(ZONE), encode(SignalMessage(signal=signal)))
    assert link.judge(link.gateway(), signal_topic(ZONE), sent) is None
    assert link.judge(link.gateway(site=3), signal_topic(ZONE), sent) is SealRefusal.LOWER_EPOCH


def test_nobody_else_has_the_journal_trimmed() -> None:
    """If it fails, the owner of a broker destroys a gateway's evidence by an acknowledgement."""
    link, topic = Link(), TOPICS.topic(TopicKind.ACKNOWLEDGEMENT)
    gateway, address = link.gateway(), parse_topic(topic)
    message = Acknowledgement(
        epoch=3,
        journal_id=JournalId("00112233445566778899aabbccddeeff"),
        received={Stream.EVENT: 9},
        durable={Stream.EVENT: 9},
        backfill_per_s=1,
    )
    forged = gateway.believed(address, encode(message), message, moment=NOW)
    assert isinstance(forged, Acknowledgement)
    assert not forged.durable
    sealed = link.send(topic, encode(message))
    assert gateway.believed(address, sealed, message, moment=NOW) == message
    assert link.send(topic, encode(message)) == encode(message), "not each one is sealed"
    assert gateway.believed(address, sealed, message, moment=NOW) is SealRefusal.REPLAYED


async def _subscribed(link: Link, callback: Callable[[str, bytes], None]) -> None:
    await link.bus.subscribe(uplink_filter(), callback)


def test_a_receipt_is_the_gateways_own() -> None:
    """If it fails, who owns the broker makes the coordinator believe that a site delivered."""
    import asyncio

    link, topic = Link(), TOPICS.topic(TopicKind.EVENT)
    came: list[bytes] = []
    told: list[SealRefusal] = []
    link.bus.tell(lambda _site, refusal: told.append(refusal))
    asyncio.run(_subscribed(link, lambda _topic, payload: came.append(payload)))
    event = Event(
        journal_id=JournalId("00112233445566778899aabbccddeeff"),
        sequence=4,
        recorded_at=NOW,
        kind="obligation.accepted",
        payload={"obligation_id": "o-1", "version": 1},
    )
    sealed = link.gateway().sealed(TopicKind.EVENT, event, encode(event))
    forged = Signer(Ed25519PrivateKey.generate().private_bytes_raw()).seal(
        Statement(
            kind="up/evt", scope=SITE, sequence=4, epoch=0, not_before_ms=0, valid_until_ms=1
        ),
        encode(event),
    )
    for data in (encode(event), forged, sealed):
        link.wire.callback(topic, data)
    link.wire.callback(Topics(SiteId("two")).topic(TopicKind.EVENT), sealed)
    assert came == [sealed]
    assert told == [SealRefusal.UNSEALED, SealRefusal.UNKNOWN_KEY, SealRefusal.UNKNOWN_KEY]
