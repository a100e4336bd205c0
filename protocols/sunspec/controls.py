"""How a power is put into a SunSpec device, in the order that is safe: the words for it. Pure.

Reversion first, then value and enable: from the moment the device obeys, its own timer runs.
The ways to do it, one for each control model, are in :mod:`protocols.sunspec.ways`. Powers in
W with the sign of the specification: + injects.
"""

import math
from dataclasses import dataclass
from typing import Final, Protocol

from protocols.sunspec.points import Block

LEASE_S_LEAST: Final = 4
"""A reversion time is longer than three polls of a second each."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write: first register counted from the model's ID, and the registers."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What is to be written, in order, and what it amounts to.

    Attributes
    ----------
    arming : tuple of Write
        The reversion timer, before anything else.
    setting : tuple of Write
        Value and enable.
    power_w : float or None
        What the registers say after rounding; None for a release.
    timer_s : int
        What the reversion timer is set to; 0 for none.
    """

    arming: tuple[Write, ...]
    setting: tuple[Write, ...]
    power_w: float | None
    timer_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """What percentages are percentages of, W, >= 0."""

    charge_w: float
    discharge_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """How long a power is meant to hold, and what follows.

    Attributes
    ----------
    lease_s : float or None
        > 0; None holds without a timer.
    reversion_w : float or None
        Power the device turns to by itself afterwards; None: its own default.
    """

    lease_s: float | None
    reversion_w: float | None = None

    def timer_s(self, most_s: int) -> int:
        """Reversion time to write; 0 for none."""
        if self.lease_s is None:
            return 0
        return min(max(math.ceil(self.lease_s), LEASE_S_LEAST), most_s)


class Way(Protocol):
    """One way to command a device."""

    model_id: int
    first: int
    """Offset of the first register that tells what is set."""
    last: int
    """Offset of the last one, scale factors included."""
    reverts: bool
    """Whether its timer can end in another power, not only in the device's own default."""

    def has_timer(self, block: Block) -> bool:
        """Whether the device ends a power by itself."""

    def control(
        self, block: Block, ratings: Ratings, *, power_w: float, lasting: Lasting
    ) -> Control:
        """Put a power into registers; LocalProtocolError if that cannot be."""

    def release(self) -> Control:
        """Give the device back to its own default."""

    def set_w(self, block: Block, ratings: Ratings) -> float | None:
        """Power that is set and enabled; None where the device decides itself."""

    def is_released(self, block: Block) -> bool:
        """Whether the device says that it decides itself."""

    def timer_s(self, block: Block) -> float | None:
        """Read what the reversion timer is set to."""
