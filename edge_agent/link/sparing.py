"""How often a stranger can make the log speak: a few lines a minute. Pure.

Used where what is logged is caused by whoever reaches the broker; the count of all goes with it.
"""

from typing import Final

AT_ONCE: Final = 3
EVERY_NS: Final = 60_000_000_000


class Sparing:
    """Says whether one kind of line may be logged now."""

    def __init__(self) -> None:
        self._since_ns: int | None = None
        self._told = 0

    def due(self, now_ns: int) -> bool:
        """Ask for one line, and count it if it may be written.

        Parameters
        ----------
        now_ns : int
            Monotonic time.

        Returns
        -------
        bool
            True for the first AT_ONCE lines of a minute.
        """
        if self._since_ns is None or now_ns - self._since_ns >= EVERY_NS:
            self._since_ns, self._told = now_ns, 0
        self._told += 1
        return self._told <= AT_ONCE
