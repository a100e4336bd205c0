"""Reports a VTN asks its VENs for: what they offer, what was asked, what came.

A request stays asked until the VEN has confirmed it or reported on it; a cancelled one stays
cancelled until the VEN has confirmed that. A reading is known by request, start and data point:
what comes twice is kept once, what comes anew for the same replaces.

Notes
-----
OpenADR 2.0b, EiReport service.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from protocols.openadr.codes import PayloadError, ResponseCode
from protocols.openadr.messages.report import (
    OadrCreateReport,
    OadrRegisterReport,
    OadrReport,
    OadrReportDescription,
    OadrReportRequest,
    ReportSpecifier,
    SpecifierPayload,
)
from protocols.openadr.vtn.ledger import Ledger, key_of, read_record
from protocols.openadr.vtn.readings import ReadingBook
from protocols.openadr.vtn.settings import VtnSettings, WantedReport
from protocols.openadr.vtn.vens import IDENTIFIER_MAX
from protocols.openadr.xml import decode, encode

OFFER_KIND = "offer"
REQUEST_KIND = "request"
METADATA = "METADATA_"
POINTS_MAX = 2_000
"""Most data points of one report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedReport:
    """A request for a report.

    Attributes
    ----------
    report_name : str
        E.g. TELEMETRY_USAGE.
    request : OadrReportRequest
        As it goes on the wire.
    confirmed : bool
        True once the VEN has said that it knows of it, or reported on it.
    ending : bool
        True once it is cancelled and the VEN has not confirmed that.
    """

    report_name: str
    request: OadrReportRequest
    confirmed: bool = False
    ending: bool = False

    @property
    def request_id(self) -> str:
        """Its reportRequestID."""
        return self.request.report_request_id


@dataclass(slots=True)
class _Desk:
    """What there is with one VEN."""

    offers: dict[str, OadrReport]
    asked: dict[str, AskedReport]


