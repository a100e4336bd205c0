"""The exact strategy: the allocation engine on the named objective itself. The default.

Selling stops where one more W costs more than it earns; what is owed is bought up to the price
of a shortage; with a probability to keep, risk is priced (ADR 0019) and cost is no limit. Each is
one convex problem, so the answer is the optimum and the engine says how far it may be off.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from cloud_coordinator.allocation.allocate import allocate
from cloud_coordinator.allocation.dependable import Demanded, allocate_dependably
from cloud_coordinator.allocation.outcome import Allocation
from cloud_coordinator.allocation.problem import FleetColumns, Product
from cloud_coordinator.services.strategies.figures import FEW_ROWS, dot, kept_w, rest_probability
from cloud_coordinator.services.strategies.port import Aim, Plan, Question
from protocols.vocabulary.arrays import FloatArray

MARGINS_MAX: Final = 6
CAUSES_ROWS_MAX: Final = 2_000
"""Up to here risk is priced where some fail together. Beyond, a margin costs as little (within
1 % at 20,000 and 100,000 resources) in a quarter of the time, which the deadline asks for."""
ROUNDING: Final = 1e-12
NEAR: Final = 1e-4
"""Of what is owed."""
SLOPE_MAX: Final = -0.3
"""What is missing falls at least by so much of what is bought more."""
GAIN_MIN: Final = 0.01
PRICE_MIN: Final = 1e-6
"""A price cap must be above zero."""


class Exact:
    """The engine."""

    @property
    def name(self) -> str:
        """For tables."""
        return "exact"

    def plan(self, question: Question, aim: Aim) -> Plan:
        """Find the optimum of the named objective."""
        owed = min(question.owed_w, question.sellable_w)
        if not aim.asks_for_mean and owed > 0.0:
            return _named(question, aim, _dependable(question, aim, owed_w=owed))
        fleet = question.columns(aim)
        worth = question.price_jpy_per_kwh + question.shortage_jpy_per_kwh
        if aim.sells_surplus and question.price_jpy_per_kwh > PRICE_MIN:
            sold = served(
                question, fleet, required_w=question.sellable_w, cap=question.price_jpy_per_kwh
            )
            if sold.delivered_w[0] >= owed:
                return _planned(sold, owed_w=owed)
        return _planned(served(question, fleet, required_w=owed, cap=worth), owed_w=owed)


def served(
    question: Question,
    fleet: FleetColumns,
    *,
    required_w: float,
    cap: float,
    start: Allocation | None = None,
) -> Allocation:
    """Deliver power at least cost, none of it above a price, JPY/kWh; begin at a former answer."""
    product = Product(
        name="response", required_w=required_w, shortage_jpy_per_kwh=max(cap, PRICE_MIN)
    )
    return allocate(fleet, [product], grid=question.grid, start=start)


def dependable_columns(question: Question, aim: Aim) -> FleetColumns:
    """Columns in what arrives if a promise is kept, for the law of kept promises."""
    fleet = question.columns(aim)
    gain = np.maximum(question.gain, GAIN_MIN)
    return replace(
        fleet,
        price_jpy_per_kwh=fleet.price_jpy_per_kwh / gain,
        steepness_jpy_per_kwh_w=fleet.steepness_jpy_per_kwh_w / gain**2,
        power_w_max=fleet.power_w_max * gain,
        delivery=None,
    )


def within(question: Question, power_w: FloatArray) -> FloatArray:
    """Scale powers down so that the reserve is left."""
    delivered = dot(question.delivery, power_w)
    if delivered <= question.sellable_w or delivered <= 0.0:
        return power_w
    return power_w * (question.sellable_w / delivered)


def _named(question: Question, aim: Aim, plan: Plan) -> Plan:
    """Name the probability where what takes all of them down is likelier than the risk allowed."""
    limit = f"probability {aim.probability:g}"
    most = question.spared * rest_probability(question, aim.probability)
    if most >= aim.probability - ROUNDING or limit in plan.relaxed:
        return plan
    return replace(plan, relaxed=(*plan.relaxed, limit))


def _dependable(question: Question, aim: Aim, *, owed_w: float) -> Plan:
    """Keep what is owed with the aim's probability."""
    rows = len(question.power_w_max)
    if rows > (CAUSES_ROWS_MAX if question.causes else FEW_ROWS):
        return _with_margin(question, aim, owed_w=owed_w)
    demanded = Demanded(
        product=Product(name="response", required_w=owed_w, shortage_jpy_per_kwh=np.inf),
        reliability=question.reliability,
        causes=question.causes,
        probability=rest_probability(question, aim.probability),
    )
    found = allocate_dependably(dependable_columns(question, aim), demanded, grid=question.grid)
    power = np.maximum(found.allocation.power_w[0], 0.0) / np.maximum(question.gain, GAIN_MIN)
    return Plan(
        power_w=within(question, np.minimum(power, question.power_w_max)),
        relaxed=tuple(one.limit for one in found.allocation.relaxed),
        relative_gap=found.allocation.relative_gap,
    )


def _with_margin(question: Question, aim: Aim, *, owed_w: float) -> Plan:
    """Buy what is owed and a margin: of many resources that is the optimum but for 0.02 %.

    The next margin is where the last two say that nothing would be missing.
    """
    fleet = question.columns(aim)
    required, found, best = owed_w, None, None
    tried: list[tuple[float, float]] = []
    for _ in range(MARGINS_MAX):
        found = served(question, fleet, required_w=required, cap=np.inf, start=found)
        missing = owed_w - kept_w(question, found.power_w[0], aim.probability)
        if missing <= 2.0 * NEAR * owed_w:
            best = found
        if abs(missing) <= NEAR * owed_w or found.shortfall_w[0] > 0.0:
            break
        tried.append((required, missing))
        required = min(_next_w(tried) + 0.5 * NEAR * owed_w, question.sellable_w)
    assert found is not None, "at least one margin was tried"
    if best is not None:
        return _planned(best, owed_w=owed_w)
    plan = _planned(found, owed_w=owed_w)
    return replace(plan, relaxed=(*plan.relaxed, f"probability {aim.probability:g}"))


def _next_w(tried: Sequence[tuple[float, float]]) -> float:
    """Follow the line through the last two (required, missing), where it falls."""
    required, missing = tried[-1]
    slope = -1.0
    if len(tried) > 1:
        before, missed = tried[-2]
        if required != before:
            slope = min((missing - missed) / (required - before), SLOPE_MAX)
    return required - missing / slope


def _planned(found: Allocation, *, owed_w: float) -> Plan:
    """Turn an answer into a plan: what was not sold for its price is no shortage."""
    short = found.delivered_w[0] < owed_w * (1.0 - 1e-9)
    return Plan(
        power_w=np.maximum(found.power_w[0], 0.0),
        relaxed=tuple(
            one.limit for one in found.relaxed if short or not one.limit.startswith("product")
        ),
        relative_gap=found.relative_gap,
    )
