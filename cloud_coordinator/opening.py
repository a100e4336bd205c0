"""Opens everything durable of a coordinator, and gives it out as ports. Called by ``main``."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cloud_coordinator.gateway.exchanges.importing import VERSIONS_BOOK
from cloud_coordinator.gateway.exchanges.trading_service import ServicePorts
from cloud_coordinator.gateway.link_ports import LinkPorts
from cloud_coordinator.gateway.operators import FILE, Operators, read_operator_file
from cloud_coordinator.process import SystemClock
from cloud_coordinator.services.auditing import Trail
from cloud_coordinator.services.coordinator import Coordinator, Stores
from cloud_coordinator.services.half_hours import HalfHourRows, HalfHourStores
from cloud_coordinator.services.market_day.absence import Absences
from cloud_coordinator.services.people import PeoplePorts
from cloud_coordinator.services.queries import Queries
from cloud_coordinator.services.recorded_events import SERVICE, RecordedEvents
from cloud_coordinator.services.recorded_submissions import RecordedSubmissions
from cloud_coordinator.services.watched_events import WatchedEvents
from cloud_coordinator.store.database import DataDirectory
from cloud_coordinator.store.event_history import learning_ports
from cloud_coordinator.store.history import History
from cloud_coordinator.store.market_days import MarketDays
from cloud_coordinator.store.record_table import RecordTable
from cloud_coordinator.store.registry import Registry
from cloud_coordinator.store.submissions import SubmissionTable
from cloud_coordinator.store.telemetry import TelemetrySettings, TelemetryStore
from protocols.link.messages import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedStore:
    """The opened stores."""

    registry: Registry
    telemetry: TelemetryStore
    history: History
    events: WatchedEvents
    operators: Operators
    trail: Trail

    def book(self, name: str) -> RecordTable:
        """Return the records of a role."""
        return RecordTable(self.registry.database, book=name)

    def half_hours(self, queries: Queries) -> HalfHourRows:
        """Return what fills the tables of the half-hours."""
        stores = HalfHourStores(
            sites=self.registry.sites,
            history=self.history,
            rows=MarketDays(self.registry.database),
            records=self.book("half-hours"),
        )
        return HalfHourRows(queries, stores)

    def trading(self, coordinator: Coordinator) -> ServicePorts:
        """Return the ports of the trading of days."""
        registry = self.registry
        return ServicePorts(
            records=self.book("market"),
            versions=self.book(VERSIONS_BOOK),
            publications=registry.publications,
            absent=Absences(coordinator.fleet, coordinator.now),
            waits_for=coordinator.consents.waits_for,
            submissions=RecordedSubmissions(
                SubmissionTable(registry.database), self.trail, who=SERVICE
            ),
            days=MarketDays(registry.database),
            events=registry.events,
            desk=coordinator.awarding,
            statements=coordinator.queries,
            clock=SystemClock(),
        )

    def link_ports(self) -> LinkPorts:
        """Return what the link's gateway writes to."""
        registry = self.registry
        return LinkPorts(
            telemetry=self.telemetry,
            entries=registry.progress,
            events=self.events,
            batching=registry.database,
        )

    def ports(self) -> Stores:
        """Return what the use cases read and write."""
        registry = self.registry
        return Stores(
            sites=registry.sites,
            obligations=registry.obligations,
            offers=registry.offers,
            commands=registry.commands,
            dispatches=registry.dispatches,
            epochs=registry.epochs,
            events=self.events,
            history=self.history,
            certificates=registry.certificates,
            learning=learning_ports(registry, self.history),
            publications=registry.publications,
            people=PeoplePorts(
                alerts=registry.alerts, state=self.book("emergency"), operators=self.operators
            ),
        )


def open_store(data_dir: Path, clock: SystemClock, closing: contextlib.ExitStack) -> OpenedStore:
    """Open everything that is durable, and have it closed in the right order."""
    directory = DataDirectory(data_dir)
    closing.callback(directory.release)
    apart = closing.enter_context(ThreadPoolExecutor(1, "operators"))
    operators = Operators(read_operator_file(data_dir / FILE), apart)
    registry = Registry.open(data_dir / "registry.sqlite3")
    closing.callback(registry.close)
    telemetry = TelemetryStore(
        TelemetrySettings(root=data_dir / "telemetry"),
        clock,
        cached=registry.progress.all_durable(Stream.TELEMETRY),
    )
    history = History(telemetry)
    closing.callback(history.close)
    trail = Trail(registry.audit, clock)
    return OpenedStore(
        registry=registry,
        telemetry=telemetry,
        history=history,
        events=WatchedEvents(RecordedEvents(registry.events, trail)),
        operators=operators,
        trail=trail,
    )
