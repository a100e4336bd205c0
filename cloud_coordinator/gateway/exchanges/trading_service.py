"""The trading of days as a part of the running coordinator: its file, its lines, its turn.

The file says area, zone, strategy, data and where the markets are; secrets are in files of their
own. Every turn does what is due (:mod:`cloud_coordinator.services.market_day.trading_day`).
"""

import asyncio
import contextlib
import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import structlog

from cloud_coordinator.fleet.moment import moment_of
from cloud_coordinator.gateway.exchanges.eprx import EprxConnector
from cloud_coordinator.gateway.exchanges.jepx import JepxConnector, Membership
from cloud_coordinator.gateway.exchanges.line import VenueLine, open_line
from cloud_coordinator.gateway.exchanges.wired_market import Chosen, market_of
from cloud_coordinator.market.bids import Venue
from cloud_coordinator.market.gates import load_exchange_rule
from cloud_coordinator.market.rules import load_rule_book
from cloud_coordinator.services.bidding.strategies import STRATEGIES
from cloud_coordinator.services.market_day.alerting import Alerts
from cloud_coordinator.services.market_day.journal import TradingJournal
from cloud_coordinator.services.market_day.settling_day import RowStore, SettlingDay, Statements
from cloud_coordinator.services.market_day.trading_day import (
    AwardDesk,
    TradingDays,
    TradingPorts,
)
from cloud_coordinator.services.ports import EventStore
from cloud_coordinator.services.statements import StatementBook, StatementStore
from cloud_coordinator.services.trading import Exchange, SubmissionStore
from protocols.sansio.records import RecordBook
from protocols.templates.table import Table, choice
from protocols.vocabulary.errors import ConfigError, VppError
from protocols.vocabulary.identifiers import ZoneId, checked_name
from protocols.vocabulary.intervals import Clock

TURN_S: Final = 5.0
_NAMES: Final = {"jepx": Venue.SPOT, "eprx": Venue.RESERVE}

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAccess:
    """Where a market is and who we are there; without files the connection is not ours alone."""

    url: str
    member: str
    context: ssl.SSLContext | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketFile:
    """A market file.

    Attributes
    ----------
    zone : ZoneId
        Whose sites deliver.
    chosen : Chosen
        Area, strategy, data, plants.
    venues : mapping of Venue to VenueAccess
        What is traded at.
    """

    zone: ZoneId
    chosen: Chosen
    venues: Mapping[Venue, VenueAccess]


def read_market_file(path: Path) -> MarketFile:
    """Read a market file; paths in it are beside it.

    Raises
    ------
    ConfigError
        Naming file, key and cause.
    """
    try:
        table = Table(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    portfolio = table.text("portfolio", "")
    found = MarketFile(
        zone=ZoneId(checked_name(table.text("zone"), f"{path}.zone")),
        chosen=Chosen(
            area=table.text("area"),
            data=path.parent / table.text("data"),
            strategy=choice(table, "strategy", tuple(STRATEGIES), default="exact"),
            rules="",
            portfolio=path.parent / portfolio if portfolio else None,
        ),
        venues={
            venue: _access(table.table(name), path.parent)
            for name, venue in _NAMES.items()
            if name in table
        },
    )
    table.end()
    market_of(found.chosen)
    return found


def _access(table: Table, folder: Path) -> VenueAccess:
    url, member = table.text("url"), table.text("member")
    names = {key: table.text(key, "") for key in ("authorities", "certificate", "key")}
    table.end()
    if not url.startswith(("http://", "https://")):
        raise table.refuse("url", f"{url!r} begins with neither http:// nor https://")
    if not any(names.values()):
        return VenueAccess(url=url, member=member, context=None)
    files = {key: str(folder / name) if name else None for key, name in names.items()}
    try:
        context = ssl.create_default_context(cafile=files["authorities"])
        if files["certificate"] is not None:
            context.load_cert_chain(files["certificate"], files["key"])
    except (OSError, ssl.SSLError) as error:
        raise table.refuse("certificate", f"{names}: {error}") from error
    return VenueAccess(url=url, member=member, context=context)


class DayStore(RowStore, StatementStore, Protocol):
    """Rows and statements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePorts:
    """What the service needs of the coordinator."""

    records: RecordBook
    submissions: SubmissionStore
    days: DayStore
    events: EventStore
    desk: AwardDesk
    statements: Statements
    clock: Clock


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
        days = trading_days(file, ports, await _exchanges(file, ports, closing))
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


def trading_days(
    file: MarketFile, ports: ServicePorts, exchanges: Mapping[Venue, Exchange]
) -> TradingDays:
    """Wire the use case; goes on where the records say it stopped."""
    name, clock = str(file.zone), ports.clock
    return TradingDays(
        lambda: market_of(file.chosen),
        TradingJournal(ports.records, area=file.chosen.area, name=name),
        ports=TradingPorts(
            exchanges=exchanges,
            desk=ports.desk,
            rows=ports.days,
            now=lambda: moment_of(clock),
            aside=asyncio.to_thread,
        ),
        zone=file.zone,
        settling=SettlingDay(
            ports.statements,
            StatementBook(ports.days),
            rows=ports.days,
            now=clock.now,
            name=name,
        ),
        alerts=Alerts(ports.events, clock.now, name=name),
    )
