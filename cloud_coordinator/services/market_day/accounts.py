"""Money of a day by account and slot, exact."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cloud_coordinator.market.bids import Source
from cloud_coordinator.services.market_day.actuals import DayPrices, DaySun
from cloud_coordinator.services.market_day.clearing import Cleared, traded_kw
from cloud_coordinator.services.market_day.fleet import SLOT_H, Ran
from cloud_coordinator.services.market_day.portfolio import Portfolio
from cloud_coordinator.services.market_day.records import (
    CALLED_ACCOUNT,
    FEE_ACCOUNT,
    IMBALANCE_ACCOUNT,
    OWNERS_ACCOUNT,
    REFILL_ACCOUNT,
    SPOT_ACCOUNT,
    SettledAward,
    Slots,
)
from cloud_coordinator.services.market_day.settling import (
    award_slots,
    called_slots,
    energy_slots,
    fee_slots,
    less,
    present,
)
from protocols.vocabulary.calendar import SLOTS_A_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What a day's money comes from.

    Attributes
    ----------
    accepted : tuple of Cleared
        Bids that were taken, of all markets.
    awards : tuple of SettledAward
        Those of the balancing market, assessed.
    ran, prices, sun
        The fleet, prices and PV.
    call_jpy : float
        Price of called energy (V1), JPY/kWh.
    """

    accepted: Sequence[Cleared]
    awards: Sequence[SettledAward]
    ran: Ran
    prices: DayPrices
    sun: DaySun
    call_jpy: float


def accounts_of(happened: Happened, portfolio: Portfolio) -> dict[str, Slots]:
    """Book everything that happened; each award has an account of its own."""
    ran, prices, sun, awards = happened.ran, happened.prices, happened.sun, happened.awards
    storage_kwh = traded_kw(happened.accepted, Source.STORAGE) * SLOT_H
    load_kwh = traded_kw(happened.accepted, Source.LOAD) * SLOT_H
    off_kwh = sun.actual_kwh - sun.plan_kwh - ran.short_kwh
    call_price = np.full(SLOTS_A_DAY, happened.call_jpy)
    load_called = called_slots(awards, Source.LOAD)
    load_price = np.full(SLOTS_A_DAY, portfolio.load_jpy_per_kwh)
    accounts = {
        SPOT_ACCOUNT: energy_slots(storage_kwh + load_kwh + sun.plan_kwh, prices.spot),
        REFILL_ACCOUNT: less(energy_slots(ran.refilled_kwh, prices.intraday)),
        CALLED_ACCOUNT: energy_slots(ran.called_kwh + load_called, call_price),
        IMBALANCE_ACCOUNT: energy_slots(off_kwh, prices.imbalance),
        FEE_ACCOUNT: fee_slots([one.cleared for one in awards], portfolio.fee_jpy_per_kw_30min),
        OWNERS_ACCOUNT: less(energy_slots(load_called + load_kwh, load_price)),
    }
    for one in awards:
        name = str(one.statement.obligation_id)
        accounts[name] = award_slots(one.statement, one.cleared.bid.slot.day)
    return present(accounts)
