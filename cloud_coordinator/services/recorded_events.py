"""An event store that also writes what the coordinator does by itself into the audit trail.

What a person commands reaches the trail at the API's door; what the service decides (an award
shared among sites, a stop after an alert, a late start) only shows as an event, and so it is
written down here, with the subject ``service``. Observations such as a lost link are no acts.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from cloud_coordinator.services.auditing import Deed, Trail
from cloud_coordinator.services.ports import EventStore
from cloud_coordinator.services.records import EventQuery, EventRecord
from protocols.link.messages import Plain

SERVICE: Final = "service"
ACTS: Final = frozenset(
    {
        "coordinator.started",
        "assurance.missed",
        "site.stopped",
        "emergency.handed",
        "emergency.stopped",
        "emergency.resumed",
        "override.sent",
        "release.sent",
        "site.released",
    }
)
"""Events that are acts; every ``award.`` event is one too."""
OF_MACHINE: Final = frozenset({None, "", "alerts"})
"""Who ``by`` names where no person acted; a person's act is in the trail already."""
_TOLD: Final = ("obligation_id", "site", "resource_id", "sites", "epoch", "shortfall_up_w")


class RecordedEvents:
    """An event store in front of another.

    Parameters
    ----------
    store : EventStore
        Where events are kept.
    trail : Trail
        Where acts are written down.
    """

    def __init__(self, store: EventStore, trail: Trail) -> None:
        self._store = store
        self._trail = trail

    def save_event(self, event: EventRecord) -> None:
        """Keep it; durable on return."""
        self._store.save_event(event)
        self._record(event)

    def save_events(self, events: Sequence[EventRecord]) -> None:
        """Keep many in one transaction; durable on return."""
        self._store.save_events(events)
        for event in events:
            self._record(event)

    def events(self, query: EventQuery) -> Sequence[EventRecord]:
        """Newest first."""
        return self._store.events(query)

    def _record(self, event: EventRecord) -> None:
        if event.site_id is not None:  # what a site tells is not what we did
            return
        if event.kind not in ACTS and not event.kind.startswith("award."):
            return
        payload = event.payload
        if payload.get("by") not in OF_MACHINE:
            return
        deed = Deed(
            who=SERVICE,
            what=f"{event.kind}: {_told(payload)}".rstrip(": "),
            where=event.event_key,
            why=str(payload.get("reason", "")),
        )
        self._trail.note(deed, "done")


def _told(payload: Mapping[str, Plain]) -> str:
    return " ".join(f"{name}={payload[name]!r}" for name in _TOLD if name in payload)
