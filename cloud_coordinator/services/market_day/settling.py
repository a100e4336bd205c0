"""From what was delivered to money by slot and account: the market's engine, and energy. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import numpy as np

from cloud_coordinator.market.areas import Area
from cloud_coordinator.market.bands import CommandStep, command_at
from cloud_coordinator.market.bids import Source
from cloud_coordinator.market.primary import owing_of
from cloud_coordinator.market.product import ProductRule, Shape
from cloud_coordinator.market.punctuality import filed_until
from cloud_coordinator.services.holidays import calendar_around
from cloud_coordinator.services.market_day.clearing import Cleared
from cloud_coordinator.services.market_day.fleet import Asked, Supplied
from cloud_coordinator.services.market_day.portfolio import Portfolio
from cloud_coordinator.services.market_day.records import SettledAward, Slots
from cloud_coordinator.services.market_day.signals import DaySignals, command_steps
from cloud_coordinator.settlement.assessing import Ruling
from cloud_coordinator.settlement.money import exact, whole_kwh
from cloud_coordinator.settlement.records import (
    AwardTermsOf,
    DeliveredRows,
    PrimaryTerms,
    Promise,
    Statement,
)
from cloud_coordinator.settlement.settle import settle
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY, Slot
from protocols.vocabulary.droop import Owing
from protocols.vocabulary.identifiers import ObligationId, ZoneId
from protocols.vocabulary.intervals import Interval

_KW = 1e3
_WH = 1000
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """An award as an obligation: its law or commands, and what they ask for.

    Attributes
    ----------
    cleared : Cleared
        The accepted bid.
    rule : ProductRule
        By which it is settled.
    steps : tuple of CommandStep
        Times in s from the beginning of the day; none of primary.
    owing : Owing or None
        The law of primary.
    asked : Asked
        For the fleet.
    """

    cleared: Cleared
    rule: ProductRule
    steps: tuple[CommandStep, ...]
    owing: Owing | None
    asked: Asked


def owed(cleared: Cleared, rule: ProductRule, signals: DaySignals, *, area: Area) -> Owed:
    """Make an obligation of an award."""
    bid = cleared.bid
    slots = bid.slot_range
    award_w = float(cleared.accepted_kw) * _KW
    seconds = np.arange(slots.start * SLOT_S, slots.stop * SLOT_S, dtype=np.float64)
    owing: Owing | None = None
    steps: tuple[CommandStep, ...] = ()
    if rule.tolerance.shape is Shape.DROOP:
        owing = owing_of(area, award_w)
        hertz = signals.frequency_hz[slots.start * SLOT_S : slots.stop * SLOT_S]
        power_w = np.array([owing.theory_w(one) for one in hertz.tolist()], dtype=np.float64)
    else:
        steps = command_steps(
            rule, signals, award_w=award_w, first_slot=slots.start, slots=len(slots)
        )
        power_w = command_at(seconds, steps)
    return Owed(
        cleared=cleared,
        rule=rule,
        steps=steps,
        owing=owing,
        asked=Asked(
            source=bid.source,
            award_kw=cleared.accepted_kw,
            price_jpy=cleared.price_jpy,
            first_slot=slots.start,
            slots=len(slots),
            duration_s=rule.duration_s or SLOT_S,
            power_w=power_w,
        ),
    )


def settled(
    one: Owed, supplied: Supplied, *, portfolio: Portfolio, area: str, signals: DaySignals
) -> SettledAward:
    """Assess and settle an award by the market's engine."""
    bid, plants = one.cleared.bid, portfolio.plants(one.asked.source)
    first, slots = bid.slot, one.asked.slots
    start = first.interval.start
    last = Slot(day=first.day, number=first.number + slots - 1)
    interval = Interval(start=start, end=last.interval.end)
    begin_s = int(start.timestamp())
    midnight_s = begin_s - (first.number - 1) * SLOT_S
    count = len(plants.sites)
    total_w = plants.power_kw / max(float(plants.power_kw.sum()), 1e-9)
    award_w = float(one.cleared.accepted_kw) * _KW
    piece = slice(one.asked.first_slot * SLOT_S, (one.asked.first_slot + slots) * SLOT_S)
    terms = AwardTermsOf(
        obligation_id=obligation_id(one.cleared, area),
        zone=ZoneId(area),
        service=bid.service,
        interval=interval,
        award_w=award_w,
        tolerance_w=award_w * float(one.rule.tolerance.pct) / 100.0,
        price_jpy_per_kw_30min=one.cleared.price_jpy,
        sites=plants.sites,
        child_w=tuple((total_w * award_w).tolist()),
        available_w=tuple(kw * _KW for kw in supplied.available_kw),
        final_at=filed_until(interval.end, calendar_around(first.day)),
        primary=None
        if one.owing is None
        else PrimaryTerms(owing=one.owing, frequency_hz=signals.frequency_hz[piece]),
    )
    rows = DeliveredRows(
        site_index=np.repeat(np.arange(count), slots * SLOT_S),
        second=np.tile(np.arange(begin_s, begin_s + slots * SLOT_S), count),
        delivered_w=supplied.site_w.ravel(),
    )
    statement = settle(
        terms, Promise(steps=_moved(one.steps, midnight_s)), rows, ruling=Ruling(rule=one.rule)
    )
    energy = supplied.site_w.sum(axis=0).reshape(slots, SLOT_S).sum(axis=1) / _KW / 3600.0
    return SettledAward(
        cleared=one.cleared,
        statement=statement,
        available_kw=supplied.available_kw,
        asked_kw=tuple((one.asked.power_w.reshape(slots, SLOT_S).mean(axis=1) / _KW).tolist()),
        delivered_kwh=tuple(energy.tolist()),
    )


