"""The last digits of a sum: shared among the rows whose price hardly rises.

Where many rows cost the same, one step of the price's last digit moves them all by more than
the sum's rounding. What is then missing at a node is given to the free rows that it governs, in
proportion to how far they move: the same answer as with a finer price. Pure.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cloud_coordinator.allocation.groups import Groups
from cloud_coordinator.allocation.rows import PriceColumns, PriceProof, PriceRows
from cloud_coordinator.allocation.waterfill import NodeCaps
from protocols.vocabulary.arrays import FloatArray, IntArray

MISSING: Final = 1e-12
"""Of a node's size: less is not worth a pass."""
ROUNDS_MAX: Final = 3
FLAT: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Where the search ended.

    Attributes
    ----------
    groups : Groups
        The grid.
    caps : NodeCaps
        Of its nodes.
    price : FloatArray
        Shape (nodes,); a node whose price is not its parent's is held by a cap.
    demand, price_cap : float
        W at node 0, and the price at which it may miss some of them.
    """

    groups: Groups
    caps: NodeCaps
    price: FloatArray
    demand: float
    price_cap: float


def settled(rows: PriceRows, where: Settled, answers: FloatArray) -> PriceProof:
    """Powers at the answers, summing to what is required and to the caps that hold.

    Parameters
    ----------
    rows : PriceRows
        The resources.
    where : Settled
        Where the search ended.
    answers : FloatArray
        Shape (m, 3), of all leaves.
    """
    proof = rows.proof(answers)
    governor, target = _governors(where)
    zone = governor[where.groups.leaves]
    for _ in range(ROUNDS_MAX):
        found = np.bincount(zone, weights=proof.sums, minlength=where.groups.nodes)
        missing = target - found
        if abs(float(where.price[0])) >= where.price_cap:
            missing[0] = 0.0
        if not (np.abs(missing) > MISSING * where.caps.size).any():
            break
        proof = _moved(rows, proof, zone=zone, missing=missing, price=answers[:, 0])
    return proof


def _governors(where: Settled) -> tuple[IntArray, FloatArray]:
    """Find the node whose price each node has, and what its own rows have to sum to."""
    groups, caps, price = where.groups, where.caps, where.price
    governor = np.arange(groups.nodes)
    target = np.zeros(groups.nodes)
    target[0] = min(max(where.demand, float(caps.reach_low[0])), float(caps.reach_high[0]))
    for level in groups.levels:
        nodes = level.nodes
        above = groups.parent[nodes]
        held = price[nodes] != price[above]
        governor[nodes] = np.where(held, nodes, governor[above])
        own = np.where(price[nodes] < price[above], caps.high[nodes], caps.low[nodes])[held]
        target[nodes[held]] += own
        np.subtract.at(target, governor[above[held]], own)
    return governor, target


def _moved(
    rows: PriceRows, proof: PriceProof, *, zone: IntArray, missing: FloatArray, price: FloatArray
) -> PriceProof:
    """Move free rows so that their zones miss nothing, as far as their bounds let them."""
    columns: PriceColumns = rows.columns
    counts = np.diff(columns.starts)
    row_zone, row_price = np.repeat(zone, counts), np.repeat(price, counts)
    x, span = proof.power, columns.high - columns.low
    least = FLAT * float(np.abs(rows.facts[:, 3:5]).max())
    rise = np.maximum(columns.q * span, least)
    free = (x > columns.low) & (x < columns.high)
    weight = np.divide(span**2, rise, out=np.zeros_like(x), where=free & (rise > 0.0))
    total = np.bincount(row_zone, weights=weight, minlength=len(missing))
    step = np.divide(missing, total, out=np.zeros_like(total), where=total > 0.0)
    power = np.minimum(np.maximum(x + step[row_zone] * weight, columns.low), columns.high)
    marginal = columns.q * power
    over = columns.c + marginal - row_price
    gap = np.maximum(over, 0.0) @ (power - columns.low)
    gap += np.maximum(-over, 0.0) @ (columns.high - power)
    return replace(
        proof,
        power=power,
        sums=np.add.reduceat(power, columns.starts[:-1]),
        cost=float(power @ columns.c + 0.5 * (power @ marginal)),
        gap=float(gap),
    )
