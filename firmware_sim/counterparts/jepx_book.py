"""Everybody else in the exchange: bid curves of a day, from a published file or made up. Pure."""

import csv
import gzip
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from firmware_sim.counterparts.jepx_rules import hundredths
from firmware_sim.counterparts.spot_auction import Order
from protocols.vocabulary.errors import ConfigError

SLOTS: Final = 48
_HALF_HOURS_KWH_PER_MW: Final = 500
_COLUMNS: Final = 5
Book = Mapping[int, Sequence[Order]]


def simulated_book(*, scale_kwh: int = 10_000_000) -> Book:
    """Curves that cross at 6 to 18 JPY/kWh, highest in the evening.

    Parameters
    ----------
    scale_kwh : int
        About what is traded in a half hour.
    """
    book: dict[int, list[Order]] = {}
    for slot in range(1, SLOTS + 1):
        hour = (slot - 0.5) / 2.0
        level = 12.0 + 4.0 * math.sin((hour - 13.0) / 12.0 * math.pi) + math.cos(hour / 3.0)
        demand = scale_kwh * (1.0 + 0.2 * math.sin((hour - 9.0) / 12.0 * math.pi))
        orders = [_rest(1, scale_kwh // 2, sells=True)]
        for step in range(1, 41):
            price = round(level * 100 * step / 20)
            orders.append(_rest(price, round(scale_kwh / 40), sells=True))
        orders.append(_rest(99_900, round(demand * 0.8), sells=False))
        for step in range(1, 41):
            price = round(level * 100 * (41 - step) / 20)
            orders.append(_rest(price, round(demand / 100), sells=False))
        book[slot] = orders
    return book


def published_book(path: Path) -> Book:
    """Orders behind the curves of the whole country in a published file (入札カーブ).

    Raises
    ------
    ConfigError
        Naming file, line and cause.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    book: dict[int, list[Order]] = {}
    last: dict[int, tuple[int, int, int]] = {}
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            for number, row in enumerate(csv.reader(file), start=1):
                if number > 1 and len(row) > _COLUMNS and not row[_COLUMNS]:
                    _add(book, last, row, where=f"{path}:{number}")
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: {error}") from error
    for slot, (price, _sell, buy) in last.items():
        book[slot].append(_rest(price, buy, sells=False))
    if set(book) != set(range(1, SLOTS + 1)):
        raise ConfigError(f"{path}: has not the curves of {SLOTS} slots")
    return {slot: [one for one in orders if one.energy_kwh > 0] for slot, orders in book.items()}


def _add(
    book: dict[int, list[Order]],
    last: dict[int, tuple[int, int, int]],
    row: Sequence[str],
    *,
    where: str,
) -> None:
    """Take one point; what the curves rise or fall by since the point before is an order."""
    price, sell, buy = (hundredths(text) for text in row[2:5])
    if price is None or sell is None or buy is None or not row[1].isdecimal():
        raise ConfigError(f"{where}: is no point of a curve")
    sell_kwh, buy_kwh = sell * _HALF_HOURS_KWH_PER_MW // 100, buy * _HALF_HOURS_KWH_PER_MW // 100
    slot = int(row[1])
    before = last.get(slot)
    orders = book.setdefault(slot, [])
    orders.append(_rest(price, sell_kwh - (before[1] if before else 0), sells=True))
    if before is not None:
        orders.append(_rest(before[0], before[2] - buy_kwh, sells=False))
    last[slot] = (price, sell_kwh, buy_kwh)


def _rest(price_sen: int, energy_kwh: int, *, sells: bool) -> Order:
    return Order(owner="", price_sen=price_sen, energy_kwh=energy_kwh, sells=sells)
