"""The day-ahead auction of one slot: blind, one price, offers in whole kWh. Pure.

The price is the lowest at which offers cover the demand of those who would pay more. Who is on
the better side of it gets everything, who stands at it shares what is left in whole lots.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LOT_KWH: Final = 50
CENTS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order.

    Attributes
    ----------
    owner : str
        Whose; empty for the rest of the market.
    price_sen : int
        Limit, JPY/kWh in hundredths.
    energy_kwh : int
        > 0.
    sells : bool
        Whether it offers.
    """

    owner: str
    price_sen: int
    energy_kwh: int
    sells: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """The result of a slot.

    Attributes
    ----------
    price_sen : int or None
        None if nothing was traded.
    energy_kwh : int
        Traded.
    fills : tuple of int
        Energy of each order in kWh, in the order in which they were given.
    """

    price_sen: int | None
    energy_kwh: int
    fills: tuple[int, ...]


def auction(orders: Sequence[Order]) -> Cleared:
    """Clear one slot; an order that came earlier is served first where lots cannot be split."""
    for price in sorted({order.price_sen for order in orders}):
        offered = sum(o.energy_kwh for o in orders if o.sells and o.price_sen <= price)
        wanted_above = sum(o.energy_kwh for o in orders if not o.sells and o.price_sen > price)
        if offered >= wanted_above:
            wanted = sum(o.energy_kwh for o in orders if not o.sells and o.price_sen >= price)
            traded = min(offered, wanted)
            if not traded:
                break
            fills = [0] * len(orders)
            for sells in (True, False):
                _serve(orders, fills, price=price, traded=traded, sells=sells)
            return Cleared(price_sen=price, energy_kwh=traded, fills=tuple(fills))
    return Cleared(price_sen=None, energy_kwh=0, fills=(0,) * len(orders))


def _serve(
    orders: Sequence[Order], fills: list[int], *, price: int, traded: int, sells: bool
) -> None:
    """Give one side its energy."""
    left = traded
    at_price: list[int] = []
    for index, order in enumerate(orders):
        if order.sells is not sells:
            continue
        better = order.price_sen < price if sells else order.price_sen > price
        if better:
            fills[index] = order.energy_kwh
            left -= order.energy_kwh
        elif order.price_sen == price:
            at_price.append(index)
    total = sum(orders[index].energy_kwh for index in at_price)
    share = left
    for index in at_price:
        lots = share * orders[index].energy_kwh // total // LOT_KWH * LOT_KWH
        fills[index] = min(lots, orders[index].energy_kwh)
        left -= fills[index]
    for index in at_price:
        whole = left // LOT_KWH * LOT_KWH if orders[index].owner else left
        more = min(whole, orders[index].energy_kwh - fills[index])
        fills[index] += more
        left -= more
