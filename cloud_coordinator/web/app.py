"""The coordinator's web application: REST, live feed and page. Called by ``main``.

Everything that is served is a row of ``table.ROUTES``; handlers hold no rules, they read the
request, call a use case and say the result.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, version

import structlog
from aiohttp import web

from cloud_coordinator.web.access import Access
from cloud_coordinator.web.control import DECISIONS, Decisions
from cloud_coordinator.web.door import DOOR, Door, handler_of
from cloud_coordinator.web.live import FEED, LiveFeed
from cloud_coordinator.web.openapi import openapi_document
from cloud_coordinator.web.pages import ASSETS, DOCUMENT, OPENNESS, Openness, load_assets
from cloud_coordinator.web.ports import Services, VitalsProbe
from cloud_coordinator.web.problems import problem_middleware
from cloud_coordinator.web.routing import (
    BODY_BYTES_MAX,
    CONTEXT,
    STREAMS_MAX,
    Context,
    Heavy,
)
from cloud_coordinator.web.table import ROUTES

_log = structlog.get_logger(__name__)


def create_app(
    services: Services,
    *,
    vitals: VitalsProbe,
    period_s: float = 1.0,
    access: Access | None = None,
) -> web.Application:
    """Make the application.

    Parameters
    ----------
    services : Services
        The use cases.
    vitals : VitalsProbe
        Asked by ``/healthz``.
    period_s : float
        Time between messages of the live feed, s.
    access : Access or None
        Who is known, and where it is written down what they do; None asks nobody and writes
        nothing down. Page and log say it where nobody is asked.

    Returns
    -------
    web.Application
        Not started; it holds no resource before it is.
    """
    app = web.Application(middlewares=[problem_middleware], client_max_size=BODY_BYTES_MAX)
    app[CONTEXT] = Context(
        services=services,
        vitals=vitals,
        heavy=Heavy(),
        streams=asyncio.Semaphore(STREAMS_MAX),
    )
    app[DOOR] = door = Door(access)
    app[OPENNESS] = Openness(is_open=lambda: door.is_open)
    if door.is_open:
        _log.warning("access.opened", cause="nobody is asked who they are")
    app[FEED] = LiveFeed(services, period_s=period_s)
    app[DECISIONS] = Decisions()
    app[DOCUMENT] = openapi_document(ROUTES, version=_version())
    app[ASSETS] = load_assets()
    for route in ROUTES:
        for method in route.methods:
            app.router.add_route(method, route.path, handler_of(route))
    app.cleanup_ctx.append(_feeding)
    app.on_shutdown.append(_end_streams)
    return app


async def _feeding(app: web.Application) -> AsyncIterator[None]:
    """Run the live feed while the application runs."""
    task = asyncio.create_task(app[FEED].run(), name="live-feed")
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _end_streams(app: web.Application) -> None:
    app[FEED].close()
    app[DECISIONS].close()


def _version() -> str:
    try:
        return version("vpp")
    except PackageNotFoundError:
        return "0"
