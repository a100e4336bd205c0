"""The ports of the use cases: what ``store`` and ``gateway`` implement and tests fake.

All calls are synchronous and bounded: a store call returns when the data is durable (where
it says so), a downlink call queues and returns. Lists come in a stated order. Stores raise
``StoreError``.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from cloud_coordinator.services.records import (
    AwardRecord,
    CertificateRecord,
    ChildState,
    DispatchRecord,
    EventQuery,
    EventRecord,
    OfferRequest,
    SiteRecord,
    SiteSeconds,
    StreamAccount,
    TsoCommand,
    Way,
)
from protocols.link.messages import Offer, Telemetry
from protocols.link.telemetry import RowBlock
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import ObligationId, SignalId, SiteId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Obligation, Service
from protocols.vocabulary.offer import DispatchSignal


class SiteStore(Protocol):
    """The registry of sites."""

    def save_site(self, site: SiteRecord) -> None:
        """Insert or replace by ``site_id``; durable on return."""

    def sites(self) -> Sequence[SiteRecord]:
        """All sites, by id."""


class ObligationStore(Protocol):
    """Awards with their commitments."""

    def save_award(self, award: AwardRecord) -> None:
        """Insert or replace the award and all its children in one transaction; durable."""

    def save_state(self, obligation: Obligation) -> None:
        """Record an award's own state, its children as they are; durable."""

    def save_child_state(self, child: ChildState) -> None:
        """Record a site's answer; durable. ``child.obligation_id`` is the child's own id."""

    def awards(self) -> Sequence[AwardRecord]:
        """All awards with their children and the children's recorded states, by start."""


class CertificateStore(Protocol):
    """Certificates of awards."""

    def save_certificates(self, records: Sequence[CertificateRecord]) -> None:
        """Insert or replace by award and direction, in one transaction; durable."""

    def certificate(self, obligation_id: ObligationId, way: Way) -> CertificateRecord | None:
        """Return one, None if there is none."""


class OfferStore(Protocol):
    """Offers as they came."""

    def save_offer(self, offer: Offer) -> None:
        """Keep it; durable. The same (site, journal, sequence) again changes nothing."""

    def offers(
        self, sites: Sequence[SiteId], *, service: Service, interval: Interval
    ) -> Sequence[Offer]:
        """Per site the latest received offer of the service that covers the interval."""


class CommandStore(Protocol):
    """Commands of the system operator."""

    def save_command(self, command: TsoCommand) -> None:
        """Keep it; durable. The same (obligation, issued_at) again changes nothing."""

    def commands(self, obligation_id: ObligationId) -> Sequence[TsoCommand]:
        """All commands of the award, by ``issued_at``."""


class DispatchStore(Protocol):
    """The control history. Need not be durable on return: it may lag by a second."""

    def save_dispatch(self, record: DispatchRecord) -> None:
        """Keep one signal and its reasons."""

    def recent_dispatches(self, zone: ZoneId, *, limit: int) -> Sequence[DispatchRecord]:
        """Return the latest ``limit`` records of the zone, oldest first."""

    def dispatch_of(
        self, obligation_id: ObligationId, signal_id: SignalId
    ) -> DispatchRecord | None:
        """Return the record of one signal of an award, None if there is none."""

    def dispatch_at(self, obligation_id: ObligationId, at: datetime) -> DispatchRecord | None:
        """Return the latest record of an award sent at or before a time."""


class EpochStore(Protocol):
    """Fencing numbers."""

    def next_epoch(self, lease: str) -> int:
        """Return the stored epoch + 1, made durable before it is returned; the first is 1."""


class EventStore(Protocol):
    """Events of sites and of the coordinator."""

    def save_event(self, event: EventRecord) -> None:
        """Keep it; durable. The same key again changes nothing."""

    def save_events(self, events: Sequence[EventRecord]) -> None:
        """Keep many in one transaction; durable. Keys as in :meth:`save_event`."""

    def events(self, query: EventQuery) -> Sequence[EventRecord]:
        """Newest first."""


class HistoryReader(Protocol):
    """Reads the telemetry history."""

    def site_seconds(self, sites: Sequence[SiteId], interval: Interval) -> SiteSeconds:
        """Rows with ``start <= second < end``, each (site, second) once."""

    def accounts(self) -> Sequence[StreamAccount]:
        """Per site and journal, by site."""


class HistoryWriter(Protocol):
    """Writes the telemetry history; the gateway calls it, the store implements it."""

    def append(self, site_id: SiteId, telemetry: Telemetry) -> None:
        """Queue rows that continue the journal's stored sequence; not durable yet."""

    def append_rows(self, sites: Sequence[SiteId], block: RowBlock) -> None:
        """Queue one row of each of many sites, as :meth:`append` does."""

    def flush(self) -> None:
        """Make everything appended so far durable; on return it may be acknowledged."""


class Downlink(Protocol):
    """Sends to sites. Each call queues and returns; the link re-sends until receipted."""

    def send_commitment(self, commitment: Commitment) -> None:
        """To the site that is the commitment's target; already stored when this is called."""

    def request_offer(self, request: OfferRequest) -> None:
        """Ask a site to commit a curve."""

    def send_signal(self, signal: DispatchSignal) -> None:
        """Broadcast to the zone; the latest replaces one still queued."""
