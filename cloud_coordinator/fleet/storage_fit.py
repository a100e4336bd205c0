"""What one event shows of a battery: its efficiency and what its cycles wear. Pure.

Notes
-----
Half cycles by the rainflow count (ASTM E1049-85, 5.4.4), on turning points of the state of
charge. The wear of a cycle by its depth: Xu, Shi, Kirschen and Zhang (2018), Factoring the
cycle aging cost of batteries participating in electricity markets.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from cloud_coordinator.fleet.characteristics import BatteryWear
from protocols.vocabulary.arrays import FloatArray

TURN_MIN: Final = 0.002
"""Change of the state of charge below which there is no turn."""
MOVED_MIN: Final = 0.02
"""Throughput, in parts of the capacity, that tells an efficiency."""
FOLLOWED_MIN: Final = 0.5
"""Part of the energy's swing that the state of charge must show; else it does not measure."""
EFFICIENCY_MIN: Final = 0.5
_HALF: Final = 0.5


def round_trip_efficiency(
    power_w: FloatArray, soc: FloatArray, *, capacity_wh: float
) -> float | None:
    """Efficiency of both ways together, from energy and state of charge.

    Parameters
    ----------
    power_w, soc : FloatArray
        Shape (t,), second by second, W toward the grid and 0 ... 1; NaN where not believed.
    capacity_wh : float
        Usable energy, Wh.

    Returns
    -------
    float or None
        None where the event does not tell, or tells something no battery does.

    Notes
    -----
    With the same loss on both ways, stored = e * into - out / e, solved for e.
    """
    known = np.isfinite(power_w) & np.isfinite(soc)
    if known.sum() < 2 or not capacity_wh > 0.0:  # noqa: PLR2004  a change needs two
        return None
    at = np.flatnonzero(known)
    power_w, soc = power_w[at], soc[at]
    passed_s = np.diff(at)
    energy_wh = 0.5 * (power_w[1:] + power_w[:-1]) * passed_s / 3600.0
    out_wh = float(energy_wh[energy_wh > 0.0].sum())
    in_wh = -float(energy_wh[energy_wh < 0.0].sum())
    stored_wh = float(soc[-1] - soc[0]) * capacity_wh
    followed = float(np.ptp(soc)) * capacity_wh >= FOLLOWED_MIN * float(np.ptp(energy_wh.cumsum()))
    if out_wh + in_wh < MOVED_MIN * capacity_wh or not followed:
        return None
    root = math.sqrt(stored_wh**2 + 4.0 * in_wh * out_wh)
    one_way = (stored_wh + root) / (2.0 * in_wh) if stored_wh >= 0.0 and in_wh > 0.0 else None
    if one_way is None:
        below = root - stored_wh
        one_way = 2.0 * out_wh / below if below > 0.0 else None
    if one_way is None:
        return None
    both = one_way**2
    return both if EFFICIENCY_MIN <= both <= 1.0 else None


def turning_points(soc: FloatArray) -> list[float]:
    """Find ends and turns of a state of charge, 0 ... 1, without those below ``TURN_MIN``."""
    known = soc[np.isfinite(soc)]
    if len(known) == 0:
        return []
    points = [float(known[0])]
    extreme = points[0]
    rising: bool | None = None
    for value in known.tolist():
        if rising is None:
            if abs(value - points[0]) >= TURN_MIN:
                rising, extreme = value > points[0], value
        elif (value > extreme) == rising and value != extreme:
            extreme = value
        elif abs(value - extreme) >= TURN_MIN:
            points.append(extreme)
            rising, extreme = not rising, value
    if rising is not None:
        points.append(extreme)
    return points


def half_cycles(points: Sequence[float]) -> list[tuple[float, float]]:
    """Count the cycles between turning points: depth, and 0.5 or 1 of a cycle."""
    found: list[tuple[float, float]] = []
    stack: list[float] = []
    for point in points:
        stack.append(point)
        while len(stack) >= 3:  # noqa: PLR2004  two ranges are compared
            latest, before = abs(stack[-1] - stack[-2]), abs(stack[-2] - stack[-3])
            if latest < before:
                break
            if len(stack) == 3:  # noqa: PLR2004  the former range holds the start
                found.append((before, _HALF))
                del stack[0]
            else:
                found.append((before, 1.0))
                del stack[-3:-1]
    found += [(abs(b - a), _HALF) for a, b in itertools.pairwise(stack)]
    return found


def wear_jpy_per_kwh(soc: FloatArray, wear: BatteryWear) -> float | None:
    """Wear of an event's cycles per kWh that passed; None if nothing passed.

    Parameters
    ----------
    soc : FloatArray
        Shape (t,), 0 ... 1; NaN where not believed.
    wear : BatteryWear
        Of the kind of battery.
    """
    cycles = [(depth, count) for depth, count in half_cycles(turning_points(soc)) if depth > 0.0]
    passed = sum(2.0 * count * depth for depth, count in cycles)
    if passed < TURN_MIN:
        return None
    cost = sum(2.0 * count * depth * wear.jpy_per_kwh(depth) for depth, count in cycles)
    return cost / passed
