"""Which links are cut when: a steady share of the fleet is away, and one sudden cut. Pure.

Randomness is drawn from the generator passed in. Called by
:mod:`firmware_sim.fleet.gateways` each tenth of a second.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from protocols.vocabulary.arrays import IntArray

OUTAGE_S: Final = (8.0, 24.0)
RECONNECT_S: Final = (0.2, 1.0)
JOIN_PER_S: Final = 400.0
"""Gateways that connect in a second at the start: a real fleet does not start at once."""


class Outages:
    """Links of n gateways; at first all are down and join one after the other.

    Parameters
    ----------
    count : int
        n.
    part : float
        Share of the fleet whose link is gone at any time, 0..1, once :meth:`begin` was called.
    dice : numpy.random.Generator
        For who, when and how long.
    now_s : float
        Unix time, s.
    """

    def __init__(self, count: int, part: float, dice: np.random.Generator, *, now_s: float) -> None:
        self._dice = dice
        self._per_s = part * count / (sum(OUTAGE_S) / 2.0)
        self._back_s = now_s + np.arange(count) / JOIN_PER_S
        self._down = np.ones(count, dtype=np.bool_)
        self._window_s = (np.inf, np.inf)
        self._last_s = now_s
        self._sudden: list[tuple[float, IntArray, float]] = []
        self.cuts = 0

    @property
    def down(self) -> npt.NDArray[np.bool_]:
        """Which links are cut now, shape (n,)."""
        return self._down.copy()

    def begin(self, start_s: float, end_s: float) -> None:
        """Let links fail between two Unix times."""
        self._window_s = (start_s, end_s)

    def cut_at(self, at_s: float, who: IntArray, *, for_s: float) -> None:
        """Cut these links at a Unix time, for a while."""
        self._sudden.append((at_s, who, for_s))

    def lost(self, who: IntArray, now_s: float) -> None:
        """Take note that the broker closed these; they connect again soon."""
        self._down[who] = True
        self._back_s[who] = now_s + self._dice.uniform(*RECONNECT_S, len(who))

    def due(self, now_s: float) -> tuple[IntArray, IntArray]:
        """Links to cut now and links to connect now."""
        cut = self._failing(now_s)
        for one in [one for one in self._sudden if one[0] <= now_s]:
            self._sudden.remove(one)
            who = one[1][~self._down[one[1]]]
            self._down[who] = True
            self._back_s[who] = now_s + one[2] + self._dice.uniform(*RECONNECT_S, len(who))
            cut = np.concatenate([cut, who])
        self.cuts += len(cut)
        back = np.flatnonzero(self._down & (self._back_s <= now_s))
        self._down[back] = False
        return cut, back

    def _failing(self, now_s: float) -> IntArray:
        span_s, self._last_s = now_s - self._last_s, now_s
        start_s, end_s = self._window_s
        if not start_s <= now_s < end_s or self._per_s == 0.0:
            return np.zeros(0, dtype=np.int64)
        number = self._dice.poisson(self._per_s * span_s)
        who = np.unique(self._dice.integers(0, len(self._down), number))
        who = who[~self._down[who]]
        self._down[who] = True
        self._back_s[who] = now_s + self._dice.uniform(*OUTAGE_S, len(who))
        return who
