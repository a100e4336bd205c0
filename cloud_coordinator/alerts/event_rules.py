"""Rules over events: which event of the record is a sign of an attack or a fault. Pure.

The table is the whole truth. An event raises at once (``burst`` 1) or when there were so many
of its rule at its place within the window. Events come from the link's gateway (what it does
not take), from the agents (what they refuse, what their devices do) and from access (logins).
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cloud_coordinator.alerts.alert import Severity, Sighting

FLEET: Final = "fleet"
PLACES_MAX: Final = 4096
"""Places watched per rule; the rest share one."""
EVIDENCE_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An event, as far as rules look at it.

    Attributes
    ----------
    kind : str
        ``noun.verbed``.
    place : str
        The site; of a login the subject or the address; ``"fleet"`` for neither.
    at_s : float
        Unix time of receipt.
    words : str
        Its reason or detail.
    count : int
        How many it stands for.
    """

    kind: str
    place: str
    at_s: float
    words: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRule:
    """One row.

    Attributes
    ----------
    rule : str
        Name of the alert.
    kinds : frozenset of str
        Events it counts.
    words : tuple of str
        One of which the event's words must hold; none: any.
    severity : Severity
        Of the alert.
    burst : int
        So many within the window raise it.
    window_s : float
        The window.
    quiet_s : float
        After so long without one it clears.
    """

    rule: str
    kinds: frozenset[str]
    severity: Severity
    words: tuple[str, ...] = ()
    burst: int = 1
    window_s: float = 60.0
    quiet_s: float = 600.0


_TOLD_BY_SITES = frozenset({"command.refused", "obligation.refused"})
_SIGNALS = frozenset({"alarm.raised"})
_SEAL: Final = "link.seal_refused"
"""Told by a gateway of an order, by us of a receipt. What was refused has moved nothing, so it
never is CRITICAL: else a stranger at the broker could have any site stopped by forging badly."""

EVENT_RULES: Final = (
    EventRule(
        rule="login-failed",
        kinds=frozenset({"login.failed", "login.refused", "key.refused"}),
        severity=Severity.MEDIUM,
        burst=5,
        window_s=300.0,
    ),
    EventRule(
        rule="login-locked",
        kinds=frozenset({"login.locked", "account.locked"}),
        severity=Severity.HIGH,
    ),
    EventRule(
        rule="access-denied",
        kinds=frozenset({"access.denied"}),
        severity=Severity.MEDIUM,
        burst=10,
        window_s=60.0,
    ),
    EventRule(
        rule="message-out-of-topic",
        kinds=frozenset({"link.topic_refused"}),
        severity=Severity.HIGH,
    ),
    EventRule(
        rule="message-malformed",
        kinds=frozenset({"link.message_refused", "link.version_refused"}),
        severity=Severity.MEDIUM,
        burst=2,
        window_s=300.0,
    ),
    EventRule(
        rule="message-forged",
        kinds=frozenset({*_TOLD_BY_SITES, *_SIGNALS, _SEAL, "link.message_refused"}),
        words=("signature", "unknown-key", "unsealed", "forged", "unsigned"),
        severity=Severity.HIGH,
        quiet_s=3600.0,
    ),
    EventRule(
        rule="message-replayed",
        kinds=frozenset({*_TOLD_BY_SITES, *_SIGNALS, _SEAL}),
        words=("replayed",),
        severity=Severity.HIGH,
    ),
    EventRule(
        rule="epoch-stale",
        kinds=frozenset({*_TOLD_BY_SITES, *_SIGNALS, _SEAL}),
        words=("stale-epoch", "stale epoch", "lower-epoch"),
        severity=Severity.HIGH,
    ),
    EventRule(
        rule="message-wrong-target",
        kinds=frozenset({*_TOLD_BY_SITES, *_SIGNALS, _SEAL}),
        words=("wrong-target", "other-scope"),
        severity=Severity.HIGH,
    ),
    EventRule(
        rule="certificate-cloned",
        kinds=frozenset({"link.session_contested"}),
        severity=Severity.HIGH,
    ),
    EventRule(
        rule="admission-refused",
        kinds=frozenset({"link.admission_refused"}),
        severity=Severity.MEDIUM,
    ),
    EventRule(
        rule="device-protocol",
        kinds=frozenset({"alarm.raised", "device.lost"}),
        words=("protocol", "malformed", "unexpected", "crc", "checksum", "not understood"),
        severity=Severity.MEDIUM,
    ),
    EventRule(
        rule="device-disobeys",
        kinds=frozenset({"alarm.raised"}),
        words=("unconfirmed", "refused:"),
        severity=Severity.MEDIUM,
    ),
    EventRule(
        rule="journal-trouble",
        kinds=frozenset({"journal.trimmed", "alarm.raised"}),
        words=("journal",),
        severity=Severity.HIGH,
    ),
    EventRule(
        rule="hand-at-site",
        kinds=frozenset({"override.set", "safe.entered"}),
        severity=Severity.LOW,
    ),
    EventRule(
        rule="override-refused",
        kinds=frozenset({"override.refused"}),
        severity=Severity.MEDIUM,
        burst=3,
        window_s=300.0,
    ),
    EventRule(
        rule="command-rate",
        kinds=frozenset({"command.done", "command.refused"}),
        severity=Severity.HIGH,
        burst=120,
        window_s=60.0,
    ),
    EventRule(
        rule="store-failed",
        kinds=frozenset({"store.failed"}),
        severity=Severity.HIGH,
        quiet_s=120.0,
    ),
)
"""Every event rule. Kinds of logins are access's; they stand here so that both agree."""

