"""Readings that VENs reported, durable and without duplicates; the oldest go first.

Notes
-----
OpenADR 2.0b, EiReport service, oadrUpdateReport.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import cast

from protocols.openadr.codes import PayloadError
from protocols.openadr.durations import format_instant, parse_instant
from protocols.openadr.messages.elements import Interval, OadrReportPayload
from protocols.openadr.messages.report import OadrReport
from protocols.openadr.vtn.ledger import Ledger, Plain, key_of, read_record
from protocols.openadr.vtn.vens import IDENTIFIER_MAX

KIND = "reading"
INTERVALS_MAX = 10_000
"""Most intervals of one report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a VEN reported for one interval of one request.

    Attributes
    ----------
    ven_id, request_id : str
        Whose, and for what.
    start : datetime
        Begin of the interval, UTC.
    duration_s : float or None
        Its length, s.
    points : Mapping
        By rID: value (in the unit of the offer), quality, status.
    received_at : datetime
        When it came last, UTC.
    """

    ven_id: str
    request_id: str
    start: datetime
    duration_s: float | None
    points: Mapping[str, Mapping[str, object]]
    received_at: datetime


class ReadingBook:
    """Readings of all VENs.

    Parameters
    ----------
    kept : int
        Intervals kept per request.
    requests_kept : int
        Requests of a VEN whose readings are kept; the longest silent goes first.
    """

    def __init__(self, *, kept: int, requests_kept: int) -> None:
        self._kept = kept
        self._requests_kept = requests_kept
        self._readings: dict[str, dict[str, dict[datetime, Reading]]] = {}
        self.received = 0
        self.duplicates = 0

    def load(self, record: bytes) -> None:
        """Take a record as it was kept."""
        read = read_record(record)
        reading = Reading(
            ven_id=cast("str", read["ven_id"]),
            request_id=cast("str", read["request_id"]),
            start=parse_instant(cast("str", read["start"])),
            duration_s=cast("float | None", read["duration_s"]),
            points=cast("dict[str, Plain]", read["points"]),
            received_at=parse_instant(cast("str", read["received_at"])),
        )
        self._place(reading.ven_id, reading.request_id)[reading.start] = reading

    def of(self, ven_id: str) -> tuple[Reading, ...]:
        """All readings of a VEN that are kept, by request and time."""
        return tuple(
            reading
            for place in self._readings.get(ven_id, {}).values()
            for _, reading in sorted(place.items())
        )

    def knows(self, ven_id: str, request_id: str) -> bool:
        """Whether there are readings of a request."""
        return bool(self._readings.get(ven_id, {}).get(request_id))

    def keep(self, ven_id: str, report: OadrReport, *, now: datetime, ledger: Ledger) -> int:
        """Keep the readings of a report; returns how many values were not known before.

        Raises
        ------
        PayloadError
            454 if it is too long, or an interval has no start.
        """
        if len(report.intervals) > INTERVALS_MAX:
            raise PayloadError(f"more than {INTERVALS_MAX} intervals in one report")
        place = self._place(ven_id, report.report_request_id)
        new = 0
        for start, interval in _placed(report):
            points = {entry.r_id: _plain(entry) for entry in interval.oadr_report_payload}
            if any(len(r_id) > IDENTIFIER_MAX for r_id in points):
                raise PayloadError(f"an rID of more than {IDENTIFIER_MAX} characters")
            before = place.get(start)
            fresh = points if before is None else _changed(before.points, points)
            self.received += len(points)
            self.duplicates += len(points) - len(fresh)
            if not fresh:
                continue
            new += len(fresh)
            length = interval.duration or (report.duration if len(report.intervals) == 1 else None)
            reading = Reading(
                ven_id=ven_id,
                request_id=report.report_request_id,
                start=start,
                duration_s=None if length is None else length.total_seconds(),
                points={**(before.points if before is not None else {}), **fresh},
                received_at=now,
            )
            place[start] = reading
            ledger.put(_key(reading), _record(reading))
        self._trim(ven_id, place, ledger)
        return new

    def _place(self, ven_id: str, request_id: str) -> dict[datetime, Reading]:
        return self._readings.setdefault(ven_id, {}).setdefault(request_id, {})

    def _trim(self, ven_id: str, place: dict[datetime, Reading], ledger: Ledger) -> None:
        """Drop the oldest of a request, and the longest silent of too many requests."""
        for start in sorted(place)[: max(len(place) - self._kept, 0)]:
            ledger.drop(_key(place.pop(start)))
        places = self._readings[ven_id]
        for request_id in tuple(name for name, kept in places.items() if not kept):
            del places[request_id]
        while len(places) > self._requests_kept:
            silent = min(places, key=lambda name: max(places[name]))
            for reading in places.pop(silent).values():
                ledger.drop(_key(reading))


def _placed(report: OadrReport) -> Iterator[tuple[datetime, Interval]]:
    """Intervals with their starts: their own, or the end of the one before."""
    follows = report.dtstart
    for interval in report.intervals:
        start = interval.dtstart or follows
        if start is None:
            raise PayloadError("an interval of the report has no start")
        yield start, interval
        try:
            follows = start + interval.duration if interval.duration else None
        except OverflowError:
            raise PayloadError("an interval ends beyond any calendar") from None


def _plain(payload: OadrReportPayload) -> Plain:
    plain: Plain = {}
    if payload.payload_float is not None:
        plain["value"] = payload.payload_float
    if payload.oadr_payload_resource_status is not None:
        plain["status"] = asdict(payload.oadr_payload_resource_status)
    for name in ("confidence", "accuracy", "oadr_data_quality"):
        if getattr(payload, name) is not None:
            plain[name] = getattr(payload, name)
    return plain


def _changed(
    before: Mapping[str, Mapping[str, object]], points: Mapping[str, Plain]
) -> dict[str, Plain]:
    return {r_id: value for r_id, value in points.items() if before.get(r_id) != value}


def _key(reading: Reading) -> str:
    return key_of(KIND, reading.ven_id, reading.request_id, format_instant(reading.start))


def _record(reading: Reading) -> Plain:
    return {
        "ven_id": reading.ven_id,
        "request_id": reading.request_id,
        "start": format_instant(reading.start),
        "duration_s": reading.duration_s,
        "points": dict(reading.points),
        "received_at": format_instant(reading.received_at),
    }
