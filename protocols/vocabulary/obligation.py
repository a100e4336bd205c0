"""Obligation: what somebody owes to the grid, as a tree whose children sum to the parent."""

import enum
from dataclasses import dataclass
from datetime import datetime

from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.identifiers import ObligationId
from protocols.vocabulary.intervals import Interval, step_index


class Service(enum.Enum):
    """Products of the balancing market and the spot market."""

    PRIMARY = "primary"
    PRIMARY_OFFLINE = "primary-offline"
    SECONDARY_1 = "secondary1"
    SECONDARY_2 = "secondary2"
    TERTIARY_1 = "tertiary1"
    TERTIARY_2 = "tertiary2"
    COMPOUND = "compound"
    ENERGY = "energy"


class Authority(enum.IntEnum):
    """Order of authority; the lower number is the stronger."""

    DEVICE_SAFETY = 0
    EMERGENCY_STOP = 1
    GRID_CODE = 2
    TECHNICIAN = 3
    OWNER = 4
    OBLIGATION = 5
    LOCAL_ECONOMY = 6


class RelativeTo(enum.Enum):
    """What the obligation's power is counted from."""

    BASELINE = "baseline"
    ZERO = "zero"


class ObligationState(enum.Enum):
    """Life of an obligation."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    ACTIVE = "active"
    DONE = "done"
    CANCELLED = "cancelled"


class HoldRule(enum.Enum):
    """What a site does when its signal ends while the obligation runs.

    HOLD_SHARE keeps the last received share to the end of the obligation; FOLLOW_PROFILE
    follows ``power_w``; FOLLOW_DROOP follows the frequency.
    """

    HOLD_SHARE = "hold-share"
    FOLLOW_PROFILE = "follow-profile"
    FOLLOW_DROOP = "follow-droop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligation:
    """What a target owes, generator frame.

    Attributes
    ----------
    obligation_id : ObligationId
        Made by its originator; the idempotency key.
    parent_id : ObligationId or None
        None for the award itself.
    target : str
        Site, zone or fleet id.
    service : Service
        The product.
    interval, step_s : Interval, float
        n = interval / step_s steps.
    power_w : FloatArray
        Shape (n,), W of awarded capacity (this target's part of it).
    relative_to : RelativeTo
        BASELINE for balancing products.
    tolerance_w : float
        Half width of the band in W, >= 0.
    priority : Authority
        OBLIGATION, unless a border mapped something stronger.
    version : int
        Rises with each change of the same obligation.
    state : ObligationState
        Where it is in its life.
    """

    obligation_id: ObligationId
    parent_id: ObligationId | None
    target: str
    service: Service
    interval: Interval
    step_s: float
    power_w: FloatArray
    relative_to: RelativeTo
    tolerance_w: float
    priority: Authority = Authority.OBLIGATION
    version: int = 1
    state: ObligationState = ObligationState.PROPOSED

    def __post_init__(self) -> None:
        """Check shapes and signs."""
        assert self.step_s > 0.0, "obligation step must be positive"
        assert len(self.power_w) * self.step_s >= self.interval.duration_s - 1e-6, (
            "obligation power does not cover its interval"
        )
        assert self.tolerance_w >= 0.0, "obligation tolerance must not be negative"

    def power_at(self, moment: datetime) -> float:
        """Awarded power in W at a moment inside the interval."""
        return float(self.power_w[step_index(self.interval, self.step_s, moment)])
