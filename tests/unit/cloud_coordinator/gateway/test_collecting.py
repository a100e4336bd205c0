"""Garbage collection behind the tick."""

import gc
import weakref
from datetime import UTC, datetime

from cloud_coordinator.gateway.collecting import FULL_S, LONG_S, THOROUGH_S, Garbage

START = datetime(2026, 4, 1, tzinfo=UTC)


class Clock:
    """Monotonic time that a test moves, and that moves by itself with every look."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.look_s = 0.0

    def now(self) -> datetime:
        return START

    def monotonic_ns(self) -> int:
        self.seconds += self.look_s
        return round(self.seconds * 1e9)


class Knot:
    """An object that only the collector can free."""

    def __init__(self) -> None:
        self.itself = self


def knot() -> "weakref.ref[Knot]":
    return weakref.ref(Knot())


def test_young_garbage_goes_with_every_beat_and_python_is_left_as_it_was() -> None:
    """If it fails, a coordinator's memory grows until it is killed in the middle of an award."""
    before = gc.get_threshold()
    with Garbage(Clock()) as garbage:
        lost = knot()
        garbage.collect()
        assert lost() is None
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before


def test_garbage_that_lived_is_found_and_a_grown_fleet_is_not_looked_through_again() -> None:
    """If it fails, a full round over all sites stops the dispatch for most of a second."""
    clock = Clock()
    with Garbage(clock) as garbage:
        kept = Knot()
        old = weakref.ref(kept)
        for _ in range(3):
            garbage.collect()
        del kept
        garbage.collect()
        clock.seconds += FULL_S
        garbage.collect()
        assert old() is None
        assert gc.get_freeze_count() == 0
        aside = Knot()
        seen = weakref.ref(aside)
        clock.seconds, clock.look_s = clock.seconds + FULL_S, 2.0 * LONG_S
        garbage.collect()
        assert gc.get_freeze_count() > 0
        del aside
        clock.look_s = 0.0
        clock.seconds += FULL_S
        garbage.collect()
        assert seen() is not None
        clock.seconds += THOROUGH_S
        garbage.collect()
        assert seen() is None
    assert gc.get_freeze_count() == 0
