"""What part of an offer is taken, from published results alone."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from cloud_coordinator.market.bids import Source
from cloud_coordinator.services.bidding.acceptance import (
    LEVELS,
    WINDOW_DAYS,
    acceptance,
    acceptances,
)
from cloud_coordinator.services.bidding.prices import menu_of
from cloud_coordinator.services.market_history import NO_RESULTS, BalancingColumns, HalfHours
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY, day_slots
from protocols.vocabulary.obligation import Service
from tests.bidding import DAY, forecast, holdings, question

RULES = question().rules[Service.TERTIARY_1]
SHAPE = (WINDOW_DAYS, SLOTS_A_DAY)


class Published:
    """A history with results of one product only."""

    def __init__(self, results: BalancingColumns) -> None:
        self._results = results

    def balancing(self, product: Service, area: str) -> BalancingColumns:
        """Return the same results for every product."""
        del product, area
        return self._results

    def column(self, series: object, area: str) -> HalfHours:
        """Know nothing else."""
        raise AssertionError((series, area))

    def missing(self) -> tuple[str, ...]:
        """Miss nothing."""
        return ()


def results(highest: FloatArray, awarded_mw: FloatArray) -> BalancingColumns:
    """Results of the days before, shape (28, 48)."""
    start = day_slots(DAY - timedelta(days=WINDOW_DAYS))[0].interval.start
    first = int(start.timestamp())
    return replace(
        NO_RESULTS,
        price_highest=HalfHours(start_s=first, values=highest.ravel()),
        awarded_mw=HalfHours(start_s=first, values=awarded_mw.ravel()),
    )


def test_what_is_expected_to_be_taken_is_what_is_taken() -> None:
    """If it fails, expected profit lies several times above what comes, as it once did."""
    random = np.random.default_rng(3)
    expected, came = [], []
    for _ in range(60):
        highest = random.gamma(2.0, 2.0, SHAPE)
        highest[random.random(SHAPE) < 0.4] = np.nan
        awarded = np.where(np.isnan(highest), 0.0, 50.0)
        found = acceptance(results(highest, awarded), RULES, day=DAY, offered_kw=2000.0)
        assert found is not None
        best = np.argmax(found.price_jpy * found.taken, axis=1)[:, None]
        price = np.take_along_axis(found.price_jpy, best, axis=1)[:, 0]
        taken = np.take_along_axis(found.taken, best, axis=1)[:, 0]
        real = random.gamma(2.0, 2.0, SLOTS_A_DAY)
        real[random.random(SLOTS_A_DAY) < 0.4] = -1.0
        expected.append((price * taken).mean())
        came.append((price * (real >= price)).mean())
    assert np.mean(expected) == pytest.approx(np.mean(came), rel=0.06)


def test_a_product_that_nobody_bought_is_not_counted_on() -> None:
    """If it fails, reserve is promised to a market that has bought none for a month."""
    nothing = results(np.full(SHAPE, np.nan), np.zeros(SHAPE))
    found = acceptance(nothing, RULES, day=DAY, offered_kw=2000.0)
    assert found is not None
    assert not found.taken.any()
    asked = replace(question(), acceptance={Service.TERTIARY_1: found})
    menu = menu_of(asked)
    assert menu.value_jpy[:, menu.services.index(Service.TERTIARY_1)].max() <= 0.0


def test_a_small_award_takes_a_part_and_less_than_the_minimum_takes_none() -> None:
    """If it fails, profit is expected of power for which there is no room."""
    price = np.full(SHAPE, 3.0)
    for awarded_mw, least, most in ((2.0, 0.4, 0.5), (0.5, 0.0, 0.0), (9.0, 0.85, 1.0)):
        one = results(price, np.full(SHAPE, awarded_mw))
        found = acceptance(one, RULES, day=DAY, offered_kw=4000.0)
        assert found is not None
        assert least <= found.taken[:, 0].max() <= most, awarded_mw


def test_prices_are_rising_whole_ticks_within_the_cap() -> None:
    """If it fails, the market refuses the bid for its price."""
    random = np.random.default_rng(4)
    one = results(random.uniform(0.0, 400.0, SHAPE), np.full(SHAPE, 9.0))
    found = acceptance(one, RULES, day=DAY, offered_kw=4000.0)
    assert found is not None
    ticks = found.price_jpy / float(RULES[-1].price_tick_jpy)
    assert found.price_jpy.shape == (SLOTS_A_DAY, len(LEVELS))
    assert np.abs(ticks - np.rint(ticks)).max() < 1e-6
    assert (np.diff(found.price_jpy, axis=1) >= 0.0).all()
    assert (np.diff(found.taken, axis=1) <= 1e-12).all()
    cap = RULES[-1].price_cap_jpy_per_kw_30min
    assert cap is None or found.price_jpy.max() <= float(cap)


def test_recent_days_count_more() -> None:
    """If it fails, a market that has turned is bid for as it was a month ago."""
    highest = np.full(SHAPE, 1.0)
    highest[-10:] = 6.0
    found = acceptance(results(highest, np.full(SHAPE, 9.0)), RULES, day=DAY, offered_kw=2000.0)
    assert found is not None
    assert found.price_jpy[0, -1] == pytest.approx(6.0)
    assert found.taken[0, -1] > 0.55


def test_without_rows_or_with_a_forecast_that_knows_the_forecast_answers() -> None:
    """If it fails, the ceiling of perfect foresight is bid with the luck of the past."""
    rules = {Service.TERTIARY_1: RULES}
    capability = holdings().capability_kw
    full = Published(results(np.full(SHAPE, 3.0), np.full(SHAPE, 9.0)))
    for history, price, known in (
        (full, forecast(2.0, 1.0), True),
        (full, forecast(2.0, 0.0), False),
        (Published(NO_RESULTS), forecast(2.0, 1.0), False),
    ):
        found = acceptances(
            history,
            rules,
            balancing={Service.TERTIARY_1: price},
            capability_kw=capability,
            place=("tokyo", DAY),
        )
        assert (Service.TERTIARY_1 in found) is known
    assert (Source.STORAGE, Service.TERTIARY_1) in capability
