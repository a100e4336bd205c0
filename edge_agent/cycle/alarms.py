"""Faults that last: raised once, cleared once. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from edge_agent.cycle.record import Happened
from edge_agent.drivers.port import WriteOutcome, WriteState

FAILED = frozenset({WriteState.REFUSED, WriteState.TIMEOUT, WriteState.UNCONFIRMED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """Alarms that stand, by name, with what they said when they were raised."""

    standing: Mapping[str, str] = field(default_factory=dict)

    def look(self, name: str, detail: str) -> tuple["Alarms", tuple[Happened, ...]]:
        """Look at one condition; an empty detail means that it is well.

        Returns
        -------
        tuple
            The alarms afterwards, and the event that tells a change.
        """
        stands = name in self.standing
        if bool(detail) == stands:
            return self, ()
        payload = {"alarm": name, "detail": detail or self.standing.get(name, "")}
        if detail:
            raised = replace(self, standing={**self.standing, name: detail})
            return raised, (Happened(kind="alarm.raised", payload=payload),)
        left = {key: value for key, value in self.standing.items() if key != name}
        return replace(self, standing=left), (Happened(kind="alarm.cleared", payload=payload),)

    def after_writes(
        self, outcomes: Iterable[WriteOutcome]
    ) -> tuple["Alarms", tuple[Happened, ...]]:
        """Look at writes that ended: a device that does not do what it is told is an alarm."""
        alarms = self
        told: tuple[Happened, ...] = ()
        for outcome in outcomes:
            if outcome.state is WriteState.SUPERSEDED:
                continue
            failed = outcome.state in FAILED
            detail = f"{outcome.state.value}: {outcome.detail}" if failed else ""
            alarms, more = alarms.look(f"write {outcome.resource_id}", detail)
            told += more
        return alarms, told
