"""The shell of the VEN: calls the VTN, listens to its pushes, keeps the records.

Nothing is sent or answered before the records are durable. A call that fails in any way changes
nothing but the time of the next one. Implements the northbound port.
"""

import asyncio
import enum
import secrets
import ssl
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import aiohttp
import structlog

from edge_agent.config.northbound import OpenAdrVenConfig
from edge_agent.northbound.openadr.credentials import client_context, signatory, trust
from edge_agent.northbound.openadr.listener import Listening, serve
from edge_agent.northbound.openadr.meaning import OpenAdrJudge, grid_orders
from edge_agent.northbound.openadr.readings import POINTS, MeterReadings
from edge_agent.northbound.port import GridOrder, Judge, OrderState, SiteSecond
from protocols.openadr.codes import PayloadError
from protocols.openadr.messages.elements import OptType, QualifiedEventID
from protocols.openadr.messages.payload import Payload
from protocols.openadr.ven.calls import Call
from protocols.openadr.ven.envelope import Envelope, Signing
from protocols.openadr.ven.incoming import NoteKind
from protocols.openadr.ven.orders import orders_of
from protocols.openadr.ven.role import OptWish, Ven
from protocols.openadr.ven.settings import VenSettings
from protocols.sansio.records import Change, RecordBook
from protocols.sansio.xml import DEFAULT_LIMITS
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError, StoreError
from protocols.vocabulary.intervals import Clock

CALL_TIMEOUT_S: Final = 20.0
SLEEP_S: Final = (0.05, 30.0)
"""Shortest and longest pause between two looks at what is due."""
KEEP_AGAIN_S: Final = 1.0
_CONTENT_TYPE: Final = "application/xml"
_POLL_DEFAULT_S: Final = 30.0

log = structlog.get_logger(__name__)


def _drawn() -> bytes:
    return secrets.token_bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenParts:
    """What the shell stands on.

    Attributes
    ----------
    judge : Judge
        Whether an order can be carried out.
    book : RecordBook
        Records of this client alone.
    clock : Clock
        Wall time.
    draw : callable
        At least 16 random bytes.
    """

    judge: Judge
    book: RecordBook
    clock: Clock
    draw: Callable[[], bytes] = _drawn


class _Trouble(enum.Enum):
    """Why a call brought nothing usable.

    REFUSED: the VTN answered, but not in OpenADR. LOST: nobody answered. DISTRUSTED: somebody
    did whose certificate or TLS is not the VTN's.
    """

    REFUSED = "refused"
    LOST = "lost"
    DISTRUSTED = "distrusted"


class _NoAnswerError(RemoteProtocolError):
    """A call brought nothing usable; ``trouble`` says which kind of nothing."""

    def __init__(self, cause: str, trouble: _Trouble) -> None:
        super().__init__(cause)
        self.trouble = trouble