class ReportBook:
    """Offers, requests and readings of all VENs of one VTN.

    Parameters
    ----------
    settings : VtnSettings
        Of the VTN.
    """

    def __init__(self, settings: VtnSettings) -> None:
        self._settings = settings
        self._desks: dict[str, _Desk] = {}
        self.readings = ReadingBook(kept=settings.readings_kept, requests_kept=settings.reports_max)

    def load(self, kind: str, record: bytes) -> None:
        """Take a record as it was kept."""
        if kind == OFFER_KIND:
            payload = decode(record)
            assert isinstance(payload, OadrRegisterReport), "kept so"
            (report,) = payload.oadr_report
            self._desk(payload.ven_id or "").offers[report.report_specifier_id] = report
            return
        read = read_record(record)
        payload = decode(cast("str", read["payload"]).encode())
        assert isinstance(payload, OadrCreateReport), "kept so"
        asked = AskedReport(
            report_name=cast("str", read["report_name"]),
            request=payload.oadr_report_request[0],
            confirmed=bool(read["confirmed"]),
            ending=bool(read["ending"]),
        )
        self._desk(payload.ven_id or "").asked[asked.request_id] = asked

    def offers(self, ven_id: str) -> tuple[OadrReport, ...]:
        """Metadata reports of a VEN."""
        return tuple(self._desk(ven_id).offers.values())

    def asked(self, ven_id: str) -> tuple[AskedReport, ...]:
        """Return the requests to a VEN that are not over."""
        return tuple(self._desk(ven_id).asked.values())

    def offered(self, ven_id: str, reports: Iterable[OadrReport], ledger: Ledger) -> None:
        """Take what a VEN can report; it replaces what it said before.

        Requests for what is no longer offered are over; wanted reports that are offered are
        asked for. A VEN that registers its reports has forgotten requests, so all of them are
        told again.

        Raises
        ------
        PayloadError
            454 if there are more than there is room for.
        """
        offered = {report.report_specifier_id: report for report in reports}
        if len(offered) > self._settings.reports_max:
            raise PayloadError(f"more than {self._settings.reports_max} reports")
        for report in offered.values():
            _check_offer(report)
        desk = self._desk(ven_id)
        for gone in set(desk.offers) - set(offered):
            del desk.offers[gone]
            ledger.drop(key_of(OFFER_KIND, ven_id, gone))
        for asked in tuple(desk.asked.values()):
            if asked.request.report_specifier.report_specifier_id not in offered or asked.ending:
                self._forget(ven_id, asked, ledger)
            else:
                self._keep(ven_id, replace(asked, confirmed=False), ledger)
        for specifier_id, report in offered.items():
            desk.offers[specifier_id] = report
            payload = OadrRegisterReport(request_id="", oadr_report=(report,), ven_id=ven_id)
            ledger.put_payload(key_of(OFFER_KIND, ven_id, specifier_id), payload)
        for wanted in self._settings.wanted_reports:
            self._want(ven_id, wanted, ledger)

    def ask(self, ven_id: str, request: OadrReportRequest, ledger: Ledger) -> AskedReport:
        """Ask a VEN for a report.

        Raises
        ------
        PayloadError
            461 if it does not offer the report or a data point; 451 if there is no room.
        """
        desk = self._desk(ven_id)
        specifier = request.report_specifier
        offer = desk.offers.get(specifier.report_specifier_id)
        if offer is None:
            raise PayloadError(
                "the VEN does not offer this report", code=ResponseCode.REPORT_NOT_SUPPORTED
            )
        known = {description.r_id for description in offer.oadr_report_description}
        if not {point.r_id for point in specifier.specifier_payload} <= known:
            raise PayloadError(
                "the VEN does not offer this data point", code=ResponseCode.REPORT_NOT_SUPPORTED
            )
        if len(desk.asked) >= self._settings.reports_max:
            raise PayloadError("too many requests already", code=ResponseCode.NOT_ALLOWED)
        asked = AskedReport(
            report_name=(offer.report_name or "").removeprefix(METADATA), request=request
        )
        self._keep(ven_id, asked, ledger)
        return asked

    def cancel(self, ven_id: str, request_id: str, ledger: Ledger) -> None:
        """Want a report no more.

        Raises
        ------
        PayloadError
            452 if nothing of that identifier was asked.
        """
        asked = self._desk(ven_id).asked.get(request_id)
        if asked is None:
            raise PayloadError("no such report request", code=ResponseCode.INVALID_ID)
        self._keep(ven_id, replace(asked, ending=True), ledger)

    def confirm(self, ven_id: str, request_ids: Iterable[str], ledger: Ledger) -> None:
        """Take note that a VEN knows of requests; those it names but nobody made are ignored."""
        desk = self._desk(ven_id)
        for request_id in request_ids:
            asked = desk.asked.get(request_id)
            if asked is not None and not asked.confirmed:
                self._keep(ven_id, replace(asked, confirmed=True), ledger)

    def ended(self, ven_id: str, pending: Iterable[str], ledger: Ledger) -> None:
        """Take note that a VEN has cancelled what was to be cancelled."""
        still = set(pending)
        for asked in self.asked(ven_id):
            if asked.ending and asked.request_id not in still:
                self._forget(ven_id, asked, ledger)

    def received(
        self, ven_id: str, reports: Iterable[OadrReport], *, now: datetime, ledger: Ledger
    ) -> int:
        """Keep the readings of reports; returns how many were new.

        A report that answers a request which is over is taken if others of it were: the VEN
        may not have heard that the first was received.

        Raises
        ------
        PayloadError
            452 if a report answers no request; those before it are kept.
        """
        desk = self._desk(ven_id)
        new = 0
        for report in reports:
            asked = desk.asked.get(report.report_request_id)
            if asked is None and not self.readings.knows(ven_id, report.report_request_id):
                raise PayloadError(
                    f"nobody asked for report {report.report_request_id[:IDENTIFIER_MAX]!r}",
                    code=ResponseCode.INVALID_ID,
                )
            new += self.readings.keep(ven_id, report, now=now, ledger=ledger)
            if asked is None:
                continue
            self.confirm(ven_id, (asked.request_id,), ledger)
            if not asked.request.report_specifier.report_back_duration and not asked.ending:
                self._forget(ven_id, asked, ledger)
        return new

    def forget_requests(self, ven_id: str, ledger: Ledger) -> None:
        """Drop offers and requests of a VEN that is no longer registered; readings stay."""
        desk = self._desk(ven_id)
        for asked in tuple(desk.asked.values()):
            self._forget(ven_id, asked, ledger)
        for specifier_id in tuple(desk.offers):
            del desk.offers[specifier_id]
            ledger.drop(key_of(OFFER_KIND, ven_id, specifier_id))

    def _desk(self, ven_id: str) -> _Desk:
        return self._desks.setdefault(ven_id, _Desk(offers={}, asked={}))

    def _keep(self, ven_id: str, asked: AskedReport, ledger: Ledger) -> None:
        self._desk(ven_id).asked[asked.request_id] = asked
        payload = OadrCreateReport(
            request_id="", oadr_report_request=(asked.request,), ven_id=ven_id
        )
        record = {
            "report_name": asked.report_name,
            "confirmed": asked.confirmed,
            "ending": asked.ending,
            "payload": encode(payload).decode(),
        }
        ledger.put(key_of(REQUEST_KIND, ven_id, asked.request_id), record)

    def _forget(self, ven_id: str, asked: AskedReport, ledger: Ledger) -> None:
        self._desk(ven_id).asked.pop(asked.request_id, None)
        ledger.drop(key_of(REQUEST_KIND, ven_id, asked.request_id))

    def _want(self, ven_id: str, wanted: WantedReport, ledger: Ledger) -> None:
        """Ask for a kind of report wherever it is offered and not asked for."""
        desk = self._desk(ven_id)
        busy = {entry.request.report_specifier.report_specifier_id for entry in desk.asked.values()}
        for specifier_id, offer in desk.offers.items():
            name = (offer.report_name or "").removeprefix(METADATA)
            if name != wanted.report_name or specifier_id in busy:
                continue
            request = request_for(offer, wanted, f"report-{ledger.identifier()}")
            if request is not None and len(desk.asked) < self._settings.reports_max:
                self.ask(ven_id, request, ledger)


