"""The live feed: one message a second for everybody who watches (server-sent events).

The message is made once however many watch, and not at all if nobody does. Watchers are
bounded; one that does not keep up is cut off and comes back by itself.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from aiohttp import web

from cloud_coordinator.services.records import EventQuery
from cloud_coordinator.web.live_models import LiveMessage
from cloud_coordinator.web.live_views import SITES_SHOWN, live_message
from cloud_coordinator.web.models import LiveQuery
from cloud_coordinator.web.ports import Services
from cloud_coordinator.web.problems import Kind, ProblemError
from cloud_coordinator.web.routing import Call, NoFields, answer
from cloud_coordinator.web.views import soc_of
from protocols.vocabulary.errors import StoreError

WATCHERS_MAX: Final = 64
QUEUED_MAX: Final = 5
"""Messages a watcher may be behind."""
FIRST_POINTS_S: Final = 600
LATER_POINTS_S: Final = 10
"""Seconds of each award in later messages: more than a tick ever adds at once."""
EVENTS_SHOWN: Final = 30
PHASE_S: Final = 0.05
"""Part of the second at which messages go out: after the coordinator's tick."""
RETRY_MS: Final = 2000
TROUBLE: Final = b'event: trouble\ndata: {"detail":"the store does not answer"}\n\n'

_log = structlog.get_logger(__name__)


class Watcher:
    """One open stream.

    Parameters
    ----------
    cut_off : callable
        Ends the connection at once.
    """

    def __init__(self, cut_off: Callable[[], None]) -> None:
        self._cut_off = cut_off
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=QUEUED_MAX)

    def offer(self, data: bytes | None) -> bool:
        """Queue a message (None ends the stream); False if the watcher is too far behind."""
        try:
            self._queue.put_nowait(data)
        except asyncio.QueueFull:
            self._cut_off()
            return False
        return True

    async def next(self) -> bytes | None:
        """Wait for the next message."""
        return await self._queue.get()


class LiveFeed:
    """Makes the messages and hands them to the watchers.

    Parameters
    ----------
    services : Services
        The use cases.
    period_s : float
        Time between messages, s.
    """

    def __init__(self, services: Services, *, period_s: float) -> None:
        self._services = services
        self._period_s = period_s
        self._watchers: set[Watcher] = set()
        self._failing = False

    @property
    def watching(self) -> int:
        """How many watch."""
        return len(self._watchers)

    async def run(self) -> None:
        """Send a message every period, for ever."""
        while True:
            wait_s = (PHASE_S - self._services.now().wall_s) % self._period_s
            await asyncio.sleep(wait_s or self._period_s)
            if self._watchers:
                await self._send()

    def join(self, cut_off: Callable[[], None]) -> Watcher:
        """Begin to watch.

        Raises
        ------
        ProblemError
            BUSY, if too many watch.
        """
        if len(self._watchers) >= WATCHERS_MAX:
            raise ProblemError(Kind.BUSY, f"{WATCHERS_MAX} watch already; try again later")
        watcher = Watcher(cut_off)
        self._watchers.add(watcher)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """End watching."""
        self._watchers.discard(watcher)

    def close(self) -> None:
        """End all streams."""
        for watcher in list(self._watchers):
            watcher.offer(None)

    async def message(self, *, last_s: int) -> LiveMessage:
        """Make one message with the last seconds of each award.

        Raises
        ------
        StoreError
            If the store does not answer.
        """
        queries = self._services.queries
        events = await asyncio.to_thread(queries.events, EventQuery(limit=EVENTS_SHOWN))
        now = self._services.now()
        view = self._services.live.view(now, last_s=last_s)
        sites = queries.sites(now) if len(view.sites) <= SITES_SHOWN else ()
        soc = {site.record.site_id: soc_of(site.resources) for site in sites}
        return live_message(view, events=events, soc=soc)

    async def _send(self) -> None:
        try:
            data = event_bytes(await self.message(last_s=LATER_POINTS_S))
        except StoreError as error:
            data = TROUBLE
            if not self._failing:
                _log.warning("feed.failed", cause=str(error))
            self._failing = True
        else:
            self._failing = False
        for watcher in list(self._watchers):
            if not watcher.offer(data):
                self.leave(watcher)
                _log.info("watcher.dropped", watching=self.watching)


FEED: Final = web.AppKey("feed", LiveFeed)


def event_bytes(message: LiveMessage) -> bytes:
    """Encode a message as an event named ``live``."""
    return f"event: live\ndata: {message.model_dump_json()}\n\n".encode()


async def watch(call: Call[LiveQuery, NoFields]) -> web.StreamResponse:
    """Stream the present at 1 Hz, or answer it once."""
    feed = call.request.app[FEED]
    if call.query.format == "json":
        return answer(await feed.message(last_s=FIRST_POINTS_S))
    transport = call.request.transport
    if transport is None:
        raise ProblemError(Kind.MALFORMED, "the connection is closed")
    watcher = feed.join(transport.abort)
    try:
        first = event_bytes(await feed.message(last_s=FIRST_POINTS_S))
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        await response.prepare(call.request)
        await _relay(response, watcher, f"retry: {RETRY_MS}\n\n".encode() + first)
    finally:
        feed.leave(watcher)
    return response


async def _relay(response: web.StreamResponse, watcher: Watcher, first: bytes) -> None:
    data: bytes | None = first
    try:
        while data is not None:
            await response.write(data)
            data = await watcher.next()
    except ConnectionResetError:
        return
