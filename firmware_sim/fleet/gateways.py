"""The gateways of a fleet at work: one thread, real MQTT connections, the real link messages.

Each gateway has its own connection, client id, topics, journal and session; physics, sessions
and live telemetry are columns. A second is cut into slots: the gateways of a slot run their
cycle together (measure, journal, send), as real ones are spread over the second. What comes
rarely (snapshots, commitments, commands, hellos, backfill) is handled message by message within
a share of the time, so that nothing of it stops the ticks. Called by
:mod:`firmware_sim.fleet.run`, which owns the thread.
"""

import math
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

import msgpack
import numpy as np

from firmware_sim.fleet.frames import TelemetryFrames, publish_packet
from firmware_sim.fleet.makings import FleetCounts, Makings
from firmware_sim.fleet.mqtt import Happenings
from firmware_sim.fleet.plant import STEP_S
from firmware_sim.fleet.sessions import (
    EVENT,
    OFFER,
    TELEMETRY,
    Batch,
    FleetSessions,
    OrderKind,
    Orders,
)
from firmware_sim.fleet.words import acknowledged, by_name, layout_of, streams_of
from protocols.link.fencing import MARKET_LEASE, partition_lease
from protocols.link.messages import (
    Command,
    Event,
    Hello,
    ObligationMessage,
    Offer,
    SignalMessage,
    Snapshot,
)
from protocols.link.telemetry import rows_per_message
from protocols.link.topics import TopicKind, Topics
from protocols.link.wire import VERSION, decode, encode
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import JournalId, SignalId
from protocols.vocabulary.intervals import Clock, Interval

SLOTS: Final = 25
SPREAD_S: Final = 0.5
"""The cycles of a second are spread over this part of it."""
DEADLINE_S: Final = 0.1
POLL_S: Final = 0.005
RARE_S: Final = 0.01
"""Time that rare messages get in one turn of the loop."""
AGENT_VERSION: Final = "vpp-sim-fleet/1"
_ACK, _SIGNAL = b"/ack", b"/sig"
_RARE: Final = {
    b"/snap": TopicKind.SNAPSHOT,
    b"/ob": TopicKind.OBLIGATION,
    b"/cmd": TopicKind.COMMAND,
}
_NS: Final = 1_000_000_000


