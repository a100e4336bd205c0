"""Which control has which mode when: the rules of overlapping events, and nothing else.

Modes are compared one by one, ``opModConnect`` and ``opModEnergize`` like all others. At an
instant ends come before starts, for intervals are half-open. Of two events with the same mode
the lower primacy wins, then the later creation, then the smaller mRID (so that nothing is left
to chance). The winner takes the mode when it starts, from what runs and from what would start
before the winner's end; what was lost is never taken up again. An event that has lost every
mode is superseded, at the start of the one that took its last.

Notes
-----
IEEE 2030.5-2018, 10.2.2 (events, overlapping rules); per mode as in 10.10.3 (DER controls).
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field

Rank = tuple[int, int, str]
"""Primacy, negative creation time, mRID: the smaller is the stronger."""


class Turn(enum.Enum):
    """What happens to an event at an instant."""

    STARTED = "started"
    LOST = "lost"
    SUPERSEDED = "superseded"
    ENDED = "ended"


@dataclass(slots=True, kw_only=True)
class Run:
    """An event on its way.

    Attributes
    ----------
    mrid : str
        Which.
    rank : Rank
        Its strength.
    begin_s, end_s : float
        Effective interval, half-open, server's time.
    modes : set of str
        What it asks for and has not lost.
    active : bool
        Whether it has started.
    over : bool
        Whether it has ended or is superseded.
    """

    mrid: str
    rank: Rank
    begin_s: float
    end_s: float
    modes: set[str] = field(default_factory=set)
    active: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happens.

    Attributes
    ----------
    at_s : float
        When, server's time.
    mrid : str
        To which event.
    turn : Turn
        What.
    mode : str
        For LOST: which mode.
    """

    at_s: float
    mrid: str
    turn: Turn
    mode: str = ""


def play(runs: Iterable[Run], now_s: float, *, until_s: float) -> list[Step]:
    """Let time pass.

    Parameters
    ----------
    runs : iterable of Run
        Events that are not over; they are changed.
    now_s : float
        When what runs already takes the modes of weaker events that were not known before,
        server's time.
    until_s : float
        Last instant that is played, server's time; infinity for the whole schedule.

    Returns
    -------
    list of Step
        In the order of time.
    """
    course = _Course(sorted(runs, key=lambda run: run.rank))
    course.settle(now_s)
    instants = {run.end_s for run in course.runs}
    instants |= {run.begin_s for run in course.runs if not run.active}
    for instant in sorted(instant for instant in instants if instant <= until_s):
        course.reach(instant)
    return course.steps


@dataclass(slots=True)
class _Course:
    """Events, the stronger first, and what has happened to them."""

    runs: list[Run]
    steps: list[Step] = field(default_factory=list)

    def settle(self, now_s: float) -> None:
        """Let what is active take what it may."""
        for run in self.runs:
            if run.active and not run.over:
                self._take_from_weaker(run, now_s)

    def reach(self, instant: float) -> None:
        """End and start what is due."""
        for run in self.runs:
            if run.active and not run.over and run.end_s <= instant:
                run.over = True
                self.steps.append(Step(at_s=instant, mrid=run.mrid, turn=Turn.ENDED))
        for run in self.runs:
            if not run.active and not run.over and run.begin_s <= instant:
                self._start(run, instant)

    def _start(self, run: Run, instant: float) -> None:
        """Start an event, or find that it may not."""
        run.active = True
        for other in self.runs:
            if other.active and not other.over and other.rank < run.rank:
                self._lose(run, run.modes & other.modes, instant)
        if not run.over:
            self._take_from_weaker(run, instant)
            self.steps.append(Step(at_s=instant, mrid=run.mrid, turn=Turn.STARTED))

    def _take_from_weaker(self, run: Run, instant: float) -> None:
        """Take modes from weaker events that overlap, whether they have started or not."""
        for other in self.runs:
            overlaps = other.begin_s < run.end_s and instant < other.end_s
            if other.rank > run.rank and not other.over and overlaps:
                self._lose(other, run.modes & other.modes, instant)

    def _lose(self, run: Run, modes: set[str], instant: float) -> None:
        for mode in sorted(modes):
            run.modes.discard(mode)
            step = Step(at_s=instant, mrid=run.mrid, turn=Turn.LOST, mode=mode)
            self.steps.append(step)
        if modes and not run.modes:
            run.over = True
            self.steps.append(Step(at_s=instant, mrid=run.mrid, turn=Turn.SUPERSEDED))
