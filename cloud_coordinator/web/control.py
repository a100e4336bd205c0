"""Handler of ``POST /api/v1/control/optimize``: decide against a deadline, answer in pieces.

The decision runs on one thread. A request that comes while another is decided waits, and its
waiting counts. What is not decided in time is refused with what it would have needed; the
thread ends its work and is free for the next.
"""

import asyncio
import json
import math
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Final

from aiohttp import web

from cloud_coordinator.allocation.problem import AllocationInputError
from cloud_coordinator.services.errors import StaleError
from cloud_coordinator.services.optimizing import PlanTask
from cloud_coordinator.services.plans import PlanAnswer
from cloud_coordinator.web.control_models import W_PER_MW, OptimizeBody, plan_request
from cloud_coordinator.web.ports import PlanDesk
from cloud_coordinator.web.problems import Kind, ProblemError
from cloud_coordinator.web.routing import JSON, Call, NoFields

WAITING_MAX: Final = 4
PIECE_COMMANDS: Final = 2_000
SEND_TIMEOUT_S: Final = 20.0
"""A reader that takes no piece for so long is cut off."""
ID_BYTES: Final = 16


class Decisions:
    """Decides plans on a thread of its own, one after the other."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="plans")
        self._waiting = 0
        self._last_ms = math.nan

    def close(self) -> None:
        """End the thread when its work is done."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def decide(self, desk: PlanDesk, task: PlanTask, *, ends_s: float) -> PlanAnswer:
        """Decide before a time of the loop's clock.

        Raises
        ------
        ProblemError
            LATE if it takes longer, BUSY if too many wait.
        """
        if self._waiting >= WAITING_MAX:
            raise ProblemError(Kind.BUSY, "too many plans are being decided; try again")
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        self._waiting += 1
        work = loop.run_in_executor(self._thread, desk.decide, task)
        work.add_done_callback(partial(self._done, began_s))
        try:
            return await asyncio.wait_for(asyncio.shield(work), max(ends_s - loop.time(), 0.0))
        except TimeoutError as error:
            raise ProblemError(Kind.LATE, self._late(began_s, ends_s)) from error

    def _done(self, began_s: float, work: asyncio.Future[PlanAnswer]) -> None:
        self._waiting -= 1
        if not work.cancelled():
            work.exception()  # nobody may be waiting for it any more
            self._last_ms = (asyncio.get_running_loop().time() - began_s) * 1e3

    def _late(self, began_s: float, ends_s: float) -> str:
        spent_ms = (asyncio.get_running_loop().time() - began_s) * 1e3
        allowed_ms = (ends_s - began_s) * 1e3
        needed = f"more than {spent_ms:.0f} ms"
        if math.isfinite(self._last_ms):
            needed += f", the last one {self._last_ms:.0f} ms"
        return (
            f"constraints.max_response_time_ms: {allowed_ms:.0f} ms were left for the decision, "
            f"it needs {needed}"
        )


DECISIONS: Final = web.AppKey("decisions", Decisions)


async def optimize(call: Call[NoFields, OptimizeBody]) -> web.StreamResponse:
    """Decide, record, and answer."""
    began_s = asyncio.get_running_loop().time()
    services, body = call.context.services, call.body
    desk, now = services.optimizing, services.now()
    if call.context.streams.locked():
        raise ProblemError(Kind.BUSY, "too many long answers are being sent; try again")
    try:
        task = desk.ask(plan_request(body), now)
        ends_s = began_s + body.constraints.max_response_time_ms / 1e3
        found = await call.request.app[DECISIONS].decide(desk, task, ends_s=ends_s)
    except StaleError as error:
        raise ProblemError(Kind.STALE, str(error)) from error
    except AllocationInputError as error:
        raise ProblemError(Kind.STALE, f"the fleet's values cannot be used: {error}") from error
    name = secrets.token_hex(ID_BYTES)
    desk.record(task, found, optimization_id=name)
    async with call.context.streams:
        return await _send(call.request, found, name)


async def _send(request: web.Request, found: PlanAnswer, name: str) -> web.StreamResponse:
    """Send piece by piece: never more than one piece is in memory."""
    response = web.StreamResponse(
        headers={"Content-Type": f"{JSON}; charset=utf-8", "Cache-Control": "no-store"}
    )
    await response.prepare(request)
    try:
        for piece in json_pieces(found, name):
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await response.write(piece.encode())
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    except ConnectionResetError:
        pass
    return response


def json_pieces(found: PlanAnswer, name: str) -> Iterator[str]:
    """Write an answer as JSON text.

    Parameters
    ----------
    found : PlanAnswer
        What was decided.
    name : str
        Its id.

    Yields
    ------
    str
        Parts that make one ``OptimizeResult``.
    """
    yield f'{{"optimization_id":{json.dumps(name)},"control_commands":['
    for place, text in enumerate(
        found.commands.texts(at=_utc_text(found.execute_at), size=PIECE_COMMANDS)
    ):
        yield f",{text}" if place else text
    performance = {
        "total_response_mw": round(found.response_w / W_PER_MW, 9),
        "estimated_revenue": round(found.revenue_jpy, 2),
        "confidence_score": round(found.probability, 6),
    }
    yield f'],"expected_performance":{json.dumps(performance, allow_nan=False)}}}'


def _utc_text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
