"""Coordinator: the use cases put together behind their ports, and their one tick.

Used by ``main`` with the real adapters and by scenarios with fakes; there is no other wiring
of services.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cloud_coordinator.fleet.fleet import Fleet
from cloud_coordinator.fleet.moment import Moment, moment_of
from cloud_coordinator.fleet.snapshot import LinkCondition
from cloud_coordinator.market.rules import RuleBook
from cloud_coordinator.services.awarding import Awarding, AwardingPorts
from cloud_coordinator.services.book import AwardBook
from cloud_coordinator.services.commands import CommandBook
from cloud_coordinator.services.dispatching import Books, Dispatching, DispatchingPorts
from cloud_coordinator.services.intake import Intake, IntakeStores, UseCases
from cloud_coordinator.services.live import LiveBoard
from cloud_coordinator.services.ports import (
    CommandStore,
    DispatchStore,
    Downlink,
    EpochStore,
    EventStore,
    HistoryReader,
    ObligationStore,
    OfferStore,
    SiteStore,
)
from cloud_coordinator.services.queries import Queries, QueryStores
from cloud_coordinator.services.records import AwardRecord, EventRecord
from protocols.link.fencing import MARKET_LEASE
from protocols.link.messages import Plain
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Clock

_CONDITION_EVENTS: Final = {
    LinkCondition.LIVE: "link.live",
    LinkCondition.LATE: "link.late",
    LinkCondition.LOST: "link.lost",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """All stores; one object may be several of them."""

    sites: SiteStore
    obligations: ObligationStore
    offers: OfferStore
    commands: CommandStore
    dispatches: DispatchStore
    epochs: EpochStore
    events: EventStore
    history: HistoryReader


class Coordinator:
    """The running coordinator without its adapters.

    Parameters
    ----------
    stores : Stores
        The record; everything of a former run is read from it.
    downlink : Downlink
        The way to the sites.
    rules : RuleBook
        Product rules.
    clock : Clock
        The only clock.

    Attributes
    ----------
    epoch : int
        Fencing number of this run.
    fleet : Fleet
        The live table.
    intake, awarding, dispatching, live, queries
        The use cases, for ``gateway`` and ``web``.
    """

    def __init__(
        self, stores: Stores, downlink: Downlink, *, rules: RuleBook, clock: Clock
    ) -> None:
        self._events = stores.events
        self._clock = clock
        self.fleet = Fleet()
        self._event_count = 0
        self.epoch = stores.epochs.next_epoch(MARKET_LEASE)
        book = AwardBook(stores.obligations)
        books = Books(awards=book, commands=CommandBook(book, stores.commands))
        self.awarding = Awarding(
            book,
            self.fleet,
            rules=rules,
            ports=AwardingPorts(offers=stores.offers, downlink=downlink),
        )
        self.dispatching = Dispatching(
            books,
            self.fleet,
            ports=DispatchingPorts(history=stores.dispatches, downlink=downlink),
            epoch=self.epoch,
        )
        self.live = LiveBoard(self.fleet, books, self.dispatching, rules=rules)
        self.queries = Queries(
            books,
            self.fleet,
            rules=rules,
            stores=QueryStores(sites=stores.sites, events=stores.events, history=stores.history),
        )
        self.intake = Intake(
            self.fleet,
            IntakeStores(sites=stores.sites, events=stores.events, offers=stores.offers),
            use_cases=UseCases(book=book, awarding=self.awarding, dispatching=self.dispatching),
            clock=clock,
        )

    def start(self) -> None:
        """Begin a run: send again what the last one may not have sent."""
        self._events.save_event(self._event("coordinator.started", None, {"epoch": self.epoch}))
        self.awarding.resume()

    def tick(self) -> None:
        """Do what is due every second: links, pending awards, signals, live seconds."""
        now = moment_of(self._clock)
        events = []
        for change in self.fleet.tick(now):
            kind = _CONDITION_EVENTS.get(change.after)
            if kind is not None:
                before: dict[str, Plain] = {"before": change.before.name.lower()}
                events.append(self._event(kind, change.site_id, before))
        events += [
            self._event("award.allocated", None, _allocation(award))
            for award in self.awarding.tick(now)
        ]
        for award in self.dispatching.tick(now):
            kind = f"award.{award.obligation.state.value}"
            payload: dict[str, Plain] = {"obligation_id": str(award.obligation.obligation_id)}
            events.append(self._event(kind, None, payload))
        self.live.tick(now)
        if events:
            self._events.save_events(events)

    def now(self) -> Moment:
        """Read the clock that all use cases take their time from."""
        return moment_of(self._clock)

    def _event(
        self, kind: str, site_id: SiteId | None, payload: Mapping[str, Plain]
    ) -> EventRecord:
        at = self._clock.now()
        self._event_count += 1
        return EventRecord(
            event_key=f"coordinator/{self.epoch}/{self._event_count}",
            site_id=site_id,
            recorded_at=at,
            received_at=at,
            kind=kind,
            payload=payload,
        )


def _allocation(award: AwardRecord) -> dict[str, Plain]:
    allocation = award.allocation
    assert allocation is not None, "an allocated award has an allocation"
    return {
        "obligation_id": str(award.obligation.obligation_id),
        "sites": len(award.commitments),
        "multiplier_up": allocation.multiplier_up,
        "shortfall_up_w": allocation.shortfall_up_w,
        "shortfall_down_w": allocation.shortfall_down_w,
    }
