"""An obligation that is kept with a probability: the risk is part of the price.

Minimise the cost so that P(delivered >= obligation) >= p. For given price of risk the problem
is a plain allocation again, with a steeper cost for what fails more often and a dearer one for
what fails together; a few of them, and the law of the sum, find price and margin. Pure.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cloud_coordinator.allocation.allocate import Grid, allocate
from cloud_coordinator.allocation.outcome import Allocation, Relaxed
from cloud_coordinator.allocation.problem import AllocationInputError, FleetColumns, Product
from cloud_coordinator.allocation.promise import Promise, SharedOutage
from cloud_coordinator.allocation.reliability import DeliveredLaw, Moments, delivered_law, moments
from cloud_coordinator.allocation.rows import Engine
from protocols.vocabulary.arrays import FloatArray

LAWS_MAX: Final = 12
PLANS_MAX: Final = 8
"""Plans between two looks at the law, while the margin still moves."""
NEAR: Final = 1e-5
"""Of the obligation."""
RELIABILITY_MIN: Final = 1e-3
"""A site that is less reliable is not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demanded:
    """What has to be kept.

    Attributes
    ----------
    product : Product
        Upward; its requirement is the obligation.
    reliability : FloatArray
        Shape (n,), probability that each resource delivers.
    causes : tuple of SharedOutage
        What takes several down at once.
    probability : float
        With which at least the obligation is delivered.
    spread : float
        How much wider deliveries are than the model says, >= 1
        (:func:`~cloud_coordinator.allocation.experience.learned_spread`).
    """

    product: Product
    reliability: FloatArray
    causes: tuple[SharedOutage, ...] = ()
    probability: float = 0.999
    spread: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependable:
    """What was found.

    Attributes
    ----------
    allocation : Allocation
        Powers as they are to be promised; ``delivered_w`` is their expected sum.
    promise : Promise
        The same as a law.
    probability : float
        Of delivering at least the obligation.
    margin_w : float
        By how much the expected sum exceeds the obligation.
    is_kept : bool
        Whether that is probable enough.
    """

    allocation: Allocation
    promise: Promise
    probability: float
    margin_w: float
    is_kept: bool


def allocate_dependably(
    fleet: FleetColumns,
    demanded: Demanded,
    *,
    grid: Grid | None = None,
    engine: Engine | None = None,
) -> Dependable:
    """Find the cheapest powers that keep an obligation with a probability.

    Parameters
    ----------
    fleet : FleetColumns
        Resources that give power upward only.
    demanded : Demanded
        What has to be kept.
    grid : Grid or None
        Caps on groups.
    engine : Engine or None
        That does the rows.

    Returns
    -------
    Dependable
        With its probability, also where the fleet is too small to reach the wanted one, or a
        shortage costs less than reaching it; then the probability is named as relaxed.

    Raises
    ------
    AllocationInputError
        If a resource could absorb power, or the obligation is not upward.
    """
    product = demanded.product
    if product.required_w < 0.0 or bool((np.asarray(fleet.power_w_min) < 0.0).any()):
        raise AllocationInputError("reliability: upward power only; turn downward power around")
    if not 0.0 < demanded.probability < 1.0:
        raise AllocationInputError(f"reliability: probability {demanded.probability}")
    usable = np.where(demanded.reliability >= RELIABILITY_MIN, fleet.power_w_max, 0.0)
    base = replace(
        fleet,
        power_w_max=np.maximum(usable, fleet.power_w_min),
        delivery=np.maximum(demanded.reliability * _spared_by_causes(demanded), RELIABILITY_MIN),
    )
    plan = _Plan(demanded=demanded, fleet=base, grid=grid, engine=engine)
    score, margin = 0.0, 0.0
    found, best = plan.priced(None, score, margin), None
    for _ in range(LAWS_MAX):
        for _ in range(PLANS_MAX):
            before = margin
            found = plan.priced(found, score, margin)
            margin = score * moments(plan.promise(found)).deviation_w
            if abs(margin - before) <= NEAR * product.required_w:
                break
        judged = plan.judged(found)
        if best is None or _better(judged.result, best.result):
            best = judged
        deviation = judged.seen.deviation_w
        if (judged.result.is_kept and score > 0.0 and judged.is_tight(product)) or deviation <= 0.0:
            break
        if found.shortfall_w[0] > 0.0:
            break
        score = plan.score(judged)
        margin = score * deviation
    assert best is not None, "at least one plan was judged"
    return best.result if best.result.is_kept else plan.named(best)


