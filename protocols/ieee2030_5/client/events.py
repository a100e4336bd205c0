"""The event engine: what is known of DER controls, what runs, and which responses are owed.

It is told complete lists (``see``) and that time has passed (``advance``); a list that could not
be fetched is never told, so a failed fetch is not an empty list and the known schedule goes on.
Times are the server's, in s since 1970. Every change is a record that the shell keeps before
it acts.

Decisions where the standard leaves room
- Modes are compared one by one (:mod:`protocols.ieee2030_5.client.timeline`).
- An event that is gone from two complete lists before its nominal end is cancelled (the 2023
  edition says so of one list; a page may shift under a reader, so we look twice).
- An event seen first when cancelled, superseded, over, not supported or not valid gets that one
  response and never starts.
- An event that passed while we were down is answered 10 (completed without participation) and
  still supersedes what it would have superseded.
- Back-to-back events of a program: the earlier's effective end is the later's start.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from protocols.ieee2030_5.client.held import (
    PREFIX,
    Due,
    EventState,
    Held,
    Progress,
    events_of,
    to_record,
)
from protocols.ieee2030_5.client.timeline import Step, Turn, play
from protocols.ieee2030_5.resources.der import DERControl
from protocols.sansio.records import Change

RECEIVED, STARTED, COMPLETED, CANCELLED, SUPERSEDED, NOT_TAKEN_PART = 1, 2, 3, 6, 7, 10
NOT_SUPPORTED, INVALID, EXPIRED = 252, 253, 254
"""Statuses of IEEE 2030.5-2018, table 27, of DER controls."""

EVENTS_MAX = 1000
"""Most events that are held; further ones wait until others are forgotten."""
_RANDOMIZE_MAX_S = 3600
_LOOKS = 2
_SERVER_CANCELLED, _SERVER_CANCELLED_RANDOMLY, _SERVER_SUPERSEDED = 2, 3, 4
_WANTS_RECEIVED, _WANTS_SPECIFIC = 0x01, 0x02


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the site says of an event beforehand.

    Attributes
    ----------
    modes : frozenset of str
        Modes that are carried out here; none: the event is not taken.
    status : int
        Response where it is not taken: 252 or 253.
    """

    modes: frozenset[str]
    status: int = NOT_SUPPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What an event takes from its program: name and strength (the lower primacy wins)."""

    mrid: str
    primacy: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of time in which an event has a mode, half-open, server's time."""

    held: Held
    mode: str
    start_s: float
    end_s: float


