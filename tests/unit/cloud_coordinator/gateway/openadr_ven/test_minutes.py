"""What a zone delivered is told minute by minute: never fresher or fuller than it is."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from cloud_coordinator.gateway.openadr_ven.minutes import POWER, STATUS, DeliveredMinutes
from cloud_coordinator.gateway.openadr_ven.zone import Zone, ZonePorts
from cloud_coordinator.services.records import AwardRecord
from protocols.openadr.ven.readings import Reading
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import ObligationId, SiteId
from protocols.vocabulary.intervals import Interval
from tests.unit.cloud_coordinator.gateway.openadr_ven.world import ZONE, Book, Desk, Stores, award
from tests.unit.protocols.openadr.samples import at

MINUTE = timedelta(minutes=1)
AWARDED = Interval(start=at("06:00"), end=at("07:00"))
SITES = 2


@dataclass(frozen=True)
class Second:
    """One second of an award as it is live."""

    second: int
    measured_w: float
    reporting: int
    expected: int = SITES


@dataclass(frozen=True)
class Series:
    """Every second of an award as it is stored."""

    second: IntArray
    delivered_w: FloatArray
    sites_present: IntArray


@dataclass(frozen=True)
class Delivery:
    """What the store says of an award."""

    series: Series
    sites: tuple[SiteId, ...]


def points(clock: str, count: int, power_w: float, *, reporting: int = SITES) -> list[Second]:
    """Make live seconds."""
    first = int(at(clock).timestamp())
    return [Second(first + k, power_w, reporting) for k in range(count)]


def readings(minutes: DeliveredMinutes, *clocks: str, r_id: str = POWER) -> list[Reading]:
    """Read from one moment to another."""
    return list(minutes.read(r_id, (at(clocks[0]), at(clocks[1])), MINUTE))


def short(found: Sequence[Reading]) -> list[tuple[str, float | None, bool]]:
    """Put readings in short: minute, value, whether it is good."""
    return [(f"{one.start:%H:%M}", one.value, "Good" in one.quality) for one in found]


def test_a_minute_is_the_mean_in_the_peers_sign_and_survives_a_restart() -> None:
    """If it fails, a TSO sees the fleet charge while it discharges, or nothing after a crash."""
    book = Book()
    minutes = DeliveredMinutes(book, -1.0)
    minutes.add(points("06:00", 30, 1000.0) + points("06:00:30", 30, 3000.0), AWARDED)
    book.put(minutes.keep(at("06:01:05")))
    assert short(readings(minutes, "06:00", "06:03")) == [("06:00", -2000.0, True)]
    again = DeliveredMinutes(book, -1.0)
    assert readings(again, "06:00", "06:03") == readings(minutes, "06:00", "06:03")
    (status,) = readings(again, "06:00", "06:03", r_id=STATUS)
    assert status.status is not None
    assert status.value is None


def test_what_is_missing_is_said_and_nothing_is_carried_over() -> None:
    """If it fails, a fleet that is half silent looks as if it were all there."""
    minutes = DeliveredMinutes(Book(), 1.0)
    minutes.add(points("06:00", 60, 500.0, reporting=1), AWARDED)
    minutes.add(points("06:01", 20, 500.0), AWARDED)
    minutes.add(points("06:02", 60, 500.0, reporting=0), AWARDED)
    assert short(readings(minutes, "06:00", "06:05")) == [
        ("06:00", 500.0, False),
        ("06:01", 500.0, False),
    ]


def test_an_award_that_begins_within_a_minute_is_whole_without_the_rest_of_it() -> None:
    """If it fails, the first minute of every award looks like a failure of the fleet."""
    minutes = DeliveredMinutes(Book(), 1.0)
    awarded = Interval(start=at("06:00:40"), end=at("07:00"))
    minutes.add(points("06:00:40", 20, 500.0), awarded)
    assert short(readings(minutes, "06:00", "06:01")) == [("06:00", 500.0, True)]


class Store:
    """What the coordinator's queries would say: all sites, 4 kW, as far as rows have come."""

    def __init__(self) -> None:
        self.looks = 0
        self.present = SITES
        sites = [SiteId(f"site-{k}") for k in range(SITES)]
        plain = award()
        commitments: tuple[Commitment, ...] = tuple(object() for _ in sites)  # type: ignore[assignment]
        self.award = AwardRecord(
            obligation=plain.obligation,
            terms=plain.terms,
            received_at=plain.received_at,
            commitments=commitments,
        )
        self._sites = tuple(sites)

    def awards(self) -> Sequence[AwardRecord]:
        """Return the only award."""
        return [self.award]

    def delivery(self, obligation_id: ObligationId) -> Delivery:
        """Return every second of the award."""
        self.looks += 1
        count = int(AWARDED.duration_s)
        first = int(AWARDED.start.timestamp())
        seconds = np.arange(first, first + count, dtype=np.int64)
        series = Series(
            second=seconds,
            delivered_w=np.full(count, 2000.0 * self.present),
            sites_present=np.full(count, self.present, dtype=np.int64),
        )
        return Delivery(series=series, sites=self._sites)


