"""A VTN with a book, and VENs that speak to it in bytes: what the tests of this folder share."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from protocols.openadr.messages.elements import (
    EiResponse,
    EiTarget,
    Interval,
    OadrReportPayload,
    OptType,
    Properties,
    QualifiedEventID,
    SignalPayload,
)
from protocols.openadr.messages.event import (
    EiCreatedEvent,
    EiEventSignal,
    EventResponse,
    OadrCreatedEvent,
    OadrDistributeEvent,
)
from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import (
    OadrCreatedPartyRegistration,
    OadrCreatePartyRegistration,
    OadrPoll,
)
from protocols.openadr.messages.report import (
    OadrRegisteredReport,
    OadrRegisterReport,
    OadrReport,
    OadrReportDescription,
    OadrSamplingRate,
    OadrUpdateReport,
)
from protocols.openadr.vtn.operator import Operator
from protocols.openadr.vtn.orders import EventOrder
from protocols.openadr.vtn.push import Pusher
from protocols.openadr.vtn.role import Answer, Vtn
from protocols.openadr.vtn.seal import PlainSeal, Seal
from protocols.openadr.vtn.settings import VtnSettings, WantedReport
from protocols.openadr.vtn.state import VtnState
from protocols.openadr.xml import decode, encode
from protocols.sansio.http import HttpRequest, PeerIdentity
from protocols.sansio.records import Change

START = datetime(2026, 7, 22, 6, tzinfo=UTC)
PREFIX = "/OpenADR2/Simple/2.0b"
WANTED = WantedReport(
    report_name="TELEMETRY_USAGE",
    granularity=timedelta(minutes=1),
    report_back=timedelta(minutes=1),
)
SETTINGS = VtnSettings(vtn_id="TokyoVtn", wanted_reports=(WANTED,))
T = TypeVar("T")


def peer(number: int) -> PeerIdentity:
    """Certificate of a number."""
    digest = bytes([number]) * 32
    return PeerIdentity(
        lfdi=digest[:20].hex().upper(),
        fingerprint=digest[-10:].hex(":").upper(),
        certificate_sha256=digest,
    )


@dataclass
class World:
    """A VTN, its disk, and a clock that stands still."""

    settings: VtnSettings = SETTINGS
    seal: Seal = field(default_factory=PlainSeal)
    now: datetime = START
    book: dict[str, bytes] = field(default_factory=dict)
    drawn: int = 0

    def __post_init__(self) -> None:
        """Start with what is on the disk."""
        self.restart()

    def restart(self) -> None:
        """Lose everything but the disk."""
        self.state = VtnState(self.settings, dict(self.book))
        self.vtn = Vtn(self.state, self.seal)
        self.operator = Operator(self.state)
        self.pusher = Pusher(self.state, self.seal)

    def draw(self) -> bytes:
        """Random bytes that are not random."""
        self.drawn += 1
        return self.drawn.to_bytes(32, "big")

    def post(
        self,
        service: str,
        body: bytes,
        *,
        identity: PeerIdentity | None = None,
        content_type: str = "application/xml",
    ) -> Answer:
        """Send bytes; what changed is on the disk when this returns."""
        request = HttpRequest(
            method="POST",
            path=f"{PREFIX}/{service}",
            content_type=content_type,
            body=body,
            peer=identity,
        )
        answer = self.vtn.answer(request, self.now, self.draw())
        self.keep(answer.changes)
        return answer

    def say(self, service: str, message: Payload, identity: PeerIdentity | None = None) -> Payload:
        """Send a payload; return the reply's."""
        answer = self.post(service, encode(message), identity=identity)
        assert answer.reply.status == 200
        return decode(answer.reply.body)

    def expect(
        self,
        kind: type[T],
        service: str,
        message: Payload,
        *,
        identity: PeerIdentity | None = None,
    ) -> T:
        """Send a payload; the reply must be of a kind."""
        reply = self.say(service, message, identity)
        assert isinstance(reply, kind), reply
        return reply

    def keep(self, changes: tuple[Change, ...]) -> None:
        """Write to the disk."""
        for change in changes:
            if change.value is None:
                self.book.pop(change.key, None)
            else:
                self.book[change.key] = change.value

    def order(self, order: EventOrder, event_id: str) -> None:
        """Order an event, durably."""
        _, changes = self.operator.order(order, self.now, self.draw(), event_id=event_id)
        self.keep(changes)

    def registered(self, name: str = "ven", identity: PeerIdentity | None = None) -> "VenFace":
        """Register a VEN; it has heard that this VTN has no reports."""
        reply = self.expect(
            OadrCreatedPartyRegistration, "EiRegisterParty", registration(name), identity=identity
        )
        assert reply.ven_id is not None
        assert reply.registration_id is not None
        ven = VenFace(self, reply.ven_id, reply.registration_id, identity)
        ven.settle()
        return ven


