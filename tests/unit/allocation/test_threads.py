"""Answers of several threads at once."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cloud_coordinator.allocation.allocate import allocate
from cloud_coordinator.allocation.problem import FleetColumns, Product
from protocols.vocabulary.arrays import FloatArray

ROWS = 6_000
ROUNDS = 8


def answer(seed: int) -> FloatArray:
    """Share two products; the same size for every seed, so that all want the same arrays."""
    dice = np.random.default_rng(seed)
    rated_w = dice.uniform(500.0, 5_000.0, ROWS)
    fleet = FleetColumns(
        price_jpy_per_kwh=dice.uniform(2.0, 30.0, (2, ROWS)),
        steepness_jpy_per_kwh_w=10.0 / rated_w,
        power_w_min=np.zeros(ROWS),
        power_w_max=rated_w,
        delivery=dice.uniform(0.85, 1.0, (2, ROWS)),
        headroom_w_up=rated_w,
    )
    products = [
        Product(name=name, required_w=0.3 * float(rated_w.sum()), shortage_jpy_per_kwh=100.0)
        for name in ("one", "two")
    ]
    return allocate(fleet, products).power_w


def test_threads_do_not_write_over_each_others_rows() -> None:
    """If it fails, an award decided beside a dispatch takes powers of the other's resources."""
    seeds = range(3)
    alone = [answer(seed) for seed in seeds]
    with ThreadPoolExecutor(len(seeds)) as threads:
        for _ in range(ROUNDS):
            for expected, found in zip(alone, threads.map(answer, seeds), strict=True):
                assert np.array_equal(found, expected)
