"""One call for every family of allocation.

One product (F1), with caps on nested groups (F2), several products that share headroom and
energy (F3), units with a least output. Order of limits when they contradict: the resources' own
bounds hold, then the groups' caps, then each product up to its price cap, the dearest first,
then cost. There is always an answer, and it names what gave way. Pure: no clock, no state but
the engine's scratch arrays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cloud_coordinator.allocation.balance import Answer, Demand
from cloud_coordinator.allocation.columns import (
    bundle_columns,
    delivered_columns,
    delivery_column,
    single_columns,
)
from cloud_coordinator.allocation.dual import Look
from cloud_coordinator.allocation.engines import default_engine
from cloud_coordinator.allocation.groups import Groups, all_in_one, in_chunks
from cloud_coordinator.allocation.outcome import Allocation, Relaxed
from cloud_coordinator.allocation.problem import (
    PRODUCTS_MAX,
    AllocationInputError,
    Direction,
    FleetColumns,
    GroupCaps,
    Product,
    check_ids,
    check_product,
    refuse_rows,
)
from cloud_coordinator.allocation.rows import Engine, ProductColumns
from cloud_coordinator.allocation.several import Bundle, deliver
from cloud_coordinator.allocation.single import Task, switched_balance
from protocols.vocabulary.arrays import FloatArray

JPY_W_PER_KWH: Final = 1000.0
"""Prices are per kWh, powers in W."""
NOISE: Final = 1e-8
"""What is missing relative to the requirement and the fleet, and is only rounding."""
ABOVE_ALL: Final = 4.0
"""How far above every marginal cost a price stands that stands for an infinite one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Prepared groups and the caps of now.

    Attributes
    ----------
    groups : Groups
        Of the same resources, in the same order.
    caps : GroupCaps
        In the order of the groups.
    """

    groups: Groups
    caps: GroupCaps


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The whole question."""

    fleet: FleetColumns
    products: Sequence[Product]
    grid: Grid | None
    engine: Engine
    start: Allocation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One direction's answer."""

    answer: Answer
    look: Look | None
    relaxed: tuple[Relaxed, ...]
    groups: Groups


def allocate(
    fleet: FleetColumns,
    products: Sequence[Product],
    *,
    grid: Grid | None = None,
    start: Allocation | None = None,
    engine: Engine | None = None,
) -> Allocation:
    """Share products among resources at least cost.

    Parameters
    ----------
    fleet : FleetColumns
        What there is; n resources.
    products : sequence of Product
        What is to be delivered: one of either sign, or up to 8 in each direction.
    grid : Grid or None
        Caps on groups of resources.
    start : Allocation or None
        The answer of a moment ago; saves time, never changes the answer.
    engine : Engine or None
        None: the compiled one if it is there.

    Returns
    -------
    Allocation
        With its proof.

    Raises
    ------
    AllocationInputError
        If the question cannot be meant.
    """
    _check(fleet, products, grid)
    engine = engine if engine is not None else default_engine()
    asked = _Asked(fleet=fleet, products=products, grid=grid, engine=engine, start=start)
    answers: dict[Direction, _Part] = {}
    if not fleet.rows:
        return _nothing(products, grid, engine)
    if len(products) == 1:
        answers[products[0].direction] = _one(asked)
    else:
        for side in Direction:
            if any(product.direction is side for product in products):
                answers[side] = _side(asked, side)
    return _merged(asked, answers)


def _check(fleet: FleetColumns, products: Sequence[Product], grid: Grid | None) -> None:
    if not products:
        raise AllocationInputError("no product is required")
    names = [product.name for product in products]
    if len(set(names)) != len(names):
        raise AllocationInputError(f"products: a name comes twice in {names}")
    for side in Direction:
        count = sum(product.direction is side for product in products)
        if count > PRODUCTS_MAX:
            raise AllocationInputError(f"{count} products {side.name}, at most {PRODUCTS_MAX}")
    for product in products:
        check_product(product)
        if len(products) > 1 and not np.isfinite(product.shortage_jpy_per_kwh):
            raise AllocationInputError(
                f"product {product.name}: one of several needs a finite price cap"
            )
        if len(products) > 1 and product.required_w * product.direction.value < 0.0:
            raise AllocationInputError(f"product {product.name}: required the other way")
    check_ids(fleet)
    if grid is not None:
        _check_grid(fleet, grid)


