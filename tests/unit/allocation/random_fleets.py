"""Random questions of every family, from a seed."""

from dataclasses import replace
from typing import Any

import numpy as np

from cloud_coordinator.allocation.allocate import Grid
from cloud_coordinator.allocation.groups import prepare_groups
from cloud_coordinator.allocation.problem import Direction, FleetColumns, GroupCaps, Product

INF = float("inf")


def fleet_of(rng: np.random.Generator, n: int, products: int) -> FleetColumns:
    """Resources of mixed size; several products go up and share headroom, some also energy."""
    size = rng.lognormal(9.0, 0.8, n)
    if products == 1:
        linear = rng.random(n) < rng.choice([0.0, 0.3])
        return FleetColumns(
            price_jpy_per_kwh=np.round(rng.uniform(5.0, 40.0, n), 1),
            steepness_jpy_per_kwh_w=np.where(linear, 0.0, rng.uniform(2.0, 20.0, n) / size),
            power_w_min=-size * rng.uniform(0.0, 1.0, n) * (rng.random(n) < 0.5),
            power_w_max=size * rng.uniform(0.0, 1.0, n),
        )
    shape = (products, n)
    most = size * rng.uniform(0.3, 1.0, shape)
    least = most * 0.1 * (rng.random() < 0.3)
    head = np.maximum(size * rng.uniform(0.6, 1.2, n), least.sum(axis=0))
    return FleetColumns(
        price_jpy_per_kwh=rng.uniform(2.0, 30.0, shape),
        steepness_jpy_per_kwh_w=rng.uniform(2.0, 20.0, shape) / size,
        power_w_min=least,
        power_w_max=most,
        delivery=rng.uniform(0.8, 1.0, shape),
        headroom_w_up=head,
        energy_wh_up=least.sum(axis=0) + head * rng.uniform(0.2, 1.0, n)
        if rng.random() < 0.5
        else None,
    )


def products_of(rng: np.random.Generator, fleet: FleetColumns, count: int) -> tuple[Product, ...]:
    """Require from a little to far too much."""
    load = float(np.exp(rng.uniform(np.log(0.03), np.log(2.0))))
    if count == 1:
        total = (
            float(fleet.power_w_max.sum()) if rng.random() < 0.8 else float(fleet.power_w_min.sum())
        )
        cap = float(rng.choice([20.0, 500.0, INF]))
        return (Product(name="0", required_w=load * total, shortage_jpy_per_kwh=cap),)
    assert fleet.headroom_w_up is not None
    total = float(fleet.headroom_w_up.sum()) / count
    return tuple(
        Product(
            name=str(p),
            required_w=load * total * float(rng.uniform(0.5, 1.5)),
            shortage_jpy_per_kwh=100.0 + 10.0 * p,
            duration_s=float(rng.choice([300.0, 900.0, 1800.0])),
        )
        for p in range(count)
    )


def grid_of(rng: np.random.Generator, fleet: FleetColumns, count: int) -> Grid:
    """Make groups up to four deep; some caps bind, none lies below the least power."""
    n, k = fleet.rows, int(rng.integers(1, 8))
    parent = np.array([-1, *(int(rng.integers(-1, at)) for at in range(1, k))])
    group = rng.integers(-1, k, n)
    most = fleet.power_w_max if count == 1 else fleet.headroom_w_up
    least = fleet.power_w_min if count == 1 else fleet.power_w_min.sum(axis=0)
    assert most is not None
    high, low = np.zeros(k), np.zeros(k)
    for at in range(k - 1, -1, -1):
        high[at] += most[group == at].sum()
        low[at] += least[group == at].sum()
        if parent[at] >= 0:
            high[parent[at]] += high[at]
            low[parent[at]] += low[at]
    part = rng.uniform(0.2, 1.2, k)
    caps = GroupCaps(power_w_min=np.full(k, -INF), power_w_max=low + part * (high - low) + 1.0)
    return Grid(groups=prepare_groups(parent, group), caps=caps)


def question(seed: int) -> dict[str, Any]:
    """Arguments of one call."""
    rng = np.random.default_rng(seed)
    count = int(rng.choice([1, 1, 2, 3, 5]))
    fleet = fleet_of(rng, int(rng.choice([1, 2, 5, 17, 60])), count)
    products = products_of(rng, fleet, count)
    grid = grid_of(rng, fleet, count) if rng.random() < 0.6 else None
    return {"fleet": fleet, "products": products, "grid": grid}


def downward(
    fleet: FleetColumns, products: tuple[Product, ...], grid: Grid | None
) -> dict[str, Any]:
    """Mirror a question: every power, price and cap turned around."""
    turned = replace(
        fleet,
        price_jpy_per_kwh=-fleet.price_jpy_per_kwh,
        power_w_min=-fleet.power_w_max,
        power_w_max=-fleet.power_w_min,
        headroom_w_up=fleet.headroom_w_down,
        headroom_w_down=fleet.headroom_w_up,
        energy_wh_up=fleet.energy_wh_down,
        energy_wh_down=fleet.energy_wh_up,
    )
    caps = None
    if grid is not None:
        caps = replace(
            grid,
            caps=GroupCaps(power_w_min=-grid.caps.power_w_max, power_w_max=-grid.caps.power_w_min),
        )
    required = tuple(
        replace(product, required_w=-product.required_w, direction=Direction.DOWN)
        for product in products
    )
    return {"fleet": turned, "products": required, "grid": caps}
