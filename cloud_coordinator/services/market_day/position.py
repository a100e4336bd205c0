"""What is sold of a day, what can be delivered of it, and the orders that close the gap. Pure.

Energy that was sold and cannot come is bought back intraday, energy that comes and was not sold
is sold there: as limit orders of whole lots, one per slot, while the slot's gate is open.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

import numpy as np

from cloud_coordinator.market.bids import Bid, Source, Venue
from cloud_coordinator.market.gates import ExchangeRule
from cloud_coordinator.services.forecasting import QuantileForecast
from cloud_coordinator.services.market_day.portfolio import Portfolio
from cloud_coordinator.services.trading import Fill
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY, Slot
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.obligation import Service

SLOT_H: Final = 0.5
CONCESSION: Final = 0.25
"""An intraday order may be filled this much worse than the price that is known or expected."""
CONCESSION_JPY: Final = 2.0
"""And at least so much worse, JPY/kWh: cheap hours move by more than their share."""
HIGHEST_JPY: Final = Decimal(200)
"""No order buys dearer: the scarcity price of imbalance until 2026-09-30 (japan-market 4)."""
LOWEST_JPY: Final = Decimal("0.01")
_LIKELY_LOW, _LIKELY_HIGH = 0.1, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What the limits of intraday orders rest on.

    Attributes
    ----------
    published : FloatArray
        Shape (48,), the day-ahead price, JPY/kWh; NaN where it is not known.
    forecast : QuantileForecast
        Of it; its outer quantiles stand in, so that what is not known is bid for more widely.
    """

    published: FloatArray
    forecast: QuantileForecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What was sold of a day, by source.

    Attributes
    ----------
    energy_kw : mapping of Source to FloatArray
        Shape (48,); sold is positive, bought negative.
    reserve_kw : mapping of Source to FloatArray
        Shape (48,), awarded and to be held ready.
    """

    energy_kw: Mapping[Source, FloatArray]
    reserve_kw: Mapping[Source, FloatArray]


def position_of(fills: Sequence[Fill]) -> Position:
    """Add up what was cleared of a day."""
    energy = {source: np.zeros(SLOTS_A_DAY) for source in Source}
    reserve = {source: np.zeros(SLOTS_A_DAY) for source in Source}
    for fill in fills:
        into = energy if fill.bid.service is Service.ENERGY else reserve
        for slot in fill.bid.slot_range:
            into[fill.bid.source][slot] += float(fill.power_kw)
    return Position(energy_kw=energy, reserve_kw=reserve)


def traded_kwh(fills: Sequence[Fill]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Whole kWh sold and bought on the exchange, 48 of each: lots are whole."""
    sold, bought = [Decimal(0)] * SLOTS_A_DAY, [Decimal(0)] * SLOTS_A_DAY
    for fill in fills:
        if fill.bid.service is not Service.ENERGY:
            continue
        for slot in fill.bid.slot_range:
            part = sold if fill.power_kw > 0 else bought
            part[slot] += abs(fill.power_kw) / 2
    return tuple(int(one) for one in sold), tuple(int(one) for one in bought)


def present_kw(portfolio: Portfolio, absent: Collection[SiteId]) -> Mapping[Source, float]:
    """Power of the plants of each source that are there, kW."""
    gone = frozenset(absent)
    found = {}
    for source in (Source.STORAGE, Source.LOAD):
        plants = portfolio.plants(source)
        there = np.array([site not in gone for site in plants.sites], dtype=bool)
        found[source] = float((plants.power_kw * plants.known.reliability)[there].sum())
    return found


def gaps_kwh(
    position: Position, *, present: Mapping[Source, float], sun_kwh: FloatArray
) -> Mapping[Source, FloatArray]:
    """Find what will come less what was sold, by source; positive is to be sold.

    Notes
    -----
    Power that is left is first held for reserve awards: they cost a penalty, energy only its
    price.
    """
    gaps: dict[Source, FloatArray] = {}
    for source, kw in present.items():
        sold = position.energy_kw[source]
        held = position.reserve_kw[source]
        able = np.clip(sold, -kw, np.maximum(kw - held, 0.0))
        gaps[source] = np.asarray((able - sold) * SLOT_H)
    gaps[Source.PV] = np.asarray(sun_kwh - position.energy_kw[Source.PV] * SLOT_H)
    return gaps


def closing_orders(
    gaps: Mapping[Source, FloatArray],
    *,
    day: date,
    slots: Collection[int],
    prices: Prices,
    rule: ExchangeRule,
) -> tuple[Bid, ...]:
    """Make the orders that close a position as far as whole lots can.

    Parameters
    ----------
    gaps : mapping of Source to FloatArray
        Of :func:`gaps_kwh`.
    day : date
        Of delivery.
    slots : collection of int
        Counted from 0, whose gate is open.
    prices : Prices
        What limits rest on.
    rule : ExchangeRule
        Tick and lot.
    """
    total = np.asarray(sum(gaps.values(), np.zeros(SLOTS_A_DAY)))
    published = prices.published
    low = np.where(np.isfinite(published), published, prices.forecast.at(_LIKELY_LOW))
    high = np.where(np.isfinite(published), published, prices.forecast.at(_LIKELY_HIGH))
    orders = []
    for slot in sorted(slots):
        lots = int(abs(float(total[slot])) / float(rule.lot_kwh) + 1e-9)
        if not lots:
            continue
        sells = bool(total[slot] > 0.0)
        power = lots * rule.lot_kwh * 2 * (1 if sells else -1)
        price = _limit(float(low[slot] if sells else high[slot]), rule, sells=sells)
        orders.append(
            Bid(
                venue=Venue.INTRADAY,
                service=Service.ENERGY,
                source=_greatest(gaps, slot),
                slot=Slot(day=day, number=slot + 1),
                power_kw=power,
                least_kw=power / lots,
                price_jpy=price,
            )
        )
    return tuple(orders)


def sun_orders(sun_kwh: FloatArray, *, day: date, rule: ExchangeRule) -> tuple[Bid, ...]:
    """Make the day-ahead orders that sell PV, in whole lots and at any price."""
    lots = np.floor(np.maximum(sun_kwh, 0.0) / float(rule.lot_kwh) + 1e-9).astype(int).tolist()
    return tuple(
        Bid(
            venue=Venue.SPOT,
            service=Service.ENERGY,
            source=Source.PV,
            slot=Slot(day=day, number=slot + 1),
            power_kw=count * rule.lot_kwh * 2,
            least_kw=count * rule.lot_kwh * 2,
            price_jpy=LOWEST_JPY,
        )
        for slot, count in enumerate(lots)
        if count
    )


def _greatest(gaps: Mapping[Source, FloatArray], slot: int) -> Source:
    """Source that moved most."""
    return max(gaps, key=lambda one: abs(float(gaps[one][slot])))


def _limit(price: float, rule: ExchangeRule, *, sells: bool) -> Decimal:
    """Limit of an order: a price less or more what may be given way, on a tick, within bounds."""
    way = max(CONCESSION * abs(price), CONCESSION_JPY)
    wanted = Decimal(repr(price - way if sells else price + way)) / rule.price_tick_jpy
    ticks = wanted.to_integral_value(ROUND_CEILING if sells else ROUND_FLOOR)
    return min(max(ticks * rule.price_tick_jpy, LOWEST_JPY), HIGHEST_JPY)
