"""What the system operator asks for during a day: regulation, frequency, and levels per slot.

Recorded signals stand in for commands nobody published: a regulation signal drives secondary 1,
a frequency record drives primary, and the fast part of the area's residual demand calls
secondary 2 and the tertiary products. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Protocol

import numpy as np

from cloud_coordinator.market.areas import Area
from cloud_coordinator.market.bands import CommandStep
from cloud_coordinator.market.product import ProductRule
from cloud_coordinator.services.market_history import HalfHours, MarketHistory, MarketSeries
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY, day_slots
from protocols.vocabulary.obligation import Service

DAY_S: Final = SLOT_S * SLOTS_A_DAY
LFC_STEP_S: Final = 10
"""Spacing of the commands of secondary 1 that are kept; the signal is finer."""
EDC_STEP_S: Final = 300
SLOW_SLOTS: Final = 6
"""Deviations that last longer than this many slots were planned for, not called."""
SCALE_DAYS: Final = 28
SCALE_QUANTILE: Final = 0.9
ASSUMED_LEVEL: Final = 0.25
"""Level of a call, part of the award, where nothing tells one."""


class SignalRecords(Protocol):
    """Recorded signals; empty where there is none."""

    def regulation(self) -> FloatArray:
        """Seconds of a regulation signal, -1..1, + asks for more power."""
        ...

    def frequency_pu(self) -> FloatArray:
        """Seconds of a frequency, per unit of the nominal."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySignals:
    """What is asked for on one day.

    Attributes
    ----------
    regulation : FloatArray
        Shape (86400,), 0..1: part of the award that is called.
    frequency_hz : FloatArray
        Shape (86400,).
    level : FloatArray
        Shape (48,), 0..1: part of the award of the slower products.
    alerts : tuple of str
        What was assumed.
    """

    regulation: FloatArray
    frequency_hz: FloatArray
    level: FloatArray
    alerts: tuple[str, ...]


def day_signals(
    records: SignalRecords, history: MarketHistory, *, area: Area, day: date
) -> DaySignals:
    """Signals of a day; records shorter than a day go round, another part each day."""
    alerts: list[str] = []
    regulation, frequency = records.regulation(), records.frequency_pu()
    if not len(regulation):
        alerts.append("regulation: no recorded signal; secondary1 is not called")
        regulation = np.zeros(1)
    if not len(frequency):
        alerts.append("frequency: no record; it stays at the nominal, primary is not called")
        frequency = np.ones(1)
    levels = residual_levels(history, area.name, day)
    level = levels.of_day(day)
    if np.isnan(level).any():
        alerts.append(
            f"demand of {area.name}: not known; calls of the slower products are assumed to be "
            f"{ASSUMED_LEVEL:.0%} of the award"
        )
        level = np.where(np.isnan(level), ASSUMED_LEVEL, level)
    return DaySignals(
        regulation=np.clip(_of_day(regulation, day), 0.0, 1.0),
        frequency_hz=_of_day(frequency, day) * area.nominal_hz,
        level=level,
        alerts=tuple(alerts),
    )


def expected_shares(
    records: SignalRecords, history: MarketHistory, *, area: Area, day: date
) -> Mapping[Service, float]:
    """Part of an award's energy that is called in the mean, by product, from the past alone.

    Parameters
    ----------
    records, history
        The history already cut at the gate.
    area, day
        Of delivery.
    """
    levels = residual_levels(history, area.name, day).values
    known = levels[np.isfinite(levels)][-SCALE_DAYS * SLOTS_A_DAY :]
    level = float(known.mean()) if len(known) else ASSUMED_LEVEL
    regulation = records.regulation()
    fast = float(np.clip(regulation, 0.0, 1.0).mean()) if len(regulation) else 0.0
    return {
        Service.PRIMARY: 0.0,
        Service.SECONDARY_1: fast,
        Service.SECONDARY_2: level,
        Service.TERTIARY_1: level,
        Service.TERTIARY_2: level,
    }


def residual_levels(history: MarketHistory, area: str, day: date) -> HalfHours:
    """Find the calls of the slower products up to and including a day, 0..1; NaN where not known.

    Notes
    -----
    Residual demand less that of a week before, less its own mean of the last slots (what lasts
    is planned for), over the 90 % quantile of its size in the four weeks before the day; what
    is negative is no call, for the products are upward.
    """
    week, days = 7 * SLOTS_A_DAY, SCALE_DAYS + 1
    first = day_slots(day - timedelta(days=days - 1))[0]
    first_s = int(first.interval.start.timestamp())
    count = days * SLOTS_A_DAY
    start_s, total = first_s - (week + SLOW_SLOTS) * SLOT_S, count + week + SLOW_SLOTS
    demand = history.column(MarketSeries.DEMAND, area).between(start_s, total)
    pv = history.column(MarketSeries.PV, area).between(start_s, total)
    residual = demand - np.nan_to_num(pv)
    change = residual[week:] - residual[:-week]
    sums = np.convolve(change, np.ones(SLOW_SLOTS), mode="full")[: len(change)]
    slow = np.concatenate([[np.nan], sums[:-1] / SLOW_SLOTS])
    fast = (change - slow)[SLOW_SLOTS:]
    before = np.abs(fast[:-SLOTS_A_DAY])
    before = before[np.isfinite(before)]
    scale = float(np.quantile(before, SCALE_QUANTILE)) if len(before) else np.nan
    values = np.clip(fast / scale, 0.0, 1.0) if scale > 0.0 else np.full(count, np.nan)
    return HalfHours(start_s=first_s, values=values)


def command_steps(
    rule: ProductRule, signals: DaySignals, *, award_w: float, first_slot: int, slots: int
) -> tuple[CommandStep, ...]:
    """Commands of an award that begins with a slot (from 0) of the day, by time from midnight.

    Parameters
    ----------
    rule : ProductRule
        Of a product that follows commands.
    signals : DaySignals
        What is asked for.
    award_w : float
        W.
    first_slot, slots : int
        When; from 0.

    Returns
    -------
    tuple of CommandStep
        Times in s from the beginning of the day; equal commands are not repeated.
    """
    begin_s, end_s = first_slot * SLOT_S, (first_slot + slots) * SLOT_S
    if rule.service is Service.TERTIARY_2:
        times = np.arange(begin_s, end_s, SLOT_S)
        parts = signals.level[times // SLOT_S]
        return tuple(
            CommandStep(at_s=t - rule.response_s, target_s=t, power_w=p * award_w)
            for t, p in zip(times.tolist(), parts.tolist(), strict=True)
        )
    if rule.service is Service.SECONDARY_1:
        times = np.arange(begin_s, end_s, LFC_STEP_S)
        parts = signals.regulation[times]
    else:
        times = np.arange(begin_s, end_s, EDC_STEP_S)
        middles = (np.arange(SLOTS_A_DAY) + 0.5) * SLOT_S
        parts = np.interp(times, middles, signals.level)
    parts = np.round(parts, 3)
    moved = np.concatenate([[True], np.diff(parts) != 0.0])
    return tuple(
        CommandStep(at_s=float(t), power_w=p * award_w)
        for t, p in zip(times[moved].tolist(), parts[moved].tolist(), strict=True)
    )


def _of_day(record: FloatArray, day: date) -> FloatArray:
    """Return 86400 values; where they begin in the record depends on the day alone."""
    offset = (day.toordinal() * DAY_S) % len(record)
    return record[np.arange(offset, offset + DAY_S) % len(record)]
