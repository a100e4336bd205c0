"""Overriding: a person holds one resource of a site at a power, for a while."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from cloud_coordinator.fleet.fleet import Fleet
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.services.errors import RejectedError, UnknownError
from cloud_coordinator.services.people_ports import Commanding, Note
from protocols.link.messages import Plain
from protocols.vocabulary.identifiers import ResourceId, SiteId

OVERRIDE_MAX: Final = timedelta(hours=4)
OVERRIDE_VALID: Final = timedelta(seconds=30)
"""A hand's command that a site cannot take now is not kept for later."""


def powers_of(fleet: Fleet, site_id: SiteId) -> Mapping[ResourceId, tuple[float, float]]:
    """Return lowest and highest power of each resource of a site, W.

    Raises
    ------
    UnknownError
        If there is no such site.
    """
    if fleet.index_of(site_id) is None:
        raise UnknownError(f"site {site_id}: there is none")
    layout = fleet.layout_of(site_id)
    resources = () if layout is None else layout.resources
    return {one.resource_id: (one.power_w_min, one.power_w_max) for one in resources}


class Overrides:
    """Overrides of single resources.

    Parameters
    ----------
    fleet : Fleet
        Who is there, and what they can.
    downlink : Commanding
        The way down.
    note : Note
        The record.
    """

    def __init__(self, fleet: Fleet, downlink: Commanding, note: Note) -> None:
        self._fleet = fleet
        self._downlink = downlink
        self._note = note

    def override(
        self,
        resource_id: ResourceId,
        *,
        power_w: float | None,
        minutes: float,
        by: str,
        now: Moment,
    ) -> None:
        """Hold one resource at a power for some minutes; no power gives it back.

        Raises
        ------
        UnknownError
            If there is no such site or resource.
        RejectedError
            If it is outside its nameplate, too long, or the site takes no commands.
        """
        site_id = SiteId(resource_id.split("/", 1)[0])
        resources = powers_of(self._fleet, site_id)
        if resource_id not in resources:
            raise UnknownError(f"resource {resource_id}: there is none")
        payload: dict[str, Plain] = {"resource_id": str(resource_id), "by": by, "reason": ""}
        if power_w is not None:
            low_w, high_w = resources[resource_id]
            if not low_w <= power_w <= high_w:
                raise RejectedError(f"power_w: must be {low_w:.0f} .. {high_w:.0f} W")
            length = timedelta(minutes=minutes)
            if not timedelta() < length <= OVERRIDE_MAX:
                raise RejectedError("minutes: an override lasts 240 minutes at most")
            payload |= {
                "power_w": float(power_w),
                "until_s": int((now.at + length).timestamp()),
            }
        kind = "release" if power_w is None else "override"
        if not self._downlink.send_command(site_id, kind, payload, valid=OVERRIDE_VALID):
            raise RejectedError(f"resource_id: {site_id} is an aggregator; it takes no overrides")
        self._note(f"{kind}.sent", payload)
