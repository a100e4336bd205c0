"""Half-open intervals of aware UTC time, and the clock as a port."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The only way to the time: wiring passes one in, tests pass their own."""

    def now(self) -> datetime:
        """Aware UTC wall time."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back, for durations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """``[start, end)`` in aware UTC; a naive or empty interval is a broken invariant."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Check awareness and order."""
        assert self.start.utcoffset() == timedelta(0), "interval start must be aware UTC"
        assert self.end.utcoffset() == timedelta(0), "interval end must be aware UTC"
        assert self.start < self.end, "interval must not be empty"

    def contains(self, moment: datetime) -> bool:
        """Whether ``start <= moment < end``."""
        return self.start <= moment < self.end

    def overlaps(self, other: "Interval") -> bool:
        """Whether the two share any moment."""
        return self.start < other.end and other.start < self.end

    @property
    def duration_s(self) -> float:
        """Length in seconds, > 0."""
        return (self.end - self.start).total_seconds()


def utc_from_seconds(seconds: float) -> datetime:
    """Aware UTC datetime of a Unix time in seconds."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def step_index(interval: Interval, step_s: float, moment: datetime) -> int:
    """Index of the step that holds the moment.

    Parameters
    ----------
    interval : Interval
        The interval cut into steps.
    step_s : float
        Length of a step in seconds, > 0.
    moment : datetime
        Aware UTC, inside the interval.

    Returns
    -------
    int
        0-based index of the step.
    """
    assert interval.contains(moment), "moment outside the interval"
    return int((moment - interval.start).total_seconds() // step_s)
