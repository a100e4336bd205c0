"""Two sessions over a wire that loses, reorders, duplicates and is cut, with restarts of both.

The clock is virtual and everything follows from the drawn script and seed; on failure the trace
of the run is printed with them.
"""

import heapq
import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from protocols.link.edge_session import EdgeSession
from protocols.link.edge_states import EdgeParameters, EdgeState, Holdings
from protocols.link.grants import LEAST_GRANT_PER_S, grants
from protocols.link.messages import (
    Acknowledgement,
    Event,
    Hello,
    Lane,
    Layout,
    Offer,
    Snapshot,
    Stream,
    Telemetry,
)
from protocols.link.orders import Durable, Order, SendEvents, SendHello, SendTelemetry
from protocols.link.site_session import SiteSession, Verdict
from protocols.link.topics import TopicKind
from protocols.link.wire import decode
from protocols.vocabulary.identifiers import JournalId, SignalId, SiteId, ZoneId

S = 1_000_000_000
STEP_NS = S // 10
SITE = SiteId("site-001")
SETTLE_S = 400
START = datetime(2026, 7, 22, tzinfo=UTC)


def golden_offer() -> Offer:
    path = Path(__file__).parents[1] / "vectors" / "link" / "v1" / "offer.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    offer = decode(TopicKind.OFFER, bytes.fromhex("".join(data["hex"])))
    assert isinstance(offer, Offer)
    return offer


OFFER = golden_offer()


@dataclass
class Gateway:
    """An edge journal that survives, and the session of the running agent."""

    journal_id: JournalId
    parameters: EdgeParameters
    last: dict[Stream, int] = field(default_factory=lambda: dict.fromkeys(Stream, 0))
    durable: dict[Stream, int] = field(default_factory=lambda: dict.fromkeys(Stream, 0))
    trimmed: dict[Stream, int] = field(default_factory=lambda: dict.fromkeys(Stream, 0))
    epoch: int = 0
    backfilled: list[tuple[int, int]] = field(default_factory=list)
    session: EdgeSession | None = None

    def start(self) -> EdgeSession:
        self.session = EdgeSession(
            self.journal_id,
            Holdings(
                last=dict(self.last),
                durable=dict(self.durable),
                trimmed=dict(self.trimmed),
                epoch=self.epoch,
            ),
            self.parameters,
        )
        return self.session

    def hello(self) -> Hello:
        return Hello(
            site_id=SITE,
            zone=ZoneId("tokyo"),
            journal_id=self.journal_id,
            agent_version="0",
            held=dict(self.last),
            durable_known=dict(self.durable),
            oldest={stream: through + 1 for stream, through in self.trimmed.items()},
            epochs={},
            obligations={},
            offer_version=0,
            layout=Layout(version=1, resources=()),
            signal_id=SignalId(0),
        )


@dataclass
class Coordinator:
    """A store of which only the durable part survives, and the session of the running one."""

    session: SiteSession
    history: dict[tuple[JournalId, Stream], int] = field(default_factory=dict)
    durable: dict[tuple[JournalId, Stream], int] = field(default_factory=dict)
    up: bool = True

    def restart(self, *, epochs: int) -> None:
        self.history = dict(self.durable)
        self.session = SiteSession(SITE, self.session.epoch + epochs)
        self.session.restore(self.durable)
        self.up = True

    def store(self, key: tuple[JournalId, Stream], *, first: int, last: int) -> None:
        assert first == self.history.get(key, 0) + 1, f"{key} stored {first} out of order"
        self.history[key] = last

    def sync(self) -> None:
        for (journal_id, stream), sequence in self.history.items():
            self.durable[journal_id, stream] = sequence
            self.session.made_durable(journal_id, stream, sequence)


