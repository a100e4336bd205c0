"""Coordinator: the use cases put together behind their ports, and their one tick.

Used by ``main`` with the real adapters and by scenarios with fakes; there is no other wiring
of services.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from cloud_coordinator.fleet.fleet import Fleet
from cloud_coordinator.fleet.moment import Moment, moment_of
from cloud_coordinator.fleet.snapshot import LinkCondition
from cloud_coordinator.market.rules import RuleBook
from cloud_coordinator.services.alerting import Alerting
from cloud_coordinator.services.approving import Approvals
from cloud_coordinator.services.assurance import AssurancePolicy, SharedCauses
from cloud_coordinator.services.awarding import Apart, AtOnce, Awarding, AwardingPorts
from cloud_coordinator.services.book import AwardBook
from cloud_coordinator.services.commands import CommandBook
from cloud_coordinator.services.consenting import Consents
from cloud_coordinator.services.dispatching import Books, Dispatching, DispatchingPorts
from cloud_coordinator.services.emergency import Emergency, EmergencyPorts
from cloud_coordinator.services.explaining import QueryStores
from cloud_coordinator.services.intake import Intake, IntakeStores, UseCases
from cloud_coordinator.services.learning import Memory, informed, learning_of
from cloud_coordinator.services.learning_ports import LearningPorts
from cloud_coordinator.services.live import LiveBoard
from cloud_coordinator.services.optimizing import Optimizing
from cloud_coordinator.services.overriding import Overrides
from cloud_coordinator.services.people import PeoplePorts
from cloud_coordinator.services.people_ports import FleetDownlink, Note
from cloud_coordinator.services.plans import KnownPrices, PublishedSeries
from cloud_coordinator.services.ports import (
    CertificateStore,
    CommandStore,
    DispatchStore,
    EpochStore,
    EventStore,
    HistoryReader,
    ObligationStore,
    OfferStore,
    SiteStore,
)
from cloud_coordinator.services.queries import Queries
from cloud_coordinator.services.records import AwardRecord, EventRecord
from cloud_coordinator.services.situation import Situation, situation_of
from cloud_coordinator.services.strategies.aims import load_aims
from cloud_coordinator.services.watched_events import WatchedEvents
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
    certificates: CertificateStore
    learning: LearningPorts | None = None
    people: PeoplePorts = field(default_factory=PeoplePorts)
    publications: PublishedSeries | None = None


def _awarding_ports(
    stores: Stores, downlink: FleetDownlink, *, apart: Apart, approvals: Approvals
) -> AwardingPorts:
    """Return what awarding needs of the outside."""
    return AwardingPorts(
        offers=stores.offers,
        sites=stores.sites,
        events=stores.events,
        certificates=stores.certificates,
        downlink=downlink,
        apart=apart,
        allowed=approvals.allowed,
    )


def _watched(stores: Stores) -> tuple[WatchedEvents, Stores]:
    """See to it that the alerts hear of every event that is stored."""
    events = stores.events
    watched = events if isinstance(events, WatchedEvents) else WatchedEvents(events)
    return watched, replace(stores, events=watched)


def _query_stores(stores: Stores) -> QueryStores:
    """Choose what questions are answered from."""
    return QueryStores(
        sites=stores.sites,
        events=stores.events,
        history=stores.history,
        certificates=stores.certificates,
        dispatches=stores.dispatches,
    )


def _emergency(
    fleet: Fleet, people: PeoplePorts, *, downlink: FleetDownlink, note: Note
) -> Emergency:
    """Make the desk of the people in charge."""
    ports = EmergencyPorts(
        downlink=downlink, operators=people.operators, state=people.state, note=note
    )
    return Emergency(fleet, ports)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """How a coordinator works.

    Attributes
    ----------
    rules : RuleBook
        Product rules.
    policy : AssurancePolicy
        How sure awards are to be.
    apart : Apart
        Where awards are shared among sites.
    """

    rules: RuleBook
    policy: AssurancePolicy = field(default_factory=AssurancePolicy)
    apart: Apart = field(default_factory=AtOnce)


class Coordinator:
    """The running coordinator without its adapters.

    Parameters
    ----------
    stores : Stores
        The record; everything of a former run is read from it.
    downlink : FleetDownlink
        The way to the sites.
    conduct : Conduct
        By which rules it works.
    clock : Clock
        The only clock.

    Attributes
    ----------
    epoch : int
        Fencing number of this run.
    fleet : Fleet
        The live table.
    intake, awarding, dispatching, optimizing, live, queries
        The use cases, for ``gateway`` and ``web``.
    alerting, emergency
        The watch, and the people in charge.
    memory, learning
        What is known of sites, and the use case that learns it; None without stores for it.
    """

    def __init__(
        self,
        stores: Stores,
        downlink: FleetDownlink,
        *,
        conduct: Conduct,
        clock: Clock,
    ) -> None:
        self._events, stores = _watched(stores)
        self._clock, self._event_count = clock, 0
        self.fleet = Fleet()
        self.epoch = stores.epochs.next_epoch(MARKET_LEASE)
        book = AwardBook(stores.obligations)
        books = Books(awards=book, commands=CommandBook(book, stores.commands, rules=conduct.rules))
        self.memory = Memory(stores.learning)
        self.learning = learning_of(book, stores.learning, memory=self.memory, clock=clock)
        state = stores.people.state
        self.approvals = Approvals(self.fleet, state, self._note)
        self.consents = Consents(state, self._note, lambda: self.emergency.is_automatic)
        self.awarding = Awarding(
            book,
            self.fleet,
            rules=conduct.rules,
            ports=_awarding_ports(stores, downlink, apart=conduct.apart, approvals=self.approvals),
            policy=informed(conduct.policy, self.memory, stores.learning),
        )
        self.dispatching = Dispatching(
            books,
            self.fleet,
            ports=DispatchingPorts(history=stores.dispatches, downlink=downlink),
            epoch=self.epoch,
        )
        self.live = LiveBoard(self.fleet, books, self.dispatching, rules=conduct.rules)
        self.queries = Queries(books, self.fleet, rules=conduct.rules, stores=_query_stores(stores))
        self.alerting = Alerting(
            self.fleet, self._events, stores.people.alerts, waiting=(self.approvals, self.consents)
        )
        self.overrides = Overrides(self.fleet, downlink, self._note)
        self.emergency = self.hands = _emergency(
            self.fleet, stores.people, downlink=downlink, note=self._note
        )
        self.dispatching.hold(held=not self.emergency.is_automatic)
        self.intake = Intake(
            self.fleet,
            IntakeStores(sites=stores.sites, events=stores.events, offers=stores.offers),
            use_cases=UseCases(book=book, awarding=self.awarding, dispatching=self.dispatching),
            clock=clock,
        )
        aims = load_aims()
        self.optimizing = Optimizing(
            books,
            self.fleet,
            aims=aims,
            answering=self.memory,
            prices=KnownPrices(aims.energy_jpy_per_kwh, stores.publications),
            causes=SharedCauses(conduct.policy, self.intake.registered),
            record=self._note,
        )

    def start(self) -> None:
        """Begin a run: send again what the last one may not have sent."""
        self._events.save_event(self._event("coordinator.started", None, {"epoch": self.epoch}))
        self.awarding.resume()

    def tick(self) -> None:
        """Do what is due every second: links, pending awards, signals, live seconds."""
        now = moment_of(self._clock)
        self.emergency.alarmed(tuple(self.alerting.tick(now)), now)
        self.emergency.tick(now)
        self.dispatching.hold(held=not self.emergency.is_automatic)
        events = []
        for change in self.fleet.tick(now):
            kind = _CONDITION_EVENTS.get(change.after)
            if kind is not None:
                before: dict[str, Plain] = {"before": change.before.name.lower()}
                events.append(self._event(kind, change.site_id, before))
        for award in self.awarding.tick(now):
            allocated = _allocation(award)
            events.append(self._event("award.allocated", None, allocated))
            assert award.allocation is not None, "an allocated award has an allocation"
            if award.allocation.assured is None or not award.allocation.assured.is_kept:
                events.append(self._event("assurance.missed", None, allocated))
        for award in self.dispatching.tick(now):
            kind = f"award.{award.obligation.state.value}"
            payload: dict[str, Plain] = {"obligation_id": str(award.obligation.obligation_id)}
            events.append(self._event(kind, None, payload))
        events += [
            self._event(
                "curve.restored" if note.is_back else "curve.strayed",
                note.site_id,
                {
                    "obligation_id": str(obligation_id),
                    "version_told": note.version_told,
                    "version_committed": note.version_committed,
                    "strayed": note.count,
                },
            )
            for obligation_id, note in self.dispatching.take_strayed()
        ]
        self.live.tick(now)
        self.optimizing.prepare()
        if events:
            self._events.save_events(events)

    def situation(self) -> Situation:
        """Report the situation for a person who takes control."""
        return situation_of(self.live, moment_of(self._clock))

    def watch(self) -> None:
        """Do what cannot wait for the tick: make up for sites that have fallen silent."""
        self.dispatching.watch(moment_of(self._clock))

    def now(self) -> Moment:
        """Read the clock that all use cases take their time from."""
        return moment_of(self._clock)

    def _note(self, kind: str, payload: Mapping[str, Plain]) -> None:
        """Write an event of the coordinator's own."""
        self._events.save_event(self._event(kind, None, payload))

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
    assured = allocation.assured
    assert assured is not None, "an allocated award was judged"
    return {
        "obligation_id": str(award.obligation.obligation_id),
        "sites": len(award.commitments),
        "multiplier_up": allocation.multiplier_up,
        "shortfall_up_w": allocation.shortfall_up_w,
        "shortfall_down_w": allocation.shortfall_down_w,
        "probability_wanted": assured.wanted,
        "probability_up": assured.probability_up,
        "probability_down": assured.probability_down,
        "margin_up_w": assured.margin_up_w,
        "margin_down_w": assured.margin_down_w,
    }
