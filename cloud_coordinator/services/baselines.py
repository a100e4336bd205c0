"""Committed baselines of many sites, looked up for many seconds at once."""

from collections.abc import Sequence

import numpy as np

from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.commitment import Commitment


class CommittedBaselines:
    """What each commitment's shares are added to.

    Parameters
    ----------
    commitments : sequence of Commitment
        Row i speaks of commitment i.
    """

    def __init__(self, commitments: Sequence[Commitment]) -> None:
        baselines = [commitment.baseline for commitment in commitments]
        lengths = np.array([len(b.power_w) for b in baselines], dtype=np.int64)
        self._last = lengths - 1
        self._offset = np.cumsum(lengths) - lengths
        self._start_s = np.array([b.interval.start.timestamp() for b in baselines])
        self._step_s = np.array([b.step_s for b in baselines])
        self._power_w = np.concatenate([b.power_w for b in baselines]) if baselines else np.empty(0)

    def at(self, rows: IntArray, seconds: IntArray) -> FloatArray:
        """Baseline power.

        Parameters
        ----------
        rows : IntArray
            Shape (n,), which commitment.
        seconds : IntArray
            Shape (n,), Unix seconds; outside its interval a baseline keeps its end value.

        Returns
        -------
        FloatArray
            Shape (n,), W at the meter.
        """
        steps = np.floor((seconds - self._start_s[rows]) / self._step_s[rows]).astype(np.int64)
        steps = np.clip(steps, 0, self._last[rows])
        return np.asarray(self._power_w[self._offset[rows] + steps], dtype=np.float64)