class OpenAdrVen:
    """The site's VEN.

    Parameters
    ----------
    config : OpenAdrVenConfig
        The section ``[openadr_ven]``.
    parts : VenParts
        What it works with.

    Raises
    ------
    ConfigError
        If a certificate or key cannot be used.
    StoreError
        If the records cannot be read.
    """

    def __init__(self, config: OpenAdrVenConfig, parts: VenParts) -> None:
        self._config = config
        self._parts = parts
        self._readings = MeterReadings(parts.book)
        self._ven = Ven(
            _settings(config),
            judge=OpenAdrJudge(parts.judge),
            source=self._readings,
            records=parts.book.load(),
        )
        self._tls: ssl.SSLContext | None = None
        signing = None
        if config.tls is not None:
            self._tls = client_context(config.tls, config.vtn_fingerprint)
            if config.signs:
                signing = Signing(
                    signatory=signatory(config.tls),
                    trust=trust(config.tls, config.vtn_fingerprint),
                )
        self._envelope = Envelope(signing, parts.clock.now, lambda count: parts.draw()[:count])
        self._unkept: list[Change] = []
        self._trouble: _Trouble | None = None
        self._news = asyncio.Event()

    def orders(self, now: datetime) -> Sequence[GridOrder]:
        """Orders known and not over."""
        vtn_id = self._ven.register.now.vtn_id
        return grid_orders(orders_of(self._ven.events.ruling(now), now), vtn_id)

    def happened(self, second: SiteSecond) -> None:
        """Take the measurements, and opt out of what turned out to be refused."""
        self._readings.add(second)
        for report in second.reports:
            if report.state is OrderState.REFUSED:
                self._opt_out(report.order.event_id, second.at)

    def _opt_out(self, event_id: str, now: datetime) -> None:
        for held in self._ven.events.ruling(now):
            if held.event_id == event_id:
                wish = OptWish(
                    opt_type=OptType.OPT_OUT,
                    reason="notParticipating",
                    event=QualifiedEventID(
                        event_id=event_id, modification_number=held.modification_number
                    ),
                )
                self._ven.create_opt(wish, now, self._parts.draw())
                self._news.set()

    async def run(self) -> None:
        """Speak with the VTN until cancelled.

        Raises
        ------
        ConfigError
            If the address to listen at cannot be had.
        """
        async with AsyncExitStack() as stack:
            connector = aiohttp.TCPConnector(limit=1, ssl=self._tls if self._tls else False)
            session = await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=connector,
                    timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT_S),
                    auto_decompress=False,
                )
            )
            if self._config.listener is not None:
                await stack.enter_async_context(
                    serve(
                        Listening(config=self._config, listener=self._config.listener),
                        self._envelope,
                        self._pushed,
                    )
                )
            while True:
                await self._step(session)

    async def _step(self, session: aiohttp.ClientSession) -> None:
        """One call, or a pause until one is due."""
        now = self._parts.clock.now()
        call = self._ven.next_call(now, self._parts.draw())
        if not self._keep():
            if call is not None:
                self._ven.failed(call, now, self._parts.draw(), was_reached=False)
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
            await self._exchange(session, call)

    async def _exchange(self, session: aiohttp.ClientSession, call: Call) -> None:
        """Send a call and hand its answer to the role."""
        clock, draw = self._parts.clock, self._parts.draw
        try:
            reply = await self._post(session, call)
        except _NoAnswerError as error:
            was_reached = error.trouble is _Trouble.REFUSED
            self._ven.failed(call, clock.now(), draw(), was_reached=was_reached)
            self._log_trouble(error)
        else:
            self._ven.replied(call, reply, now=clock.now(), seed=draw())
            if self._trouble is not None:
                self._trouble = None
                log.info("vtn.back", url=self._config.url)
        self._keep()

    def _log_trouble(self, error: _NoAnswerError) -> None:
        """Tell what an answer was refused for, and once that there is none, or a stranger's."""
        if error.trouble is _Trouble.REFUSED:
            log.warning("message.refused_by_vtn", detail=str(error))
            return
        before, self._trouble = self._trouble, error.trouble
        if before is self._trouble:
            return
        if self._trouble is _Trouble.DISTRUSTED:
            log.warning("vtn.distrusted", url=self._config.url, cause=str(error))
        else:
            log.warning("vtn.lost", url=self._config.url, cause=str(error))

    async def _post(self, session: aiohttp.ClientSession, call: Call) -> Payload | None:
        """Answer of the VTN, None for an empty one.

        Raises
        ------
        _NoAnswerError
            For anything else than an answer in OpenADR.
        """
        try:
            document = self._envelope.close(call.message)
        except LocalProtocolError as error:
            raise _NoAnswerError(f"{call.purpose.value}: {error}", _Trouble.REFUSED) from error
        try:
            async with session.post(
                f"{self._config.url}/{call.service}",
                data=document,
                headers={"Content-Type": _CONTENT_TYPE},
                allow_redirects=False,
            ) as answer:
                status = answer.status
                body = await answer.content.read(DEFAULT_LIMITS.size_bytes + 1)
                while not answer.content.at_eof() and len(body) <= DEFAULT_LIMITS.size_bytes:
                    body += await answer.content.read(DEFAULT_LIMITS.size_bytes + 1)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            words = f"{type(error).__name__}: {error}"
            is_tls = isinstance(error, aiohttp.ClientSSLError | ssl.SSLError)
            trouble = _Trouble.DISTRUSTED if is_tls else _Trouble.LOST
            raise _NoAnswerError(words, trouble) from error
        if status != 200:  # noqa: PLR2004 - the only status of an answer in OpenADR
            raise _NoAnswerError(f"HTTP {status} to {call.purpose.value}", _Trouble.REFUSED)
        if not body.strip():
            return None
        try:
            return self._envelope.open(body)
        except PayloadError as error:
            words = f"answer to {call.purpose.value}: {error}"
            raise _NoAnswerError(words, _Trouble.REFUSED) from error

    def _pushed(self, message: Payload) -> Payload | None:
        """Reply to what the VTN pushed; None if it cannot be kept."""
        reply = self._ven.pushed(message, self._parts.clock.now(), self._parts.draw())
        self._news.set()
        return reply if self._keep() else None

    def _keep(self) -> bool:
        """Make every change durable; False if the disk refuses, and it is tried again."""
        self._unkept += self._ven.take_changes()
        self._unkept += self._readings.keep(self._parts.clock.now())
        self._log_notes()
        if not self._unkept:
            return True
        try:
            self._parts.book.put(self._unkept)
        except StoreError as error:
            log.error("records.refused", client="openadr", cause=str(error))  # noqa: TRY400 - the cause says it all
            return False
        self._unkept.clear()
        return True

    def _log_notes(self) -> None:
        for note in self._ven.take_notes():
            match note.kind:
                case NoteKind.REGISTERED:
                    log.info("registration.made", detail=note.detail)
                case NoteKind.LOST:
                    log.warning("registration.lost", detail=note.detail)
                case NoteKind.ENDED:
                    log.warning("registration.ended", detail=note.detail)
                case NoteKind.EVENTS_TAKEN:
                    log.info("events.taken", detail=note.detail)
                case NoteKind.REPORTS_ASKED:
                    log.info("reports.asked", detail=note.detail)
                case NoteKind.REFUSED_BY_VTN:
                    log.warning("message.refused_by_vtn", detail=note.detail)
                case NoteKind.REFUSED:
                    log.warning("message.refused", detail=note.detail)


def _settings(config: OpenAdrVenConfig) -> VenSettings:
    """Make the settings of the role."""
    return VenSettings(
        ven_name=config.ven_name,
        vtn_id=config.vtn_id,
        points=POINTS,
        market_contexts=config.market_contexts,
        signed=config.signs,
        push_address=None if config.listener is None else config.listener.url,
        acts_on_tests=config.acts_on_tests,
        poll_default=timedelta(seconds=config.poll_s or _POLL_DEFAULT_S),
    )
