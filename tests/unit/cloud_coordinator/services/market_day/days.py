"""A tiny market of known numbers: history in memory, one battery, bids that are given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np

from cloud_coordinator.market.areas import load_areas
from cloud_coordinator.market.bids import Bid, Source, Venue
from cloud_coordinator.market.gates import load_exchange_rule
from cloud_coordinator.market.ledger import load_ledger_rule
from cloud_coordinator.market.rules import load_rule_book
from cloud_coordinator.services.bidding.port import BidBook, BidQuestion
from cloud_coordinator.services.forecasting import QuantileForecast
from cloud_coordinator.services.market_day.asking import Market
from cloud_coordinator.services.market_day.past import certain
from cloud_coordinator.services.market_day.portfolio import PATTERNS, Portfolio, parse_portfolio
from cloud_coordinator.services.market_history import (
    EMPTY,
    NO_RESULTS,
    BalancingColumns,
    HalfHours,
    MarketSeries,
)
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY, Slot, day_slots
from protocols.vocabulary.obligation import Service

DAY = date(2025, 5, 14)
PORTFOLIO = """
name = "one"
start_soc = 0.5
end_soc = 0.1
outage_minutes = 180
promise_probability = 0.95
load_jpy_per_kwh = 12.0
fee_jpy_per_kw_30min = "0"
[[storage]]
site = "battery-1"
kw = 2000.0
kwh = 8000.0
reliability = 1.0
events = 100000
"""


@dataclass
class Columns:
    """A history in memory."""

    columns: dict[MarketSeries, HalfHours] = field(default_factory=dict)
    results: dict[Service, BalancingColumns] = field(default_factory=dict)

    def column(self, series: MarketSeries, area: str) -> HalfHours:
        return self.columns.get(series, EMPTY)

    def balancing(self, product: Service, area: str) -> BalancingColumns:
        return self.results.get(product, NO_RESULTS)

    def missing(self) -> Sequence[str]:
        return ()


class Flat:
    """Every forecast is one number."""

    def __init__(self, *, spot: float = 10.0, balancing: float = 2.0) -> None:
        self._spot, self._balancing = spot, balancing

    def demand(self, area: str, day: date, known_at: datetime) -> QuantileForecast:
        return certain(np.full(SLOTS_A_DAY, 30_000.0), day)

    def pv(self, area: str, day: date, known_at: datetime) -> QuantileForecast:
        return certain(np.full(SLOTS_A_DAY, 1000.0), day)

    def spot_price(self, area: str, day: date, known_at: datetime) -> QuantileForecast:
        return certain(np.full(SLOTS_A_DAY, self._spot), day)

    def balancing_price(
        self, product: str, area: str, *, day: date, known_at: datetime
    ) -> QuantileForecast:
        return certain(np.full(SLOTS_A_DAY, self._balancing), day)


class Silence:
    """No recorded signals."""

    def regulation(self) -> FloatArray:
        return np.empty(0)

    def frequency_pu(self) -> FloatArray:
        return np.empty(0)


class Given:
    """Hands in what it was given, at the gates where it may."""

    name = "given"

    def __init__(self, bids: Mapping[Venue, Sequence[Bid]]) -> None:
        self._bids = bids
        self.asked: list[BidQuestion] = []

    def bids(self, question: BidQuestion) -> BidBook:
        self.asked.append(question)
        bids = [
            replace(bid, slot=Slot(day=question.day, number=bid.slot.number))
            for venue in question.handed_in
            for bid in self._bids.get(venue, ())
        ]
        return BidBook(bids=tuple(bids), refill_kw=np.zeros(SLOTS_A_DAY), strategy=self.name)


def flat(value: float, *, first: date = DAY, days: int = 1) -> HalfHours:
    start = int(day_slots(first)[0].interval.start.timestamp())
    return HalfHours(start_s=start, values=np.full(days * SLOTS_A_DAY, value))


def results(highest: float, *, days: int = 1) -> BalancingColumns:
    column = flat(highest, days=days)
    return BalancingColumns(
        required_mw=flat(100.0, days=days),
        offered_mw=flat(100.0, days=days),
        awarded_mw=flat(50.0, days=days),
        price_highest=column,
        price_lowest=column,
        price_mean=column,
        block_minutes=flat(30.0, days=days),
    )


def history(*, highest: float = 2.5, spot: float = 20.0, days: int = 1) -> Columns:
    return Columns(
        columns={MarketSeries.SPOT: flat(spot, days=days)},
        results={Service.TERTIARY_2: results(highest, days=days)},
    )


def reserve_bid(price: str = "2.00", kw: int = 1000) -> Bid:
    return Bid(
        venue=Venue.RESERVE,
        service=Service.TERTIARY_2,
        source=Source.STORAGE,
        slot=Slot(day=DAY, number=25),
        power_kw=Decimal(kw),
        least_kw=Decimal(kw),
        price_jpy=Decimal(price),
        pattern=PATTERNS[Source.STORAGE],
    )


def spot_bid(kw: int = 500) -> Bid:
    return Bid(
        venue=Venue.SPOT,
        service=Service.ENERGY,
        source=Source.STORAGE,
        slot=Slot(day=DAY, number=40),
        power_kw=Decimal(kw),
        least_kw=Decimal(kw),
        price_jpy=Decimal("0.01"),
    )


def one_battery() -> Portfolio:
    return parse_portfolio(PORTFOLIO, "one.toml")


def broken(portfolio: Portfolio) -> Portfolio:
    """Return the same battery, which never answers though everybody believes it does."""
    return replace(portfolio, storage=replace(portfolio.storage, answers=np.zeros(1)))


def market(
    columns: Columns | None = None,
    *,
    strategy: Given | None = None,
    portfolio: Portfolio | None = None,
) -> Market:
    bids = {Venue.RESERVE: [reserve_bid()], Venue.SPOT: [spot_bid()]}
    return Market(
        area=load_areas()["tokyo"],
        history=columns or history(),
        forecasts=Flat(),
        signals=Silence(),
        strategy=strategy or Given(bids),
        portfolio=portfolio or one_battery(),
        book=load_rule_book(),
        exchange=load_exchange_rule(),
        ledger_rule=load_ledger_rule(),
        products=(Service.TERTIARY_2,),
    )


def days_from(first: date, count: int) -> list[date]:
    return [first + timedelta(days=k) for k in range(count)]