def _spared_by_causes(demanded: Demanded) -> FloatArray:
    """Probability that no cause takes a resource down, as the moments count it."""
    chance = np.ones(len(demanded.reliability))
    for cause in demanded.causes:
        chance[cause.members] -= cause.outage_probability
    return np.maximum(chance, 0.0)


def _better(one: Dependable, other: Dependable) -> bool:
    if one.is_kept != other.is_kept:
        return one.is_kept
    if one.is_kept:
        return one.allocation.cost_jpy_per_h < other.allocation.cost_jpy_per_h
    return one.probability > other.probability


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """A plan with the law of what it delivers, which is dear to find."""

    result: Dependable
    law: DeliveredLaw
    seen: Moments

    def is_tight(self, product: Product) -> bool:
        """Whether little more than the obligation is dependable."""
        more_w = product.required_w * (1.0 + 100.0 * NEAR)
        return self.law.probability(more_w) < self.result.probability


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """One question, asked with different prices of risk."""

    demanded: Demanded
    fleet: FleetColumns
    grid: Grid | None
    engine: Engine | None

    def promise(self, found: Allocation) -> Promise:
        """Powers as a promise."""
        return Promise(
            power_w=np.maximum(found.power_w[0], 0.0),
            reliability=self.demanded.reliability,
            causes=self.demanded.causes,
        )

    def priced(self, before: Allocation | None, score: float, margin_w: float) -> Allocation:
        """Allocate obligation and margin, risk priced as the last plan says."""
        product = replace(
            self.demanded.product, required_w=self.demanded.product.required_w + margin_w
        )
        fleet = self.fleet
        if before is not None and score > 0.0:
            fleet = self._steeper(before, score)
        return allocate(fleet, [product], grid=self.grid, engine=self.engine, start=before)

    def _steeper(self, before: Allocation, score: float) -> FleetColumns:
        """Costs with the price of risk in them."""
        up = self.demanded.reliability
        deviation = moments(self.promise(before)).deviation_w
        price = abs(float(before.multiplier_jpy_per_kwh[0]))
        if deviation <= 0.0:
            return self.fleet
        risk = price * score / deviation
        together = np.zeros(len(up))
        power = np.maximum(before.power_w[0], 0.0) * up
        for cause in self.demanded.causes:
            odds = cause.outage_probability * (1.0 - cause.outage_probability)
            together[cause.members] += odds * float(power[cause.members].sum())
        return replace(
            self.fleet,
            steepness_jpy_per_kwh_w=self.fleet.steepness_jpy_per_kwh_w + risk * up * (1.0 - up),
            price_jpy_per_kwh=self.fleet.price_jpy_per_kwh + risk * up * together,
        )

    def judged(self, found: Allocation) -> _Judged:
        """Ask the law how likely the obligation is kept."""
        promise = self.promise(found)
        required = self.demanded.product.required_w
        law, seen = delivered_law(promise), moments(promise)
        # A wider spread moves every quantile away from the mean alike.
        asked = seen.mean_w - (seen.mean_w - required) / self.demanded.spread
        chance = law.probability(asked)
        cost = float(
            (self.fleet.price_jpy_per_kwh * found.power_w[0]).sum()
            + 0.5 * (self.fleet.steepness_jpy_per_kwh_w * found.power_w[0] ** 2).sum()
        )
        result = Dependable(
            allocation=replace(found, cost_jpy_per_h=cost / 1000.0),
            promise=promise,
            probability=chance,
            margin_w=seen.mean_w - required,
            is_kept=chance >= self.demanded.probability,
        )
        return _Judged(result=result, law=law, seen=seen)

    def score(self, judged: _Judged) -> float:
        """Deviations that have to lie between the mean and the obligation."""
        return self._below_w(judged) / judged.seen.deviation_w * (1.0 + NEAR)

    def _below_w(self, judged: _Judged) -> float:
        """How far below the mean the power lies that is as probable as was wanted."""
        dependable = judged.law.dependable_w(self.demanded.probability)
        return (judged.seen.mean_w - dependable) * self.demanded.spread

    def named(self, judged: _Judged) -> Dependable:
        """Name the probability among what had to give way, and by how many watts it did."""
        dependable = judged.seen.mean_w - self._below_w(judged)
        lost = Relaxed(
            limit=f"probability {self.demanded.probability:g}",
            amount_w=self.demanded.product.required_w - max(dependable, 0.0),
        )
        found = judged.result.allocation
        return replace(judged.result, allocation=replace(found, relaxed=(*found.relaxed, lost)))
