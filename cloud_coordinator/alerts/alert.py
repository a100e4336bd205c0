"""Alert: a fault or an attack that lasts, raised once, counted while it repeats, and cleared. Pure.

A sighting is what a rule saw at one moment. Sightings of one rule at one place are one alert;
its severity only rises while it stands. It clears by itself when nothing was seen for its
rule's quiet time; acknowledging it says that a person has seen it and clears nothing.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

EVIDENCE_KEPT: Final = 8
"""Pieces of evidence kept of one alert: the first ones and the newest."""
STANDING_MAX: Final = 20_000
"""Alerts that stand at once; beyond, sightings are counted and not told apart."""


class Severity(enum.IntEnum):
    """How bad. HIGH wants a person now; CRITICAL stops automatic control of its place."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class State(enum.Enum):
    """Whether an alert stands."""

    STANDING = "standing"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What a rule saw.

    Attributes
    ----------
    rule : str
        Its name.
    place : str
        Where: a site, a resource, an address, or ``"fleet"``.
    severity : Severity
        How bad.
    at_s : float
        Unix time.
    evidence : str
        What was seen, for people; no secrets.
    count : int
        How many of the kind it stands for.
    """

    rule: str
    place: str
    severity: Severity
    at_s: float
    evidence: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert.

    Attributes
    ----------
    alert_id : str
        ``rule/place/first second``.
    rule, place, severity, state
        As in the sightings.
    first_s, last_s : float
        Unix time of the first and of the latest sighting.
    count : int
        Sightings.
    evidence : tuple of str
        Some of them.
    seen_by : str
        Who acknowledged it; empty if nobody did.
    cleared_s : float or None
        When it cleared.
    """

    alert_id: str
    rule: str
    place: str
    severity: Severity
    first_s: float
    last_s: float
    count: int
    evidence: tuple[str, ...]
    state: State = State.STANDING
    seen_by: str = ""
    cleared_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The alerts that stand, by rule and place.

    Attributes
    ----------
    alerts : mapping of (str, str) to Alert
        Standing ones.
    untold : int
        Sightings beyond ``STANDING_MAX``.
    """

    alerts: Mapping[tuple[str, str], Alert] = field(default_factory=dict)
    untold: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a look at the sightings of a second came to.

    Attributes
    ----------
    standing : Standing
        Afterwards.
    raised, worse, cleared : tuple of Alert
        New ones, those whose severity rose, and those that are over.
    """

    standing: Standing
    raised: tuple[Alert, ...]
    worse: tuple[Alert, ...]
    cleared: tuple[Alert, ...]


def look(
    before: Standing,
    sightings: Iterable[Sighting],
    *,
    quiet_s: Mapping[str, float],
    now_s: float,
) -> Looked:
    """Group sightings into alerts, and clear what is quiet.

    Parameters
    ----------
    before : Standing
        As the last look left it.
    sightings : iterable of Sighting
        Since then.
    quiet_s : mapping of str to float
        Per rule after how many seconds without a sighting it clears.
    now_s : float
        Unix time.
    """
    alerts, untold = dict(before.alerts), before.untold
    raised: dict[tuple[str, str], Alert] = {}
    worse: dict[tuple[str, str], Alert] = {}
    for seen in sightings:
        key = (seen.rule, seen.place)
        known = alerts.get(key)
        if known is None and len(alerts) >= STANDING_MAX:
            untold += seen.count
            continue
        alerts[key] = _first(seen) if known is None else _again(known, seen)
        if known is None:
            raised[key] = alerts[key]
        elif seen.severity > known.severity:
            worse[key] = alerts[key]
    over = [key for key, one in alerts.items() if now_s - one.last_s > quiet_s[one.rule]]
    cleared = [replace(alerts.pop(key), state=State.CLEARED, cleared_s=now_s) for key in over]
    return Looked(
        standing=Standing(alerts=alerts, untold=untold),
        raised=tuple(alerts.get(key, one) for key, one in raised.items()),
        worse=tuple(alerts.get(key, one) for key, one in worse.items() if key not in raised),
        cleared=tuple(cleared),
    )


def _first(seen: Sighting) -> Alert:
    return Alert(
        alert_id=f"{seen.rule}/{seen.place}/{int(seen.at_s)}",
        rule=seen.rule,
        place=seen.place,
        severity=seen.severity,
        first_s=seen.at_s,
        last_s=seen.at_s,
        count=seen.count,
        evidence=(seen.evidence,),
    )


def _again(known: Alert, seen: Sighting) -> Alert:
    evidence = known.evidence
    if seen.evidence not in evidence:
        half = EVIDENCE_KEPT // 2
        kept = evidence if len(evidence) < EVIDENCE_KEPT else evidence[:half] + evidence[half + 1 :]
        evidence = (*kept, seen.evidence)
    return replace(
        known,
        severity=max(known.severity, seen.severity),
        last_s=max(known.last_s, seen.at_s),
        count=known.count + seen.count,
        evidence=evidence,
    )
