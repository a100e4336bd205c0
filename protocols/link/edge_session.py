"""The gateway's half of the link: what to send when, and what to believe of the answers.

A pure state machine over sequences and monotonic time. It sees no payloads and does no I/O:
the shell (``edge_agent.link``) tells it what happened and carries out the orders it returns.

The theory. The journal is the truth and everything in it reaches the coordinator's history
exactly once, in order, per (journal, stream): the coordinator takes a row into history only if
it continues what it has, and says so in cumulative acknowledgements (received, durable). So the
gateway may send anything twice and in any order, and needs only two rules: the newest telemetry
row goes at once, and everything the acknowledgement does not cover is sent again, ascending,
at the granted rate. A coordinator that forgot what was not durable (restart, restored copy)
shows by a higher epoch or by an acknowledgement that goes back; both lead to a new hello, and
sending goes on from where the snapshot says. Trimming follows the durable acknowledgement only.
"""

from protocols.link.edge_states import (
    EDGE_DEFAULTS,
    TRANSITIONS,
    EdgeParameters,
    EdgeState,
    EdgeTrigger,
    Holdings,
)
from protocols.link.messages import Acknowledgement, Lane, Message, Snapshot, Stream
from protocols.link.orders import (
    ApplySnapshot,
    Durable,
    HelloReason,
    Liveness,
    LivenessChanged,
    Order,
    SendEvents,
    SendHello,
    SendTelemetry,
    StaleCoordinator,
)
from protocols.link.outbox import NS_PER_S, Outbox, TokenBucket
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import JournalId


