"""Sends notifications to subscribers, a few at a time, and tells the role what became of them."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Final

import aiohttp
import structlog

from cloud_coordinator.gateway.ieee2030_5.desk import Desk
from protocols.ieee2030_5.server.subscriptions import Delivery
from protocols.ieee2030_5.xml import MEDIA_TYPE
from protocols.vocabulary.errors import StoreError

LOOK_S: Final = 1.0
"""How often news is looked for when nothing is heard of any."""
SEND_S: Final = 10.0
TOLD_S: Final = 2.0
"""How long an operator's instruction waits for the clients to hear of it."""
AT_A_TIME: Final = 16
_SUCCESS: Final = range(200, 300)

_log = structlog.get_logger(__name__)


class Notifier:
    """Sends what the role says is due.

    Parameters
    ----------
    desk : Desk
        The server.
    tls : SSLContext
        For subscribers at https.
    draw : callable
        Draws from 0..1.
    """

    def __init__(self, desk: Desk, tls: ssl.SSLContext, *, draw: Callable[[], float]) -> None:
        self._desk = desk
        self._tls = tls
        self._draw = draw
        self._room = asyncio.Semaphore(AT_A_TIME)
        self._failing: set[int] = set()
        self._stirred = asyncio.Event()
        self._quiet = asyncio.Event()
        self._under_way = 0

    def stir(self) -> None:
        """Look soon: something has changed."""
        self._stirred.set()

    async def told(self) -> None:
        """Return once all news so far is sent, or has failed, or takes too long."""
        self._quiet.clear()
        self._stirred.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), TOLD_S)

    async def run(self) -> None:
        """Look and send for ever."""
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=AT_A_TIME)
        timeout = aiohttp.ClientTimeout(total=SEND_S)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            while True:
                self._stirred.clear()
                try:
                    due = await self._desk.do(lambda role, now: role.look(now))
                except StoreError:
                    due = ()
                self._under_way += len(due)
                for delivery in due:
                    group.create_task(self._deliver(session, delivery))
                if not self._under_way:
                    self._quiet.set()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stirred.wait(), LOOK_S)

    async def _deliver(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        try:
            async with self._room:
                cause = await _send(session, delivery)
            await self._report(delivery, cause)
        finally:
            self._under_way -= 1
            self._stirred.set()

    async def _report(self, delivery: Delivery, cause: str) -> None:
        number = delivery.subscriber
        if cause and number not in self._failing:
            self._failing.add(number)
            _log.warning("notification.failed", subscription=number, cause=cause)
        elif not cause and number in self._failing:
            self._failing.discard(number)
            _log.info("notification.back", subscription=number)
        drawn = self._draw()
        try:
            ended = await self._desk.do(
                lambda role, now: role.sent(delivery, taken=not cause, now=now, drawn=drawn)
            )
        except StoreError:
            return
        if ended:
            self._failing.discard(number)
            _log.info("subscription.ended", subscription=number, cause=ended)


async def _send(session: aiohttp.ClientSession, delivery: Delivery) -> str:
    """Post a notification; "" if it was taken, else why not."""
    try:
        async with session.post(
            delivery.uri,
            data=delivery.body,
            headers={"Content-Type": MEDIA_TYPE},
            allow_redirects=False,
        ) as reply:
            return "" if reply.status in _SUCCESS else f"HTTP {reply.status}"
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return str(error) or type(error).__name__
