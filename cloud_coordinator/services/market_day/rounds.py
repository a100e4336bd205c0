"""The rounds of the intraday market: the position is closed as far as what is known now asks.

A round is kept before its orders leave; orders nobody answered are asked for again at each turn,
under the same id, whatever the time. Orders are taken as filled or not when the exchange is
asked: what it has not filled then counts as not traded.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Protocol, TypeVar

import numpy as np

from cloud_coordinator.market.bids import Bid, Source, Venue
from cloud_coordinator.services.bidding.port import BidBook
from cloud_coordinator.services.errors import ConflictError, RejectedError
from cloud_coordinator.services.market_day.alerting import Alerts
from cloud_coordinator.services.market_day.asking import Market
from cloud_coordinator.services.market_day.journal import TradingJournal
from cloud_coordinator.services.market_day.position import (
    SLOT_H,
    Prices,
    closing_orders,
    gaps_kwh,
    position_of,
    present_kw,
)
from cloud_coordinator.services.market_day.sun import expected_sun
from cloud_coordinator.services.market_history import KnownHistory, MarketSeries
from cloud_coordinator.services.trading import Exchange, Fill
from protocols.vocabulary.calendar import SLOTS_A_DAY, day_slots
from protocols.vocabulary.identifiers import SiteId

_Result = TypeVar("_Result")


class Aside(Protocol):
    """Where what takes seconds is done, so that links and signals go on meanwhile."""

    async def __call__(self, work: Callable[[], _Result], /) -> _Result:
        """Do the work; return what it returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A round: when, and what is known of the fleet and of the position."""

    day: date
    at: datetime
    fills: Sequence[Fill]
    absent: Collection[SiteId]


class IntradayRounds:
    """The use case.

    Parameters
    ----------
    journal : TradingJournal
        What was done.
    exchange : Exchange
        The intraday market.
    alerts : Alerts
        Who hears of it.
    aside : Aside
        For forecasts.
    """

    def __init__(
        self, journal: TradingJournal, exchange: Exchange, *, alerts: Alerts, aside: Aside
    ) -> None:
        self._journal = journal
        self._exchange = exchange
        self._alerts = alerts
        self._aside = aside

    async def make(
        self,
        name: str,
        day: date,
        make: Callable[[], Market],
        *,
        at: datetime,
        absent: Collection[SiteId],
    ) -> str:
        """Make the orders of a round once, keep them, and hand them in.

        Parameters
        ----------
        name : str
            Of the round.
        day : date
            Of delivery.
        make : callable
            Makes the market with what is published by now.
        at : datetime
            Now, aware UTC.
        absent : collection of SiteId
            Sites that are known and do not answer.

        Returns
        -------
        str
            What was done, for people.
        """
        number = f"{Venue.INTRADAY.value}-{name}"
        await self.finish(day)
        if self._journal.book(day, number) is None:
            fills = self._journal.fills(day)
            asked = _Asked(day=day, at=at, fills=fills, absent=absent)
            orders, lines = await self._aside(partial(_orders, asked, make))
            for line in lines:
                self._alerts.say(f"{day}/close", "market.assumed", line)
            if not orders:
                return "the position is closed"
            book = BidBook(bids=orders, refill_kw=np.zeros(SLOTS_A_DAY), strategy="close")
            self._journal.keep_book(day, number, book)
        await self.finish(day)
        return "orders were handed in"

    async def finish(self, day: date) -> None:
        """Hand in what was kept and has no answer, and keep what was filled.

        Raises
        ------
        OutcomeUnknownError
            If the exchange does not answer; it is asked again at the next turn.
        """
        for number in self._journal.unanswered(day, Venue.INTRADAY):
            submission = self._journal.submission(day, number, Venue.INTRADAY)
            key = f"{day}/results/{number}.{Venue.INTRADAY.value}"
            if submission is None:
                continue
            try:
                receipt = await self._exchange.submit(submission)
                fills = await self._exchange.fills(submission)
            except (RejectedError, ConflictError) as error:
                self._alerts.say(key, "market.refused", str(error))
                self._journal.keep_fills(key, ())
                continue
            for bid, answer in zip(submission.bids, receipt.answers, strict=True):
                if not answer.accepted:
                    line = f"{bid.name}: {answer.code} {answer.reason}"
                    self._alerts.say(key, "market.refused", line)
            self._journal.keep_fills(key, fills)


def _orders(asked: _Asked, make: Callable[[], Market]) -> tuple[tuple[Bid, ...], tuple[str, ...]]:
    """Find what closes the position with what is known at the moment of the round."""
    market, day = make(), asked.day
    gates = [market.exchange.intraday_window(slot).end for slot in day_slots(day)]
    sun = expected_sun(market, day, asked.at)
    position = position_of(asked.fills)
    sun_kwh = sun.energy_kwh
    if sun.forecast is None:
        sun_kwh = np.asarray(position.energy_kw[Source.PV] * SLOT_H)
    gaps = gaps_kwh(position, present=present_kw(market.portfolio, asked.absent), sun_kwh=sun_kwh)
    area = market.area.name
    spot = KnownHistory(market.history, asked.at).column(MarketSeries.SPOT, area).of_day(day)
    forecast = market.forecasts.spot_price(area, day, asked.at)
    orders = closing_orders(
        gaps,
        day=day,
        slots=[slot for slot, gate in enumerate(gates) if asked.at < gate],
        prices=Prices(published=spot, forecast=forecast),
        rule=market.exchange,
    )
    lines = list(sun.alerts)
    if orders and np.isnan(spot).any():
        lines.append(f"day-ahead price of {day}: not imported; its forecast stands in, wider")
    return orders, tuple(lines)
