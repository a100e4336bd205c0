"""The fleet's sessions against the one real gateway session, happening by happening."""

import random

import numpy as np
import pytest

from firmware_sim.fleet.sessions import (
    EVENT,
    LIVENESS,
    OFFER,
    STATES,
    STREAMS,
    TELEMETRY,
    Acknowledged,
    FleetSessions,
    OrderKind,
    Orders,
)
from protocols.link.edge_session import EdgeSession
from protocols.link.edge_states import EdgeParameters, Holdings
from protocols.link.messages import Acknowledgement, Lane, Snapshot, Stream
from protocols.link.orders import Order, SendEvents, SendHello, SendTelemetry
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import JournalId

S = 1_000_000_000
JOURNAL = JournalId("journal-1")
COUNT = 7
PARAMETERS = EdgeParameters(backfill_rows=20, entry_window=3, stall_s=8.0)
Plain = tuple[str, int, int]


def of_real(orders: list[Order]) -> list[Plain]:
    """Tell what a real session wants sent, in order."""
    found: list[Plain] = []
    for order in orders:
        if isinstance(order, SendHello):
            found.append((OrderKind.HELLO.value, 0, 0))
        elif isinstance(order, SendTelemetry):
            kind = OrderKind.LIVE if order.lane is Lane.LIVE else OrderKind.BACKFILL
            found.append((kind.value, order.first, order.last))
        elif isinstance(order, SendEvents):
            kind = OrderKind.EVENTS if order.stream is Stream.EVENT else OrderKind.OFFERS
            found.append((kind.value, order.first, order.last))
    return found


def of_fleet(orders: Orders, gateway: int) -> list[Plain]:
    """Tell what the fleet's sessions want sent by one gateway, in order."""
    return [
        (batch.kind.value, int(batch.first[place]), int(batch.last[place]))
        for batch in orders.batches
        for place in np.flatnonzero(batch.who == gateway)
    ]


