"""How long each step of a cycle took."""

from typing import Final

from protocols.vocabulary.intervals import Clock

NS_PER_MS: Final = 1_000_000


class Steps:
    """Stop watch of one cycle, in the order of the page: read, freeze, predict and so on.

    Parameters
    ----------
    clock : Clock
        Monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_ns = clock.monotonic_ns()
        self.times_ms: dict[str, float] = {}

    def done(self, name: str) -> None:
        """Note that a step has just ended."""
        now_ns = self._clock.monotonic_ns()
        self.times_ms[name] = round((now_ns - self._last_ns) / NS_PER_MS, 3)
        self._last_ns = now_ns
