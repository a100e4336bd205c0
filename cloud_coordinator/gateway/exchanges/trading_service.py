"""The trading of days as a part of the running coordinator: its lines, its data, its turn.

Every turn does what is due (:mod:`cloud_coordinator.services.market_day.trading_day`) with what
was imported by then; beside it publishers are asked for new files.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

import aiohttp
import structlog

from cloud_coordinator.fleet.moment import moment_of
from cloud_coordinator.gateway.exchanges.catalogue import Catalogue
from cloud_coordinator.gateway.exchanges.eprx import EprxConnector
from cloud_coordinator.gateway.exchanges.fetch import Fetcher, FetchLimits
from cloud_coordinator.gateway.exchanges.imported import ImportedHistory, PublishedSeries
from cloud_coordinator.gateway.exchanges.importing import FetchedImports
from cloud_coordinator.gateway.exchanges.jepx import JepxConnector, Membership
from cloud_coordinator.gateway.exchanges.line import VenueLine, open_line
from cloud_coordinator.gateway.exchanges.market_file import MarketFile, PlanAccess
from cloud_coordinator.gateway.exchanges.occto import OcctoConnector, OcctoSettings, credentials
from cloud_coordinator.gateway.exchanges.plan_office import OcctoOffice
from cloud_coordinator.gateway.exchanges.publishers import Publishers, fetch_by_the_clock
from cloud_coordinator.gateway.exchanges.wired_market import market_of
from cloud_coordinator.market.bids import Venue
from cloud_coordinator.market.gates import load_exchange_rule
from cloud_coordinator.market.rules import load_rule_book
from cloud_coordinator.services.market_day.alerting import Alerts
from cloud_coordinator.services.market_day.asking import Market
from cloud_coordinator.services.market_day.filing import PlanOffice
from cloud_coordinator.services.market_day.journal import TradingJournal
from cloud_coordinator.services.market_day.settling_day import RowStore, SettlingDay, Statements
from cloud_coordinator.services.market_day.trading_day import (
    AwardDesk,
    TradingDays,
    TradingPorts,
    no_wait,
)
from cloud_coordinator.services.ports import EventStore
from cloud_coordinator.services.publications import PublicationStore
from cloud_coordinator.services.records import EventQuery, EventRecord
from cloud_coordinator.services.statements import StatementBook, StatementStore
from cloud_coordinator.services.trading import Exchange, SubmissionStore
from protocols.sansio.records import RecordBook
from protocols.vocabulary.errors import VppError
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Clock

TURN_S: Final = 5.0
_QUIET: Final = frozenset({"market.settled", "market.imported"})

_log = structlog.get_logger(__name__)


class DayStore(RowStore, StatementStore, Protocol):
    """Rows and statements."""


class ImportStore(PublicationStore, PublishedSeries, Protocol):
    """What was imported, written and read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePorts:
    """What the service needs of the coordinator.

    Attributes
    ----------
    records, versions : RecordBook
        Steps that are done, and versions of fetched files.
    submissions, days, events, statements
        What is kept.
    desk : AwardDesk
        Of the fleet.
    publications : ImportStore
        Market data.
    clock : Clock
        When.
    absent : callable
        Sites that are known and do not answer now.
    waits_for : callable
        What the bids of a day wait for, of :class:`TradingPorts`.
    """

    records: RecordBook
    versions: RecordBook
    submissions: SubmissionStore
    days: DayStore
    events: EventStore
    desk: AwardDesk
    statements: Statements
    publications: ImportStore
    clock: Clock
    absent: Callable[[], Collection[SiteId]] = tuple
    waits_for: Callable[[date, str], str] = no_wait


class SpokenEvents:
    """Events that are also said in the log; implements EventStore.

    Parameters
    ----------
    events : EventStore
        Where they are kept.
    """

    def __init__(self, events: EventStore) -> None:
        self._events = events

    def save_event(self, event: EventRecord) -> None:
        """Keep an event, durable, and say it."""
        self._events.save_event(event)
        say = _log.info if event.kind in _QUIET else _log.warning
        say("market.told", kind=event.kind, **event.payload)

    def save_events(self, events: Sequence[EventRecord]) -> None:
        """Keep many and say each."""
        for event in events:
            self.save_event(event)

    def events(self, query: EventQuery) -> Sequence[EventRecord]:
        """Newest first."""
        return self._events.events(query)


