"""One stream's sending window, and the token bucket of the backfill. Used by the edge session.

``expected`` is what the peer will have received if all that was sent arrives in order. When the
acknowledgement makes no progress for the time-out, what was sent counts as lost and
``expected`` falls back to ``received``.
"""

from dataclasses import dataclass

NS_PER_S = 1_000_000_000


@dataclass(slots=True, kw_only=True)
class Outbox:
    """Sequences of one stream; all inclusive, 0 for "none".

    Attributes
    ----------
    journaled : int
        Last sequence in the journal.
    durable : int
        Highest durable acknowledgement.
    trimmed : int
        Last sequence the journal no longer holds.
    received, expected : int
        As in the module's text; ``received <= expected <= journaled``.
    waiting_since_ns : int or None
        Since when something sent waits for an acknowledgement without progress.
    """

    journaled: int = 0
    durable: int = 0
    trimmed: int = 0
    received: int = 0
    expected: int = 0
    waiting_since_ns: int | None = None

    @property
    def next_first(self) -> int:
        """First sequence to send next so that the peer stays contiguous."""
        return max(self.expected, self.trimmed) + 1

    def sent(self, first: int, last: int, now_ns: int) -> None:
        """Note that ``first..last`` went out; only what continues ``expected`` extends it."""
        if first > self.next_first or last <= self.expected:
            return
        self.expected = last
        if self.waiting_since_ns is None:
            self.waiting_since_ns = now_ns

    def acknowledged(self, received: int, now_ns: int) -> bool:
        """Take a cumulative acknowledgement that does not fall back; return whether it advanced."""
        assert self.received <= received <= self.journaled, "acknowledgement not checked"
        advanced = received > self.received
        self.received = received
        self.expected = max(self.expected, received)
        if self.expected == received:
            self.waiting_since_ns = None
        elif advanced:
            self.waiting_since_ns = now_ns
        return advanced

    def fall_back(self, received: int) -> None:
        """Forget what was sent beyond ``received``: it will be sent again."""
        self.received = self.expected = received
        self.waiting_since_ns = None

    def expire(self, now_ns: int, timeout_ns: int) -> bool:
        """Count what was sent as lost if the time-out has passed; return whether it has."""
        if self.waiting_since_ns is None or now_ns < self.waiting_since_ns + timeout_ns:
            return False
        self.fall_back(self.received)
        return True


class TokenBucket:
    """Rows that may go by backfill: at most ``rate x time + one burst`` in any span of time.

    Parameters
    ----------
    burst_rows : int
        The most that ever goes at once; also limited by one second of the rate.
    """

    def __init__(self, burst_rows: int) -> None:
        self._burst_rows = burst_rows
        self._rate_per_s = 0
        self._row_ns = 0
        self._at_ns = 0

    @property
    def capacity_rows(self) -> int:
        """Greatest batch at the present rate; 0 when nothing is granted."""
        return min(self._burst_rows, self._rate_per_s)

    def set_rate(self, rate_per_s: int, now_ns: int) -> None:
        """Take a new grant; tokens above the new capacity are gone."""
        self._accrue(now_ns)
        self._rate_per_s = rate_per_s
        self._row_ns = min(self._row_ns, self.capacity_rows * NS_PER_S)

    def take(self, rows: int, now_ns: int) -> bool:
        """Take tokens for that many rows if they are there."""
        self._accrue(now_ns)
        if self._row_ns < rows * NS_PER_S:
            return False
        self._row_ns -= rows * NS_PER_S
        return True

    def ready_ns(self, rows: int) -> int | None:
        """When :meth:`take` of that many rows will succeed; None if never at this rate."""
        if rows > self.capacity_rows:
            return None
        missing = rows * NS_PER_S - self._row_ns
        return self._at_ns + max(0, -(-missing // self._rate_per_s))

    def _accrue(self, now_ns: int) -> None:
        elapsed_ns = max(0, now_ns - self._at_ns)
        self._at_ns = max(self._at_ns, now_ns)
        self._row_ns = min(
            self._row_ns + elapsed_ns * self._rate_per_s, self.capacity_rows * NS_PER_S
        )
