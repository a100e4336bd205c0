"""How likely a promise is kept when sites fail, alone and together.

A site delivers what it promised with its own probability, unless a common cause (feeder,
vendor, mobile network) takes it down with others. The sum is skewed: one large unit, or one
cause, makes the normal law promise 99.9 % where 98.5 % is true. So the largest units and causes
are enumerated, and the rest is described by four cumulants (Cornish and Fisher). Few units are
added up exactly. Pure; drawn randomness is an argument.

Notes
-----
Fisher and Cornish (1960), The percentile points of distributions having known cumulants.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud_coordinator.allocation.cumulants import Z_MAX, cumulants, unskewed
from cloud_coordinator.allocation.mixture import ROUND_UP, UNLIKELY, cases, conditional
from cloud_coordinator.allocation.promise import Promise, SharedOutage, check_promise
from protocols.vocabulary.arrays import FloatArray, IntArray

ENUMERATED_MAX: Final = 12
"""Units and causes whose every combination is looked at."""
FEW_UNITS: Final = 50
"""Up to here the sum is built up exactly, on a grid that rounds down."""
FEW_CAUSES: Final = 10
EXACT_UNITS: Final = 14
"""Up to here every sum is looked at."""
GRID: Final = 1 << 14
TOLERANCE: Final = 1e-9
"""Of the sum of all powers: a promise that is short by less is kept."""
_HALVINGS: Final = 60

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Mean and standard deviation of the delivered power, W, and its skewness."""

    mean_w: float
    deviation_w: float
    skewness: float


def _cause_cumulants(promise: Promise, causes: Sequence[SharedOutage]) -> FloatArray:
    """Add up what causes add to the cumulants, mean excluded; overlaps of causes are left out."""
    total = np.zeros(4)
    for cause in causes:
        size = float((promise.power_w * promise.reliability)[cause.members].sum())
        own = cumulants(np.array([size]), np.array([1.0 - cause.outage_probability]))[:, 0]
        total += own
        total[0] -= size
    return total


def moments(promise: Promise) -> Moments:
    """Mean, deviation and skewness of the delivered power."""
    total = cumulants(promise.power_w, promise.reliability).sum(axis=1)
    total += _cause_cumulants(promise, promise.causes)
    variance = max(float(total[1]), 0.0)
    skewness = float(total[2]) / variance**1.5 if variance > 0.0 else 0.0
    return Moments(mean_w=float(total[0]), deviation_w=math.sqrt(variance), skewness=skewness)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredLaw:
    """The law of the delivered power: a mixture over what is enumerated.

    Attributes
    ----------
    total_w : float
        Of all powers.
    level_w, tail : FloatArray or None
        Few sites: powers that can be delivered, rising, and the probability of at least each.
    weight, fixed_w, mean_w, deviation_w, skewness, excess : FloatArray
        Many sites: shape (k,), probability of each combination, power of its enumerated units,
        and the rest's moments.
    """

    total_w: float
    level_w: FloatArray | None
    tail: FloatArray | None
    weight: FloatArray
    fixed_w: FloatArray
    mean_w: FloatArray
    deviation_w: FloatArray
    skewness: FloatArray
    excess: FloatArray

    def probability(self, required_w: float) -> float:
        """Probability that at least the required power is delivered.

        For few sites it is exact or too low by the grid's rounding.
        """
        required_w -= TOLERANCE * self.total_w
        if required_w <= 0.0:
            return 1.0
        if required_w > self.total_w:
            return 0.0
        if self.level_w is not None and self.tail is not None:
            at = int(np.searchsorted(self.level_w, required_w))
            return float(self.tail[at]) if at < len(self.tail) else 0.0
        missing = required_w - self.fixed_w - self.mean_w
        kept = (missing <= 0.0).astype(np.float64)
        near = np.flatnonzero(np.abs(missing) < Z_MAX * self.deviation_w)
        z = missing[near] / self.deviation_w[near]
        w = unskewed(z, self.skewness[near], self.excess[near]) / math.sqrt(2.0)
        kept[near] = [0.5 * math.erfc(one) for one in w.tolist()]
        return min(max(float(self.weight @ kept), 0.0), 1.0)

    def dependable_w(self, probability: float, *, near: float = TOLERANCE) -> float:
        """Largest power that is delivered with a probability, W, within a part of all powers."""
        low, high = 0.0, self.total_w
        if self.probability(high) >= probability:
            return high
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            if not low < middle < high or high - low <= near * self.total_w:
                break
            if self.probability(middle) >= probability:
                low = middle
            else:
                high = middle
        return low


