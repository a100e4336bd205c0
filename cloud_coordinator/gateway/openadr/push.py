"""Sends the VTN's own requests to VENs in push mode; a VEN that fails is tried ever more rarely."""

import asyncio
import ssl
from typing import Final

import aiohttp
import structlog

from cloud_coordinator.gateway.openadr.desk import Desk
from protocols.openadr.vtn.push import Push

LOOK_EVERY_S: Final = 0.25
TIMEOUT_S: Final = 10.0
RETRY_FIRST_S: Final = 2.0
RETRY_MOST_S: Final = 300.0
REPLY_BYTES_MAX: Final = 1_000_000
AT_ONCE_MAX: Final = 50
"""VENs that are spoken to at the same time."""
HTTP_OK: Final = 200

_log = structlog.get_logger(__name__)


class PushSender:
    """Pushes to all VENs of one VTN.

    Parameters
    ----------
    desk : Desk
        The VTN.
    context : SSLContext or None
        With our client certificate, for addresses of https.
    """

    def __init__(self, desk: Desk, context: ssl.SSLContext | None = None) -> None:
        self._desk = desk
        self._context = context
        self._speaking: dict[str, asyncio.Task[None]] = {}
        self._pauses: dict[str, tuple[float, float]] = {}

    async def run(self) -> None:
        """Push until cancelled."""
        connector = aiohttp.TCPConnector(ssl=self._context or True, limit=AT_ONCE_MAX)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            while True:
                self._look(group, session)
                await asyncio.sleep(LOOK_EVERY_S)

    def _look(self, group: asyncio.TaskGroup, session: aiohttp.ClientSession) -> None:
        now_s = asyncio.get_running_loop().time()
        for ven_id, task in tuple(self._speaking.items()):
            if task.done():
                del self._speaking[ven_id]
        for ven_id in self._desk.to_push():
            room = len(self._speaking) < AT_ONCE_MAX
            if room and ven_id not in self._speaking and self._due_s(ven_id) <= now_s:
                self._speaking[ven_id] = group.create_task(self._speak(session, ven_id))

    def _due_s(self, ven_id: str) -> float:
        return self._pauses.get(ven_id, (0.0, 0.0))[0]

    async def _speak(self, session: aiohttp.ClientSession, ven_id: str) -> None:
        """Say everything that waits for a VEN, one request after the other."""
        while (push := self._desk.next_push(ven_id)) is not None:
            try:
                body = await _post(session, push)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                self._failed(ven_id, str(error) or type(error).__name__)
                return
            if self._pauses.pop(ven_id, None) is not None:
                _log.info("ven.reached", ven_id=ven_id)
            await self._desk.pushed(push, body)

    def _failed(self, ven_id: str, cause: str) -> None:
        before = self._pauses.get(ven_id)
        pause_s = RETRY_FIRST_S if before is None else min(2 * before[1], RETRY_MOST_S)
        if before is None:
            _log.warning("ven.unreachable", ven_id=ven_id, cause=cause)
        self._pauses[ven_id] = (asyncio.get_running_loop().time() + pause_s, pause_s)


async def _post(session: aiohttp.ClientSession, push: Push) -> bytes:
    """Send a request; return the body of the reply.

    Raises
    ------
    ValueError
        If the VEN answers with another status than 200, or too much.
    """
    async with session.post(
        push.url,
        data=push.body,
        headers={"Content-Type": push.content_type},
        allow_redirects=False,
    ) as reply:
        if reply.status != HTTP_OK:
            raise ValueError(f"HTTP {reply.status}")
        body = await reply.content.read(REPLY_BYTES_MAX + 1)
        if len(body) > REPLY_BYTES_MAX:
            raise ValueError("the reply is too long")
        return body
