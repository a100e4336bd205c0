"""What a promise of power risks: the law of its delivery, as a curve over the promised part.

The curve is made once a day from what each site can do and how reliably
(:func:`cloud_coordinator.allocation.reliability.delivered_law`); all strategies and the
evaluation read it. Pure.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.allocation.reliability import DeliveredLaw
from protocols.vocabulary.arrays import FloatArray

POINTS: Final = 25
"""Promised parts of what is dependable at which the law is looked at."""
PART_MAX: Final = 1.2
_STEPS: Final = 20
"""Of the sum over what is delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCurve:
    """Expected failure of a promise, by its size.

    Attributes
    ----------
    part : FloatArray
        Shape (p,), rising from 0: promised power over dependable power.
    short_ratio : FloatArray
        Shape (p,), expected part of the award that is not there (Assessment I).
    fail_probability : FloatArray
        Shape (p,), probability of delivering less than the tolerance allows (Assessment II).
    miss_probability : FloatArray
        Shape (p,), probability of delivering less than the award.
    """

    part: FloatArray
    short_ratio: FloatArray
    fail_probability: FloatArray
    miss_probability: FloatArray

    def short(self, part: FloatArray) -> FloatArray:
        """Say which part of awards is expected to be missing, any shape, 0..1."""
        return np.interp(part, self.part, self.short_ratio)

    def fails(self, part: FloatArray) -> FloatArray:
        """Probability that Assessment II fails, any shape."""
        return np.interp(part, self.part, self.fail_probability)

    def misses(self, part: FloatArray) -> FloatArray:
        """Probability that the whole award is not there, any shape."""
        return np.interp(part, self.part, self.miss_probability)


def risk_curve(
    law: DeliveredLaw, dependable_w: float, tolerance: float, *, cautious: DeliveredLaw
) -> RiskCurve:
    """Make the curve of a law.

    Parameters
    ----------
    law : DeliveredLaw
        Of what sites deliver together, as they did in the mean: of money that is expected.
    dependable_w : float
        What may be promised, W; the curve's parts are parts of it.
    tolerance : float
        Part of the award that may be missing without failing Assessment II.
    cautious : DeliveredLaw
        With what is not known about the sites taken off: of promises that are to be kept.
    """
    part = np.linspace(0.0, PART_MAX, POINTS)
    missed = np.array([1.0 - cautious.probability(one * dependable_w) for one in part.tolist()])
    within = [one * dependable_w * (1.0 - tolerance) for one in part.tolist()]
    return RiskCurve(
        part=part,
        short_ratio=np.array([_short(law, one * dependable_w) for one in part.tolist()]),
        fail_probability=np.array([1.0 - law.probability(one) for one in within]),
        miss_probability=missed,
    )


def _short(law: DeliveredLaw, award_w: float) -> float:
    """E[max(0, award - delivered)] / award = mean over x in 0..award of P(delivered < x)."""
    if award_w <= 0.0:
        return 0.0
    middles = (np.arange(_STEPS) + 0.5) / _STEPS * award_w
    return float(np.mean([1.0 - law.probability(one) for one in middles.tolist()]))