def delivered_law(promise: Promise, *, units_max: int = ENUMERATED_MAX) -> DeliveredLaw:
    """Find the law of what a promise delivers.

    Parameters
    ----------
    promise : Promise
        What is promised.
    units_max : int
        Of many sites so many of the largest are enumerated, if they matter; where none stands
        out, 0 says the same in a tenth of the time.

    Raises
    ------
    AllocationInputError
        If the promise holds something else than powers and probabilities.
    """
    check_promise(promise)
    total_w = float(promise.power_w.sum())
    nothing = np.zeros(0)
    if len(promise.power_w) <= FEW_UNITS and len(promise.causes) <= FEW_CAUSES:
        exact = len(promise.power_w) <= EXACT_UNITS
        level_w, chance = _every_sum(promise) if exact else _on_a_grid(promise, total_w)
        return DeliveredLaw(
            total_w=total_w,
            level_w=level_w,
            tail=np.minimum(np.cumsum(chance[::-1])[::-1], 1.0),
            weight=nothing,
            fixed_w=nothing,
            mean_w=nothing,
            deviation_w=nothing,
            skewness=nothing,
            excess=nothing,
        )
    causes, units = _largest(promise, units_max)
    small = [cause for cause in promise.causes if all(cause is not one for one in causes)]
    columns = np.concatenate(
        [conditional(promise, units, case) for case in cases(promise, causes, small, units=units)],
        axis=1,
    )
    return DeliveredLaw(
        total_w=total_w,
        level_w=None,
        tail=None,
        weight=columns[0],
        fixed_w=columns[1],
        mean_w=columns[2],
        deviation_w=columns[3],
        skewness=columns[4],
        excess=columns[5],
    )


def _largest(promise: Promise, units_max: int) -> tuple[list[SharedOutage], IntArray]:
    """Causes and units that shape the sum most."""
    mean = promise.power_w * promise.reliability
    ranked: list[tuple[float, int, int]] = []
    if units_max > 0:
        alone = (1.0 - promise.reliability) * promise.power_w**3
        units = np.arange(len(alone))
        if len(alone) > units_max:
            least = np.partition(alone, -units_max)[-units_max]
            units = np.flatnonzero(alone >= least)
        units = units[np.argsort(-alone[units], kind="stable")][:units_max]
        ranked = [(float(alone[at]), 1, int(at)) for at in units]
    for at, cause in enumerate(promise.causes):
        size = float(mean[cause.members].sum())
        ranked.append((cause.outage_probability * size**3, 0, at))
    ranked = sorted(ranked, key=lambda one: (-one[0], one[1], one[2]))[:ENUMERATED_MAX]
    causes = [promise.causes[at] for size, kind, at in ranked if kind == 0 and size > 0.0]
    chosen = [at for size, kind, at in ranked if kind == 1 and size > 0.0]
    return causes, np.array(chosen, dtype=np.int64)


def _outages(promise: Promise, causes: Sequence[SharedOutage]) -> list[tuple[float, FloatArray]]:
    """Probability of each combination of causes, and 1 for the sites that none took down."""
    outages = [(1.0, np.ones(len(promise.power_w)))]
    for cause in causes:
        more = []
        for weight, is_up in outages:
            more.append((weight * (1.0 - cause.outage_probability), is_up))
            if weight * cause.outage_probability > UNLIKELY:
                down = is_up.copy()
                down[cause.members] = 0.0
                more.append((weight * cause.outage_probability, down))
        outages = more
    return outages


def _every_sum(promise: Promise) -> tuple[FloatArray, FloatArray]:
    """Every sum of very few sites, rising, and its probability."""
    count = len(promise.power_w)
    sums, chance = np.zeros(1 << count), np.zeros(1 << count)
    for at, power in enumerate(promise.power_w.tolist()):
        half = 1 << at
        sums[half : 2 * half] = sums[:half] + power
    for weight, is_up in _outages(promise, promise.causes):
        own = np.full(1, weight)
        for up in np.where(is_up > 0.0, promise.reliability, 0.0).tolist():
            own = np.concatenate([own * (1.0 - up), own * up])
        chance += own
    order = np.argsort(sums, kind="stable")
    return sums[order], chance[order]


def _on_a_grid(promise: Promise, total_w: float) -> tuple[FloatArray, FloatArray]:
    """Add few sites up, each power rounded down to whole cells."""
    law = np.zeros(GRID + 1)
    cell_w = (total_w or 1.0) / GRID
    cells = np.floor(promise.power_w / cell_w * (1.0 + ROUND_UP)).astype(np.int64)
    for weight, is_up in _outages(promise, promise.causes):
        one = np.zeros(GRID + 1)
        one[0] = weight
        chances = np.where(is_up > 0.0, promise.reliability, 0.0)
        for size, chance in zip(cells.tolist(), chances.tolist(), strict=True):
            if chance > 0.0 and size > 0:
                moved = one * (1.0 - chance)
                moved[size:] += chance * one[: len(one) - size]
                one = moved
        law += one
    powers_w: FloatArray = np.arange(GRID + 1, dtype=np.float64) * cell_w
    return powers_w, law
