"""One request for a report with how far it is met, and its record. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from protocols.openadr.durations import format_instant, parse_instant
from protocols.openadr.messages.report import OadrCreateReport, OadrReportRequest
from protocols.openadr.ven.memory import Plain, string
from protocols.openadr.xml import decode, encode

NOTHING = timedelta()
Span = tuple[datetime, datetime]
"""Readings that begin in [start, end)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request with how far it is met.

    Attributes
    ----------
    request : OadrReportRequest
        As the VTN asked.
    report_name : str
        Of its points.
    granularity, report_back : timedelta
        > 0; report_back is zero for a single report.
    cursor : datetime
        Spans before it are done with or in the backlog.
    ends : datetime or None
        No readings from here on are wanted.
    backlog : tuple of spans
        Owed, oldest first, not overlapping.
    sending : span or None
        On its way; owed again after a restart.
    """

    request: OadrReportRequest
    report_name: str
    granularity: timedelta
    report_back: timedelta
    cursor: datetime
    ends: datetime | None
    backlog: tuple[Span, ...] = ()
    sending: Span | None = None

    @property
    def request_id(self) -> str:
        """The reportRequestID."""
        return self.request.report_request_id

    def due_at(self) -> datetime | None:
        """End of the next span; None when all of it was dealt with."""
        if self.ends is not None and self.cursor >= self.ends:
            return None
        if self.report_back <= NOTHING:
            return self.ends
        end = self.cursor + self.report_back
        return end if self.ends is None else min(end, self.ends)


def asked_record(asked: Asked) -> Plain:
    """Record of a request; what is on its way counts as owed."""
    owed = [*asked.backlog, *([] if asked.sending is None else [asked.sending])]
    return {
        "xml": encode(
            OadrCreateReport(request_id="", oadr_report_request=(asked.request,))
        ).decode(),
        "report_name": asked.report_name,
        "granularity_s": asked.granularity.total_seconds(),
        "report_back_s": asked.report_back.total_seconds(),
        "cursor": format_instant(asked.cursor),
        "ends": asked.ends and format_instant(asked.ends),
        "backlog": [[format_instant(start), format_instant(end)] for start, end in owed],
    }


def read_asked(record: Plain) -> Asked:
    """Request of a record."""
    wire = decode(string(record, "xml").encode())
    assert isinstance(wire, OadrCreateReport), "a record of a request holds one"
    ends, backlog = record["ends"], record["backlog"]
    assert isinstance(backlog, list), "a backlog is a list of spans"
    return Asked(
        request=wire.oadr_report_request[0],
        report_name=string(record, "report_name"),
        granularity=_seconds(record, "granularity_s"),
        report_back=_seconds(record, "report_back_s"),
        cursor=parse_instant(string(record, "cursor")),
        ends=parse_instant(ends) if isinstance(ends, str) else None,
        backlog=tuple((parse_instant(start), parse_instant(end)) for start, end in backlog),
    )


def _seconds(record: Plain, name: str) -> timedelta:
    value = record[name]
    assert isinstance(value, int | float), f"{name} of a record is a number"
    return timedelta(seconds=value)
