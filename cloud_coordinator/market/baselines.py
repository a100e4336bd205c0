"""Baselines: the power there would have been without the event or the award. Pure.

Loads are consumption here, W, + as on a customer's bill: the standard's own sign, the negative
of the generator frame at the meter. Called where a customer list is assessed.
"""

import enum
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from typing import Final

import numpy as np

from cloud_coordinator.market.rules import day_of
from protocols.templates.table import Table
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.calendar import SLOTS_A_DAY, Calendar
from protocols.vocabulary.errors import ConfigError

STEP_MINUTES: Final = 5
"""A measured baseline is the mean of so many minutes, and a rolling one changes so often."""
_TOUCH: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Guideline:
    """Figures of a standard baseline.

    Attributes
    ----------
    guideline_id : str
        Goes with every result.
    effective_from, effective_to : date, date or None
        Half open, JST.
    reach_days : int
        How far back days are looked for.
    low_percent : int
        A day below this percent of the candidates' mean is no candidate.
    adjust_from_slots, adjust_until_slots : int
        Slots before the event between which today is compared with the chosen days.
    working_days, working_kept, rest_days, rest_kept : int
        Candidates, and how many of them are averaged, for events on working days and on days
        of rest.
    negative_to_zero : bool
        Whether a negative baseline counts as 0.
    source : str
        Where it is written.
    unverified : tuple of str
        Fields that no source confirms.
    """

    guideline_id: str
    effective_from: date
    effective_to: date | None
    reach_days: int
    low_percent: int
    adjust_from_slots: int
    adjust_until_slots: int
    working_days: int
    working_kept: int
    rest_days: int
    rest_kept: int
    negative_to_zero: bool
    source: str
    unverified: tuple[str, ...]


class BaselineFault(enum.Enum):
    """Why there is no baseline; nothing is guessed instead."""

    TOO_FEW_DAYS = "too-few-days"
    NO_DATA_TODAY = "no-data-today"
    TOO_EARLY_TO_ADJUST = "too-early-to-adjust"


@dataclass(frozen=True, slots=True, kw_only=True)
class DayHistory:
    """Loads of the past.

    Attributes
    ----------
    load_w : mapping of date to FloatArray
        48 means per day, W consumed; NaN where unknown. A day that is unknown is not there.
    event_days : frozenset of date
        Days with earlier events, which are left out.
    """

    load_w: Mapping[date, FloatArray]
    event_days: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardBaseline:
    """Outcome of High X of Y.

    Attributes
    ----------
    guideline_id : str
        By which guideline.
    power_w : FloatArray
        One value per event slot, W consumed; empty with a fault.
    chosen : tuple of date
        Days that were averaged, the latest first.
    adjustment_w : float
        What same-day adjustment added, W.
    fault : BaselineFault or None
        Why there is none.
    """

    guideline_id: str
    power_w: FloatArray
    chosen: tuple[date, ...] = ()
    adjustment_w: float = 0.0
    fault: BaselineFault | None = None


def guideline_of(day: date) -> Guideline:
    """Return the guideline in force on a day.

    Raises
    ------
    ConfigError
        If none is, or the package's file is broken.
    """
    text = files("cloud_coordinator.market").joinpath("erab.toml").read_text("utf-8")
    for guideline in parse_guidelines(text, "erab.toml"):
        ended = guideline.effective_to is not None and day >= guideline.effective_to
        if guideline.effective_from <= day and not ended:
            return guideline
    raise ConfigError(f"erab.toml: no guideline on {day}")


