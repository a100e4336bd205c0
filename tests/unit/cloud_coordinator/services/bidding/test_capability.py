"""What may be promised: never the nameplate, and 99.9 % over all lists together."""

from dataclasses import replace

import numpy as np
import pytest

from cloud_coordinator.market.bids import Source
from cloud_coordinator.services.bidding.capability import (
    PROBABILITY,
    allowances,
    capability,
)
from cloud_coordinator.services.market_day.offering import offering_of
from cloud_coordinator.services.market_day.portfolio import load_portfolio
from protocols.vocabulary.calendar import day_slots
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.obligation import Service
from tests.bidding import DAY, question, sites_of

RULES = question().rules[Service.TERTIARY_1]


def test_the_promise_is_kept_as_often_as_it_says() -> None:
    """If it fails, the market finds us short more often than the operator was told."""
    sites = sites_of([500.0] * 8, kept=970.0, missed=30.0)
    found = capability(sites, RULES, probability=0.999).power_kw[0]
    random = np.random.default_rng(1)
    up = random.random((200_000, 8)) < sites.characteristics.reliability
    kept = (up @ (500.0 * sites.characteristics.gain) >= found - 1e-3).mean()
    assert kept >= 0.999
    assert 0.0 < found < 8 * 500.0


def test_energy_gain_and_delay_lower_what_can_be_promised() -> None:
    """If it fails, a battery of half an hour is sold for three hours, or a slow site as fast."""
    usual = sites_of([500.0] * 4, kept=9999.0, missed=0.01)
    whole = capability(usual, RULES).power_kw[0]
    assert whole == pytest.approx(2000.0 * float(usual.characteristics.gain[0]), rel=1e-6)
    slow = replace(usual.characteristics, delay_s=np.full(4, 1e5))
    assert not capability(replace(usual, characteristics=slow), RULES).power_kw.any()
    small = sites_of([500.0] * 4, kept=9999.0, missed=0.01, hours=0.1)
    assert capability(small, RULES).power_kw[0] < 0.5 * whole


def test_two_lists_keep_their_promises_together() -> None:
    """If it fails, storage and loads each fail once in a thousand, and one of them twice."""
    parts = {
        Source.STORAGE: sites_of([900.0] * 6, kept=985.0, missed=15.0),
        Source.LOAD: sites_of([300.0] * 10, kept=95.0, missed=5.0),
    }
    found = allowances(parts)
    assert found[Source.STORAGE] * found[Source.LOAD] == pytest.approx(PROBABILITY, abs=1e-12)
    assert min(found.values()) > PROBABILITY
    even = PROBABILITY**0.5

    def together(split: dict[Source, float]) -> float:
        return sum(
            float(capability(parts[one], (), probability=part).power_kw[0])
            for one, part in split.items()
        )

    assert together(dict(found)) >= together({Source.STORAGE: even, Source.LOAD: even})
    assert allowances({Source.LOAD: parts[Source.LOAD]}) == {Source.LOAD: PROBABILITY}


def test_the_example_promises_what_the_requirement_asks() -> None:
    """If it fails, the default portfolio promises with 95 % what the table calls 99.9 %."""
    portfolio = load_portfolio()
    assert portfolio.promise_probability == PROBABILITY
    at = day_slots(DAY)[0].interval.start
    strict = offering_of(portfolio, question().rules, at=at)
    loose = offering_of(replace(portfolio, promise_probability=0.9), question().rules, at=at)
    for key, power in strict.capability_kw.items():
        assert (power <= loose.capability_kw[key]).all(), key


def test_sites_that_do_not_match_are_refused() -> None:
    """If it fails, the reliability of one site is counted for another."""
    sites = sites_of([500.0] * 2)
    with pytest.raises(ConfigError, match="one envelope"):
        capability(replace(sites, envelopes=sites.envelopes[:1]), RULES)
    short = replace(sites.baselines[0], power_w=sites.baselines[0].power_w[:4])
    with pytest.raises(ConfigError, match="half hours"):
        capability(replace(sites, baselines=(short, sites.baselines[1])), RULES)
