"""The gateway's own VTN: the pure role, its records, and the VENs that may register.

Only configured VENs register; any other is answered with the standard's code and noted, so that a
technician finds it. What a request changed is on the disk before it is answered.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import structlog

from edge_agent.drivers.openadr.ven import LocalVen
from edge_agent.drivers.port import FoundDevice
from edge_agent.transports.role_keeper import RoleKeeper
from protocols.openadr.messages.event import EventStatus, OadrEvent
from protocols.openadr.vtn.answers import EventAnswer
from protocols.openadr.vtn.operator import Operator
from protocols.openadr.vtn.present import is_over
from protocols.openadr.vtn.role import Answer, Vtn
from protocols.openadr.vtn.state import VtnState
from protocols.sansio.http import HttpReply, HttpRequest
from protocols.sansio.records import Change
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.intervals import Clock

DRAWN_BYTES: Final = 32
STRANGERS_MAX: Final = 32
"""Strangers that are remembered; the oldest makes room."""
Result = TypeVar("Result")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalVtn:
    """The role: what it knows, how it answers, what its operator does."""

    state: VtnState
    vtn: Vtn
    operator: Operator


class VtnDesk:
    """The VTN and its VENs.

    Parameters
    ----------
    keeper : RoleKeeper
        The role with its records.
    vens : iterable of LocalVen
        The configured ones.
    clock : Clock
        Time.
    """

    def __init__(
        self, keeper: RoleKeeper[LocalVtn], vens: Iterable[LocalVen], clock: Clock
    ) -> None:
        self._keeper = keeper
        self._vens = tuple(vens)
        self._clock = clock
        self._strangers: OrderedDict[str, FoundDevice] = OrderedDict()

    @property
    def state(self) -> VtnState:
        """What the VTN knows, to look at."""
        return self._keeper.role.state

    async def act(
        self,
        action: Callable[[Operator, datetime, bytes], tuple[Result, Sequence[Change]]],
    ) -> Result:
        """Do something as the VTN's operator, durably.

        Raises
        ------
        StoreError
            If the disk refuses; nothing was done then.
        LocalProtocolError
            If the action asks for something impossible.
        """
        now, drawn = self._clock.now(), secrets.token_bytes(DRAWN_BYTES)
        return await self._keeper.do(lambda role: action(role.operator, now, drawn))

    async def answer(self, request: HttpRequest, address: str) -> HttpReply:
        """Answer a VEN."""
        now, drawn = self._clock.now(), secrets.token_bytes(DRAWN_BYTES)

        def both(role: LocalVtn) -> tuple[Answer, Sequence[Change]]:
            answer = role.vtn.answer(request, now, drawn)
            return answer, answer.changes

        try:
            answer = await self._keeper.do(both)
        except StoreError:
            return HttpReply(status=503, headers=(("Retry-After", "5"),))
        who = answer.ven_id
        ven = next((one for one in self._vens if one.ven_id == who), None)
        for one in answer.happenings:
            if one.name == "payload.refused":
                cause = str(one.fields.get("cause", ""))
                log.warning("device_request.refused", address=address, cause=cause[:200])
                if ven is None:
                    self._note(address, str(one.fields.get("fingerprint", "")), cause)
        if ven is not None:
            ven.hear(address)
        return answer.reply

    def strangers(self) -> tuple[FoundDevice, ...]:
        """VENs that called and were refused."""
        return tuple(self._strangers.values())

    def event_of(self, ven: LocalVen) -> OadrEvent | None:
        """Event of a VEN that is in force or to come; None without one."""
        now = self._clock.now()
        for event in self.state.events.everything(now):
            mine = event.ei_event.ei_target.ven_id == (ven.ven_id,)
            status = event.ei_event.event_descriptor.event_status
            if mine and status is not EventStatus.CANCELLED and not is_over(event, now):
                return event
        return None

    def answer_to(self, ven: LocalVen, event_id: str, modification: int) -> EventAnswer | None:
        """Find what a VEN answered to one version of an event; None before it has."""
        answer = self.state.events.answers.find(ven.ven_id, event_id)
        return None if answer is None or answer.modification_number < modification else answer

    def _note(self, address: str, fingerprint: str, cause: str) -> None:
        """Remember a stranger."""
        name = fingerprint or address
        self._strangers.pop(name, None)
        self._strangers[name] = FoundDevice(
            address=address,
            unit=fingerprint,
            identity=fingerprint,
            device_id="",
            about=f"OpenADR VEN: {cause[:80]}",
        )
        while len(self._strangers) > STRANGERS_MAX:
            self._strangers.popitem(last=False)
