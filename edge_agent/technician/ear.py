"""Reads one device again and again, as fast as it allows; keeps every value it needs."""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Final

from edge_agent.drivers.port import FastReader
from edge_agent.image.image import LatestValues, judged
from edge_agent.points.table import PointSpec
from protocols.vocabulary.identifiers import PointId, ResourceId
from protocols.vocabulary.intervals import Clock
from protocols.vocabulary.measurement import Measurement, Quality

SAMPLES_MAX: Final = 200_000
"""Most values kept of one point: five hours at ten a second."""
PAUSE_S_LEAST: Final = 0.005
NS_PER_S: Final = 1_000_000_000

Sample = tuple[float, float]
"""Time in s and value."""


class Heard:
    """What was heard of some points since the test began.

    Parameters
    ----------
    clock : Clock
        Time.
    specs : mapping of PointId to PointSpec
        Points that count, with their ranges and greatest ages.
    """

    def __init__(self, clock: Clock, specs: Mapping[PointId, PointSpec]) -> None:
        self._clock = clock
        self._specs = specs
        self._began_ns = clock.monotonic_ns()
        self._latest = LatestValues(clock)
        self._series: dict[PointId, deque[Sample]] = {}

    def now_s(self) -> float:
        """Time since the test began, s."""
        return (self._clock.monotonic_ns() - self._began_ns) / NS_PER_S

    def take(self, point: PointId, measurement: Measurement) -> None:
        """Take note of an answer; one without a good value adds nothing to the series."""
        spec = self._specs.get(point)
        if spec is None or not self._latest.update(point, measurement):
            return
        held = self._latest.get(point)
        if held is None:
            return
        value = judged(held, spec, self._clock.monotonic_ns())
        if value.value is not None and value.quality is Quality.GOOD:
            series = self._series.setdefault(point, deque(maxlen=SAMPLES_MAX))
            series.append(((held.measured_ns - self._began_ns) / NS_PER_S, value.value))

    def value(self, point: PointId) -> float | None:
        """Newest value; None unless it is good and young enough."""
        spec, held = self._specs.get(point), self._latest.get(point)
        if spec is None or held is None:
            return None
        measurement = judged(held, spec, self._clock.monotonic_ns())
        return measurement.value if measurement.quality is Quality.GOOD else None

    def series(self, point: PointId) -> tuple[Sample, ...]:
        """Every good value, in the order of arrival."""
        return tuple(self._series.get(point, ()))


async def listen(
    driver: FastReader, resource_id: ResourceId, heard: Heard, *, period_s: float
) -> None:
    """Ask one device for ever; one that is slower is asked as soon as it has answered."""
    due_s = heard.now_s()
    while True:
        for point, measurement in await driver.read_fast(resource_id):
            heard.take(point, measurement)
        due_s = max(due_s + period_s, heard.now_s())
        await asyncio.sleep(max(due_s - heard.now_s(), PAUSE_S_LEAST))
