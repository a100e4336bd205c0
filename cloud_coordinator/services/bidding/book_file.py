"""A bid book as plain data: what ``vpp bids make`` writes and ``vpp bids check`` reads."""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final

import numpy as np

from cloud_coordinator.market.bids import Bid, Pattern, Source, Venue
from cloud_coordinator.services.bidding.port import BidBook
from protocols.templates.table import Table, choice
from protocols.vocabulary.arrays import column
from protocols.vocabulary.calendar import SLOTS_A_DAY, Slot
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.obligation import Service

FORMAT: Final = "vpp-bid-book-1"
BIDS_MAX: Final = 20_000
_KW_MAX: Final = 1e7
_JPY_MAX: Final = Decimal(10) ** 12
_STEPS: Final = 1e6
"""Of a kW kept free, always cut downward: a book that was written keeps its rules."""


def to_data(book: BidBook, *, area: str, day: date) -> dict[str, object]:
    """Book as plain data; amounts are text, so that they are exact."""
    return {
        "format": FORMAT,
        "area": area,
        "day": day.isoformat(),
        "strategy": book.strategy,
        "expected_jpy": str(book.expected_jpy),
        "notes": list(book.notes),
        "refill_kw": (np.floor(book.refill_kw * _STEPS) / _STEPS).tolist(),
        "bids": [_bid_data(bid) for bid in book.bids],
    }


def _bid_data(bid: Bid) -> dict[str, object]:
    found: dict[str, object] = {
        "venue": bid.venue.value,
        "service": bid.service.value,
        "source": bid.source.value,
        "slot": bid.slot.number,
        "slots": bid.slots,
        "kw": str(bid.power_kw),
        "least_kw": str(bid.least_kw),
        "price_jpy": str(bid.price_jpy),
    }
    if bid.pattern is not None:
        found |= {"system_code": bid.pattern.system_code, "pattern": bid.pattern.number}
    if bid.parts:
        found["parts"] = {service.value: str(power) for service, power in bid.parts}
    return found


def read_book(plain: object, source: str) -> tuple[BidBook, str, date]:
    """Read a book.

    Parameters
    ----------
    plain : object
        As JSON was parsed.
    source : str
        File name for errors.

    Returns
    -------
    tuple of BidBook, str, date
        The book, its area and its day.

    Raises
    ------
    ConfigError
        Naming file, place and cause.
    """
    if not isinstance(plain, Mapping):
        raise ConfigError(f"{source}: is no bid book")
    document = Table(plain, source)
    choice(document, "format", (FORMAT,))
    try:
        day = date.fromisoformat(document.text("day"))
    except ValueError as error:
        raise document.refuse("day", f"{error}") from None
    area = document.text("area")
    bids = tuple(_bid(row, day) for row in document.tables("bids"))
    if len(bids) > BIDS_MAX:
        raise document.refuse("bids", f"more than {BIDS_MAX:,}")
    book = BidBook(
        bids=bids,
        refill_kw=column(_refill(plain.get("refill_kw", [0.0] * SLOTS_A_DAY), source)),
        strategy=document.text("strategy", ""),
        expected_jpy=_decimal(document, "expected_jpy", "0"),
        notes=document.listed("notes", str, ()),
    )
    return book, area, day


def _refill(values: object, source: str) -> Sequence[float]:
    good = isinstance(values, list) and len(values) == SLOTS_A_DAY
    if not good or not isinstance(values, list):
        raise ConfigError(f"{source}.refill_kw: is no list of {SLOTS_A_DAY} numbers")
    for at, one in enumerate(values):
        is_number = isinstance(one, int | float) and not isinstance(one, bool)
        if not is_number or not math.isfinite(one) or abs(one) > _KW_MAX:
            raise ConfigError(f"{source}.refill_kw[{at}]: {one!r} is not a power in kW")
    return [float(one) for one in np.asarray(values, dtype=np.float64)]


def _bid(row: Table, day: date) -> Bid:
    pattern = None
    if "system_code" in row:
        pattern = Pattern(
            system_code=row.text("system_code"), number=row.integer("pattern", 1, high=1000)
        )
    parts = row.table("parts")
    found = Bid(
        venue=Venue(choice(row, "venue", tuple(one.value for one in Venue))),
        service=Service(choice(row, "service", tuple(one.value for one in Service))),
        source=Source(choice(row, "source", tuple(one.value for one in Source))),
        slot=Slot(day=day, number=row.integer("slot", low=1, high=SLOTS_A_DAY)),
        slots=row.integer("slots", 1, low=1, high=SLOTS_A_DAY),
        power_kw=_decimal(row, "kw"),
        least_kw=_decimal(row, "least_kw"),
        price_jpy=_decimal(row, "price_jpy"),
        pattern=pattern,
        parts=tuple((one, _decimal(parts, one.value)) for one in Service if one.value in parts),
    )
    parts.end()
    row.end()
    return found


def _decimal(table: Table, key: str, default: str | None = None) -> Decimal:
    text = table.text(key, default)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise table.refuse(key, f"{text!r} is not a number") from None
    if not value.is_finite() or abs(value) > _JPY_MAX:
        raise table.refuse(key, f"{text!r} is out of range")
    return value
