"""A day traded at both markets over sockets, with the program ended in the middle."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from cloud_coordinator.fleet.moment import moment_of
from cloud_coordinator.gateway.exchanges.line import open_line
from cloud_coordinator.gateway.exchanges.trading_service import (
    ServicePorts,
    exchange_of,
    read_market_file,
)
from cloud_coordinator.market.bids import Bid, Venue
from cloud_coordinator.services.awarding import AwardRequest
from cloud_coordinator.services.errors import UnknownError
from cloud_coordinator.services.market_day.alerting import Alerts
from cloud_coordinator.services.market_day.asking import Market
from cloud_coordinator.services.market_day.journal import TradingJournal
from cloud_coordinator.services.market_day.portfolio import PATTERNS
from cloud_coordinator.services.market_day.settling_day import SettlingDay
from cloud_coordinator.services.market_day.trading_day import TradingDays, TradingPorts
from cloud_coordinator.services.records import AwardRecord, EventRecord
from cloud_coordinator.services.statements import StatementBook
from cloud_coordinator.services.trading import SubmissionState
from cloud_coordinator.settlement.records import Statement
from cloud_coordinator.store import tables
from cloud_coordinator.store.database import Database, open_database
from cloud_coordinator.store.market_days import MarketDays
from cloud_coordinator.store.record_table import RecordTable
from cloud_coordinator.store.submissions import SubmissionTable
from firmware_sim.counterparts.eprx import Demand, EprxCounterpart
from firmware_sim.counterparts.jepx import JepxCounterpart
from firmware_sim.counterparts.jepx_book import simulated_book
from firmware_sim.counterparts.ledger import Ledger
from firmware_sim.counterparts.mischief import Fault, Mischief
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ObligationId, ZoneId
from protocols.vocabulary.obligation import Service
from tests.conformance.market.venues import DAY, Hand, order, reserve, served
from tests.unit.cloud_coordinator.services.market_day.days import Columns, Given, market

AWARD = "zone-1-tokyo-20260401-1-reserve-0"


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+09:00")


def seek(product: str, block: int) -> Demand:
    """Seek 5 MW in Tokyo; nobody else offers."""
    return Demand(sought_kw={"tokyo": 5_000})


@dataclass
class Fleet:
    """Takes awards; a fleet that has none of them stored settles none."""

    placed: dict[ObligationId, AwardRequest] = field(default_factory=dict)
    said: dict[str, EventRecord] = field(default_factory=dict)

    def place(self, request: AwardRequest, now: object) -> AwardRecord:
        self.placed[request.obligation_id] = request
        return None  # type: ignore[return-value]  # nobody reads it

    def statement(self, obligation_id: ObligationId) -> Statement:
        raise UnknownError(obligation_id)

    def save_event(self, event: EventRecord) -> None:
        self.said[event.event_key] = event

    def save_events(self, events: Sequence[EventRecord]) -> None:
        raise NotImplementedError

    def events(self, query: object) -> Sequence[EventRecord]:
        return list(self.said.values())


def asked() -> Market:
    """Hold 1,000 kW ready in slot 18; buy before, sell a little after."""
    held = replace(reserve(18, "1000", "3.00"), pattern=PATTERNS[reserve(1, "1", "1").source])
    bids: dict[Venue, list[Bid]] = {
        Venue.RESERVE: [held],
        Venue.SPOT: [
            replace(order(10, "-600", "99"), least_kw=Decimal(-600)),
            replace(order(40, "500", "0.01"), least_kw=Decimal(500)),
        ],
    }
    return replace(market(Columns(), strategy=Given(bids)), products=(Service.SECONDARY_1,))


@dataclass
class Bed:
    """Both markets on sockets, one file that outlives the program."""

    path: Path
    clock: Hand
    ports: dict[Venue, int]
    fleet: Fleet

    @contextlib.asynccontextmanager
    async def program(self) -> AsyncIterator[tuple[TradingDays, Database]]:
        """Run the program until it is ended."""
        database = open_database(self.path)
        days, clock = MarketDays(database), self.clock
        ports = ServicePorts(
            records=RecordTable(database, book="market"),
            submissions=SubmissionTable(database),
            days=days,
            events=self.fleet,
            desk=self.fleet,
            statements=self.fleet,
            clock=clock,
        )
        async with contextlib.AsyncExitStack() as closing:
            exchanges = {}
            for venue, port in self.ports.items():
                line = await closing.enter_async_context(
                    open_line(f"http://127.0.0.1:{port}", timeout_s=2.0)
                )
                exchanges[venue] = exchange_of(venue, line, ports, member="M001")
            found = asked()
            yield (
                TradingDays(
                    lambda: found,
                    TradingJournal(ports.records, area="tokyo", name="zone-1"),
                    ports=TradingPorts(
                        exchanges=exchanges,
                        desk=self.fleet,
                        rows=days,
                        now=lambda: moment_of(clock),
                        aside=asyncio.to_thread,
                    ),
                    zone=ZoneId("zone-1"),
                    settling=SettlingDay(
                        self.fleet, StatementBook(days), rows=days, now=clock.now, name="zone-1"
                    ),
                    alerts=Alerts(self.fleet, clock.now, name="zone-1"),
                ),
                database,
            )
        database.close()

    async def turn(self, moment: str) -> None:
        """Start the program, do what is due, end it."""
        self.clock.at = at(moment)
        async with self.program() as (days, _database):
            await days.turn()


def test_a_day_at_both_markets_over_sockets_with_restarts(tmp_path: Path) -> None:
    """If it fails, what works with fakes is no day at a market: a bid, an award or yen is lost."""
    clock, fleet = Hand(at("2026-03-31T09:00")), Fleet()

    async def day() -> None:
        jepx = JepxCounterpart(
            Ledger(None), clock, book=simulated_book(), mischief=Mischief([Fault.LOST], late_s=0.1)
        )
        eprx = EprxCounterpart(
            Ledger(None), clock, demand=seek, mischief=Mischief([Fault.CUT], late_s=0.1)
        )
        async with served(jepx.application()) as spot, served(eprx.application()) as balancing:
            bed = Bed(
                path=tmp_path / "registry.sqlite3",
                clock=clock,
                ports={Venue.SPOT: spot, Venue.RESERVE: balancing},
                fleet=fleet,
            )
            for moment in (
                "2026-03-31T09:51",
                "2026-03-31T12:05",
                "2026-03-31T13:51",
                "2026-03-31T15:05",
                "2026-03-31T15:06",
                "2026-04-01T08:21",
                "2026-04-01T08:22",
                "2026-04-02T10:01",
                "2026-04-02T10:02",
            ):
                await bed.turn(moment)
            async with bed.program() as (_days, database):
                check(database)

    def check(database: Database) -> None:
        kept = SubmissionTable(database).submissions(day=DAY)
        assert [(one.request_id, one.state) for one in kept] == [
            ("zone-1-tokyo-20260401-0-spot", SubmissionState.ANSWERED),
            ("zone-1-tokyo-20260401-1-reserve", SubmissionState.ANSWERED),
        ]
        entries = MarketDays(database).entries("traded/tokyo/2026-04-01/zone-1/")
        assert [one.account.rsplit("/", 1)[1] for one in entries] == ["spot"]
        sold = np.array([float(one) for one in entries[0].slots_jpy])
        assert sold[9] < 0 < sold[39]
        with database.reading() as connection:
            row = connection.execute(
                select(tables.market_transactions).where(
                    tables.market_transactions.c.transaction_id == AWARD
                )
            ).one()
            assert (row.cleared_capacity_mw, row.cleared_price_yen_mw) == (1, 3000)
            assert connection.execute(select(tables.prediction_data)).first() is not None

    asyncio.run(day())
    placed = fleet.placed[ObligationId(AWARD)]
    assert (placed.power_w, placed.service) == (1_000_000.0, Service.SECONDARY_1)
    assert any("the fleet never had it" in str(one.payload["line"]) for one in fleet.said.values())


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("zone = 'zone-1'", "area: is missing"),
        ("zone = 'zone-1'\narea = 'atlantis'\ndata = '.'", "'atlantis' is not one of"),
        ("zone = 'zone-1'\narea = 'tokyo'\ndata = '.'\nstrategy = 'luck'", "strategy: 'luck'"),
        ("zone = 'Zone 1'\narea = 'tokyo'\ndata = '.'", "zone 'Zone 1'"),
        ("zone = 'z'\narea = 'tokyo'\ndata = '.'\n[jepx]\nurl = 'x'\nmember = 'm'", "jepx.url"),
        ("zone = 'z'\narea = 'tokyo'\ndata = '.'\nsecret = 'x'", "secret: is not known here"),
        ("zone = ", "Invalid value"),
    ],
)
def test_a_wrong_market_file_is_one_clear_line(text: str, cause: str, tmp_path: Path) -> None:
    """If it fails, a slip of the pen trades in another area, or not at all and in silence."""
    path = tmp_path / "market.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=cause):
        read_market_file(path)
