"""The law of many sites as a mixture over what is out: causes, and the largest units.

Each combination of the enumerated causes is a case; in it the other causes lose power on a grid,
the enumerated units are on or off, and all else is described by four cumulants. Pure; called by
``reliability``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud_coordinator.allocation.cumulants import cumulants
from cloud_coordinator.allocation.promise import Promise, SharedOutage
from protocols.vocabulary.arrays import FloatArray, IntArray

GRID_CAUSES: Final = 128
"""Causes beyond the enumerated ones that are added up on a grid."""
LOSS_GRID: Final = 1 << 12
ROUND_UP: Final = 1e-9
"""Part of a cell that rounding may add, so that a whole number of cells stays whole."""
UNLIKELY: Final = 1e-10
"""Combinations less likely than this count as not delivered."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Some of the enumerated causes are out.

    Attributes
    ----------
    weight : float
        Its probability.
    down : ndarray of bool
        Shape (u,), enumerated units that it takes down.
    total : FloatArray
        Shape (4,), cumulants of all the rest while no other cause is out.
    chance, lost_w : FloatArray
        Shape (k,), what the other causes take away, and how probable each is.
    """

    weight: float
    down: Mask
    total: FloatArray
    chance: FloatArray
    lost_w: FloatArray


def cases(
    promise: Promise,
    causes: Sequence[SharedOutage],
    small: Sequence[SharedOutage],
    *,
    units: IntArray,
) -> list[Case]:
    """Describe all but some units, for each combination of causes.

    Sites are added up by which of the causes hit them, once; a combination then leaves out sums.
    Of the other causes the largest are added up on a grid that rounds their loss up, for a
    handful of them is no bell; what is left adds to the cumulants.
    """
    code = np.zeros(len(promise.power_w), dtype=np.int64)
    for bit, cause in enumerate(causes):
        code[cause.members] |= 1 << bit
    places = 1 << len(causes)
    used = np.flatnonzero(np.bincount(code, minlength=places))
    rest_w = promise.power_w.copy()
    rest_w[units] = 0.0
    sums = np.stack(
        [
            np.bincount(code, column, minlength=places)[used]
            for column in cumulants(rest_w, promise.reliability)
        ]
    )
    mean_w = rest_w * promise.reliability
    sizes_w = np.array(
        [
            np.bincount(code[one.members], mean_w[one.members], minlength=places)[used]
            for one in small
        ]
    ).reshape(len(small), len(used))
    out = np.array([one.outage_probability for one in small])
    order = np.argsort(-out * sizes_w.sum(axis=1) ** 3, kind="stable")
    found = []
    for weight, down in _combinations(causes):
        spared = used & down == 0
        total = sums[:, spared].sum(axis=1)
        size_w = sizes_w[:, spared].sum(axis=1)
        many = order[GRID_CAUSES:]
        total += cumulants(size_w[many], 1.0 - out[many]).sum(axis=1)
        total[0] -= size_w[many].sum()
        few = order[:GRID_CAUSES]
        chance, lost_w = _lost(size_w[few], out[few], least=UNLIKELY / weight)
        hit = (code[units] & down) > 0
        found.append(Case(weight=weight, down=hit, total=total, chance=chance, lost_w=lost_w))
    return found


def _lost(size_w: FloatArray, out: FloatArray, *, least: float) -> tuple[FloatArray, FloatArray]:
    """Add up what causes take away; what is not likelier than ``least`` counts as missing."""
    likely = (out > least) & (size_w > 0.0)
    rest = float(np.prod(1.0 - out[~likely & (size_w > 0.0)]))
    size_w, out = size_w[likely], out[likely]
    if not len(out):
        return np.full(1, rest), np.zeros(1)
    cell_w = float(size_w.sum()) / LOSS_GRID
    cells = np.ceil(size_w / cell_w * (1.0 - ROUND_UP)).astype(np.int64)
    law = np.zeros(LOSS_GRID + len(cells) + 1)
    law[0] = rest
    for size, chance in zip(cells.tolist(), out.tolist(), strict=True):
        moved = law * (1.0 - chance)
        moved[size:] += chance * law[: len(law) - size]
        law = moved
    at = np.flatnonzero(law > least)
    return law[at], np.asarray(at * cell_w, dtype=np.float64)


def _combinations(causes: Sequence[SharedOutage]) -> list[tuple[float, int]]:
    """Probability of each combination of causes, and a bit for each that is out."""
    found = [(1.0, 0)]
    for bit, cause in enumerate(causes):
        out = cause.outage_probability
        found = [
            (weight * chance, down | hit)
            for weight, down in found
            for chance, hit in ((1.0 - out, 0), (out, 1 << bit))
            if not hit or weight * chance > UNLIKELY
        ]
    return found


def conditional(promise: Promise, units: IntArray, case: Case) -> FloatArray:
    """Mixture of the units' combinations while some causes are out, rows as in the law."""
    power_w = np.where(case.down, 0.0, promise.power_w[units])
    parts = np.array(_switched(power_w, promise.reliability[units]))
    weight = case.weight * parts[:, :1] * case.chance
    kept = weight > UNLIKELY
    mean, variance, third, fourth = case.total.tolist()
    deviation = math.sqrt(max(variance, 0.0))
    shape = (0.0, 0.0)
    if deviation > 0.0:
        shape = (third / deviation**3, fourth / deviation**4)
    columns = np.empty((6, int(kept.sum())))
    columns[0] = weight[kept]
    columns[1] = np.broadcast_to(parts[:, 1:], weight.shape)[kept]
    columns[2] = np.broadcast_to(mean - case.lost_w, weight.shape)[kept]
    columns[3:] = np.array([deviation, *shape])[:, None]
    return columns


def _switched(power: FloatArray, up: FloatArray) -> list[tuple[float, float]]:
    """Probability and power of each combination of units."""
    found = [(1.0, 0.0)]
    for size, chance in zip(power.tolist(), up.tolist(), strict=True):
        found = [
            (part * own, fixed + extra)
            for part, fixed in found
            for own, extra in ((chance, size), (1.0 - chance, 0.0))
            if part * own > UNLIKELY
        ]
    return found
