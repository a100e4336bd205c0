"""A promise: what sites are to deliver, and how they fail alone and together. Pure."""

from dataclasses import dataclass

import numpy as np

from cloud_coordinator.allocation.problem import AllocationInputError
from protocols.vocabulary.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedOutage:
    """What takes several sites down at once.

    Attributes
    ----------
    name : str
        Feeder, vendor, network.
    outage_probability : float
        0 <= p < 1.
    members : IntArray
        Positions of the sites.
    """

    name: str
    outage_probability: float
    members: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What sites promised, all in one direction.

    Attributes
    ----------
    power_w : FloatArray
        Shape (n,), W >= 0.
    reliability : FloatArray
        Shape (n,), probability that a site delivers by itself, 0 ... 1.
    causes : tuple of SharedOutage
        Independent of each other and of the sites.
    """

    power_w: FloatArray
    reliability: FloatArray
    causes: tuple[SharedOutage, ...] = ()


def check_promise(promise: Promise) -> None:
    """Refuse numbers that are no probabilities or powers.

    Raises
    ------
    AllocationInputError
        If one is not.
    """
    power, reliability = promise.power_w, promise.reliability
    if power.shape != reliability.shape or power.ndim != 1:
        raise AllocationInputError("promise: one reliability per power")
    if not (np.isfinite(power).all() and (power >= 0.0).all()):
        raise AllocationInputError("promise: a power is not a finite number of at least 0 W")
    if not ((reliability >= 0.0) & (reliability <= 1.0)).all():
        raise AllocationInputError("promise: a reliability is not between 0 and 1")
    for cause in promise.causes:
        if not 0.0 <= cause.outage_probability < 1.0:
            raise AllocationInputError(f"cause {cause.name}: probability out of 0 ... 1")
        members = cause.members
        if len(members) and not (members.min() >= 0 and members.max() < len(power)):
            raise AllocationInputError(f"cause {cause.name}: a member that is not there")
