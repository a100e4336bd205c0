"""Where whatever a device's library raises comes to an end.

Some libraries derive their errors from BaseException, so that no ``except Exception`` sees
them. Here such an error is told from our own end: a task that was cancelled, a process that
is asked to stop. Everything else becomes a value that the caller judges.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

_Given = TypeVar("_Given")
_ENDS = (KeyboardInterrupt, SystemExit, GeneratorExit)


def is_our_end(error: BaseException) -> bool:
    """Whether an error means that we ourselves are to stop.

    A CancelledError that nobody asked this task for is the library's own: one of its futures
    was cancelled.
    """
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    return isinstance(error, _ENDS)


@dataclass(frozen=True, slots=True)
class Failure:
    """What was raised instead of an answer."""

    error: BaseException


async def outcome(answer: Awaitable[_Given]) -> _Given | Failure:
    """Await an answer; whatever is raised instead, short of our own end, is a Failure."""
    try:
        return await answer
    except BaseException as error:
        if is_our_end(error):
            raise
        return Failure(error)


def attempt(
    call: Callable[[], _Given], otherwise: _Given, failed: Callable[[BaseException], None]
) -> _Given:
    """Call into a device's family and give another answer if that raises.

    Parameters
    ----------
    call : callable
        Does not wait.
    otherwise : object
        The answer where the call raised.
    failed : callable
        Told what it raised.
    """
    try:
        return call()
    except BaseException as error:
        if is_our_end(error):
            raise
        failed(error)
        return otherwise


def told(error: BaseException) -> str:
    """Say an error in one line for a log; of a group its first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".rstrip(": ")[:200]
