"""The latest value of every point, and the frozen image a cycle decides on.

Age is counted on monotonic time from the moment a value was measured, so no step of the wall
clock makes a value look fresher than it is. Frames that arrive only update "latest"; nothing
decides here. Called by the cycle.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from edge_agent.points.table import PointSpec
from protocols.vocabulary.identifiers import PointId
from protocols.vocabulary.intervals import Clock, utc_from_seconds
from protocols.vocabulary.measurement import Measurement, ProcessImage, Quality

NANOSECONDS_PER_S: Final = 1_000_000_000
AHEAD_S_MAX: Final = 2.0
"""How far a source time may be ahead of our clock before its age counts as unknown."""

NEVER_READ: Final = Measurement(
    value=None,
    quality=Quality.BAD,
    measured_at=utc_from_seconds(0.0),
    received_at=utc_from_seconds(0.0),
    reason="never read",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A measurement and when it was made, on monotonic time.

    Attributes
    ----------
    measurement : Measurement
        As it came, its own times untouched.
    measured_ns : int
        Monotonic time of the measurement, never later than its arrival here.
    """

    measurement: Measurement
    measured_ns: int


class LatestValues:
    """Newest measurement of each point.

    Parameters
    ----------
    clock : Clock
        To place a source time on monotonic time when it arrives.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[PointId, Held] = {}

    def update(self, point_id: PointId, measurement: Measurement) -> bool:
        """Take a measurement if it is newer than the one held.

        Parameters
        ----------
        point_id : PointId
            Its point.
        measurement : Measurement
            As the driver made it.

        Returns
        -------
        bool
            False if it was not newer (a cached or late one); the age then goes on counting.

        Notes
        -----
        A source time more than ``AHEAD_S_MAX`` ahead of the clock says that one of the two
        clocks stepped: its age is unknown, so it is held as STALE until the next one.
        """
        now, now_ns = self._clock.now(), self._clock.monotonic_ns()
        age_s = (now - measurement.measured_at).total_seconds()
        measured_ns = now_ns - max(round(age_s * NANOSECONDS_PER_S), 0)
        held = self._held.get(point_id)
        if held is not None and (
            measured_ns < held.measured_ns
            or measurement.measured_at == held.measurement.measured_at
        ):
            return False
        if age_s < -AHEAD_S_MAX and measurement.usable:
            measurement = replace(
                measurement,
                quality=Quality.STALE,
                reason=f"source time {-age_s:.0f} s ahead of the clock, age unknown",
            )
        self._held[point_id] = Held(measurement=measurement, measured_ns=measured_ns)
        return True

    def get(self, point_id: PointId) -> Held | None:
        """Return what is held of a point, None if nothing ever came."""
        return self._held.get(point_id)


def freeze(
    latest: LatestValues,
    specs: Iterable[PointSpec],
    *,
    cycle: int,
    taken_at: datetime,
    monotonic_ns: int,
) -> ProcessImage:
    """Freeze what is known now.

    Parameters
    ----------
    latest : LatestValues
        Newest values.
    specs : iterable of PointSpec
        Every configured point, in the image's order.
    cycle : int
        Number of the cycle.
    taken_at, monotonic_ns : datetime, int
        Time of the freeze on both clocks; ages are counted on the second.

    Returns
    -------
    ProcessImage
        Values older than their max age are STALE, values outside their range BAD, points
        never read BAD. Times stay those of the measurement.
    """
    return ProcessImage(
        cycle=cycle,
        taken_at=taken_at,
        monotonic_ns=monotonic_ns,
        points={
            spec.point_id: judged(latest.get(spec.point_id), spec, monotonic_ns) for spec in specs
        },
    )


def judged(held: Held | None, spec: PointSpec, monotonic_ns: int) -> Measurement:
    """Return the measurement with the quality it has at a monotonic time.

    Parameters
    ----------
    held : Held or None
        What is held of the point.
    spec : PointSpec
        Its range and max age.
    monotonic_ns : int
        Time of the judgement.
    """
    if held is None:
        return NEVER_READ
    measurement = held.measurement
    if not measurement.usable or measurement.value is None:
        return measurement
    value = measurement.value
    if not (math.isfinite(value) and spec.minimum <= value <= spec.maximum):
        return replace(
            measurement,
            quality=Quality.BAD,
            reason=f"{value:g} outside {spec.minimum:g}..{spec.maximum:g} {spec.unit}",
        )
    age_s = (monotonic_ns - held.measured_ns) / NANOSECONDS_PER_S
    if age_s > spec.max_age_s:
        return replace(
            measurement,
            quality=Quality.STALE,
            reason=f"{age_s:.1f} s old, at most {spec.max_age_s:g} s",
        )
    return measurement
