"""What a control is at a moment: computed from its times and its rivals, never stored.

A control is superseded, mode by mode, by an overlapping one of the same program that was
created later, or of a program with a lower primacy number that every device of its own program
follows too. It is shown as superseded as soon as it can have no more effect, or once a rival
has begun in each of its modes; until then it is potentially superseded. opModConnect and
opModEnergize take part like any other mode. A superseded control is not resumed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import cache

from protocols.ieee2030_5.resources.der import DERControlBase
from protocols.ieee2030_5.resources.elements import EventStatus
from protocols.ieee2030_5.server.settings import CANCELLED_S, FORGET_S, LINGER_S
from protocols.ieee2030_5.server.state import Control


class Status(IntEnum):
    """EventStatus.currentStatus."""

    SCHEDULED = 0
    ACTIVE = 1
    CANCELLED = 2
    CANCELLED_WITH_RANDOMIZATION = 3
    SUPERSEDED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """Another control of the same devices.

    Attributes
    ----------
    control : Control
        Itself.
    primacy : int
        Of its program; the lower one wins.
    covers : bool
        Whether every device of the control in question follows the rival too.
    """

    control: Control
    primacy: int
    covers: bool


def status_of(control: Control, *, primacy: int, rivals: Iterable[Rival], now: int) -> EventStatus:
    """EventStatus of a control.

    Parameters
    ----------
    control : Control
        In question.
    primacy : int
        Of its program.
    rivals : iterable of Rival
        All other controls that some of its devices follow; more do no harm.
    now : int
        s since 1970.

    Notes
    -----
    IEEE 2030.5-2018, 10.2.3 (event rules) and type EventStatus: an event whose start has come is
    never shown as scheduled.
    """
    start = control.resource.interval.start
    if control.cancelled_at is not None:
        winding = control.winding_down
        return EventStatus(
            current_status=(Status.CANCELLED_WITH_RANDOMIZATION if winding else Status.CANCELLED),
            date_time=control.cancelled_at,
            potentially_superseded=False,
        )
    stronger = [r for r in rivals if _beats(r, control, primacy)]
    superseded_at = control.superseded_at
    if superseded_at is None:
        superseded_at = _superseded_at(control, [r.control for r in stronger if r.covers])
    if superseded_at is not None and superseded_at <= now:
        return EventStatus(
            current_status=Status.SUPERSEDED, date_time=superseded_at, potentially_superseded=True
        )
    since = min((r.control.resource.creation_time for r in stronger), default=None)
    return EventStatus(
        current_status=Status.ACTIVE if start <= now else Status.SCHEDULED,
        date_time=start if start <= now else control.resource.creation_time,
        potentially_superseded=since is not None,
        potentially_superseded_time=since,
    )


def turns(control: Control) -> tuple[int, ...]:
    """Moments at which the control, or what it does to others, may look different."""
    interval = control.resource.interval
    return (interval.start, listed_until(control))


def listed_until(control: Control) -> int:
    """When the control leaves the list: after the last device can have ended it."""
    interval = control.resource.interval
    drawn = max(control.resource.randomize_start or 0, 0)
    drawn += max(control.resource.randomize_duration or 0, 0)
    until = interval.start + interval.duration + drawn + LINGER_S
    if control.cancelled_at is None:
        return until
    return max(until, control.cancelled_at + CANCELLED_S)


def forgotten_at(control: Control) -> int:
    """When nobody can say anything about the control any more."""
    return listed_until(control) + FORGET_S


@cache
def _mode_names() -> tuple[str, ...]:
    return tuple(field.name for field in fields(DERControlBase) if field.name.startswith("op_mod"))


def modes(base: DERControlBase) -> frozenset[str]:
    """Modes a control asks for, by their field."""
    return frozenset(name for name in _mode_names() if getattr(base, name) is not None)


def _beats(rival: Rival, control: Control, primacy: int) -> bool:
    """Whether a rival overlaps in time and mode and is stronger."""
    other, mine = rival.control.resource, control.resource
    if rival.control.number == control.number or rival.control.cancelled_at is not None:
        return False
    first, second = mine.interval, other.interval
    if second.start >= first.start + first.duration:
        return False
    if second.start + second.duration <= first.start:
        return False
    if not modes(mine.der_control_base) & modes(other.der_control_base):
        return False
    order = (rival.primacy, -other.creation_time, -rival.control.number)
    return order < (primacy, -mine.creation_time, -control.number)


def _superseded_at(control: Control, covering: list[Control]) -> int | None:
    """When the last of the control's modes is lost; None if one of them never is."""
    start = control.resource.interval.start
    lost: list[int] = []
    for mode in modes(control.resource.der_control_base):
        takers = [
            max(taker.resource.creation_time, _effect(taker, start))
            for taker in covering
            if mode in modes(taker.resource.der_control_base)
        ]
        if not takers:
            return None
        lost.append(min(takers))
    return max(lost, default=None)


def _effect(taker: Control, start: int) -> int:
    """From when a taker rules: its start; at once where it rules before the other begins."""
    begins = taker.resource.interval.start
    return 0 if begins <= start else begins
