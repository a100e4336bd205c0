"""The image: order, ranges, and what is said of a point without a number."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from edge_agent.image.image import LatestValues, freeze
from edge_agent.points.table import PointSpec
from protocols.vocabulary.identifiers import PointId
from protocols.vocabulary.measurement import Measurement, ProcessImage, Quality

START = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
SPECS = tuple(
    PointSpec(
        point_id=PointId(name),
        device_id=name.partition(".")[0],
        quantity=name.partition(".")[2],
        unit="1",
        minimum=0.0,
        maximum=1.0,
        max_age_s=3.0,
    )
    for name in ("b.soc", "a.soc")
)


@dataclass
class FakeClock:
    """Stands still until moved."""

    wall: datetime = START
    monotonic: int = 0

    def now(self) -> datetime:
        return self.wall

    def monotonic_ns(self) -> int:
        return self.monotonic


def reading(value: float | None, quality: Quality = Quality.GOOD) -> Measurement:
    return Measurement(value=value, quality=quality, measured_at=START, received_at=START)


def frozen(latest: LatestValues, clock: FakeClock) -> ProcessImage:
    return freeze(latest, SPECS, cycle=7, taken_at=clock.wall, monotonic_ns=clock.monotonic)


def test_every_configured_point_is_there_in_order() -> None:
    """If this fails, a replay puts a value on another point."""
    image = frozen(LatestValues(FakeClock()), FakeClock())
    assert list(image.points) == ["b.soc", "a.soc"]
    assert image.cycle == 7
    assert image.points[PointId("a.soc")].quality is Quality.BAD
    assert image.points[PointId("a.soc")].reason == "never read"


@pytest.mark.parametrize("value", [-0.001, 1.001, math.nan, math.inf, 2147483647.0])
def test_out_of_range_is_bad(value: float) -> None:
    """If this fails, a no-data code of a device is taken for a full battery."""
    clock = FakeClock()
    latest = LatestValues(clock)
    latest.update(PointId("a.soc"), reading(value))
    image = frozen(latest, clock)
    assert image.points[PointId("a.soc")].quality is Quality.BAD
    assert image.value(PointId("a.soc")) is None


def test_a_driver_that_says_bad_is_not_made_good() -> None:
    """If this fails, a broken sensor is trusted because its number looks plausible."""
    clock = FakeClock()
    latest = LatestValues(clock)
    latest.update(PointId("a.soc"), replace(reading(0.5, Quality.BAD), reason="sensor"))
    image = frozen(latest, clock)
    assert image.points[PointId("a.soc")].reason == "sensor"
    assert image.points[PointId("a.soc")].quality is Quality.BAD


def test_a_late_datagram_does_not_replace_a_newer_value() -> None:
    """If this fails, a datagram that took a detour turns the state of charge back."""
    clock = FakeClock(wall=START + timedelta(seconds=10), monotonic=10_000_000_000)
    latest = LatestValues(clock)
    newer = replace(reading(0.6), measured_at=START + timedelta(seconds=9))
    assert latest.update(PointId("a.soc"), newer)
    assert not latest.update(PointId("a.soc"), reading(0.5))
    assert frozen(latest, clock).value(PointId("a.soc")) == 0.6


def test_a_reading_from_the_future_is_not_fresh() -> None:
    """If this fails, a clock set back makes an old cached reading look new for an hour."""
    clock = FakeClock()
    latest = LatestValues(clock)
    latest.update(
        PointId("a.soc"), replace(reading(0.6), measured_at=START + timedelta(seconds=3600))
    )
    seen = frozen(latest, clock).points[PointId("a.soc")]
    assert seen.quality is Quality.STALE
    assert "ahead of the clock" in seen.reason