async def trade(file: MarketFile | None, ports: ServicePorts) -> None:
    """Trade for ever; nothing without a file. One turn that fails is said, and the next comes.

    Raises
    ------
    StoreError
        If what was done before cannot be read.
    """
    if file is None:
        return
    async with contextlib.AsyncExitStack() as closing:
        exchanges = await _exchanges(file, ports, closing)
        office = None if file.plans is None else await plan_office(file.plans, ports, closing)
        days = trading_days(file, ports, exchanges, office=office)
        session = await closing.enter_async_context(aiohttp.ClientSession(auto_decompress=True))
        publishers = publishers_of(file, ports, session)
        await asyncio.gather(_turns(days), fetch_by_the_clock(publishers))


async def _turns(days: TradingDays) -> None:
    while True:
        try:
            await days.turn()
        except VppError as error:
            _log.error("trading.failed", cause=str(error))
        await asyncio.sleep(TURN_S)


async def _exchanges(
    file: MarketFile, ports: ServicePorts, closing: contextlib.AsyncExitStack
) -> dict[Venue, Exchange]:
    found: dict[Venue, Exchange] = {}
    for venue, access in file.venues.items():
        line = await closing.enter_async_context(open_line(access.url, context=access.context))
        found[venue] = exchange_of(venue, line, ports, member=access.member)
    return found


async def plan_office(
    access: PlanAccess, ports: ServicePorts, closing: contextlib.AsyncExitStack
) -> PlanOffice:
    """Open the line to OCCTO; it is closed with the others."""
    settings = OcctoSettings(user=access.user, password=access.password)
    line = await closing.enter_async_context(
        open_line(access.url, context=access.context, headers=credentials(settings))
    )
    connector = OcctoConnector(line, ports.submissions, ports.clock, settings=settings)
    return OcctoOffice(connector, access.identity)


def exchange_of(venue: Venue, line: VenueLine, ports: ServicePorts, *, member: str) -> Exchange:
    """Make the connector of a venue."""
    membership = Membership(member=member)
    if venue is Venue.RESERVE:
        return EprxConnector(
            line, ports.submissions, ports.clock, rules=load_rule_book(), membership=membership
        )
    return JepxConnector(
        line, ports.submissions, ports.clock, rule=load_exchange_rule(), membership=membership
    )


def publishers_of(
    file: MarketFile, ports: ServicePorts, session: aiohttp.ClientSession
) -> Publishers:
    """Wire the fetching of published files."""
    limits = FetchLimits(timeout_s=30.0, tries=2)
    imports = FetchedImports(Fetcher(session, limits), ports.publications, ports.versions)
    return Publishers(file.publishers, imports, alerts=_alerts(file, ports), clock=ports.clock)


def imported_market(file: MarketFile, ports: ServicePorts) -> Market:
    """Wire the market with what is imported by now."""
    history = ImportedHistory(
        ports.publications,
        area=file.chosen.area,
        at=ports.clock.now(),
        older=Catalogue(file.chosen.data) if file.has_folder else None,
    )
    return market_of(file.chosen, history=history)


def trading_days(
    file: MarketFile,
    ports: ServicePorts,
    exchanges: Mapping[Venue, Exchange],
    *,
    office: PlanOffice | None = None,
    market: Callable[[], Market] | None = None,
) -> TradingDays:
    """Wire the use case; goes on where the records say it stopped.

    Parameters
    ----------
    file : MarketFile
        What is traded.
    ports : ServicePorts
        The coordinator.
    exchanges : mapping of Venue to Exchange
        Where.
    office : PlanOffice or None
        Of OCCTO.
    market : callable or None
        Makes the market; None makes it of what is imported.
    """
    name, clock = str(file.zone), ports.clock
    return TradingDays(
        market or (lambda: imported_market(file, ports)),
        TradingJournal(ports.records, area=file.chosen.area, name=name),
        ports=TradingPorts(
            exchanges=exchanges,
            desk=ports.desk,
            rows=ports.days,
            now=lambda: moment_of(clock),
            aside=asyncio.to_thread,
            office=office,
            absent=ports.absent,
            waits_for=ports.waits_for,
        ),
        zone=file.zone,
        settling=SettlingDay(
            ports.statements,
            StatementBook(ports.days),
            rows=ports.days,
            now=clock.now,
            name=name,
        ),
        alerts=_alerts(file, ports),
    )


def _alerts(file: MarketFile, ports: ServicePorts) -> Alerts:
    return Alerts(SpokenEvents(ports.events), ports.clock.now, name=str(file.zone))
