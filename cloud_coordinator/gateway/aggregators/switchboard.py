"""The way down to all sites: over the link, or in the protocol of an aggregator."""

from collections.abc import Mapping
from datetime import timedelta

from cloud_coordinator.gateway.aggregators.site import AggregatorSite
from cloud_coordinator.services.people_ports import FleetDownlink
from cloud_coordinator.services.records import OfferRequest
from protocols.link.messages import Plain
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.offer import DispatchSignal


class Switchboard:
    """A downlink in front of another; what is for an aggregator goes to it.

    Parameters
    ----------
    link : FleetDownlink
        To sites with a gateway of ours.
    """

    def __init__(self, link: FleetDownlink) -> None:
        self._link = link
        self._sites: dict[SiteId, AggregatorSite] = {}

    def connect(self, site_id: SiteId, site: AggregatorSite) -> None:
        """Send what is for a site to an aggregator from now on."""
        self._sites[site_id] = site

    def send_commitment(self, commitment: Commitment) -> None:
        """Send to the site that is the commitment's target."""
        site = self._sites.get(SiteId(commitment.obligation.target))
        if site is None:
            self._link.send_commitment(commitment)
        else:
            site.commit(commitment)

    def request_offer(self, request: OfferRequest) -> None:
        """Ask a site to commit a curve."""
        site = self._sites.get(request.site_id)
        if site is None:
            self._link.request_offer(request)
        else:
            site.want(request)

    def send_command(
        self, site_id: SiteId, kind: str, payload: Mapping[str, Plain], *, valid: timedelta
    ) -> bool:
        """Send a command to a site; an aggregator's protocol has no word for it."""
        if site_id in self._sites:
            return False
        return self._link.send_command(site_id, kind, payload, valid=valid)

    def send_signal(self, signal: DispatchSignal) -> None:
        """Broadcast to the zone."""
        self._link.send_signal(signal)
        for site in self._sites.values():
            site.signal(signal)
