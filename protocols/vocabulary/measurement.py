"""Measurement and ProcessImage: what is known at one instant, and how well."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from protocols.vocabulary.identifiers import PointId


class Quality(enum.IntEnum):
    """How far a value may be trusted. The numbers are the wire's."""

    GOOD = 0
    STALE = 1
    SUBSTITUTED = 2
    BAD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A value with its quality and both of its times.

    Attributes
    ----------
    value : float or None
        In the unit of its point; None when there is no number (``reason`` says why).
    quality : Quality
        GOOD only if the device gave a number and it is younger than the point's max age.
    measured_at : datetime
        Source time, aware UTC. A cached value never gets a new one.
    received_at : datetime
        When the bytes arrived here, aware UTC.
    reason : str
        Why the value is missing or not GOOD; empty when GOOD.
    """

    value: float | None
    quality: Quality
    measured_at: datetime
    received_at: datetime
    reason: str = ""

    @property
    def usable(self) -> bool:
        """Whether control may calculate with it."""
        return self.value is not None and self.quality in {Quality.GOOD, Quality.SUBSTITUTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessImage:
    """Everything one control cycle knows about the devices, frozen.

    Attributes
    ----------
    cycle : int
        Number of the cycle, never reused within a journal.
    taken_at : datetime
        Wall time of the freeze, aware UTC.
    monotonic_ns : int
        Monotonic time of the freeze.
    points : mapping of PointId to Measurement
        Latest measurement of every configured point, in the points' order.
    """

    cycle: int
    taken_at: datetime
    monotonic_ns: int
    points: Mapping[PointId, Measurement]

    def value(self, point: PointId) -> float | None:
        """Return the number of a point if control may use it, else None."""
        measurement = self.points.get(point)
        if measurement is None or not measurement.usable:
            return None
        return measurement.value
