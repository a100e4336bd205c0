"""What a VEN can report, and the reports made of it; no store, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from protocols.openadr.messages.elements import (
    EiTarget,
    Interval,
    OadrPayloadResourceStatus,
    OadrReportPayload,
)
from protocols.openadr.messages.report import (
    OadrReport,
    OadrReportDescription,
    OadrReportRequest,
    OadrSamplingRate,
)
from protocols.openadr.ven.settings import DataPoint, VenSettings

METADATA = "METADATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A value of a data point over an interval.

    Attributes
    ----------
    start : datetime
        UTC.
    value : float or None
        In the point's unit; None for a status.
    status : OadrPayloadResourceStatus or None
        For points of status.
    quality : str
        Word of oadrDataQuality.
    """

    start: datetime
    value: float | None = None
    status: OadrPayloadResourceStatus | None = None
    quality: str = "Quality Good - Non Specific"


class ReadingSource(Protocol):
    """Where readings are kept; made by the shell, durable, and free of anything not measured."""

    def read(
        self, r_id: str, span: tuple[datetime, datetime], granularity: timedelta
    ) -> Sequence[Reading]:
        """Return readings of a point that begin in a span, one per granularity; gaps stay gaps."""


def specifier_of(report_name: str) -> str:
    """ReportSpecifierID of the report that has all points of one name."""
    return report_name.lower()


def metadata_reports(settings: VenSettings, now: datetime) -> tuple[OadrReport, ...]:
    """Make the reports that say what can be reported, one per report name."""
    names = tuple(dict.fromkeys(point.report_name for point in settings.points))
    return tuple(
        OadrReport(
            duration=settings.backlog,
            oadr_report_description=tuple(
                _description(point) for point in settings.points if point.report_name == name
            ),
            report_request_id="0",
            report_specifier_id=specifier_of(name),
            report_name=f"{METADATA}_{name}",
            created_date_time=now,
        )
        for name in names
    )


def _description(point: DataPoint) -> OadrReportDescription:
    target = EiTarget(resource_id=(point.resource_id,)) if point.resource_id else None
    return OadrReportDescription(
        r_id=point.r_id,
        report_subject=target,
        report_data_source=target,
        report_type=point.report_type,
        item_base=point.item_base,
        reading_type=point.reading_type,
        oadr_sampling_rate=OadrSamplingRate(
            oadr_min_period=point.min_period,
            oadr_max_period=point.max_period,
            oadr_on_change=False,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What part of a report is made.

    Attributes
    ----------
    request : OadrReportRequest
        As the VTN asked.
    report_name : str
        Of its points.
    granularity : timedelta
        > 0.
    span : (datetime, datetime)
        Readings that begin in [start, end).
    """

    request: OadrReportRequest
    report_name: str
    granularity: timedelta
    span: tuple[datetime, datetime]


def report_of(wanted: Wanted, source: ReadingSource, now: datetime) -> OadrReport | None:
    """Report of a span of time, None if nothing was measured in it."""
    specifier = wanted.request.report_specifier
    intervals = [
        Interval(
            dtstart=reading.start,
            duration=wanted.granularity,
            oadr_report_payload=(_payload(payload.r_id, reading),),
        )
        for payload in specifier.specifier_payload
        for reading in source.read(payload.r_id, wanted.span, wanted.granularity)
        if reading.value is not None or reading.status is not None
    ]
    if not intervals:
        return None
    intervals.sort(key=lambda interval: interval.dtstart or now)
    return OadrReport(
        dtstart=wanted.span[0],
        duration=wanted.span[1] - wanted.span[0],
        intervals=tuple(
            replace(interval, uid=str(place)) for place, interval in enumerate(intervals)
        ),
        report_request_id=wanted.request.report_request_id,
        report_specifier_id=specifier.report_specifier_id,
        report_name=wanted.report_name,
        created_date_time=now,
    )


def _payload(r_id: str, reading: Reading) -> OadrReportPayload:
    if reading.status is not None:
        return OadrReportPayload(
            r_id=r_id,
            oadr_payload_resource_status=reading.status,
            oadr_data_quality=reading.quality,
        )
    return OadrReportPayload(
        r_id=r_id, payload_float=reading.value, oadr_data_quality=reading.quality
    )
