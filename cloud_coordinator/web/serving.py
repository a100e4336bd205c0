"""Serving an application on a socket that is open already, and how the program feels."""

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Final

from aiohttp import web

from cloud_coordinator.web.ports import Vitals
from protocols.vocabulary.intervals import Clock

STOP_S: Final = 2.0
"""How long requests may still take when the program ends."""


async def serve(
    application: web.Application,
    listening: socket.socket,
    closing: contextlib.AsyncExitStack,
    *,
    context: ssl.SSLContext | None = None,
) -> None:
    """Serve API and page on the open socket, with TLS where there is a context."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=STOP_S)
    await runner.setup()
    closing.push_async_callback(runner.cleanup)
    await web.SockSite(runner, listening, ssl_context=context).start()


class Pulse:
    """What the program knows of its own health.

    Parameters
    ----------
    is_broker_up : callable
        Whether the broker is reached.
    clock : Clock
        For the age of the last tick.
    """

    def __init__(self, is_broker_up: Callable[[], bool], clock: Clock) -> None:
        self._is_broker_up = is_broker_up
        self._clock = clock
        self._ticked_ns: int | None = None
        self._store_up = True

    def ticked(self, *, store_up: bool) -> None:
        """Note a completed tick, and whether the store took what it wrote."""
        self._ticked_ns = self._clock.monotonic_ns()
        self._store_up = store_up

    def vitals(self) -> Vitals:
        """Answer ``/healthz``."""
        ticked_ns = self._ticked_ns
        age_s = None if ticked_ns is None else (self._clock.monotonic_ns() - ticked_ns) / 1e9
        return Vitals(broker_up=self._is_broker_up(), store_up=self._store_up, tick_age_s=age_s)
