"""The watch and the people in charge, wired: made by the coordinator, ticked with it.

Without stores (a simulation, a test) everything is kept in memory and nobody is called.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cloud_coordinator.alerts.alert import Alert
from cloud_coordinator.services.people_ports import AlertStore, OperatorCall, StateStore
from protocols.sansio.records import Change


class MemoryAlerts:
    """Alerts that nobody keeps."""

    def __init__(self) -> None:
        self._alerts: dict[str, Alert] = {}

    def save_alerts(self, alerts: Sequence[Alert]) -> None:
        """Keep them in memory, the newest ten thousand."""
        self._alerts.update((one.alert_id, one) for one in alerts)
        while len(self._alerts) > 10_000:  # noqa: PLR2004 - named in the line above
            del self._alerts[next(iter(self._alerts))]

    def alerts(self, *, standing: bool, limit: int) -> Sequence[Alert]:
        """Newest first."""
        found = [one for one in self._alerts.values() if not standing or one.cleared_s is None]
        return sorted(found, key=lambda one: -one.last_s)[:limit]


class MemoryState:
    """State that ends with the program."""

    def __init__(self) -> None:
        self._records: dict[str, bytes] = {}

    def load(self) -> Mapping[str, bytes]:
        """All of it."""
        return dict(self._records)

    def put(self, changes: Iterable[Change]) -> None:
        """Apply all changes."""
        for change in changes:
            if change.value is None:
                self._records.pop(change.key, None)
            else:
                self._records[change.key] = change.value


class NobodyToCall:
    """No operator."""

    def call(self, severity: str, text: str) -> None:
        """Nobody hears it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeoplePorts:
    """What watching and intervening are kept in."""

    alerts: AlertStore = field(default_factory=MemoryAlerts)
    state: StateStore = field(default_factory=MemoryState)
    operators: OperatorCall = field(default_factory=NobodyToCall)