class World:
    """Gateways of one site, one coordinator and the wire between them."""

    def __init__(self, seed: int, rate: int, parameters: EdgeParameters) -> None:
        self.random = random.Random(seed)
        self.rate = rate
        self.now = 0
        self.order = itertools.count()
        self.wire: list[tuple[int, int, Callable[[], None]]] = []
        self.trace: list[str] = []
        self.loss = self.jitter = self.twice = 0.0
        self.cut = {"up": False, "down": False}
        self.parameters = parameters
        self.names = (JournalId(f"journal-{number}") for number in itertools.count(1))
        self.gateways: list[Gateway] = []
        self.coordinator = Coordinator(SiteSession(SITE, epoch=1))
        self.new_journal()

    def say(self, text: str) -> None:
        self.trace.append(f"{self.now / S:8.2f} {text}")

    def new_journal(self) -> None:
        gateway = Gateway(next(self.names), self.parameters)
        self.gateways.append(gateway)
        self.do(gateway, gateway.start().connected(self.now))

    def post(self, way: str, deliver: Callable[[], None]) -> None:
        if self.cut[way] or self.random.random() < self.loss:
            return
        for _ in range(2 if self.random.random() < self.twice else 1):
            delay = 0.02 + self.jitter * self.random.random()
            heapq.heappush(self.wire, (self.now + int(delay * S), next(self.order), deliver))

    def do(self, gateway: Gateway, orders: list[Order]) -> None:
        for order in orders:
            if not isinstance(order, SendTelemetry) or order.lane is Lane.BACKFILL:
                self.say(f"{gateway.journal_id} {order!r:.90}")
            if isinstance(order, Durable):
                self.trim(gateway, order)
            elif isinstance(order, SendHello):
                hello = gateway.hello()
                self.post("up", lambda hello=hello: self.greeted(hello))
            elif isinstance(order, SendTelemetry):
                self.send_rows(gateway, order)
            elif isinstance(order, SendEvents):
                assert gateway.trimmed[order.stream] < order.first
                assert order.last <= gateway.last[order.stream]
                for sequence in range(order.first, order.last + 1):
                    self.send_entry(gateway, order.stream, sequence)
        if gateway.session is not None:
            gateway.epoch = gateway.session.epoch

    def trim(self, gateway: Gateway, order: Durable) -> None:
        stored = self.coordinator.durable.get((gateway.journal_id, order.stream), 0)
        assert order.sequence <= stored, "told durable what is not"
        gateway.durable[order.stream] = order.sequence
        gateway.trimmed[order.stream] = max(gateway.trimmed[order.stream], order.sequence - 5)
        assert gateway.session is not None
        gateway.session.trimmed(order.stream, gateway.trimmed[order.stream])

    def send_rows(self, gateway: Gateway, order: SendTelemetry) -> None:
        rows = order.last - order.first + 1
        assert order.first > gateway.trimmed[Stream.TELEMETRY], "ordered rows that are gone"
        assert order.last <= gateway.last[Stream.TELEMETRY], "ordered rows that are not there"
        if order.lane is Lane.BACKFILL:
            assert rows <= self.parameters.backfill_rows
            gateway.backfilled.append((self.now, rows))
        message = Telemetry(
            journal_id=gateway.journal_id,
            first_sequence=order.first,
            layout_version=1,
            times_s=np.arange(order.first, order.last + 1),
            signal_ids=np.zeros(rows, np.int64),
            values=np.zeros((rows, 6), np.float32),
        )
        self.post("up", lambda: self.rows_came(message, order.lane))

    def send_entry(self, gateway: Gateway, stream: Stream, sequence: int) -> None:
        message: Event | Offer = replace(OFFER, journal_id=gateway.journal_id, sequence=sequence)
        if stream is Stream.EVENT:
            message = Event(
                journal_id=gateway.journal_id,
                sequence=sequence,
                recorded_at=START,
                kind="mode.changed",
                payload={},
            )
        self.post("up", lambda: self.entry_came(message, stream))

    def greeted(self, hello: Hello) -> None:
        if self.coordinator.up:
            assert self.coordinator.session.hello(hello, self.now) == []
            snapshot = self.coordinator.session.snapshot(hello.journal_id, None, self.now)
            self.post("down", lambda: self.came_down(snapshot.acknowledgement.journal_id, snapshot))

    def rows_came(self, message: Telemetry, lane: Lane) -> None:
        if self.coordinator.up:
            accept = self.coordinator.session.telemetry(message, lane, self.now)
            if accept.history is not None:
                times = message.times_s[accept.history]
                key = (message.journal_id, Stream.TELEMETRY)
                self.coordinator.store(key, first=int(times[0]), last=int(times[-1]))

    def entry_came(self, message: Event | Offer, stream: Stream) -> None:
        if (
            self.coordinator.up
            and self.coordinator.session.entry(message, self.now) is Verdict.TAKEN
        ):
            key = (message.journal_id, stream)
            self.coordinator.store(key, first=message.sequence, last=message.sequence)

    def came_down(self, journal_id: JournalId, message: Snapshot | Acknowledgement) -> None:
        for gateway in self.gateways:
            if gateway.session is not None:
                self.do(gateway, gateway.session.receive(message, self.now))

    def tick(self) -> None:
        """Let the newest journal's agent live one second."""
        gateway = self.gateways[-1]
        if gateway.session is None:
            return
        for stream in Stream:
            if stream is Stream.TELEMETRY or self.random.random() < 0.1:
                gateway.last[stream] += 1
                live = gateway.session.state is EdgeState.LIVE
                orders = gateway.session.journaled(stream, gateway.last[stream], self.now)
                if stream is Stream.TELEMETRY and live:
                    newest = gateway.last[stream]
                    wanted = SendTelemetry(first=newest, last=newest, lane=Lane.LIVE)
                    assert orders[0] == wanted, "the live row waited"
                self.do(gateway, orders)

    def step(self) -> None:
        self.now += STEP_NS
        while self.wire and self.wire[0][0] <= self.now:
            heapq.heappop(self.wire)[2]()
        for gateway in self.gateways:
            deadline = gateway.session.next_deadline_ns() if gateway.session else None
            if gateway.session is not None and deadline is not None and deadline <= self.now:
                self.do(gateway, gateway.session.on_deadline(self.now))
        if self.coordinator.up:
            session = self.coordinator.session
            share = grants(
                {SITE: session.missing_rows},
                budget_per_s=self.rate,
                most_per_s=max(self.rate, LEAST_GRANT_PER_S),
            )
            session.backfill_per_s = share[SITE]
            for message in session.acknowledgements(self.now):
                self.post("down", lambda m=message: self.came_down(m.journal_id, m))
            if self.random.random() < 0.05:
                self.coordinator.sync()

    def complete(self) -> bool:
        return all(
            self.coordinator.history.get((gateway.journal_id, stream), 0) == gateway.last[stream]
            for gateway in self.gateways
            for stream in Stream
        )

    def check_rate(self) -> None:
        burst = min(self.rate, self.parameters.backfill_rows)
        for gateway in self.gateways:
            sends = gateway.backfilled
            for start in range(len(sends)):
                total = 0
                for at_ns, rows in sends[start:]:
                    total += rows
                    allowed = self.rate * (at_ns - sends[start][0]) / S + burst
                    assert total <= allowed, f"{total} rows where {allowed} were granted"


