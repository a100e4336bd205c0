"""The shell of the coordinator's VEN: calls the VTN, listens to its pushes, keeps the records.

Nothing is sent or answered before the records are durable. A call that fails in any way changes
nothing but the time of the next one: events that are known go on to their end.
"""

import asyncio
import ssl
from datetime import datetime, timedelta
from typing import Final

import structlog

from cloud_coordinator.gateway.openadr.server import VtnServer
from cloud_coordinator.gateway.openadr.tls import signatory_of, vtn_context
from cloud_coordinator.gateway.openadr_ven.calling import Line, NoAnswerError, Trouble, open_line
from cloud_coordinator.gateway.openadr_ven.judging import AwardJudge
from cloud_coordinator.gateway.openadr_ven.listener import Ear
from cloud_coordinator.gateway.openadr_ven.minutes import data_points
from cloud_coordinator.gateway.openadr_ven.plan import Step, timeline
from cloud_coordinator.gateway.openadr_ven.tls import admission, call_context, trust
from cloud_coordinator.gateway.openadr_ven.ven_file import VenFile
from cloud_coordinator.gateway.openadr_ven.zone import Zone, ZonePorts
from protocols.openadr.messages.payload import Payload
from protocols.openadr.ven.calls import Call
from protocols.openadr.ven.envelope import Envelope, Signing
from protocols.openadr.ven.incoming import NoteKind
from protocols.openadr.ven.role import Ven
from protocols.openadr.ven.settings import VenSettings
from protocols.sansio.records import Change
from protocols.vocabulary.errors import ConfigError, StoreError
from protocols.vocabulary.intervals import Clock

SETTLE: Final = timedelta(seconds=5)
"""How long after its end a minute is reported: the live seconds need four."""
SLEEP_S: Final = (0.05, 30.0)
"""Shortest and longest pause between two looks at what is to be said."""
LOOK_BACK_S: Final = 10.0
SECOND_S: Final = 1.0
KEEP_AGAIN_S: Final = 1.0
SLOT: Final = timedelta(minutes=30)
_BEFORE_ALL: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_DRAWN_BYTES: Final = 32

_log = structlog.get_logger(__name__)


