"""The cycle's side of primary reserve: what is owed by droop, and the grant to the loop. Pure.

Called by decide. The balance steers the base point as in any other second, to the baseline at
the meter; the devices of primary reserve are then lent to the loop with all hard limits of the
second instead of being written. The base point is never moved away from the baseline to make
room: that would be missing at every frequency. Room that is not there is said.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from edge_agent.control.bounds import Bounds
from edge_agent.control.grant import Grant, GrantedMember, GrantedSum
from edge_agent.control.inputs import CycleInputs
from edge_agent.control.limits import Range, Relaxed
from edge_agent.control.observe import Seen
from edge_agent.control.shares import in_force
from edge_agent.control.supply import is_sink, takes_limit_only
from protocols.vocabulary.commitment import Droop
from protocols.vocabulary.droop import unusable
from protocols.vocabulary.identifiers import ObligationId, ResourceId
from protocols.vocabulary.mode import Mode
from protocols.vocabulary.resource import Resource

GRANT_S: Final = 3.0
"""The loop goes on for so long without a new grant: two cycles may be late."""
SEQUENCES: Final = 1000
"""Numbers set aside for the loop's setpoints until the next grant."""
NOTICEABLE_W: Final = 1.0
FOLLOWING: Final = frozenset({Mode.NORMAL, Mode.DEGRADED, Mode.AUTONOMOUS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is owed by droop now.

    Attributes
    ----------
    obligations : tuple of ObligationId
        Those that run and have a droop.
    droop : Droop
        The steepest of their laws.
    award_w : float
        Sum of their awards, W, > 0.
    members : tuple of ResourceId
        Devices lent: counted on, and able to take a setpoint.
    rated_w : float
        Ratings of all the site's devices of primary reserve, also of one that is away, W.
    """

    obligations: tuple[ObligationId, ...]
    droop: Droop
    award_w: float
    members: tuple[ResourceId, ...]
    rated_w: float


def terms_of(inputs: CycleInputs, seen: Sequence[Seen]) -> Terms | None:
    """Say what is owed by droop and by which devices; None where nothing is, or nothing can be.

    Parameters
    ----------
    inputs : CycleInputs
        This cycle. Only a site that follows its obligations lends devices: not in SAFE, and not
        while a technician holds them.
    seen : sequence of Seen
        Every controllable resource.
    """
    running = [
        (one.obligation, one.droop)
        for one in in_force(inputs.frame.commitments, inputs)
        if one.droop is not None and not unusable(one.droop)
    ]
    if not running or inputs.mode not in FOLLOWING:
        return None
    able = [one for one in seen if is_able(one, inputs.frame.primary_members)]
    members = tuple(one.resource_id for one in able if one.counted)
    award_w = math.fsum(abs(obligation.power_at(inputs.now)) for obligation, _ in running)
    if not members or award_w <= 0.0:
        return None
    return Terms(
        obligations=tuple(obligation.obligation_id for obligation, _ in running),
        droop=min((droop for _, droop in running), key=lambda droop: droop.droop),
        award_w=award_w,
        members=members,
        rated_w=math.fsum(rating_w(one.binding.resource) for one in able),
    )


def is_able(one: Seen, named: Sequence[ResourceId] | None) -> bool:
    """Whether a device takes part in primary reserve: by name where a test named them."""
    resource = one.binding.resource
    bounded = takes_limit_only(one.binding) or is_sink(one.binding)
    movable = not bounded and rating_w(resource) > 0.0
    return movable and (named is None or one.resource_id in named)


def rating_w(resource: Resource) -> float:
    """Greater of a device's two ratings, W."""
    return max(resource.power_w_max, -resource.power_w_min)


def grant_of(
    inputs: CycleInputs,
    terms: Terms | None,
    *,
    bounds: Bounds,
    powers_w: Mapping[ResourceId, float],
    sequence: int,
) -> Grant | None:
    """Lend the devices of primary reserve.

    Parameters
    ----------
    inputs : CycleInputs
        This cycle.
    terms : Terms or None
        What is owed; None lends nothing.
    bounds : Bounds
        This second's hard limits.
    powers_w : mapping of ResourceId to float
        What the balance asks of each counted resource, W: the base points of those lent.
    sequence : int
        Of the last setpoint.
    """
    if terms is None:
        return None
    parameters = inputs.frame.parameters
    ratings = {one.resource.resource_id: rating_w(one.resource) for one in inputs.frame.bindings}
    members = tuple(
        GrantedMember(
            resource_id=name,
            base_w=bounds.ranges[name].clip(powers_w[name]),
            low_w=bounds.ranges[name].low_w,
            high_w=bounds.ranges[name].high_w,
            rated_w=ratings[name],
        )
        for name in terms.members
    )
    of_all = _lent_sum(bounds.flexible, lent=terms.members, powers_w=powers_w)
    sums = () if of_all is None else (of_all,)
    return Grant(
        cycle=inputs.cycle,
        obligations=terms.obligations,
        droop=terms.droop,
        rated_w=terms.rated_w,
        award_w=terms.award_w,
        members=members,
        sums=sums,
        headroom_w=_headroom(members, sums),
        lease_s=GRANT_S,
        setpoint_s=parameters.lease_s,
        deadband_w=parameters.write_deadband_w,
        sequence_first=sequence + 1,
        sequence_last=sequence + SEQUENCES,
    )


def _lent_sum(
    bound: Range, *, lent: Sequence[ResourceId], powers_w: Mapping[ResourceId, float]
) -> GrantedSum | None:
    """Bound of the lent members together, what the others give taken off."""
    if not (math.isfinite(bound.low_w) or math.isfinite(bound.high_w)):
        return None
    others_w = math.fsum(power_w for name, power_w in powers_w.items() if name not in lent)
    members = tuple(name for name in powers_w if name in lent)
    return GrantedSum(members=members, low_w=bound.low_w - others_w, high_w=bound.high_w - others_w)


def _headroom(members: Sequence[GrantedMember], sums: Sequence[GrantedSum]) -> float:
    """Upward response that the limits leave, W >= 0."""
    base_w = math.fsum(one.base_w for one in members)
    rooms_w = [math.fsum(one.high_w - one.base_w for one in members)]
    rooms_w += [one.high_w - base_w for one in sums]
    return max(min(rooms_w), 0.0)


def missing_headroom(grant: Grant | None) -> tuple[Relaxed, ...]:
    """Say how much of the award the limits do not leave room for."""
    if grant is None or grant.award_w - grant.headroom_w <= NOTICEABLE_W:
        return ()
    return (
        Relaxed(
            name=f"primary {grant.obligations[0]}",
            amount_w=grant.award_w - grant.headroom_w,
            by="headroom",
        ),
    )
