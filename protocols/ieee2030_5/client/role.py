"""The client role: one request at a time, begun when an errand is due.

The shell asks ``begin`` for a request, keeps ``changes`` before it sends it, and gives what came
back to ``go_on`` until there is no further request. It lets ``advance`` know that time passes,
and reads who has which mode from ``segments`` and ``programs``. Nothing here waits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from protocols.ieee2030_5.client import discovery, reports, telling
from protocols.ieee2030_5.client.clock import ServerClock
from protocols.ieee2030_5.client.discovery import Discovery
from protocols.ieee2030_5.client.events import (
    INVALID,
    NOT_SUPPORTED,
    EventEngine,
    Program,
    Segment,
    Verdict,
)
from protocols.ieee2030_5.client.fetch import Answer, Fetcher, Steps, local
from protocols.ieee2030_5.client.known import KnownProgram, known_from
from protocols.ieee2030_5.client.modes import Asked, asked_of
from protocols.ieee2030_5.client.polls import Polls
from protocols.ieee2030_5.client.settings import ClientSettings
from protocols.ieee2030_5.client.telling import Telling
from protocols.ieee2030_5.resources.der import DERControl
from protocols.ieee2030_5.resources.elements import DEFAULT_POLL_RATE_S
from protocols.ieee2030_5.resources.messages import Notification
from protocols.ieee2030_5.xml import decode
from protocols.sansio.http import HttpReply, HttpRequest
from protocols.sansio.records import Change
from protocols.vocabulary.errors import ProtocolError, RemoteProtocolError

OK_NO_CONTENT, BAD_REQUEST, NOT_FOUND, NOT_ALLOWED = 204, 400, 404, 405


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An errand that began to fail, or does well again.

    Attributes
    ----------
    errand : str
        Which.
    cause : str
        Why it fails; "" when it does well again.
    """

    errand: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What there is to be done.

    Attributes
    ----------
    segments : tuple of Segment
        Which event has which mode when, server's time.
    programs : tuple of KnownProgram
        With their defaults, the strongest first.
    clock : ServerClock
        Turns the server's time into ours.
    """

    segments: tuple[Segment, ...]
    programs: tuple[KnownProgram, ...]
    clock: ServerClock


Opinion = Callable[[KnownProgram, DERControl, Asked], int | None]
"""What the site says of one mode of a control: None to take it, else the response's status."""
_TROUBLES_MAX = 32


