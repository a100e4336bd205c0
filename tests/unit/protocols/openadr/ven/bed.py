"""A VEN between a scripted VTN and a disk that can be pulled."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from protocols.openadr.codes import ResponseCode
from protocols.openadr.messages.elements import EiResponse, OptType
from protocols.openadr.messages.event import EiEvent, EventResponse, OadrCreatedEvent
from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import (
    OadrCanceledPartyRegistration,
    OadrCancelPartyRegistration,
    OadrCreatedPartyRegistration,
    OadrCreatePartyRegistration,
    OadrProfile,
    OadrQueryRegistration,
    OadrResponse,
)
from protocols.openadr.messages.report import (
    OadrRegisteredReport,
    OadrRegisterReport,
    OadrReportRequest,
    OadrUpdatedReport,
    OadrUpdateReport,
    ReportSpecifier,
    SpecifierPayload,
)
from protocols.openadr.ven.calls import Call, Purpose
from protocols.openadr.ven.orders import SignalOrder, orders_of
from protocols.openadr.ven.readings import Reading
from protocols.openadr.ven.role import Ven
from protocols.openadr.ven.settings import DataPoint, VenSettings
from protocols.openadr.ven.verdicts import OPT_IN, Verdict
from tests.unit.protocols.openadr.samples import at

POINT = DataPoint(
    r_id="power", report_name="TELEMETRY_USAGE", report_type="usage", reading_type="Mean"
)
OK = EiResponse(response_code="200", request_id="")


class Site:
    """Judges and measures as it is told."""

    def __init__(self) -> None:
        self.verdicts: dict[str, Verdict] = {}
        self.measured_from = at("00:00")
        self.measured_until = at("23:59")

    def verdict(self, event: EiEvent, shift: timedelta) -> Verdict:
        """Say what was set for an event, else in."""
        return self.verdicts.get(event.event_descriptor.event_id, OPT_IN)

    def read(
        self, r_id: str, span: tuple[datetime, datetime], granularity: timedelta
    ) -> list[Reading]:
        """One reading per step that was measured."""
        found, moment = [], span[0]
        while moment < span[1]:
            if self.measured_from <= moment < self.measured_until:
                found.append(Reading(start=moment, value=float(moment.minute)))
            moment += granularity
        return found


def request(
    name: str = "q1", *, back: timedelta = timedelta(minutes=1), r_id: str = "power"
) -> OadrReportRequest:
    """Make a wish for a reading each minute."""
    return OadrReportRequest(
        report_request_id=name,
        report_specifier=ReportSpecifier(
            report_specifier_id="telemetry_usage",
            granularity=timedelta(minutes=1),
            report_back_duration=back,
            specifier_payload=(SpecifierPayload(r_id=r_id, reading_type="Mean"),),
        ),
    )


class VenBed:
    """A VEN, its records, and a VTN that answers by the book.

    Parameters
    ----------
    settings : VenSettings or None
        Of the VEN.
    wanted : iterable of OadrReportRequest
        What the VTN asks for when reports are offered.
    """

    def __init__(
        self, settings: VenSettings | None = None, *, wanted: Iterable[OadrReportRequest] = ()
    ) -> None:
        self.settings = settings or VenSettings(ven_name="ven", points=(POINT,))
        self.site = Site()
        self.wanted = tuple(wanted)
        self.records: dict[str, bytes] = {}
        self.sent: list[Call] = []
        self.vtn_down = False
        self.replies: dict[Purpose, Payload | None] = {}
        self._seed = 0
        self.ven = self._made()

    def _made(self) -> Ven:
        return Ven(self.settings, judge=self.site, source=self.site, records=dict(self.records))

    def seed(self) -> bytes:
        """Return new random bytes."""
        self._seed += 1
        return self._seed.to_bytes(16, "big")

    def keep(self) -> None:
        """Make changes durable."""
        for change in self.ven.take_changes():
            if change.value is None:
                self.records.pop(change.key, None)
            else:
                self.records[change.key] = change.value

    def restart(self) -> None:
        """Lose all but the records."""
        self.ven = self._made()

    def step(self, now: datetime) -> Call | None:
        """One call and its answer."""
        call = self.ven.next_call(now, self.seed())
        self.keep()
        if call is None:
            return None
        self.sent.append(call)
        if self.vtn_down:
            self.ven.failed(call, now, self.seed(), was_reached=False)
        else:
            reply = self.replies.pop(call.purpose, None) or self._reply(call.message)
            self.ven.replied(call, reply, now=now, seed=self.seed())
        self.keep()
        return call

    def run(self, now: datetime, *, most: int = 30) -> list[Call]:
        """Everything that is due at a moment."""
        calls = []
        while len(calls) < most and (call := self.step(now)) is not None:
            calls.append(call)
        assert len(calls) < most, "a VEN that never rests"
        return calls

    def _reply(self, message: Payload) -> Payload | None:
        match message:
            case OadrQueryRegistration():
                return created()
            case OadrCreatePartyRegistration():
                return created(ven_id="VEN-1", registration_id="reg-1")
            case OadrCancelPartyRegistration():
                return OadrCanceledPartyRegistration(ei_response=OK)
            case OadrRegisterReport():
                return OadrRegisteredReport(ei_response=OK, oadr_report_request=self.wanted)
            case OadrUpdateReport():
                return OadrUpdatedReport(ei_response=OK)
            case _:
                return OadrResponse(ei_response=OK)

    def polled(self, reply: Payload, now: datetime) -> list[Call]:
        """Run what a VEN says after a poll that brought something."""
        self.replies[Purpose.POLL] = reply
        return self.run(now)

    def orders(self, now: datetime) -> tuple[SignalOrder, ...]:
        """Return what holds or will."""
        return orders_of(self.ven.events.ruling(now), now)

    def answers(self) -> list[EventResponse]:
        """All answers to events that arrived or not, in order."""
        return [
            answer
            for call in self.sent
            if isinstance(call.message, OadrCreatedEvent)
            for answer in call.message.ei_created_event.event_responses
        ]


def created(**fields: str) -> OadrCreatedPartyRegistration:
    """Make a VTN's answer to a query or registration."""
    return OadrCreatedPartyRegistration(
        ei_response=OK,
        vtn_id="vtn-1",
        oadr_profiles=(OadrProfile(oadr_profile_name="2.0b", oadr_transport_name=("simpleHttp",)),),
        oadr_requested_oadr_poll_freq=timedelta(seconds=10),
        **fields,
    )


def said(answer: EventResponse) -> tuple[str, int, OptType, str]:
    """Put an answer in short."""
    return (
        answer.qualified_event_id.event_id,
        answer.qualified_event_id.modification_number,
        answer.opt_type,
        answer.response_code,
    )


def refusal(code: ResponseCode) -> EiResponse:
    """Make a VTN's refusal."""
    return EiResponse(response_code=code, request_id="")
