"""Slots of an award: who passed, what was there, what it costs. Pure.

Joins the engine's verdicts (:mod:`cloud_coordinator.market.performance`,
:mod:`~cloud_coordinator.market.primary`) with money. Called by ``settle``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from cloud_coordinator.market.availability import (
    Charge,
    Outcome,
    SlotAward,
    charge,
    nothing_counts,
)
from cloud_coordinator.market.bands import Called
from cloud_coordinator.market.performance import judge
from cloud_coordinator.market.primary import FrequencyRecord, judge_primary
from cloud_coordinator.market.product import ProductRule, Shape
from cloud_coordinator.settlement.money import exact, for_seconds
from cloud_coordinator.settlement.records import (
    AwardTermsOf,
    DeliverySeries,
    Performance,
    Promise,
    SlotResult,
)
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import Slot, slots_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """By what an award is judged.

    Attributes
    ----------
    rule : ProductRule
        Of the product.
    members : tuple of ProductRule
        For a compound: rules of the products it is made of here.
    """

    rule: ProductRule
    members: tuple[ProductRule, ...] = ()

    @property
    def judging(self) -> tuple[ProductRule, ...]:
        """Rules of which each must be kept."""
        return self.members if self.rule.tolerance.shape is Shape.MEMBERS else (self.rule,)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    points: int
    inside: int
    passed: bool
    abnormal: bool = False


def assess(
    terms: AwardTermsOf, promise: Promise, series: DeliverySeries, *, ruling: Ruling
) -> tuple[SlotResult, ...]:
    """Assess every slot of an award.

    Parameters
    ----------
    terms, promise, series
        The award, its commands and what was delivered.
    ruling : Ruling
        The rules.

    Returns
    -------
    tuple of SlotResult
        By time. A compound passes a slot where every product it is made of does.
    """
    slots = slots_of(terms.interval)
    power_w = _known_power(terms, series)
    verdicts = [_verdicts(terms, promise, power_w, rule=rule) for rule in ruling.judging]
    reason = nothing_counts(ruling.rule, terms.circumstances.filing)
    assert len(terms.available_w) == len(slots), "one available power per slot"
    return tuple(
        _result(
            terms,
            slot,
            ruling.rule,
            verdict=_both([column[index] for column in verdicts]),
            available_kw=Decimal(0) if reason else exact(terms.available_w[index]) / 1000,
            reason=reason,
        )
        for index, slot in enumerate(slots)
    )


def _known_power(terms: AwardTermsOf, series: DeliverySeries) -> FloatArray:
    """Delivered power where it counts, NaN where sites are missing or telemetry was lost."""
    lost = np.isin(series.second, np.array(terms.circumstances.lost_s, dtype=np.int64))
    return np.where(series.complete & ~lost, series.delivered_w, np.nan)


def _verdicts(
    terms: AwardTermsOf, promise: Promise, power_w: FloatArray, *, rule: ProductRule
) -> list[_Verdict]:
    first_s = int(terms.interval.start.timestamp())
    if rule.tolerance.shape is Shape.DROOP:
        return _primary(terms, power_w, rule=rule)
    called = Called(
        award_w=terms.award_w,
        steps=promise.steps,
        uplink_s=terms.circumstances.uplink_s,
        applied_on=terms.circumstances.applied_on,
    )
    found = judge(first_s, power_w, called=called, rule=rule)
    return [
        _Verdict(points=int(points), inside=int(inside), passed=bool(passed))
        for points, inside, passed in zip(found.points, found.inside, found.passed, strict=True)
    ]


def _primary(terms: AwardTermsOf, power_w: FloatArray, *, rule: ProductRule) -> list[_Verdict]:
    first_s = int(terms.interval.start.timestamp())
    if terms.primary is None:
        return [_Verdict(points=1, inside=0, passed=False)] * len(slots_of(terms.interval))
    record = FrequencyRecord(
        first_s=first_s,
        frequency_hz=terms.primary.frequency_hz,
        power_w=power_w,
        uplink_s=round(terms.circumstances.uplink_s),
    )
    return [
        _Verdict(
            points=1 + one.abnormal_points,
            inside=int(one.normal is None or one.normal.passed)
            + one.abnormal_points
            - len(one.abnormal_failed),
            passed=one.passed,
            abnormal=bool(one.abnormal_failed),
        )
        for one in judge_primary(record, terms.primary.owing, rule)
    ]


def _both(verdicts: Sequence[_Verdict]) -> _Verdict:
    """One verdict of several; none at all is a failure, for nothing was shown."""
    return _Verdict(
        points=sum(one.points for one in verdicts),
        inside=sum(one.inside for one in verdicts),
        passed=bool(verdicts) and all(one.passed for one in verdicts),
        abnormal=any(one.abnormal for one in verdicts),
    )


def _result(  # noqa: PLR0913  one slot with its own inputs, each named
    terms: AwardTermsOf,
    slot: Slot,
    rule: ProductRule,
    *,
    verdict: _Verdict,
    available_kw: Decimal,
    reason: str,
) -> SlotResult:
    about = terms.circumstances
    seconds = _covered(terms, slot)
    award = SlotAward(award_kw=exact(terms.award_w) / 1000, price_jpy=terms.price_jpy_per_kw_30min)
    excluded = slot in about.excluded
    outcome = Outcome(
        available_kw=available_kw,
        performed=excluded or verdict.passed,
        unable_kw=sum((kw for where, kw in about.unable_kw if where == slot), Decimal(0)),
        constrained=slot in about.constrained,
    )
    judged = Performance.PASSED if verdict.passed else Performance.FAILED
    return SlotResult(
        slot=slot,
        seconds=seconds,
        points=verdict.points,
        points_inside=verdict.inside,
        performance=Performance.EXCLUDED if excluded else judged,
        charge=_partial(charge(award, outcome, rule), seconds),
        fee_jpy=for_seconds(award.price_jpy * award.award_kw, seconds),
        nothing_counts=reason,
        abnormal=verdict.abnormal,
    )


def _partial(whole: Charge, seconds: int) -> Charge:
    return replace(
        whole,
        shortfall_jpy=for_seconds(whole.shortfall_jpy, seconds),
        performance_jpy=for_seconds(whole.performance_jpy, seconds),
    )


def _covered(terms: AwardTermsOf, slot: Slot) -> int:
    """Seconds of a slot that the award covers."""
    start = max(terms.interval.start, slot.interval.start)
    end = min(terms.interval.end, slot.interval.end)
    return int((end - start).total_seconds())
