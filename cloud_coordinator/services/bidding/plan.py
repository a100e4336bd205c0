"""A day's plan as columns, and the book of bids it becomes. Pure.

Strategies think in columns; a book is checked bid by bid. What the check still refuses is left
out of the book and said, so that no book that leaves here breaks a rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from typing import Final

import numpy as np

from cloud_coordinator.market.bids import Bid, Source, Venue
from cloud_coordinator.services.bidding.checking import check_bids
from cloud_coordinator.services.bidding.port import BidBook, BidQuestion
from cloud_coordinator.services.bidding.prices import SOURCES, Menu, is_open
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.calendar import SLOTS_A_DAY, Slot
from protocols.vocabulary.obligation import Service

NEAR: Final = 1e-6
_YEN: Final = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """k plans of one day, kW.

    Attributes
    ----------
    buy_kw, sell_kw, refill_kw, load_kw : FloatArray
        Shape (k, 48): storage buys and sells energy, keeps charging power free; load is reduced.
    reserve_kw : FloatArray
        Shape (k, 2, s, 48): source, product of the menu, slot.
    level : IntArray
        Same shape, level of the menu's price.
    """

    buy_kw: FloatArray
    sell_kw: FloatArray
    refill_kw: FloatArray
    load_kw: FloatArray
    reserve_kw: FloatArray
    level: IntArray

    def take(self, at: int) -> "Plans":
        """Keep one plan."""
        row = slice(at, at + 1)
        return Plans(
            buy_kw=self.buy_kw[row],
            sell_kw=self.sell_kw[row],
            refill_kw=self.refill_kw[row],
            load_kw=self.load_kw[row],
            reserve_kw=self.reserve_kw[row],
            level=self.level[row],
        )


def empty_plans(count: int, menu: Menu) -> Plans:
    """Plans that offer nothing."""
    columns = (count, SLOTS_A_DAY)
    reserve = (count, len(SOURCES), len(menu.services), SLOTS_A_DAY)
    return Plans(
        buy_kw=np.zeros(columns),
        sell_kw=np.zeros(columns),
        refill_kw=np.zeros(columns),
        load_kw=np.zeros(columns),
        reserve_kw=np.zeros(reserve),
        level=np.zeros(reserve, dtype=np.int64),
    )


def book_of(
    plan: Plans, menu: Menu, question: BidQuestion, *, strategy: str, notes: Sequence[str] = ()
) -> BidBook:
    """Turn the first of some plans into bids that break no rule."""
    bids = (*_energy_bids(plan, question), *_reserve_bids(plan, menu, question))
    book = BidBook(
        bids=bids,
        refill_kw=plan.refill_kw[0].copy(),
        strategy=strategy,
        notes=(*fallbacks(question), *notes),
    )
    return _cleaned(book, question)


def fallbacks(question: BidQuestion) -> tuple[str, ...]:
    """Say which forecasts are no model's answer, and which products have none."""
    found = []
    if question.spot.reason is not None:
        found.append(f"spot price from {question.spot.source}: {question.spot.reason}")
    at = question.handed_in.get(Venue.RESERVE)
    if at is not None:
        for service, rules in question.rules.items():
            if not is_open(rules, question.day, at):
                found.append(f"{service.value}: no bids are taken at {at.isoformat()}, not offered")
                continue
            forecast = question.balancing.get(service)
            if forecast is None:
                found.append(f"{service.value}: no price forecast, not offered")
            elif forecast.reason is not None:
                found.append(f"{service.value} price from {forecast.source}: {forecast.reason}")
    return tuple(found)


def _cleaned(book: BidBook, question: BidQuestion) -> BidBook:
    """Leave out what is refused; without any way out, offer nothing."""
    refusals = check_bids(book, question)
    if not refusals:
        return book
    notes = tuple(f"left out: {one.rule}: {one.detail}" for one in refusals)
    without = [bid for bid in book.bids if bid.venue is not Venue.RESERVE]
    for bids in (without, []):
        smaller = replace(
            book,
            bids=tuple(bids),
            refill_kw=np.zeros(SLOTS_A_DAY),
            notes=(*book.notes, *notes),
        )
        if not check_bids(smaller, question):
            return smaller
    return smaller


def _energy_bids(plan: Plans, question: BidQuestion) -> list[Bid]:
    terms, found = question.terms, []
    net = (plan.sell_kw - plan.buy_kw)[0]
    open_to = [v for v in (Venue.SPOT, Venue.INTRADAY) if v in question.handed_in]
    for at in range(SLOTS_A_DAY):
        slot = Slot(day=question.day, number=at + 1)
        if open_to and abs(net[at]) > NEAR:
            power = Decimal(round(float(net[at])))
            limit = terms.sell_limit_jpy_per_kwh if power > 0 else terms.buy_limit_jpy_per_kwh
            found.append(_energy(open_to[0], Source.STORAGE, slot, power=power, price=limit))
        if plan.load_kw[0, at] > NEAR and Venue.CURTAILMENT in question.handed_in:
            power = Decimal(round(float(plan.load_kw[0, at])))
            tick = question.exchange.price_tick_jpy
            cost = Decimal(repr(terms.load_jpy_per_kwh)) / tick
            price = cost.to_integral_value(ROUND_FLOOR) * tick
            found.append(_energy(Venue.CURTAILMENT, Source.LOAD, slot, power=power, price=price))
    return found


def _energy(venue: Venue, source: Source, slot: Slot, *, power: Decimal, price: Decimal) -> Bid:
    return Bid(
        venue=venue,
        service=Service.ENERGY,
        source=source,
        slot=slot,
        power_kw=power,
        least_kw=power,
        price_jpy=price,
    )


def _reserve_bids(plan: Plans, menu: Menu, question: BidQuestion) -> list[Bid]:
    found = []
    for source_at, source in enumerate(SOURCES):
        for at, service in enumerate(menu.services):
            rule, block = question.rules[service][-1], int(menu.block[at])
            least = max(one.min_bid_kw for one in question.rules[service])
            for first in range(0, SLOTS_A_DAY, block):
                power = Decimal(int(plan.reserve_kw[0, source_at, at, first] + NEAR))
                if power <= 0:
                    continue
                level = int(plan.level[0, source_at, at, first])
                ticks = round(
                    float(menu.price_jpy[source_at, at, first, level] / float(rule.price_tick_jpy))
                )
                found.append(
                    Bid(
                        venue=Venue.RESERVE,
                        service=service,
                        source=source,
                        slot=Slot(day=question.day, number=first + 1),
                        slots=min(block, SLOTS_A_DAY - first),
                        power_kw=power,
                        least_kw=min(power, least),
                        price_jpy=ticks * rule.price_tick_jpy * _YEN,
                        pattern=question.patterns.get(source),
                    )
                )
    return found
