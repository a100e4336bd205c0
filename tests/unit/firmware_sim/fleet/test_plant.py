"""The fleet's physics and curves: what is asked, what comes, and after how long."""

import numpy as np
import pytest

from firmware_sim.fleet.plant import STEP_S, Plant, draw, shares
from protocols.vocabulary.arrays import column
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Interval, utc_from_seconds
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.offer import OfferCurve, share

SPAN = Interval(start=utc_from_seconds(0.0), end=utc_from_seconds(1800.0))


def test_shares_in_columns_are_the_shares_of_the_one_function() -> None:
    """If it fails, a simulated site delivers another share than it promised."""
    dice = np.random.default_rng(3)
    characters = draw(40, 5, dice)
    prices = np.concatenate([[-1e3, 1e3, 0.0], dice.uniform(-25.0, 25.0, 37)])
    prices[5] = characters.multipliers[5, 4]
    found = shares(characters.multipliers, characters.power_w, prices)
    for row, price in enumerate(prices):
        curve = OfferCurve(
            site_id=SiteId("gw"),
            service=Service.SECONDARY_1,
            version=1,
            multipliers=column(characters.multipliers[row]),
            power_w=column(characters.power_w[row]),
            interval=SPAN,
        )
        assert found[row] == pytest.approx(share(curve, {curve.service: price}), abs=1e-9)


def test_a_step_is_answered_after_a_delay_by_ramp_and_with_an_error_of_gain() -> None:
    """If it fails, the fleet answers as no device does, and its tracking figures are void."""
    characters = draw(50, 4, np.random.default_rng(1))
    plant = Plant(characters, np.random.default_rng(2))
    called_w = 0.5 * characters.power_w[:, -1]
    plant.step(called_w)
    early = plant.power_w.sum()
    for _ in range(round(4.0 / STEP_S)):
        before = plant.power_w.copy()
        plant.step(called_w)
        change = np.abs(plant.power_w - before)
        assert (change <= characters.ramp_w_per_s * STEP_S * 1.001 + 1e-3).all()
    assert early < 0.2 * plant.power_w.sum()
    answered = plant.power_w.sum(axis=1) / called_w
    assert np.abs(answered - 1.0).max() < 0.1
    assert np.abs(answered - 1.0).max() > 0.001
    assert (np.abs(plant.power_w) <= characters.rating_w).all()


def test_a_site_whose_power_has_tripped_gives_nothing() -> None:
    """If it fails, the loss of sites that the run measures never happens."""
    characters = draw(4, 3, np.random.default_rng(1))
    plant = Plant(characters, np.random.default_rng(2))
    for _ in range(30):
        plant.step(0.5 * characters.power_w[:, -1])
    plant.tripped[1] = True
    plant.step(0.5 * characters.power_w[:, -1])
    assert plant.meter_w[1] == pytest.approx(plant.load_w[1])
    assert plant.power_w[0].sum() > 0.0
