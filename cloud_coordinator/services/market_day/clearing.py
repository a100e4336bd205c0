"""Clearing: which bids the published results would have taken, and at what price. Pure.

We are small and take the prices as they were. A bid to the balancing market is accepted when its
price is at most the highest price accepted in every slot of its block, for no more than was
awarded there, and is paid as bid. An exchange order is taken when the area price is not worse
than its limit, and is paid at the area price.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np

from cloud_coordinator.market.bids import Bid, Source, Venue
from cloud_coordinator.services.market_history import BalancingColumns
from cloud_coordinator.settlement.money import exact
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY

_KW_IN_MW: Final = 1000
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """What became of a bid.

    Attributes
    ----------
    bid : Bid
        As it was handed in.
    accepted_kw : Decimal
        0 where it was refused; negative where it buys.
    price_jpy : Decimal
        What is paid: the bid's own price, or the area price of its first slot.
    reason : str
        Why not, or not all of it; empty where all was accepted.
    """

    bid: Bid
    accepted_kw: Decimal
    price_jpy: Decimal
    reason: str = ""


def clear(
    bids: Sequence[Bid], *, results: BalancingColumns | None, spot_jpy: FloatArray
) -> tuple[Cleared, ...]:
    """Clear bids of one stage.

    Parameters
    ----------
    bids : sequence of Bid
        Of one product, or of an exchange.
    results : BalancingColumns or None
        Published results of the product; None for an exchange.
    spot_jpy : FloatArray
        Shape (48,), area prices of the day, JPY/kWh.
    """
    return tuple(
        _reserve(bid, results)
        if bid.venue is Venue.RESERVE and results is not None
        else _exchange(bid, spot_jpy)
        for bid in bids
    )


def traded_kw(cleared: Sequence[Cleared], source: Source) -> FloatArray:
    """Energy trades of a source per slot, shape (48,), kW; sold is positive."""
    found = np.zeros(SLOTS_A_DAY)
    for one in cleared:
        if one.bid.venue is not Venue.RESERVE and one.bid.source is source:
            found[one.bid.slot_range] += float(one.accepted_kw)
    return found


def _reserve(bid: Bid, results: BalancingColumns) -> Cleared:
    slots = np.array(bid.slot_range)
    highest = results.price_highest.of_day(bid.slot.day)[slots]
    awarded_kw = results.awarded_mw.of_day(bid.slot.day)[slots] * _KW_IN_MW
    if np.isnan(highest).any():
        return _refused(bid, "nothing was accepted in its block")
    limit = exact(float(highest.min()))
    if bid.price_jpy > limit:
        return _refused(bid, f"{bid.price_jpy} is above the highest accepted {limit}")
    room = Decimal(int(awarded_kw.min()))
    accepted = min(bid.power_kw, room)
    if accepted < bid.least_kw:
        return _refused(bid, f"only {room} kW were awarded there, {bid.least_kw} are the least")
    reason = "" if accepted == bid.power_kw else f"{room} kW were awarded there"
    return Cleared(bid=bid, accepted_kw=accepted, price_jpy=bid.price_jpy, reason=reason)


def _exchange(bid: Bid, spot_jpy: FloatArray) -> Cleared:
    if bid.venue is not Venue.SPOT:
        return _refused(bid, f"{bid.venue.value} orders are not simulated")
    prices = spot_jpy[np.array(bid.slot_range)]
    if np.isnan(prices).any():
        return _refused(bid, "no area price")
    worst = exact(float(prices.max() if bid.power_kw < 0 else prices.min()))
    taken = bid.price_jpy >= worst if bid.power_kw < 0 else bid.price_jpy <= worst
    if not taken:
        return _refused(bid, f"the area price {worst} is beyond the limit {bid.price_jpy}")
    return Cleared(bid=bid, accepted_kw=bid.power_kw, price_jpy=exact(float(prices[0])))


def _refused(bid: Bid, reason: str) -> Cleared:
    return Cleared(bid=bid, accepted_kw=_ZERO, price_jpy=_ZERO, reason=reason)
