"""Six numbers that are expanded to a day's plans; what the searches move. Pure.

Searching 96 raw powers finds worse plans in more time than searching six weights of a sensible
plan, so NSGA-III and the swarm move these.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.market.bids import Source
from cloud_coordinator.services.bidding.acceptance import LEVELS
from cloud_coordinator.services.bidding.loads import Loads
from cloud_coordinator.services.bidding.plan import Plans
from cloud_coordinator.services.bidding.port import BidQuestion
from cloud_coordinator.services.bidding.prices import SOURCES, Menu
from cloud_coordinator.services.bidding.storage import call_hours, chosen, store_day
from models.bidding import DayWalk, Outlook, StoreDay
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.calendar import SLOTS_A_DAY

PARAMETERS: Final = (
    "energy: part of the power that is traded",
    "width: part of the day's slots that buys, and as many that sell",
    "reserve: part of what storage can hold ready",
    "aim: how far above or below the best price reserve is asked",
    "choosiness: part of the day in which storage holds no reserve, the least paid first",
    "load: part of what loads can give",
)
LOW: Final = np.zeros(len(PARAMETERS))
HIGH: Final = np.array([1.0, 0.5, 1.0, 1.0, 1.0, 1.0])
MIDDLE_AIM: Final = 0.5
_AIM_LEVELS: Final = 3
_STORAGE: Final = SOURCES.index(Source.STORAGE)
_LOAD: Final = SOURCES.index(Source.LOAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Products:
    """What each slot of storage is meant for.

    Attributes
    ----------
    place : IntArray
        Shape (k, 48), product of the menu.
    worth_jpy : FloatArray
        Same shape, JPY per kW.
    day : StoreDay or None
        The store for these products; None without storage.
    """

    place: IntArray
    worth_jpy: FloatArray
    day: StoreDay | None


class Expansion:
    """Makes plans of points, for one question.

    Parameters
    ----------
    menu, question
        As asked.
    """

    def __init__(self, menu: Menu, question: BidQuestion) -> None:
        self._menu = menu
        self._question = question
        self._loads = Loads(menu, question)
        spot = menu.spot_jpy
        self._rank = np.argsort(np.argsort(spot, kind="stable"), kind="stable") / SLOTS_A_DAY

    def __call__(self, points: FloatArray) -> Plans:
        """Make one plan of each point, shape (k, 6); every plan keeps the ledger's rules."""
        level = self.levels(points[:, 3])
        products = self.products(level)
        width, size, rank = points[:, 1:2], points[:, 0:1], self._rank[None]
        energy = size * ((rank >= 1.0 - width).astype(np.float64) - (rank < width))
        paid = np.argsort(np.argsort(products.worth_jpy, axis=1), axis=1) / SLOTS_A_DAY
        reserve = points[:, 2:3] * (paid >= points[:, 4:5])
        walk = None
        day = products.day
        if day is not None:
            walk = DayWalk(day, len(points))
            for at in range(SLOTS_A_DAY):
                walk.step(energy[:, at], reserve[:, at])
        return self.plans(points[:, 5], level, products=products, walk=walk)

    def levels(self, aim: FloatArray) -> IntArray:
        """Levels of all products, shape (k, 2, s, 48); an aim of 0.5 is the best price."""
        best, _ = self._menu.best
        offset = np.rint((aim - MIDDLE_AIM) * 2.0 * _AIM_LEVELS)[:, None, None, None]
        return np.clip(best[None] + offset, 0, len(LEVELS) - 1).astype(np.int64)

    def products(self, level: IntArray) -> Products:
        """Choose the product each slot of storage is meant for."""
        menu, count = self._menu, len(level)
        place = np.zeros((count, SLOTS_A_DAY), dtype=np.int64)
        cap, call_h, worth = (np.zeros((count, SLOTS_A_DAY)) for _ in range(3))
        if menu.services:
            place, worth = chosen(menu, _STORAGE, level[:, _STORAGE])
            cap = np.take_along_axis(menu.power_kw[None, _STORAGE], place[:, None, :], axis=1)[:, 0]
            cap = np.where(worth > 0.0, cap, 0.0)
            worth = np.maximum(worth, 0.0)
            call_h = call_hours(self._question, menu)[place]
        day = store_day(self._question, menu, reserve_kw=cap, call_h=call_h)
        return Products(place=place, worth_jpy=worth, day=day)

    def outlook(self, products: Products) -> Outlook:
        """Prices as a policy sees them."""
        return Outlook(
            spot_jpy=self._menu.spot_jpy,
            reserve_jpy=products.worth_jpy,
            wear_jpy_per_kwh=self._question.terms.degradation_jpy_per_kwh,
        )

    def plans(
        self,
        load_share: FloatArray,
        level: IntArray,
        *,
        products: Products,
        walk: DayWalk | None,
    ) -> Plans:
        """Put storage and loads together."""
        count, services = len(level), len(self._menu.services)
        held = np.zeros((count, len(SOURCES), services, SLOTS_A_DAY))
        nothing = np.zeros((count, SLOTS_A_DAY))
        if walk is not None and services:
            np.put_along_axis(
                held[:, _STORAGE], products.place[:, None], walk.reserve_kw[:, None], axis=1
            )
        load_kw = nothing.copy()
        for at in range(count):
            day = self._loads.day(float(load_share[at]), level[at, _LOAD])
            load_kw[at], held[at, _LOAD] = day.reduced_kw, day.reserve_kw
        return Plans(
            buy_kw=nothing if walk is None else walk.buy_kw,
            sell_kw=nothing if walk is None else walk.sell_kw,
            refill_kw=nothing if walk is None else walk.refill_kw,
            load_kw=load_kw,
            reserve_kw=held,
            level=level,
        )
