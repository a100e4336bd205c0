"""What a VEN sends: calls with their purpose, and answers that wait until they arrive. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum

from protocols.openadr.messages.payload import Payload
from protocols.openadr.ven.memory import Memory, string
from protocols.openadr.ven.reports import DueReport
from protocols.openadr.xml import decode, encode

_KIND = "reply"


class Service(StrEnum):
    """Last part of the path of a service."""

    EI_REGISTER_PARTY = "EiRegisterParty"
    EI_EVENT = "EiEvent"
    EI_REPORT = "EiReport"
    EI_OPT = "EiOpt"
    OADR_POLL = "OadrPoll"


class Purpose(Enum):
    """Why something is sent."""

    QUERY = "query"
    REGISTER = "register"
    DEREGISTER = "deregister"
    ANNOUNCE = "announce"
    RESYNC = "resync"
    ANSWER = "answer"
    REPORT = "report"
    POLL = "poll"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A payload to send now.

    Attributes
    ----------
    service : Service
        Where to.
    message : Payload
        What.
    purpose : Purpose
        Why; `Ven.replied` and `Ven.failed` go by it.
    place : int
        Of an answer in the outbox.
    due : DueReport or None
        The report inside.
    """

    service: Service
    message: Payload
    purpose: Purpose
    place: int = -1
    due: DueReport | None = None


class Outbox:
    """Answers and opts that the VTN has not confirmed, in their order.

    Parameters
    ----------
    memory : Memory
        Where they are kept.
    most : int
        How many are kept; beyond, the oldest goes.
    """

    def __init__(self, memory: Memory, most: int) -> None:
        self._memory = memory
        self._most = most
        self._calls: dict[int, Call] = {}
        for record in memory.of_kind(_KIND):
            place = record["place"]
            assert isinstance(place, int), "place of a record is a whole number"
            self._calls[place] = Call(
                service=Service(string(record, "service")),
                message=decode(string(record, "xml").encode()),
                purpose=Purpose.ANSWER,
                place=place,
            )

    def add(self, service: Service, message: Payload) -> None:
        """Put an answer at the end."""
        place = max(self._calls, default=-1) + 1
        self._calls[place] = Call(
            service=service, message=message, purpose=Purpose.ANSWER, place=place
        )
        record = {"place": place, "service": service, "xml": encode(message).decode()}
        self._memory.put(_KIND, str(place), record)
        if len(self._calls) > self._most:
            self.done(min(self._calls))

    def first(self, services: Sequence[Service] = tuple(Service)) -> Call | None:
        """Return the oldest answer to one of some services, None if there is none."""
        waiting = [place for place, call in self._calls.items() if call.service in services]
        return self._calls[min(waiting)] if waiting else None

    def done(self, place: int) -> None:
        """Forget an answer."""
        if self._calls.pop(place, None) is not None:
            self._memory.drop(_KIND, str(place))

    def clear(self) -> None:
        """Forget all answers: nobody waits for them."""
        for place in tuple(self._calls):
            self.done(place)
