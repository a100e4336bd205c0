"""The reports a VTN asked for: which span is due, which one is late and still owed. Pure.

Each request has a cursor: everything before it was delivered, or is in its backlog, or was never
measured. A report that did not arrive moves its span into the backlog; what is due now is sent
before what is late, and late readings are sent as long as they are kept.

Notes
-----
OpenADR 2.0b profile, EiReport service.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from protocols.openadr.codes import PayloadError, ResponseCode
from protocols.openadr.messages.report import OadrReport, OadrReportRequest
from protocols.openadr.ven.asked import NOTHING, Asked, Span, asked_record, read_asked
from protocols.openadr.ven.backoff import Backoff
from protocols.openadr.ven.memory import Drawn, Memory
from protocols.openadr.ven.readings import (
    METADATA,
    ReadingSource,
    Wanted,
    report_of,
    specifier_of,
)
from protocols.openadr.ven.settings import DataPoint, VenSettings

_KIND = "request"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SPANS_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DueReport:
    """A report to send now.

    Attributes
    ----------
    request_id : str
        reportRequestID.
    span : (datetime, datetime)
        What it covers.
    report : OadrReport
        Its contents.
    """

    request_id: str
    span: tuple[datetime, datetime]
    report: OadrReport


class ReportDesk:
    """All report requests of a VEN.

    Parameters
    ----------
    settings : VenSettings
        Of this VEN.
    source : ReadingSource
        Where readings are.
    memory : Memory
        Where requests are kept.
    """

    def __init__(self, settings: VenSettings, source: ReadingSource, memory: Memory) -> None:
        self._settings = settings
        self._source = source
        self._memory = memory
        self._asked: dict[str, Asked] = {}
        self._waits: dict[str, Backoff] = {}
        for record in memory.of_kind(_KIND):
            asked = read_asked(record)
            self._asked[asked.request_id] = asked

    @property
    def pending(self) -> tuple[str, ...]:
        """ReportRequestIDs of what is still to be sent."""
        return tuple(self._asked)

    def ask(self, requests: Iterable[OadrReportRequest], now: datetime) -> bool:
        """Take requests, all or none; returns whether metadata was among them.

        Raises
        ------
        PayloadError
            461 for what is not offered, 454 for what cannot be, with nothing taken.
        """
        wanted = list(requests)
        real = [one for one in wanted if one.report_specifier.report_specifier_id != METADATA]
        asked = [self._judged(one, now) for one in real]
        known = set(self._asked) | {one.request_id for one in asked}
        if len(known) > self._settings.requests_max:
            raise PayloadError("more report requests than can be held")
        for one in asked:
            self._keep(one)
            self._drop_if_done(one)
        return len(real) < len(wanted)

    def _judged(self, request: OadrReportRequest, now: datetime) -> Asked:
        """Plan of a request; one known already keeps its place if it is the same."""
        known = self._asked.get(request.report_request_id)
        if known is not None and known.request == request:
            return known
        points = self._points(request)
        specifier = request.report_specifier
        finest = max(point.min_period for point in points)
        granularity = specifier.granularity if specifier.granularity > NOTHING else finest
        if granularity < finest or granularity > min(point.max_period for point in points):
            raise PayloadError("granularity is not offered", code=ResponseCode.REPORT_NOT_SUPPORTED)
        back = specifier.report_back_duration
        if back < NOTHING or NOTHING < back < granularity:
            raise PayloadError("reportBackDuration is shorter than granularity")
        start, ends = self._period(request, now, granularity)
        return Asked(
            request=request,
            report_name=points[0].report_name,
            granularity=granularity,
            report_back=back,
            cursor=start,
            ends=ends,
        )

    def _points(self, request: OadrReportRequest) -> list[DataPoint]:
        """Points a request names; all of one report."""
        specifier = request.report_specifier
        offered = {
            point.r_id: point
            for point in self._settings.points
            if specifier_of(point.report_name) == specifier.report_specifier_id
        }
        names = [payload.r_id for payload in specifier.specifier_payload]
        if not names or not all(name in offered for name in names):
            raise PayloadError("report is not offered", code=ResponseCode.REPORT_NOT_SUPPORTED)
        return [offered[name] for name in names]

    def _period(
        self, request: OadrReportRequest, now: datetime, granularity: timedelta
    ) -> tuple[datetime, datetime | None]:
        """From when to when readings are wanted, in whole granularities of UTC."""
        specifier = request.report_specifier
        period = specifier.report_interval
        if period is None:
            start = _floor(now, granularity)
            if specifier.report_back_duration > NOTHING:
                return start, None
            return start, start + granularity
        try:
            start = _floor(period.dtstart, granularity)
            ends = start + period.duration if period.duration > NOTHING else None
        except OverflowError as error:
            raise PayloadError("reportInterval is beyond any time") from error
        if specifier.report_back_duration <= NOTHING and ends is None:
            ends = max(_floor(now, granularity), start + granularity)
        oldest = _floor(now - self._settings.backlog, granularity)
        return max(start, oldest), ends

    def due(self, now: datetime) -> DueReport | None:
        """Next report to send: what is due now before what is late, None if nothing is.

        Spans in which nothing was measured are passed over.
        """
        ready = now - self._settings.settle
        willing = [one for one in self._asked.values() if self._ready_at(one) <= now]
        for asked in willing:
            due = self._due_of(asked, ready, now)
            if due is not None:
                return due
        for request_id in [one.request_id for one in willing]:
            late = self._asked.get(request_id)
            due = None if late is None else self._late_of(late, now)
            if due is not None:
                return due
        return None

    def _ready_at(self, asked: Asked) -> datetime:
        wait = self._waits.get(asked.request_id)
        return _EPOCH if wait is None else wait.ready_at

    def _due_of(self, asked: Asked, ready: datetime, now: datetime) -> DueReport | None:
        """Report of the newest whole span; older ones go to the backlog."""
        end = asked.due_at()
        if end is None or end > ready:
            return None
        start = asked.cursor
        if asked.report_back > NOTHING:
            passed = (ready - end) // asked.report_back
            newest = end + passed * asked.report_back
            end = newest if asked.ends is None else min(newest, asked.ends)
            start = max(asked.cursor, end - asked.report_back)
        backlog = asked.backlog
        if start > asked.cursor:
            backlog = (*backlog, (asked.cursor, start))
        longest = asked.granularity * self._most(asked)
        if end - start > longest:
            backlog = (*backlog, (start, end - longest))
            start = end - longest
        kept = replace(asked, cursor=end, backlog=self._bounded(backlog, now))
        return self._send(kept, self._made(kept, (start, end), now))

    def _late_of(self, asked: Asked, now: datetime) -> DueReport | None:
        """Report of the oldest owed span that has readings."""
        backlog = list(asked.backlog)
        longest = asked.granularity * self._most(asked)
        report = None
        while backlog and report is None:
            start, end = backlog.pop(0)
            if end - start > longest:
                backlog.insert(0, (start + longest, end))
                end = start + longest
            report = self._made(asked, (start, end), now)
        return self._send(replace(asked, backlog=tuple(backlog)), report)

    def _send(self, asked: Asked, report: DueReport | None) -> DueReport | None:
        """Remember what is on its way, or that nothing is left."""
        self._keep(replace(asked, sending=None if report is None else report.span))
        if report is None:
            self._drop_if_done(asked)
        return report

    def _most(self, asked: Asked) -> int:
        """Granularities in one report."""
        points = len(asked.request.report_specifier.specifier_payload)
        return max(1, self._settings.readings_max // points)

    def _made(self, asked: Asked, span: Span, now: datetime) -> DueReport | None:
        wanted = Wanted(
            request=asked.request,
            report_name=asked.report_name,
            granularity=asked.granularity,
            span=span,
        )
        report = report_of(wanted, self._source, now)
        if report is None:
            return None
        return DueReport(request_id=asked.request_id, span=span, report=report)

    def delivered(self, due: DueReport) -> None:
        """Take note that a report has arrived."""
        asked = self._asked.get(due.request_id)
        if asked is not None:
            self._waits.pop(due.request_id, None)
            self._keep(replace(asked, sending=None))
            self._drop_if_done(asked)

    def refused(self, due: DueReport, now: datetime, drawn: Drawn) -> None:
        """Owe a report's span, and wait with this request: the VTN cannot take it now."""
        self.undelivered(due, now)
        fresh = Backoff(self._settings.retry_min, self._settings.retry_max)
        self._waits.setdefault(due.request_id, fresh).failed(now, drawn)

    def undelivered(self, due: DueReport, now: datetime) -> None:
        """Owe a report's span."""
        asked = self._asked.get(due.request_id)
        if asked is not None:
            backlog = self._bounded((*asked.backlog, due.span), now)
            self._keep(replace(asked, backlog=backlog, sending=None))

    def owe(self, span: Span, now: datetime) -> None:
        """Owe readings that came late, in whole granularities of what is dealt with already."""
        for asked in tuple(self._asked.values()):
            start = _floor(span[0], asked.granularity)
            end = min(span[1] + (_EPOCH - span[1]) % asked.granularity, asked.cursor)
            if start < end:
                backlog = self._bounded((*asked.backlog, (start, end)), now)
                self._keep(replace(asked, backlog=backlog))

    def owed_since(self) -> datetime | None:
        """Begin of the oldest readings that the VTN has not confirmed, None if it has all."""
        owed = [
            span[0]
            for asked in self._asked.values()
            for span in (*asked.backlog, *filter(None, (asked.sending,)))
        ]
        return min(owed, default=None)

    def _bounded(self, spans: Iterable[Span], now: datetime) -> tuple[Span, ...]:
        """Owed spans that are still kept, joined where they touch, oldest first."""
        oldest = now - self._settings.backlog
        joined: list[Span] = []
        for start, end in sorted(spans):
            if end <= oldest:
                continue
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((start, end))
        return tuple(joined[-_SPANS_MAX:])

    def wake_at(self) -> datetime | None:
        """When the next report is due."""
        times = []
        for asked in self._asked.values():
            end = _EPOCH if asked.backlog else asked.due_at()
            if end is not None:
                times.append(max(end + self._settings.settle, self._ready_at(asked)))
        return min(times, default=None)

    def cancel(self, request_ids: Iterable[str], now: datetime, *, to_follow: bool) -> None:
        """End requests; with `to_follow`, after a last report of what there is.

        Raises
        ------
        PayloadError
            452 for one that is not known, with nothing ended.
        """
        names = list(request_ids)
        if not all(name in self._asked for name in names):
            raise PayloadError("report request is not known", code=ResponseCode.INVALID_ID)
        for name in names:
            asked = self._asked[name]
            ends = _floor(now, asked.granularity)
            if to_follow and ends > asked.cursor:
                self._keep(replace(asked, ends=ends))
            else:
                self._drop(name)

    def end(self, *request_ids: str) -> None:
        """End requests that the VTN does not know (any more)."""
        for name in request_ids:
            if name in self._asked:
                self._drop(name)

    def _keep(self, asked: Asked) -> None:
        if self._asked.get(asked.request_id) != asked:
            self._asked[asked.request_id] = asked
            self._memory.put(_KIND, asked.request_id, asked_record(asked))

    def _drop_if_done(self, asked: Asked) -> None:
        if asked.due_at() is None and not asked.backlog:
            self._drop(asked.request_id)

    def _drop(self, request_id: str) -> None:
        del self._asked[request_id]
        self._waits.pop(request_id, None)
        self._memory.drop(_KIND, request_id)


def _floor(moment: datetime, step: timedelta) -> datetime:
    """Last whole step of UTC at or before a moment."""
    return moment - (moment - _EPOCH) % step