class EventEngine:
    """All events of one device.

    Parameters
    ----------
    records : Mapping
        What was kept, by key.
    chance : callable
        Draws from [0, 1).
    verdict : callable
        What the site says of a program's control that is seen for the first time.
    """

    def __init__(
        self,
        records: Mapping[str, bytes],
        *,
        chance: Callable[[], float],
        verdict: Callable[[Program, DERControl], Verdict],
    ) -> None:
        self._events = events_of(records)
        self._chance = chance
        self._verdict = verdict
        self._changed: set[str] = set()
        self._unsettled = True

    def see(
        self,
        program: Program,
        controls: Sequence[DERControl],
        now_s: float,
        *,
        complete: bool = True,
    ) -> None:
        """Take note of a program's controls.

        Parameters
        ----------
        program : Program
            Whose they are.
        controls : sequence of DERControl
            The whole list, or some of it.
        now_s : float
            Server's time.
        complete : bool
            Whether it is the whole list, so that what is not there is gone.
        """
        for control in sorted(controls, key=lambda control: control.interval.start):
            held = self._events.get(control.mrid)
            if held is None:
                if len(self._events) < EVENTS_MAX:
                    self._first(program, control, now_s)
            else:
                self._again(held, control, now_s, program=program)
        if complete:
            self._miss({control.mrid for control in controls}, program, now_s)
        self._unsettled = True
        self.advance(now_s)

    def programs(self) -> frozenset[str]:
        """Programs of which events are held."""
        return frozenset(held.program for held in self._events.values())

    def advance(self, now_s: float) -> None:
        """Let time pass: start, supersede and end what is due."""
        live = [held for held in self._events.values() if held.live]
        due = any(held.end_s <= now_s or self._begins_by(held, now_s) for held in live)
        if due or self._unsettled:
            self._unsettled = False
            for step in play([held.run() for held in live], now_s, until_s=now_s):
                self._take(self._events[step.mrid], step, now_s)

    def segments(self, now_s: float) -> tuple[Segment, ...]:
        """Return who has which mode when, to the end of the known schedule."""
        live = {held.mrid: held for held in self._events.values() if held.live}
        runs = [held.run() for held in live.values()]
        modes = {run.mrid: set(run.modes) for run in runs}
        opened = {(run.mrid, mode): run.begin_s for run in runs if run.active for mode in run.modes}
        found = []
        for step in play(runs, now_s, until_s=float("inf")):
            if step.turn is Turn.STARTED:
                opened.update({(step.mrid, mode): step.at_s for mode in modes[step.mrid]})
                continue
            closed = {step.mode} if step.turn is Turn.LOST else set(modes[step.mrid])
            modes[step.mrid] -= closed
            for mode in sorted(closed):
                since_s = opened.pop((step.mrid, mode), step.at_s)
                if since_s < step.at_s:
                    held = live[step.mrid]
                    found.append(Segment(held=held, mode=mode, start_s=since_s, end_s=step.at_s))
        return tuple(found)

    def owed(self) -> tuple[tuple[Held, int], ...]:
        """First response of each event that has still to reach the server, with its status."""
        waiting = []
        for held in self._events.values():
            first = next(
                (s for s, due in held.responses.items() if due.progress is not Progress.DONE),
                None,
            )
            if first is not None:
                waiting.append((held, first))
        return tuple(waiting)

    def mark(self, mrid: str, status: int, progress: Progress) -> None:
        """Note how far a response is."""
        held = self._events[mrid]
        held.responses[status].progress = progress
        self._changed.add(mrid)

    def changes(self) -> tuple[Change, ...]:
        """Take what has to be kept since the last call."""
        changed, self._changed = self._changed, set()
        return tuple(
            Change(
                key=PREFIX + mrid,
                value=to_record(self._events[mrid]) if mrid in self._events else None,
            )
            for mrid in sorted(changed)
        )

    @staticmethod
    def _begins_by(held: Held, now_s: float) -> bool:
        return held.state is EventState.SCHEDULED and max(held.start_s, held.seen_s) <= now_s

    def _first(self, program: Program, control: DERControl, now_s: float) -> None:
        """Take note of an event that was never seen."""
        start, duration = control.randomize_start or 0, control.randomize_duration or 0
        longest = max(abs(start), abs(duration))
        held = Held(
            control=control,
            program=program.mrid,
            primacy=program.primacy,
            shifts_s=(self._drawn(start), self._drawn(duration), self._drawn(longest)),
            seen_s=now_s,
            start_s=0.0,
            end_s=0.0,
        )
        held.settle()
        self._follow(held)
        self._events[held.mrid] = held
        self._changed.add(held.mrid)
        status = control.event_status.current_status
        if status in (_SERVER_CANCELLED, _SERVER_CANCELLED_RANDOMLY):
            self._end(held, EventState.CANCELLED, now_s, status=CANCELLED)
        elif status == _SERVER_SUPERSEDED:
            self._end(held, EventState.SUPERSEDED, now_s, status=SUPERSEDED)
        elif held.end_s <= now_s:
            self._end(held, EventState.REFUSED, now_s, status=EXPIRED)
        elif longest > _RANDOMIZE_MAX_S or control.interval.duration == 0:
            self._end(held, EventState.REFUSED, now_s, status=INVALID)
        else:
            verdict = self._verdict(program, control)
            held.modes = set(verdict.modes)
            if held.modes:
                self._owe(held, RECEIVED, now_s)
            else:
                self._end(held, EventState.REFUSED, now_s, status=verdict.status)

    def _again(self, held: Held, control: DERControl, now_s: float, *, program: Program) -> None:
        """Take note of what the server says now of a known event."""
        moved = control.interval != held.control.interval
        if (held.control, held.program, held.primacy) != (control, program.mrid, program.primacy):
            held.control, held.program, held.primacy = control, program.mrid, program.primacy
            self._changed.add(held.mrid)
        if held.absent:
            held.absent = 0
            self._changed.add(held.mrid)
        if not held.live:
            return
        if moved and not held.ends_cancelled:
            held.settle(draw_start=held.state is EventState.SCHEDULED)
        status = control.event_status.current_status
        if status == _SERVER_CANCELLED or (
            status == _SERVER_CANCELLED_RANDOMLY and held.state is EventState.SCHEDULED
        ):
            self._end(held, EventState.CANCELLED, now_s, status=CANCELLED)
        elif status == _SERVER_CANCELLED_RANDOMLY and not held.ends_cancelled:
            held.ends_cancelled = True
            held.end_s = min(held.end_s, now_s + held.shifts_s[2])
        elif status == _SERVER_SUPERSEDED and not self._hands_over(held, now_s):
            self._end(held, EventState.SUPERSEDED, now_s, status=SUPERSEDED)

    def _hands_over(self, held: Held, now_s: float) -> bool:
        """Whether a stronger event takes all of its modes within the random start of that one."""
        return any(
            other.live
            and other.rank < held.rank
            and held.modes <= other.modes
            and now_s < other.start_s <= min(now_s + abs(other.shifts_s[0]), held.end_s)
            for other in self._events.values()
        )

    def _miss(self, there: set[str], program: Program, now_s: float) -> None:
        """Count what was not in a complete list; forget what is over."""
        for mrid, held in tuple(self._events.items()):
            if held.program != program.mrid or mrid in there or held.absent >= _LOOKS:
                continue
            if held.live and now_s >= held.nominal_end_s:
                continue
            held.absent += 1
            self._changed.add(mrid)
            if held.live and held.absent == _LOOKS:
                self._end(held, EventState.CANCELLED, now_s, status=CANCELLED)
        self._forget(now_s)

    def _forget(self, now_s: float) -> None:
        """Drop what is over, gone from the server and answered."""
        for mrid, held in tuple(self._events.items()):
            answered = all(due.progress is Progress.DONE for due in held.responses.values())
            gone = held.absent >= _LOOKS and now_s > max(held.end_s, held.nominal_end_s)
            if gone and answered and not held.live:
                del self._events[mrid]
                self._changed.add(mrid)

    def _follow(self, held: Held) -> None:
        """Start a successive event where the one before it ends."""
        start = held.control.interval.start
        before = [
            other
            for other in self._events.values()
            if other.live and other.program == held.program and other.nominal_end_s == start
        ]
        if before:
            held.start_s = max(other.end_s for other in before)
            held.settle(draw_start=False)

    def _drawn(self, limit: int) -> int:
        """Whole seconds between 0 and a limit, both allowed, of the limit's sign."""
        drawn = min(int(self._chance() * (abs(limit) + 1)), abs(limit))
        return drawn if limit >= 0 else -drawn

    def _take(self, held: Held, step: Step, now_s: float) -> None:
        """Let one step happen."""
        self._changed.add(held.mrid)
        match step.turn:
            case Turn.LOST:
                held.modes.discard(step.mode)
            case Turn.SUPERSEDED if held.live:
                self._end(held, EventState.SUPERSEDED, now_s, status=SUPERSEDED)
            case Turn.STARTED if held.end_s <= now_s:
                held.state = EventState.MISSED
                self._owe(held, NOT_TAKEN_PART, now_s)
            case Turn.STARTED:
                held.state = EventState.ACTIVE
                self._owe(held, STARTED, now_s)
            case Turn.ENDED if held.ends_cancelled:
                self._end(held, EventState.CANCELLED, now_s, status=CANCELLED)
            case Turn.ENDED if held.state is EventState.ACTIVE:
                self._end(held, EventState.COMPLETED, now_s, status=COMPLETED)

    def _end(self, held: Held, state: EventState, now_s: float, *, status: int) -> None:
        held.state = state
        self._changed.add(held.mrid)
        self._owe(held, status, now_s)

    def _owe(self, held: Held, status: int, now_s: float) -> None:
        """Owe a response, once, where the server wants one."""
        wanted = held.control.response_required or 0
        bit = _WANTS_RECEIVED if status == RECEIVED else _WANTS_SPECIFIC
        if wanted & bit and held.control.reply_to and status not in held.responses:
            held.responses[status] = Due(created_s=int(now_s))