def obligation_id(cleared: Cleared, area: str) -> ObligationId:
    """Name of an award: area, product, source, day, slot and price; the idempotency key."""
    bid = cleared.bid
    return ObligationId(
        f"{area}-{bid.service.value}-{bid.source.value}-{bid.slot.day:%Y%m%d}"
        f"-{bid.slot.number:02d}-{bid.price_jpy}"
    )


def award_slots(statement: Statement, day: date) -> Slots:
    """Money of an award by slot of the day: fee less both penalties, exact."""
    found = [_ZERO] * SLOTS_A_DAY
    for slot in statement.slots:
        assert slot.slot.day == day, "an award lies in one market day"
        found[slot.slot.number - 1] += slot.fee_jpy - slot.charge.total_jpy
    return tuple(found)


def energy_slots(kwh: FloatArray, price_jpy: FloatArray) -> Slots:
    """Energy by slot in whole kWh, as the market counts it, times its price; exact."""
    return tuple(
        whole_kwh(round(energy * _WH)) * exact(price)
        for energy, price in zip(kwh.tolist(), price_jpy.tolist(), strict=True)
    )


def less(one: Slots) -> Slots:
    """Turn amounts that are received into amounts that are paid."""
    return tuple(-amount for amount in one)


def fee_slots(cleared: Sequence[Cleared], fee_jpy: Decimal) -> Slots:
    """Fee of the market for every awarded kW and half hour."""
    found = [_ZERO] * SLOTS_A_DAY
    for one in cleared:
        for slot in one.bid.slot_range:
            found[slot] -= one.accepted_kw * fee_jpy
    return tuple(found)


def called_slots(awards: Sequence[SettledAward], source: Source) -> FloatArray:
    """Energy delivered for awards of a source by slot, shape (48,), kWh."""
    found = np.zeros(SLOTS_A_DAY)
    for one in awards:
        if one.cleared.bid.source is source:
            found[one.cleared.bid.slot_range] += np.array(one.delivered_kwh)
    return found


def present(accounts: Mapping[str, Slots]) -> dict[str, Slots]:
    """Accounts in which anything happened."""
    return {name: slots for name, slots in accounts.items() if any(slots)}


def _moved(steps: Sequence[CommandStep], midnight_s: int) -> tuple[CommandStep, ...]:
    return tuple(
        replace(
            step,
            at_s=step.at_s + midnight_s,
            target_s=None if step.target_s is None else step.target_s + midnight_s,
        )
        for step in steps
    )
