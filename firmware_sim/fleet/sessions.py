"""The gateway's half of the link for a whole fleet: ``EdgeSession`` as columns.

The rules are those of :class:`protocols.link.edge_session.EdgeSession`, one row per gateway;
the tests drive both with the same happenings and compare every order and every deadline. Pure:
time is an argument, orders come back as index arrays. Called by
:mod:`firmware_sim.fleet.gateways`.
"""

import enum
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from firmware_sim.fleet.buckets import Buckets
from protocols.link.edge_states import EDGE_DEFAULTS, EdgeParameters, EdgeState
from protocols.link.messages import Stream
from protocols.link.orders import Liveness
from protocols.link.outbox import NS_PER_S
from protocols.vocabulary.arrays import IntArray

Mask = npt.NDArray[np.bool_]

STREAMS: Final = tuple(Stream)
"""Row of each stream in the columns of shape (3, n)."""
TELEMETRY: Final = STREAMS.index(Stream.TELEMETRY)
EVENT: Final = STREAMS.index(Stream.EVENT)
OFFER: Final = STREAMS.index(Stream.OFFER)
STATES: Final = tuple(EdgeState)
LIVENESS: Final = tuple(Liveness)
NOT_WAITING: Final = -1

_DISCONNECTED, _HELLO, _LIVE = (
    STATES.index(state) for state in (EdgeState.DISCONNECTED, EdgeState.HELLO, EdgeState.LIVE)
)
_GOOD, _LATE, _LOST = (LIVENESS.index(one) for one in (Liveness.GOOD, Liveness.LATE, Liveness.LOST))


class OrderKind(enum.Enum):
    """What a gateway is to do."""

    HELLO = "hello"
    LIVE = "live"
    BACKFILL = "backfill"
    EVENTS = "events"
    OFFERS = "offers"


