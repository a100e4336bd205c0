"""What goes wrong between a client and a counterpart: one fault for each of the next posts."""

import asyncio
import enum
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from aiohttp import web

from protocols.vocabulary.errors import ConfigError

_FAULTS_MAX: Final = 10_000
_COUNT_MAX: Final = 1_000
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Fault(enum.StrEnum):
    """A fault of one post; all but BUSY do what was asked for before they fail."""

    BUSY = "busy"
    """503, nothing is done."""
    ERROR = "error"
    """500 after it is done."""
    LOST = "lost"
    """The connection breaks instead of an answer."""
    LATE = "late"
    """The answer comes after a while."""
    GARBLED = "garbled"
    """The answer is damaged."""
    CUT = "cut"
    """Half of the answer, as if it were all."""
    REPLAY = "replay"
    """The answer to the post before."""
    TWICE = "twice"
    """What was asked for arrives two times, as from a proxy that repeats."""


class Mischief:
    """Faults in the order in which they strike.

    Parameters
    ----------
    faults : iterable of Fault
        One for each of the next posts; then all is well.
    late_s : float
        How long a late answer takes.
    """

    def __init__(self, faults: Iterable[Fault] = (), *, late_s: float = 5.0) -> None:
        self._faults = deque(faults, maxlen=_FAULTS_MAX)
        self._late_s = late_s
        self._before: web.Response | None = None
        self.posts = 0
        """How many posts came."""

    def add(self, *faults: Fault) -> None:
        """Let more strike."""
        self._faults.extend(faults)

    def guard(self, handler: _Handler) -> _Handler:
        """Put the faults around a handler of posts."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            self.posts += 1
            fault = self._faults.popleft() if self._faults else None
            if fault is Fault.BUSY:
                return web.Response(status=503, headers={"Retry-After": "1"})
            if fault is Fault.TWICE:
                await handler(request)
            answer = await handler(request)
            assert isinstance(answer, web.Response), "handlers answer at once"
            before, self._before = self._before, _copy(answer)
            return await self._spoilt(fault, request, answer=answer, before=before)

        return guarded

    async def _spoilt(
        self,
        fault: Fault | None,
        request: web.Request,
        *,
        answer: web.Response,
        before: web.Response | None,
    ) -> web.Response:
        body = bytes(answer.body) if isinstance(answer.body, bytes) else b""
        if fault is Fault.LATE:
            await asyncio.sleep(self._late_s)
        elif fault is Fault.LOST and request.transport is not None:
            request.transport.abort()
        elif fault is Fault.ERROR:
            return web.Response(status=500)
        elif fault is Fault.GARBLED:
            return _copy(answer, bytes(byte ^ 0x2A for byte in body))
        elif fault is Fault.CUT:
            return _copy(answer, body[: len(body) // 2])
        elif fault is Fault.REPLAY and before is not None:
            return before
        return answer


def _copy(answer: web.Response, body: bytes | None = None) -> web.Response:
    kept = bytes(answer.body) if isinstance(answer.body, bytes) else b""
    names = [name for name in answer.headers if name.lower() not in {"content-length", "date"}]
    return web.Response(
        status=answer.status,
        body=kept if body is None else body,
        headers={name: answer.headers[name] for name in names},
    )


def faults_of(texts: Iterable[str]) -> list[Fault]:
    """Read ``lost`` or ``busy:3`` from a command line.

    Raises
    ------
    ConfigError
        If it is no fault.
    """
    found: list[Fault] = []
    for text in texts:
        name, _, count = text.partition(":")
        if name not in set(Fault) or not (count or "1").isdecimal():
            raise ConfigError(f"--fault {text!r}: use {', '.join(Fault)}, or NAME:COUNT")
        if int(count or "1") > _COUNT_MAX:
            raise ConfigError(f"--fault {text!r}: at most {_COUNT_MAX}")
        found += [Fault(name)] * int(count or "1")
    return found