def parse_guidelines(text: str, source: str) -> tuple[Guideline, ...]:
    """Parse guidelines from TOML.

    Raises
    ------
    ConfigError
        Naming file, key and cause.
    """
    try:
        document = Table(tomllib.loads(text), source)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: is not TOML: {error}") from None
    found = []
    for row in document.tables("guidelines"):
        found.append(
            Guideline(
                guideline_id=row.text("id"),
                effective_from=day_of(row, "effective_from"),
                effective_to=day_of(row, "effective_to") if "effective_to" in row else None,
                reach_days=row.integer("reach_days", low=1, high=366),
                low_percent=row.integer("low_percent", high=100),
                adjust_from_slots=row.integer("adjust_from_slots", low=1, high=SLOTS_A_DAY),
                adjust_until_slots=row.integer("adjust_until_slots", high=SLOTS_A_DAY - 1),
                working_days=row.integer("working_days", low=1, high=31),
                working_kept=row.integer("working_kept", low=1, high=31),
                rest_days=row.integer("rest_days", low=1, high=31),
                rest_kept=row.integer("rest_kept", low=1, high=31),
                negative_to_zero=row.yes("negative_to_zero"),
                source=row.text("source"),
                unverified=row.listed("unverified", str, ()),
            )
        )
        row.end()
    document.end()
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Slots 1..48 of a day on which load is to be reduced; consecutive, ascending."""

    day: date
    slots: tuple[int, ...]


def standard_baseline(
    event: Event, history: DayHistory, *, calendar: Calendar, guideline: Guideline
) -> StandardBaseline:
    """Find the baseline of an event: High 4 of 5, or High 2 of 3 on a day of rest.

    Parameters
    ----------
    event : Event
        When.
    history : DayHistory
        Days before it; other days are not looked at.
    calendar : Calendar
        Days of rest.
    guideline : Guideline
        The figures.

    Returns
    -------
    StandardBaseline
        Without same-day adjustment; :func:`adjusted` adds it.

    Notes
    -----
    japan-market R1, R3, R4. A day with an unknown value in the event's slots is no candidate.
    """
    rest = calendar.is_rest_day(event.day)
    wanted = guideline.rest_days if rest else guideline.working_days
    kept = guideline.rest_kept if rest else guideline.working_kept
    columns = np.array(event.slots, dtype=np.int64) - 1
    usable = [
        day
        for day in (event.day - timedelta(days=k) for k in range(1, guideline.reach_days + 1))
        if day in history.load_w
        and day not in history.event_days
        and calendar.is_rest_day(day) is rest
        and bool(np.isfinite(history.load_w[day][columns]).all())
    ]
    means = {day: float(history.load_w[day][columns].mean()) for day in usable}
    while len(usable) >= wanted:
        candidates = usable[:wanted]
        floor_w = sum(means[day] for day in candidates) / wanted * guideline.low_percent / 100.0
        low = [day for day in candidates if means[day] < floor_w]
        if not low:
            chosen = _highest(candidates, means, kept)
            power_w = np.mean([history.load_w[day][columns] for day in chosen], axis=0)
            return StandardBaseline(
                guideline_id=guideline.guideline_id,
                power_w=_not_negative(power_w, guideline),
                chosen=chosen,
            )
        usable = [day for day in usable if day not in low]
    return _faulty(guideline, BaselineFault.TOO_FEW_DAYS)


def adjusted(
    found: StandardBaseline, event: Event, history: DayHistory, *, guideline: Guideline
) -> StandardBaseline:
    """Add same-day adjustment: today against the chosen days in the hours before.

    Parameters
    ----------
    found : StandardBaseline
        As :func:`standard_baseline` gives it; one with a fault comes back as it is.
    event : Event
        When.
    history : DayHistory
        Holds the chosen days and the event's day.
    guideline : Guideline
        The figures.

    Notes
    -----
    japan-market R2: the mean difference over the six slots from five to two hours before is
    added to every slot; it may be negative.
    """
    if found.fault is not None:
        return found
    first = event.slots[0] - 1
    columns = np.arange(first - guideline.adjust_from_slots, first - guideline.adjust_until_slots)
    if columns[0] < 0:
        return _faulty(guideline, BaselineFault.TOO_EARLY_TO_ADJUST)
    days = (event.day, *found.chosen)
    if event.day not in history.load_w or not all(
        np.isfinite(history.load_w[day][columns]).all() for day in days
    ):
        return _faulty(guideline, BaselineFault.NO_DATA_TODAY)
    past_w = float(np.mean([history.load_w[day][columns] for day in found.chosen]))
    step_w = float(history.load_w[event.day][columns].mean()) - past_w
    return StandardBaseline(
        guideline_id=found.guideline_id,
        power_w=_not_negative(found.power_w + step_w, guideline),
        chosen=found.chosen,
        adjustment_w=step_w,
    )


def reduction_wh(baseline_w: FloatArray, load_w: FloatArray) -> FloatArray:
    """Energy reduced in each slot, Wh: baseline less load over half an hour."""
    return np.asarray((baseline_w - load_w) / 2.0, dtype=np.float64)


def pre_block_baseline_w(minutes_w: FloatArray) -> float:
    """Mean load of the five minutes before a block, W (直前計測型).

    Parameters
    ----------
    minutes_w : FloatArray
        Shape (5,), one-minute loads, W; NaN where none was received.

    Returns
    -------
    float
        Kept for the block and all consecutive awarded blocks; NaN if nothing was received, and
        then nothing counts as available (japan-market R5).
    """
    assert len(minutes_w) == STEP_MINUTES, "five minutes before the block"
    known = minutes_w[np.isfinite(minutes_w)]
    return float(known.mean()) if len(known) else float("nan")


def rolling_baseline_w(before_w: FloatArray, block_w: FloatArray) -> FloatArray:
    """Mean load of the five minutes before each five-minute step, W (逐次計測型).

    Parameters
    ----------
    before_w : FloatArray
        Shape (5,), the minutes before the block, W; NaN where missing.
    block_w : FloatArray
        Shape (n,), the minutes of the block, W; n a multiple of 5.

    Returns
    -------
    FloatArray
        Shape (n,): one value per minute that changes every five; NaN where nothing was
        received (japan-market R5).
    """
    assert len(block_w) % STEP_MINUTES == 0, "whole steps"
    minutes = np.concatenate([before_w, block_w])[: len(block_w)].reshape(-1, STEP_MINUTES)
    known = np.isfinite(minutes)
    counts: IntArray = known.sum(axis=1)
    sums = np.where(known, minutes, 0.0).sum(axis=1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return np.repeat(means, STEP_MINUTES)


def _highest(days: Sequence[date], means: Mapping[date, float], kept: int) -> tuple[date, ...]:
    """Leave out the lowest days; of equal ones the farther first. ``days``: latest first."""
    left = list(days)
    while len(left) > kept:
        least = min(means[day] for day in left)
        left.remove(min(day for day in left if means[day] <= least + _TOUCH))
    return tuple(left)


def _not_negative(power_w: FloatArray, guideline: Guideline) -> FloatArray:
    return np.maximum(power_w, 0.0) if guideline.negative_to_zero else power_w


def _faulty(guideline: Guideline, fault: BaselineFault) -> StandardBaseline:
    return StandardBaseline(
        guideline_id=guideline.guideline_id, power_w=np.empty(0, dtype=np.float64), fault=fault
    )
