"""Approving: a resource that is added to a site waits for a person before it counts in awards.

Who enrolled a site approved what it has in its first ten minutes, while its devices are found.
What is added later, or grows beyond what was approved, keeps the site out of new awards until a
person acknowledges the alert; what it owes already stands. Without stores nothing outlives the
program.
"""

import json
from collections.abc import Mapping
from typing import Final

from cloud_coordinator.alerts.alert import Severity, Sighting
from cloud_coordinator.fleet.fleet import Fleet, resources_of_rows
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.services.people_ports import Note, StateStore
from protocols.link.messages import Layout
from protocols.sansio.records import Change
from protocols.vocabulary.identifiers import SiteId

RULE: Final = "resource-added"
"""The alert whose acknowledgement approves."""
SETTLING_S: Final = 600.0
AGAIN_S: Final = 30.0
"""The alert is told again so often while the resource waits."""
GROWTH: Final = 1.1
"""What a power may differ by without being another device's; so far alerts allow it too."""
_KEY: Final = "approved/"
_Known = dict[str, list[float]]
"""Lowest and highest power by resource, W. A capacity may change: cars come and go."""


class Approvals:
    """Which resources a person has approved.

    Parameters
    ----------
    fleet : Fleet
        What sites say they have.
    state : StateStore
        Where approvals are kept.
    note : Note
        The record.
    """

    rule = RULE

    def __init__(self, fleet: Fleet, state: StateStore, note: Note) -> None:
        self._fleet = fleet
        self._state = state
        self._note = note
        self._layouts = -1
        self._looked: dict[SiteId, Layout] = {}
        self._pending: dict[SiteId, tuple[str, ...]] = {}
        self._told_s: dict[SiteId, float] = {}
        self._approved: dict[SiteId, tuple[float, _Known]] = {}
        for key, value in state.load().items():
            if key.startswith(_KEY):
                first_s, known = json.loads(value)
                self._approved[SiteId(key.removeprefix(_KEY))] = first_s, known

    def allowed(self, site_id: SiteId) -> bool:
        """Whether a site may be given new awards."""
        return site_id not in self._pending

    def approve(self, place: str, *, by: str) -> None:
        """Take what a site has now for approved."""
        site_id = SiteId(place)
        layout = self._looked.get(site_id)
        waiting = self._pending.pop(site_id, ())
        if layout is None or not waiting:
            return
        first_s, _ = self._approved[site_id]
        self._keep({site_id: (first_s, _known(layout))})
        self._note("resource.approved", {"site": site_id, "by": by, "resources": list(waiting)})

    def look(self, now: Moment) -> list[Sighting]:
        """Look at layouts that have changed; return what waits for a person."""
        layouts, _ = resources_of_rows(self._fleet)
        if layouts != self._layouts:
            self._layouts = layouts
            self._compare(now)
        due = [
            site
            for site in self._pending
            if now.wall_s - self._told_s.get(site, -AGAIN_S) >= AGAIN_S
        ]
        self._told_s.update(dict.fromkeys(due, now.wall_s))
        return [
            Sighting(
                rule=RULE,
                place=site,
                severity=Severity.HIGH,
                at_s=now.wall_s,
                evidence=f"waits for approval: {', '.join(self._pending[site])}"[:200],
            )
            for site in due
        ]

    def _compare(self, now: Moment) -> None:
        """Compare each layout that is another object than before with what is approved."""
        settled: dict[SiteId, tuple[float, _Known]] = {}
        for site_id in self._fleet.snapshot(now).sites:
            layout = self._fleet.layout_of(site_id)
            if layout is None or self._looked.get(site_id) is layout:
                continue
            self._looked[site_id] = layout
            first_s, approved = self._approved.get(site_id, (now.wall_s, {}))
            found = _known(layout)
            more = tuple(name for name in found if _is_more(found[name], approved.get(name)))
            if now.wall_s - first_s < SETTLING_S:
                if more or site_id not in self._approved:
                    settled[site_id] = first_s, found
            elif more:
                if site_id not in self._pending:
                    self._note("resource.waiting", {"site": site_id, "resources": list(more)})
                self._pending[site_id] = more
            else:
                self._pending.pop(site_id, None)
        if settled:
            self._keep(settled)

    def _keep(self, approved: Mapping[SiteId, tuple[float, _Known]]) -> None:
        self._state.put(
            [
                Change(key=f"{_KEY}{site}", value=json.dumps(one).encode())
                for site, one in approved.items()
            ]
        )
        self._approved.update(approved)


def _known(layout: Layout) -> _Known:
    return {str(one.resource_id): [one.power_w_min, one.power_w_max] for one in layout.resources}


def _is_more(found: list[float], approved: list[float] | None) -> bool:
    """Whether a nameplate is new or larger than the approved one."""
    if approved is None:
        return True
    low_w, high_w = approved
    return found[0] < GROWTH * min(low_w, 0.0) - 1.0 or found[1] > GROWTH * max(high_w, 0.0) + 1.0
