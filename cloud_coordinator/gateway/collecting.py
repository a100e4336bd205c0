"""Garbage collection under control: where nothing waits, and never over the whole fleet.

Python collects cycles whenever enough objects were made; with thousands of sites a full round
takes most of a second, in the middle of a decision or of a request. So young objects are looked
through each second behind the tick, all of them every few seconds; where that takes long, a
fleet has grown, and what is left is set aside until :data:`THOROUGH_S` have passed. Used by
:mod:`cloud_coordinator.gateway.ticking`.
"""

import gc
from types import TracebackType
from typing import Final, Self

from protocols.vocabulary.intervals import Clock

FULL_S: Final = 5.0
LONG_S: Final = 0.05
"""A full round that took so long is not done over the same objects again."""
THOROUGH_S: Final = 6 * 3600.0
"""Garbage among what was set aside is found after this at the latest."""
YOUNG_MAX: Final = 200_000
"""Objects after which young ones are looked through unasked: the beat may stop, memory not."""
_RARELY: Final = 1_000
_OLD: Final = 2


class Garbage:
    """Collects when it is asked, while it is entered.

    Parameters
    ----------
    clock : Clock
        Tells when more than the young is due.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._full_ns = self._thorough_ns = clock.monotonic_ns()
        self._thresholds = gc.get_threshold()

    def __enter__(self) -> Self:
        """Let Python collect by itself only where nobody asks."""
        gc.set_threshold(YOUNG_MAX, _RARELY, _RARELY)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Leave Python as it was; nothing stays set aside."""
        gc.set_threshold(*self._thresholds)
        gc.unfreeze()

    def collect(self) -> None:
        """Look through what is due."""
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._full_ns < FULL_S * 1e9:
            gc.collect(1)
            return
        if now_ns - self._thorough_ns >= THOROUGH_S * 1e9:
            gc.unfreeze()
            self._thorough_ns = now_ns
        gc.collect(_OLD)
        self._full_ns = self._clock.monotonic_ns()
        if self._full_ns - now_ns >= LONG_S * 1e9:
            gc.freeze()
