"""Assessment I: was the awarded power there at all, and what its lack costs. Pure, in Decimal.

Powers in kW as the market counts them, prices in JPY per kW and half hour. Amounts are exact;
nothing is rounded here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from cloud_coordinator.market.product import BaselineMethod, ProductRule

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """What had to be handed in for a slot, and whether it was.

    Attributes
    ----------
    plan_in_time : bool
        Plan or baseline registered before its gate, in the right form.
    right_pattern : bool
        With the pattern number of the award.
    breakdown_in_time : bool
        Breakdown of the delivery by the tenth of the next month.
    baseline : BaselineMethod
        How the baseline is found.
    samples_before : int
        Of the five minutes before, how many were received; counts for measured baselines.
    """

    plan_in_time: bool = True
    right_pattern: bool = True
    breakdown_in_time: bool = True
    baseline: BaselineMethod = BaselineMethod.FORECAST
    samples_before: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotAward:
    """An award in one slot: kW, and JPY per kW and half hour."""

    award_kw: Decimal
    price_jpy: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A slot of an award, assessed.

    Attributes
    ----------
    award_kw : Decimal
        What was left of the award after what was declared unable, kW.
    available_kw : Decimal
        What was there for it, never more than the award, kW.
    shortfall_jpy : Decimal
        Penalty I and what was declared unable, JPY, >= 0.
    performance_jpy : Decimal
        Penalty II, JPY, >= 0.
    """

    award_kw: Decimal
    available_kw: Decimal
    shortfall_jpy: Decimal
    performance_jpy: Decimal

    @property
    def shortfall_ratio(self) -> Decimal:
        """Part of the award that was not there, 0..1."""
        if not self.award_kw:
            return _ZERO
        return (self.award_kw - self.available_kw) / self.award_kw

    @property
    def total_jpy(self) -> Decimal:
        """All penalties, JPY."""
        return self.shortfall_jpy + self.performance_jpy


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What happened to an award in a slot.

    Attributes
    ----------
    available_kw : Decimal
        What was there for it.
    performed : bool
        Whether Assessment II was passed, or did not apply.
    unable_kw : Decimal
        Declared unable in time.
    constrained : bool
        Whether a grid constraint that nobody could foresee took the power away.
    """

    available_kw: Decimal
    performed: bool = True
    unable_kw: Decimal = _ZERO
    constrained: bool = False


def nothing_counts(rule: ProductRule, filing: Filing) -> str:
    """Say why nothing counts as available; empty if what is there counts.

    Notes
    -----
    EPRX trading rules Art.39 (japan-market 2, Assessment I; R5).
    """
    if not filing.plan_in_time:
        return "plan not registered in time"
    if not filing.right_pattern:
        return "wrong pattern number"
    if not filing.breakdown_in_time:
        return "breakdown not filed in time"
    if filing.baseline not in rule.baselines:
        return f"baseline {filing.baseline.value} is not permitted for {rule.service.value}"
    if filing.baseline is not BaselineMethod.FORECAST and filing.samples_before < 1:
        return "no sample in the five minutes before"
    return ""


def available_of_demand_kw(baseline_kw: Decimal, sold_elsewhere_kw: Decimal) -> Decimal:
    """Available power of a list of loads: baseline less curtailment sold elsewhere, kW (R6)."""
    return max(_ZERO, baseline_kw - sold_elsewhere_kw)


def share_out(awards: Sequence[SlotAward], available_kw: Decimal) -> tuple[Decimal, ...]:
    """Share what is available among several awards, the cheapest first.

    Parameters
    ----------
    awards : sequence of SlotAward
        Of one pattern and slot; equal prices in the order given.
    available_kw : Decimal
        kW.

    Returns
    -------
    tuple of Decimal
        kW for each award, in the order given, at most the award (R7).
    """
    left, found = max(_ZERO, available_kw), [_ZERO] * len(awards)
    for index in sorted(range(len(awards)), key=lambda k: awards[k].price_jpy):
        found[index] = min(awards[index].award_kw, left)
        left -= found[index]
    return tuple(found)


def charge(award: SlotAward, outcome: Outcome, rule: ProductRule) -> Charge:
    """Charge a slot of an award.

    Notes
    -----
    EPRX trading rules Art.41, 50 (japan-market R6, R7, R14, R17). Penalty I is price x award x
    shortfall x factor with shortfall = (award - available) / award, so award cancels; Penalty II
    is price x award x factor x (1 - shortfall), so it is price x available. A price above the
    cap counts as the cap.
    """
    price, cap = award.price_jpy, rule.price_cap_jpy_per_kw_30min
    if cap is not None:
        price = min(price, cap)
    unable_kw = min(max(outcome.unable_kw, _ZERO), award.award_kw)
    award_kw = award.award_kw - unable_kw
    available_kw = min(max(outcome.available_kw, _ZERO), award_kw)
    penalty = rule.penalty
    factor = penalty.constrained if outcome.constrained else penalty.availability
    shortfall_jpy = price * (award_kw - available_kw) * factor + price * unable_kw * penalty.unable
    performance_jpy = _ZERO if outcome.performed else price * available_kw * penalty.performance
    return Charge(
        award_kw=award_kw,
        available_kw=available_kw,
        shortfall_jpy=shortfall_jpy,
        performance_jpy=performance_jpy,
    )


def compound_kw(parts: Sequence[Decimal]) -> Decimal:
    """Capacity of a compound award: the greatest of its products, not their sum (R17)."""
    return max(parts, default=_ZERO)
