"""A clock that began at a moment of one's choice and goes on from there."""

from datetime import datetime

from protocols.vocabulary.intervals import Clock


class ShiftedClock:
    """Market time of a counterpart.

    Parameters
    ----------
    clock : Clock
        The real one.
    begin : datetime
        Aware; what it says now.
    """

    def __init__(self, clock: Clock, begin: datetime) -> None:
        self._clock = clock
        self._shift = begin - clock.now()

    def now(self) -> datetime:
        """Shifted wall time."""
        return self._clock.now() + self._shift

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back."""
        return self._clock.monotonic_ns()
