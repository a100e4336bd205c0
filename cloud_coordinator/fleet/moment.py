"""Moment: wall and monotonic time of one instant, read together.

Wall time says which second a row speaks of; monotonic time says how long ago it came. The
fleet takes both as arguments and reads no clock.
"""

from dataclasses import dataclass
from datetime import datetime

from protocols.vocabulary.intervals import Clock, utc_from_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One instant.

    Attributes
    ----------
    wall_s : float
        Unix time, s.
    monotonic_ns : int
        Never goes back, ns.
    """

    wall_s: float
    monotonic_ns: int

    @property
    def at(self) -> datetime:
        """Wall time as aware UTC."""
        return utc_from_seconds(self.wall_s)


def moment_of(clock: Clock) -> Moment:
    """Read the clock once."""
    return Moment(wall_s=clock.now().timestamp(), monotonic_ns=clock.monotonic_ns())
