"""Notifications to clients that have subscribed: they hear at once instead of at their next poll.

Only a client's own address is called, and nothing it answers is believed but that it took it.
Runs the server's clock too: what time brings (ends of controls) happens here each second.
"""

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import structlog

from edge_agent.drivers.ieee2030_5.desk import ServerDesk
from protocols.ieee2030_5.server.subscriptions import Delivery
from protocols.ieee2030_5.xml import MEDIA_TYPE
from protocols.vocabulary.errors import StoreError

LOOK_S: Final = 0.5
SEND_S: Final = 5.0
AT_A_TIME: Final = 8
_SUCCESS: Final = range(200, 300)

log = structlog.get_logger(__name__)


class Notifier:
    """Sends what is due.

    Parameters
    ----------
    desk : ServerDesk
        The server.
    context : SSLContext
        Of calls to clients.
    settle : callable
        Called each round, before it is looked what is due.
    """

    def __init__(
        self, desk: ServerDesk, context: ssl.SSLContext, settle: Callable[[], Awaitable[None]]
    ) -> None:
        self._desk = desk
        self._context = context
        self._settle = settle
        self._failing: set[int] = set()

    async def run(self) -> None:
        """Look and send until cancelled."""
        connector = aiohttp.TCPConnector(ssl=self._context, limit=AT_A_TIME)
        timeout = aiohttp.ClientTimeout(total=SEND_S)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            while True:
                try:
                    await self._settle()
                    due = await self._desk.act(lambda role, now: role.look(now))
                except StoreError:
                    due = ()
                for delivery in due:
                    group.create_task(self._deliver(session, delivery))
                await asyncio.sleep(LOOK_S)

    async def _deliver(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        cause = await self._sent(session, delivery)
        number, client = delivery.subscriber, self._desk.client_of(delivery.subscriber)
        subscriber = self._desk.role.state.subscribers.get(number)
        if cause and number not in self._failing:
            self._failing.add(number)
            resource_id = None if client is None else client.resource_id
            log.warning("notification.failed", resource_id=resource_id, cause=cause[:200])
        if not cause:
            self._failing.discard(number)
            if client is not None and subscriber is not None:
                self._desk.note_read(client, subscriber.resource.subscribed_resource)
        drawn = random.random()  # noqa: S311 - spreads calls, hides nothing
        try:
            await self._desk.act(
                lambda role, now: role.sent(delivery, taken=not cause, now=now, drawn=drawn)
            )
        except StoreError:
            return

    async def _sent(self, session: aiohttp.ClientSession, delivery: Delivery) -> str:
        """Post a notification; "" if it was taken, else why not."""
        client = self._desk.client_of(delivery.subscriber)
        if client is None or urlsplit(delivery.uri).hostname != client.address:
            return f"{delivery.uri[:80]} is not the address it calls from"
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
