"""Our client and our server in one process, under a virtual clock, with a wire that can fail."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, urlsplit

from protocols.ieee2030_5.client.fetch import Answer
from protocols.ieee2030_5.client.known import KnownProgram
from protocols.ieee2030_5.client.modes import Asked
from protocols.ieee2030_5.client.reports import SiteFacts, SiteRatings
from protocols.ieee2030_5.client.role import Client
from protocols.ieee2030_5.client.settings import ClientSettings
from protocols.ieee2030_5.resources.der import DERControl, DERControlBase
from protocols.ieee2030_5.resources.elements import ActivePower
from protocols.ieee2030_5.resources.messages import DERControlResponse
from protocols.ieee2030_5.server.desk_programs import ControlOrder
from protocols.ieee2030_5.server.server import Server
from protocols.ieee2030_5.server.settings import ServerSettings
from protocols.ieee2030_5.server.state import Control, Program
from protocols.ieee2030_5.xml import decode
from protocols.sansio.http import HttpReply, HttpRequest, PeerIdentity
from protocols.sansio.records import Change

LFDI = "3E4F45AB31EDFE5B67E343E5E4562E31984E23E5"
PEER = PeerIdentity(lfdi=LFDI, fingerprint="", certificate_sha256=b"")
EPOCH = 1_700_000_000.0
SETTINGS = ClientSettings(
    origin="https://utility.example",
    device_capability="/dcap",
    lfdi=LFDI,
    csipaus=True,
    enterprise_number=123_456,
)
RATINGS = SiteRatings(max_w=10_000.0, max_charge_w=5000.0, max_discharge_w=5000.0, energy_wh=9e3)
MODES = ("opModExpLimW", "opModImpLimW", "opModMaxLimW", "opModEnergize")


class StoppedError(Exception):
    """The gateway lost its power here."""


def export(limit_w: int) -> DERControlBase:
    return DERControlBase(op_mod_exp_lim_w=ActivePower(multiplier=0, value=limit_w))


def absorb(records: dict[str, bytes], changes: tuple[Change, ...]) -> None:
    for change in changes:
        if change.value is None:
            records.pop(change.key, None)
        else:
            records[change.key] = change.value


@dataclass
class Pair:
    """Client and server.

    Attributes
    ----------
    ahead_s : float
        By how much the server's clock is ahead of the client's.
    fault : callable or None
        Sees each request before the server does; its reply, if any, is sent instead.
    requests : list
        All requests that reached the wire.
    """

    ahead_s: float = 0.0
    settings: ClientSettings = SETTINGS
    fault: Callable[[HttpRequest], HttpReply | str | None] | None = None
    requests: list[HttpRequest] = field(default_factory=list)
    responses: list[DERControlResponse] = field(default_factory=list)
    troubles: list[tuple[str, str]] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    now_s: float = EPOCH

    def __post_init__(self) -> None:
        """Begin with nothing kept."""
        self.kept: dict[str, bytes] = {}
        self.stored: dict[str, bytes] = {}
        self.chance = random.Random(5)
        self.server = self._server()
        self.client = self._client()

    @property
    def server_now(self) -> int:
        return int(self.now_s + self.ahead_s)

    def program(self, name: str = "site", *, primacy: int = 5) -> Program:
        """Register the client and give it a program."""
        device = self.server.devices.find(LFDI) or self.server.devices.register(
            LFDI, owner=LFDI, now=self.server_now
        )
        assignment = self.server.programs.add_assignment(name)
        program = self.server.programs.add_program(name, primacy=primacy)
        self.server.programs.include(assignment, program)
        self.server.programs.assign(device, assignment)
        return program

    def issue(self, program: Program, start_s: int, duration_s: int, **more: object) -> Control:
        """Issue a control that starts so many seconds from now."""
        base = more.pop("base", export(1500))
        order = ControlOrder(
            base=base, start=self.server_now + start_s, duration_s=duration_s, **more
        )
        return self.server.programs.issue(program, order, now=self.server_now)

    def restart_client(self) -> None:
        self.client = self._client()

    def restart_server(self) -> None:
        self.server = self._server()

    def run(self, seconds: float, *, step_s: float = 1.0) -> None:
        """Let time pass with everything that falls due."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += step_s
            self.settle()

    def settle(self) -> None:
        """Do all that is due now."""
        self.server.look(self.server_now)
        absorb(self.stored, self.server.changes())
        self.client.tell(self.facts())
        for _ in range(50):
            request = self.client.begin(self.now_s)
            self._keep()
            if request is None:
                break
            while request is not None:
                request = self.client.go_on(self._sent(request))
                self._keep()

    def facts(self) -> SiteFacts:
        return SiteFacts(
            at_s=self.now_s, meter_w=-1000.0, der_w=2000.0, store_w=500.0, soc=0.5, ratings=RATINGS
        )

    def chain(self, control: Control) -> list[int | None]:
        """Statuses that reached the server for a control, each as often as it came."""
        return [one.status for one in self.responses if one.subject == control.resource.mrid]

    def running(self) -> dict[str, str]:
        """Modes that are held now, and by which control."""
        view = self.client.view()
        now = view.clock.server_s(self.now_s)
        return {s.mode: s.held.mrid for s in view.segments if s.start_s <= now < s.end_s}

    def _server(self) -> Server:
        return Server(dict(self.stored), settings=ServerSettings(), drawn=bytes(range(16)))

    def _client(self) -> Client:
        def opinion(_program: KnownProgram, control: DERControl, asked: Asked) -> int | None:
            return None if asked.mode in MODES else self.refused.get(control.mrid, 252)

        return Client(
            self.settings,
            dict(self.kept),
            chance=self.chance.random,
            opinion=opinion,
            modes=lambda: MODES,
        )

    def _keep(self) -> None:
        absorb(self.kept, self.client.changes())
        self.troubles += [(trouble.errand, trouble.cause) for trouble in self.client.troubles()]

    def _sent(self, request: HttpRequest) -> Answer:
        self.requests.append(request)
        reply = None if self.fault is None else self.fault(request)
        sent_at_s = self.now_s
        if isinstance(reply, str):
            may = reply != "refused"
            if reply == "lost reply":
                self._answered(request)
            return Answer(
                reply=None,
                sent_at_s=sent_at_s,
                received_at_s=self.now_s,
                may_have_arrived=may,
                cause=reply,
            )
        return Answer(
            reply=reply or self._answered(request), sent_at_s=sent_at_s, received_at_s=self.now_s
        )

    def _answered(self, request: HttpRequest) -> HttpReply:
        parts = urlsplit(request.path)
        whole = replace(request, path=parts.path, query=tuple(parse_qsl(parts.query)), peer=PEER)
        if request.method == "POST" and b"DERControlResponse" in request.body:
            self.responses.append(decode(request.body, DERControlResponse))
        outcome = self.server.answer(whole, self.server_now)
        absorb(self.stored, outcome.changes)
        return outcome.reply