FAULT_KINDS = (
    "cut",
    "silent cut",
    "uplink lost",
    "downlink lost",
    "noise",
    "edge restarts",
    "coordinator restarts",
    "coordinator forgets",
    "journal replaced",
)


def begin(world: World, kind: str) -> None:
    world.say(f"begin {kind}")
    gateway = world.gateways[-1]
    if kind in {"cut", "silent cut", "uplink lost"}:
        world.cut["up"] = True
    if kind in {"cut", "silent cut", "downlink lost"}:
        world.cut["down"] = True
    if kind == "cut":
        for other in world.gateways:
            if other.session is not None:
                world.do(other, other.session.disconnected(world.now))
    elif kind == "noise":
        world.loss, world.jitter, world.twice = 0.3, 1.5, 0.3
    elif kind == "edge restarts":
        gateway.session = None
    elif kind.startswith("coordinator"):
        world.coordinator.up = False


def finish(world: World, kind: str) -> None:
    world.say(f"end {kind}")
    gateway = world.gateways[-1]
    world.cut = {"up": False, "down": False}
    world.loss = world.jitter = world.twice = 0.0
    if kind == "cut":
        for other in world.gateways:
            if other.session is not None:
                world.do(other, other.session.connected(world.now))
    elif kind == "edge restarts":
        world.do(gateway, gateway.start().connected(world.now))
    elif kind == "coordinator restarts":
        world.coordinator.restart(epochs=1)
    elif kind == "coordinator forgets":
        world.coordinator.restart(epochs=0)
    elif kind == "journal replaced":
        world.new_journal()


script = st.lists(
    st.tuples(st.sampled_from(FAULT_KINDS), st.integers(5, 150), st.integers(0, 150)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    script=script,
    seed=st.integers(0, 2**32),
    rate=st.sampled_from([LEAST_GRANT_PER_S, 50, 1000]),
    rows=st.sampled_from([7, 200]),
    last_steps=st.sampled_from([0, 35, 300]),
)
def test_every_journaled_row_reaches_the_history_once(
    script: list[tuple[str, int, int]], *, seed: int, rate: int, rows: int, last_steps: int
) -> None:
    """If it fails, a second of the record is lost or paid twice after an outage."""
    world = World(seed, rate, EdgeParameters(backfill_rows=rows))
    try:
        for kind, quiet_steps, fault_steps in script:
            run(world, quiet_steps)
            begin(world, kind)
            run(world, fault_steps)
            finish(world, kind)
        settle(world, quiet_steps=last_steps)
        world.check_rate()
    except BaseException:
        note("\n".join(world.trace[-400:]))
        raise


def run(world: World, steps: int) -> None:
    for _ in range(steps):
        world.step()
        if world.now % S == 0:
            world.tick()


def settle(world: World, quiet_steps: int) -> None:
    """Let it run on, then stop the ticks; all must arrive though nothing new comes."""
    run(world, quiet_steps)
    for _ in range(SETTLE_S * 10):
        if world.complete() and world.coordinator.session.current_journal:
            break
        world.step()
    assert world.coordinator.session.current_journal is not None, "nobody greeted"
    assert world.complete(), f"incomplete after {SETTLE_S} s: {world.coordinator.history}"
