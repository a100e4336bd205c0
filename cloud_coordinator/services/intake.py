"""Intake: what the gateway hands in when something of a site arrives.

Stores first, then tells the use cases. Called by ``gateway`` (one thread, in order) and by
nothing else. It does not order, acknowledge or de-duplicate: that is the link session's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import numpy as np

from cloud_coordinator.fleet.fleet import Fleet, update_rows
from cloud_coordinator.fleet.moment import moment_of
from cloud_coordinator.services.awarding import Awarding
from cloud_coordinator.services.book import AwardBook
from cloud_coordinator.services.dispatching import Dispatching
from cloud_coordinator.services.ports import EventStore, OfferStore, SiteStore
from cloud_coordinator.services.records import ChildState, EventRecord, SiteRecord
from protocols.link.messages import Event, Hello, Offer, Telemetry
from protocols.link.plain import layout_from_plain
from protocols.link.telemetry import RowBlock
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import ObligationId, SiteId, ZoneId
from protocols.vocabulary.intervals import Clock
from protocols.vocabulary.obligation import ObligationState
from protocols.vocabulary.offer import DispatchSignal

PROGRESS_EVERY_NS: Final = 250_000_000
"""Pending awards look at new offers this often at most, and at every tick."""
PROGRESS_REST: Final = 20
"""So many times as long as the last look took, they wait with the next."""
SEEN_EVERY: Final = timedelta(seconds=60)
"""How old the registry's "seen" may be of a site that says nothing new."""
_ANSWERS: Final = {
    "obligation.accepted": ObligationState.ACCEPTED,
    "obligation.refused": ObligationState.REFUSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeStores:
    """The stores that arriving things go to."""

    sites: SiteStore
    events: EventStore
    offers: OfferStore


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    """Who is told."""

    book: AwardBook
    awarding: Awarding
    dispatching: Dispatching


class Intake:
    """The way up, behind the link.

    Parameters
    ----------
    fleet : Fleet
        The live table; filled from the registry at once.
    stores : IntakeStores
        Where things go first.
    use_cases : UseCases
        Who is told then.
    clock : Clock
        For times of receipt.
    """

    def __init__(
        self, fleet: Fleet, stores: IntakeStores, *, use_cases: UseCases, clock: Clock
    ) -> None:
        self._fleet = fleet
        self._stores = stores
        self._use_cases = use_cases
        self._clock = clock
        self._offered = False
        self._progress_ns = 0
        self._known: dict[SiteId, SiteRecord] = {}
        self._registrations = 0
        for site in stores.sites.sites():
            self._learn(site)

    def hello(self, hello: Hello) -> None:
        """Take a site's hello: register it, learn its resources and what it holds."""
        now = moment_of(self._clock)
        site = SiteRecord(
            site_id=hello.site_id,
            zone=hello.zone,
            journal_id=hello.journal_id,
            agent_version=hello.agent_version,
            layout=hello.layout,
            seen_at=now.at,
        )
        if not self._says_nothing_new(site):
            self._stores.sites.save_site(site)
            self._learn(site)
        self._fleet.greet(hello.site_id, now)
        for obligation_id in hello.obligations:
            self._answer(hello.site_id, obligation_id, ObligationState.ACCEPTED)

    def _says_nothing_new(self, site: SiteRecord) -> bool:
        """Whether it is only a repeated hello: a fleet that waits for us repeats thousands."""
        known = self._known.get(site.site_id)
        if known is None or site.seen_at - known.seen_at > SEEN_EVERY:
            return False
        return replace(site, seen_at=known.seen_at) == known

    def live(self, site_id: SiteId, telemetry: Telemetry) -> bool:
        """Take live rows into the fleet; False for an unknown site or rows that are not new."""
        if site_id not in self._known:
            return False
        return self._fleet.update(site_id, telemetry, moment_of(self._clock))

    def live_rows(self, sites: Sequence[SiteId], block: RowBlock) -> None:
        """Take one live row of each of many sites, as :meth:`live`; each site once."""
        places = [self._fleet.index_of(site_id) for site_id in sites]
        known = [row for row, place in enumerate(places) if place is not None]
        indices = np.array([places[row] for row in known], dtype=np.int64)
        update_rows(self._fleet, indices, block.only(known), received=moment_of(self._clock))

    def event(self, site_id: SiteId, event: Event) -> None:
        """Store an event; durable on return. Answers to commitments count from then on."""
        self._stores.events.save_event(
            EventRecord(
                event_key=f"{site_id}/{event.journal_id}/{event.sequence}",
                site_id=site_id,
                recorded_at=event.recorded_at,
                received_at=self._clock.now(),
                kind=event.kind,
                payload=event.payload,
            )
        )
        if event.kind == "layout":
            self._layout(site_id, event)
        state, obligation_id = _ANSWERS.get(event.kind), event.payload.get("obligation_id")
        if state is not None and isinstance(obligation_id, str):
            self._answer(site_id, ObligationId(obligation_id), state)

    def offer(self, offer: Offer) -> None:
        """Store an offer; durable on return. A pending award may be allocated by it."""
        self._stores.offers.save_offer(offer)
        self._offered = True

    def settle(self) -> None:
        """Let pending awards look at new offers: a few times a second at most, and at every tick.

        Called when what was taken is durable: what an allocation sends must be.
        """
        now = moment_of(self._clock)
        if self._offered and now.monotonic_ns >= self._progress_ns:
            self._offered = False
            self._use_cases.awarding.progress(now)
            took_ns = self._clock.monotonic_ns() - now.monotonic_ns
            self._progress_ns = now.monotonic_ns + max(PROGRESS_EVERY_NS, PROGRESS_REST * took_ns)

    def commitments_of(self, site_id: SiteId) -> tuple[Commitment, ...]:
        """Return what a site still owes, for its snapshot."""
        return self._use_cases.book.commitments_of(site_id)

    def signal_of(self, zone: ZoneId) -> DispatchSignal | None:
        """Return the signal in force, for a snapshot."""
        return self._use_cases.dispatching.signal_of(zone, moment_of(self._clock))

    def site(self, site_id: SiteId) -> SiteRecord | None:
        """Return what the registry knows of a site."""
        return self._known.get(site_id)

    def _layout(self, site_id: SiteId, event: Event) -> None:
        """Learn a layout that changed after the hello; one that cannot be read is left."""
        site = self._known.get(site_id)
        if site is None or site.journal_id != event.journal_id:
            return
        try:
            layout = layout_from_plain(event.payload.get("layout"))
        except RemoteProtocolError:
            return
        own = all(resource.site_id == site_id for resource in layout.resources)
        if own and layout.version > site.layout.version:
            changed = replace(site, layout=layout)
            self._stores.sites.save_site(changed)
            self._learn(changed)

    def registered(self) -> tuple[int, Mapping[SiteId, SiteRecord]]:
        """Return how often a site was registered anew, and what is known of all."""
        return self._registrations, self._known

    def _learn(self, site: SiteRecord) -> None:
        before = self._known.get(site.site_id)
        if before is None or (before.zone, before.agent_version) != (site.zone, site.agent_version):
            self._registrations += 1
        self._known[site.site_id] = site
        self._fleet.upsert_site(site.site_id, site.zone)
        self._fleet.upsert_layout(site.site_id, site.layout)

    def _answer(self, site_id: SiteId, obligation_id: ObligationId, state: ObligationState) -> None:
        self._use_cases.book.answered(
            ChildState(
                obligation_id=obligation_id,
                site_id=site_id,
                state=state,
                at=self._clock.now(),
            )
        )
