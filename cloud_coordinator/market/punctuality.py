"""When telemetry must have come, and what becomes of what comes later. Pure.

A sample that is late is flagged and may be filed by form until the end of the next business
day; what is not filed then counts as out of range.
"""

import enum
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from cloud_coordinator.market.product import LineKind, ProductRule
from protocols.vocabulary.calendar import (
    SLOT_S,
    Calendar,
    jst_moment,
    market_day,
    slot_of,
)


class Arrival(enum.Enum):
    """What became of a sample; the first two count."""

    IN_TIME = "in-time"
    FILED = "filed"
    LATE = "late"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """When a sample was taken, came, and was filed by form; None: it did not, or was not."""

    taken_at: datetime
    received_at: datetime | None
    filed_at: datetime | None = None


def due_at(taken_at: datetime, line: LineKind, rule: ProductRule) -> datetime:
    """Last moment at which a sample is in time.

    Parameters
    ----------
    taken_at : datetime
        Aware UTC.
    line : LineKind
        SIMPLE: the end of the slot after its own; DEDICATED: a few seconds; OFFLINE: the day of
        the next month by which the log is handed in.
    rule : ProductRule
        The figures.

    Notes
    -----
    japan-market 8 and R21.
    """
    if line is LineKind.DEDICATED:
        return taken_at + timedelta(seconds=rule.deadline.dedicated_s)
    if line is LineKind.SIMPLE:
        later = timedelta(seconds=SLOT_S * rule.deadline.simple_slots)
        return slot_of(taken_at).interval.end + later
    day = market_day(taken_at)
    year, month = divmod(day.year * 12 + day.month, 12)
    filed = date(year, month + 1, rule.deadline.offline_day)
    return _end_of(filed)


def filed_until(taken_at: datetime, calendar: Calendar) -> datetime:
    """Last moment for filing a sample by form: the end of the next business day."""
    return _end_of(calendar.next_business_day(market_day(taken_at)))


def arrival(sample: Sample, line: LineKind, *, rule: ProductRule, calendar: Calendar) -> Arrival:
    """Tell what a sample counts as (R21)."""
    if sample.received_at is not None and sample.received_at <= due_at(sample.taken_at, line, rule):
        return Arrival.IN_TIME
    if sample.filed_at is not None and sample.filed_at <= filed_until(sample.taken_at, calendar):
        return Arrival.FILED
    return Arrival.MISSING if sample.received_at is None else Arrival.LATE


def counts(arrived: Arrival) -> bool:
    """Whether a sample that arrived so is taken as it is; else it is out of range."""
    return arrived in {Arrival.IN_TIME, Arrival.FILED}


def _end_of(day: date) -> datetime:
    return jst_moment(day + timedelta(days=1), time())
