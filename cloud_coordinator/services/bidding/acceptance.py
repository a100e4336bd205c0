"""What part of a reserve offer is taken at which price, from published results alone. Pure.

The balancing market publishes the highest accepted price and what was awarded. On each past day
an offer would have been taken at or below that price, up to what was awarded, and not at all
where nothing was bought; the part taken on recent days of the same time of day is what the next
day is expected to take. A forecast of the *mean* accepted price says none of this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from cloud_coordinator.market.bids import Source
from cloud_coordinator.market.product import ProductRule
from cloud_coordinator.services.forecasting import QuantileForecast
from cloud_coordinator.services.market_history import BalancingColumns, MarketHistory
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_MINUTES, SLOTS_A_DAY, day_slots
from protocols.vocabulary.obligation import Service

LEVELS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Quantiles of the highest accepted price at which a bid may be put."""
WINDOW_DAYS: Final = 28
"""Days before the day of delivery that are looked at."""
HALF_LIFE_DAYS: Final = 5.0
"""A day so much older counts half."""
NEIGHBOURS: Final = (1.0, 0.5, 0.25)
"""What blocks so far away in the day count."""
PRIOR: Final = 2.0
"""Days that the mean of all blocks counts against what one block has shown."""
CAUTION: Final = 0.25
"""Standard errors taken off what the past shows: the price that looks best of many looks better
than it is, the more so the fewer days have shown it."""
_KW_IN_MW: Final = 1000.0
_NOTHING: Final = -1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What is expected to be taken of an offer.

    Attributes
    ----------
    price_jpy : FloatArray
        Shape (48, j), rising along the last axis, whole ticks, JPY per kW and half hour.
    taken : FloatArray
        Same shape, expected part of the offered power that is awarded at that price, 0..1.
    """

    price_jpy: FloatArray
    taken: FloatArray


def acceptances(
    known: MarketHistory,
    rules: Mapping[Service, tuple[ProductRule, ...]],
    *,
    balancing: Mapping[Service, QuantileForecast],
    capability_kw: Mapping[tuple[Source, Service], FloatArray],
    place: tuple[str, date],
) -> Mapping[Service, Acceptance]:
    """Find what is taken of every product.

    Parameters
    ----------
    known : MarketHistory
        Already cut to what was published at the gate.
    rules : mapping
        By product, all sets that must accept a bid; the last settles.
    balancing : mapping
        Price forecasts; a forecast without any spread knows better than the past, and a product
        without a forecast is not offered: both are left out.
    capability_kw : mapping
        By source and product, shape (48,): what could be offered.
    place : tuple of str and date
        Area and day of delivery.

    Returns
    -------
    mapping
        Products without any published row in the window are left out.
    """
    area, day = place
    found = {}
    for service, sets in rules.items():
        forecast = balancing.get(service)
        if forecast is None or not sets or np.ptp(forecast.values, axis=1).max() <= 0.0:
            continue
        offered_kw = max(
            (float(one.max()) for (_, name), one in capability_kw.items() if name is service),
            default=0.0,
        )
        one = acceptance(
            known.balancing(service, area), sets, day=day, offered_kw=max(offered_kw, 1.0)
        )
        if one is not None:
            found[service] = one
    return found


def acceptance(
    results: BalancingColumns, rules: Sequence[ProductRule], *, day: date, offered_kw: float
) -> Acceptance | None:
    """Find what would be taken of an offer of one product; None without published rows.

    Parameters
    ----------
    results : BalancingColumns
        Already cut to what was published at the gate.
    rules : sequence of ProductRule
        All sets that must accept a bid; the last one settles.
    day : date
        Of delivery.
    offered_kw : float
        Size of the offer: what is awarded in small amounts takes a part of it.
    """
    slots = max(1, rules[-1].block_minutes // SLOT_MINUTES)
    least_kw = max(float(rule.min_bid_kw) for rule in rules)
    highest, awarded_kw = _blocks(results, day, slots)
    published = np.isfinite(awarded_kw).any(axis=1)
    if not published.any():
        return None
    age = np.arange(WINDOW_DAYS - 1, -1, -1)
    weight = 0.5 ** (age / HALF_LIFE_DAYS) * published
    room = np.nan_to_num(awarded_kw)
    bought = np.isfinite(highest) & (room >= least_kw)
    price = np.where(bought, highest, _NOTHING)
    part = np.where(bought, np.minimum(room, offered_kw) / offered_kw, 0.0)
    asked = _asked(_pooled(price), _weights(weight, price.shape[1]), rules)
    taken = _taken(price, part, weight, asked=asked)
    return Acceptance(
        price_jpy=np.repeat(asked, slots, axis=0)[:SLOTS_A_DAY],
        taken=np.repeat(taken, slots, axis=0)[:SLOTS_A_DAY],
    )


def _blocks(results: BalancingColumns, day: date, slots: int) -> tuple[FloatArray, FloatArray]:
    """Highest price and award of each block of the window, shape (d, b), NaN where none."""
    first = day_slots(day - timedelta(days=WINDOW_DAYS))[0]
    first_s = int(first.interval.start.timestamp())
    shape = (WINDOW_DAYS, SLOTS_A_DAY)
    found = []
    for column in (results.price_highest, results.awarded_mw):
        rows = column.between(first_s, WINDOW_DAYS * SLOTS_A_DAY).reshape(shape)
        starts = range(0, SLOTS_A_DAY, slots)
        found.append(np.stack([rows[:, at : at + slots].min(axis=1) for at in starts], axis=1))
    return found[0], found[1] * _KW_IN_MW


def _pooled(rows: FloatArray) -> FloatArray:
    """Bring each block together with its neighbours of the day, shape (b, d x 5)."""
    reach = len(NEIGHBOURS) - 1
    wide = np.pad(rows, ((0, 0), (reach, reach)), mode="edge")
    count = rows.shape[1]
    beside = [wide[:, at : at + count].T for at in range(2 * reach + 1)]
    return np.concatenate(beside, axis=1)


def _weights(weight: FloatArray, blocks: int) -> FloatArray:
    """Weights that go with pooled rows, shape (b, d x 5)."""
    reach = len(NEIGHBOURS) - 1
    beside = [NEIGHBOURS[abs(at - reach)] * weight for at in range(2 * reach + 1)]
    return np.broadcast_to(np.concatenate(beside), (blocks, len(weight) * (2 * reach + 1)))


def _asked(price: FloatArray, weight: FloatArray, rules: Sequence[ProductRule]) -> FloatArray:
    """Quantiles of the highest accepted price where any was, in whole ticks, shape (b, j)."""
    tick = max(float(rule.price_tick_jpy) for rule in rules)
    caps = [rule.price_cap_jpy_per_kw_30min for rule in rules]
    cap = min((float(one) for one in caps if one is not None), default=np.inf)
    order = np.argsort(price, axis=1, kind="stable")
    ranked = np.take_along_axis(price, order, axis=1)
    heavy = np.take_along_axis(weight, order, axis=1) * (ranked > _NOTHING)
    reached = np.cumsum(heavy, axis=1)
    total = reached[:, -1:]
    at = np.stack([(reached < level * total).sum(axis=1) for level in LEVELS], axis=1)
    found = np.take_along_axis(ranked, np.minimum(at, price.shape[1] - 1), axis=1)
    found = np.where(total > 0.0, np.clip(found, 0.0, cap), 0.0)
    return np.asarray(np.floor(found / tick + 1e-6) * tick, dtype=np.float64)


def _taken(
    price: FloatArray, part: FloatArray, weight: FloatArray, *, asked: FloatArray
) -> FloatArray:
    """Mean part that was taken at each price, shape (b, j)."""
    near = _weights(weight, price.shape[1])
    taken = _pooled(price)[:, None, :] >= asked[:, :, None] - 1e-9
    own = (near[:, None, :] * _pooled(part)[:, None, :] * taken).sum(axis=2)
    everywhere = price[None, None] >= asked[:, :, None, None] - 1e-9
    mean = (weight[:, None] * part * everywhere).sum(axis=2).mean(axis=2) / weight.sum()
    count = near.sum(axis=1)[:, None] + PRIOR
    found = (own + PRIOR * mean) / count
    spread = np.sqrt(np.maximum(found * (1.0 - found), 0.0) / (count + 1.0))
    return np.asarray(np.maximum(found - CAUTION * spread, 0.0), dtype=np.float64)
