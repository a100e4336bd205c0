"""The store of a question as the day walk knows it: what is left after what is committed."""

import numpy as np

from cloud_coordinator.market.bids import Source, Venue
from cloud_coordinator.services.bidding.checking import (
    call_durations_s,
    ledger_of,
    refill_wait,
    store_of,
)
from cloud_coordinator.services.bidding.port import BidBook, BidQuestion
from cloud_coordinator.services.bidding.prices import SLOT_H, Menu
from models.bidding import StoreDay
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.calendar import SLOTS_A_DAY
from protocols.vocabulary.obligation import Service

_HOUR_S = 3600.0


def call_hours(question: BidQuestion, menu: Menu) -> FloatArray:
    """How long a call may last in one slot, by product of the menu, shape (s,), h."""
    known = call_durations_s(question)
    return np.array([min(known[one] / _HOUR_S, SLOT_H) for one in menu.services])


def store_day(
    question: BidQuestion, menu: Menu, *, reserve_kw: FloatArray, call_h: FloatArray
) -> StoreDay | None:
    """Describe the store, with what may be held ready in each slot; None without storage.

    Parameters
    ----------
    question, menu
        As asked.
    reserve_kw, call_h : FloatArray
        Shape (k, 48) or (48,), of the product that each slot is meant for.
    """
    store = store_of(question)
    if store is None:
        return None
    nothing = np.zeros(SLOTS_A_DAY)
    committed = ledger_of(BidBook(bids=(), refill_kw=nothing, strategy=""), question)
    sold = committed.sold_kw(Source.STORAGE, Service.ENERGY)
    held = sum(
        (committed.sold_kw(Source.STORAGE, one) for one in Service if one is not Service.ENERGY),
        nothing,
    )
    able = question.holdings.capability_kw.get((Source.STORAGE, Service.ENERGY), nothing)
    is_open = {Venue.SPOT, Venue.INTRADAY} & set(question.handed_in)
    return StoreDay(
        charge_kw=store.charge_kw,
        sell_kw=np.maximum(able - sold - held, 0.0),
        reserve_kw=reserve_kw,
        call_h=call_h,
        trades=np.full(SLOTS_A_DAY, 1.0 if is_open else 0.0),
        block=int(menu.block.max(initial=1.0)),
        least_kw=max(
            (float(r.min_bid_kw) for one in menu.services for r in question.rules[one]),
            default=0.0,
        ),
        lot_kw=float(question.exchange.lot_kwh) / SLOT_H,
        start_kwh=store.start_kwh,
        floor_kwh=store.floor_kwh,
        ceiling_kwh=store.ceiling_kwh,
        end_kwh=store.end_kwh,
        charge_efficiency=store.charge_efficiency,
        discharge_efficiency=store.discharge_efficiency,
        loss_kwh=store.loss_kw * SLOT_H,
        refill_wait=refill_wait(question.exchange),
        sold_kw=sold,
        bought_kw=committed.bought_kw(),
        called_kwh=committed.called_kwh(Source.STORAGE) / store.discharge_efficiency,
    )


def refill_of(day: StoreDay, *, buy_kw: FloatArray, used_kwh: FloatArray) -> FloatArray:
    """Charging power to keep free, as early and as much as rules and power let, shape (48,).

    Parameters
    ----------
    day : StoreDay
        The store.
    buy_kw : FloatArray
        Shape (48,), bought by plan, what is committed not counted.
    used_kwh : FloatArray
        Shape (48,), energy that all reserve of a slot may take out of the store, committed too.
    """
    found, refilled = np.zeros(SLOTS_A_DAY), 0.0
    used = np.concatenate([[0.0], np.cumsum(used_kwh)])
    per_kw = SLOT_H * day.charge_efficiency
    for at in range(SLOTS_A_DAY):
        may = float(used[max(at + 1 - day.refill_wait, 0)]) - refilled
        room = float(day.charge_kw[at] - day.bought_kw[at] - buy_kw[at])
        found[at] = max(0.0, min(may / per_kw, room))
        refilled += found[at] * per_kw
    return found


def chosen(menu: Menu, source_at: int, level: IntArray) -> tuple[IntArray, FloatArray]:
    """Product of most worth in each slot at given levels, and that worth.

    Parameters
    ----------
    menu : Menu
        With at least one product.
    source_at : int
        Place of the source.
    level : IntArray
        Shape (k, s, 48).

    Returns
    -------
    tuple
        Place of the product, shape (k, 48), the same through each block, and JPY per kW.
    """
    value = np.take_along_axis(menu.value_jpy[None, source_at], level[..., None], axis=3)[..., 0]
    value = np.where(menu.power_kw[None, source_at] > 0.0, value, -np.inf)
    block = int(menu.block.max(initial=1.0))
    for first in range(0, SLOTS_A_DAY, block):
        part = value[:, :, first : first + block]
        value[:, :, first : first + block] = part.mean(axis=2, keepdims=True)
    place = np.argmax(value, axis=1)
    best = np.take_along_axis(value, place[:, None, :], axis=1)[:, 0]
    return place, best
