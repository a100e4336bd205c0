"""The shell of the client: sends its requests, keeps its records, logs its troubles.

Nothing is sent before the records are durable. A request that fails in any way changes nothing
but the time of the next one, so the known schedule goes on. Implements the northbound port.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import structlog

from edge_agent.config.northbound import Ieee2030_5ClientConfig
from edge_agent.northbound.ieee2030_5.notices import serve
from edge_agent.northbound.ieee2030_5.orders import (
    STATUS_OF,
    facts_of,
    grid_orders,
    nominal_interval,
    order_of,
)
from edge_agent.northbound.ieee2030_5.wire import Wire
from edge_agent.northbound.port import GridOrder, Judge, OrderState, Origin, SiteSecond
from edge_agent.transports.tls import client_context, own_certificate, server_context
from protocols.ieee2030_5.client.fetch import Answer
from protocols.ieee2030_5.client.known import KnownProgram
from protocols.ieee2030_5.client.modes import Asked
from protocols.ieee2030_5.client.role import Client
from protocols.ieee2030_5.client.settings import ClientSettings
from protocols.ieee2030_5.identity import lfdi_of_certificate
from protocols.ieee2030_5.resources.der import DERControl
from protocols.sansio.http import HttpReply, HttpRequest
from protocols.sansio.records import Change, RecordBook
from protocols.vocabulary.errors import ConfigError, StoreError
from protocols.vocabulary.intervals import Clock

LOOK_S: Final = (0.05, 1.0)
"""Shortest and longest pause between two looks at what is due."""
NOT_TAKEN, NOT_KEPT, KEPT_AGAIN = 1, 2, 3
"""Codes of our log events (vendor defined, function set DER)."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientParts:
    """What the shell stands on.

    Attributes
    ----------
    judge : Judge
        Whether an order can be carried out.
    book : RecordBook
        Records of this client alone.
    clock : Clock
        Wall time.
    chance : callable
        Draws from [0, 1).
    """

    judge: Judge
    book: RecordBook
    clock: Clock
    chance: Callable[[], float] = random.SystemRandom().random


