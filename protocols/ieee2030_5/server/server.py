"""The server's role: a request and the time in, the reply and what it changed out.

No I/O, no clock: the shell gives the records it has stored, makes the changes durable before it
answers, sends the notifications, and calls again when there may be news. One instance is one
server; an aggregator's coordinator and a gateway toward its inverters use the same one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocols.ieee2030_5.resources.elements import Resource
from protocols.ieee2030_5.server.caller import Caller
from protocols.ieee2030_5.server.desk_devices import DeviceDesk
from protocols.ieee2030_5.server.desk_programs import ProgramDesk
from protocols.ieee2030_5.server.paging import Page, page_of
from protocols.ieee2030_5.server.refusal import BAD_FORMAT, RefusedError, not_found
from protocols.ieee2030_5.server.routes import Route, Write, key_of, routes
from protocols.ieee2030_5.server.schedule import Schedule
from protocols.ieee2030_5.server.settings import PAGE_MAX, ServerSettings
from protocols.ieee2030_5.server.state import Device, State
from protocols.ieee2030_5.server.subscriptions import Delivery, Newsroom
from protocols.ieee2030_5.server.visit import Visit
from protocols.ieee2030_5.server.writes_devices import Written
from protocols.ieee2030_5.xml import MEDIA_TYPE, encode
from protocols.sansio.http import HttpReply, HttpRequest, PeerIdentity
from protocols.sansio.records import Change
from protocols.vocabulary.errors import RemoteProtocolError

SEED_OCTETS: Final = 16
_SEED_KEY: Final = "seed"
_QUIET: Final = frozenset(
    {"latest", "told", "answer", "entry", "mirror", "subscriber", "number", _SEED_KEY}
)
"""Kinds of records no subscription is about."""
_READABLE: Final = frozenset({MEDIA_TYPE, "application/*", "*/*"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a request.

    Attributes
    ----------
    reply : HttpReply
        To send once the changes are durable.
    changes : tuple of Change
        To make durable.
    refused : str
        Why it was refused, for the log; "" if it was not.
    """

    reply: HttpReply
    changes: tuple[Change, ...] = ()
    refused: str = ""