class EdgeSession:
    """Sequence, acknowledgement and resume of one journal, gateway side.

    Parameters
    ----------
    journal_id : JournalId
        The journal it speaks for; acknowledgements of another are ignored.
    holdings : Holdings
        What that journal holds.
    parameters : EdgeParameters
        Times and limits.

    Notes
    -----
    Every method returns the orders to carry out, in order. ``now_ns`` is monotonic and never
    goes back. Call :meth:`on_deadline` when :meth:`next_deadline_ns` has come; calling it early
    does no harm.
    """

    def __init__(
        self,
        journal_id: JournalId,
        holdings: Holdings,
        parameters: EdgeParameters = EDGE_DEFAULTS,
    ) -> None:
        self._journal_id = journal_id
        self._parameters = parameters
        self._epoch = holdings.epoch
        self._state = EdgeState.DISCONNECTED
        self._liveness = Liveness.LOST
        self._outboxes = {
            stream: Outbox(
                journaled=holdings.last.get(stream, 0),
                durable=holdings.durable.get(stream, 0),
                trimmed=holdings.trimmed.get(stream, 0),
            )
            for stream in Stream
        }
        self._bucket = TokenBucket(parameters.backfill_rows)
        self._batch_last: int | None = None
        self._heard_ns = 0
        self._progress_ns = 0
        self._hello_due_ns = 0
        self._hello_wait_ns = 0

    @property
    def state(self) -> EdgeState:
        """Where the session is."""
        return self._state

    @property
    def liveness(self) -> Liveness:
        """How the link is by the acknowledgements' silence; LOST before the first snapshot."""
        return self._liveness

    @property
    def epoch(self) -> int:
        """Highest epoch of the partition's lease seen; the shell persists it."""
        return self._epoch

    def connected(self, now_ns: int) -> list[Order]:
        """Greet: the broker accepted the connection and the subscriptions."""
        self._move(EdgeTrigger.CONNECTED)
        return self._greet(HelloReason.CONNECTED, now_ns)

    def disconnected(self, now_ns: int) -> list[Order]:
        """Stop sending: the connection is gone. Liveness goes by silence, not by this."""
        self._move(EdgeTrigger.CUT)
        self._stop_backfill(now_ns)
        return self._judge_silence(now_ns)

    def journaled(self, stream: Stream, last_sequence: int, now_ns: int) -> list[Order]:
        """Take note that entries up to ``last_sequence`` are committed in the journal.

        The newest telemetry row goes at once, before and beside any backfill.
        """
        outbox = self._outboxes[stream]
        assert last_sequence >= outbox.journaled, "a journal does not go back"
        if last_sequence == outbox.journaled:
            return []
        if self._nothing_missing:
            self._progress_ns = now_ns
        outbox.journaled = last_sequence
        if self._state is not EdgeState.LIVE:
            return []
        orders: list[Order] = []
        if stream is Stream.TELEMETRY:
            orders.append(SendTelemetry(first=last_sequence, last=last_sequence, lane=Lane.LIVE))
            outbox.sent(last_sequence, last_sequence, now_ns)
        return orders + self._fill(now_ns)

    def trimmed(self, stream: Stream, through: int) -> None:
        """Take note that entries up to ``through`` are no longer in the journal."""
        outbox = self._outboxes[stream]
        assert outbox.trimmed <= through <= outbox.journaled, "trimmed what was not there"
        outbox.trimmed = through

    def receive(self, message: Message, now_ns: int) -> list[Order]:
        """Take a message from the coordinator.

        Parameters
        ----------
        message : Message
            Snapshots and acknowledgements matter here; others are the agent's and ignored.
        now_ns : int
            Monotonic time.

        Raises
        ------
        RemoteProtocolError
            If it acknowledges what was never journaled. Nothing has changed then.
        """
        if isinstance(message, Snapshot):
            return self._snapshot(message, now_ns)
        if isinstance(message, Acknowledgement):
            return self._acknowledgement(message, now_ns)
        return []

    def next_deadline_ns(self) -> int | None:
        """When :meth:`on_deadline` is due; None if nothing is pending."""
        deadlines = [self._silence_ns()]
        if self._state is EdgeState.HELLO:
            deadlines.append(self._hello_due_ns)
        elif self._state is EdgeState.LIVE:
            deadlines += [self._refresh_ns(), self._backfill_ns(), *self._resend_ns()]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def on_deadline(self, now_ns: int) -> list[Order]:
        """Do what is due at ``now_ns``."""
        orders = self._judge_silence(now_ns)
        if self._state is EdgeState.HELLO:
            if now_ns >= self._hello_due_ns:
                orders += self._repeat(HelloReason.REPEATED, now_ns)
        elif self._state is EdgeState.LIVE:
            refresh_ns = self._refresh_ns()
            if refresh_ns is not None and now_ns >= refresh_ns:
                late = self._liveness is Liveness.LATE
                reason = HelloReason.ACKS_SILENT if late else HelloReason.STALLED
                orders += self._repeat(reason, now_ns)
            orders += self._fill(now_ns)
        return orders

    def _move(self, trigger: EdgeTrigger) -> None:
        self._state = TRANSITIONS[self._state, trigger]

    def _greet(self, reason: HelloReason, now_ns: int) -> list[Order]:
        self._stop_backfill(now_ns)
        self._hello_wait_ns = 0
        return self._repeat(reason, now_ns)

    def _repeat(self, reason: HelloReason, now_ns: int) -> list[Order]:
        first_ns, most_ns = _ns(self._parameters.hello_first_s), _ns(self._parameters.hello_most_s)
        self._hello_wait_ns = min(max(first_ns, 2 * self._hello_wait_ns), most_ns)
        self._hello_due_ns = now_ns + self._hello_wait_ns
        return [SendHello(reason=reason)]

    def _stop_backfill(self, now_ns: int) -> None:
        self._batch_last = None
        self._bucket.set_rate(0, now_ns)

    def _snapshot(self, snapshot: Snapshot, now_ns: int) -> list[Order]:
        acknowledgement = snapshot.acknowledgement
        if acknowledgement.journal_id != self._journal_id:
            return []
        if self._state is EdgeState.DISCONNECTED:
            return []
        if snapshot.epoch < self._epoch:
            return [StaleCoordinator(epoch=snapshot.epoch, epoch_known=self._epoch)]
        self._check(acknowledgement)
        forgot = self._state is EdgeState.HELLO or self._restarted(snapshot.epoch, acknowledgement)
        self._epoch = snapshot.epoch
        self._move(EdgeTrigger.SNAPSHOT)
        if forgot:
            self._batch_last = None
            for stream, outbox in self._outboxes.items():
                outbox.fall_back(acknowledgement.received.get(stream, 0))
        self._progress_ns = now_ns
        self._hello_wait_ns = 0
        self._hello_due_ns = now_ns
        return [ApplySnapshot(snapshot=snapshot), *self._advance(acknowledgement, now_ns)]

    def _acknowledgement(self, acknowledgement: Acknowledgement, now_ns: int) -> list[Order]:
        if acknowledgement.journal_id != self._journal_id or self._state is not EdgeState.LIVE:
            return []
        if acknowledgement.epoch < self._epoch:
            return [StaleCoordinator(epoch=acknowledgement.epoch, epoch_known=self._epoch)]
        self._check(acknowledgement)
        if self._restarted(acknowledgement.epoch, acknowledgement):
            replaced = acknowledgement.epoch > self._epoch
            self._move(EdgeTrigger.RESTARTED)
            return self._greet(
                HelloReason.COORDINATOR_REPLACED if replaced else HelloReason.ACK_REGRESSED, now_ns
            )
        return self._advance(acknowledgement, now_ns)

    def _restarted(self, epoch: int, acknowledgement: Acknowledgement) -> bool:
        if epoch > self._epoch:
            return True
        return any(
            acknowledgement.received.get(stream, 0) < outbox.received
            for stream, outbox in self._outboxes.items()
        )

    def _check(self, acknowledgement: Acknowledgement) -> None:
        for stream, outbox in self._outboxes.items():
            received = acknowledgement.received.get(stream, 0)
            durable = acknowledgement.durable.get(stream, 0)
            if not durable <= received <= outbox.journaled:
                message = (
                    f"acknowledgement of {stream.value}: durable {durable}, received {received}, "
                    f"but {outbox.journaled} journaled"
                )
                raise RemoteProtocolError(message)

    def _advance(self, acknowledgement: Acknowledgement, now_ns: int) -> list[Order]:
        self._heard_ns = now_ns
        orders = self._become(Liveness.GOOD)
        for stream, outbox in self._outboxes.items():
            if outbox.acknowledged(acknowledgement.received.get(stream, 0), now_ns):
                self._progress_ns = now_ns
            durable = acknowledgement.durable.get(stream, 0)
            if durable > outbox.durable:
                outbox.durable = durable
                orders.append(Durable(stream=stream, sequence=durable))
        self._bucket.set_rate(acknowledgement.backfill_per_s, now_ns)
        return orders + self._fill(now_ns)

    def _fill(self, now_ns: int) -> list[Order]:
        """Send again what timed out, then whatever the windows and the grant allow."""
        resend_ns = _ns(self._parameters.resend_s)
        orders: list[Order] = []
        for stream in (Stream.EVENT, Stream.OFFER):
            outbox = self._outboxes[stream]
            outbox.expire(now_ns, resend_ns)
            first = outbox.next_first
            last = min(
                outbox.journaled, max(first - 1, outbox.received + self._parameters.entry_window)
            )
            if first <= last:
                orders.append(SendEvents(stream=stream, first=first, last=last))
                outbox.sent(first, last, now_ns)
        outbox = self._outboxes[Stream.TELEMETRY]
        if outbox.expire(now_ns, resend_ns) or outbox.received >= (self._batch_last or 0):
            self._batch_last = None
        rows = self._rows_wanted()
        if rows > 0 and self._bucket.take(rows, now_ns):
            first = outbox.next_first
            self._batch_last = first + rows - 1
            orders.append(SendTelemetry(first=first, last=self._batch_last, lane=Lane.BACKFILL))
            outbox.sent(first, self._batch_last, now_ns)
        return orders

    @property
    def _nothing_missing(self) -> bool:
        return all(outbox.received >= outbox.journaled for outbox in self._outboxes.values())

    def _rows_wanted(self) -> int:
        """Rows of the next backfill message; 0 while one is in flight or nothing is granted."""
        if self._batch_last is not None:
            return 0
        outbox = self._outboxes[Stream.TELEMETRY]
        return min(outbox.journaled - outbox.next_first + 1, self._bucket.capacity_rows)

    def _backfill_ns(self) -> int | None:
        rows = self._rows_wanted()
        return self._bucket.ready_ns(rows) if rows > 0 else None

    def _resend_ns(self) -> list[int]:
        resend_ns = _ns(self._parameters.resend_s)
        return [
            outbox.waiting_since_ns + resend_ns
            for outbox in self._outboxes.values()
            if outbox.waiting_since_ns is not None
        ]

    def _refresh_ns(self) -> int | None:
        """When a hello is due although the session is live."""
        if self._liveness is Liveness.LATE:
            return self._hello_due_ns
        if self._nothing_missing:
            return None
        return max(self._progress_ns + _ns(self._parameters.stall_s), self._hello_due_ns)

    def _silence_ns(self) -> int | None:
        if self._liveness is Liveness.LOST:
            return None
        late = self._liveness is Liveness.LATE
        silence_s = self._parameters.lost_s if late else self._parameters.late_s
        return self._heard_ns + _ns(silence_s)

    def _judge_silence(self, now_ns: int) -> list[Order]:
        silent_ns = now_ns - self._heard_ns
        if self._liveness is Liveness.LOST or silent_ns < _ns(self._parameters.late_s):
            return []
        if silent_ns < _ns(self._parameters.lost_s):
            return self._become(Liveness.LATE)
        orders = self._become(Liveness.LOST)
        if self._state is EdgeState.LIVE:
            self._move(EdgeTrigger.LOST)
            orders += self._greet(HelloReason.ACKS_SILENT, now_ns)
        return orders

    def _become(self, liveness: Liveness) -> list[Order]:
        if liveness is self._liveness:
            return []
        self._liveness = liveness
        self._hello_wait_ns = 0
        return [LivenessChanged(liveness=liveness)]


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)
