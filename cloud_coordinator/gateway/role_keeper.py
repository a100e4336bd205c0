"""A pure role with its records: nothing it says is heard before what it says is durable.

Changes of requests that come together are made durable by one commit: while one is under way
the changes of all others wait for the next, so a disk that syncs a hundred times a second
carries thousands of requests. If the store refuses, all who wait are told, and the role is made
anew from what is stored, so that memory never knows more than the disk. Knows no protocol.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import structlog

from protocols.sansio.records import Change, RecordBook
from protocols.vocabulary.errors import StoreError

Role = TypeVar("Role")

_log = structlog.get_logger(__name__)


class RoleKeeper(Generic[Role]):
    """Keeps a role and writes its changes from a thread, in order.

    Parameters
    ----------
    book : RecordBook
        Where the records are.
    make : callable
        Makes the role from stored records.
    told : callable or None
        Is given the role and each batch once it is durable.

    Attributes
    ----------
    commits : int
        Since the start.

    Raises
    ------
    StoreError
        If the records cannot be read.
    """

    def __init__(
        self,
        book: RecordBook,
        make: Callable[[Mapping[str, bytes]], Role],
        *,
        told: Callable[[Role, Sequence[Change]], None] | None = None,
    ) -> None:
        self._book = book
        self._make = make
        self._told = told
        self._role: Role | None = make(book.load())
        self._waiting: list[Change] = []
        self._next: asyncio.Future[None] | None = None
        self._writing: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self.commits = 0

    @property
    def role(self) -> Role:
        """The role, to be asked and changed; what it changed goes to :meth:`kept` at once.

        Another object after the store has refused something.

        Raises
        ------
        StoreError
            If the store has refused something and still cannot be read.
        """
        if self._role is None:
            self._role = self._make(self._book.load())
        return self._role

    async def kept(self, changes: Sequence[Change]) -> None:
        """Return when these changes, and all before them, are durable.

        Raises
        ------
        StoreError
            If the store refused them, or some before them: none of them is kept then.
        """
        if changes:
            self._waiting += changes
            if self._next is None:
                self._next = asyncio.get_running_loop().create_future()
                self._next.add_done_callback(_looked_at)
            if self._task is None:
                self._task = asyncio.create_task(self._write_all())
        last = self._next or self._writing
        if last is not None:
            await asyncio.shield(last)

    async def close(self) -> None:
        """Return when everything that waits is written."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _write_all(self) -> None:
        """Write batch after batch until nothing waits."""
        try:
            while self._next is not None:
                batch, self._waiting = self._waiting, []
                self._writing, self._next = self._next, None
                await self._write(batch, self._writing)
        finally:
            self._task = self._writing = None

    async def _write(self, batch: Sequence[Change], promised: "asyncio.Future[None]") -> None:
        try:
            await asyncio.to_thread(self._book.put, batch)
        except StoreError as error:
            _log.error("records.refused", cause=str(error), records=len(batch))
            self._refuse(promised, str(error))
            return
        self.commits += 1
        if self._told is not None:
            self._told(self.role, batch)
        promised.set_result(None)

    def _refuse(self, promised: "asyncio.Future[None]", cause: str) -> None:
        """Tell all who wait, for what came later was built on what is lost."""
        self._role = None
        later, self._next = self._next, None
        self._waiting.clear()
        for future in (promised, later):
            if future is not None:
                future.set_exception(StoreError(cause))


def _looked_at(written: "asyncio.Future[None]") -> None:
    """Whoever waits is told; if nobody does, nobody is missing."""
    if not written.cancelled():
        written.exception()
