"""Where we stand with one device, and when it is looked for next. No protocol, no waiting.

::

    NEW --met--> LIVE --silent, other device, failed--> LOST --met again--> LIVE

Called by the device's worker alone.
"""

import asyncio
import enum
from dataclasses import dataclass
from typing import Final

LOOK_S: Final = 1.0
LOOK_S_MAX: Final = 30.0
"""Pauses between looks for a device that is not there; doubled each time."""
STEADY_S: Final = 60.0
"""A device that has failed is trusted again after this long without failing."""
_STRIKES_MAX: Final = 16
_AT_ONCE: Final = 0
_NS_PER_S: Final = 1_000_000_000


class Contact(enum.Enum):
    """Where we stand with a device."""

    NEW = "new"
    LIVE = "live"
    LOST = "lost"


@dataclass(slots=True)
class Round:
    """The fast poll the cycle asked for, and how the last one went.

    Attributes
    ----------
    waits : Future or None
        Who waits for it; None while none is asked for.
    asked_ns : int
        Monotonic time at which it was asked for.
    overdue : bool
        The last one took longer than the caller's patience.
    patience_ns : int
        How long the caller waits.
    """

    waits: asyncio.Future[None] | None = None
    asked_ns: int = 0
    overdue: bool = False
    patience_ns: int = 0

    def end(self) -> None:
        """Let whoever waits go on."""
        if self.waits is not None and not self.waits.done():
            self.waits.set_result(None)
        self.waits = None


@dataclass(slots=True)
class Looks:
    """When a device without contact is looked for.

    Attributes
    ----------
    due_ns : int
        Monotonic time of the next look.
    task : Task or None
        The look that is under way.
    redirected : bool
        It was given up because the device was found elsewhere.
    told_missing : bool
        It has been said that the device was never there.
    """

    due_ns: int = _AT_ONCE
    task: asyncio.Task[bool] | None = None
    redirected: bool = False
    told_missing: bool = False
    _pause_s: float = LOOK_S
    _strikes: int = 0
    _struck_ns: int = 0

    def at_once(self) -> None:
        """Look now, not at the end of the pause."""
        self.due_ns = _AT_ONCE

    def redirect(self) -> None:
        """Give up a look that is under way: the device is elsewhere."""
        self.at_once()
        if self.task is not None:
            self.redirected = True
            self.task.cancel()

    def begin(self, now_ns: int) -> None:
        """Set the next look, should this one not find the device."""
        self.due_ns = now_ns + round(self._pause_s * _NS_PER_S)
        self._pause_s = min(2.0 * self._pause_s, LOOK_S_MAX)
        self.redirected = False

    def found(self) -> None:
        """Begin with short pauses when the device is lost the next time."""
        self._pause_s = LOOK_S

    def lost(self, now_ns: int) -> None:
        """Look again after the shortest pause."""
        self._pause_s = LOOK_S
        self.due_ns = now_ns + round(LOOK_S * _NS_PER_S)

    def failed(self, now_ns: int) -> float:
        """Look again after a pause that grows with each failure; return it, s."""
        if now_ns - self._struck_ns > round(STEADY_S * _NS_PER_S):
            self._strikes = 0
        self._pause_s = min(LOOK_S * 2**self._strikes, LOOK_S_MAX)
        self._strikes = min(self._strikes + 1, _STRIKES_MAX)
        self._struck_ns = now_ns
        self.due_ns = now_ns + round(self._pause_s * _NS_PER_S)
        return self._pause_s
