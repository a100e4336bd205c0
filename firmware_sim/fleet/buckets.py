"""``TokenBucket`` of the link as columns: what each gateway may backfill. Pure.

Rules as in :class:`protocols.link.outbox.TokenBucket`; used by
:mod:`firmware_sim.fleet.sessions` alone.
"""

import numpy as np
import numpy.typing as npt

from protocols.link.outbox import NS_PER_S
from protocols.vocabulary.arrays import IntArray


class Buckets:
    """Tokens of n gateways.

    Parameters
    ----------
    count : int
        n.
    burst_rows : int
        The most that ever goes at once.
    """

    def __init__(self, count: int, burst_rows: int) -> None:
        self._burst_rows = burst_rows
        self._rate_per_s = np.zeros(count, dtype=np.int64)
        self._row_ns = np.zeros(count, dtype=np.int64)
        self._at_ns = np.zeros(count, dtype=np.int64)

    def capacity_rows(self, who: IntArray) -> IntArray:
        """Greatest batch of some gateways at their present rates."""
        return np.minimum(self._burst_rows, self._rate_per_s[who])

    def set_rate(self, who: IntArray, rate_per_s: IntArray, now_ns: int) -> None:
        """Take new grants; tokens above the new capacity are gone."""
        self._accrue(who, now_ns)
        self._rate_per_s[who] = rate_per_s
        self._row_ns[who] = np.minimum(self._row_ns[who], self.capacity_rows(who) * NS_PER_S)

    def take(self, who: IntArray, rows: IntArray, now_ns: int) -> npt.NDArray[np.bool_]:
        """Take tokens for that many rows where they are there; shape (k,)."""
        self._accrue(who, now_ns)
        enough = self._row_ns[who] >= rows * NS_PER_S
        self._row_ns[who[enough]] -= rows[enough] * NS_PER_S
        return np.asarray(enough)

    def _accrue(self, who: IntArray, now_ns: int) -> None:
        elapsed_ns = np.maximum(0, now_ns - self._at_ns[who])
        self._at_ns[who] = np.maximum(self._at_ns[who], now_ns)
        self._row_ns[who] = np.minimum(
            self._row_ns[who] + elapsed_ns * self._rate_per_s[who],
            self.capacity_rows(who) * NS_PER_S,
        )
