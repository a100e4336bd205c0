"""How often somebody may come: a count over a span of time. Knows no protocol."""

from collections import deque
from typing import Final

SPAN_NS: Final = 10_000_000_000
"""Over which calls are counted."""


class Pace:
    """Counts who calls how often.

    Parameters
    ----------
    most : int
        Calls that are let in within :data:`SPAN_NS`.
    """

    def __init__(self, most: int) -> None:
        self._at_ns: deque[int] = deque(maxlen=most)

    def allows(self, now_ns: int) -> bool:
        """Whether one more may call now; it is counted if so."""
        full = len(self._at_ns) == self._at_ns.maxlen
        if full and now_ns - self._at_ns[0] < SPAN_NS:
            return False
        self._at_ns.append(now_ns)
        return True
