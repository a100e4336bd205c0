"""What plans are worth before the day: expected profit, and the requirement's four aims. Pure.

One place, used by every strategy and by the comparison. Prices are forecasts, acceptance comes
from their quantiles, penalties from the law of delivery with the market's own factors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import numpy as np

from cloud_coordinator.market.bids import Source, Venue
from cloud_coordinator.services.bidding.acceptance import LEVELS
from cloud_coordinator.services.bidding.plan import Plans, book_of, empty_plans
from cloud_coordinator.services.bidding.port import BidBook, BidQuestion
from cloud_coordinator.services.bidding.prices import (
    SLOT_H,
    SOURCES,
    Menu,
    call_margin_jpy,
    penalty_part,
)
from protocols.vocabulary.arrays import FloatArray

AIMS: Final = ("profit_jpy", "grid_impact_kw", "missed_probability", "degradation_jpy")
"""Columns of the aims. Profit is counted negative there, so that less is better everywhere."""
_NEAR: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """Expectations of k plans, shape (k,).

    Attributes
    ----------
    profit_jpy : FloatArray
        All below together.
    energy_jpy : FloatArray
        Energy sold less energy bought, and load reduced less what its owners get.
    reserve_jpy : FloatArray
        Accepted capacity and the margin of calls (their energy and wear paid), less fees.
    penalty_jpy : FloatArray
        Expected Penalties I and II, >= 0.
    degradation_jpy : FloatArray
        Wear of planned sales and of expected calls, >= 0; the calls' part is already in
        ``reserve_jpy``.
    grid_impact_kw : FloatArray
        Root mean square of the steps of planned power from slot to slot.
    missed_probability : FloatArray
        That any promise of the day is not there in full, all bids taken.
    """

    profit_jpy: FloatArray
    energy_jpy: FloatArray
    reserve_jpy: FloatArray
    penalty_jpy: FloatArray
    degradation_jpy: FloatArray
    grid_impact_kw: FloatArray
    missed_probability: FloatArray

    @property
    def aims(self) -> FloatArray:
        """Shape (k, 4), as :data:`AIMS`; less is better."""
        return np.stack(
            [
                -self.profit_jpy,
                self.grid_impact_kw,
                self.missed_probability,
                self.degradation_jpy,
            ],
            axis=1,
        )


def worth(plans: Plans, menu: Menu, question: BidQuestion) -> Worth:
    """Find what plans are worth."""
    terms = question.terms
    spot = menu.spot_jpy
    energy = SLOT_H * ((plans.sell_kw - plans.buy_kw) @ spot)
    energy = energy + SLOT_H * (plans.load_kw @ (spot - terms.load_jpy_per_kwh))
    wear = SLOT_H * terms.degradation_jpy_per_kwh * plans.sell_kw.sum(axis=1)
    reserve, penalty = np.zeros(len(energy)), np.zeros(len(energy))
    called_wear, kept = np.zeros(len(energy)), np.zeros(len(energy))
    for source_at, source in enumerate(SOURCES):
        held = plans.reserve_kw[:, source_at]
        total = held.sum(axis=1)
        if source is Source.STORAGE:  # planned charging is stopped before anything is given
            total = np.maximum(total - plans.buy_kw, 0.0)
        for at, service in enumerate(menu.services):
            curve = question.risk.get((source, service))
            able = question.holdings.capability_kw.get((source, service))
            if curve is None or able is None:
                continue
            level = plans.level[:, source_at, at][:, :, None]
            price = np.take_along_axis(menu.price_jpy[None, source_at, at], level, axis=2)[..., 0]
            chance = np.take_along_axis(menu.accepted[None, source_at, at], level, axis=2)[..., 0]
            part = np.divide(total, able, out=np.zeros_like(total), where=able > 0.0)
            lost = penalty_part(question.rules[service][-1], curve.short(part), curve.fails(part))
            awarded = held[:, at] * chance
            margin = call_margin_jpy(question, source, service, spot=spot)
            penalty += (awarded * price * lost).sum(axis=1)
            reserve += (awarded * (price - terms.fee_jpy_per_kw + margin)).sum(axis=1)
            if source is Source.STORAGE:
                called_h = terms.called_share.get(service, 0.0) * SLOT_H
                called_wear += awarded.sum(axis=1) * called_h * terms.degradation_jpy_per_kwh
            missed = np.where(held[:, at] > 0.0, curve.misses(part), 0.0)
            kept += np.log1p(-np.minimum(missed, 1.0 - 1e-12)).sum(axis=1)
    net = plans.sell_kw - plans.buy_kw + plans.load_kw
    return Worth(
        profit_jpy=energy - wear + reserve - penalty,
        energy_jpy=energy,
        reserve_jpy=reserve,
        penalty_jpy=penalty,
        degradation_jpy=wear + called_wear,
        grid_impact_kw=np.sqrt((np.diff(net, axis=1) ** 2).mean(axis=1)),
        missed_probability=np.maximum(-np.expm1(kept), 0.0),
    )


def answer(
    plan: Plans,
    menu: Menu,
    question: BidQuestion,
    *,
    strategy: str,
    notes: Sequence[str] = (),
) -> BidBook:
    """Turn the first of some plans into a book, with the profit that is expected of it."""
    book = book_of(plan, menu, question, strategy=strategy, notes=notes)
    kept = worth(plan_of(book, menu), menu, question)
    expected = Decimal(repr(round(float(kept.profit_jpy[0]), 2)))
    return replace(book, expected_jpy=expected)


def plan_of(book: BidBook, menu: Menu) -> Plans:
    """Read the columns of a book; a price between two levels counts as the dearer."""
    plans = empty_plans(1, menu)
    level = plans.level.copy()
    for bid in book.bids:
        power, at = float(bid.power_kw), bid.slot_range
        if bid.venue is not Venue.RESERVE:
            if bid.source is Source.LOAD:
                plans.load_kw[0, at] += power
            else:
                plans.sell_kw[0, at] += max(power, 0.0)
                plans.buy_kw[0, at] += max(-power, 0.0)
        elif bid.service in menu.services:
            source_at, place = SOURCES.index(bid.source), menu.services.index(bid.service)
            plans.reserve_kw[0, source_at, place, at] += power
            prices = menu.price_jpy[source_at, place, at[0]]
            found = int(np.searchsorted(prices, float(bid.price_jpy) - _NEAR))
            level[0, source_at, place, at] = min(found, len(LEVELS) - 1)
    return replace(plans, refill_kw=book.refill_kw[None].copy(), level=level)
