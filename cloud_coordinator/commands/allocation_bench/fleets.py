"""Synthetic fleets of the three families, from a seed."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cloud_coordinator.allocation.allocate import Grid
from cloud_coordinator.allocation.groups import prepare_groups
from cloud_coordinator.allocation.problem import FleetColumns, GroupCaps, Product
from protocols.vocabulary.arrays import FloatArray

SEED: Final = 20260731
FEEDER_ROWS: Final = 50
SUBSTATION_ROWS: Final = 2_000
LOADS: Final = (0.05, 0.15, 0.30, 0.45, 0.70, 1.10)
"""Of the fleet, over all products."""
LOAD: Final = 0.30
SHORTAGE: Final = 100.0
SHARES: Final = (1.2, 1.0, 0.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Arguments of one allocation.

    Attributes
    ----------
    family : str
        F1 one balance, F2 with caps on feeders and substations, F3 three products with caps.
    """

    family: str
    fleet: FleetColumns
    products: tuple[Product, ...]
    grid: Grid | None


def _sizes(rng: np.random.Generator, rows: int) -> FloatArray:
    """Sites of some kW, and every fiftieth twenty times as large."""
    size = rng.lognormal(np.log(8e3), 0.8, rows)
    size[rng.random(rows) < 0.02] *= 20.0  # noqa: PLR2004  every fiftieth
    return size


def make_question(family: str, rows: int, *, load: float = LOAD) -> Question:
    """Make a fleet.

    Parameters
    ----------
    family : str
        F1, F2 or F3.
    rows : int
        Resources, >= 1.
    load : float
        What is required, of all that the fleet has.
    """
    rng = np.random.default_rng(SEED)
    size = _sizes(rng, rows)
    if family == "F3":
        return _several(rng, size, load)
    most = size * rng.uniform(0.3, 1.0, rows)
    fleet = FleetColumns(
        price_jpy_per_kwh=rng.uniform(5.0, 40.0, rows),
        steepness_jpy_per_kwh_w=rng.uniform(2.0, 20.0, rows) / size,
        power_w_min=-size * rng.uniform(0.0, 1.0, rows) * (rng.random(rows) < 0.5),  # noqa: PLR2004  half of them
        power_w_max=most,
    )
    energy = Product(
        name="energy", required_w=load * float(most.sum()), shortage_jpy_per_kwh=10.0 * SHORTAGE
    )
    grid = _grid(rng, most, bound=(0.25, 0.4)) if family == "F2" else None
    return Question(family=family, fleet=fleet, products=(energy,), grid=grid)


def _several(rng: np.random.Generator, size: FloatArray, load: float) -> Question:
    rows, count = len(size), len(SHARES)
    head = size * rng.uniform(0.6, 1.2, rows)
    fleet = FleetColumns(
        price_jpy_per_kwh=rng.uniform(2.0, 30.0, (count, rows)),
        steepness_jpy_per_kwh_w=rng.uniform(2.0, 20.0, (count, rows)) / size,
        power_w_min=np.zeros((count, rows)),
        power_w_max=size * rng.uniform(0.3, 1.0, (count, rows)),
        delivery=rng.uniform(0.85, 1.0, (count, rows)),
        headroom_w_up=head,
    )
    products = tuple(
        Product(
            name=f"product {p}",
            required_w=load / count * share * float(head.sum()),
            shortage_jpy_per_kwh=SHORTAGE * (1.0 + 0.1 * p),
        )
        for p, share in enumerate(SHARES)
    )
    grid = _grid(rng, head, bound=(0.25, 0.4))
    return Question(family="F3", fleet=fleet, products=products, grid=grid)


def _grid(rng: np.random.Generator, most: FloatArray, *, bound: tuple[float, float]) -> Grid:
    """Feeders and substations; ``bound`` is the share of each that has a tight cap."""
    rows = len(most)
    feeders, substations = max(1, rows // FEEDER_ROWS), max(1, rows // SUBSTATION_ROWS)
    feeder = np.arange(rows) * feeders // rows
    above = np.arange(feeders) * substations // feeders
    high = [np.bincount(above, np.bincount(feeder, most)), np.bincount(feeder, most)]
    for kind, share in enumerate(reversed(bound)):
        count = len(high[kind])
        tight = rng.random(count) < share
        high[kind] = high[kind] * np.where(tight, rng.uniform(0.1, 0.4, count), 2.0)
    caps = np.concatenate(high).astype(np.float64)
    groups = prepare_groups(np.concatenate([np.full(substations, -1), above]), feeder + substations)
    return Grid(
        groups=groups, caps=GroupCaps(power_w_min=np.full(len(caps), -np.inf), power_w_max=caps)
    )


def moved(question: Question) -> Question:
    """Let a moment pass: 1 % more is required, upper bounds are up to 2 % lower."""
    rng = np.random.default_rng(SEED + 1)
    fleet = question.fleet
    shape = fleet.power_w_max.shape
    return replace(
        question,
        fleet=replace(fleet, power_w_max=fleet.power_w_max * rng.uniform(0.98, 1.0, shape)),
        products=tuple(replace(one, required_w=1.01 * one.required_w) for one in question.products),
    )
