"""A pure role with its records: nothing it says is heard before what it says is durable.

Changes are written by one thread in the order in which the role made them. If the disk refuses,
whoever waits is told, and the role is made anew from what is on the disk, so that memory never
knows more. Knows no protocol.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

import structlog

from protocols.sansio.records import Change, RecordBook
from protocols.vocabulary.errors import StoreError

Role = TypeVar("Role")
Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class RoleKeeper(Generic[Role]):
    """Runs a role and keeps its records.

    Parameters
    ----------
    book : RecordBook
        Where the records are.
    make : callable
        Makes the role from stored records.

    Attributes
    ----------
    role : Role
        To look at; another object after the disk has refused something.

    Raises
    ------
    StoreError
        If the records cannot be read.
    """

    def __init__(self, book: RecordBook, make: Callable[[Mapping[str, bytes]], Role]) -> None:
        self._book = book
        self._make = make
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="records")
        self._last: asyncio.Future[None] | None = None
        self._life = 0
        self._made_in = 0
        self._cause = ""
        self.role = make(book.load())

    async def do(self, act: Callable[[Role], tuple[Result, Sequence[Change]]]) -> Result:
        """Do something with the role; return its result once that and all before is durable.

        Parameters
        ----------
        act : callable
            Gives a result and what has changed; must not wait.

        Raises
        ------
        StoreError
            If the disk refused it, or something before it: nothing has changed then.
        """
        self._renew()
        result, changes = act(self.role)
        if changes:
            life, loop = self._life, asyncio.get_running_loop()
            self._last = loop.run_in_executor(self._writer, self._put, tuple(changes), life)
            self._last.add_done_callback(_looked_at)
        if self._last is not None and (changes or not self._last.done()):
            try:
                await asyncio.shield(self._last)
            except StoreError as error:
                raise StoreError(str(error)) from error
        return result

    def close(self) -> None:
        """Write what waits and let go of the thread."""
        self._writer.shutdown(wait=True)

    def _put(self, changes: tuple[Change, ...], life: int) -> None:
        """Write one batch; runs in the thread, one at a time."""
        if life != self._life:
            raise StoreError("what was before it could not be stored")
        try:
            self._book.put(changes)
        except StoreError as error:
            self._life += 1
            self._cause = str(error)
            raise

    def _renew(self) -> None:
        """Know only what is stored, after the disk has refused something."""
        if self._made_in != self._life:
            life = self._life
            log.error("records.refused", cause=self._cause)
            self.role = self._make(self._book.load())
            self._made_in = life


def _looked_at(written: "asyncio.Future[None]") -> None:
    """Whoever waits is told; if nobody does, nobody is missing."""
    if not written.cancelled():
        written.exception()
