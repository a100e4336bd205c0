"""One day of a store, slot by slot: what a policy sees, and what its wishes come to. Pure NumPy.

The same step builds the plan of a bid strategy and the world in which the bidding policy is
trained, so that a trained policy meets what it knows. Wishes are cut to what the capacity ledger
takes: a plan that leaves here breaks none of its rules. Many plans are walked at once; the
leading axis k counts them. Powers are kW, upward positive.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from protocols.vocabulary.arrays import FloatArray

SLOT_H: Final = 0.5
SLOTS: Final = 48
NEAR: Final = 1e-9
AHEAD: Final = 12
"""Slots that a policy looks ahead one by one, in steps of two."""
OBSERVATIONS: Final = (
    "slot, part of the day",
    "planned content, part of the usable",
    "worst content, part of the usable",
    "reserve held, part of the power",
    "price against the day's mean, in day's spreads",
    "day's spread, 10 JPY/kWh",
    "dearest to come, in day's spreads",
    "cheapest to come, in day's spreads",
    "worth of reserve, JPY per kW and half hour",
    "best worth of reserve to come",
    "wear, 10 JPY/kWh",
    "price 2 slots ahead",
    "price 4 slots ahead",
    "price 6 slots ahead",
    "price 8 slots ahead",
    "price 10 slots ahead",
    "price 12 slots ahead",
)
ACTIONS: Final = ("energy: -1 buys, +1 sells, part of the power", "reserve: -1 none, +1 all")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreDay:
    """A store on one day, and what is already sold of it.

    Attributes
    ----------
    charge_kw, sell_kw : FloatArray
        Shape (48,), what it takes in and gives out by plan at most.
    reserve_kw : FloatArray
        Shape (k, 48) or (48,), what can be held ready for the product of the slot.
    call_h : FloatArray
        Same shape, how long a call of that product may last in the slot, h.
    trades : FloatArray
        Shape (48,), 1 where energy may still be bought and sold, else 0.
    block : int
        Slots that a reserve bid spans.
    least_kw : float
        Smaller reserve is none.
    lot_kw : float
        Energy is traded in multiples.
    start_kwh, floor_kwh, ceiling_kwh, end_kwh : float
        Content at the start, its bounds, and the least at the end.
    charge_efficiency, discharge_efficiency : float
        0 < e <= 1.
    loss_kwh : float
        Lost in each slot.
    refill_wait : int
        Slots until what a call used can be bought back.
    sold_kw, bought_kw, called_kwh : FloatArray
        Shape (48,): committed before; energy in the store that committed reserve may use.
    """

    charge_kw: FloatArray
    sell_kw: FloatArray
    reserve_kw: FloatArray
    call_h: FloatArray
    trades: FloatArray
    block: int
    least_kw: float
    lot_kw: float
    start_kwh: float
    floor_kwh: float
    ceiling_kwh: float
    end_kwh: float
    charge_efficiency: float
    discharge_efficiency: float
    loss_kwh: float
    refill_wait: int
    sold_kw: FloatArray
    bought_kw: FloatArray
    called_kwh: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is expected of prices.

    Attributes
    ----------
    spot_jpy : FloatArray
        Shape (k, 48) or (48,), JPY/kWh.
    reserve_jpy : FloatArray
        Same, worth of a kW held ready for a slot.
    wear_jpy_per_kwh : float
        Of energy that leaves the store.
    """

    spot_jpy: FloatArray
    reserve_jpy: FloatArray
    wear_jpy_per_kwh: float


