"""The allocation's answer: powers, prices, what holds them, what was relaxed, and the proof."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud_coordinator.allocation.dual import Look
from cloud_coordinator.allocation.problem import Direction, FleetColumns, Product, broadcast
from protocols.vocabulary.arrays import FloatArray

AT_LIMIT: Final = 1e-9
"""Powers this close, relative to the larger bound, are at it."""


class Binding(IntEnum):
    """What keeps a power from following the price."""

    NOTHING = 0
    LEAST_POWER = 1
    MOST_POWER = 2
    RAMP = 3
    ENERGY = 4
    HEADROOM = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxed:
    """A limit that had to give way.

    Attributes
    ----------
    limit : str
        Its name.
    amount_w : float
        By how much, > 0.
    """

    limit: str
    amount_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Who delivers how much of P products.

    Attributes
    ----------
    power_w : FloatArray
        Shape (P, n), W in the generator frame, in the caller's order.
    multiplier_jpy_per_kwh : FloatArray
        Shape (P,), of the last W delivered.
    group_multiplier_jpy_per_kwh : FloatArray
        Shape (2, k): what one more W of a group's upper, and one less of its lower, cap is worth.
    delivered_w, shortfall_w, residual_w : FloatArray
        Shape (P,): what arrives; what of the requirement does not (negative: too much that
        cannot be avoided); and what is left of the equation, by rounding.
    relaxed : tuple of Relaxed
        Limits that had to give way, the strongest first.
    cost_jpy_per_h : float
        Of all powers.
    gap_jpy_per_h, relative_gap : float
        How far that is at most above the best answer, shortage counted at its price; and
        relative to the cost.
    looks : int
        How often the dual was looked at.
    engine : str
        What did the rows.
    prices : mapping
        Per direction, to begin the next allocation from.
    """

    power_w: FloatArray
    multiplier_jpy_per_kwh: FloatArray
    group_multiplier_jpy_per_kwh: FloatArray
    delivered_w: FloatArray
    shortfall_w: FloatArray
    residual_w: FloatArray
    relaxed: tuple[Relaxed, ...]
    cost_jpy_per_h: float
    gap_jpy_per_h: float
    relative_gap: float
    looks: int
    engine: str
    prices: Mapping[Direction, Look]


def binding(
    fleet: FleetColumns, products: tuple[Product, ...], allocation: Allocation
) -> npt.NDArray[np.uint8]:
    """Say what binds each resource for each product.

    Returns
    -------
    ndarray of uint8
        Shape (P, n), values of :class:`Binding`; shared limits go before the product's own.
    """
    power = np.abs(allocation.power_w)
    found = np.zeros(power.shape, dtype=np.uint8)
    lows = broadcast(fleet.power_w_min, range(len(products)))
    highs = broadcast(fleet.power_w_max, range(len(products)))
    for p, product in enumerate(products):
        x = allocation.power_w[p]
        scale = AT_LIMIT * np.maximum(np.abs(lows[p]), np.abs(highs[p]))
        found[p][x <= lows[p] + scale] = Binding.LEAST_POWER
        found[p][x >= highs[p] - scale] = Binding.MOST_POWER
        if fleet.ramp_w_per_s is not None and product.response_s is not None:
            reach = fleet.ramp_w_per_s * product.response_s
            found[p][power[p] >= reach * (1.0 - AT_LIMIT)] = Binding.RAMP
    for direction in Direction:
        chosen = [p for p, product in enumerate(products) if product.direction is direction]
        if not chosen:
            continue
        hours = np.array([products[p].duration_s for p in chosen]) / 3600.0
        up = direction is Direction.UP
        energy = fleet.energy_wh_up if up else fleet.energy_wh_down
        head = fleet.headroom_w_up if up else fleet.headroom_w_down
        for limit, weight, kind in (
            (energy, hours, Binding.ENERGY),
            (head, np.ones(len(chosen)), Binding.HEADROOM),
        ):
            if limit is not None and weight.any():
                tight = weight @ power[chosen] >= np.asarray(limit) * (1.0 - AT_LIMIT)
                for p in chosen:
                    found[p][tight & (power[p] > 0.0)] = kind
    return found
