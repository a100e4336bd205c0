"""What a simulated charger has to say, in order: what is kept while offline, and what is not."""

from collections import deque
from dataclasses import replace
from typing import Final

from firmware_sim.devices.ocpp.messages import Call
from protocols.ocpp.states import VERSION_16
from protocols.ocpp.words import Words, text_of, whole_of

KEPT_MAX: Final = 500
"""Messages about transactions that wait while it is offline; then meter values are lost."""


class Outbox:
    """Calls that wait to be made.

    Parameters
    ----------
    version : str
        In 1.6 a transaction gets its number from the central system, and what is about it waits
        for that; in 2.0.1 its messages are numbered here.
    """

    def __init__(self, version: str) -> None:
        self._is_16 = version == VERSION_16
        self._kept: deque[Call] = deque()
        self._now: deque[Call] = deque()
        self._numbers: dict[str, int] = {}
        self._sequences: dict[str, int] = {}

    def say(self, call: Call) -> None:
        """Queue a call that is of no use later."""
        self._now.append(call)

    def keep(self, call: Call, *, online: bool) -> None:
        """Queue a call about a transaction; it is made until it is answered."""
        sample = text_of(call.words, "event_type") == "Updated" or call.action == "MeterValues"
        if sample and len(self._kept) >= KEPT_MAX:
            return
        if not self._is_16:
            sequence = self._sequences.get(call.local_id, 0)
            self._sequences[call.local_id] = sequence + 1
            more: dict[str, object] = {"seq_no": sequence}
            if not online:
                more["offline"] = True
            call = replace(call, words={**call.words, **more})
        self._kept.append(call)

    def cut(self) -> None:
        """Forget what is of no use after the connection."""
        self._now.clear()

    def next(self) -> Call | None:
        """Take the call that is due; one that is kept stays until it is answered."""
        if self._now:
            return self._now.popleft()
        while self._kept:
            call = self._kept[0]
            if not self._is_16 or call.action == "StartTransaction":
                return call
            number = self._numbers.get(call.local_id)
            if number is not None:
                return replace(call, words={**call.words, "transaction_id": number})
            self._kept.popleft()  # its start was refused: there is no such transaction
        return None

    def answered(self, call: Call, answer: Words | None) -> None:
        """Take an answer; None if the call is given up."""
        if call.kept and self._kept:
            self._kept.popleft()
        number = None if answer is None else whole_of(answer, "transaction_id")
        if call.action == "StartTransaction" and number is not None:
            self._numbers[call.local_id] = number
