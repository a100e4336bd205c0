"""What the meter said, as OpenADR reports it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from edge_agent.northbound.openadr.readings import (
    ENERGY_HISTORY,
    POWER,
    POWER_HISTORY,
    STATUS,
    MeterReadings,
)
from protocols.sansio.records import Change
from tests.unit.edge_agent.northbound.openadr.scripted_vtn import second
from tests.unit.protocols.openadr.samples import at

MINUTE = timedelta(minutes=1)


class Book:
    """Records in memory."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {"event/other": b"{}"}

    def load(self) -> Mapping[str, bytes]:
        """All records."""
        return dict(self.records)

    def put(self, changes: Iterable[Change]) -> None:
        """Keep them."""
        for change in changes:
            if change.value is None:
                self.records.pop(change.key, None)
            else:
                self.records[change.key] = change.value


def _fed(
    start: datetime, seconds: int, meter_w: float | None, *, readings: MeterReadings
) -> MeterReadings:
    for n in range(seconds):
        readings.add(second(start + timedelta(seconds=n), meter_w=meter_w))
    return readings


def _values(
    readings: MeterReadings,
    r_id: str,
    start: datetime,
    *,
    end: datetime,
    step: timedelta = MINUTE,
) -> list[tuple[datetime, float | None]]:
    return [(one.start, one.value) for one in readings.read(r_id, (start, end), step)]


def test_usage_is_import_above_zero() -> None:
    """If it fails, a site that shed load is settled as one that added it."""
    readings = _fed(at("12:00"), 61, -1500.0, readings=MeterReadings(Book()))
    assert _values(readings, POWER, at("12:00"), end=at("12:01")) == [(at("12:00"), 1500.0)]


def test_a_gap_is_not_filled() -> None:
    """If it fails, a dead meter's last value is sold as the present."""
    readings = _fed(at("12:00"), 60, -1000.0, readings=MeterReadings(Book()))
    _fed(at("12:01"), 120, None, readings=readings)
    _fed(at("12:03"), 30, -2000.0, readings=readings)
    _fed(at("12:04"), 1, -2000.0, readings=readings)
    found = readings.read(POWER, (at("12:00"), at("12:04")), MINUTE)
    assert [one.start for one in found] == [at("12:00"), at("12:03")]
    half, one_in_four = found[1], readings.read(POWER, (at("12:00"), at("12:04")), 4 * MINUTE)[0]
    assert half.quality == "Quality Good - Non Specific"
    assert one_in_four.value == pytest.approx((1000.0 * 60 + 2000.0 * 30) / 90, abs=0.01)
    assert one_in_four.quality == "Quality Uncertain - Non Specific"


def test_a_minute_is_there_though_the_meter_fell_silent_after_it() -> None:
    """If it fails, a minute that was measured is never reported."""
    readings = _fed(at("12:00"), 60, -1000.0, readings=MeterReadings(Book()))
    assert _values(readings, POWER, at("12:00"), end=at("12:01")) == [(at("12:00"), 1000.0)]


def test_minutes_survive_a_restart_and_seconds_do_not() -> None:
    """If it fails, an outage and a restart together are a hole in the settlement."""
    book = Book()
    readings = _fed(at("12:00"), 181, -1000.0, readings=MeterReadings(book))
    book.put(readings.keep(at("12:03")))
    again = MeterReadings(book)
    assert len(_values(again, POWER_HISTORY, at("12:00"), end=at("12:03"))) == 3
    assert _values(again, POWER, at("12:00"), end=at("12:03"), step=timedelta(seconds=2)) == []


def test_energy_is_power_over_time() -> None:
    """If it fails, a history of energy is off by sixty."""
    readings = _fed(at("12:00"), 61, -6000.0, readings=MeterReadings(Book()))
    assert _values(readings, ENERGY_HISTORY, at("12:00"), end=at("12:01")) == [(at("12:00"), 100.0)]


def test_old_minutes_are_dropped() -> None:
    """If it fails, the records of a gateway grow for years."""
    book = Book()
    readings = _fed(at("12:00"), 61, -1.0, readings=MeterReadings(book))
    book.put(readings.keep(at("12:01")))
    week = at("13:00") + timedelta(days=8)
    _fed(week, 61, -1.0, readings=readings)
    book.put(readings.keep(week + MINUTE))
    assert sorted(book.records) == ["event/other", f"minutes/{int(week.timestamp())}"]


def test_status_says_online_only_while_there_are_measurements() -> None:
    """If it fails, a site that is dark is counted as ready."""
    readings = _fed(at("12:00"), 61, -1.0, readings=MeterReadings(Book()))
    (status,) = readings.read(STATUS, (at("12:00"), at("12:01")), MINUTE)
    assert status.status is not None
    assert status.status.oadr_online
    assert readings.read(STATUS, (at("13:00"), at("13:01")), MINUTE) == ()


def test_a_person_who_holds_the_site_is_seen_in_the_status_of_that_minute() -> None:
    """If it fails, a VTN takes a site that a technician holds for one that disobeys."""
    book = Book()
    readings = MeterReadings(book)
    _fed(at("12:00"), 60, -1.0, readings=readings)
    readings.add(replace(second(at("12:01"), meter_w=-1.0), is_overridden=True))
    _fed(at("12:01:01"), 60, -1.0, readings=readings)
    book.put(readings.keep(at("12:02:01")))
    for one in (readings, MeterReadings(book)):
        found = one.read(STATUS, (at("12:00"), at("12:02")), MINUTE)
        said = [reading.status and reading.status.oadr_manual_override for reading in found]
        assert said == [False, True]
