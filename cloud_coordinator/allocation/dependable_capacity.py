"""Capacity that is kept with a probability: an award shared among offers, and its margin.

As :func:`~cloud_coordinator.allocation.capacity.allocate_capacity`, but so that the sites
together deliver at least the award with a probability, though each may fail and some fail
together. For a given price of risk that is a plain sharing again: of expected watts, each
curve dearer by what its site adds to the spread. The margin is the least one that the law of
the sum accepts. Where no margin suffices, the result says how probable it is. Pure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cloud_coordinator.allocation.capacity import (
    CapacityAllocation,
    CapacityOffer,
    Direction,
    share_out,
)
from cloud_coordinator.allocation.curves import curve_table
from cloud_coordinator.allocation.promise import Promise, SharedOutage
from cloud_coordinator.allocation.reliability import delivered_law, moments
from cloud_coordinator.allocation.supply import (
    Supply,
    cost_jpy_per_h,
    mirrored,
    upward,
)
from protocols.vocabulary.arrays import FloatArray

RELIABILITY_MIN: Final = 1e-3
"""A site that is less reliable is not asked."""
NEAR: Final = 1e-4
"""Of the probability: where the wanted one is out of reach, so little less than all offers
together reach is as good, and may be much cheaper."""
MARGIN_STEP: Final = 1e-3
"""Of the award: margins that differ by less are the same."""
LAWS_MAX: Final = 18
GUESSES: Final = 5
"""Of these laws: afterwards the interval is halved, for a law with steps has no slope."""
_SCORE_MAX: Final = 8.0
_HALVINGS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Assurance:
    """How sure an award has to be, and what is known of its sites.

    Attributes
    ----------
    probability : float
        Of delivering at least the award, 0 < p < 1.
    reliability : FloatArray
        Shape (n,), by the sites' ids in order: probability that a site delivers by itself.
    causes : tuple of SharedOutage
        What takes several of them down at once.
    spread : float
        How much wider whole awards came than the law of the sum says, >= 1
        (:func:`~cloud_coordinator.allocation.experience.learned_spread`).
    """

    probability: float
    reliability: FloatArray
    causes: tuple[SharedOutage, ...] = ()
    spread: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assured:
    """How sure one direction of an award is.

    Attributes
    ----------
    promise : Promise
        Committed powers as magnitudes, and how they fail.
    probability : float
        Of delivering at least the award, every quantile as far from the mean as was learned.
    spread : float
        How much wider that is than the law of the sum.
    margin_w : float
        Committed beyond the award, W; negative where the offers fall short.
    is_kept : bool
        Whether that is as probable as was wanted.
    """

    promise: Promise
    probability: float
    spread: float
    margin_w: float
    is_kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DependableCapacity:
    """Both directions, shared and judged.

    The multipliers of ``allocation`` are those of the last expected watt, risk included;
    costs are what the committed powers cost by the curves themselves.
    """

    allocation: CapacityAllocation
    up: Assured
    down: Assured


def allocate_capacity_dependably(
    offers: Sequence[CapacityOffer], assurance: Assurance, *, up_w: float, down_w: float
) -> DependableCapacity:
    """Share an award, with the margin that keeps it.

    Parameters
    ----------
    offers : sequence of CapacityOffer
        One per site, sorted by site id.
    assurance : Assurance
        Rows as the offers.
    up_w, down_w : float
        Awarded power upward and downward, W, >= 0.
    """
    sites = tuple(offer.site_id for offer in offers)
    assert list(sites) == sorted(set(sites)), "one offer per site, by id"
    assert len(assurance.reliability) == len(sites), "one reliability per offer"
    assert 0.0 < assurance.probability < 1.0, "a probability lies between 0 and 1"
    assert assurance.spread >= 1.0, "nobody learns that chance is narrower"
    table = curve_table([offer.curve for offer in offers])
    up_cap = np.array([offer.up.power_w for offer in offers], dtype=np.float64)
    down_cap = np.array([offer.down.power_w for offer in offers], dtype=np.float64)
    up, up_assured = _Side.of(
        upward(table, up_cap),
        [offer.up.limited_by for offer in offers],
        assurance,
        award_w=up_w,
    ).solved()
    down, down_assured = _Side.of(
        upward(mirrored(table), down_cap),
        [offer.down.limited_by for offer in offers],
        assurance,
        award_w=down_w,
    ).solved()
    return DependableCapacity(
        allocation=CapacityAllocation(
            sites=sites,
            up=up,
            down=replace(down, power_w=-down.power_w, multiplier=-down.multiplier),
        ),
        up=up_assured,
        down=down_assured,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A sharing, and how probably it keeps the award."""

    direction: Direction
    promise: Promise
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One direction of the question."""

    supply: Supply
    names: Sequence[str]
    assurance: Assurance
    award_w: float
    delivery: FloatArray
    free_jpy_per_kwh: float

    @classmethod
    def of(
        cls,
        supply: Supply,
        names: Sequence[str],
        assurance: Assurance,
        *,
        award_w: float,
    ) -> "_Side":
        """Leave out sites that hardly ever deliver, and find what arrives in the mean."""
        spared = np.ones(len(assurance.reliability))
        for cause in assurance.causes:
            spared[cause.members] -= cause.outage_probability
        usable = assurance.reliability >= RELIABILITY_MIN
        return cls(
            supply=replace(supply, power_w=np.where(usable[:, None], supply.power_w, 0.0)),
            names=names,
            assurance=assurance,
            award_w=award_w,
            free_jpy_per_kwh=min(float(supply.multipliers.min(initial=0.0)), 0.0),
            delivery=np.maximum(assurance.reliability * np.maximum(spared, 0.0), RELIABILITY_MIN),
        )

    def solved(self) -> tuple[Direction, Assured]:
        """Find the cheapest sharing that is probable enough, or as probable as can be."""
        every = self._judged(self._everything())
        if self.award_w <= 0.0 or every.promise.power_w.sum() <= self.award_w:
            chosen = every if self.award_w > 0.0 else self._plan(0.0, None)
            return chosen.direction, self._assured(chosen)
        wanted = min(self.assurance.probability, every.probability - NEAR)
        first = self._cheapest(every, wanted, None)
        second = self._cheapest(every, wanted, first)
        best = min(first, second, key=self._cost)
        return best.direction, self._assured(best)

    def _cost(self, plan: _Plan) -> float:
        """Cost above that of the cheapest watt: downward watts cost less than nothing."""
        power_w = plan.promise.power_w
        return plan.direction.cost_jpy_per_h - self.free_jpy_per_kwh * float(power_w.sum()) / 1e3

    def _cheapest(self, every: _Plan, wanted: float, priced: _Plan | None) -> _Plan:
        """Search the least expected power, at one price of risk."""
        low_w, high_w, best = 0.0, float((self.delivery * every.promise.power_w).sum()), every
        expected_w = min(self.award_w, high_w)
        for law in range(LAWS_MAX):
            plan = self._plan(expected_w, priced)
            if plan.probability >= wanted:
                best, high_w = plan, expected_w
            else:
                low_w = expected_w
            if high_w - low_w <= MARGIN_STEP * self.award_w:
                break
            missing = _score(wanted) - _score(plan.probability)
            expected_w += missing * moments(plan.promise).deviation_w * self.assurance.spread
            expected_w += 0.3 * MARGIN_STEP * self.award_w
            if law >= GUESSES or not low_w < expected_w < high_w:
                expected_w = 0.5 * (low_w + high_w)
        return best

    def _plan(self, expected_w: float, priced: _Plan | None) -> _Plan:
        """Share so that so much arrives in the mean."""
        weighted = Supply(
            multipliers=(self.supply.multipliers - self.free_jpy_per_kwh + self._risk(priced))
            / self.delivery[:, None],
            power_w=self.supply.power_w * self.delivery[:, None],
        )
        found = share_out(weighted, expected_w, self.names)
        return self._judged(
            replace(
                found,
                power_w=found.power_w / self.delivery,
                multiplier=found.multiplier + self.free_jpy_per_kwh,
            )
        )

    def _everything(self) -> Direction:
        """All that is offered."""
        total_w = float(self.supply.cap_w.sum())
        return share_out(self.supply, max(total_w, self.award_w), self.names)

    def _risk(self, priced: _Plan | None) -> FloatArray:
        """Price what a further watt adds to the spread; shape of the supply."""
        nothing = np.zeros_like(self.supply.power_w)
        if priced is None or not np.isfinite(priced.direction.multiplier):
            return nothing
        seen = moments(priced.promise)
        if seen.deviation_w <= 0.0:
            return nothing
        score = max(seen.mean_w - self.award_w, 0.0) / seen.deviation_w
        price = (priced.direction.multiplier - self.free_jpy_per_kwh) * score / seen.deviation_w
        up, power_w = self.assurance.reliability, priced.promise.power_w
        together_w = np.zeros(len(up))
        for cause in self.assurance.causes:
            odds = cause.outage_probability * (1.0 - cause.outage_probability)
            together_w[cause.members] += odds * float((up * power_w)[cause.members].sum())
        steep = price * up * (1.0 - up)
        return np.asarray(
            steep[:, None] * self.supply.power_w + (price * up * together_w)[:, None],
            dtype=np.float64,
        )

    def _judged(self, direction: Direction) -> _Plan:
        """Ask the law; the cost is that of the committed powers by the curves themselves."""
        power_w = np.clip(direction.power_w, 0.0, self.supply.cap_w)
        cost = float(cost_jpy_per_h(self.supply, power_w).sum())
        promise = Promise(
            power_w=power_w,
            reliability=self.assurance.reliability,
            causes=self.assurance.causes,
        )
        return _Plan(
            direction=replace(
                direction,
                power_w=power_w,
                cost_jpy_per_h=cost,
                shortfall_w=max(0.0, self.award_w - float(self.supply.cap_w.sum())),
            ),
            promise=promise,
            probability=self._probability(promise),
        )

    def _probability(self, promise: Promise) -> float:
        """Ask the law; a wider spread moves every quantile away from the mean alike."""
        asked_w = self.award_w
        if self.assurance.spread > 1.0:
            mean_w = moments(promise).mean_w
            asked_w = mean_w - (mean_w - self.award_w) / self.assurance.spread
        return delivered_law(promise).probability(asked_w)

    def _assured(self, plan: _Plan) -> Assured:
        return Assured(
            promise=plan.promise,
            probability=plan.probability,
            spread=self.assurance.spread,
            margin_w=float(plan.promise.power_w.sum()) - self.award_w,
            is_kept=plan.probability >= self.assurance.probability,
        )


def _score(probability: float) -> float:
    """Deviations below the mean that a normal law exceeds with a probability, -8 ... 8."""
    low, high = -_SCORE_MAX, _SCORE_MAX
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if 0.5 * math.erfc(-middle / math.sqrt(2.0)) < probability:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
