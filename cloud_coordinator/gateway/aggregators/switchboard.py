"""The way down to all sites: over the link, or in the protocol of an aggregator."""

from cloud_coordinator.gateway.aggregators.site import AggregatorSite
from cloud_coordinator.services.ports import Downlink
from cloud_coordinator.services.records import OfferRequest
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.offer import DispatchSignal


class Switchboard:
    """A downlink in front of another; what is for an aggregator goes to it.

    Parameters
    ----------
    link : Downlink
        To sites with a gateway of ours.
    """

    def __init__(self, link: Downlink) -> None:
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

    def send_signal(self, signal: DispatchSignal) -> None:
        """Broadcast to the zone."""
        self._link.send_signal(signal)
        for site in self._sites.values():
            site.signal(signal)
