"""An event store that also shows each event to the watch. It changes nothing of what is stored."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from cloud_coordinator.alerts.event_rules import is_watched
from cloud_coordinator.services.ports import EventStore
from cloud_coordinator.services.records import EventQuery, EventRecord

WAITING_MAX: Final = 20_000
"""Watched events that wait for the next look; older ones are counted only."""


class WatchedEvents:
    """An event store in front of another.

    Parameters
    ----------
    store : EventStore
        Where events are kept.

    Attributes
    ----------
    overlooked : int
        Watched events that came faster than they were looked at.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._waiting: deque[EventRecord] = deque()
        self.overlooked = 0

    def save_event(self, event: EventRecord) -> None:
        """Keep it; durable on return."""
        self._store.save_event(event)
        self._show(event)

    def save_events(self, events: Sequence[EventRecord]) -> None:
        """Keep many in one transaction; durable on return."""
        self._store.save_events(events)
        for event in events:
            self._show(event)

    def events(self, query: EventQuery) -> Sequence[EventRecord]:
        """Newest first."""
        return self._store.events(query)

    def take(self) -> list[EventRecord]:
        """Return the watched events since the last call."""
        waiting, self._waiting = self._waiting, deque()
        return list(waiting)

    def _show(self, event: EventRecord) -> None:
        if not is_watched(event.kind):
            return
        if len(self._waiting) >= WAITING_MAX:
            self.overlooked += 1
            return
        self._waiting.append(event)
