"""One VTN with its records: the only place where its state meets its disk.

Whatever changes the state goes through here: it is made durable first and told afterwards. When
the disk refuses, the peer gets HTTP 503 and the state is read again from what is on the disk, so
that nothing is ever told that would not survive.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import structlog

from cloud_coordinator.gateway.role_keeper import RoleKeeper
from protocols.openadr.messages.event import OadrEvent
from protocols.openadr.vtn.operator import Operator
from protocols.openadr.vtn.push import Push, Pusher
from protocols.openadr.vtn.role import Vtn
from protocols.openadr.vtn.seal import Seal
from protocols.openadr.vtn.settings import VtnSettings
from protocols.openadr.vtn.state import Happening, VtnState
from protocols.sansio.http import HttpReply, HttpRequest
from protocols.sansio.records import Change, RecordBook
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.intervals import Clock

DRAWN_BYTES: Final = 32
Result = TypeVar("Result")
Decision = Callable[[Operator, datetime, bytes], tuple[Result, tuple[Change, ...]]]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPorts:
    """What a desk works with.

    Attributes
    ----------
    settings : VtnSettings
        The VTN.
    seal : Seal
        How payloads are written and read.
    book : RecordBook
        Where everything is kept.
    clock : Clock
        For all times.
    draw : callable
        Draws so many random bytes.
    """

    settings: VtnSettings
    seal: Seal
    book: RecordBook
    clock: Clock
    draw: Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Roles:
    """A state, and all that speak and act with it."""

    state: VtnState
    vtn: Vtn
    operator: Operator
    pusher: Pusher


class Desk:
    """One VTN and its disk.

    Parameters
    ----------
    ports : DeskPorts
        What it works with.
    """

    def __init__(self, ports: DeskPorts) -> None:
        self._ports = ports
        self._keeper: RoleKeeper[_Roles] = RoleKeeper(ports.book, self._make)
        self._heard: dict[str, datetime] = {}

    @property
    def state(self) -> VtnState:
        """What the VTN knows, to look at.

        Raises
        ------
        StoreError
            If its records cannot be read again after a failure.
        """
        return self._keeper.role.state

    @property
    def commits(self) -> int:
        """Commits since the start."""
        return self._keeper.commits

    async def close(self) -> None:
        """Wait for what is being made durable."""
        await self._keeper.close()

    async def answer(self, request: HttpRequest) -> HttpReply:
        """Answer a VEN's request when what it changed is durable."""
        try:
            answer = self._keeper.role.vtn.answer(request, self._ports.clock.now(), self._draw())
            if answer.changes or not answer.quiet:
                await self._keeper.kept(answer.changes)
        except StoreError:
            return HttpReply(status=503, headers=(("Retry-After", "5"),))
        if answer.ven_id:
            self._heard[answer.ven_id] = self._ports.clock.now()
        _tell(answer.happenings)
        return answer.reply

    async def decide(self, act: Decision[Result]) -> Result:
        """Let the operator do something, durably.

        Parameters
        ----------
        act : callable
            Is given the operator, the time and random bytes.

        Raises
        ------
        StoreError
            If the disk refuses; nothing was done then.
        LocalProtocolError
            As `act` does.
        """
        operator = self._keeper.role.operator
        result, changes = act(operator, self._ports.clock.now(), self._draw())
        await self._keeper.kept(changes)
        return result

    def events(self) -> tuple[OadrEvent, ...]:
        """All events as they stand now."""
        return self.state.events.everything(self._ports.clock.now())

    def silent_s(self, ven_id: str) -> float:
        """Time since a VEN last proved to be there; infinite if it has not since the start."""
        heard = self._heard.get(ven_id)
        return math.inf if heard is None else (self._ports.clock.now() - heard).total_seconds()

    def to_push(self) -> tuple[str, ...]:
        """VENs in push mode for which something may wait; none while the disk cannot be read."""
        try:
            return self._keeper.role.pusher.waiting()
        except StoreError:
            return ()

    def next_push(self, ven_id: str) -> Push | None:
        """Return the next request to a VEN, if there is something to say."""
        try:
            pusher = self._keeper.role.pusher
        except StoreError:
            return None
        return pusher.next(ven_id, self._ports.clock.now(), self._draw())

    async def pushed(self, push: Push, body: bytes) -> None:
        """Take a VEN's reply to a request of ours; if it cannot be kept it is asked again."""
        try:
            answer = self._keeper.role.pusher.replied(push, body, self._ports.clock.now())
            await self._keeper.kept(answer.changes)
        except StoreError:
            return
        self._heard[push.ven_id] = self._ports.clock.now()
        _tell(answer.happenings)

    def _draw(self) -> bytes:
        return self._ports.draw(DRAWN_BYTES)

    def _make(self, records: Mapping[str, bytes]) -> _Roles:
        state = VtnState(self._ports.settings, records)
        seal = self._ports.seal
        return _Roles(
            state=state, vtn=Vtn(state, seal), operator=Operator(state), pusher=Pusher(state, seal)
        )


def _tell(happenings: tuple[Happening, ...]) -> None:
    for one in happenings:
        _LINES[one.name](dict(one.fields))


_LINES: Final[Mapping[str, Callable[[dict[str, str | int]], None]]] = {
    "event.answered": lambda fields: _log.info("event.answered", **fields),
    "opt.cancelled": lambda fields: _log.info("opt.cancelled", **fields),
    "opt.created": lambda fields: _log.info("opt.created", **fields),
    "payload.refused": lambda fields: _log.warning("payload.refused", **fields),
    "push.refused": lambda fields: _log.warning("push.refused", **fields),
    "report.declined": lambda fields: _log.warning("report.declined", **fields),
    "report.offered": lambda fields: _log.info("report.offered", **fields),
    "report.received": lambda fields: _log.debug("report.received", **fields),
    "ven.left": lambda fields: _log.info("ven.left", **fields),
    "ven.registered": lambda fields: _log.info("ven.registered", **fields),
}
"""How each happening of the role is logged."""
