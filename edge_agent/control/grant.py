"""The grant of the primary loop and its report: what passes between the cycle and the loop.

While a commitment with a droop runs, the cycle does not write to the devices of primary
reserve: it grants them, with a base point and all hard limits of the second, to the loop that
follows the frequency. What the loop did since is an input of the next cycle. Plain records;
journaled with the decision and the inputs.
"""

import enum
from dataclasses import dataclass
from datetime import datetime

from protocols.vocabulary.commitment import Droop
from protocols.vocabulary.identifiers import ObligationId, PointId, ResourceId
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.setpoint import Setpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantedMember:
    """A device lent to the loop. Powers in W, generator frame.

    Attributes
    ----------
    resource_id : ResourceId
        Which one.
    base_w : float
        What it gives at nominal frequency, ``low_w <= base_w <= high_w``.
    low_w, high_w : float
        Hard limits of this second.
    rated_w : float
        Greater of its two ratings, for the size of a change worth a write.
    """

    resource_id: ResourceId
    base_w: float
    low_w: float
    high_w: float
    rated_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantedSum:
    """Bounds of the sum of some granted devices, W; what others of the group give is taken off.

    Attributes
    ----------
    members : tuple of ResourceId
        All granted ones for the meter's limits, else those of a group.
    low_w, high_w : float
        Hard limits of this second.
    """

    members: tuple[ResourceId, ...]
    low_w: float
    high_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """An exclusive lease on some devices. It expires by itself.

    Attributes
    ----------
    cycle : int
        That granted it.
    obligations : tuple of ObligationId
        Served by it.
    droop : Droop
        The law.
    rated_w : float
        Power the droop is counted from: the ratings of the site's devices of primary reserve,
        also of one that is away, W.
    award_w : float
        Greatest response either way, W.
    members : tuple of GrantedMember
        The devices.
    sums : tuple of GrantedSum
        Limits of sums.
    headroom_w : float
        Upward response that the limits leave, W.
    lease_s : float
        How long it holds from the moment it is handed over, on monotonic time.
    setpoint_s : float
        Length of the leases the loop puts on the devices, s.
    deadband_w : float
        A change smaller than this is not written, W.
    sequence_first, sequence_last : int
        Numbers for the loop's setpoints.
    """

    cycle: int
    obligations: tuple[ObligationId, ...]
    droop: Droop
    rated_w: float
    award_w: float
    members: tuple[GrantedMember, ...]
    sums: tuple[GrantedSum, ...]
    headroom_w: float
    lease_s: float
    setpoint_s: float
    deadband_w: float
    sequence_first: int
    sequence_last: int

    @property
    def base_w(self) -> float:
        """Sum of the base points, W."""
        return sum(one.base_w for one in self.members)


class Basis(enum.Enum):
    """What the loop's answer rests on.

    FOLLOWING a good frequency; HELD at the last one while it is away for a short time; ZERO
    change when it is away for longer.
    """

    FOLLOWING = "following"
    HELD = "held"
    ZERO = "zero"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldMember:
    """What the loop told a device last.

    Attributes
    ----------
    resource_id : ResourceId
        Which one.
    setpoint : Setpoint or None
        The lease; None before the first.
    response_w : float
        The part of it that answers the frequency, W.
    failing : bool
        Whether its last writes failed, so that the others make up for it.
    """

    resource_id: ResourceId
    setpoint: Setpoint | None
    response_w: float
    failing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimaryReport:
    """What the loop measured and did since the cycle before.

    Attributes
    ----------
    grant_cycle : int
        Of the grant in force.
    basis : Basis
        Of the last answer.
    source : PointId or None
        Where the frequency comes from.
    frequency_hz : float or None
        Last good measurement.
    frequency_hz_min, frequency_hz_max : float or None
        Over the good samples since the cycle before; None if there were none.
    samples : int
        Good samples since the cycle before.
    quality : Quality
        Of the newest measurement.
    age_s : float
        Of the last good measurement; -1 before the first.
    asked_w : float
        What law and award asked for last, W.
    response_w : float
        The part of it that was told to the devices, W.
    moved_w : float
        Difference of greatest and least response told since the cycle before, W.
    writes, failures : int
        Writes begun and failed since the cycle before.
    members : tuple of ToldMember
        Device by device.
    expired_at : datetime or None
        When the grant ended unrenewed; None while it holds.
    """

    grant_cycle: int
    basis: Basis
    source: PointId | None
    frequency_hz: float | None
    frequency_hz_min: float | None
    frequency_hz_max: float | None
    samples: int
    quality: Quality
    age_s: float
    asked_w: float
    response_w: float
    moved_w: float
    writes: int
    failures: int
    members: tuple[ToldMember, ...]
    expired_at: datetime | None = None

    def told(self, resource_id: ResourceId) -> ToldMember | None:
        """Return what a device was told, None if it is not lent."""
        return next((one for one in self.members if one.resource_id == resource_id), None)
