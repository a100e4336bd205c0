"""EiReport of OpenADR 2.0b: what can be reported, what is wanted, and the reports.

Notes
-----
oadr_20b.xsd (report payloads), oadr_ei_20b.xsd (reports section).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from protocols.openadr.messages.elements import (
    ITEMS,
    EiResponse,
    EiTarget,
    Interval,
    Item,
    Properties,
)
from protocols.openadr.parts import child, flag, instant, length, text, token


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrSamplingRate:
    """How often a data point is measured (oadr:oadrSamplingRate)."""

    oadr_min_period: timedelta = field(metadata=length("oadr:oadrMinPeriod"))
    oadr_max_period: timedelta = field(metadata=length("oadr:oadrMaxPeriod"))
    oadr_on_change: bool = field(metadata=flag("oadr:oadrOnChange"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrReportDescription:
    """A data point that can be reported (oadr:oadrReportDescription)."""

    r_id: str = field(metadata=text("ei:rID"))
    report_subject: EiTarget | None = field(
        default=None, metadata=child("ei:reportSubject", EiTarget)
    )
    report_data_source: EiTarget | None = field(
        default=None, metadata=child("ei:reportDataSource", EiTarget)
    )
    report_type: str = field(metadata=token("ei:reportType"))
    item_base: Item | None = field(
        default=None, metadata=child("emix:itemBase", Item, variants=ITEMS)
    )
    reading_type: str = field(metadata=token("ei:readingType"))
    market_context: str | None = field(default=None, metadata=token("emix:marketContext"))
    oadr_sampling_rate: OadrSamplingRate | None = field(
        default=None, metadata=child("oadr:oadrSamplingRate", OadrSamplingRate)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrReport:
    """Metadata, or readings (oadr:oadrReport).

    Attributes
    ----------
    intervals : tuple of Interval
        With one payload per data point; empty in metadata.
    report_request_id : str
        Of the request it answers; "0" in metadata.
    report_specifier_id : str
        Of the metadata it follows.
    report_name : str or None
        E.g. METADATA_TELEMETRY_USAGE, TELEMETRY_USAGE.
    """

    dtstart: datetime | None = field(default=None, metadata=instant("xcal:dtstart/xcal:date-time"))
    duration: timedelta | None = field(default=None, metadata=length("xcal:duration/xcal:duration"))
    intervals: tuple[Interval, ...] = field(
        default=(), metadata=child("strm:intervals/ei:interval[]", Interval)
    )
    ei_report_id: str | None = field(default=None, metadata=text("ei:eiReportID"))
    oadr_report_description: tuple[OadrReportDescription, ...] = field(
        default=(), metadata=child("oadr:oadrReportDescription[]", OadrReportDescription)
    )
    report_request_id: str = field(metadata=text("ei:reportRequestID"))
    report_specifier_id: str = field(metadata=text("ei:reportSpecifierID"))
    report_name: str | None = field(default=None, metadata=token("ei:reportName"))
    created_date_time: datetime = field(metadata=instant("ei:createdDateTime"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecifierPayload:
    """A data point wanted (ei:specifierPayload)."""

    r_id: str = field(metadata=text("ei:rID"))
    item_base: Item | None = field(
        default=None, metadata=child("emix:itemBase", Item, variants=ITEMS)
    )
    reading_type: str = field(metadata=token("ei:readingType"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSpecifier:
    """Which report is wanted, when and how fine (ei:reportSpecifier).

    Attributes
    ----------
    granularity : timedelta
        Time between readings; zero for "as they are".
    report_back_duration : timedelta
        Time between reports; zero for a single one.
    report_interval : Properties or None
        What time the readings are from; duration zero has no end.
    """

    report_specifier_id: str = field(metadata=text("ei:reportSpecifierID"))
    granularity: timedelta = field(metadata=length("xcal:granularity/xcal:duration"))
    report_back_duration: timedelta = field(metadata=length("ei:reportBackDuration/xcal:duration"))
    report_interval: Properties | None = field(
        default=None, metadata=child("ei:reportInterval/xcal:properties", Properties)
    )
    specifier_payload: tuple[SpecifierPayload, ...] = field(
        metadata=child("ei:specifierPayload[]", SpecifierPayload)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrReportRequest:
    """A report is wanted (oadr:oadrReportRequest)."""

    report_request_id: str = field(metadata=text("ei:reportRequestID"))
    report_specifier: ReportSpecifier = field(metadata=child("ei:reportSpecifier", ReportSpecifier))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrRegisterReport:
    """Either side says what it can report."""

    request_id: str = field(metadata=text("pyld:requestID"))
    oadr_report: tuple[OadrReport, ...] = field(
        default=(), metadata=child("oadr:oadrReport[]", OadrReport)
    )
    ven_id: str | None = field(default=None, metadata=text("ei:venID"))
    report_request_id: str | None = field(default=None, metadata=text("ei:reportRequestID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrRegisteredReport:
    """The other side takes note, and may ask for reports at once."""

    ei_response: EiResponse = field(metadata=child("ei:eiResponse", EiResponse))
    oadr_report_request: tuple[OadrReportRequest, ...] = field(
        default=(), metadata=child("oadr:oadrReportRequest[]", OadrReportRequest)
    )
    ven_id: str | None = field(default=None, metadata=text("ei:venID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrCreateReport:
    """Reports are wanted."""

    request_id: str = field(metadata=text("pyld:requestID"))
    oadr_report_request: tuple[OadrReportRequest, ...] = field(
        metadata=child("oadr:oadrReportRequest[]", OadrReportRequest)
    )
    ven_id: str | None = field(default=None, metadata=text("ei:venID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrCreatedReport:
    """The request was received; pending are the reports not yet sent."""

    ei_response: EiResponse = field(metadata=child("ei:eiResponse", EiResponse))
    oadr_pending_reports: tuple[str, ...] = field(
        default=(), metadata=text("oadr:oadrPendingReports/ei:reportRequestID[]", always=True)
    )
    ven_id: str | None = field(default=None, metadata=text("ei:venID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrUpdateReport:
    """Reports."""

    request_id: str = field(metadata=text("pyld:requestID"))
    oadr_report: tuple[OadrReport, ...] = field(
        default=(), metadata=child("oadr:oadrReport[]", OadrReport)
    )
    ven_id: str | None = field(default=None, metadata=text("ei:venID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrCancelReport:
    """Reports are wanted no more.

    Attributes
    ----------
    report_to_follow : bool
        True if one last report is wanted.
    """

    request_id: str = field(metadata=text("pyld:requestID"))
    report_request_id: tuple[str, ...] = field(metadata=text("ei:reportRequestID[]"))
    report_to_follow: bool = field(metadata=flag("pyld:reportToFollow"))
    ven_id: str | None = field(default=None, metadata=text("ei:venID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrUpdatedReport:
    """Reports were received, and some may be cancelled at once."""

    ei_response: EiResponse = field(metadata=child("ei:eiResponse", EiResponse))
    oadr_cancel_report: OadrCancelReport | None = field(
        default=None, metadata=child("oadr:oadrCancelReport", OadrCancelReport)
    )
    ven_id: str | None = field(default=None, metadata=text("ei:venID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrCanceledReport:
    """The end of reports was received; pending are those still sent."""

    ei_response: EiResponse = field(metadata=child("ei:eiResponse", EiResponse))
    oadr_pending_reports: tuple[str, ...] = field(
        default=(), metadata=text("oadr:oadrPendingReports/ei:reportRequestID[]", always=True)
    )
    ven_id: str | None = field(default=None, metadata=text("ei:venID"))
