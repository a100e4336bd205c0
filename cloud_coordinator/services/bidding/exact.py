"""The exact strategy: one mixed-integer program of the day, solved by HiGHS.

The reference for all others: same menu, same ledger, same expectation; only the penalty is
counted as if all that is dependable were offered. Lots are whole, reserve is nothing or at least
the minimum, and a list is in one reserve market at a time.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from cloud_coordinator.market.bids import Source
from cloud_coordinator.market.ledger import Ledger
from cloud_coordinator.services.bidding.checking import ledger_of
from cloud_coordinator.services.bidding.loads import Loads
from cloud_coordinator.services.bidding.plan import Plans
from cloud_coordinator.services.bidding.port import BidBook, BidQuestion
from cloud_coordinator.services.bidding.prices import SLOT_H, SOURCES, Menu, menu_of
from cloud_coordinator.services.bidding.program import Program
from cloud_coordinator.services.bidding.storage import call_hours, refill_of, store_day
from cloud_coordinator.services.bidding.worth import answer
from models.bidding import StoreDay
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY
from protocols.vocabulary.obligation import Service

GAP: Final = 2e-3
"""Relative gap at which the search ends."""
NODES_MAX: Final = 50
"""Of the search tree; a limit in nodes, not in seconds, so that the same question has the same
answer."""
_STORAGE: Final = SOURCES.index(Source.STORAGE)
_NEAR: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Numbers of the program's variables, by slot; what is missing cannot be done.

    ``held`` and ``chosen`` go by source, product and slot; all slots of a block share one.
    """

    buy: dict[int, int] = field(default_factory=dict)
    sell: dict[int, int] = field(default_factory=dict)
    refill: dict[int, int] = field(default_factory=dict)
    load: dict[int, int] = field(default_factory=dict)
    held: dict[tuple[int, int, int], int] = field(default_factory=dict)
    chosen: dict[tuple[int, int, int], int] = field(default_factory=dict)


class Exact:
    """Mixed-integer program by HiGHS.

    Parameters
    ----------
    gap : float
        Relative gap at which the search ends.
    """

    def __init__(self, *, gap: float = GAP) -> None:
        self._gap = gap

    @property
    def name(self) -> str:
        """What people call it."""
        return "exact"

    def bids(self, question: BidQuestion) -> BidBook:
        """Answer with the plan of most expected profit.

        Raises
        ------
        ConfigError
            If HiGHS is not installed.
        """
        menu = menu_of(question)
        day = _Day(menu, question)
        found = day.program.solve(gap=self._gap, nodes=NODES_MAX)
        notes = () if found.gap <= self._gap else (f"ended at a gap of {found.gap:.2%}",)
        plan = day.plan(found.values)
        return answer(plan, menu, question, strategy=self.name, notes=notes)


