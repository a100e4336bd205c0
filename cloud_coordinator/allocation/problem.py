"""The allocation's question: columns of resources, products to deliver, groups with caps.

Columns, not records: one float64 array per fact, one row per resource. Generator frame: a
power is positive toward the grid. Pure. Called by whoever allocates; answered by
:func:`cloud_coordinator.allocation.allocate.allocate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.errors import ControlError

PRODUCTS_MAX: Final = 8
"""Products in one direction; the kernel's loops end there."""
MAGNITUDE_MAX: Final = 1e15
"""No power, price, energy or steepness is larger; a larger one is a broken sensor."""
_NAMED_MAX: Final = 3


class AllocationInputError(ControlError):
    """The question cannot be meant: a number is not finite, bounds cross, an id comes twice."""


class Direction(Enum):
    """Where a product's power goes: up is toward the grid."""

    UP = 1
    DOWN = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetColumns:
    """What n resources can do and what it costs.

    Arrays are of shape (n,), or (p, n) where they differ between p products. The cost of a
    power x is ``price * x + steepness * x**2 / 2``, in JPY/h after division by 1000.

    Attributes
    ----------
    price_jpy_per_kwh : FloatArray
        Marginal cost at 0 W; negative for downward power that has to be paid.
    steepness_jpy_per_kwh_w : FloatArray
        How the marginal cost rises with each W, >= 0.
    power_w_min, power_w_max : FloatArray
        Bounds of the power, W. With several products 0 <= upward, downward <= 0.
    delivery : FloatArray or None
        What arrives of each W (loss, reliability), 0 < factor; None: all of it.
    headroom_w_up, headroom_w_down : FloatArray or None
        Shape (n,), W >= 0 that all products of a direction share.
    ramp_w_per_s : FloatArray or None
        Shape (n,), W/s >= 0; bounds a product by its response time.
    energy_wh_up, energy_wh_down : FloatArray or None
        Shape (n,), Wh >= 0 that all products of a direction share over their durations.
    running_w_min : FloatArray or None
        Shape (n,), W >= 0: least output of a unit that is on; 0 for what has none. Such a
        unit gives nothing or at least this. One upward product only.
    running_jpy_per_h : FloatArray or None
        Shape (n,), JPY/h >= 0 that a unit costs while it is on.
    resource_id : tuple of str or None
        Names of the rows; must be unique.
    """

    price_jpy_per_kwh: FloatArray
    steepness_jpy_per_kwh_w: FloatArray
    power_w_min: FloatArray
    power_w_max: FloatArray
    delivery: FloatArray | None = None
    headroom_w_up: FloatArray | None = None
    headroom_w_down: FloatArray | None = None
    ramp_w_per_s: FloatArray | None = None
    energy_wh_up: FloatArray | None = None
    energy_wh_down: FloatArray | None = None
    running_w_min: FloatArray | None = None
    running_jpy_per_h: FloatArray | None = None
    resource_id: tuple[str, ...] | None = None

    @property
    def rows(self) -> int:
        """How many resources."""
        return int(np.asarray(self.power_w_max).shape[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What is to be delivered.

    Attributes
    ----------
    name : str
        In messages.
    required_w : float
        W in the generator frame: negative for downward power.
    shortage_jpy_per_kwh : float
        Price cap, > 0: no W is bought above it, what is then missing is the shortfall. The
        product with the higher cap is served first. May be infinite for a single product.
    direction : Direction
        With several products each goes one way.
    response_s : float or None
        Time in which the power must be reached; bounds it by the ramp.
    duration_s : float
        How long the power is kept up; 0: no energy is needed.
    """

    name: str
    required_w: float
    shortage_jpy_per_kwh: float
    direction: Direction = Direction.UP
    response_s: float | None = None
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCaps:
    """Bounds of the sums of groups, in the order of the groups.

    Attributes
    ----------
    power_w_min, power_w_max : FloatArray
        Shape (k,), W; infinite where there is none. With several products the upper bound
        holds for the sum of the upward ones, the lower for that of the downward ones.
    """

    power_w_min: FloatArray
    power_w_max: FloatArray


def real_column(name: str, values: FloatArray, rows: int) -> FloatArray:
    """Check the shape of a column and make it contiguous float64.

    Raises
    ------
    AllocationInputError
        If it has another length.
    """
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.shape != (rows,):
        raise AllocationInputError(f"{name}: shape {array.shape}, but {rows} resources")
    return array


def refuse_rows(name: str, wrong: np.ndarray[tuple[int], np.dtype[np.bool_]], what: str) -> None:
    """Name the first rows that are wrong.

    Raises
    ------
    AllocationInputError
        If there is one.
    """
    if wrong.any():
        rows = np.flatnonzero(wrong)
        named = ", ".join(str(row) for row in rows[:_NAMED_MAX])
        more = "" if len(rows) <= _NAMED_MAX else f" and {len(rows) - _NAMED_MAX} more"
        raise AllocationInputError(f"{name}: {what} in row {named}{more}")


def finite_column(name: str, values: FloatArray, rows: int) -> FloatArray:
    """Check that a column holds plausible finite numbers that are not negative.

    Raises
    ------
    AllocationInputError
        If it does not.
    """
    column = ranged_column(name, values, rows)
    if column.least < 0.0:
        refuse_rows(name, column.values < 0.0, "a negative number")
    return column.values


@dataclass(frozen=True, slots=True, kw_only=True)
class RangedColumn:
    """A checked column with its least and greatest number; 0 if it is empty."""

    values: FloatArray
    least: float
    most: float

    def turned(self) -> "RangedColumn":
        """Give it the other sign."""
        return RangedColumn(values=-self.values, least=-self.most, most=-self.least)


def ranged_column(name: str, values: FloatArray, rows: int) -> RangedColumn:
    """Check that a column holds plausible finite numbers, and remember how far they go.

    Raises
    ------
    AllocationInputError
        If it does not.
    """
    array = real_column(name, values, rows)
    if not rows:
        return RangedColumn(values=array, least=0.0, most=0.0)
    least, most = float(array.min()), float(array.max())
    if not (least >= -MAGNITUDE_MAX and most <= MAGNITUDE_MAX):
        refuse_rows(name, ~(np.abs(array) <= MAGNITUDE_MAX), "no plausible finite number")
    return RangedColumn(values=array, least=least, most=most)


def check_product(product: Product) -> None:
    """Refuse a product that cannot be meant.

    Raises
    ------
    AllocationInputError
        If a number of it is not sound.
    """
    if not abs(product.required_w) <= MAGNITUDE_MAX:
        raise AllocationInputError(f"product {product.name}: required {product.required_w} W")
    if not product.shortage_jpy_per_kwh > 0.0:
        raise AllocationInputError(f"product {product.name}: the price cap must be above zero")
    if not 0.0 <= product.duration_s <= MAGNITUDE_MAX:
        raise AllocationInputError(f"product {product.name}: duration {product.duration_s} s")
    if product.response_s is not None and not 0.0 <= product.response_s <= MAGNITUDE_MAX:
        raise AllocationInputError(f"product {product.name}: response {product.response_s} s")


def check_ids(fleet: FleetColumns) -> None:
    """Refuse a resource that comes twice.

    Raises
    ------
    AllocationInputError
        If one does, or there are more or fewer ids than rows.
    """
    ids = fleet.resource_id
    if ids is None:
        return
    if len(ids) != fleet.rows:
        raise AllocationInputError(f"resource_id: {len(ids)} ids for {fleet.rows} resources")
    if len(set(ids)) != len(ids):
        seen: set[str] = set()
        twice = next(name for name in ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise AllocationInputError(f"resource_id: {twice!r} comes twice")


def broadcast(values: FloatArray, products: Sequence[int]) -> list[FloatArray]:
    """One column per product: rows of a (p, n) array, or the same (n,) for each.

    Parameters
    ----------
    values : FloatArray
        Shape (n,) or (p, n).
    products : sequence of int
        Which of the p.

    Raises
    ------
    AllocationInputError
        If there are fewer rows.
    """
    array = np.asarray(values)
    if array.ndim < 2:  # noqa: PLR2004  one column for all
        return [array] * len(products)
    if max(products) >= len(array):
        raise AllocationInputError(f"a column of {len(array)} products, not {max(products) + 1}")
    return [array[p] for p in products]
