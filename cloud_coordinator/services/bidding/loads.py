"""Loads: reduced as energy or held ready, where it pays most per allowed kWh. Pure."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.market.bids import Source, Venue
from cloud_coordinator.services.bidding.checking import ledger_of
from cloud_coordinator.services.bidding.port import BidBook, BidQuestion
from cloud_coordinator.services.bidding.prices import SLOT_H, SOURCES, Menu
from cloud_coordinator.services.bidding.storage import call_hours
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.calendar import SLOTS_A_DAY
from protocols.vocabulary.obligation import Service

SHARES: Final = 20
"""Parts of what loads can give are looked at in so many steps."""
_LOAD: Final = SOURCES.index(Source.LOAD)
_NEAR: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadDay:
    """Loads on one day: reduced power (48,), and power held ready (s, 48), kW."""

    reduced_kw: FloatArray
    reserve_kw: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offer:
    """A use of a kW of load: worth per kWh it may need, product or None for energy, block."""

    worth_jpy_per_kwh: float
    place: int | None
    first: int
    slots: int
    kwh_per_kw: float


class Loads:
    """Plans of the loads of one question.

    Parameters
    ----------
    menu, question
        As asked.
    """

    def __init__(self, menu: Menu, question: BidQuestion) -> None:
        self._menu = menu
        self._question = question
        self._call_h = call_hours(question, menu)
        self._known: dict[tuple[int, bytes], LoadDay] = {}
        self.free_kw, self.free_kwh = _free(question)

    def day(self, share: float, level: IntArray) -> LoadDay:
        """Plan a part of what loads can give, with reserve at levels of shape (s, 48)."""
        step = round(share * SHARES)
        key = (step, level.tobytes())
        if key not in self._known:
            self._known[key] = self._planned(step / SHARES, level)
        return self._known[key]

    def _planned(self, share: float, level: IntArray) -> LoadDay:
        menu, left_kwh = self._menu, self.free_kwh
        reduced, reserve = np.zeros(SLOTS_A_DAY), np.zeros((len(menu.services), SLOTS_A_DAY))
        lot = float(self._question.exchange.lot_kwh) / SLOT_H
        for offer in self._offers(level):
            block = slice(offer.first, offer.first + offer.slots)
            if reduced[block].any() or reserve[:, block].any():
                continue
            by_energy = left_kwh / offer.kwh_per_kw
            if offer.place is None:
                free = float(self.free_kw[offer.first])
                power = np.floor(min(share * free, by_energy) / lot + _NEAR) * lot
                reduced[offer.first] = power
            else:
                able = float(menu.power_kw[_LOAD, offer.place, offer.first])
                power = np.floor(min(share * able, by_energy) + _NEAR)
                rules = self._question.rules[menu.services[offer.place]]
                if power < max(float(rule.min_bid_kw) for rule in rules):
                    continue
                reserve[offer.place, block] = power
            left_kwh -= power * offer.kwh_per_kw
        return LoadDay(reduced_kw=reduced, reserve_kw=reserve)

    def _offers(self, level: IntArray) -> list[_Offer]:
        """All uses that pay, the best per kWh first."""
        menu = self._menu
        margin = menu.spot_jpy - self._question.terms.load_jpy_per_kwh
        found = [
            _Offer(worth_jpy_per_kwh=one, place=None, first=at, slots=1, kwh_per_kw=SLOT_H)
            for at, one in enumerate(margin.tolist())
        ]
        value = np.take_along_axis(menu.value_jpy[_LOAD], level[..., None], axis=2)[..., 0]
        for place in range(len(menu.services)):
            slots = int(menu.block[place])
            for first in range(0, SLOTS_A_DAY, slots):
                energy = float(self._call_h[place]) * slots
                worth = float(value[place, first : first + slots].sum()) / energy
                if menu.power_kw[_LOAD, place, first] > 0.0:
                    found.append(_Offer(worth_jpy_per_kwh=worth, place=place, first=first,
                                        slots=slots, kwh_per_kw=energy))  # fmt: skip
        paying = [one for one in found if one.worth_jpy_per_kwh > 0.0]
        return sorted(paying, key=lambda one: (-one.worth_jpy_per_kwh, one.first))


def _free(question: BidQuestion) -> tuple[FloatArray, float]:
    """Load that may still be reduced as energy, (48,) kW, and over the day, kWh."""
    nothing = np.zeros(SLOTS_A_DAY)
    committed = ledger_of(BidBook(bids=(), refill_kw=nothing, strategy=""), question)
    able = question.holdings.capability_kw.get((Source.LOAD, Service.ENERGY), nothing)
    held = sum((committed.sold_kw(Source.LOAD, one) for one in Service), nothing)
    is_open = Venue.CURTAILMENT in question.handed_in
    used_kwh = committed.sold_kw(Source.LOAD, Service.ENERGY).sum() * SLOT_H
    used_kwh += committed.called_kwh(Source.LOAD).sum()
    free = np.maximum(able - held, 0.0) * is_open
    return free, max(question.holdings.load_energy_kwh - float(used_kwh), 0.0)