class Ieee2030_5Client:  # noqa: N801 - the standard's own number
    """The site's client of a utility's server.

    Parameters
    ----------
    config : Ieee2030_5ClientConfig
        The section ``[ieee2030_5_client]``.
    parts : ClientParts
        What it works with.

    Raises
    ------
    ConfigError
        If a certificate or key cannot be used.
    StoreError
        If the records cannot be read.
    """

    def __init__(self, config: Ieee2030_5ClientConfig, parts: ClientParts) -> None:
        if config.tls is None:
            raise ConfigError(
                "ieee2030_5_client.url: https is needed, the certificate is who we are"
            )
        self._config, self._tls, self._parts = config, config.tls, parts
        self._server_certificate = b""
        self._context = client_context(
            config.tls.certificate, config.tls.key, config.tls.authorities, seen=self._seen
        )
        url = urlsplit(config.url)
        self._origin, self._server = f"{url.scheme}://{url.netloc}", url.netloc
        lfdi = lfdi_of_certificate(own_certificate(config.tls.certificate))
        self._client = Client(
            ClientSettings(
                origin=self._origin,
                device_capability=url.path or "/",
                lfdi=lfdi,
                pin=config.pin,
                registers=config.registers,
                csipaus=config.csip_aus,
                notification_uri="" if config.listener is None else config.listener.url,
                poll_floor_s=config.poll_s_min,
            ),
            parts.book.load(),
            chance=parts.chance,
            opinion=self._opinion,
            modes=lambda: parts.judge.modes(Origin.IEEE2030_5),
        )
        self._unkept: dict[str, Change] = {}
        self._orders: tuple[GridOrder, ...] | None = None
        self._kept_less: set[str] = set()
        self._failing: set[str] = set()
        self._is_lost = False
        self._news = asyncio.Event()

    def orders(self, now: datetime) -> Sequence[GridOrder]:
        """Orders known and not over."""
        if self._orders is None:
            self._orders = grid_orders(self._client.view(), self._server)
        return [order for order in self._orders if order.interval.end > now]

    def happened(self, second: SiteSecond) -> None:
        """Take the measurements; what is not kept becomes a log event of the server."""
        self._client.tell(facts_of(second))
        at_s = second.at.timestamp()
        for report in second.reports:
            order_id, mode = report.order.order_id, report.order.mode
            match report.state:
                case OrderState.REFUSED:
                    self._client.note(NOT_TAKEN, f"{mode} refused", at_s)
                case OrderState.PARTIAL if order_id not in self._kept_less:
                    self._kept_less.add(order_id)
                    self._client.note(NOT_KEPT, f"{mode} short of {report.missing_w:.0f} W", at_s)
                case OrderState.STARTED if order_id in self._kept_less:
                    self._kept_less.discard(order_id)
                    self._client.note(KEPT_AGAIN, f"{mode} kept again", at_s)
                case OrderState.COMPLETED | OrderState.WITHDRAWN:
                    self._kept_less.discard(order_id)

    async def run(self) -> None:
        """Speak with the server until cancelled.

        Raises
        ------
        ConfigError
            If the address to listen at cannot be had.
        """
        async with AsyncExitStack() as stack:
            if self._config.listener is not None:
                files = self._tls
                context = server_context(
                    files.certificate, files.key, files.authorities, admits=self._admits
                )
                await stack.enter_async_context(
                    serve(self._config.listener, context, self._notified)
                )
            wire = await stack.enter_async_context(
                Wire(self._origin, self._context, now_s=self._now_s)
            )
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            tasks.create_task(self._watch())
            while True:
                await self._errand(wire)

    async def _watch(self) -> None:
        """Let time pass while an exchange takes long."""
        while True:
            await asyncio.sleep(LOOK_S[1])
            self._client.advance(self._now_s())
            self._keep()

    async def _errand(self, wire: Wire) -> None:
        """Do an errand to its end, or wait until one is due."""
        now_s = self._now_s()
        request = self._client.begin(now_s)
        if request is None:
            self._keep()
            await self._pause(now_s)
        while request is not None:
            if self._keep():
                answer = await wire.exchange(request)
                self._note_contact(answer)
            else:
                answer = self._not_sent()
                await asyncio.sleep(LOOK_S[1])
            request = self._client.go_on(answer)
        self._keep()

    async def _pause(self, now_s: float) -> None:
        """Wait until something is due, or news came."""
        self._news.clear()
        next_s = self._client.next_s()
        shortest_s, longest_s = LOOK_S
        wait_s = longest_s if next_s is None else min(max(next_s - now_s, shortest_s), longest_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._news.wait()

    def _notified(self, request: HttpRequest) -> HttpReply:
        """Take a notification of the server."""
        reply = self._client.notified(request, self._now_s())
        self._news.set()
        return reply

    def _keep(self) -> bool:
        """Make every change durable; False if the disk refuses, and it is tried again."""
        changes = self._client.changes()
        self._log_troubles()
        if changes:
            self._orders = None
            self._unkept |= {change.key: change for change in changes}
        if not self._unkept:
            return True
        try:
            self._parts.book.put(self._unkept.values())
        except StoreError as error:
            log.error("records.refused", client="ieee2030.5", cause=str(error))  # noqa: TRY400 - the cause says it all
            return False
        self._unkept.clear()
        return True

    def _not_sent(self) -> Answer:
        now_s = self._now_s()
        return Answer(
            reply=None,
            sent_at_s=now_s,
            received_at_s=now_s,
            may_have_arrived=False,
            cause="records cannot be kept",
        )

    def _note_contact(self, answer: Answer) -> None:
        """Log that the server is lost, or back: once."""
        if answer.reply is None and not self._is_lost:
            log.warning("utility.lost", server=self._server, cause=answer.cause)
        elif answer.reply is not None and self._is_lost:
            log.info("utility.back", server=self._server)
        self._is_lost = answer.reply is None

    def _log_troubles(self) -> None:
        """Log what began to fail and what does well again; a lost server says it all."""
        for trouble in self._client.troubles():
            if not trouble.cause and trouble.errand in self._failing:
                self._failing.discard(trouble.errand)
                log.info("errand.recovered", errand=trouble.errand)
            elif trouble.cause and not self._is_lost:
                self._failing.add(trouble.errand)
                log.warning("errand.failed", errand=trouble.errand, cause=trouble.cause[:300])

    def _opinion(self, program: KnownProgram, control: DERControl, asked: Asked) -> int | None:
        """Status of the response to a mode that the site refuses, None if it takes it."""
        order = order_of(program, control, asked, interval=nominal_interval(control))
        refusal = self._parts.judge.refusal(order)
        if refusal is None:
            return None
        log.warning(
            "control.refused",
            control=control.mrid,
            mode=asked.mode,
            cause=refusal.cause,
            program=program.description or program.mrid,
        )
        return STATUS_OF[refusal.kind]

    def _seen(self, certificate: bytes) -> None:
        self._server_certificate = certificate

    def _admits(self, certificate: bytes) -> bool:
        """Whether a caller is the server that we call."""
        return certificate == self._server_certificate

    def _now_s(self) -> float:
        return self._parts.clock.now().timestamp()
