"""The four figures by which a plan is judged, each defined once.

Profit (JPY), grid impact (W), reliability (probability) and degradation (JPY), over the
question's duration. Pure. Used by the search, by the table and by the API's answer.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from cloud_coordinator.allocation.promise import Promise
from cloud_coordinator.allocation.reliability import ENUMERATED_MAX, Moments, delivered_law, moments
from cloud_coordinator.services.strategies.port import Aim, Question
from protocols.vocabulary.arrays import FloatArray

W_PER_KW: Final = 1000.0
FEW_ROWS: Final = 50
LUMP: Final = 0.05
"""Part of the variance from which on one unit's size matters to the law of the sum."""
SKEWNESS_MAX: Final = 1.0
LEVEL: Final = 1e-4
"""Probabilities that differ by less are alike."""
RISK_TIMES: Final = 20.0
"""A search prices power that is not dependable at so many times a shortage."""
PROBABILITY_MAX: Final = 0.9999
"""What is wanted of the rest at most, where something may take all of them down."""
KEPT_NEAR: Final = 1e-5
"""Of all powers: how near the power that is kept is looked for."""
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a plan is worth.

    Attributes
    ----------
    profit_jpy : float
        Price of what is delivered in the mean, less running cost, less wear, less the price of
        what is expected to be missing.
    grid_impact_w : float
        Delivered W, each weighed by how full its feeder was before.
    reliability : float
        Probability that at least what is owed is delivered.
    degradation_jpy : float
        Wear of batteries.
    delivered_w : float
        Mean of what arrives.
    """

    profit_jpy: float
    grid_impact_w: float
    reliability: float
    degradation_jpy: float
    delivered_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How good a plan is for an objective: less is better, the first before the second.

    Attributes
    ----------
    missed : float
        Part of the wanted probability that is not reached; 0 where it is, or where the mean is
        all that is wanted.
    loss_jpy : float
        Costs, wear and grid impact at the aim's price, less what is earned: with an aim that
        sells no surplus only what is owed earns.
    """

    missed: float
    loss_jpy: float

    def is_level_with(self, other: "Verdict") -> bool:
        """Whether the probability is reached as well, so that costs can be compared."""
        return self.missed <= other.missed + LEVEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """What a plan's figures are made of, in JPY and W; the search uses these alone.

    ``seen`` is what arrives while nothing takes all of them down, ``mean_w`` counts that too.
    """

    cost_jpy: float
    degradation_jpy: float
    grid_impact_w: float
    mean_w: float
    seen: Moments


def promise_of(question: Question, power_w: FloatArray) -> Promise:
    """Return what arrives of each resource if it keeps its word, as a law."""
    return Promise(
        power_w=power_w * question.gain,
        reliability=question.reliability,
        causes=question.causes,
    )


def accounts(question: Question, power_w: FloatArray) -> Accounts:
    """Add a plan up."""
    hours = question.duration_h / W_PER_KW
    cost = dot(question.cost_jpy_per_kwh, power_w)
    cost += 0.5 * dot(question.steepness_jpy_per_kwh_w, power_w * power_w)
    seen = seen_of(question, power_w)
    return Accounts(
        cost_jpy=cost * hours,
        degradation_jpy=dot(question.wear_jpy_per_kwh, power_w) * hours,
        grid_impact_w=dot(question.fullness, power_w),
        mean_w=question.spared * seen.mean_w,
        seen=seen,
    )


def dot(one: FloatArray, other: FloatArray) -> float:
    """Add products up on this thread: a threaded library would wake the other cores for it."""
    return float(np.einsum("i,i->", one, other))


def seen_of(question: Question, power_w: FloatArray) -> Moments:
    """Mean, deviation and skewness of what arrives."""
    if question.causes:
        return moments(promise_of(question, power_w))
    up, power = question.reliability, power_w * question.gain
    part = up * (1.0 - up) * power * power
    variance, third = float(part.sum()), dot(part * (1.0 - 2.0 * up), power)
    return Moments(
        mean_w=dot(up, power),
        deviation_w=math.sqrt(variance),
        skewness=third / variance**1.5 if variance > 0.0 else 0.0,
    )


def figures(question: Question, power_w: FloatArray) -> Figures:
    """Judge a plan."""
    added = accounts(question, power_w)
    return Figures(
        profit_jpy=profit_jpy(question, added, missing_w(question, added)),
        grid_impact_w=added.grid_impact_w,
        reliability=reliability(question, power_w, added.seen),
        degradation_jpy=added.degradation_jpy,
        delivered_w=added.mean_w,
    )


def profit_jpy(question: Question, added: Accounts, missing: float) -> float:
    """Price of the mean delivery, less costs, wear and what a shortage costs."""
    hours = question.duration_h / W_PER_KW
    income = question.price_jpy_per_kwh * added.mean_w * hours
    shortage = question.shortage_jpy_per_kwh * missing * hours
    return income - added.cost_jpy - added.degradation_jpy - shortage


