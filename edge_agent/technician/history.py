"""What the journal says a site did, as the records control works with.

Reads only; works beside a running agent and without a network. Called by the technician's
commands.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import msgpack

from edge_agent.control.inputs import ControlState, CycleInputs, Decision, Frame
from edge_agent.control.plain import (
    digest_of,
    references,
    unpack_decision,
    unpack_frame,
    unpack_inputs,
    unpack_plan,
    unpack_state,
)
from edge_agent.control.plan import Plan
from edge_agent.cycle.record import CYCLE_KIND, FRAME_KIND, OUTCOME_KIND, PLAN_KIND
from edge_agent.journal.reader import JournalReader
from edge_agent.journal.records import JournalStream
from edge_agent.journal.rows import telemetry_row_decode
from edge_agent.technician.happening import Happening, happening_of
from edge_agent.technician.primary_lines import PrimaryLines
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.intervals import utc_from_seconds
from protocols.vocabulary.setpoint import JournalEntry

LOOK_BACK_MAX: Final = 5000
"""How many frames or plans before a cycle are looked at for the one it names."""
KEPT_MAX: Final = 8
_SLOT_SLACK_S: Final = 5
_NEAR: Final = 30

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One cycle as journaled.

    Attributes
    ----------
    entry : JournalEntry
        Where it is.
    inputs, before, decision : CycleInputs, ControlState, Decision
        What the cycle knew, remembered and answered.
    packed_decision : bytes
        The answer's own bytes, for a comparison bit for bit.
    """

    entry: JournalEntry
    inputs: CycleInputs
    before: ControlState
    decision: Decision
    packed_decision: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a device said to a write, as journaled in a later cycle."""

    resource_id: str
    sequence: int
    state: str
    read_back_w: float | None
    detail: str


class History:
    """The past of one journal.

    Parameters
    ----------
    reader : JournalReader
        The file.
    """

    def __init__(self, reader: JournalReader) -> None:
        self.reader = reader
        self._frames: dict[str, Frame] = {}
        self._plans: dict[str, Plan] = {}
        self._lines = PrimaryLines(reader)

    def last(self) -> Tick | None:
        """Return the newest cycle, None if there is none."""
        _, last = self.reader.bounds(JournalStream.TICK)
        entry = self.reader.last_of_kind(JournalStream.TICK, CYCLE_KIND, until=last)
        return None if entry is None else self.tick(entry)

    def at_slot(self, slot_s: int) -> Tick | None:
        """Return the cycle of a Unix second, None if none ran then."""
        stream = JournalStream.TELEMETRY
        start = self.reader.sequence_at(stream, utc_from_seconds(slot_s - _SLOT_SLACK_S))
        _, last = self.reader.bounds(stream)
        for entry in self.reader.scan(stream, start, min(last, start + 4 * _SLOT_SLACK_S)):
            if telemetry_row_decode(entry.payload).time_s == slot_s:
                return self.of_cycle(entry.cycle)
        return None

    def around(self, slot_s: int) -> tuple[int | None, int | None]:
        """Nearest seconds with a cycle before and after a second without one."""
        stream = JournalStream.TELEMETRY
        first, last = self.reader.bounds(stream)
        middle = self.reader.sequence_at(stream, utc_from_seconds(slot_s))
        low, high = max(middle - _NEAR, first), min(middle + _NEAR, last)
        near = [telemetry_row_decode(e.payload).time_s for e in self.reader.read(stream, low, high)]
        before = max((time_s for time_s in near if time_s < slot_s), default=None)
        after = min((time_s for time_s in near if time_s > slot_s), default=None)
        return before, after

    def of_cycle(self, cycle: int) -> Tick | None:
        """Return a cycle by its number, None if the journal does not hold it."""
        start, last = self._sequence_of(cycle), self.reader.bounds(JournalStream.TICK)[1]
        for entry in self.reader.scan(JournalStream.TICK, start, last):
            if entry.cycle > cycle:
                return None
            if entry.kind == CYCLE_KIND:
                return self.tick(entry)
        return None

    def cycles(self) -> Iterator[JournalEntry]:
        """Entries of all cycles held, ascending."""
        first, last = self.reader.bounds(JournalStream.TICK)
        return self.reader.scan(JournalStream.TICK, first, last, kind=CYCLE_KIND)

    def tick(self, entry: JournalEntry) -> Tick:
        """Open a cycle's entry.

        Raises
        ------
        JournalError
            If its frame or plan is no longer held, or it is of another version.
        """
        inputs, before, decision = msgpack.unpackb(entry.payload)[:3]
        frame_id, plan_id = references(inputs)
        plan = None if plan_id is None else self._plan(plan_id, entry)
        return Tick(
            entry=entry,
            inputs=unpack_inputs(inputs, frame=self._frame(frame_id, entry), plan=plan),
            before=unpack_state(before),
            decision=unpack_decision(decision),
            packed_decision=decision,
        )

    def outcomes(self, cycle: int, *, within: int) -> list[Outcome]:
        """Outcomes journaled at most ``within`` cycles before or after one."""
        start, last = self._sequence_of(cycle - within), self.reader.bounds(JournalStream.TICK)[1]
        found: list[Outcome] = []
        for later in self.reader.scan(JournalStream.TICK, start, last):
            if later.cycle > cycle + within:
                break
            if later.kind == OUTCOME_KIND:
                resource_id, sequence, state, read_back_w, detail = msgpack.unpackb(later.payload)[
                    :5
                ]
                found.append(
                    Outcome(
                        resource_id=resource_id,
                        sequence=sequence,
                        state=state,
                        read_back_w=read_back_w,
                        detail=detail,
                    )
                )
        return found

    def events(self, start: datetime, end: datetime) -> list[Happening]:
        """Events recorded in ``[start, end)``."""
        first = self.reader.sequence_at(JournalStream.EVENT, start)
        last = self.reader.sequence_at(JournalStream.EVENT, end) - 1
        entries = self.reader.scan(JournalStream.EVENT, first, last)
        return [self._lines.happening(entry) for entry in entries]

    def last_event(self, kind: str, *, until: datetime) -> Happening | None:
        """Return the newest event of a kind recorded before a moment."""
        last = self.reader.sequence_at(JournalStream.EVENT, until) - 1
        entry = self.reader.last_of_kind(JournalStream.EVENT, kind, until=last)
        return None if entry is None else happening_of(entry)

    def _sequence_of(self, cycle: int) -> int:
        """First sequence of the ticks that belongs to a cycle or a later one."""
        low, high = self.reader.bounds(JournalStream.TICK)
        high += 1
        while low < high:
            middle = (low + high) // 2
            held = self.reader.read(JournalStream.TICK, middle, middle)
            if held and held[0].cycle < cycle:
                low = middle + 1
            else:
                high = middle
        return low

    def _frame(self, frame_id: str, entry: JournalEntry) -> Frame:
        if frame_id not in self._frames:
            for payload in self._before(FRAME_KIND, entry):
                if digest_of(payload) == frame_id:
                    _keep(self._frames, frame_id, unpack_frame(payload))
                    break
            else:
                raise JournalError(f"cycle {entry.cycle}: its frame is no longer in the journal")
        return self._frames[frame_id]

    def _plan(self, plan_id: str, entry: JournalEntry) -> Plan:
        if plan_id not in self._plans:
            for payload in self._before(PLAN_KIND, entry):
                plan = unpack_plan(payload)
                if plan.plan_id == plan_id:
                    _keep(self._plans, plan_id, plan)
                    break
            else:
                raise JournalError(f"cycle {entry.cycle}: its plan is no longer in the journal")
        return self._plans[plan_id]

    def _before(self, kind: str, entry: JournalEntry) -> Iterator[bytes]:
        until = entry.sequence
        for _ in range(LOOK_BACK_MAX):
            found = self.reader.last_of_kind(JournalStream.TICK, kind, until=until)
            if found is None:
                return
            yield found.payload
            until = found.sequence - 1


def _keep(kept: dict[str, Item], name: str, item: Item) -> None:
    while len(kept) >= KEPT_MAX:
        del kept[next(iter(kept))]
    kept[name] = item