class Pair:
    """A fleet of sessions, and as many real ones to which the same happens."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.fleet = FleetSessions(COUNT, PARAMETERS)
        holdings = Holdings(last={}, durable={}, trimmed={})
        self.real = [EdgeSession(JOURNAL, holdings, PARAMETERS) for _ in range(COUNT)]
        self.now_ns = 5 * S
        self.journaled = np.zeros((3, COUNT), dtype=np.int64)
        self.held = np.zeros((3, COUNT), dtype=np.int64)
        self.durable = np.zeros((3, COUNT), dtype=np.int64)
        self.epoch = 1

    def compare(self, orders: Orders, real: dict[int, list[Order]]) -> None:
        for gateway in range(COUNT):
            assert of_fleet(orders, gateway) == of_real(real.get(gateway, [])), gateway
            session = self.real[gateway]
            assert STATES[self.fleet.state[gateway]] is session.state
            assert LIVENESS[self.fleet.liveness[gateway]] is session.liveness
            assert self.fleet.epoch[gateway] == session.epoch

    def some(self) -> list[int]:
        return sorted(self.dice.sample(range(COUNT), self.dice.randint(1, COUNT)))

    def step(self) -> None:
        self.now_ns += round(self.dice.choice([0.02, 0.1, 0.4, 1.0, 1.0, 2.5, 6.0]) * S)
        happening = self.dice.choice(
            ["connect", "cut", "tick", "tick", "tick", "entry", "ack", "ack", "ack", "snap", "wait"]
        )
        getattr(self, f"_{happening}")(self.some())

    def _connect(self, who: list[int]) -> None:
        orders = self.fleet.connected(np.array(who), self.now_ns)
        self.compare(orders, {g: self.real[g].connected(self.now_ns) for g in who})

    def _cut(self, who: list[int]) -> None:
        if self.dice.random() < 0.5:
            return
        orders = self.fleet.disconnected(np.array(who), self.now_ns)
        self.compare(orders, {g: self.real[g].disconnected(self.now_ns) for g in who})

    def _tick(self, who: list[int]) -> None:
        self._journal(TELEMETRY, list(range(COUNT)))

    def _entry(self, who: list[int]) -> None:
        self._journal(self.dice.choice([EVENT, OFFER]), who)

    def _journal(self, stream: int, who: list[int]) -> None:
        self.journaled[stream, who] += self.dice.randint(1, 2) if stream != TELEMETRY else 1
        last = self.journaled[stream, who]
        orders = self.fleet.journal(stream, np.array(who), last, now_ns=self.now_ns)
        real = {
            g: self.real[g].journaled(STREAMS[stream], int(self.journaled[stream, g]), self.now_ns)
            for g in who
        }
        self.compare(orders, real)

    def _wait(self, who: list[int]) -> None:
        orders = self.fleet.on_deadline(self.now_ns)
        self.compare(orders, {g: self.real[g].on_deadline(self.now_ns) for g in range(COUNT)})

    def _answers(self, who: list[int]) -> tuple[Acknowledged, dict[int, Acknowledgement]]:
        """Draw what the coordinator says: mostly more than before, rarely less or nonsense."""
        chance = self.dice.random()
        for gateway in who:
            for stream in range(3):
                low, high = int(self.held[stream, gateway]), int(self.journaled[stream, gateway])
                self.held[stream, gateway] = self.dice.randint(low, high)
                durable = int(self.durable[stream, gateway])
                self.durable[stream, gateway] = self.dice.randint(
                    min(durable, int(self.held[stream, gateway])), self.held[stream, gateway]
                )
        if chance < 0.08:
            self.held = self.durable.copy()
        if chance < 0.04:
            self.epoch += 1
        excess = 5 if chance > 0.97 else 0
        epoch = self.epoch - (1 if chance > 0.99 else 0)
        rate = self.dice.choice([0, 5, 30, 200])
        taken = Acknowledged(
            who=np.array(who),
            epoch=np.full(len(who), epoch),
            rate_per_s=np.full(len(who), rate),
            received=self.held[:, who] + excess,
            durable=self.durable[:, who],
        )
        single = {
            g: Acknowledgement(
                epoch=epoch,
                journal_id=JOURNAL,
                received={s: int(self.held[i, g]) + excess for i, s in enumerate(STREAMS)},
                durable={s: int(self.durable[i, g]) for i, s in enumerate(STREAMS)},
                backfill_per_s=rate,
            )
            for g in who
        }
        return taken, single

    def _ack(self, who: list[int]) -> None:
        taken, single = self._answers(who)
        orders = self.fleet.acknowledged(taken, self.now_ns)
        self.compare(orders, {g: self._given(g, single[g]) for g in who})

    def _snap(self, who: list[int]) -> None:
        taken, single = self._answers(who)
        orders = self.fleet.snapshot(taken, self.now_ns)
        real = {
            g: self._given(
                g,
                Snapshot(
                    epoch=single[g].epoch, acknowledgement=single[g], commitments=(), signal=None
                ),
            )
            for g in who
        }
        self.compare(orders, real)

    def _given(self, gateway: int, message: Acknowledgement | Snapshot) -> list[Order]:
        try:
            return self.real[gateway].receive(message, self.now_ns)
        except RemoteProtocolError:
            return []


@pytest.mark.parametrize("seed", range(30))
def test_a_fleet_does_what_as_many_real_gateways_do(seed: int) -> None:
    """If it fails, the simulated fleet does not speak as gateways do, and its figures are void."""
    pair = Pair(seed)
    for _ in range(300):
        pair.step()
    assert pair.fleet.received[TELEMETRY].max() > 0


def test_what_left_the_journal_is_not_sent() -> None:
    """If it fails, a fleet would send rows that its ring has overwritten: other seconds' data."""
    fleet = FleetSessions(1, PARAMETERS)
    one = np.array([0])
    fleet.connected(one, S)
    for second in range(1, 11):
        fleet.journal(TELEMETRY, one, np.array([second]), now_ns=S)
    fleet.trim(TELEMETRY, np.array([6]))
    orders = fleet.snapshot(
        Acknowledged(
            who=one,
            epoch=one + 1,
            rate_per_s=one + 100,
            received=np.zeros((3, 1), dtype=np.int64),
            durable=np.zeros((3, 1), dtype=np.int64),
        ),
        S,
    )
    orders.batches += fleet.on_deadline(2 * S).batches
    assert of_fleet(orders, 0) == [(OrderKind.BACKFILL.value, 7, 10)]