class _Day:
    """The program of one question, and the plan that a solution means."""

    def __init__(self, menu: Menu, question: BidQuestion) -> None:
        self.program = Program()
        self._menu = menu
        self._question = question
        self._lot_kw = float(question.exchange.lot_kwh) / SLOT_H
        self._call_h = call_hours(question, menu)
        self._columns = _Columns()
        nothing = np.zeros(SLOTS_A_DAY)
        self._store = store_day(question, menu, reserve_kw=nothing, call_h=nothing)
        empty = BidBook(bids=(), refill_kw=nothing, strategy="")
        self._committed: Ledger = ledger_of(empty, question)
        self._add_reserve()
        self._add_markets()
        self._add_loads()
        if self._store is not None:
            self._add_trades(self._store)
            self._add_contents(self._store)
            self._add_refill(self._store)
        for source_at in range(len(SOURCES)):
            self._add_powers(source_at)

    def plan(self, values: FloatArray) -> Plans:
        """Read the plan off a solution; reserve is cut to whole kW."""
        columns, menu = self._columns, self._menu
        held = np.zeros((1, len(SOURCES), len(menu.services), SLOTS_A_DAY))
        for (source_at, at, slot), number in columns.held.items():
            held[0, source_at, at, slot] = np.floor(values[number] + _NEAR)
        buy, sell = (self._lots(values, one) for one in (columns.buy, columns.sell))
        both = np.minimum(buy, sell)
        refill = np.zeros(SLOTS_A_DAY)
        if self._store is not None:
            called = self._call_h @ held[0, _STORAGE] / self._store.discharge_efficiency
            used = called + self._store.called_kwh
            refill = refill_of(self._store, buy_kw=buy - both, used_kwh=used)
        best, _ = menu.best
        return Plans(
            buy_kw=(buy - both)[None],
            sell_kw=(sell - both)[None],
            refill_kw=refill[None],
            load_kw=self._lots(values, columns.load)[None],
            reserve_kw=held,
            level=best.astype(np.int64)[None],
        )

    def _lots(self, values: FloatArray, numbers: Mapping[int, int]) -> FloatArray:
        found = np.zeros(SLOTS_A_DAY)
        for slot, number in numbers.items():
            found[slot] = round(float(values[number])) * self._lot_kw
        return found

    def _add_reserve(self) -> None:
        """Add one amount and one yes-or-no per block: nothing, or at least the minimum."""
        menu, program = self._menu, self.program
        _, worth = menu.best
        for source_at in range(len(SOURCES)):
            for at, service in enumerate(menu.services):
                least = max(float(r.min_bid_kw) for r in self._question.rules[service])
                slots = int(menu.block[at])
                for first in range(0, SLOTS_A_DAY, slots):
                    block = range(first, min(first + slots, SLOTS_A_DAY))
                    able = float(menu.power_kw[source_at, at, first])
                    value = float(worth[source_at, at, block.start : block.stop].sum())
                    if able < max(least, 1.0) or value <= 0.0:
                        continue
                    amount = program.variable(0.0, able, gain=value)
                    chosen = program.variable(0.0, 1.0, kind=int)
                    program.at_most({amount: 1.0, chosen: -able}, 0.0)
                    program.at_most({amount: -1.0, chosen: least}, 0.0)
                    for slot in block:
                        self._columns.held[source_at, at, slot] = amount
                        self._columns.chosen[source_at, at, slot] = chosen

    def _add_markets(self) -> None:
        """Let a list be in the combined market or in 三次②, not in both in one slot."""
        late = {at for at, one in enumerate(self._menu.services) if one is Service.TERTIARY_2}
        seen: set[tuple[int, int]] = set()
        by_slot: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for (source_at, at, slot), number in self._columns.chosen.items():
            by_slot[source_at, slot].append((at, number))
        for rivals in by_slot.values():
            for number in [number for at, number in rivals if at in late]:
                for other in [other for at, other in rivals if at not in late]:
                    if (number, other) not in seen:
                        seen.add((number, other))
                        self.program.at_most({number: 1.0, other: 1.0}, 1.0)

    def _add_loads(self) -> None:
        loads, question = Loads(self._menu, self._question), self._question
        budget: dict[int, float] = defaultdict(float)
        for slot in range(SLOTS_A_DAY):
            lots = int(loads.free_kw[slot] / self._lot_kw + _NEAR)
            margin = float(self._menu.spot_jpy[slot]) - question.terms.load_jpy_per_kwh
            if lots > 0 and margin > 0.0:
                per_lot = SLOT_H * self._lot_kw
                number = self.program.variable(0, lots, gain=margin * per_lot, kind=int)
                self._columns.load[slot] = number
                budget[number] = per_lot
        for (source_at, at, _), number in self._columns.held.items():
            if SOURCES[source_at] is Source.LOAD:
                budget[number] += float(self._call_h[at])
        if budget:
            self.program.at_most(budget, loads.free_kwh)

    def _add_trades(self, store: StoreDay) -> None:
        wear = self._question.terms.degradation_jpy_per_kwh
        per_lot = SLOT_H * self._lot_kw
        for slot in range(SLOTS_A_DAY):
            if not store.trades[slot]:
                continue
            spot = float(self._menu.spot_jpy[slot])
            free = float(store.charge_kw[slot] - store.bought_kw[slot])
            for into, most, gain in (
                (self._columns.buy, free, -spot),
                (self._columns.sell, float(store.sell_kw[slot]), spot - wear),
            ):
                lots = int(most / self._lot_kw + _NEAR)
                if lots > 0:
                    into[slot] = self.program.variable(0, lots, gain=gain * per_lot, kind=int)

    def _add_contents(self, store: StoreDay) -> None:
        """Follow the fullest and the emptiest store through the day, as the ledger does."""
        program = self.program
        high = program.variable(store.start_kwh, store.start_kwh)
        low = program.variable(store.start_kwh, store.start_kwh)
        inf = float(np.inf)
        charge, give = SLOT_H * store.charge_efficiency, SLOT_H / store.discharge_efficiency
        for slot in range(SLOTS_A_DAY):
            traded = self._traded(slot, charge=charge * self._lot_kw, give=give * self._lot_kw)
            called = self._called(slot, store)
            bought = float(store.bought_kw[slot]) * charge
            sold = float(store.sold_kw[slot]) * give
            leaves = {n: c for n, c in traded.items() if c < 0.0}
            fixed = sold + store.loss_kwh + float(store.called_kwh[slot])
            gone = {n: -c for n, c in leaves.items()} | called
            program.at_most({low: -1.0} | gone, -store.floor_kwh - fixed)
            following = program.variable(-inf, store.ceiling_kwh)
            program.equal(
                {following: 1.0, high: -1.0} | {n: -c for n, c in traded.items()}, bought - sold
            )
            high = following
            following = program.variable(-inf, inf)
            change = {n: -c for n, c in traded.items()} | called
            if store.charge_kw[slot] > 0.0:
                refill = program.variable(0.0, float(store.charge_kw[slot]))
                self._columns.refill[slot] = refill
                change[refill] = -charge
            program.equal({following: 1.0, low: -1.0} | change, bought - fixed)
            low = following
        program.at_most({high: -1.0}, -store.end_kwh - store.loss_kwh * SLOTS_A_DAY)

    def _add_refill(self, store: StoreDay) -> None:
        """Refill only what was used, after the gate, with charging power that is free."""
        program, charge = self.program, SLOT_H * store.charge_efficiency
        owed = program.variable(0.0, 0.0)
        for slot in range(SLOTS_A_DAY):
            used_at = slot - store.refill_wait
            terms = {owed: -1.0}
            fixed = 0.0
            if used_at >= 0:
                terms |= {n: -c for n, c in self._called(used_at, store).items()}
                fixed = float(store.called_kwh[used_at])
            following = program.variable(0.0, float(np.inf))
            terms[following] = 1.0
            refill = self._columns.refill.get(slot)
            if refill is not None:
                terms[refill] = charge
                room = {refill: 1.0}
                if slot in self._columns.buy:
                    room[self._columns.buy[slot]] = self._lot_kw
                program.at_most(room, float(store.charge_kw[slot] - store.bought_kw[slot]))
            program.equal(terms, fixed)
            owed = following

    def _add_powers(self, source_at: int) -> None:
        """Sell no kilowatt twice: all that is at most as easy fits in each capability."""
        source, question, menu = SOURCES[source_at], self._question, self._menu
        for slot in range(SLOTS_A_DAY):
            able = {
                service: float(question.holdings.capability_kw[source, service][slot])
                for service in Service
                if (source, service) in question.holdings.capability_kw
            }
            booked = {one: float(self._committed.sold_kw(source, one)[slot]) for one in able}
            uses = {
                service: {number: 1.0}
                for at, service in enumerate(menu.services)
                if (number := self._columns.held.get((source_at, at, slot))) is not None
            }
            energy = self._columns.sell if source is Source.STORAGE else self._columns.load
            if slot in energy:
                uses[Service.ENERGY] = {energy[slot]: self._lot_kw}
            spare: dict[int, float] = {}
            bought = 0.0
            if source is Source.STORAGE and self._store is not None:
                bought = float(self._store.bought_kw[slot])
                if slot in self._columns.buy:
                    spare = {self._columns.buy[slot]: -self._lot_kw}
            for most in able.values():
                terms = dict(spare)
                for one, own in uses.items():
                    if able[one] <= most:
                        terms |= own
                fixed = sum(power for one, power in booked.items() if able[one] <= most)
                if most > 0.0 and len(terms) > len(spare):
                    self.program.at_most(terms, most + bought - fixed)

    def _traded(self, slot: int, *, charge: float, give: float) -> dict[int, float]:
        """Change of the store by the slot's trades, kWh per lot."""
        found = {}
        if slot in self._columns.buy:
            found[self._columns.buy[slot]] = charge
        if slot in self._columns.sell:
            found[self._columns.sell[slot]] = -give
        return found

    def _called(self, slot: int, store: StoreDay) -> dict[int, float]:
        """Energy that reserve of a slot may take, kWh per kW."""
        return {
            number: float(self._call_h[at]) / store.discharge_efficiency
            for at in range(len(self._menu.services))
            if (number := self._columns.held.get((_STORAGE, at, slot))) is not None
        }