EVENT_QUIET_S: Final[Mapping[str, float]] = {one.rule: one.quiet_s for one in EVENT_RULES}
_BY_KIND: Final[Mapping[str, tuple[EventRule, ...]]] = {
    kind: tuple(one for one in EVENT_RULES if kind in one.kinds)
    for kind in sorted({kind for one in EVENT_RULES for kind in one.kinds})
}


def is_watched(kind: str) -> bool:
    """Whether any rule looks at events of a kind."""
    return kind in _BY_KIND


class EventWatch:
    """Counts events by rule and place inside their windows; no clock, no I/O."""

    def __init__(self) -> None:
        self._recent: dict[tuple[str, str], deque[tuple[float, int]]] = {}

    def sightings(self, events: Iterable[Seen]) -> list[Sighting]:
        """Return what the rules see in some events, in their order."""
        found: list[Sighting] = []
        for event in events:
            for rule in _BY_KIND.get(event.kind, ()):
                words = event.words.lower()
                if rule.words and not any(word in words for word in rule.words):
                    continue
                sighting = self._counted(rule, event)
                if sighting is not None:
                    found.append(sighting)
        return found

    def _counted(self, rule: EventRule, event: Seen) -> Sighting | None:
        count = event.count
        if rule.burst > 1:
            key = (rule.rule, event.place)
            if key not in self._recent and len(self._recent) >= PLACES_MAX:
                self._forget(event.at_s)
                if len(self._recent) >= PLACES_MAX:
                    key = (rule.rule, FLEET)
            recent = self._recent.setdefault(key, deque(maxlen=rule.burst))
            recent.append((event.at_s, event.count))
            while recent and event.at_s - recent[0][0] > rule.window_s:
                recent.popleft()
            count = sum(each for _, each in recent)
            if count < rule.burst:
                return None
        return Sighting(
            rule=rule.rule,
            place=event.place,
            severity=rule.severity,
            at_s=event.at_s,
            evidence=f"{event.kind}: {event.words}"[:EVIDENCE_CHARACTERS],
            count=event.count,
        )

    def _forget(self, now_s: float) -> None:
        """Forget places whose window is over."""
        longest_s = max(rule.window_s for rule in EVENT_RULES)
        self._recent = {
            key: recent
            for key, recent in self._recent.items()
            if recent and now_s - recent[-1][0] <= longest_s
        }
