"""What releasing devices is about, whatever the wire: the time left, and how each one ended."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edge_agent.drivers.lease_book import LeasedDevice

BUDGET_S: Final = 10.0
"""Longest time for one release of all devices."""
ROUND_S: Final = 1.0
"""Time for the answers of one round before the devices still missing are asked again."""


class ReleaseState(enum.Enum):
    """How the release of one device ended. BY_ITSELF: its own timer does it, nothing was sent."""

    RELEASED = "released"
    BY_ITSELF = "by-itself"
    DIFFERENT = "different"
    REFUSED = "refused"
    SILENT = "silent"
    HANDED_BACK = "handed-back"


SETTLED: Final = frozenset({ReleaseState.RELEASED, ReleaseState.BY_ITSELF})
"""Nothing is left to be done."""
Verdict = tuple[ReleaseState, str]
"""How it ended, and the detail for people."""
NO_ANSWER: Final[Verdict] = (ReleaseState.SILENT, "no answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseResult:
    """What became of one device; ``detail`` is for people."""

    leased: LeasedDevice
    state: ReleaseState
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """How long a release may take, and whether it is still ours to do.

    Attributes
    ----------
    monotonic_s : callable
        Monotonic time, s.
    silent : callable
        Whether the agent is still silent; when it is back, the rest is its business again.
    until_s : float
        End on the clock of ``monotonic_s``.
    """

    monotonic_s: Callable[[], float]
    silent: Callable[[], bool]
    until_s: float

    def goes_on(self) -> bool:
        """Whether there is time left and the agent is still silent."""
        return self.monotonic_s() < self.until_s and self.silent()

    def left_s(self, most_s: float) -> float:
        """Time left, at most as much as given, s, >= 0."""
        return max(min(self.until_s - self.monotonic_s(), most_s), 0.0)