def _check_grid(fleet: FleetColumns, grid: Grid) -> None:
    if grid.groups.rows != fleet.rows:
        raise AllocationInputError(f"grid: of {grid.groups.rows} resources, not {fleet.rows}")
    low, high = grid.caps.power_w_min, grid.caps.power_w_max
    for name, cap in (("power_w_min", low), ("power_w_max", high)):
        if cap.shape != (grid.groups.count,):
            raise AllocationInputError(f"group {name}: shape {cap.shape}")
        refuse_rows(f"group {name}", np.isnan(cap), "no number")
    refuse_rows("group caps", low > high, "crossed caps")
    refuse_rows("group power_w_min", low == np.inf, "an infinite least power")
    refuse_rows("group power_w_max", high == -np.inf, "an infinite least power")


def _nothing(products: Sequence[Product], grid: Grid | None, engine: Engine) -> Allocation:
    """No resource: all of it is short."""
    required = np.array([product.required_w for product in products], dtype=np.float64)
    caps = np.array([product.shortage_jpy_per_kwh for product in products])
    zero = np.zeros(len(products))
    return Allocation(
        power_w=np.zeros((len(products), 0)),
        multiplier_jpy_per_kwh=np.where(required != 0.0, np.copysign(caps, required), 0.0),
        group_multiplier_jpy_per_kwh=np.zeros((2, 0 if grid is None else grid.groups.count)),
        delivered_w=zero,
        shortfall_w=required,
        residual_w=zero,
        relaxed=_short(products, required),
        cost_jpy_per_h=0.0,
        gap_jpy_per_h=0.0,
        relative_gap=0.0,
        looks=0,
        engine=engine.name,
        prices={},
    )


def _node_caps(groups: Groups, grid: Grid | None) -> tuple[FloatArray, FloatArray]:
    low, high = np.full(groups.nodes, -np.inf), np.full(groups.nodes, np.inf)
    if grid is not None:
        low[1 : 1 + groups.count] = grid.caps.power_w_min
        high[1 : 1 + groups.count] = grid.caps.power_w_max
    return low, high


def _one(asked: _Asked) -> _Part:
    """Balance one product of either sign."""
    fleet, grid, start, (product,) = asked.fleet, asked.grid, asked.start, asked.products
    if grid is not None and fleet.delivery is not None:
        return _side(asked, product.direction)
    single = single_columns(fleet, product)
    hint = np.nan if start is None else float(start.multiplier_jpy_per_kwh[0])
    factor = None
    if fleet.delivery is not None:
        factor = delivery_column(fleet)
        single = delivered_columns(single, factor)
    task = Task(
        groups=all_in_one(fleet.rows) if grid is None else grid.groups,
        caps=(np.empty(0), np.empty(0)) if grid is None else _node_caps(grid.groups, grid),
        demand=Demand(
            required=float(product.required_w), price_cap=float(product.shortage_jpy_per_kwh)
        ),
        engine=asked.engine,
        hint=hint,
    )
    answer = switched_balance(
        task, single, least_w=fleet.running_w_min, fixed_jpy_per_h=fleet.running_jpy_per_h
    )
    if factor is not None:
        answer = replace(answer, power=answer.power / factor)
    return _Part(answer=answer, look=None, relaxed=single.relaxed, groups=task.groups)


def _side(asked: _Asked, side: Direction) -> _Part:
    """Balance all products of one direction, turned upward."""
    fleet, grid, start, products = asked.fleet, asked.grid, asked.start, asked.products
    if fleet.running_w_min is not None or fleet.running_jpy_per_h is not None:
        raise AllocationInputError("units with a least output serve one product without factors")
    chosen = tuple(product for product in products if product.direction is side)
    groups = in_chunks(fleet.rows) if grid is None else grid.groups
    columns, relaxed = bundle_columns(fleet, products, side=side, groups=groups)
    low, high = _node_caps(groups, grid)
    if side is Direction.DOWN:
        low, high = -high, -low
    if len(products) > 1:
        low = np.full(groups.nodes, -np.inf)
    bundle = Bundle(
        columns=columns,
        required=side.value
        * np.array([product.required_w for product in chosen], dtype=np.float64),
        price_cap=np.array([_finite_cap(product, columns) for product in chosen]),
        low=low,
        high=high,
    )
    before = None if start is None else start.prices.get(side)
    answer, look = deliver(groups, bundle, engine=asked.engine, before=before)
    return _Part(answer=answer, look=look, relaxed=relaxed, groups=groups)


def _finite_cap(product: Product, columns: ProductColumns) -> float:
    """Put a price above every marginal cost in the place of an infinite one."""
    if np.isfinite(product.shortage_jpy_per_kwh):
        return product.shortage_jpy_per_kwh
    cost = max(
        float(np.abs(columns.c[0] + columns.q[0] * b).max())
        for b in (columns.low[0], columns.high[0])
    )
    return ABOVE_ALL * (cost or 1.0) / float(columns.delivery[0].min())


