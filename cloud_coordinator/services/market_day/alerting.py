"""Alerts of the trading: each cause of each step once, as an event of the coordinator."""

import hashlib
from collections.abc import Callable
from datetime import datetime

from cloud_coordinator.services.ports import EventStore
from cloud_coordinator.services.records import EventRecord


class Alerts:
    """Says what fell back, failed or came too late.

    Parameters
    ----------
    events : EventStore
        Where events are kept.
    now : callable
        The moment, aware UTC.
    name : str
        Of the portfolio; part of the events' keys.
    """

    def __init__(self, events: EventStore, now: Callable[[], datetime], *, name: str) -> None:
        self._events = events
        self._now = now
        self._name = name
        self._said: set[str] = set()

    def say(self, step: str, kind: str, line: str) -> None:
        """Keep an event; the same line of the same step is one event, also after a restart.

        Parameters
        ----------
        step : str
            Key of the step.
        kind : str
            ``market.assumed``, ``market.failed``, ``market.refused``, ``market.waiting``,
            ``market.missed`` or ``market.settled``.
        line : str
            What and why.
        """
        digest = hashlib.sha256(f"{kind} {line}".encode()).hexdigest()[:16]
        key = f"market/{self._name}/{step}/{digest}"
        if key in self._said:
            return
        at = self._now()
        self._events.save_event(
            EventRecord(
                event_key=key,
                site_id=None,
                recorded_at=at,
                received_at=at,
                kind=kind,
                payload={"step": step, "line": line},
            )
        )
        self._said.add(key)