class CoordinatorVen:
    """One VEN of the coordinator.

    Parameters
    ----------
    file : VenFile
        What a person decided.
    ports : ZonePorts
        The coordinator.

    Raises
    ------
    ConfigError
        If a certificate or key cannot be used.
    StoreError
        If the records cannot be read.
    """

    def __init__(self, file: VenFile, ports: ZonePorts) -> None:
        self._file = file
        self._book = ports.book
        self._clock: Clock = ports.clock
        self._draw = ports.draw
        self._zone = Zone(file.zone, file.profile.factor, ports)
        self._ven = Ven(
            _settings(file),
            judge=AwardJudge(zone=file.zone, profile=file.profile, awards=ports.record.awards),
            source=self._zone.minutes,
            records=ports.book.load(),
        )
        self._context: ssl.SSLContext | None = None
        signing = None
        if file.tls is not None:
            self._context = call_context(file.tls, file.vtn_fingerprint)
            if file.signed:
                signing = Signing(
                    signatory=signatory_of(file.tls), trust=trust(file.tls, file.vtn_fingerprint)
                )
        self._envelope = Envelope(signing, ports.clock.now, ports.draw)
        self._server: VtnServer | None = None
        self._unkept: list[Change] = []
        self._trouble: Trouble | None = None
        self._is_overdue = False
        self._news = asyncio.Event()

    async def open(self) -> None:
        """Listen, if the VTN pushes.

        Raises
        ------
        ConfigError
            If the address cannot be had.
        """
        listener, tls = self._file.listener, self._file.tls
        if listener is None:
            return
        ear = Ear(url=listener.url, envelope=self._envelope, pushed=self._pushed)
        self._server = VtnServer(
            ear,
            None if tls is None else vtn_context(tls),
            check=admission(self._file.vtn_fingerprint),
        )
        try:
            await self._server.open(listener.host, listener.port)
        except ConfigError as error:
            raise ConfigError(f"--openadr-ven {self._file.name}: listen: {error}") from error

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            await self._server.close()

    async def run(self) -> None:
        """Speak with the VTN and carry out what it asks, until cancelled."""
        self._second()
        async with (
            open_line(self._file.url, self._envelope, self._context) as line,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._each_second())
            group.create_task(self._look_back())
            while True:
                await self._step(line)

    async def _each_second(self) -> None:
        while True:
            await asyncio.sleep(self._until_next_s())
            self._second()

    def _until_next_s(self) -> float:
        """Time to the next second, or to the next step of an event if that is sooner."""
        now = self._clock.now()
        steps = [(one.since - now).total_seconds() for one in self._steps()]
        return min([SECOND_S, *(step_s for step_s in steps if step_s > 0.0)])

    def _second(self) -> None:
        try:
            self._zone.second(self._steps())
        except StoreError as error:
            _log.error("command.refused", ven=self._file.name, cause=str(error))
        self._judge_deadline()

    def _steps(self) -> tuple[Step, ...]:
        """Everything the VTN's events ask, also what is over."""
        return timeline(
            self._ven.events.ruling(_BEFORE_ALL),
            self._file.profile,
            self._ven.register.now.vtn_id,
        )

    async def _look_back(self) -> None:
        while True:
            await asyncio.sleep(LOOK_BACK_S)
            try:
                await self._zone.look_back(self._owe)
            except StoreError as error:
                _log.warning("history.unreadable", ven=self._file.name, cause=str(error))

    def _owe(self, span: tuple[datetime, datetime]) -> None:
        self._ven.reports.owe(span, self._clock.now())
        self._news.set()

    def _judge_deadline(self) -> None:
        """Say once when the market's deadline of readings has passed, and once when all is sent.

        Readings are due before the end of the half hour after their own.
        """
        since = self._ven.reports.owed_since()
        now = self._clock.now()
        overdue = since is not None and now >= since - (since - _BEFORE_ALL) % SLOT + 2 * SLOT
        if since is not None and overdue and not self._is_overdue:
            _log.warning("report.overdue", ven=self._file.name, since=since.isoformat())
        elif self._is_overdue and not overdue:
            _log.info("report.caught_up", ven=self._file.name)
        self._is_overdue = overdue

    async def _step(self, line: Line) -> None:
        """One call, or a pause until one is due."""
        now = self._clock.now()
        call = self._ven.next_call(now, self._drawn())
        if not self._keep():
            if call is not None:
                self._ven.failed(call, now, self._drawn(), was_reached=False)
            await asyncio.sleep(KEEP_AGAIN_S)
        elif call is None:
            self._news.clear()
            wait_s = (self._ven.wake_at() - now).total_seconds()
            shortest, longest = SLEEP_S
            try:
                async with asyncio.timeout(min(max(wait_s, shortest), longest)):
                    await self._news.wait()
            except TimeoutError:
                pass
        else:
            await self._exchange(line, call)

    async def _exchange(self, line: Line, call: Call) -> None:
        """Send a call and hand its answer to the role."""
        try:
            reply = await line.post(call)
        except NoAnswerError as error:
            was_reached = error.trouble is Trouble.REFUSED
            self._ven.failed(call, self._clock.now(), self._drawn(), was_reached=was_reached)
            self._log_trouble(error)
        else:
            self._ven.replied(call, reply, now=self._clock.now(), seed=self._drawn())
            if self._trouble is not None:
                self._trouble = None
                _log.info("vtn.back", ven=self._file.name)
        self._keep()

    def _log_trouble(self, error: NoAnswerError) -> None:
        """Tell what an answer was refused for, and once that there is none, or a stranger's."""
        ven = self._file.name
        if error.trouble is Trouble.REFUSED:
            _log.warning("message.refused_by_vtn", ven=ven, detail=str(error))
            return
        before, self._trouble = self._trouble, error.trouble
        if before is self._trouble:
            return
        if self._trouble is Trouble.DISTRUSTED:
            _log.warning("vtn.distrusted", ven=ven, url=self._file.url, cause=str(error))
        else:
            _log.warning("vtn.lost", ven=ven, url=self._file.url, cause=str(error))

    def _pushed(self, message: Payload) -> Payload | None:
        """Reply to what the VTN pushed; None if it cannot be kept."""
        reply = self._ven.pushed(message, self._clock.now(), self._drawn())
        self._news.set()
        return reply if self._keep() else None

    def _keep(self) -> bool:
        """Make every change durable; False if the store refuses, and it is tried again."""
        self._unkept += self._ven.take_changes()
        self._unkept += self._zone.minutes.keep(self._clock.now())
        self._log_notes()
        try:
            self._book.put(self._unkept)
        except StoreError as error:
            _log.error("records.refused", ven=self._file.name, cause=str(error))
            return False
        self._unkept.clear()
        return True

    def _drawn(self) -> bytes:
        return self._draw(_DRAWN_BYTES)

    def _log_notes(self) -> None:
        ven = self._file.name
        for note in self._ven.take_notes():
            match note.kind:
                case NoteKind.REGISTERED:
                    _log.info("registration.made", ven=ven, detail=note.detail)
                case NoteKind.LOST:
                    _log.warning("registration.lost", ven=ven, detail=note.detail)
                case NoteKind.ENDED:
                    _log.warning("registration.ended", ven=ven, detail=note.detail)
                case NoteKind.EVENTS_TAKEN:
                    _log.info("events.taken", ven=ven, detail=note.detail)
                case NoteKind.REPORTS_ASKED:
                    _log.info("reports.asked", ven=ven, detail=note.detail)
                case NoteKind.REFUSED_BY_VTN:
                    _log.warning("message.refused_by_vtn", ven=ven, detail=note.detail)
                case NoteKind.REFUSED:
                    _log.warning("message.refused", ven=ven, detail=note.detail)


def _settings(file: VenFile) -> VenSettings:
    """Make the settings of the role."""
    return VenSettings(
        ven_name=file.ven_name,
        vtn_id=file.vtn_id,
        points=data_points(file.zone),
        resource_ids=(*file.resource_ids, str(file.zone)),
        market_contexts=file.market_contexts,
        signed=file.signed,
        push_address=None if file.listener is None else file.listener.url,
        acts_on_tests=file.acts_on_tests,
        poll_default=timedelta(seconds=file.poll_s),
        settle=SETTLE,
    )
