"""What VENs said to events, durable.

Notes
-----
OpenADR 2.0b, EiEvent service, oadrCreatedEvent.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import cast

from protocols.openadr.durations import format_instant, parse_instant
from protocols.openadr.vtn.ledger import Ledger, key_of, read_record

KIND = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventAnswer:
    """What a VEN said to an event.

    Attributes
    ----------
    ven_id, event_id : str
        Who, to what.
    modification_number : int
        Version it answered.
    opt_type : str
        optIn or optOut.
    code : str
        Its response code; 200 unless it cannot take the event.
    answered_at : datetime
        UTC.
    """

    ven_id: str
    event_id: str
    modification_number: int
    opt_type: str
    code: str
    answered_at: datetime


class AnswerBook:
    """The latest answer of each VEN to each event."""

    def __init__(self) -> None:
        self._answers: dict[str, dict[str, EventAnswer]] = {}

    def load(self, record: bytes) -> None:
        """Take a record as it was kept."""
        read = read_record(record)
        answer = EventAnswer(
            ven_id=cast("str", read["ven_id"]),
            event_id=cast("str", read["event_id"]),
            modification_number=cast("int", read["modification_number"]),
            opt_type=cast("str", read["opt_type"]),
            code=cast("str", read["code"]),
            answered_at=parse_instant(cast("str", read["answered_at"])),
        )
        self._answers.setdefault(answer.ven_id, {})[answer.event_id] = answer

    def to(self, event_id: str) -> tuple[EventAnswer, ...]:
        """All answers to an event."""
        return tuple(own[event_id] for own in self._answers.values() if event_id in own)

    def find(self, ven_id: str, event_id: str) -> EventAnswer | None:
        """Answer of a VEN to an event."""
        return self._answers.get(ven_id, {}).get(event_id)

    def keep(self, answer: EventAnswer, ledger: Ledger) -> None:
        """Keep an answer in place of the one before."""
        self._answers.setdefault(answer.ven_id, {})[answer.event_id] = answer
        record = {**asdict(answer), "answered_at": format_instant(answer.answered_at)}
        ledger.put(key_of(KIND, answer.ven_id, answer.event_id), record)

    def forget(self, ven_id: str, event_ids: Iterable[str], ledger: Ledger) -> None:
        """Drop a VEN's answers to events."""
        own = self._answers.get(ven_id, {})
        for event_id in event_ids:
            if own.pop(event_id, None) is not None:
                ledger.drop(key_of(KIND, ven_id, event_id))

    def forget_event(self, event_id: str, ledger: Ledger) -> None:
        """Drop all answers to an event."""
        for ven_id in self._answers:
            self.forget(ven_id, (event_id,), ledger)