def _short(products: Sequence[Product], shortfall_w: FloatArray) -> tuple[Relaxed, ...]:
    """Products that are not served in full, the dearest first."""
    order = sorted(range(len(products)), key=lambda p: -products[p].shortage_jpy_per_kwh)
    return tuple(
        Relaxed(limit=f"product {products[p].name}", amount_w=abs(float(shortfall_w[p])))
        for p in order
        if shortfall_w[p] != 0.0
    )


def _widened(part: _Part, side: Direction) -> list[Relaxed]:
    """Name the groups whose caps contradict their resources' own bounds."""
    found: list[Relaxed] = []
    caps, names = part.answer.caps, ("power_w_min", "power_w_max")[:: side.value]
    for name, widened in zip(names, (caps.widened_low, caps.widened_high), strict=True):
        found += [
            Relaxed(limit=f"group {node} {name}", amount_w=float(widened[1 + node]))
            for node in np.flatnonzero(widened[1 : 1 + part.groups.count] > 0.0)
        ]
    return found


def _alone(parts: Mapping[Direction, _Part]) -> FloatArray | None:
    """Return the powers of an answer that needs no turning and no sorting."""
    if len(parts) == 1:
        ((side, part),) = parts.items()
        turned = side is Direction.DOWN and part.look is not None
        if part.groups.order is None and not turned:
            return part.answer.power
    return None


def _shortfall(missing: list[float], required: list[float], size: float) -> FloatArray:
    """Tell what is missing from what only rounding left."""
    return np.array(
        [
            lacking if abs(lacking) > NOISE * (abs(wanted) + size) else 0.0
            for lacking, wanted in zip(missing, required, strict=True)
        ]
    )


def _merged(asked: _Asked, parts: Mapping[Direction, _Part]) -> Allocation:
    """Put the directions together, in the caller's order and signs."""
    fleet, products, grid = asked.fleet, asked.products, asked.grid
    count = len(products)
    power = _alone(parts)
    price, delivered = [0.0] * count, [0.0] * count  # lists: few products, and arrays cost more
    group_price = np.zeros((2, 0 if grid is None else grid.groups.count))
    relaxed: list[Relaxed] = []
    is_alone = power is not None
    if power is None:
        power = np.empty((count, fleet.rows))
    for side, part in parts.items():
        sign = side.value if part.look is not None else 1
        at = [p for p, product in enumerate(products) if product.direction is side]
        answer, order = part.answer, part.groups.order
        into = slice(None) if order is None else order
        for row, p in enumerate(at):
            if not is_alone:
                power[p, into] = answer.power[row] if sign > 0 else -answer.power[row]
            price[p] = sign * float(answer.price[row])
            delivered[p] = sign * float(answer.delivered[row])
        relaxed += part.relaxed
        if part.groups.count:
            own = answer.node_price[part.groups.parent[1:]] - answer.node_price[1:]
            own = own[: part.groups.count]
            upper, lower = np.maximum(own, 0.0), np.maximum(-own, 0.0)
            group_price += np.stack([upper, lower] if sign > 0 else [lower, upper])
            relaxed += _widened(part, Direction(sign))
    required = [product.required_w for product in products]
    missing = [wanted - given for wanted, given in zip(required, delivered, strict=True)]
    size = sum(float(part.answer.caps.size[0]) for part in parts.values())
    shortfall = _shortfall(missing, required, size)
    cost = sum(part.answer.cost for part in parts.values()) / JPY_W_PER_KWH
    gap = sum(part.answer.gap for part in parts.values()) / JPY_W_PER_KWH
    worth = sum(abs(one * wanted) for one, wanted in zip(price, required, strict=True))
    worth = max(abs(cost), worth / JPY_W_PER_KWH)
    return Allocation(
        power_w=power,
        multiplier_jpy_per_kwh=np.array(price),
        group_multiplier_jpy_per_kwh=group_price,
        delivered_w=np.array(delivered),
        shortfall_w=shortfall,
        residual_w=np.array(missing) - shortfall,
        relaxed=(*relaxed, *_short(products, shortfall)),
        cost_jpy_per_h=cost,
        gap_jpy_per_h=gap,
        relative_gap=gap / worth if worth > 0.0 else 0.0,
        looks=sum(part.answer.rounds for part in parts.values()),
        engine=asked.engine.name,
        prices={side: part.look for side, part in parts.items() if part.look is not None},
    )
