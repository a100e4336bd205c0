"""Eligibility: which sites may be awarded primary reserve, by the step tests they told of.

A site is asked only if one of its devices measures the frequency and its last recorded step test
qualified for the product; it is never asked for more than that test showed. Called by
candidates.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cloud_coordinator.market.areas import Area
from cloud_coordinator.services.ports import EventStore
from cloud_coordinator.services.records import EventQuery, EventRecord, SiteRecord
from protocols.vocabulary.commitment import Droop
from protocols.vocabulary.droop import DROOP_MAX
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.resource import Capability

TESTED_KIND: Final = "primary.qualified"
TESTS_READ: Final = 100_000
"""Newest tests that are looked through; an agent tells its test at each start."""
_SHOWN: Final[Mapping[str, frozenset[Service]]] = {
    "primary": frozenset({Service.PRIMARY, Service.PRIMARY_OFFLINE}),
    "primary-offline": frozenset({Service.PRIMARY_OFFLINE}),
}
"""What a test for a product shows: the online product asks for all the offline one does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualified:
    """What a site's last step test showed.

    Attributes
    ----------
    available_w : float
        Upward power that was reached in time and kept, W.
    rated_w : float
        Power its droop is counted from: the ratings of the devices that took part, W.
    """

    available_w: float
    rated_w: float


class Eligibility:
    """Reads the tests that sites told of.

    Parameters
    ----------
    events : EventStore
        What sites told.
    """

    def __init__(self, events: EventStore) -> None:
        self._events = events

    def of(self, service: Service, sites: Iterable[SiteRecord]) -> dict[SiteId, Qualified]:
        """Sites that qualify for a product of primary reserve."""
        last: dict[SiteId | None, EventRecord] = {}
        for event in self._events.events(EventQuery(kind=TESTED_KIND, limit=TESTS_READ)):
            last.setdefault(event.site_id, event)
        found = {}
        for site in sites:
            told = last.get(site.site_id)
            shown = None if told is None else _shown(told, site, service)
            if shown is not None:
                found[site.site_id] = shown
        return found


def _shown(event: EventRecord, site: SiteRecord, service: Service) -> Qualified | None:
    """Read a test; None where it does not speak for the product or the devices are others now."""
    told = event.payload
    members, product = told.get("members"), told.get("product")
    available_w = told.get("available_w")
    if not isinstance(members, list) or not isinstance(product, str):
        return None
    if isinstance(available_w, bool) or not isinstance(available_w, int | float):
        return None
    known = {str(one.resource_id): one for one in site.layout.resources}
    measures = any(Capability.MEASURES_FREQUENCY in one.capabilities for one in known.values())
    lent = [known[str(name)] for name in members if str(name) in known]
    rated_w = math.fsum(max(one.power_w_max, -one.power_w_min) for one in lent)
    speaks = service in _SHOWN.get(product, frozenset()) and len(lent) == len(members)
    gives = math.isfinite(available_w) and min(available_w, rated_w) > 0.0
    if not (measures and speaks and gives):
        return None
    return Qualified(available_w=min(float(available_w), rated_w), rated_w=rated_w)


def law_of(area: Area, shown: Qualified, *, child_w: float, delay_s: float) -> Droop:
    """Law by which a site gives all of its part at the area's abnormal deviation, or before.

    Parameters
    ----------
    area : Area
        Nominal frequency, dead band, abnormal deviation.
    shown : Qualified
        The site's rating.
    child_w : float
        Its part of the award, W, > 0.
    delay_s : float
        Permitted delay of the product.

    Notes
    -----
    japan-market 1: a droop of at most 5 % of the rated power.
    """
    droop = area.abnormal_hz / area.nominal_hz * shown.rated_w / child_w
    return Droop(
        nominal_hz=area.nominal_hz,
        droop=min(droop, DROOP_MAX),
        dead_band_hz=area.dead_band_hz,
        delay_s=delay_s,
    )
