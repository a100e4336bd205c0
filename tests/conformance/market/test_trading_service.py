"""A day traded at both markets over sockets, with the program ended in the middle."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from cloud_coordinator.gateway.exchanges.line import open_line
from cloud_coordinator.gateway.exchanges.market_file import MarketFile, read_market_file
from cloud_coordinator.gateway.exchanges.trading_service import (
    ServicePorts,
    exchange_of,
    plan_office,
    trading_days,
)
from cloud_coordinator.market.bids import Bid, Venue
from cloud_coordinator.services.awarding import AwardRequest
from cloud_coordinator.services.errors import UnknownError
from cloud_coordinator.services.forecasting import QuantileForecast
from cloud_coordinator.services.market_day.asking import Market
from cloud_coordinator.services.market_day.past import certain
from cloud_coordinator.services.market_day.portfolio import PATTERNS, parse_portfolio
from cloud_coordinator.services.market_day.trading_day import TradingDays
from cloud_coordinator.services.market_history import HalfHours, MarketSeries
from cloud_coordinator.services.records import AwardRecord, EventRecord
from cloud_coordinator.services.trading import SubmissionState
from cloud_coordinator.settlement.records import Statement
from cloud_coordinator.store import tables
from cloud_coordinator.store.database import Database, open_database
from cloud_coordinator.store.market_days import MarketDays
from cloud_coordinator.store.publications import PublicationRegistry
from cloud_coordinator.store.record_table import RecordTable
from cloud_coordinator.store.submissions import SubmissionTable
from firmware_sim.counterparts.eprx import Demand, EprxCounterpart
from firmware_sim.counterparts.jepx import JepxCounterpart
from firmware_sim.counterparts.jepx_book import simulated_book
from firmware_sim.counterparts.ledger import Ledger
from firmware_sim.counterparts.mischief import Fault, Mischief
from firmware_sim.counterparts.occto import Account, OcctoCounterpart
from firmware_sim.counterparts.spot_auction import auction
from protocols.occto.package import unpack
from protocols.occto.plan import PlanKind, read_plan
from protocols.vocabulary.calendar import SLOTS_A_DAY, day_slots
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ObligationId, SiteId
from protocols.vocabulary.obligation import Service
from tests.conformance.market.venues import DAY, Hand, order, reserve, served
from tests.unit.cloud_coordinator.services.market_day.days import (
    PORTFOLIO,
    Columns,
    Flat,
    Given,
    flat,
    market,
)

AWARD = "zone-1-tokyo-20260401-1-reserve-0"
PLANTS = (
    PORTFOLIO
    + """