class Present:
    """Live seconds, given once."""

    def __init__(self) -> None:
        self.points: list[Second] = []

    def points_after(self, obligation_id: ObligationId, second: int) -> Sequence[Second]:
        """Return those after a second."""
        return [one for one in self.points if one.second > second]


class Clock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.at = at("06:00")

    def now(self) -> datetime:
        """Aware UTC."""
        return self.at

    def monotonic_ns(self) -> int:
        """Never goes back."""
        return 0


class Bed:
    """A zone, its store, and what is owed to the VTN."""

    def __init__(self) -> None:
        self.store, self.present, self.clock, self.book = Store(), Present(), Clock(), Book()
        self.owed: list[tuple[datetime, datetime]] = []
        self.restart()

    def restart(self) -> None:
        """Lose everything but the disk."""
        ports = ZonePorts(
            record=self.store,
            present=self.present,
            desk=Desk(Stores([])),
            book=self.book,
            clock=self.clock,
            draw=bytes,
        )
        self.zone = Zone(ZONE, 1.0, ports)

    def look(self, clock: str) -> list[str]:
        """Look at the present and back; return the minutes that are owed (again)."""
        self.clock.at = at(clock)
        self.zone.second(())
        self.owed.clear()
        asyncio.run(self.zone.look_back(self.owed.append))
        self.book.put(self.zone.minutes.keep(self.clock.at))
        return [f"{start:%H:%M}" for start, _ in self.owed]

    def told(self) -> list[tuple[str, float | None, bool]]:
        """Return readings of the first minutes."""
        return short(readings(self.zone.minutes, "06:00", "06:04"))


def test_a_minute_whose_sites_were_cut_off_is_told_again_when_their_record_has_come() -> None:
    """If it fails, a cut-off site's delivery is never shown to the TSO, though it was made."""
    bed = Bed()
    bed.store.present = 1
    bed.present.points = points("06:00", 60, 2000.0, reporting=1) + points("06:01", 60, 4000.0)
    assert bed.look("06:02:31") == [], "the store has no more yet"
    assert bed.told() == [("06:00", 2000.0, False), ("06:01", 4000.0, True)]
    bed.store.present = 2
    assert bed.look("06:02:35") == [], "it is not asked for every second"
    assert bed.look("06:05:31") == ["06:00", "06:02", "06:03", "06:04"]
    assert bed.told()[0] == ("06:00", 4000.0, True)
    looks = bed.store.looks
    assert bed.look("06:05:32") == []
    assert bed.store.looks == looks, "nothing is missing, nothing is asked for"


def test_minutes_of_a_time_in_which_we_were_dead_are_made_of_the_store() -> None:
    """If it fails, a crash of the coordinator is a hole in what the TSO is told."""
    bed = Bed()
    bed.present.points = points("06:00", 60, 4000.0)
    bed.look("06:01:10")
    bed.present.points = []
    bed.restart()
    assert bed.look("06:03:31") == ["06:01", "06:02"]
    assert bed.told() == [
        ("06:00", 4000.0, True),
        ("06:01", 4000.0, True),
        ("06:02", 4000.0, True),
    ]