class FleetGateways:
    """All gateways of a run.

    Parameters
    ----------
    makings : Makings
        Their parts.
    clock : Clock
        The only clock.

    Attributes
    ----------
    sessions : FleetSessions
        Their halves of the link.
    counts : FleetCounts
        What happened.
    last_sequence : int
        Rows each journal has.
    """

    def __init__(self, makings: Makings, *, clock: Clock) -> None:
        self._m = makings
        self._clock = clock
        count = len(makings.identities)
        self._topics = [Topics(one.site_id) for one in makings.identities]
        self._partitions = [partition_lease(one.site_id) for one in makings.identities]
        self._frames = TelemetryFrames(
            [one.site_id for one in makings.identities],
            [one.journal_id for one in makings.identities],
            resources=makings.characters.rating_w.shape[1],
        )
        self._rows_max = rows_per_message(makings.characters.rating_w.shape[1])
        self._slots = [slice(count * k // SLOTS, count * (k + 1) // SLOTS) for k in range(SLOTS)]
        self._entries: dict[tuple[int, int], list[bytes]] = {}
        self._rare: deque[Callable[[], None]] = deque()
        self._snapshots: dict[int, Snapshot] = {}
        self._share_w: FloatArray = np.zeros(count)
        self._first_s = math.floor(clock.now().timestamp())
        self._slot = 0
        self._step_s = self._deadline_s = clock.now().timestamp()
        self.sessions = FleetSessions(count)
        self.counts = FleetCounts()
        self.last_sequence = 0

    @property
    def count(self) -> int:
        """Number of gateways."""
        return len(self._m.identities)

    @property
    def resources(self) -> int:
        """Number of resources of each."""
        return int(self._m.characters.rating_w.shape[1])

    @property
    def journal_ids(self) -> tuple[JournalId, ...]:
        """Journal of each."""
        return tuple(one.journal_id for one in self._m.identities)

    def turn(self) -> None:
        """Do everything that is due, then wait shortly for the broker."""
        now_s = self._clock.now().timestamp()
        while self._slot_at_s() <= now_s:
            self._run_slot(now_s)
        if now_s >= self._step_s:
            self._m.plant.step(self._share_w)
            self._step_s += STEP_S
        if now_s >= self._deadline_s:
            self._deadline_s = now_s + DEADLINE_S
            self._change_links(now_s)
            self._carry_out(self.sessions.on_deadline(self._now_ns()))
        self._do_rare(now_s)
        waits = 0.0 if self._rare else POLL_S
        self._happened(self._m.hub.poll(waits))
        self._share_w = self._m.contracts.share_w(self._clock.now().timestamp())

    def _slot_at_s(self) -> float:
        second, slot = divmod(self._slot, SLOTS)
        return self._first_s + 1 + second + SPREAD_S * slot / SLOTS

    def _run_slot(self, now_s: float) -> None:
        """Measure, journal and send the row of the gateways of one slot."""
        self.counts.late_s = max(self.counts.late_s, now_s - self._slot_at_s())
        second, slot = divmod(self._slot, SLOTS)
        self._slot += 1
        sequence, rows, m = second + 1, self._slots[slot], self._m
        time_s = self._first_s + sequence
        values, signals = m.rows.take(
            rows,
            sequence=sequence,
            time_s=time_s,
            site=(m.characters, m.plant, m.contracts),
            share_w=self._share_w,
        )
        delivered_w = float(values[:, 0].sum(dtype=np.float64) - values[:, 1].sum(dtype=np.float64))
        self.counts.seconds[time_s] = self.counts.seconds.get(time_s, 0.0) + delivered_w
        self._frames.write(
            rows, sequence=sequence, time_s=time_s, signal_ids=signals, values=values
        )
        who = np.arange(rows.start, rows.stop)
        last = np.full(len(who), sequence)
        self._carry_out(self.sessions.journal(TELEMETRY, who, last, now_ns=self._now_ns()))
        self.last_sequence = sequence
        if slot == 0:
            through = max(0, sequence - m.rows.kept)
            self.sessions.trim(TELEMETRY, np.full(self.count, through))

    def _change_links(self, now_s: float) -> None:
        """Cut links and bring them back as the outages have it."""
        m = self._m
        cut, back = m.outages.due(now_s)
        if len(cut):
            m.hub.cut(cut.tolist())
            self._carry_out(self.sessions.disconnected(cut, self._now_ns()))
        m.hub.connect(back.tolist())

    def _do_rare(self, now_s: float) -> None:
        """Handle what waits, for a while, then all snapshots of that while at once."""
        while self._rare:
            self._rare.popleft()()
            if self._clock.now().timestamp() - now_s > RARE_S:
                break
        if self._snapshots:
            read = [
                (
                    gateway,
                    one.epoch,
                    by_name(ack.received),
                    by_name(ack.durable),
                    ack.backfill_per_s,
                )
                for gateway, one in self._snapshots.items()
                for ack in (one.acknowledgement,)
            ]
            self._snapshots = {}
            self._carry_out(self.sessions.snapshot(acknowledged(read), self._now_ns()))

    def _happened(self, happened: Happenings) -> None:
        now_ns = self._now_ns()
        if happened.down:
            lost = np.array(happened.down)
            self._m.outages.lost(lost, self._clock.now().timestamp())
            self._carry_out(self.sessions.disconnected(lost, now_ns))
        if happened.up:
            self._carry_out(self.sessions.connected(np.array(happened.up), now_ns))
        acks: dict[int, bytes] = {}
        signals: dict[bytes, list[int]] = {}
        for gateway, topic, payload in happened.messages:
            if topic.endswith(_ACK):
                if gateway in acks:
                    self._acknowledge(acks, now_ns)
                    acks = {}
                acks[gateway] = payload
            elif topic.endswith(_SIGNAL):
                signals.setdefault(payload, []).append(gateway)
            else:
                self._rare.append(partial(self._take, gateway, topic, payload))
        if acks:
            self._acknowledge(acks, now_ns)
        for payload, gateways in signals.items():
            self._signal(payload, np.array(gateways))

    def _acknowledge(self, payloads: dict[int, bytes], now_ns: int) -> None:
        """Take acknowledgements; read here without the codec, whose checks the sessions make."""
        read = []
        for gateway, payload in payloads.items():
            version, epoch, journal, received, durable, rate = msgpack.unpackb(payload)[:6]
            if version == VERSION and journal == self._m.identities[gateway].journal_id:
                read.append((gateway, epoch, received, durable, rate))
        self.counts.acknowledgements += len(read)
        if read:
            self._carry_out(self.sessions.acknowledged(acknowledged(read), now_ns))

    def _signal(self, payload: bytes, who: IntArray) -> None:
        try:
            message = decode(TopicKind.SIGNAL, payload)
        except RemoteProtocolError:
            self.counts.refused += len(who)
            return
        assert isinstance(message, SignalMessage), "a signal is decoded as a signal"
        self.counts.signals += len(who)
        now_s = self._clock.now().timestamp()
        self._m.contracts.signal(np.unique(who), message.signal, now_s)

    def _take(self, gateway: int, topic: bytes, payload: bytes) -> None:
        """Take a message that is for one gateway alone."""
        kind = _RARE.get(topic[topic.rfind(b"/") :])
        if kind is None:
            self.counts.refused += 1
            return
        try:
            message = decode(kind, payload)
        except RemoteProtocolError:
            self.counts.refused += 1
            return
        if isinstance(message, Snapshot):
            self._snapshots[gateway] = message
            now = self._clock.now()
            owed = [one for one in message.commitments if one.obligation.interval.end > now]
            for commitment in owed:
                interval = Interval(start=now, end=commitment.obligation.interval.end)
                self._commit(
                    gateway,
                    ObligationMessage(
                        sequence=0, epoch=message.epoch, validity=interval, commitment=commitment
                    ),
                )
            if message.signal is not None:
                now_s = self._clock.now().timestamp()
                self._m.contracts.signal(np.array([gateway]), message.signal, now_s)
        elif isinstance(message, ObligationMessage):
            self._commit(gateway, message)
        elif isinstance(message, Command):
            self._obey(gateway, message)

    def _commit(self, gateway: int, message: ObligationMessage) -> None:
        now = self._clock.now()
        payload = self._m.contracts.commit(gateway, message, now)
        sequence = self._next(gateway, EVENT)
        self._journal(
            gateway,
            EVENT,
            self._m.contracts.receipt(gateway, payload, sequence=sequence, now=now),
        )

    def _obey(self, gateway: int, command: Command) -> None:
        now, contracts = self._clock.now(), self._m.contracts
        payload, interval = contracts.obey(gateway, command, now)
        if interval is not None:
            sequence = self._next(gateway, OFFER)
            offer = contracts.offer(gateway, interval, sequence=sequence, now=now)
            self._journal(gateway, OFFER, offer)
        sequence = self._next(gateway, EVENT)
        self._journal(
            gateway, EVENT, contracts.receipt(gateway, payload, sequence=sequence, now=now)
        )

    def _next(self, gateway: int, stream: int) -> int:
        return len(self._entries.get((gateway, stream), ())) + 1

    def _journal(self, gateway: int, stream: int, message: Event | Offer) -> None:
        """Keep an entry as the packet it will travel in, and let the session send it."""
        kind = TopicKind.EVENT if stream == EVENT else TopicKind.OFFER
        packet = publish_packet(self._topics[gateway].topic(kind), encode(message))
        kept = self._entries.setdefault((gateway, stream), [])
        kept.append(packet)
        orders = self.sessions.journal(
            stream, np.array([gateway]), np.array([len(kept)]), now_ns=self._now_ns()
        )
        self._carry_out(orders)

    def _carry_out(self, orders: Orders) -> None:
        hub, counts = self._m.hub, self.counts
        for batch in orders.batches:
            if batch.kind is OrderKind.LIVE:
                for gateway in batch.who.tolist():
                    counts.live += hub.send(gateway, self._frames.packet(gateway))
            elif batch.kind is OrderKind.HELLO:
                for gateway in batch.who.tolist():
                    self._rare.append(partial(self._hello, gateway))
            elif batch.kind is OrderKind.BACKFILL:
                self._backfill(batch)
            else:
                self._send_entries(batch)

    def _backfill(self, batch: Batch) -> None:
        triples = zip(batch.who.tolist(), batch.first.tolist(), batch.last.tolist(), strict=True)
        for gateway, begin, end in triples:
            topic = self._topics[gateway].topic(TopicKind.BACKFILL)
            for first in range(begin, end + 1, self._rows_max):
                last = min(end, first + self._rows_max - 1)
                message = self._m.rows.message(
                    gateway, self._m.identities[gateway], first=first, last=last
                )
                sent = self._m.hub.send(gateway, publish_packet(topic, encode(message)))
                self.counts.backfill += sent
                self.counts.backfill_rows += sent * (last - first + 1)

    def _send_entries(self, batch: Batch) -> None:
        stream = EVENT if batch.kind is OrderKind.EVENTS else OFFER
        triples = zip(batch.who.tolist(), batch.first.tolist(), batch.last.tolist(), strict=True)
        for gateway, first, last in triples:
            for packet in self._entries[gateway, stream][first - 1 : last]:
                self.counts.entries += self._m.hub.send(gateway, packet)

    def _hello(self, gateway: int) -> None:
        m, sessions, identity = self._m, self.sessions, self._m.identities[gateway]
        message = Hello(
            site_id=identity.site_id,
            zone=m.zone,
            journal_id=identity.journal_id,
            agent_version=AGENT_VERSION,
            held=streams_of(sessions.journaled[:, gateway]),
            durable_known=streams_of(sessions.durable[:, gateway]),
            oldest=streams_of(sessions.trimmed[:, gateway] + 1),
            epochs={
                MARKET_LEASE: int(m.contracts.market_epoch[gateway]),
                self._partitions[gateway]: int(sessions.epoch[gateway]),
            },
            obligations=dict(m.contracts.obligations(gateway)),
            offer_version=int(m.contracts.offer_version[gateway]),
            layout=layout_of(m.characters, gateway, identity),
            signal_id=SignalId(int(m.contracts.signal_id[gateway])),
        )
        topic = self._topics[gateway].topic(TopicKind.HELLO)
        self.counts.hellos += m.hub.send(gateway, publish_packet(topic, encode(message)))

    def _now_ns(self) -> int:
        return self._clock.monotonic_ns()