[[pv]]
site = "pv-1"
kw = 2000.0
"""
)
MARKET = """
area = "tokyo"
zone = "zone-1"
[jepx]
url = "{jepx}"
member = "M001"
[eprx]
url = "{eprx}"
member = "M001"
[occto]
url = "{occto}"
user = "vpp"
password_file = "password"
company = "61293"
group = "BG001"
unit = "KEITO1"
area = 3
"""
FALLS = "2026-03-31T22:46"
"""The forecast of PV falls by half."""
FAILS = "2026-04-01T00:46"
"""The battery is gone."""
MOMENTS = (
    "2026-03-31T09:51",
    "2026-03-31T10:31",
    "2026-03-31T11:46",
    "2026-03-31T13:51",
    "2026-03-31T15:05",
    "2026-03-31T17:06",
    "2026-03-31T17:11",
    FALLS,
    "2026-03-31T22:47",
    "2026-03-31T22:56",
    FAILS,
    "2026-04-01T00:56",
    "2026-04-01T01:16",
    "2026-04-01T08:21",
    "2026-04-02T10:01",
    "2026-04-02T10:02",
)


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


class Sky(Flat):
    """A forecast that changes during the day."""

    def __init__(self) -> None:
        super().__init__()
        self.pv_mw = 1000.0

    def pv(self, area: str, day: date, known_at: datetime) -> QuantileForecast:
        return certain(np.full(SLOTS_A_DAY, self.pv_mw), day)


def asked(sky: Sky) -> Market:
    """Hold 1,000 kW ready in slot 18; buy before, sell a little after; 2 MW of PV beside it."""
    held = replace(reserve(18, "1000", "3.00"), pattern=PATTERNS[reserve(1, "1", "1").source])
    bids: dict[Venue, list[Bid]] = {
        Venue.RESERVE: [held],
        Venue.SPOT: [
            replace(order(10, "-600", "99"), least_kw=Decimal(-600)),
            replace(order(40, "500", "0.01"), least_kw=Decimal(500)),
        ],
    }
    book = simulated_book()
    prices = [(auction(book[slot]).price_sen or 0) / 100 for slot in range(1, SLOTS_A_DAY + 1)]
    start_s = int(day_slots(DAY)[0].interval.start.timestamp())
    columns = {
        MarketSeries.PV: flat(1000.0, first=DAY - timedelta(days=9), days=3),
        MarketSeries.SPOT: HalfHours(start_s=start_s, values=np.array(prices)),
    }
    return replace(
        market(
            Columns(columns=columns),
            strategy=Given(bids),
            portfolio=parse_portfolio(PLANTS, "plants"),
        ),
        products=(Service.SECONDARY_1,),
        forecasts=sky,
    )


@dataclass
class Bed:
    """Markets and OCCTO on sockets, one file that outlives the program."""

    folder: Path
    clock: Hand
    urls: dict[str, str]
    fleet: Fleet
    sky: Sky = field(default_factory=Sky)
    absent: set[SiteId] = field(default_factory=set)

    @cached_property
    def market(self) -> Market:
        """What is asked at every gate."""
        return asked(self.sky)

    @cached_property
    def file(self) -> MarketFile:
        """The file as a person writes it, and as it is read."""
        path = self.folder / "market.toml"
        (self.folder / "password").write_text("right")
        path.write_text(MARKET.format(**self.urls), encoding="utf-8")
        return read_market_file(path)

    @contextlib.asynccontextmanager
    async def program(self) -> AsyncIterator[tuple[TradingDays, Database]]:
        """Run the program until it is ended."""
        database, file = open_database(self.folder / "registry.sqlite3"), self.file
        ports = ports_of(database, self.clock, self.fleet, absent=self.absent)
        async with contextlib.AsyncExitStack() as closing:
            exchanges = {}
            for venue, access in file.venues.items():
                line = await closing.enter_async_context(open_line(access.url, timeout_s=2.0))
                exchanges[venue] = exchange_of(venue, line, ports, member=access.member)
            assert file.plans is not None
            office = await plan_office(file.plans, ports, closing)
            days = trading_days(file, ports, exchanges, office=office, market=lambda: self.market)
            yield days, database
        database.close()

    async def turn(self, moment: str) -> None:
        """Start the program, do what is due, end it."""
        self.clock.at = at(moment)
        async with self.program() as (days, _database):
            await days.turn()


def ports_of(
    database: Database, clock: Hand, fleet: Fleet, *, absent: Collection[SiteId] = ()
) -> ServicePorts:
    """Wire what the coordinator gives."""
    return ServicePorts(
        records=RecordTable(database, book="market"),
        versions=RecordTable(database, book="versions"),
        submissions=SubmissionTable(database),
        days=MarketDays(database),
        events=fleet,
        desk=fleet,
        statements=fleet,
        publications=PublicationRegistry(database),
        clock=clock,
        absent=lambda: absent,
    )


def test_a_day_at_all_markets_over_sockets_with_restarts(tmp_path: Path) -> None:
    """If it fails, what works with fakes is no day at a market: a bid, a plan or yen is lost."""
    clock, fleet = Hand(at("2026-03-31T09:00")), Fleet()
    plans = Ledger(None)

    async def day() -> None:
        lost = [Fault.LOST, Fault.LOST]
        jepx = JepxCounterpart(
            Ledger(None), clock, book=simulated_book(), mischief=Mischief(lost, late_s=0.1)
        )
        eprx = EprxCounterpart(
            Ledger(None), clock, demand=seek, mischief=Mischief([Fault.CUT], late_s=0.1)
        )
        occto = OcctoCounterpart(
            plans,
            clock,
            account=Account(user="vpp", password="right"),
            mischief=Mischief([Fault.LOST], late_s=0.1),
        )
        async with (
            served(jepx.application()) as spot,
            served(eprx.application()) as balancing,
            served(occto.application()) as office,
        ):
            ports = {"jepx": spot, "eprx": balancing, "occto": office}
            urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
            bed = Bed(folder=tmp_path, clock=clock, urls=urls, fleet=fleet)
            for moment in MOMENTS:
                if moment == FALLS:
                    bed.sky.pv_mw = 500.0
                if moment == FAILS:
                    bed.absent.add(SiteId("battery-1"))
                await bed.turn(moment)
            async with bed.program() as (_days, database):
                check(database)

    def check(database: Database) -> None:
        kept = SubmissionTable(database).submissions(day=DAY)
        assert {one.state for one in kept} == {SubmissionState.ANSWERED}
        assert [one.request_id for one in kept if one.venue != "occto"] == [
            "zone-1-tokyo-20260401-0-spot",
            "zone-1-tokyo-20260401-1-reserve",
            "zone-1-tokyo-20260401-intraday-01-intraday",
            "zone-1-tokyo-20260401-intraday-05-intraday",
        ]
        filed = [read_plan(unpack(one.body)[1]) for one in plans.entries("occto")]
        generation = [one for one in filed if one.kind is PlanKind.GENERATION]
        sold = [one.body.totals_kwh for one in generation]
        assert [one.information_code for one in generation] == ["0152", "0153", "0153"]
        assert (sold[0][0], sold[0][9]) == (1000, 700)
        assert (sold[0][39], sold[1][0], sold[1][39]) == (1250, 500, 750)
        assert (sold[2][9], sold[2][39]) == (500, 500)
        assert not [one for one in filed if one.kind is PlanKind.DEMAND]
        entries = MarketDays(database).entries("traded/tokyo/2026-04-01/zone-1/")
        assert [one.account.rsplit("/", 1)[1] for one in entries] == ["spot"]
        with database.reading() as connection:
            row = connection.execute(
                select(tables.market_transactions).where(
                    tables.market_transactions.c.transaction_id == AWARD
                )
            ).one()
            assert (row.cleared_capacity_mw, row.cleared_price_yen_mw) == (1, 3000)
            kinds = connection.execute(select(tables.prediction_data.c.prediction_type).distinct())
            assert {one[0] for one in kinds} == {"PRICE", "DEMAND", "SOLAR_GENERATION"}

    asyncio.run(day())
    placed = fleet.placed[ObligationId(AWARD)]
    assert (placed.power_w, placed.service) == (1_000_000.0, Service.SECONDARY_1)
    said = [str(one.payload["line"]) for one in fleet.said.values()]
    assert any("the fleet never had it" in line for line in said)


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
