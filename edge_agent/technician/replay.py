"""Replay: decide again from what a cycle knew, and compare bit for bit.

A difference means that the record does not explain what the site did: another program
version, a changed journal, or a decision that looked at something it did not journal.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass

from edge_agent.control.decide import decide
from edge_agent.control.plain import pack_decision
from edge_agent.technician.history import History, Tick
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.setpoint import JournalEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a replay found.

    Attributes
    ----------
    replayed : int
        Cycles decided again.
    setpoints : int
        Setpoints and releases compared.
    skipped : int
        Cycles at the beginning whose frame or plan was forgotten.
    first_cycle, last_cycle : int
        Cycles replayed, 0 if none.
    differences : tuple of str
        First difference of each cycle that differs, at most :data:`SHOWN_MAX`.
    differing : int
        Number of cycles that differ.
    """

    replayed: int
    setpoints: int
    skipped: int
    first_cycle: int
    last_cycle: int
    differences: tuple[str, ...]
    differing: int


SHOWN_MAX = 10


def replay(history: History, entries: Iterable[JournalEntry]) -> Replay:
    """Replay some cycles.

    Parameters
    ----------
    history : History
        Their journal.
    entries : iterable of JournalEntry
        Entries of cycles, ascending.

    Raises
    ------
    JournalError
        If a cycle cannot be opened although one before it could.
    """
    replayed = skipped = setpoints = differing = first = last = 0
    differences: list[str] = []
    for entry in entries:
        try:
            tick = history.tick(entry)
        except JournalError:
            if replayed:
                raise
            skipped += 1
            continue
        difference = replayed_difference(tick)
        replayed += 1
        setpoints += len(tick.decision.setpoints) + len(tick.decision.releases)
        first, last = first or entry.cycle, entry.cycle
        if difference:
            differing += 1
            if len(differences) < SHOWN_MAX:
                differences.append(f"cycle {entry.cycle}: {difference}")
    return Replay(
        replayed=replayed,
        setpoints=setpoints,
        skipped=skipped,
        first_cycle=first,
        last_cycle=last,
        differences=tuple(differences),
        differing=differing,
    )


def replayed_difference(tick: Tick) -> str:
    """Decide a cycle again and name the first difference; empty if there is none."""
    decision, _ = decide(tick.inputs, tick.before)
    if pack_decision(decision) == tick.packed_decision:
        return ""
    return first_difference(tick.decision, decision, "") or "the packed answers differ"


def first_difference(recorded: object, again: object, path: str) -> str:
    """Name the first place where two records differ, empty if they are equal.

    Parameters
    ----------
    recorded, again : object
        Records, sequences or plain values of the same kind.
    path : str
        Where they are, for the answer.
    """
    for name, left, right in _parts(recorded, again, path):
        found = first_difference(left, right, name)
        if found:
            return found
    return "" if _same(recorded, again) else f"{path}: recorded {recorded!r}, replayed {again!r}"


def _parts(recorded: object, again: object, path: str) -> list[tuple[str, object, object]]:
    """Name the parts of two records or two tuples, side by side."""
    if is_dataclass(recorded) and type(recorded) is type(again):
        before = f"{path}." if path else ""
        return [
            (f"{before}{field.name}", getattr(recorded, field.name), getattr(again, field.name))
            for field in fields(recorded)
        ]
    if isinstance(recorded, tuple) and isinstance(again, tuple):
        pairs = zip(recorded, again, strict=False)
        return [(f"{path}[{index}]", left, right) for index, (left, right) in enumerate(pairs)]
    return []


def _same(recorded: object, again: object) -> bool:
    if isinstance(recorded, float) and isinstance(again, float):
        if math.isnan(recorded):
            return math.isnan(again)
        return recorded == again and math.copysign(1.0, recorded) == math.copysign(1.0, again)
    return recorded == again
