"""What a policy sees of a question: few numbers, near 0 to 1, and two first guesses.

The guesses stand in the unit of the action that they help with, so that a small network has
little left to learn: how much surplus costs less than the price, and how much margin a normal
law would ask for. Pure.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.services.strategies.figures import margin_w, seen_of
from cloud_coordinator.services.strategies.port import Aim, Objective, Question
from cloud_coordinator.services.strategies.weights import HIGH, LOW, VOLUME
from protocols.vocabulary.arrays import FloatArray

PRICES: Final = (0.75, 1.0, 1.25)
"""Times the price: what of the fleet is cheaper."""
OBSERVATIONS: Final = (
    *(objective.value for objective in Objective),
    "owed, of what can be delivered",
    "sellable, of what can be delivered",
    "price, logarithm of JPY/kWh",
    "shortage, logarithm of JPY/kWh",
    *(f"deliverable below {times:g} of the price" for times in PRICES),
    "room below the grid's caps, of all power",
    "reliability",
    "fullness of feeders",
    "wear in the middle, of the price",
    "largest resource, of all power",
    "outage of common causes, of the risk that is allowed",
    "resources, logarithm",
    "surplus below the price, as an action",
    "margin of a normal law, as an action",
)
POWER: Final = 3.0
"""Volumes near 0 are told more finely, for a margin is a few parts in a hundred."""
MULTIPLIER_MAX: Final = 2_000.0
"""JPY/kWh; nothing is asked that costs more."""
HALVINGS: Final = 30
_FLAT: Final = 1e-9


def volume_of(part: float) -> float:
    """Turn -1 ... 1 into a volume between its bounds, finely near 0."""
    return float(HIGH[VOLUME] * part**POWER if part > 0.0 else LOW[VOLUME] * (-part) ** POWER)


def part_of(volume: float) -> float:
    """Turn a volume into -1 ... 1, as :func:`volume_of` reads it."""
    if volume > 0.0:
        return float(min(volume / HIGH[VOLUME], 1.0) ** (1.0 / POWER))
    return -float(min(volume / LOW[VOLUME], 1.0) ** (1.0 / POWER))


def volume_for(question: Question, delivered_w: float) -> float:
    """Volume that delivers so much in the mean: of what is above, or of what is owed."""
    owed_w = min(question.owed_w, question.sellable_w)
    off_w = delivered_w - owed_w
    scale_w = question.sellable_w - owed_w if off_w > 0.0 else owed_w
    return off_w / max(scale_w, 1.0)


def observed(question: Question, aim: Aim) -> FloatArray:
    """Describe a question in few numbers, shape (o,)."""
    curve = _Curve.of(question, aim)
    able_w = max(float((question.delivery * question.power_w_max).sum()), 1.0)
    total_w = max(float(question.power_w_max.sum()), 1.0)
    share = question.power_w_max / total_w
    price = question.price_jpy_per_kwh
    risk = 1.0 - aim.probability
    outage = sum(cause.outage_probability for cause in question.causes)
    return np.array(
        [
            *(float(aim.objective is objective) for objective in Objective),
            question.owed_w / able_w,
            question.sellable_w / able_w,
            np.log1p(max(price, 0.0)),
            np.log1p(question.shortage_jpy_per_kwh),
            *(curve.delivered_w(times * price) / able_w for times in PRICES),
            curve.room(question.power_w_max),
            float((question.reliability * share).sum()),
            float((question.fullness * share).sum()),
            float(np.median(question.wear_jpy_per_kwh)) / max(abs(price), 1.0),
            float(share.max(initial=0.0)),
            min(outage / risk, 1.0),
            float(np.log10(max(len(share), 1))),
            _surplus(question, aim, curve),
            _margin(question, aim, curve, risk=max(risk - outage, 0.1 * risk)),
        ]
    )


def _surplus(question: Question, aim: Aim, curve: "_Curve") -> float:
    if not aim.sells_surplus:
        return 0.0
    cheap_w = curve.delivered_w(question.price_jpy_per_kwh)
    return part_of(max(volume_for(question, cheap_w), 0.0))


def _margin(question: Question, aim: Aim, curve: "_Curve", *, risk: float) -> float:
    if aim.asks_for_mean:
        return 0.0
    low, high = -MULTIPLIER_MAX, MULTIPLIER_MAX
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        short = curve.delivered_w(middle) < question.owed_w
        low, high = (middle, high) if short else (low, middle)
    seen = seen_of(question, curve.power_w(high))
    need_w = margin_w(seen, 1.0 - risk)
    return part_of(max(volume_for(question, question.owed_w + need_w), 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    """What the resources would deliver at a multiplier, groups cut at their caps.

    Of nested groups only the outermost are looked at.
    """

    question: Question
    price: FloatArray
    steepness: FloatArray
    delivery: FloatArray

    @classmethod
    def of(cls, question: Question, aim: Aim) -> "_Curve":
        """Price the resources as an aim does."""
        fleet = question.columns(aim)
        return cls(
            question=question,
            price=fleet.price_jpy_per_kwh,
            steepness=np.maximum(fleet.steepness_jpy_per_kwh_w, _FLAT),
            delivery=question.delivery,
        )

    def power_w(self, multiplier: float) -> FloatArray:
        """Powers at a multiplier, JPY per delivered kWh."""
        wished = (multiplier * self.delivery - self.price) / self.steepness
        return np.asarray(np.clip(wished, 0.0, self.question.power_w_max))

    def delivered_w(self, multiplier: float) -> float:
        """Mean of what arrives at a multiplier."""
        power_w = self.power_w(multiplier)
        return self.room(power_w) * float((self.delivery * power_w).sum())

    def room(self, power_w: FloatArray) -> float:
        """Part of powers for which the groups have room."""
        grid, total_w = self.question.grid, float(power_w.sum())
        if grid is None or total_w <= 0.0:
            return 1.0
        groups = grid.groups
        if len(groups.above) < 2:  # noqa: PLR2004  depth 0 is everything
            return 1.0
        ordered = power_w if groups.order is None else power_w[groups.order]
        sums = np.add.reduceat(ordered, groups.starts[:-1])
        sums = np.bincount(groups.above[1], sums, minlength=groups.nodes)
        caps = np.full(groups.nodes, np.inf)
        caps[1 : 1 + groups.count] = grid.caps.power_w_max
        return float(np.minimum(sums, caps).sum()) / total_w