class DayWalk:
    """A day in the making.

    Parameters
    ----------
    day : StoreDay
        The store.
    count : int
        Plans that are walked at once.
    """

    def __init__(self, day: StoreDay, count: int) -> None:
        self.day = day
        self.slot = 0
        self.planned_kwh = np.full(count, day.start_kwh)
        self.lowest_kwh = np.full(count, day.start_kwh)
        self.held_kw = np.zeros(count)
        self.buy_kw = np.zeros((count, SLOTS))
        self.sell_kw = np.zeros((count, SLOTS))
        self.reserve_kw = np.zeros((count, SLOTS))
        self.refill_kw = np.zeros((count, SLOTS))
        self._highest_kwh = np.full(count, day.start_kwh)
        self._cap_kw = np.broadcast_to(day.reserve_kw, (count, SLOTS))
        self._call_h = np.broadcast_to(day.call_h, (count, SLOTS))
        self._used_kwh = np.zeros((count, SLOTS + 1))
        self._refilled_kwh = np.zeros(count)
        self._in_kwh = day.bought_kw * SLOT_H * day.charge_efficiency
        self._out_kwh = day.sold_kw * SLOT_H / day.discharge_efficiency
        self._keep_kwh, self._room_kwh, self._later_kwh = self._committed()

    def step(self, energy: FloatArray, reserve: FloatArray) -> None:
        """Take wishes for the slot, as far as the ledger lets them.

        Parameters
        ----------
        energy : FloatArray
            Shape (k,), -1 (buy all it takes) ... +1 (sell all it gives).
        reserve : FloatArray
            Shape (k,), 0 ... 1 of what can be held ready; counts where a block begins.
        """
        day, at = self.day, self.slot
        if at % day.block == 0:
            self._hold(np.clip(reserve, 0.0, 1.0))
        buy = self._bought(np.maximum(-energy, 0.0))
        sell = np.where(buy > 0.0, 0.0, self._sold(np.maximum(energy, 0.0)))
        stored = buy * SLOT_H * day.charge_efficiency
        taken = sell * SLOT_H / day.discharge_efficiency
        used = self.held_kw * self._call_h[:, at] * (1.0 / day.discharge_efficiency)
        before = self._used_kwh[:, at]
        self._used_kwh[:, at + 1] = before + used + day.called_kwh[at]
        may = self._used_kwh[:, max(at + 1 - day.refill_wait, 0)] - self._refilled_kwh
        room_kw = np.maximum(day.charge_kw[at] - day.bought_kw[at] - buy, 0.0)
        refill_kw = np.minimum(room_kw, np.maximum(may, 0.0) / (SLOT_H * day.charge_efficiency))
        refilled = refill_kw * SLOT_H * day.charge_efficiency
        self._refilled_kwh = self._refilled_kwh + refilled
        change = stored - taken + self._in_kwh[at] - self._out_kwh[at]
        self.planned_kwh = self.planned_kwh + change - day.loss_kwh
        self._highest_kwh = self._highest_kwh + change
        self.lowest_kwh = self.lowest_kwh + change + refilled - day.loss_kwh - day.called_kwh[at]
        self.buy_kw[:, at], self.sell_kw[:, at] = buy, sell
        self.reserve_kw[:, at], self.refill_kw[:, at] = self.held_kw, refill_kw
        self.slot += 1

    def observe(self, outlook: Outlook) -> FloatArray:
        """Tell what a policy sees before the slot, shape (k, len(OBSERVATIONS))."""
        at, day = self.slot, self.day
        spot = np.atleast_2d(outlook.spot_jpy)
        worth = np.atleast_2d(outlook.reserve_jpy)
        usable = max(day.ceiling_kwh - day.floor_kwh, NEAR)
        power = max(float(day.sell_kw.max()), NEAR)
        mean = spot.mean(axis=1)
        spread = np.maximum(spot.max(axis=1) - spot.min(axis=1), 1.0)
        relative = (spot - mean[:, None]) / spread[:, None]
        columns = [
            np.full(len(spot), at / SLOTS),
            (self.planned_kwh - day.floor_kwh) / usable,
            (self.lowest_kwh - day.floor_kwh) / usable,
            self.held_kw / power,
            relative[:, at],
            spread / 10.0,
            relative[:, at:].max(axis=1),
            relative[:, at:].min(axis=1),
            worth[:, at],
            worth[:, at:].max(axis=1),
            np.full(len(spot), outlook.wear_jpy_per_kwh / 10.0),
            *(relative[:, min(at + ahead, SLOTS - 1)] for ahead in range(2, AHEAD + 1, 2)),
        ]
        count = len(self.planned_kwh)
        return np.stack([np.broadcast_to(one, (count,)) for one in columns], axis=1)

    def _committed(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Energy to keep for, room to keep for, and change still to come by what is committed.

        Shape (49,) each; the last also counts all that can still be bought.
        """
        day = self.day
        keep, room, later = np.zeros(SLOTS + 1), np.zeros(SLOTS + 1), np.zeros(SLOTS + 1)
        for at in range(SLOTS - 1, -1, -1):
            leaving = self._out_kwh[at] + day.loss_kwh + day.called_kwh[at]
            keep[at] = leaving + max(keep[at + 1] - self._in_kwh[at], 0.0)
            room[at] = max(self._in_kwh[at] - self._out_kwh[at] + room[at + 1], 0.0)
            more = _lots(self._free_charge_kw(at), day.lot_kw) * SLOT_H * day.charge_efficiency
            net = self._in_kwh[at] - self._out_kwh[at] - day.loss_kwh
            later[at] = later[at + 1] + net + float(more)
        return keep, room, later

    def _free_charge_kw(self, at: int) -> FloatArray:
        free = (self.day.charge_kw[at] - self.day.bought_kw[at]) * self.day.trades[at]
        return np.asarray(np.maximum(free, 0.0), dtype=np.float64)

    def _hold(self, share: FloatArray) -> None:
        """Decide what a block holds ready, and book its energy at once."""
        day, at = self.day, self.slot
        block = slice(at, min(at + day.block, SLOTS))
        cap = np.minimum(self._cap_kw[:, block], day.sell_kw[block]).min(axis=1)
        need = self._call_h[:, block].sum(axis=1) / day.discharge_efficiency
        left = np.maximum(self.lowest_kwh - day.floor_kwh - self._keep_kwh[at], 0.0)
        by_energy = np.where(need > 0.0, left / np.maximum(need, NEAR), cap)
        held = np.floor(np.minimum(share * cap, by_energy) + NEAR)
        self.held_kw = np.where(held >= day.least_kw, held, 0.0)
        self.lowest_kwh = self.lowest_kwh - self.held_kw * need

    def _bought(self, wish: FloatArray) -> FloatArray:
        """Purchase: what is wished, at least what the end of the day needs, at most what fits."""
        day, at = self.day, self.slot
        free = self._free_charge_kw(at)
        room = day.ceiling_kwh - self._highest_kwh - self._room_kwh[at]
        kw_per_kwh = 1.0 / (SLOT_H * day.charge_efficiency)
        most = _lots(np.minimum(free, np.maximum(room, 0.0) * kw_per_kwh), day.lot_kw)
        net = self._in_kwh[at] - self._out_kwh[at] - day.loss_kwh
        missing = day.end_kwh - (self.planned_kwh + net + self._later_kwh[at + 1])
        forced = np.ceil(np.maximum(missing, 0.0) * kw_per_kwh / day.lot_kw - NEAR) * day.lot_kw
        wished = _lots(wish * free, day.lot_kw)
        return np.asarray(np.minimum(np.maximum(wished, forced), most), dtype=np.float64)

    def _sold(self, wish: FloatArray) -> FloatArray:
        day, at = self.day, self.slot
        net = self._in_kwh[at] - self._out_kwh[at] - day.loss_kwh
        spare = self.planned_kwh + net + self._later_kwh[at + 1] - day.end_kwh
        sure = self.lowest_kwh - day.floor_kwh - self._keep_kwh[at]
        by_energy = np.maximum(np.minimum(spare, sure), 0.0) * day.discharge_efficiency / SLOT_H
        power = np.maximum(day.sell_kw[at] - self.held_kw, 0.0) * day.trades[at]
        return _lots(np.minimum(wish * power, by_energy), day.lot_kw)


def _lots(power_kw: FloatArray, lot_kw: float) -> FloatArray:
    """Cut to whole lots."""
    return np.asarray(np.floor(power_kw / lot_kw + NEAR) * lot_kw, dtype=np.float64)
