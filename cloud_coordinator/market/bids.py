"""Bid: an offer to one market, the noun that strategies make and rules judge. Pure.

Powers are counted upward: what is offered to be sold, or held ready, is positive; what is
bought is negative. Prices are JPY per kW and half hour for capacity, JPY/kWh for energy.
"""

import enum
from dataclasses import dataclass
from decimal import Decimal

from protocols.vocabulary.calendar import SLOTS_A_DAY, Slot
from protocols.vocabulary.obligation import Service


class Venue(enum.Enum):
    """Where a bid goes.

    RESERVE is the balancing market; CURTAILMENT the sale of reduced load (ネガワット) outside it.
    """

    RESERVE = "reserve"
    SPOT = "spot"
    INTRADAY = "intraday"
    CURTAILMENT = "curtailment"


class Source(enum.Enum):
    """What a bid is delivered from: each is a list of its own in the market.

    PV is only ever sold as energy, as it comes; the capacity ledger knows nothing of it.
    """

    STORAGE = "storage"
    LOAD = "load"
    PV = "pv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """List and pattern a bid names (系統コード, パターン番号).

    Attributes
    ----------
    system_code : str
        Of the list.
    number : int
        1 to 20.
    """

    system_code: str
    number: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """One offer for a run of slots.

    Attributes
    ----------
    venue : Venue
        Where it goes.
    service : Service
        The product; ENERGY for everything but RESERVE.
    source : Source
        What delivers.
    slot : Slot
        First half hour.
    slots : int
        Half hours from there on, all of one day; a block of the balancing market.
    power_kw : Decimal
        Offered; negative buys.
    least_kw : Decimal
        Least that is acceptable; of the same sign.
    price_jpy : Decimal
        JPY per kW and half hour (RESERVE), else JPY/kWh.
    pattern : Pattern or None
        List and pattern; RESERVE bids have one.
    parts : tuple of (Service, Decimal)
        Of a compound: kW of each product it is made of; ``power_kw`` is the greatest.
    """

    venue: Venue
    service: Service
    source: Source
    slot: Slot
    slots: int = 1
    power_kw: Decimal
    least_kw: Decimal
    price_jpy: Decimal
    pattern: Pattern | None = None
    parts: tuple[tuple[Service, Decimal], ...] = ()

    @property
    def slot_range(self) -> range:
        """Its slots counted from 0."""
        first = self.slot.number - 1
        return range(first, min(first + self.slots, SLOTS_A_DAY))

    @property
    def name(self) -> str:
        """What people call it in a message."""
        return (
            f"{self.venue.value} {self.service.value} of {self.source.value}, "
            f"{self.slot.day} slot {self.slot.number}"
        )