def missing_w(question: Question, added: Accounts) -> float:
    """Owed power that the mean delivery does not reach, W >= 0."""
    return max(question.owed_w - added.mean_w, 0.0)


def reliability(question: Question, power_w: FloatArray, seen: Moments) -> float:
    """Probability that at least what is owed is delivered."""
    if question.owed_w <= 0.0:
        return 1.0
    lumpy = _is_lumpy(question, power_w)
    if question.causes or lumpy:
        units_max = ENUMERATED_MAX if lumpy else 0
        law = delivered_law(promise_of(question, power_w), units_max=units_max)
        return question.spared * law.probability(question.owed_w)
    if seen.deviation_w <= 0.0:
        return question.spared * float(seen.mean_w >= question.owed_w)
    score = (seen.mean_w - question.owed_w) / seen.deviation_w
    return question.spared * _NORMAL.cdf(_symmetric(score, seen))


def rest_probability(question: Question, wanted: float) -> float:
    """With which probability the rest has to hold, so that all of it holds as wanted."""
    return max(wanted, min(wanted / question.spared, PROBABILITY_MAX))


def kept_w(question: Question, power_w: FloatArray, wanted: float) -> float:
    """Power that a plan of many resources delivers with a probability, W."""
    probability = rest_probability(question, wanted)
    if not question.causes:
        return reach_w(seen_of(question, power_w), probability)
    law = delivered_law(promise_of(question, power_w), units_max=0)
    return law.dependable_w(probability, near=KEPT_NEAR)


def _is_lumpy(question: Question, power_w: FloatArray) -> bool:
    """Whether few units, one, or few failures make the sum's law another one than the normal."""
    if len(power_w) <= FEW_ROWS:
        return True
    up, power = question.reliability, power_w * question.gain
    spread = up * (1.0 - up) * power**2
    variance, third = float(spread.sum()), dot(spread * (1.0 - 2.0 * up), power)
    return float(spread.max()) > LUMP * variance or abs(third) > SKEWNESS_MAX * variance**1.5


def _symmetric(score: float, seen: Moments) -> float:
    """Return the normal score of the same probability, for a sum that leans to one side."""
    lean = min(max(seen.skewness, -SKEWNESS_MAX), SKEWNESS_MAX)
    return score + lean * (score * score - 1.0) / 6.0


def reach_w(seen: Moments, probability: float) -> float:
    """Power that is reached with a probability, by the normal law and the skewness, W.

    Notes
    -----
    First terms of Cornish and Fisher (1937); the search needs it thousands of times, the
    figures use the whole law.
    """
    return seen.mean_w - margin_w(seen, probability)


def margin_w(seen: Moments, probability: float) -> float:
    """How far below the mean that power lies, W >= 0."""
    z = _NORMAL.inv_cdf(probability)
    if z <= 0.0:
        return 0.0
    lean = min(max(seen.skewness, -SKEWNESS_MAX), SKEWNESS_MAX)
    return seen.deviation_w * max(z - lean * (z * z - 1.0) / 6.0, 0.0)


def verdict(question: Question, aim: Aim, power_w: FloatArray) -> Verdict:
    """Judge a plan by the objective itself, the probability by the whole law.

    The probability comes first and has no price; of plans that keep it alike the one that costs
    less is better. An aim that asks for the mean has only the cost, in which what the mean does
    not reach stands at the price of a shortage.
    """
    added = accounts(question, power_w)
    if aim.asks_for_mean:
        short_w = missing_w(question, added)
        return Verdict(missed=0.0, loss_jpy=_loss(question, aim, added, short_w=short_w))
    kept = reliability(question, power_w, added.seen)
    return Verdict(
        missed=max(aim.probability - kept, 0.0),
        loss_jpy=_loss(question, aim, added, short_w=0.0),
    )


def quick_loss_jpy(question: Question, aim: Aim, power_w: FloatArray) -> float:
    """Estimate both in one number by moments alone: a search asks thousands of times.

    What does not reach the owed power with the aim's probability stands at many times the price
    of a shortage, so that no cost makes up for it.
    """
    added = accounts(question, power_w)
    probability = rest_probability(question, aim.probability)
    short_w = max(question.owed_w - reach_w(added.seen, probability), 0.0)
    times = 1.0 if aim.asks_for_mean else RISK_TIMES
    return _loss(question, aim, added, short_w=times * short_w)


def _loss(question: Question, aim: Aim, added: Accounts, *, short_w: float) -> float:
    hours = question.duration_h / W_PER_KW
    earning = added.mean_w
    if not aim.sells_surplus:
        earning = min(earning, question.owed_w)
    return (
        added.cost_jpy
        + added.degradation_jpy
        + aim.grid_jpy_per_kwh * added.grid_impact_w * hours
        + question.shortage_jpy_per_kwh * short_w * hours
        - question.price_jpy_per_kwh * earning * hours
    )