class Client:
    """One client of one server.

    Parameters
    ----------
    settings : ClientSettings
        Who we are.
    records : Mapping
        What was kept, by key.
    chance : callable
        Draws from [0, 1).
    opinion : callable
        What the site says of each mode of a control that is seen for the first time.
    modes : callable
        Modes that the site carries out.
    """

    def __init__(
        self,
        settings: ClientSettings,
        records: Mapping[str, bytes],
        *,
        chance: Callable[[], float],
        opinion: Opinion,
        modes: Callable[[], tuple[str, ...]],
    ) -> None:
        self._settings = settings
        self._known = known_from(records)
        self._opinion = opinion
        self._polls = Polls(
            chance, floor_s=settings.poll_floor_s, ceiling_s=settings.poll_ceiling_s
        )
        self._engine = EventEngine(records, chance=chance, verdict=self._judged)
        fetcher = Fetcher(origin=settings.origin)
        self._discovery = Discovery(
            settings=settings,
            fetcher=fetcher,
            known=self._known,
            engine=self._engine,
            polls=self._polls,
        )
        self._telling = Telling(
            settings=settings,
            fetcher=fetcher,
            known=self._known,
            engine=self._engine,
            polls=self._polls,
            chance=chance,
            records=records,
            modes=modes,
        )
        self._errand: tuple[str, Steps[None]] | None = None
        self._failing: dict[str, str] = {}
        self._troubles: list[Trouble] = []

    def begin(self, now_s: float) -> HttpRequest | None:
        """First request of an errand that is due, None if none is.

        Parameters
        ----------
        now_s : float
            Our time, s since 1970.
        """
        assert self._errand is None, "one errand at a time"
        self.advance(now_s)
        if discovery.CAPABILITY not in self._polls.names():
            self._polls.want(
                discovery.CAPABILITY,
                rank=discovery.RANKS[discovery.CAPABILITY],
                rate_s=DEFAULT_POLL_RATE_S,
                now_s=now_s,
            )
        while (name := self._polls.due(now_s)) is not None:
            writes = name in telling.RANKS
            room = self._telling if writes else self._discovery
            self._errand = (name, room.steps_of(name))
            request = self._step(next)
            if request is not None:
                return request
        return None

    def go_on(self, answer: Answer) -> HttpRequest | None:
        """Next request of the errand, None if it is over."""
        self._known.now_s = max(self._known.now_s, answer.received_at_s)
        return self._step(lambda steps: steps.send(answer))

    def advance(self, now_s: float) -> None:
        """Let time pass for events."""
        self._known.now_s = now_s
        self._engine.advance(self._known.server_s)
        self._telling.want()

    def next_s(self) -> float | None:
        """Our time of the next errand, None if there is none yet."""
        return self._polls.next_s()

    def tell(self, facts: reports.SiteFacts) -> None:
        """Take note of a second of the site."""
        self._telling.facts = facts
        self._telling.means.add(reports.SITE_ROLE, facts.meter_w, facts.at_s)
        self._telling.means.add(reports.DER_ROLE, facts.der_w, facts.at_s)

    def note(self, code: int, details: str, at_s: float) -> None:
        """Have a log event of ours, of a moment of our clock, sent to the server."""
        self._telling.note(code, details, at_s)

    def notified(self, request: HttpRequest, now_s: float) -> HttpReply:
        """Take a notification: read again what it is about, at once.

        What a notification carries is not believed; the server is asked.
        """
        if request.method != "POST":
            return HttpReply(status=NOT_ALLOWED)
        try:
            news = decode(request.body, Notification, tolerant=True)
            subscribed = local(self._settings.origin, "/", news.subscribed_resource)
        except RemoteProtocolError as error:
            self._trouble("notification", str(error))
            return HttpReply(status=BAD_REQUEST)
        errand = self._telling.errand_of(subscribed)
        if errand is None:
            return HttpReply(status=NOT_FOUND)
        if news.status != 0:
            self._telling.unsubscribed(subscribed)
            self._polls.hurry(telling.SUBSCRIPTIONS, now_s)
        self._polls.hurry(errand, now_s)
        return HttpReply(status=OK_NO_CONTENT)

    def view(self) -> View:
        """Show what there is to be done, as far as it is known."""
        programs = self._known.programs.values()
        return View(
            segments=self._engine.segments(self._known.server_s),
            programs=tuple(sorted(programs, key=lambda known: (known.primacy, known.mrid))),
            clock=self._known.clock,
        )

    def changes(self) -> tuple[Change, ...]:
        """Take what has to be kept since the last call, before anything is sent."""
        return (*self._engine.changes(), *self._known.changes())

    def troubles(self) -> tuple[Trouble, ...]:
        """Take what began to fail or does well again since the last call."""
        taken = tuple(self._troubles)
        self._troubles.clear()
        return taken

    def _judged(self, program: Program, control: DERControl) -> Verdict:
        """Ask the site about each mode; an event of which some can be done is taken."""
        known = self._known.programs.get(program.mrid) or KnownProgram(
            mrid=program.mrid, primacy=program.primacy
        )
        try:
            asked = asked_of(control.der_control_base, known.curves_by_href())
        except RemoteProtocolError:
            return Verdict(modes=frozenset(), status=INVALID)
        category = control.device_category
        if category and not category & self._settings.device_category:
            return Verdict(modes=frozenset())
        said = {one.mode: self._opinion(known, control, one) for one in asked}
        taken = frozenset(mode for mode, status in said.items() if status is None)
        refusals = [status for status in said.values() if status is not None]
        return Verdict(modes=taken, status=max(refusals, default=NOT_SUPPORTED))

    def _step(self, move: Callable[[Steps[None]], HttpRequest]) -> HttpRequest | None:
        """Move the errand on by one answer."""
        assert self._errand is not None
        name, steps = self._errand
        try:
            return move(steps)
        except StopIteration:
            self._over(name, "")
        except ProtocolError as error:
            self._over(name, str(error))
        return None

    def _over(self, name: str, cause: str) -> None:
        """Note how an errand ended; the first failure and the recovery are told."""
        self._errand = None
        self._polls.done(name, self._known.now_s, well=not cause)
        if not cause and name in telling.ONCE:
            self._polls.forget(name)
        if bool(cause) != (name in self._failing):
            self._trouble(name, cause)
        if cause:
            self._failing[name] = cause
        else:
            self._failing.pop(name, None)
        self._telling.want()

    def _trouble(self, errand: str, cause: str) -> None:
        if len(self._troubles) < _TROUBLES_MAX:
            self._troubles.append(Trouble(errand=errand, cause=cause))