def request_for(
    offer: OadrReport, wanted: WantedReport, request_id: str
) -> OadrReportRequest | None:
    """Request for all data points of an offer; None if it has none.

    Notes
    -----
    The granularity is kept within the sampling rates that all of the points offer.
    """
    points = offer.oadr_report_description
    if not points:
        return None
    granularity = _within(wanted.granularity, points)
    back = max(wanted.report_back, granularity) if wanted.report_back else wanted.report_back
    payload = tuple(
        SpecifierPayload(r_id=point.r_id, reading_type=point.reading_type) for point in points
    )
    return OadrReportRequest(
        report_request_id=request_id,
        report_specifier=ReportSpecifier(
            report_specifier_id=offer.report_specifier_id,
            granularity=granularity,
            report_back_duration=back,
            specifier_payload=payload,
        ),
    )


def _within(granularity: timedelta, points: Iterable[OadrReportDescription]) -> timedelta:
    rates = [point.oadr_sampling_rate for point in points if point.oadr_sampling_rate is not None]
    for rate in rates:
        granularity = min(max(granularity, rate.oadr_min_period), rate.oadr_max_period)
    return granularity


def _check_offer(report: OadrReport) -> None:
    """Refuse an offer that is too big to keep."""
    if len(report.oadr_report_description) > POINTS_MAX:
        raise PayloadError(f"more than {POINTS_MAX} data points in one report")
    names = [report.report_specifier_id, *(one.r_id for one in report.oadr_report_description)]
    if any(len(name) > IDENTIFIER_MAX for name in names):
        raise PayloadError(f"an identifier of more than {IDENTIFIER_MAX} characters")
