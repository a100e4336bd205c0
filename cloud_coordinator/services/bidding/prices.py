"""What a kilowatt held ready is worth at each price that may be asked. Pure.

The balancing market pays as bid: a higher price is paid more and taken less often. So for each
product, slot and level of the forecast there is one price and one expected worth, penalties of
the delivered law and costs of calls included. Every strategy and the evaluation read this menu.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np

from cloud_coordinator.market.bids import Source, Venue
from cloud_coordinator.market.gates import bid_window
from cloud_coordinator.market.product import ProductRule
from cloud_coordinator.services.bidding.acceptance import LEVELS
from cloud_coordinator.services.bidding.port import BidQuestion
from cloud_coordinator.services.forecasting import QuantileForecast
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_MINUTES, SLOTS_A_DAY
from protocols.vocabulary.obligation import Service

SOURCES: Final = (Source.STORAGE, Source.LOAD)
SLOT_H: Final = SLOT_MINUTES / 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """Prices, chances and worth; shapes (2, s, 48, j): source, product, slot, level.

    Attributes
    ----------
    services : tuple of Service
        Products that are offered.
    price_jpy : FloatArray
        Whole ticks, at most the cap; JPY per kW and half hour.
    accepted : FloatArray
        Part of an offer at that price that is expected to be taken.
    value_jpy : FloatArray
        Expected JPY per offered kW and slot, when all that is dependable is offered.
    power_kw : FloatArray
        Shape (2, s, 48), whole kW that may still be offered, the same through each block.
    block : FloatArray
        Shape (s,), slots a bid spans.
    spot_jpy : FloatArray
        Shape (48,), expected price of energy, JPY/kWh.
    """

    services: tuple[Service, ...]
    price_jpy: FloatArray
    accepted: FloatArray
    value_jpy: FloatArray
    power_kw: FloatArray
    block: FloatArray
    spot_jpy: FloatArray

    @property
    def best(self) -> tuple[FloatArray, FloatArray]:
        """Level of the best price, and its worth, shape (2, s, 48) each."""
        level = np.argmax(self.value_jpy, axis=3)
        return level.astype(np.float64), self.value_jpy.max(axis=3)


def menu_of(question: BidQuestion) -> Menu:
    """Make the menu of a question."""
    services = offered(question)
    shape = (len(SOURCES), len(services), SLOTS_A_DAY, len(LEVELS))
    price, accepted, value = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    power = np.zeros(shape[:3])
    spot = expected(question.spot)
    block = np.array([block_slots(question.rules[one]) for one in services], dtype=np.float64)
    for at, service in enumerate(services):
        rules, slots = question.rules[service], int(block[at])
        forecast = question.balancing[service]
        known = question.acceptance.get(service)
        if known is not None:
            asked, chance = known.price_jpy, known.taken
        else:
            asked = _asked(forecast, rules, slots)
            chance = _chance(forecast, asked, slots)
        for source_at, source in enumerate(SOURCES):
            price[source_at, at], accepted[source_at, at] = asked, chance
            curve = question.risk.get((source, service))
            if curve is None:
                continue
            lost = float(penalty_part(rules[-1], curve.short(ONE), curve.fails(ONE))[0])
            margin = call_margin_jpy(question, source, service, spot=spot)
            worth = asked * (1.0 - lost) - question.terms.fee_jpy_per_kw + margin
            value[source_at, at] = chance * worth
            power[source_at, at] = _left_kw(question, source, service, slots=slots)
    return Menu(
        services=services,
        price_jpy=price,
        accepted=accepted,
        value_jpy=value,
        power_kw=power,
        block=block,
        spot_jpy=spot,
    )


ONE: Final = np.ones(1)


def offered(question: BidQuestion) -> tuple[Service, ...]:
    """Products that can be offered: gates are open, there is a forecast, and there are rules."""
    at = question.handed_in.get(Venue.RESERVE)
    if at is None:
        return ()
    return tuple(
        service
        for service, rules in question.rules.items()
        if rules and service in question.balancing and is_open(rules, question.day, at)
    )


def is_open(rules: tuple[ProductRule, ...], day: date, at: datetime) -> bool:
    """Whether all rule sets take bids for a day at a moment."""
    windows = [bid_window(rule, day) for rule in rules]
    return all(window.start <= at <= window.end for window in windows)


def block_slots(rules: tuple[ProductRule, ...]) -> int:
    """Slots of a block of the market that settles (the last set), at most a day."""
    return max(1, rules[-1].block_minutes // SLOT_MINUTES)


def penalty_part(rule: ProductRule, short: FloatArray, fails: FloatArray) -> FloatArray:
    """Part of price x award that is expected to be paid back, any shape.

    Notes
    -----
    As :func:`cloud_coordinator.market.availability.charge` does it for one outcome: Penalty I on
    what is short, Penalty II on what is there.
    """
    first, second = float(rule.penalty.availability), float(rule.penalty.performance)
    return np.asarray(first * short + second * fails * (1.0 - short), dtype=np.float64)


def call_margin_jpy(
    question: BidQuestion, source: Source, service: Service, *, spot: FloatArray
) -> float:
    """Earning expected from calls, wear and energy paid, JPY per awarded kW and slot."""
    terms, store = question.terms, question.holdings.store
    called_h = terms.called_share.get(service, 0.0) * SLOT_H
    if source is Source.LOAD:
        return called_h * (terms.call_jpy_per_kwh - terms.load_jpy_per_kwh)
    if store is None:
        return 0.0
    both_ways = store.charge_efficiency * store.discharge_efficiency
    energy = float(spot.mean()) / both_ways
    return called_h * (terms.call_jpy_per_kwh - energy - terms.degradation_jpy_per_kwh)


def expected(forecast: QuantileForecast) -> FloatArray:
    """Mean of each slot, shape (48,); beyond the outer quantiles they are kept."""
    levels = np.array([0.0, *forecast.quantiles, 1.0])
    values = np.concatenate(
        [forecast.values[:, :1], forecast.values, forecast.values[:, -1:]], axis=1
    )
    middle = 0.5 * (values[:, 1:] + values[:, :-1])
    return np.asarray((middle * np.diff(levels)).sum(axis=1), dtype=np.float64)


def _asked(forecast: QuantileForecast, rules: tuple[ProductRule, ...], slots: int) -> FloatArray:
    """Price of each slot and level, in whole ticks, the same through each block, (48, j)."""
    tick = max(float(rule.price_tick_jpy) for rule in rules)
    caps = [rule.price_cap_jpy_per_kw_30min for rule in rules]
    cap = min((float(one) for one in caps if one is not None), default=np.inf)
    raw = np.stack([_by_block(forecast.at(level), slots) for level in LEVELS], axis=1)
    return np.asarray(np.floor(np.clip(raw, 0.0, cap) / tick + 1e-6) * tick, dtype=np.float64)


def _chance(forecast: QuantileForecast, asked: FloatArray, slots: int) -> FloatArray:
    """Probability that the accepted price is at least what is asked, shape (48, j)."""
    levels = np.array(forecast.quantiles)
    values = np.stack(
        [_by_block(forecast.values[:, at], slots) for at in range(len(levels))], axis=1
    )
    found = np.zeros_like(asked)
    for at in range(len(asked)):
        found[at] = 1.0 - np.array([_below(one, values[at], levels) for one in asked[at].tolist()])
    return found


def _below(price: float, values: FloatArray, levels: FloatArray) -> float:
    """Probability that the accepted price is below a price."""
    at = int(np.searchsorted(values, price - 1e-9, side="left"))
    if at == len(values):
        return 1.0
    if at == 0:
        return float(levels[0])
    low, high = values[at - 1], values[at]
    share = (price - low) / (high - low) if high > low else 1.0
    return float(levels[at - 1] + share * (levels[at] - levels[at - 1]))


def _by_block(column: FloatArray, slots: int) -> FloatArray:
    """Mean of each block, repeated; the last block may be shorter."""
    found = column.copy()
    for first in range(0, SLOTS_A_DAY, slots):
        found[first : first + slots] = column[first : first + slots].mean()
    return found


def _left_kw(question: BidQuestion, source: Source, service: Service, *, slots: int) -> FloatArray:
    """Power of a product that is not sold yet, whole steps, least of each block, (48,)."""
    able = question.holdings.capability_kw.get((source, service))
    if able is None:
        return np.zeros(SLOTS_A_DAY)
    left = able.astype(np.float64)
    for bid in question.committed:
        if bid.source is not source or bid.power_kw <= 0:
            continue
        left[bid.slot_range] -= float(bid.power_kw)
        both = (bid.service is Service.TERTIARY_2) != (service is Service.TERTIARY_2)
        if bid.venue is Venue.RESERVE and both:
            left[bid.slot_range] = 0.0
    for first in range(0, SLOTS_A_DAY, slots):
        left[first : first + slots] = left[first : first + slots].min()
    step = max(float(rule.step_kw) for rule in question.rules[service])
    least = max(float(rule.min_bid_kw) for rule in question.rules[service])
    left = np.floor(np.maximum(left, 0.0) / step + 1e-9) * step
    return np.where(left >= least, left, 0.0)
