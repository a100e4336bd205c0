"""Freshness: whatever the clocks do, an old reading never looks fresh."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.image.image import LatestValues, freeze
from edge_agent.points.table import PointSpec
from protocols.vocabulary.identifiers import PointId
from protocols.vocabulary.measurement import Measurement, ProcessImage, Quality

START = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
POINT = PointId("meter.power_w")
SPEC = PointSpec(
    point_id=POINT,
    device_id="meter",
    quantity="power_w",
    unit="W",
    minimum=-1e6,
    maximum=1e6,
    max_age_s=3.0,
)


@dataclass
class FakeClock:
    """Wall and monotonic time that a test moves by hand."""

    wall: datetime = START
    monotonic: int = 1_000_000_000_000

    def now(self) -> datetime:
        return self.wall

    def monotonic_ns(self) -> int:
        return self.monotonic

    def pass_s(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.monotonic += round(seconds * 1e9)

    def step_wall_s(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)


def reading(clock: FakeClock, value: float) -> Measurement:
    return Measurement(
        value=value, quality=Quality.GOOD, measured_at=clock.now(), received_at=clock.now()
    )


def frozen(latest: LatestValues, clock: FakeClock) -> ProcessImage:
    return freeze(latest, (SPEC,), cycle=1, taken_at=clock.now(), monotonic_ns=clock.monotonic_ns())


steps = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.floats(0.01, 10.0)),
        st.tuples(st.just("step"), st.floats(-1e6, 1e6)),
        st.tuples(st.just("step"), st.floats(-5.0, 5.0)),
        st.tuples(st.just("read"), st.floats(-1e5, 1e5)),
        st.tuples(st.just("cached"), st.just(0.0)),
    ),
    max_size=30,
)


@given(steps)
def test_good_means_really_measured_within_max_age(actions: list[tuple[str, float]]) -> None:
    """If this fails, control steers by a reading that is old, because a clock was set."""
    clock = FakeClock()
    latest = LatestValues(clock)
    source_times: set[datetime] = set()
    truly_measured_ns: int | None = None
    last: Measurement | None = None
    for action, number in actions:
        if action == "pass":
            clock.pass_s(number)
        elif action == "step":
            clock.step_wall_s(number)
        elif action == "read":
            last = reading(clock, number)
            source_times.add(last.measured_at)
            if latest.update(POINT, last):
                truly_measured_ns = clock.monotonic
        elif last is not None:
            latest.update(POINT, last)
        image = frozen(latest, clock)
        seen = image.points[POINT]
        if seen.quality is Quality.GOOD:
            assert truly_measured_ns is not None
            assert clock.monotonic - truly_measured_ns <= 3.0e9 + 1
        if seen.value is not None:
            assert seen.measured_at in source_times


@given(st.floats(-1e7, 1e7), st.floats(0.01, 2.9))
def test_a_new_reading_is_taken_after_any_step_of_the_clock(step_s: float, pause_s: float) -> None:
    """If this fails, a site is blind for as long as its clock was set back."""
    clock = FakeClock()
    latest = LatestValues(clock)
    latest.update(POINT, reading(clock, 1.0))
    clock.step_wall_s(step_s)
    clock.pass_s(pause_s)
    assert latest.update(POINT, reading(clock, 2.0))
    image = frozen(latest, clock)
    assert image.value(POINT) == 2.0


@given(st.floats(3.1, 1e6), st.floats(-1e6, 1e6))
def test_a_silent_point_goes_stale_in_its_max_age(silence_s: float, step_s: float) -> None:
    """If this fails, a dead meter keeps its last value for ever."""
    clock = FakeClock()
    latest = LatestValues(clock)
    latest.update(POINT, reading(clock, 1.0))
    clock.pass_s(silence_s)
    clock.step_wall_s(step_s)
    image = frozen(latest, clock)
    assert image.points[POINT].quality is Quality.STALE
    assert image.points[POINT].value == 1.0
    assert image.points[POINT].measured_at == START
    assert image.value(POINT) is None


@given(st.floats(3.1, 60.0), st.floats(-60.0, -0.01))
def test_a_cached_reading_given_again_stays_old(silence_s: float, step_s: float) -> None:
    """If this fails, a driver that repeats itself while the clock is set back feigns a meter."""
    clock = FakeClock()
    latest = LatestValues(clock)
    cached = reading(clock, 1.0)
    latest.update(POINT, cached)
    clock.pass_s(silence_s)
    clock.step_wall_s(step_s)
    assert not latest.update(POINT, cached)
    assert frozen(latest, clock).points[POINT].quality is Quality.STALE
