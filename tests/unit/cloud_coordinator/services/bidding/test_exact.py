"""The exact strategy against every possible plan of tiny days."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from cloud_coordinator.market.bids import Source, Venue
from cloud_coordinator.market.ledger import Holdings, Store
from cloud_coordinator.services.bidding.checking import check_bids
from cloud_coordinator.services.bidding.exact import Exact
from cloud_coordinator.services.bidding.plan import empty_plans
from cloud_coordinator.services.bidding.port import BidBook, BidQuestion
from cloud_coordinator.services.bidding.prices import menu_of
from cloud_coordinator.services.bidding.program import Program
from cloud_coordinator.services.bidding.worth import answer, worth
from protocols.vocabulary.calendar import SLOTS_A_DAY
from protocols.vocabulary.errors import SolverFailedError
from protocols.vocabulary.obligation import Service
from tests.bidding import PRODUCTS, forecast, question, reserve_bid

pytest.importorskip("highspy", reason="HiGHS is not installed (extra cloud)")
LIVE = (10, 20, 36)
"""Slots in which the tiny store can do anything."""


def tiny(power_kw: float, *, size_kwh: float, least: float = 0.0) -> BidQuestion:
    """Ask about a store that works in four slots only."""
    able = np.zeros(SLOTS_A_DAY)
    able[list(LIVE)] = power_kw
    having = Holdings(
        capability_kw={
            (Source.STORAGE, service): able for service in (Service.TERTIARY_1, Service.ENERGY)
        },
        store=Store(
            charge_kw=able,
            start_kwh=0.5 * size_kwh,
            floor_kwh=0.0,
            ceiling_kwh=size_kwh,
            end_kwh=0.5 * size_kwh - least,
            charge_efficiency=0.9,
            discharge_efficiency=0.9,
        ),
    )
    price = np.full(SLOTS_A_DAY, 10.0)
    price[list(LIVE)] = (6.0, 19.0, 26.0)
    return question(spot=forecast(price), having=having)


def every_plan(asked: BidQuestion, powers_kw: list[float], reserves_kw: list[float]) -> float:
    """Most profit of all plans of whole lots and given reserves that the ledger takes."""
    menu = menu_of(asked)
    best, _ = menu.best
    trades = list(itertools.product(powers_kw, repeat=len(LIVE)))
    held = list(itertools.product(reserves_kw, repeat=len(LIVE)))
    all_of_them = empty_plans(len(trades) * len(held), menu)
    for number, (trade, reserve) in enumerate(itertools.product(trades, held)):
        all_of_them.sell_kw[number, list(LIVE)] = np.maximum(trade, 0.0)
        all_of_them.buy_kw[number, list(LIVE)] = np.maximum(np.negative(trade), 0.0)
        for at, _ in enumerate(menu.services):
            all_of_them.reserve_kw[number, 0, at, list(LIVE)] = reserve
    plans = replace(
        all_of_them, level=np.repeat(best.astype(np.int64)[None], len(trades) * len(held), 0)
    )
    profit = worth(plans, menu, asked).profit_jpy
    for number in np.argsort(-profit):
        book = answer(plans.take(int(number)), menu, asked, strategy="brute force")
        if not any("left out" in note for note in book.notes):
            return float(profit[number])
    return 0.0


def test_trades_are_those_of_the_best_of_all_plans() -> None:
    """If it fails, the reference by which other strategies are measured is not the best."""
    asked = replace(tiny(200.0, size_kwh=200.0), balancing={})
    lots = [-200.0, -100.0, 0.0, 100.0, 200.0]
    book = Exact(gap=1e-9).bids(asked)
    assert float(book.expected_jpy) == pytest.approx(every_plan(asked, lots, [0.0]), abs=0.02)
    assert float(book.expected_jpy) > 0.0


def test_reserve_and_trades_share_the_store_as_in_the_best_of_all_plans() -> None:
    """If it fails, energy is sold that would have earned more as reserve, or the reverse."""
    asked = tiny(1200.0, size_kwh=2400.0, least=100.0)
    asked = replace(asked, balancing={Service.TERTIARY_1: forecast(3.0, 0.5)})
    found = Exact(gap=1e-9).bids(asked)
    best = every_plan(asked, [-1200.0, 0.0, 1200.0], [0.0, 1000.0, 1200.0])
    assert float(found.expected_jpy) >= best - 0.02
    assert best > 0.0
    assert {bid.venue for bid in found.bids} == {Venue.SPOT, Venue.RESERVE}


def test_nothing_smaller_than_the_minimum_is_offered() -> None:
    """If it fails, the market refuses bids of 900 kW."""
    asked = replace(
        tiny(900.0, size_kwh=9000.0), balancing={Service.TERTIARY_1: forecast(3.0, 0.5)}
    )
    assert {bid.venue for bid in Exact(gap=1e-2).bids(asked).bids} <= {Venue.SPOT}


def test_an_award_before_is_respected() -> None:
    """If it fails, the second gate sells the energy that the first one owes."""
    asked = question(committed=(reserve_bid(20, 3000), reserve_bid(21, 600)))
    book = Exact(gap=1e-2).bids(asked)
    assert not check_bids(book, asked)
    assert book.bids


def test_without_storage_loads_are_still_offered() -> None:
    """If it fails, a portfolio of factories alone has no bids."""
    having = question().holdings
    loads = {key: kw for key, kw in having.capability_kw.items() if key[0] is Source.LOAD}
    asked = question(having=Holdings(capability_kw=loads, store=None, load_energy_kwh=8000.0))
    book = Exact(gap=1e-2).bids(asked)
    assert {bid.source for bid in book.bids} == {Source.LOAD}
    assert not check_bids(book, asked)


def test_an_impossible_program_is_said_so() -> None:
    """If it fails, a plan of zeros is taken for an answer."""
    program = Program()
    one = program.variable(0.0, 1.0, gain=1.0)
    program.at_most({one: -1.0}, -2.0)
    with pytest.raises(SolverFailedError):
        program.solve(gap=1e-6, nodes=10)


def test_the_book_carries_its_expectation() -> None:
    """If it fails, the operator sees no expected profit, or one of another plan."""
    asked = question()
    book: BidBook = Exact(gap=1e-2).bids(asked)
    assert book.expected_jpy > 0
    assert {bid.service for bid in book.bids} <= {*PRODUCTS, Service.ENERGY}
