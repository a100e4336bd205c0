"""When which errand is due: rates of the server, jitter, and patience after failures.

A rate is the server's word, within bounds of ours; each wait is drawn a little differently so
that a fleet does not ask in step. After a failure the wait doubles up to the errand's own rate.
"""

from collections.abc import Callable
from dataclasses import dataclass

RETRY_FIRST_S = 5.0
RETRY_MOST_S = 300.0
_SPREAD = 0.1


@dataclass(slots=True, kw_only=True)
class _Poll:
    rank: int
    rate_s: float
    due_s: float
    failures: int = 0


class Polls:
    """Errands by name.

    Parameters
    ----------
    chance : callable
        Draws from [0, 1).
    floor_s, ceiling_s : float
        Bounds of every rate.
    """

    def __init__(self, chance: Callable[[], float], *, floor_s: float, ceiling_s: float) -> None:
        self._chance = chance
        self._floor_s = floor_s
        self._ceiling_s = ceiling_s
        self._polls: dict[str, _Poll] = {}

    def want(self, name: str, *, rank: int, rate_s: float, now_s: float) -> None:
        """Have an errand done regularly; a new one is due at once."""
        rate_s = min(max(rate_s, self._floor_s), self._ceiling_s)
        poll = self._polls.get(name)
        if poll is None:
            self._polls[name] = _Poll(rank=rank, rate_s=rate_s, due_s=now_s)
        else:
            poll.rate_s = rate_s
            poll.due_s = min(poll.due_s, now_s + rate_s * (1.0 + _SPREAD))

    def forget(self, name: str) -> None:
        """Have an errand done no more."""
        self._polls.pop(name, None)

    def names(self) -> frozenset[str]:
        """Errands that are done."""
        return frozenset(self._polls)

    def hurry(self, name: str, now_s: float) -> None:
        """Have an errand done now, if it is done at all."""
        if name in self._polls:
            self._polls[name].due_s = now_s

    def next_s(self) -> float | None:
        """When the next errand is due, None if there is none."""
        return min((poll.due_s for poll in self._polls.values()), default=None)

    def due(self, now_s: float) -> str | None:
        """Errand to do now: of those that are due the first in rank, then the longest due."""
        late = [(p.rank, p.due_s, name) for name, p in self._polls.items() if p.due_s <= now_s]
        return min(late)[2] if late else None

    def done(self, name: str, now_s: float, *, well: bool) -> None:
        """Set the next time of an errand."""
        poll = self._polls.get(name)
        if poll is None:
            return
        poll.failures = 0 if well else poll.failures + 1
        wait_s = poll.rate_s
        if not well:
            patience_s = RETRY_FIRST_S * 2.0 ** min(poll.failures - 1, 10)
            wait_s = min(patience_s, RETRY_MOST_S, max(poll.rate_s, RETRY_FIRST_S))
        poll.due_s = now_s + wait_s * (1.0 + _SPREAD * (2.0 * self._chance() - 1.0))
