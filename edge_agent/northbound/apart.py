"""Runs a northbound client apart from the cycle: in a thread and an event loop of its own.

The cycle never waits for a client, whatever it does: it reads the orders that were published last
and leaves each second in a bounded box. A client that breaks is made anew from its records after a
while; the orders it had published go on to their ends meanwhile.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Final

import structlog

from edge_agent.northbound.port import GridOrder, Northbound, OrderReport, Origin, SiteSecond
from protocols.vocabulary.intervals import Clock

PUBLISH_S: Final = 0.2
"""How often a client's orders are looked at and seconds are handed to it."""
SECONDS_KEPT: Final = 600
"""Seconds kept for a client that does not take them; the oldest go first."""
REPORTS_KEPT: Final = 1000
NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long is waited, s.

    Attributes
    ----------
    again_s_min, again_s_max : float
        Before a client that broke is made anew, first and at most; doubled each time. One that
        has lived for the first is well again, for the second it begins with the first anew.
    join_s : float
        For a client to end.
    """

    again_s_min: float = 5.0
    again_s_max: float = 300.0
    join_s: float = 5.0


log = structlog.get_logger(__name__)


class Apart:
    """One client in its own thread.

    Parameters
    ----------
    origin : Origin
        Its language.
    make : callable
        Makes the client from its configuration and records; called here once before anything
        runs, so that a first cycle has its orders, and again after it broke.
    clock : Clock
        Wall time.
    waits : Waits
        How long is waited.

    Raises
    ------
    ConfigError
        If the client cannot be made as configured.
    """

    def __init__(
        self,
        origin: Origin,
        make: Callable[[], Northbound],
        clock: Clock,
        *,
        waits: Waits = Waits(),
    ) -> None:
        self.origin = origin
        self._make = make
        self._clock = clock
        self._waits = waits
        self._seconds: deque[SiteSecond] = deque()
        self._box = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._client = make()
        self._orders = tuple(self._client.orders(clock.now()))
        self.trouble = ""
        self._thread = threading.Thread(target=self._run, name=f"{origin.value}", daemon=True)

    def start(self) -> None:
        """Start to speak with the peer."""
        self._thread.start()

    async def stop(self) -> None:
        """End the client; a hanging one is left behind after a bounded time."""
        if self._loop is not None and self._main is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._main.cancel)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, self._waits.join_s)

    def orders(self) -> tuple[GridOrder, ...]:
        """Orders as they were published last; at once."""
        return self._orders

    def tell(self, second: SiteSecond) -> None:
        """Leave a second for the client; at once. Reports outlive seconds that are dropped."""
        with self._box:
            self._seconds.append(second)
            if len(self._seconds) > SECONDS_KEPT:
                dropped, oldest = self._seconds.popleft(), self._seconds[0]
                reports: tuple[OrderReport, ...] = (*dropped.reports, *oldest.reports)
                self._seconds[0] = replace(oldest, reports=reports[-REPORTS_KEPT:])

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._live())

    async def _live(self) -> None:
        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        wait_s = self._waits.again_s_min
        while True:
            began_s = self._loop.time()
            self._broke(await _first_to_end(self._client.run(), self._publish()))
            if self._loop.time() - began_s > self._waits.again_s_max:
                wait_s = self._waits.again_s_min
            await asyncio.sleep(wait_s)
            wait_s = min(2.0 * wait_s, self._waits.again_s_max)
            error = await _first_to_end(self._remake())
            if error is None:
                log.info("northbound.back", origin=self.origin.value)
            else:
                self._broke(error)

    def _broke(self, error: BaseException | None) -> None:
        """Note why the client ended; whatever it was, the site goes on."""
        self.trouble = "it ended" if error is None else f"{type(error).__name__}: {error}"
        log.error("northbound.broke", origin=self.origin.value, cause=self.trouble, exc_info=error)

    async def _remake(self) -> None:
        self._client = self._make()

    async def _publish(self) -> None:
        well_ns = self._clock.monotonic_ns() + round(self._waits.again_s_min * NS_PER_S)
        while True:
            with self._box:
                seconds = tuple(self._seconds)
                self._seconds.clear()
            for second in seconds:
                self._client.happened(second)
            self._orders = tuple(self._client.orders(self._clock.now()))
            if self._clock.monotonic_ns() >= well_ns:
                self.trouble = ""
            await asyncio.sleep(PUBLISH_S)


async def _first_to_end(*works: Coroutine[None, None, None]) -> BaseException | None:
    """Do works until one of them ends; why it ended, None if by itself. The others are ended."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    errors = [task.exception() for task in done if not task.cancelled()]
    return next((error for error in errors if error is not None), None)
