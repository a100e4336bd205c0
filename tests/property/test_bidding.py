"""Whatever the day looks like, no bid of any strategy breaks a rule."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_coordinator.market.bids import Venue
from cloud_coordinator.services.bidding.checking import check_bids
from cloud_coordinator.services.bidding.exact import Exact
from cloud_coordinator.services.bidding.learned import Learned, load_learned
from cloud_coordinator.services.bidding.parameters import HIGH, PARAMETERS, Expansion
from cloud_coordinator.services.bidding.plan import book_of
from cloud_coordinator.services.bidding.port import BidQuestion
from cloud_coordinator.services.bidding.prices import menu_of
from cloud_coordinator.services.bidding.searching import ParetoSearch, SwarmSearch
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.obligation import Service
from tests.bidding import energy_bid, forecast, holdings, question, reserve_bid

SLOW = [HealthCheck.too_slow]
AWARDS = (
    (),
    (energy_bid(2, -400), energy_bid(30, 600)),
    (reserve_bid(20, 1500), energy_bid(2, -200)),
)


@st.composite
def questions(draw: st.DrawFn) -> BidQuestion:
    """Days with prices, sizes, open markets and awards of every kind."""
    seed = draw(st.integers(0, 2**31))
    random = np.random.default_rng(seed)
    spread = draw(st.sampled_from([0.0, 0.3, 1.5]))
    spot = forecast(random.uniform(0.0, draw(st.sampled_from([12.0, 60.0])), 48), spread)
    balancing = {
        service: forecast(random.uniform(0.0, 9.0, 48), spread)
        for service in draw(
            st.sets(st.sampled_from([Service.SECONDARY_2, Service.TERTIARY_1, Service.TERTIARY_2]))
        )
    }
    having = holdings(
        draw(st.sampled_from([0.0, 1500.0, 4000.0])),
        draw(st.sampled_from([0.0, 1300.0, 5000.0])),
        size_kwh=draw(st.sampled_from([3000.0, 8000.0, 20000.0])),
    )
    venues = draw(st.sets(st.sampled_from([Venue.SPOT, Venue.CURTAILMENT, Venue.RESERVE])))
    can = having.store is not None and having.store.charge_kw[0] > 2000.0
    committed = draw(st.sampled_from(AWARDS)) if can else ()
    return question(
        spot=spot, balancing=balancing, having=having, venues=sorted(venues, key=str),
        committed=committed,
    )  # fmt: skip


@given(
    asked=questions(),
    point=st.lists(st.floats(0.0, 1.0), min_size=len(PARAMETERS), max_size=len(PARAMETERS)),
)
@settings(max_examples=12, deadline=None, suppress_health_check=SLOW)
def test_every_point_is_a_book_that_keeps_every_rule(
    asked: BidQuestion, point: list[float]
) -> None:
    """If it fails, a search hands in bids that the market or the ledger refuses."""
    menu = menu_of(asked)
    plans = Expansion(menu, asked)(np.array([point]) * HIGH)
    book = book_of(plans, menu, asked, strategy="point")
    assert check_bids(book, asked) == ()
    assert not [note for note in book.notes if note.startswith("left out")]


@given(asked=questions())
@settings(max_examples=3, deadline=None, suppress_health_check=SLOW)
def test_every_strategy_keeps_every_rule(asked: BidQuestion) -> None:
    """If it fails, some strategy breaks a tick, lot, cap, gate, minimum or ledger rule."""
    strategies = [
        SwarmSearch(particles=8, rounds=3),
        ParetoSearch(population=8, generations=2),
        policy(),
    ]
    for strategy in strategies:
        book = strategy.bids(asked)
        assert check_bids(book, asked) == (), strategy.name
        assert not [note for note in book.notes if note.startswith("left out")], strategy.name


@given(asked=questions())
@settings(max_examples=3, deadline=None, suppress_health_check=SLOW)
def test_the_exact_strategy_keeps_every_rule(asked: BidQuestion) -> None:
    """If it fails, the optimum of the program is not one of the market."""
    pytest.importorskip("highspy", reason="HiGHS is not installed (extra cloud)")
    book = Exact(gap=0.05).bids(asked)
    assert check_bids(book, asked) == ()
    assert not [note for note in book.notes if note.startswith("left out")]


def policy() -> Learned:
    """Open the shipped policy, or skip with the reason."""
    try:
        return load_learned()
    except ConfigError as error:
        pytest.skip(str(error))
