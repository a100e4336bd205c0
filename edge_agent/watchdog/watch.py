"""What the watchdog decides at each look. No file, no socket, no clock.

Silence counts only while the watchdog itself is awake: after a suspend, or when the whole
machine was frozen, one look adds at most twice the pause it meant to make, so a machine that
wakes up is not taken for a dead agent.
"""

import enum
import math
from dataclasses import dataclass
from typing import Final

from edge_agent.watchdog.heartbeat import AgentState, Beat

TIMEOUT_S: Final = 5.0
LOOK_S: Final = 0.25
AGAIN_S: Final = 60.0
"""Pause before devices that did not confirm their release are tried again."""


class Action(enum.Enum):
    """What to do now."""

    NOTHING = "nothing"
    RELEASE = "release"
    END = "end"


@dataclass(slots=True, kw_only=True)
class Watch:
    """The silence so far.

    Attributes
    ----------
    timeout_s : float
        Silence after which devices are released, s, > 0.
    look_s : float
        Pause meant between two looks, s, > 0.
    silence_s : float
        Silence counted so far, s.
    """

    timeout_s: float = TIMEOUT_S
    look_s: float = LOOK_S
    silence_s: float = 0.0
    _last: Beat | None = None
    _due_s: float = 0.0

    def __post_init__(self) -> None:
        """Count from now."""
        self._due_s = self.timeout_s

    def look(self, beat: Beat | None, elapsed_s: float) -> Action:
        """Judge one look at the heartbeat.

        Parameters
        ----------
        beat : Beat or None
            What the file says; None if there is no heartbeat.
        elapsed_s : float
            Monotonic time since the look before, s, >= 0.

        Returns
        -------
        Action
            RELEASE once per silence, and again only if :meth:`released` said that some
            device had not confirmed.
        """
        if beat is not None and beat != self._last:
            self._last = beat
            self.silence_s = 0.0
            self._due_s = self.timeout_s
        else:
            self.silence_s += min(elapsed_s, 2.0 * self.look_s)
        if beat is not None and beat.state is AgentState.STOPPED:
            return Action.END
        if self.silence_s > self._due_s:
            self._due_s = math.inf
            return Action.RELEASE
        return Action.NOTHING

    def released(self, *, unconfirmed: int) -> None:
        """Take note of how a release went; with devices left it is due again later."""
        if unconfirmed:
            self._due_s = self.silence_s + AGAIN_S
