"""The fallback table: which mode follows which, and why.

The rows are the whole truth; :func:`next_mode` only reads them, :func:`diagram` draws them. The
first row that fits the mode and whose condition holds decides; if none does, the mode stays.
There is no row to a mode without limits because there is no such mode. Called by the cycle.
"""

from dataclasses import dataclass

from edge_agent.mode.conditions import PREDICATES, Condition, ModeInputs, Thresholds
from protocols.vocabulary.mode import Mode

ANY = frozenset(Mode)
LINKED = frozenset({Mode.NORMAL, Mode.DEGRADED})
_NORMAL = frozenset({Mode.NORMAL})
_DEGRADED = frozenset({Mode.DEGRADED})
_AUTONOMOUS = frozenset({Mode.AUTONOMOUS})
_SAFE = frozenset({Mode.SAFE})
_MANUAL = frozenset({Mode.MANUAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table.

    Attributes
    ----------
    modes : frozenset of Mode
        Where it applies.
    condition : Condition
        When.
    target : Mode or None
        The mode that follows; None stays.
    then : str
        What control does, for people.
    """

    modes: frozenset[Mode]
    condition: Condition
    target: Mode | None
    then: str


_ROWS: tuple[tuple[frozenset[Mode], Condition, Mode | None, str], ...] = (
    (ANY, Condition.STOP, Mode.SAFE, "hold every device at zero until the stop is lifted"),
    (ANY, Condition.JOURNAL_LOST, Mode.SAFE, "what cannot be recorded is not done: release"),
    (ANY, Condition.CLOCK_LOST, Mode.SAFE, "leases and obligations cannot be timed: release"),
    (ANY, Condition.METER_LOST, Mode.SAFE, "site limits cannot be watched: release"),
    (ANY, Condition.DEVICES_LOST, Mode.SAFE, "nothing answers: leases end, release"),
    (_SAFE, Condition.UNSETTLED, None, "stay until all is well for long enough"),
    (ANY, Condition.OVERRIDE, Mode.MANUAL, "keep the technician's powers inside the limits"),
    (_SAFE, Condition.LINK_LOST, Mode.AUTONOMOUS, "hold the shares kept in the journal"),
    (_SAFE, Condition.LINK_LATE, Mode.DEGRADED, "the last signal while it is valid"),
    (_SAFE, Condition.WELL, Mode.NORMAL, "follow the signal"),
    (_MANUAL, Condition.LINK_LOST, Mode.AUTONOMOUS, "the override ended: hold shares"),
    (_MANUAL, Condition.LINK_LATE, Mode.DEGRADED, "the override ended"),
    (_MANUAL, Condition.OVERRIDE_ENDED, Mode.NORMAL, "the override ended"),
    (LINKED, Condition.LINK_LOST, Mode.AUTONOMOUS, "hold shares, then economy, then plan"),
    (_NORMAL, Condition.LINK_LATE, Mode.DEGRADED, "the last signal while it is valid"),
    (_DEGRADED, Condition.LINK_RECOVERED, Mode.NORMAL, "follow the signal"),
    (_AUTONOMOUS, Condition.LINK_BACK, Mode.NORMAL, "follow the signal"),
    (ANY, Condition.DEVICE_LOST, None, "not counted on; its lease ends; others make up"),
)

TABLE = tuple(
    Row(modes=modes, condition=condition, target=target, then=then)
    for modes, condition, target, then in _ROWS
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeDecision:
    """The mode that follows, and why.

    Attributes
    ----------
    mode : Mode
        The mode from now on.
    changed : bool
        Whether it differs from the one before.
    reason : str
        The condition's words; ``"no row applies"`` when all stays as it was.
    then : str
        What control does in consequence.
    """

    mode: Mode
    changed: bool
    reason: str
    then: str = ""


DEFAULT_THRESHOLDS = Thresholds()


def next_mode(
    mode: Mode, inputs: ModeInputs, thresholds: Thresholds = DEFAULT_THRESHOLDS
) -> ModeDecision:
    """Read the table once.

    Parameters
    ----------
    mode : Mode
        The mode now; SAFE at the start of the agent.
    inputs : ModeInputs
        The health of the site.
    thresholds : Thresholds
        Times after which a condition counts.

    Returns
    -------
    ModeDecision
        What follows.
    """
    for row in TABLE:
        if mode in row.modes and PREDICATES[row.condition](inputs, thresholds):
            target = mode if row.target is None else row.target
            return ModeDecision(
                mode=target, changed=target != mode, reason=row.condition.value, then=row.then
            )
    return ModeDecision(mode=mode, changed=False, reason="no row applies")


def diagram() -> str:
    """Draw the table as a mermaid state diagram for the documents."""
    lines = ["stateDiagram-v2", "    [*] --> SAFE: agent started"]
    for row in TABLE:
        lines.extend(
            f"    {mode.name} --> {row.target.name}: {row.condition.value}"
            for mode in sorted(row.modes)
            if row.target is not None and row.target != mode
        )
    return "\n".join(lines) + "\n"
