"""Waiting after failures. Pure."""

from datetime import UTC, datetime, timedelta

from protocols.openadr.ven.memory import Drawn

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_DOUBLINGS_MAX = 16


class Backoff:
    """Wait after failures: doubled each time, with a drawn part.

    Parameters
    ----------
    shortest, longest : timedelta
        First wait, and the bound.
    """

    def __init__(self, shortest: timedelta, longest: timedelta) -> None:
        self._shortest = shortest
        self._longest = longest
        self._failures = 0
        self.ready_at = _EVER

    def failed(self, now: datetime, drawn: Drawn) -> None:
        """Wait longer than last time."""
        wait = min(self._shortest * 2**self._failures, self._longest)
        self._failures = min(self._failures + 1, _DOUBLINGS_MAX)
        self.ready_at = now + wait * (0.5 + 0.5 * drawn.fraction())

    def succeeded(self) -> None:
        """Start anew."""
        self._failures = 0
        self.ready_at = _EVER
