"""One IEEE 2030.5 server with its records and its clock; all requests and commands come here."""

import math
from collections.abc import Callable
from typing import TypeVar

from cloud_coordinator.gateway.role_keeper import RoleKeeper
from protocols.ieee2030_5.server.server import Server
from protocols.sansio.http import HttpReply, HttpRequest
from protocols.sansio.records import Change
from protocols.vocabulary.errors import LocalProtocolError

T = TypeVar("T")


class Desk:
    """Runs the role.

    Parameters
    ----------
    keeper : RoleKeeper
        The role with its records.
    clock : callable
        s since 1970.
    """

    def __init__(self, keeper: RoleKeeper[Server], *, clock: Callable[[], float]) -> None:
        self._keeper = keeper
        self._clock = clock
        self._heard: dict[str, float] = {}

    @property
    def role(self) -> Server:
        """The role, to look at.

        Raises
        ------
        StoreError
            If its records cannot be read again after a failure.
        """
        return self._keeper.role

    async def answer(self, request: HttpRequest) -> tuple[HttpReply, str]:
        """Answer a request; gives the reply and why it was refused, or "".

        Raises
        ------
        StoreError
            If what it changed could not be made durable; it has not changed anything then.
        """
        outcome = self._keeper.role.answer(request, self._now())
        await self._keeper.kept(outcome.changes)
        if request.peer is not None:
            self._heard[request.peer.lfdi] = self._clock()
        return outcome.reply, outcome.refused

    def silent_s(self, lfdi: str) -> float:
        """Time since a certificate last called; infinite if it has not since the start."""
        return self._clock() - self._heard.get(lfdi, -math.inf)

    async def do(self, action: Callable[[Server, int], T], *also: Change) -> T:
        """Do something with the role as its operator, durably.

        Parameters
        ----------
        action : callable
            Is given the role and the time.
        also : Change
            Records beside the role's own, made durable together.

        Raises
        ------
        StoreError
            If it could not be made durable; nothing has changed then.
        LocalProtocolError
            If the action asks for something impossible.
        """
        role, failure = self._keeper.role, None
        try:
            result = action(role, self._now())
        except LocalProtocolError as error:
            failure = error
        await self._keeper.kept((*role.changes(), *also))
        if failure is not None:
            raise failure
        return result

    async def close(self) -> None:
        """Wait for what is being made durable."""
        await self._keeper.close()

    def _now(self) -> int:
        return int(self._clock())
