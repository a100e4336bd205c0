"""Strategies on the same days: what is counted, and how sure it is."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from cloud_coordinator.market.bids import Bid
from cloud_coordinator.services.bidding.comparing import days_of, realise
from cloud_coordinator.services.bidding.port import BidBook
from cloud_coordinator.services.market_day.portfolio import load_portfolio
from cloud_coordinator.services.market_history import (
    NO_RESULTS,
    BalancingColumns,
    HalfHours,
    MarketSeries,
)
from protocols.vocabulary.calendar import SLOTS_A_DAY, day_slots
from protocols.vocabulary.obligation import Service
from tests.bidding import DAY, energy_bid, question, reserve_bid

START_S = int(day_slots(DAY)[0].interval.start.timestamp())


class OneDay:
    """A history of one day: 10 JPY/kWh, reserve up to 2 JPY and 50 MW."""

    def column(self, series: MarketSeries, area: str) -> HalfHours:
        """Return the area price."""
        assert (series, area) == (MarketSeries.SPOT, "tokyo")
        return HalfHours(start_s=START_S, values=np.full(SLOTS_A_DAY, 10.0))

    def balancing(self, product: Service, area: str) -> BalancingColumns:
        """Return the same results for every product."""
        del product, area
        return replace(
            NO_RESULTS,
            price_highest=HalfHours(start_s=START_S, values=np.full(SLOTS_A_DAY, 2.0)),
            awarded_mw=HalfHours(start_s=START_S, values=np.full(SLOTS_A_DAY, 50.0)),
        )

    def missing(self) -> Sequence[str]:
        """Miss nothing."""
        return ()


def outcome(*bids: Bid) -> tuple[float, float]:
    """Mean profit and mean penalty."""
    asked = question()
    terms = replace(asked.terms, called_share={}, degradation_jpy_per_kwh=0.0)
    book = BidBook(bids=bids, refill_kw=np.zeros(SLOTS_A_DAY), strategy="hand")
    found = realise(
        book, replace(asked, terms=terms), OneDay(), portfolio=load_portfolio(),
        random=np.random.default_rng(1),
    )  # fmt: skip
    return float(found.profit_jpy.mean()), float(found.penalty_jpy.mean())


def test_energy_and_reserve_are_paid_as_the_market_pays() -> None:
    """If it fails, a strategy is praised for money that no market pays."""
    bought_and_sold = (energy_bid(2, -200), energy_bid(30, 400))
    assert outcome(*bought_and_sold)[0] == pytest.approx((400 - 200) * 0.5 * 10.0)
    taken = reserve_bid(20, 1000)
    profit, penalty = outcome(taken)
    assert profit + penalty == pytest.approx(1000 * 1.5)
    assert outcome(replace(taken, price_jpy=Decimal("2.01")))[0] == 0.0


def test_charging_that_can_be_stopped_counts_as_reserve() -> None:
    """If it fails, a store that charges while it is held ready pays penalties it never owes."""
    held = reserve_bid(20, 6000)
    _, alone = outcome(held)
    _, charging = outcome(held, energy_bid(20, -4000))
    assert alone > 0.0
    assert charging == 0.0


def test_days_may_be_spread_over_the_year() -> None:
    """If it fails, one cold week decides which strategy is best."""
    assert days_of(DAY, 3, every=7) == (DAY, DAY + timedelta(days=7), DAY + timedelta(days=14))
    assert days_of(DAY, 2) == (DAY, DAY + timedelta(days=1))
