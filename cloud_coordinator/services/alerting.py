"""Alerting: feeds the rules from the live fleet and the record once a second, keeps the alerts.

The cost is that of a few numpy passes over the resources and of the watched events; what is
told of one look is bounded (:mod:`cloud_coordinator.alerts`).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

import numpy as np

from cloud_coordinator.alerts.alert import Alert, Severity, Sighting, Standing, look
from cloud_coordinator.alerts.event_rules import EVENT_QUIET_S, FLEET, EventWatch, Seen
from cloud_coordinator.alerts.telemetry_rules import (
    TELEMETRY_QUIET_S,
    Readings,
    TelemetryWatch,
    told,
)
from cloud_coordinator.fleet.fleet import (
    Fleet,
    copy_resources,
    resource_sites,
    resources_of_rows,
)
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.fleet.snapshot import LinkCondition
from cloud_coordinator.services.errors import UnknownError
from cloud_coordinator.services.people_ports import AlertStore
from cloud_coordinator.services.records import EventRecord
from cloud_coordinator.services.watched_events import WatchedEvents
from protocols.vocabulary.arrays import FloatArray

LISTED_MAX: Final = 1000
_QUIET_S: Final = {**EVENT_QUIET_S, **TELEMETRY_QUIET_S, "events-overlooked": 600.0}
WAITING_QUIET_S: Final = 90.0
"""What waits for a person is told anew within this."""
_COLUMNS: Final = ("power_w", "soc", "power_w_min", "power_w_max", "energy_wh_capacity")
_WORDS: Final = ("reason", "alarm", "detail", "cause")
_PLACES: Final = ("subject", "remote")
_SAVED_EVERY_S: Final = 10.0


class Waiting(Protocol):
    """What waits for a person: acknowledging its alert lets it go on."""

    @property
    def rule(self) -> str:
        """Name of the alert."""

    def look(self, now: Moment) -> Sequence[Sighting]:
        """Return what waits."""

    def approve(self, place: str, *, by: str) -> None:
        """Let it go on."""


class Alerting:
    """The watch over the fleet.

    Parameters
    ----------
    fleet : Fleet
        Readings.
    events : WatchedEvents
        The record.
    store : AlertStore
        Where alerts are kept; those that stood are taken up again.
    waiting : sequence of Waiting
        What waits for a person; acknowledging its alert approves it.
    """

    def __init__(
        self, fleet: Fleet, events: WatchedEvents, store: AlertStore, *, waiting: Sequence[Waiting]
    ) -> None:
        self._waiting = {one.rule: one for one in waiting}
        self._quiet_s = {**_QUIET_S, **dict.fromkeys(self._waiting, WAITING_QUIET_S)}
        self._fleet = fleet
        self._events = events
        self._store = store
        self._watch = EventWatch()
        self._telemetry: TelemetryWatch | None = None
        self._layouts = -1
        self._names: tuple[str, ...] = ()
        self._columns: dict[str, FloatArray] = {}
        self._overlooked = 0
        self._saved_s = 0.0
        self._changed: dict[str, Alert] = {}
        known = store.alerts(standing=True, limit=LISTED_MAX)
        self._standing = Standing(alerts={(one.rule, one.place): one for one in known})

    def tick(self, now: Moment) -> Sequence[Alert]:
        """Look once; return alerts that are new or have become worse."""
        found = self._watch.sightings(_seen(event) for event in self._events.take())
        found += self._overlooked_now(now)
        found += self._impossible(now)
        for one in self._waiting.values():
            found += one.look(now)
        looked = look(self._standing, found, quiet_s=self._quiet_s, now_s=now.wall_s)
        again = {
            (sighting.rule, sighting.place) for sighting in found
        } & looked.standing.alerts.keys()
        self._standing = looked.standing
        told_now = (*looked.raised, *looked.worse)
        self._changed.update(
            (one.alert_id, one)
            for one in (*(looked.standing.alerts[key] for key in again), *looked.cleared)
        )
        due = now.wall_s - self._saved_s >= _SAVED_EVERY_S
        if self._changed and (told_now or looked.cleared or due):
            self._store.save_alerts(list(self._changed.values()))
            self._changed, self._saved_s = {}, now.wall_s
        return told_now

    @property
    def standing(self) -> Sequence[Alert]:
        """Alerts that stand, the worst and newest first."""
        alerts = self._standing.alerts.values()
        return sorted(alerts, key=lambda one: (-one.severity, -one.last_s, one.alert_id))

    def listed(self, *, standing: bool, limit: int) -> Sequence[Alert]:
        """Return alerts: those that stand now, or the record, newest first."""
        if standing:
            return self.standing[:limit]
        return self._store.alerts(standing=False, limit=limit)

    def acknowledge(self, alert_id: str, *, by: str) -> Alert:
        """Note that a person has seen an alert; it stands on. What waited for a person goes on.

        Raises
        ------
        UnknownError
            If no such alert stands.
        """
        for key, alert in self._standing.alerts.items():
            if alert.alert_id == alert_id:
                if alert.rule in self._waiting:
                    self._waiting[alert.rule].approve(alert.place, by=by)
                seen = alert if alert.seen_by else replace(alert, seen_by=by)
                self._standing = replace(
                    self._standing, alerts={**self._standing.alerts, key: seen}
                )
                self._store.save_alerts([seen])
                return seen
        raise UnknownError(f"alert {alert_id}: does not stand")

    def _overlooked_now(self, now: Moment) -> list[Sighting]:
        more = self._events.overlooked - self._overlooked
        self._overlooked += more
        if not more:
            return []
        return [
            Sighting(
                rule="events-overlooked",
                place=FLEET,
                severity=Severity.HIGH,
                at_s=now.wall_s,
                evidence=f"{more} events came faster than they could be looked at",
                count=more,
            )
        ]

    def _impossible(self, now: Moment) -> list[Sighting]:
        """Judge the latest rows of all resources."""
        site_of = resource_sites(self._fleet)
        if len(site_of) == 0:
            return []
        layouts, resources = resources_of_rows(self._fleet)
        if self._telemetry is None or layouts != self._layouts:
            self._layouts = layouts
            self._names = tuple("" if one is None else str(one.resource_id) for one in resources)
            self._telemetry = TelemetryWatch(len(site_of))
            self._columns = {name: np.zeros(len(site_of)) for name in _COLUMNS}
        copy_resources(self._fleet, self._columns)
        sites = self._fleet.snapshot(now)
        live = (sites.condition == LinkCondition.LIVE)[site_of] & (site_of >= 0)
        readings = Readings(second=sites.second[site_of], is_live=live, **self._columns)
        return [
            sighting
            for rule, mask in self._telemetry.look(readings).items()
            if mask.any()
            for sighting in told(rule, mask, readings, names=self._names, now_s=now.wall_s)
        ]


def _seen(event: EventRecord) -> Seen:
    """Turn a stored event into what rules look at."""
    words = " ".join(str(event.payload[name]) for name in _WORDS if event.payload.get(name))
    also = event.payload.get("also")
    place = next((str(event.payload[n]) for n in _PLACES if event.payload.get(n)), FLEET)
    return Seen(
        kind=event.kind,
        place=place if event.site_id is None else str(event.site_id),
        at_s=event.received_at.timestamp(),
        words=words,
        count=1 + (also if isinstance(also, int) else 0),
    )