_ENTRY_KINDS: Final = {EVENT: OrderKind.EVENTS, OFFER: OrderKind.OFFERS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The same order for many gateways.

    Attributes
    ----------
    kind : OrderKind
        What is to be sent.
    who : IntArray
        Shape (k,), gateways.
    first, last : IntArray
        Shape (k,), sequences, inclusive; 0 for a hello.
    """

    kind: OrderKind
    who: IntArray
    first: IntArray
    last: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """Acknowledgements of many gateways, each gateway at most once.

    Attributes
    ----------
    who : IntArray
        Shape (k,).
    epoch, rate_per_s : IntArray
        Shape (k,).
    received, durable : IntArray
        Shape (3, k), by stream.
    """

    who: IntArray
    epoch: IntArray
    rate_per_s: IntArray
    received: IntArray
    durable: IntArray

    def of(self, mask: Mask) -> "Acknowledged":
        """Keep some of them."""
        return Acknowledged(
            who=self.who[mask],
            epoch=self.epoch[mask],
            rate_per_s=self.rate_per_s[mask],
            received=self.received[:, mask],
            durable=self.durable[:, mask],
        )


@dataclass(slots=True)
class Orders:
    """Orders in the order in which they are to be carried out."""

    batches: list[Batch] = field(default_factory=list)

    def add(self, kind: OrderKind, who: IntArray, *, first: IntArray, last: IntArray) -> None:
        """Append, unless it is for nobody."""
        if len(who):
            self.batches.append(Batch(kind=kind, who=who, first=first, last=last))


class FleetSessions:
    """Sequence, acknowledgement and resume of n journals.

    Parameters
    ----------
    count : int
        Gateways; all with empty journals.
    parameters : EdgeParameters
        Times and limits, the same for all.

    Attributes
    ----------
    state, liveness : ndarray of int8
        Shape (n,), places in ``STATES`` and ``LIVENESS``.
    epoch : IntArray
        Shape (n,), highest epoch of the partition's lease seen.
    journaled, durable, trimmed, received, expected : IntArray
        Shape (3, n), as in :class:`protocols.link.outbox.Outbox`.
    refused : int
        Acknowledgements of what was never journaled, and of replaced coordinators.
    """

    def __init__(self, count: int, parameters: EdgeParameters = EDGE_DEFAULTS) -> None:
        self._parameters = parameters
        self.state = np.full(count, _DISCONNECTED, dtype=np.int8)
        self.liveness = np.full(count, _LOST, dtype=np.int8)
        self.epoch = np.zeros(count, dtype=np.int64)
        self.journaled = np.zeros((len(STREAMS), count), dtype=np.int64)
        self.durable = np.zeros_like(self.journaled)
        self.trimmed = np.zeros_like(self.journaled)
        self.received = np.zeros_like(self.journaled)
        self.expected = np.zeros_like(self.journaled)
        self._waiting_ns = np.full_like(self.journaled, NOT_WAITING)
        self._buckets = Buckets(count, parameters.backfill_rows)
        self._batch_last = np.zeros(count, dtype=np.int64)
        self._heard_ns = np.zeros(count, dtype=np.int64)
        self._progress_ns = np.zeros(count, dtype=np.int64)
        self._hello_due_ns = np.zeros(count, dtype=np.int64)
        self._hello_wait_ns = np.zeros(count, dtype=np.int64)
        self.refused = 0

    @property
    def live(self) -> Mask:
        """Which sessions are live, shape (n,)."""
        return np.asarray(self.state == _LIVE)

    @property
    def missing_rows(self) -> int:
        """Telemetry rows journaled and not acknowledged as received."""
        return int((self.journaled[TELEMETRY] - self.received[TELEMETRY]).sum())

    def connected(self, who: IntArray, now_ns: int) -> Orders:
        """Greet: the broker accepted connection and subscriptions."""
        orders = Orders()
        self.state[who] = _HELLO
        self._greet(who, now_ns, orders)
        return orders

    def disconnected(self, who: IntArray, now_ns: int) -> Orders:
        """Stop sending; liveness goes by silence, not by this."""
        orders = Orders()
        self.state[who] = _DISCONNECTED
        self._stop_backfill(who, now_ns)
        self._judge_silence(who, now_ns, orders)
        return orders

    def journal(self, stream: int, who: IntArray, last: IntArray, *, now_ns: int) -> Orders:
        """Take note that entries up to ``last`` are in the journals.

        Parameters
        ----------
        stream : int
            Row of ``STREAMS``.
        who, last : IntArray
            Shape (k,), each gateway once; ``last`` does not go back.
        now_ns : int
            Monotonic time.
        """
        orders = Orders()
        new = last > self.journaled[stream, who]
        who, last = who[new], last[new]
        whole = who[(self.received[:, who] >= self.journaled[:, who]).all(axis=0)]
        self._progress_ns[whole] = now_ns
        self.journaled[stream, who] = last
        live = self.state[who] == _LIVE
        who, last = who[live], last[live]
        if stream == TELEMETRY:
            orders.add(OrderKind.LIVE, who, first=last, last=last)
            self._sent(stream, who, first=last, last=last, now_ns=now_ns)
        self._fill(who, now_ns, orders)
        return orders

    def trim(self, stream: int, through: IntArray) -> None:
        """Take note that entries up to ``through``, shape (n,), left the journals."""
        self.trimmed[stream] = np.maximum(self.trimmed[stream], through)

    def snapshot(self, taken: Acknowledged, now_ns: int) -> Orders:
        """Take answers to hellos; each epoch is the snapshot's."""
        orders = Orders()
        taken = taken.of(self.state[taken.who] != _DISCONNECTED)
        taken = self._checked(taken)
        who = taken.who
        anew = (self.state[who] == _HELLO) | self._restarted(taken)
        forgot = who[anew]
        self.epoch[who] = taken.epoch
        self.state[who] = _LIVE
        self._batch_last[forgot] = 0
        self.received[:, forgot] = taken.received[:, anew]
        self.expected[:, forgot] = taken.received[:, anew]
        self._waiting_ns[:, forgot] = NOT_WAITING
        self._progress_ns[who] = now_ns
        self._hello_wait_ns[who] = 0
        self._hello_due_ns[who] = now_ns
        self._advance(taken, now_ns, orders)
        return orders

    def acknowledged(self, taken: Acknowledged, now_ns: int) -> Orders:
        """Take acknowledgements."""
        orders = Orders()
        taken = self._checked(taken.of(self.state[taken.who] == _LIVE))
        again = self._restarted(taken)
        restarted = taken.who[again]
        self.state[restarted] = _HELLO
        self._greet(restarted, now_ns, orders)
        self._advance(taken.of(~again), now_ns, orders)
        return orders

    def on_deadline(self, now_ns: int) -> Orders:
        """Do what is due at ``now_ns`` for everybody."""
        orders = Orders()
        everybody = np.arange(len(self.state))
        self._judge_silence(everybody, now_ns, orders)
        greeting = self.state == _HELLO
        live = self.state == _LIVE
        late = live & (self.liveness == _LATE) & (now_ns >= self._hello_due_ns)
        stall_ns = self._progress_ns + _ns(self._parameters.stall_s)
        holes = (self.received < self.journaled).any(axis=0)
        stalled = live & (self.liveness != _LATE) & holes
        stalled &= now_ns >= np.maximum(stall_ns, self._hello_due_ns)
        again = (greeting & (now_ns >= self._hello_due_ns)) | late | stalled
        self._repeat(np.flatnonzero(again), now_ns, orders)
        self._fill(np.flatnonzero(live), now_ns, orders)
        return orders

    def _greet(self, who: IntArray, now_ns: int, orders: Orders) -> None:
        self._stop_backfill(who, now_ns)
        self._hello_wait_ns[who] = 0
        self._repeat(who, now_ns, orders)

    def _repeat(self, who: IntArray, now_ns: int, orders: Orders) -> None:
        first_ns, most_ns = _ns(self._parameters.hello_first_s), _ns(self._parameters.hello_most_s)
        wait_ns = np.minimum(np.maximum(first_ns, 2 * self._hello_wait_ns[who]), most_ns)
        self._hello_wait_ns[who] = wait_ns
        self._hello_due_ns[who] = now_ns + wait_ns
        nothing = np.zeros(len(who), dtype=np.int64)
        orders.add(OrderKind.HELLO, who, first=nothing, last=nothing)

    def _stop_backfill(self, who: IntArray, now_ns: int) -> None:
        self._batch_last[who] = 0
        self._buckets.set_rate(who, np.zeros(len(who), dtype=np.int64), now_ns)

    def _checked(self, taken: Acknowledged) -> Acknowledged:
        """Drop and count what acknowledges too much, and replaced coordinators."""
        possible = (taken.durable <= taken.received) & (
            taken.received <= self.journaled[:, taken.who]
        )
        good = possible.all(axis=0) & (taken.epoch >= self.epoch[taken.who])
        self.refused += int((~good).sum())
        return taken.of(good)

    def _restarted(self, taken: Acknowledged) -> Mask:
        back = (taken.received < self.received[:, taken.who]).any(axis=0)
        return np.asarray(back | (taken.epoch > self.epoch[taken.who]))

    def _advance(self, taken: Acknowledged, now_ns: int, orders: Orders) -> None:
        who = taken.who
        self._heard_ns[who] = now_ns
        worse = who[self.liveness[who] != _GOOD]
        self.liveness[worse] = _GOOD
        self._hello_wait_ns[worse] = 0
        advanced = taken.received > self.received[:, who]
        self._progress_ns[who[advanced.any(axis=0)]] = now_ns
        self.received[:, who] = taken.received
        self.expected[:, who] = np.maximum(self.expected[:, who], taken.received)
        waiting = np.where(advanced, now_ns, self._waiting_ns[:, who])
        done = self.expected[:, who] == taken.received
        self._waiting_ns[:, who] = np.where(done, NOT_WAITING, waiting)
        self.durable[:, who] = np.maximum(self.durable[:, who], taken.durable)
        self._buckets.set_rate(who, taken.rate_per_s, now_ns)
        self._fill(who, now_ns, orders)

    def _sent(
        self, stream: int, who: IntArray, *, first: IntArray, last: IntArray, now_ns: int
    ) -> None:
        following = np.maximum(self.expected[stream, who], self.trimmed[stream, who]) + 1
        counts = (first <= following) & (last > self.expected[stream, who])
        who = who[counts]
        self.expected[stream, who] = last[counts]
        idle = who[self._waiting_ns[stream, who] == NOT_WAITING]
        self._waiting_ns[stream, idle] = now_ns

    def _expire(self, stream: int, who: IntArray, now_ns: int) -> Mask:
        since = self._waiting_ns[stream, who]
        over = (since != NOT_WAITING) & (now_ns >= since + _ns(self._parameters.resend_s))
        lost = who[over]
        self.expected[stream, lost] = self.received[stream, lost]
        self._waiting_ns[stream, lost] = NOT_WAITING
        return np.asarray(over)

    def _fill(self, who: IntArray, now_ns: int, orders: Orders) -> None:
        """Send again what timed out, then whatever windows and grants allow."""
        for stream, kind in _ENTRY_KINDS.items():
            self._expire(stream, who, now_ns)
            first = np.maximum(self.expected[stream, who], self.trimmed[stream, who]) + 1
            window = self.received[stream, who] + self._parameters.entry_window
            last = np.minimum(self.journaled[stream, who], np.maximum(first - 1, window))
            due = first <= last
            orders.add(kind, who[due], first=first[due], last=last[due])
            self._sent(stream, who[due], first=first[due], last=last[due], now_ns=now_ns)
        self._fill_rows(who, now_ns, orders)

    def _fill_rows(self, who: IntArray, now_ns: int, orders: Orders) -> None:
        over = self._expire(TELEMETRY, who, now_ns)
        over |= self.received[TELEMETRY, who] >= self._batch_last[who]
        self._batch_last[who[over]] = 0
        following = np.maximum(self.expected[TELEMETRY, who], self.trimmed[TELEMETRY, who]) + 1
        rows = np.minimum(
            self.journaled[TELEMETRY, who] - following + 1, self._buckets.capacity_rows(who)
        )
        wanted = (rows > 0) & (self._batch_last[who] == 0)
        who, rows, following = who[wanted], rows[wanted], following[wanted]
        taken = self._buckets.take(who, rows, now_ns)
        who, first = who[taken], following[taken]
        last = first + rows[taken] - 1
        self._batch_last[who] = last
        orders.add(OrderKind.BACKFILL, who, first=first, last=last)
        self._sent(TELEMETRY, who, first=first, last=last, now_ns=now_ns)

    def _judge_silence(self, who: IntArray, now_ns: int, orders: Orders) -> None:
        silent_ns = now_ns - self._heard_ns[who]
        judged = (self.liveness[who] != _LOST) & (silent_ns >= _ns(self._parameters.late_s))
        lost = silent_ns >= _ns(self._parameters.lost_s)
        late = who[judged & ~lost]
        late = late[self.liveness[late] != _LATE]
        gone = who[judged & lost]
        self.liveness[late] = _LATE
        self.liveness[gone] = _LOST
        self._hello_wait_ns[late] = 0
        self._hello_wait_ns[gone] = 0
        was_live = gone[self.state[gone] == _LIVE]
        self.state[was_live] = _HELLO
        self._greet(was_live, now_ns, orders)


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)
