"""Who is in charge of the fleet: a table of states, and the two-person rule. Pure.

Automatic control runs until a person or an emergency takes it. HIGH hands it to a person: no
signal is sent, sites hold what they were last told. CRITICAL stops it: every site is told to
stop and goes to SAFE. A fleet-wide stop asked for by a person needs a second, different person
within the window. Back to automatic leads only through the whole check list.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

WINDOW_S: Final = 120.0
"""Within which the second person must confirm."""


class Control(enum.Enum):
    """Who is in charge."""

    AUTOMATIC = "automatic"
    PERSON = "person"
    STOPPED = "stopped"


class Act(enum.Enum):
    """What moves the state."""

    CRITICAL = "critical"
    HIGH = "high"
    RESUME = "resume"


TABLE: Final[Mapping[tuple[Control, Act], Control]] = {
    (Control.AUTOMATIC, Act.CRITICAL): Control.STOPPED,
    (Control.AUTOMATIC, Act.HIGH): Control.PERSON,
    (Control.PERSON, Act.CRITICAL): Control.STOPPED,
    (Control.PERSON, Act.HIGH): Control.PERSON,
    (Control.PERSON, Act.RESUME): Control.AUTOMATIC,
    (Control.STOPPED, Act.CRITICAL): Control.STOPPED,
    (Control.STOPPED, Act.HIGH): Control.STOPPED,
    (Control.STOPPED, Act.RESUME): Control.AUTOMATIC,
}
"""Every other pair is refused. HIGH never weakens a stop."""

CHECK_LIST: Final[Mapping[str, tuple[str, str]]] = {
    "cause": ("The cause is known and removed.", "原因を特定し、取り除いた。"),
    "people": ("Nobody works on a stopped device.", "停止中の機器で作業者がいない。"),
    "grid": ("The system operator knows and agrees.", "系統運用者に連絡し、了解を得た。"),
    "sites": ("Sites that did not stop were visited or cut.", "停止しなかった拠点を確認した。"),
    "alerts": ("Critical alerts were read.", "重大警報を確認した。"),
}
"""What a person must tick before automatic control returns: English, Japanese."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A fleet-wide stop that waits for a second person."""

    by: str
    reason: str
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Who is in charge, since when, by whom and why.

    Attributes
    ----------
    control : Control
        The state.
    since_s : float
        Unix time.
    by : tuple of str
        Who made it so.
    reason : str
        Why.
    asked : Asked or None
        A stop that waits for a second person.
    ticked : mapping of str to str
        Points of the check list and who ticked them.
    """

    control: Control = Control.AUTOMATIC
    since_s: float = 0.0
    by: tuple[str, ...] = ()
    reason: str = ""
    asked: Asked | None = None
    ticked: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The state after an act, or why it is refused (then the state is as before)."""

    command: Command
    refused: str = ""


def ask_stop(command: Command, *, by: str, reason: str, now_s: float) -> Verdict:
    """Take the first person's wish to stop the whole fleet."""
    if command.control is Control.STOPPED:
        return Verdict(command=command, refused="the fleet is stopped already")
    if not by or not reason:
        return Verdict(command=command, refused="reason: say who asks and why")
    pending = _pending(command, now_s)
    if pending is not None and pending.by != by:
        return Verdict(command=command, refused=f"{pending.by} has asked; confirm that")
    asked = Asked(by=by, reason=reason, at_s=now_s)
    return Verdict(command=replace(command, asked=asked))


def confirm_stop(command: Command, *, by: str, now_s: float) -> Verdict:
    """Take the second person's word; the fleet is stopped then."""
    pending = _pending(command, now_s)
    if pending is None:
        late = command.asked is not None
        cause = f"the request is older than {WINDOW_S:.0f} s" if late else "nobody has asked"
        return Verdict(command=replace(command, asked=None), refused=cause)
    if not by or by == pending.by:
        return Verdict(command=command, refused="a second person must confirm")
    return step(command, Act.CRITICAL, by=(pending.by, by), reason=pending.reason, now_s=now_s)


def tick_point(command: Command, point: str, *, by: str) -> Verdict:
    """Tick a point of the check list."""
    if point not in CHECK_LIST:
        names = ", ".join(CHECK_LIST)
        return Verdict(command=command, refused=f"point: there are {names}")
    if command.control is Control.AUTOMATIC:
        return Verdict(command=command, refused="automatic control runs")
    return Verdict(command=replace(command, ticked={**command.ticked, point: by}))


def resume(command: Command, *, by: str, now_s: float) -> Verdict:
    """Give control back to the machine; the whole check list comes first."""
    missing = [point for point in CHECK_LIST if point not in command.ticked]
    if command.control is not Control.AUTOMATIC and missing:
        return Verdict(command=command, refused=f"not yet ticked: {', '.join(missing)}")
    return step(command, Act.RESUME, by=(by,), reason="resumed", now_s=now_s)


def step(command: Command, act: Act, *, by: tuple[str, ...], reason: str, now_s: float) -> Verdict:
    """Read the table once."""
    target = TABLE.get((command.control, act))
    if target is None:
        return Verdict(command=command, refused=f"{act.value}: {command.control.value} already")
    if target is command.control:
        return Verdict(command=command)
    after = Command(control=target, since_s=now_s, by=by, reason=reason)
    return Verdict(command=after)


def _pending(command: Command, now_s: float) -> Asked | None:
    asked = command.asked
    return asked if asked is not None and 0.0 <= now_s - asked.at_s <= WINDOW_S else None