class Server:
    """One IEEE 2030.5 server.

    Parameters
    ----------
    records : Mapping
        What the shell has stored; empty for a new server.
    settings : ServerSettings
        What its operator decides.
    drawn : bytes
        16 drawn octets, kept by a new server for its mRIDs.

    Raises
    ------
    LocalProtocolError
        If a record cannot be read.
    """

    def __init__(
        self, records: Mapping[str, bytes], *, settings: ServerSettings, drawn: bytes
    ) -> None:
        assert len(drawn) == SEED_OCTETS, "a seed has 16 octets"
        seed = records.get(_SEED_KEY, drawn)
        self._first = (Change(key=_SEED_KEY, value=seed),) if _SEED_KEY not in records else ()
        self._state = State(records)
        self._settings = settings
        self._schedule = Schedule(self._state)
        self._routes = routes(self._render, self._welcome)
        self._news = Newsroom(self._state, self._render, csip_aus=settings.csip_aus)
        self._now = 0
        self._turn: int | None = 0
        self._stirred = True
        self.devices = DeviceDesk(self._state)
        self.programs = ProgramDesk(
            self._state,
            self._schedule,
            seed=seed,
            enterprise_number=settings.enterprise_number,
        )

    @property
    def state(self) -> State:
        """What the server knows, to look at."""
        return self._state

    @property
    def schedule(self) -> Schedule:
        """Its controls at a moment, to look at."""
        return self._schedule

    def answer(self, request: HttpRequest, now: int) -> Outcome:
        """Answer a request.

        Parameters
        ----------
        request : HttpRequest
            With the identity of its certificate.
        now : int
            s since 1970.

        Notes
        -----
        IEEE 2030.5-2018, 5.5 (methods and status codes). Nothing a peer sends makes this raise.
        """
        self._now = now
        try:
            reply = self._answer(request)
        except RefusedError as refused:
            return Outcome(reply=refused.reply(), changes=self.changes(), refused=refused.why)
        except RemoteProtocolError as error:
            refusal = RefusedError(400, str(error), reason=BAD_FORMAT)
            return Outcome(reply=refusal.reply(), changes=self.changes(), refused=refusal.why)
        return Outcome(reply=reply, changes=self.changes())

    def changes(self) -> tuple[Change, ...]:
        """Take what has changed since the last call, to be made durable."""
        noted = self._first + self._state.changes()
        self._first = ()
        if any(change.key.partition(":")[0] not in _QUIET for change in noted):
            self._stirred = True
            self._turn = 0
        return noted

    def look(self, now: int) -> tuple[Delivery, ...]:
        """Do what time brings, and say which notifications are due; call about every second.

        Afterwards :meth:`changes` has what to make durable before they are sent.
        """
        self._now = now
        if self._turn is not None and now >= self._turn:
            self._schedule.settle(now)
            self._turn = self._schedule.next_turn(now)
            self._stirred = True
        if self._stirred:
            self._news.look()
            self._stirred = False
        return self._news.due(now)

    def sent(self, delivery: Delivery, *, taken: bool, now: int, drawn: float) -> str:
        """Note what became of a notification; says why its subscription ended, or "".

        Parameters
        ----------
        delivery : Delivery
            As :meth:`look` gave it.
        taken : bool
            Whether it was answered with success.
        now : int
            s since 1970.
        drawn : float
            0..1.
        """
        return self._news.sent(delivery, taken=taken, now=now, drawn=drawn)

    def _answer(self, request: HttpRequest) -> HttpReply:
        caller = Caller(self._state, request.peer)
        shape, numbers = key_of(request.path)
        route = self._routes.get(shape)
        if route is None:
            raise not_found()
        if request.method not in route.methods:
            raise RefusedError(405, f"{request.method} on {shape}", allow=route.methods)
        visit = self._visit(caller, numbers, page_of(request.query))
        if request.method in {"GET", "HEAD"}:
            _check_accept(request.accept)
            body = encode(route.get(visit), csipaus=self._settings.csip_aus)
            return HttpReply(status=200, body=body, content_type=MEDIA_TYPE)
        if request.method == "DELETE":
            assert route.delete is not None
            route.delete(visit)
            return HttpReply(status=204)
        return _written(_writer(route, request.method)(visit, _body(request)))

    def _visit(self, caller: Caller, numbers: tuple[int, ...], page: Page) -> Visit:
        return Visit(
            state=self._state,
            settings=self._settings,
            schedule=self._schedule,
            caller=caller,
            now=self._now,
            numbers=numbers,
            page=page,
        )

    def _welcome(self, device: Device) -> None:
        """Give a device that has registered itself a program of its own."""
        if self._settings.welcome_primacy is not None:
            self.programs.own_program(device, primacy=self._settings.welcome_primacy)

    def _render(self, lfdi: str, path: str, limit: int) -> Resource:
        """Read a path as a client does, for its subscription."""
        peer = PeerIdentity(lfdi=lfdi, fingerprint="", certificate_sha256=b"")
        shape, numbers = key_of(path)
        route = self._routes.get(shape)
        if route is None:
            raise not_found()
        page = Page(limit=min(limit, PAGE_MAX))
        return route.get(self._visit(Caller(self._state, peer), numbers, page))


def _check_accept(accept: str) -> None:
    """Refuse a client that reads none of what we write."""
    wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    if accept and not any(part in _READABLE for part in wanted):
        raise RefusedError(406, f"accepts {accept[:80]!r} only", reason=BAD_FORMAT)


def _body(request: HttpRequest) -> bytes:
    media = request.content_type.partition(";")[0].strip().lower()
    if media != MEDIA_TYPE:
        raise RefusedError(415, f"content of type {request.content_type[:80]!r}", reason=BAD_FORMAT)
    return request.body


def _writer(route: Route, method: str) -> Write:
    writer = route.put if method == "PUT" else route.post
    assert writer is not None
    return writer


def _written(written: Written) -> HttpReply:
    headers = (("Location", written.location),) if written.location else ()
    return HttpReply(status=201 if written.created else 204, headers=headers)