@dataclass
class VenFace:
    """A VEN as the VTN sees it."""

    world: World
    ven_id: str
    registration_id: str
    identity: PeerIdentity | None = None

    def poll(self) -> Payload:
        """Ask what there is."""
        return self.world.say("OadrPoll", OadrPoll(ven_id=self.ven_id), self.identity)

    def events(self) -> OadrDistributeEvent:
        """Ask what there is; it must be events."""
        reply = self.poll()
        assert isinstance(reply, OadrDistributeEvent), reply
        return reply

    def settle(self) -> None:
        """Answer the VTN's offer of nothing."""
        while not isinstance(self.poll(), OadrRegisterReport):
            pass
        self.say("EiReport", OadrRegisteredReport(ei_response=good(), ven_id=self.ven_id))

    def say(self, service: str, message: Payload) -> Payload:
        """Send a payload."""
        return self.world.say(service, message, self.identity)

    def answer(self, event_id: str, number: int = 0, opt: OptType = OptType.OPT_IN) -> Payload:
        """Answer an event."""
        return self.say("EiEvent", created(self.ven_id, event_id, number, opt=opt))

    def offer(self, *reports: OadrReport) -> OadrRegisteredReport:
        """Say what it can report."""
        reply = self.say(
            "EiReport",
            OadrRegisterReport(request_id="r", oadr_report=reports, ven_id=self.ven_id),
        )
        assert isinstance(reply, OadrRegisteredReport), reply
        return reply

    def update(self, request_id: str, start: datetime, *values: float) -> Payload:
        """Report values of consecutive minutes."""
        intervals = tuple(
            Interval(
                dtstart=start + number * timedelta(minutes=1),
                duration=timedelta(minutes=1),
                oadr_report_payload=(OadrReportPayload(r_id="power", payload_float=value),),
            )
            for number, value in enumerate(values)
        )
        report = OadrReport(
            dtstart=start,
            intervals=intervals,
            report_request_id=request_id,
            report_specifier_id="telemetry",
            report_name="TELEMETRY_USAGE",
            created_date_time=start,
        )
        return self.say(
            "EiReport",
            OadrUpdateReport(request_id="u", oadr_report=(report,), ven_id=self.ven_id),
        )


def registration(name: str, **changes: object) -> OadrCreatePartyRegistration:
    """Return what a VEN says to register."""
    values: dict[str, object] = {
        "request_id": "q",
        "oadr_profile_name": "2.0b",
        "oadr_transport_name": "simpleHttp",
        "oadr_report_only": False,
        "oadr_xml_signature": False,
        "oadr_ven_name": name,
        "oadr_http_pull_model": True,
        **changes,
    }
    return OadrCreatePartyRegistration(**values)  # type: ignore[arg-type]


def good() -> EiResponse:
    """Code 200."""
    return EiResponse(response_code="200", request_id="x")


def created(
    ven_id: str, event_id: str, number: int = 0, *, opt: OptType = OptType.OPT_IN
) -> OadrCreatedEvent:
    """Answer to one event."""
    return OadrCreatedEvent(
        ei_created_event=EiCreatedEvent(
            ei_response=good(),
            event_responses=(
                EventResponse(
                    response_code="200",
                    request_id="x",
                    qualified_event_id=QualifiedEventID(
                        event_id=event_id, modification_number=number
                    ),
                    opt_type=opt,
                ),
            ),
            ven_id=ven_id,
        )
    )


def event_order(start: datetime = START, **changes: object) -> EventOrder:
    """Make the worked example: an hour, level 2 for 20 minutes and 1 for 40."""
    period = Properties(
        dtstart=start,
        duration=timedelta(hours=1),
        startafter=timedelta(minutes=5),
        x_ei_notification=timedelta(minutes=30),
        x_ei_ramp_up=timedelta(minutes=10),
        x_ei_recovery=timedelta(minutes=15),
    )
    signal = EiEventSignal(
        intervals=(interval(20, 2.0), interval(40, 1.0)),
        signal_name="SIMPLE",
        signal_type="level",
        signal_id="",
    )
    values: dict[str, object] = {
        "period": period,
        "signals": (signal,),
        "market_context": "http://market.example/a&b",
        **changes,
    }
    return EventOrder(**values)  # type: ignore[arg-type]


def interval(minutes: int, value: float) -> Interval:
    """Part of a signal."""
    return Interval(
        duration=timedelta(minutes=minutes),
        signal_payload=(SignalPayload(payload_float=value),),
    )


def telemetry(specifier_id: str = "telemetry", shortest_s: int = 1) -> OadrReport:
    """Offer of a power reading."""
    return OadrReport(
        duration=timedelta(hours=1),
        oadr_report_description=(
            OadrReportDescription(
                r_id="power",
                report_data_source=EiTarget(resource_id=("蓄電池 & <1>",)),
                report_type="usage",
                reading_type="Direct Read",
                oadr_sampling_rate=OadrSamplingRate(
                    oadr_min_period=timedelta(seconds=shortest_s),
                    oadr_max_period=timedelta(hours=1),
                    oadr_on_change=False,
                ),
            ),
        ),
        report_request_id="0",
        report_specifier_id=specifier_id,
        report_name="METADATA_TELEMETRY_USAGE",
        created_date_time=START,
    )
