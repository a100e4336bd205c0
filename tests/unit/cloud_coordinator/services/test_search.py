"""The searches: they find what is known, again and again, and leave the world's dice alone."""

import numpy as np
import pytest

from cloud_coordinator.services.search.nsga3 import pareto_front
from cloud_coordinator.services.search.policy import Policy
from cloud_coordinator.services.search.swarm import swarm
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.errors import ConfigError

LOW, HIGH = np.full(3, -1.0), np.full(3, 2.0)


def two(points: FloatArray) -> FloatArray:
    return np.stack([(points**2).sum(1), ((points - 1.0) ** 2).sum(1)], axis=1)


def test_a_front_lies_between_the_two_optima() -> None:
    """If it fails, somebody would choose among answers of which some are simply bad."""
    front = pareto_front(two, low=LOW, high=HIGH, seed=1, population=30, generations=20)
    worse = (front.values[:, None] <= front.values[None]).all(2) & (
        front.values[:, None] < front.values[None]
    ).any(2)
    assert not worse.any()
    assert (front.points > -0.3).all()
    assert (front.points < 1.3).all()


def test_a_front_is_found_again() -> None:
    """If it fails, a published front could not be checked by anybody else."""
    before = np.random.get_state()[1].tolist()  # noqa: NPY002  the global one is what is watched
    fronts = [
        pareto_front(two, low=LOW, high=HIGH, seed=4, population=12, generations=3)
        for _ in range(2)
    ]
    assert fronts[0].points.tolist() == fronts[1].points.tolist()
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002  as above


def test_no_number_is_never_the_best() -> None:
    """If it fails, a fault in a figure would win every search."""
    best = swarm(
        lambda points: np.where(points[:, 0] > 0.5, np.nan, points.sum(1)),
        low=LOW,
        high=HIGH,
        random=np.random.default_rng(1),
        particles=20,
        rounds=40,
    )
    assert best.value == pytest.approx(-3.0, abs=1e-3)


@pytest.mark.parametrize("model", [b"", b"no model", b"\x00" * 2_000_000])
def test_a_file_that_is_no_policy_is_refused(model: bytes) -> None:
    """If it fails, a broken download would steer the fleet."""
    with pytest.raises(ConfigError, match="policy"):
        Policy(model)
