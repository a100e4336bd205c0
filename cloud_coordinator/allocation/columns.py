"""The caller's columns as the search wants them: sorted, turned upward, limits put together.

Pure. Called by :mod:`cloud_coordinator.allocation.allocate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.allocation.groups import Groups
from cloud_coordinator.allocation.outcome import Relaxed
from cloud_coordinator.allocation.problem import (
    MAGNITUDE_MAX,
    AllocationInputError,
    Direction,
    FleetColumns,
    Product,
    RangedColumn,
    broadcast,
    finite_column,
    ranged_column,
    real_column,
    refuse_rows,
)
from cloud_coordinator.allocation.rows import ProductColumns
from protocols.vocabulary.arrays import FloatArray

S_PER_H: Final = 3600.0
UNLIMITED_W: Final = 1e300
"""Headroom where the caller names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One product's columns in the caller's order, after all limits of its own.

    Attributes
    ----------
    c, q, low, high : FloatArray
        Shape (n,); not checked yet.
    relaxed : tuple of Relaxed
        Shared limits that contradict the resources' least power.
    """

    c: FloatArray
    q: FloatArray
    low: FloatArray
    high: FloatArray
    relaxed: tuple[Relaxed, ...]


def single_columns(fleet: FleetColumns, product: Product) -> Single:
    """Bounds of one product: power, ramp, energy over its duration, headroom.

    Raises
    ------
    AllocationInputError
        If a column has another length or a limit is not sound.
    """
    rows = fleet.rows
    names = ("price_jpy_per_kwh", "steepness_jpy_per_kwh_w", "power_w_min", "power_w_max")
    c, q, low, high = (
        real_column(name, broadcast(getattr(fleet, name), (0,))[0], rows) for name in names
    )
    relaxed: list[Relaxed] = []
    hours = product.duration_s / S_PER_H
    limits: list[tuple[str, FloatArray | None, float, int]] = [
        ("headroom_w_up", fleet.headroom_w_up, 1.0, 1),
        ("headroom_w_down", fleet.headroom_w_down, 1.0, -1),
    ]
    if hours > 0.0:
        limits += [
            ("energy_wh_up", fleet.energy_wh_up, 1.0 / hours, 1),
            ("energy_wh_down", fleet.energy_wh_down, 1.0 / hours, -1),
        ]
    if product.response_s is not None:
        limits += [("ramp_w_per_s", fleet.ramp_w_per_s, product.response_s, s) for s in (1, -1)]
    given = [(name, values, scale, s) for name, values, scale, s in limits if values is not None]
    if given:
        refuse_rows("power bounds", ~(low <= high), "crossed bounds or no number")
    for name, values, scale, sign in given:
        reach = finite_column(name, values, rows) * scale
        if sign > 0:
            relaxed += _given_way(name, low - reach)
            high = np.maximum(np.minimum(high, reach), low)
        else:
            relaxed += _given_way(name, -reach - high)
            low = np.minimum(np.maximum(low, -reach), high)
    return Single(c=c, q=q, low=low, high=high, relaxed=tuple(relaxed))


def _given_way(name: str, excess_w: FloatArray) -> list[Relaxed]:
    excess = float(np.maximum(excess_w, 0.0).sum())
    return [Relaxed(limit=name, amount_w=excess)] if excess > 0.0 else []


def refuse_unsound(single: Single) -> None:
    """Say which row of one product's columns is not sound.

    Raises
    ------
    AllocationInputError
        Always.
    """
    for name, column in (
        ("price_jpy_per_kwh", single.c),
        ("steepness_jpy_per_kwh_w", single.q),
        ("power_w_min", single.low),
        ("power_w_max", single.high),
    ):
        refuse_rows(name, ~(np.abs(column) <= MAGNITUDE_MAX), "no plausible finite number")
    refuse_rows("steepness_jpy_per_kwh_w", single.q < 0.0, "a negative number")
    refuse_rows("power bounds", single.low > single.high, "crossed bounds")
    raise AllocationInputError("numbers so large that their sums overflow")


def delivery_column(fleet: FleetColumns) -> FloatArray:
    """Check the only product's delivery factors.

    Raises
    ------
    AllocationInputError
        If one is not a positive number.
    """
    assert fleet.delivery is not None, "asked only where there are factors"
    factor = finite_column("delivery", broadcast(fleet.delivery, (0,))[0], fleet.rows)
    refuse_rows("delivery", factor <= 0.0, "a factor that is not positive")
    return factor


def delivered_columns(single: Single, factor: FloatArray) -> Single:
    """Ask the same question of what arrives instead of what is given."""
    return Single(
        c=single.c / factor,
        q=single.q / factor**2,
        low=single.low * factor,
        high=single.high * factor,
        relaxed=single.relaxed,
    )


def bundle_columns(
    fleet: FleetColumns, products: Sequence[Product], *, side: Direction, groups: Groups
) -> tuple[ProductColumns, tuple[Relaxed, ...]]:
    """Columns of all products of one direction, turned upward and sorted by leaf.

    Raises
    ------
    AllocationInputError
        If a row is not sound.
    """
    rows, order = fleet.rows, groups.order
    which = [p for p, product in enumerate(products) if product.direction is side]
    several = len(products) > 1
    products = [products[p] for p in which]
    ranged = _turned(fleet, which, side=side, several=several)
    columns = {name: [one.values for one in found] for name, found in ranged.items()}
    low, high = columns["low"], columns["high"]
    relaxed: list[Relaxed] = []
    if fleet.ramp_w_per_s is not None:
        ramp = finite_column("ramp_w_per_s", fleet.ramp_w_per_s, rows)
        for p, product in enumerate(products):
            if product.response_s is not None:
                reach = ramp * product.response_s
                relaxed += _given_way("ramp_w_per_s", low[p] - reach)
                high[p] = np.maximum(np.minimum(high[p], reach), low[p])
    up = side is Direction.UP
    hours = np.array([product.duration_s / S_PER_H for product in products])
    head = _shared("headroom_w_" + side.name.lower(), fleet, rows)
    energy = _shared("energy_wh_" + side.name.lower(), fleet, rows) if hours.any() else None
    if head is None:
        head = np.full(rows, UNLIMITED_W)
    elif any(one.least < 0.0 or one.most > 0.0 for one in ranged["low"]):
        least_w = np.sum(low, axis=0)
        relaxed += _given_way("headroom_w_up" if up else "headroom_w_down", least_w - head)
        head = np.maximum(head, least_w)
    if energy is not None:
        least_wh = hours @ np.stack(low)
        relaxed += _given_way("energy_wh_up" if up else "energy_wh_down", least_wh - energy)
        energy = np.maximum(energy, least_wh)
    kept: dict[int, FloatArray] = {}

    def laid(column: FloatArray) -> FloatArray:
        """Sort once what several products share."""
        if order is None:
            return column
        return kept.setdefault(id(column), column[order])

    return (
        ProductColumns(
            **{name: [laid(column) for column in found] for name, found in columns.items()},
            head=laid(head),
            energy=None if energy is None else laid(energy),
            hours=hours,
            starts=groups.starts,
        ),
        tuple(relaxed),
    )


def _shared(name: str, fleet: FleetColumns, rows: int) -> FloatArray | None:
    values = getattr(fleet, name)
    return None if values is None else finite_column(name, values, rows)


def _turned(
    fleet: FleetColumns, which: Sequence[int], *, side: Direction, several: bool
) -> dict[str, list[RangedColumn]]:
    """Check cost, bounds and delivery per product and turn them upward."""
    rows, count = fleet.rows, len(which)
    checked: dict[tuple[str, int], RangedColumn] = {}

    def column(name: str, values: FloatArray) -> RangedColumn:
        key = (name, values.ctypes.data)
        if key not in checked:
            checked[key] = ranged_column(name, values, rows)
        return checked[key]

    def each(name: str) -> list[RangedColumn]:
        return [column(name, part) for part in broadcast(getattr(fleet, name), which)]

    c, q = each("price_jpy_per_kwh"), each("steepness_jpy_per_kwh_w")
    low, high = each("power_w_min"), each("power_w_max")
    ones = RangedColumn(values=np.ones(rows), least=1.0, most=1.0)
    delivery = each("delivery") if fleet.delivery is not None else [ones] * count
    for p in range(count):
        _refuse_product(q[p], (low[p], high[p]), delivery[p])
    if side is Direction.DOWN:
        c = [one.turned() for one in c]
        low, high = [one.turned() for one in high], [one.turned() for one in low]
    for one in low if several else []:
        if one.least < 0.0:
            wrong = one.values < 0.0
            refuse_rows("power bounds", wrong, f"power that is not {side.name.lower()}ward")
    return {"c": c, "q": q, "low": low, "high": high, "delivery": delivery}


def _refuse_product(
    q: RangedColumn, bounds: tuple[RangedColumn, RangedColumn], delivery: RangedColumn
) -> None:
    """Refuse rows of one product; what the ranges already exclude is not looked at again."""
    low, high = bounds
    if q.least < 0.0:
        refuse_rows("steepness_jpy_per_kwh_w", q.values < 0.0, "a negative number")
    if low.most > high.least:
        refuse_rows("power bounds", low.values > high.values, "crossed bounds")
    if delivery.least <= 0.0:
        refuse_rows("delivery", delivery.values <= 0.0, "a factor that is not positive")
