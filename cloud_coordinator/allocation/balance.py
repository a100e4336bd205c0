"""One product: the price at which everything, under the caps of nested groups, sums up.

Pure. Called by :mod:`cloud_coordinator.allocation.allocate`, which turns the caller's columns
into sorted ones and this answer back.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.allocation.groups import Groups
from cloud_coordinator.allocation.last_digits import Settled, settled
from cloud_coordinator.allocation.rows import Engine, PriceProof, PriceRows
from cloud_coordinator.allocation.waterfill import NodeCaps, Waterfill, reachable_caps
from protocols.vocabulary.arrays import FloatArray

NODES_OF_ONE: Final = 2
"""Node 0 and one leaf: a grid without groups."""
STEPS_MAX: Final = 4
EXACT: Final = 2e-11
"""Of the sum, relative to the fleet's size."""
ROUNDING: Final = 1e-9
"""What is missing relative to the fleet's size, and is only rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What node 0 has to sum to.

    Attributes
    ----------
    required : float
        W.
    price_cap : float
        No more is paid for the last W, and no less than its negative.
    """

    required: float
    price_cap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Sorted powers with what proves them.

    Attributes
    ----------
    power : FloatArray
        Shape (P, n), sorted by leaf.
    price : FloatArray
        Shape (P,), of the products.
    node_price : FloatArray
        Shape (nodes,), what a W more or less at the node is worth beside the products' price.
    sums : FloatArray
        Shape (nodes,), sum of each node.
    caps : NodeCaps
        That were kept.
    delivered : FloatArray
        Shape (P,), W.
    cost, gap : float
        In the columns' own unit; the gap includes the shortage's price.
    rounds : int
        How often the dual was looked at.
    """

    power: FloatArray
    price: FloatArray
    node_price: FloatArray
    sums: FloatArray
    caps: NodeCaps
    delivered: FloatArray
    cost: float
    gap: float
    rounds: int


def node_sums(groups: Groups, leaves: FloatArray) -> FloatArray:
    """Plain sums of all nodes from those of the leaves."""
    found = np.zeros(groups.nodes)
    found[groups.leaves] = leaves
    for level in reversed(groups.levels):
        found[level.parents] += np.add.reduceat(found[level.nodes], level.firsts)
    return found


def balance(
    groups: Groups,
    rows: PriceRows,
    *,
    engine: Engine,
    demand: Demand,
    caps: tuple[FloatArray, FloatArray],
) -> Answer:
    """Find the cheapest powers under caps.

    Parameters
    ----------
    groups : Groups
        The grid.
    rows : PriceRows
        Its resources.
    engine : Engine
        That made the rows.
    demand : Demand
        What is required.
    caps : tuple of FloatArray
        Shape (nodes,) each, low and high.

    Returns
    -------
    Answer
        Exact to rounding; short of the demand where caps, bounds or the price cap hold.
    """
    if groups.count == 0 and groups.nodes == NODES_OF_ONE:
        return _one_leaf(groups, rows, demand)
    limits = reachable_caps(groups, low=caps[0], high=caps[1], leaves=rows.facts[:, :3])
    price, answers = _many_leaves(groups, rows, limits, engine=engine, demand=demand)
    proof = settled(
        rows,
        Settled(
            groups=groups,
            caps=limits,
            price=price,
            demand=demand.required,
            price_cap=demand.price_cap,
        ),
        answers,
    )
    return _answered(groups, limits, proof, price=price, demand=demand)


def _answered(
    groups: Groups, limits: NodeCaps, proof: PriceProof, *, price: FloatArray, demand: Demand
) -> Answer:
    sums = node_sums(groups, proof.sums)
    return Answer(
        power=proof.power[None, :],
        price=price[:1].copy(),
        node_price=price - price[0],
        sums=sums,
        caps=limits,
        delivered=sums[:1].copy(),
        cost=proof.cost,
        gap=proof.gap + _gap_of_limits(groups, limits, price=price, sums=sums, demand=demand),
        rounds=1,
    )


def _capped(price: float, demand: Demand, *, missing: float) -> float:
    """Keep the root's price within the cap, and at it where something is missing."""
    cap = demand.price_cap
    if np.isfinite(cap):
        if missing > 0.0:
            return cap
        if missing < 0.0:
            return -cap
    return min(max(price, -cap), cap)


def _one_leaf(groups: Groups, rows: PriceRows, demand: Demand) -> Answer:
    """Everything at one price; the last step is checked by the powers themselves."""
    facts = rows.facts[0]
    least, most, size = facts[:3].tolist()
    target = min(max(demand.required, least), most)
    which, goal = np.zeros(1, dtype=np.int64), np.array([target])
    start, known = np.array([rows.hint]), facts[6:]
    for _ in range(STEPS_MAX):
        answers = rows.roots(which, goal, start=start, known=known, is_checked=True)
        found = float(answers[0, 0])
        price = _capped(found, demand, missing=demand.required - target)
        if price != found:
            answers = np.array([[price, price, 0.0]])
        proof = rows.proof(answers)
        if price != found or abs(float(proof.sums[0]) - target) <= EXACT * size:
            break
        start, known = answers[0, :1], np.array([proof.sums[0], proof.slope])
    missing = demand.required - float(proof.sums[0])
    gap = proof.gap + _gap_of_missing(missing, size=size, price=price, demand=demand)
    sums = np.full(groups.nodes, proof.sums[0])
    return Answer(
        power=proof.power[None, :],
        price=np.array([price]),
        node_price=np.zeros(groups.nodes),
        sums=sums,
        caps=_no_caps(least, most, size),
        delivered=sums[:1],
        cost=proof.cost,
        gap=gap,
        rounds=1,
    )


def _no_caps(least: float, most: float, size: float) -> NodeCaps:
    """Caps of node 0 and its only leaf: none."""
    low, high, reach_low, reach_high, magnitude, nothing = np.array(
        [[one] * NODES_OF_ONE for one in (-np.inf, np.inf, least, most, size, 0.0)]
    )
    return NodeCaps(
        low=low,
        high=high,
        reach_low=reach_low,
        reach_high=reach_high,
        size=magnitude,
        widened_low=nothing,
        widened_high=nothing,
    )


def _many_leaves(
    groups: Groups,
    rows: PriceRows,
    limits: NodeCaps,
    *,
    engine: Engine,
    demand: Demand,
) -> tuple[FloatArray, FloatArray]:
    every = np.arange(len(groups.leaves))
    moves = rows.facts[:, 4] >= rows.facts[:, 3]
    span = (
        float(rows.facts[moves, 3].min(initial=0.0)),
        float(rows.facts[moves, 4].max(initial=0.0)),
    )
    fill = Waterfill(groups, limits, engine=engine, totals=rows.totals, span=span)
    target = min(max(demand.required, float(limits.reach_low[0])), float(limits.reach_high[0]))
    root = np.zeros(1, dtype=np.int64)
    fill.remember(rows.facts[:, 6:].T)
    hint = np.array([rows.hint])
    found = float(fill.settle(0, root, target=np.array([target]), start=hint)[0])
    root_price = _capped(found, demand, missing=demand.required - target)
    if root_price != found:
        fill.ask(every, np.full(len(every), root_price))
    price = fill.descend(np.full(groups.nodes, root_price))
    incoming = price[groups.leaves]
    answers = np.stack([incoming, incoming, np.zeros_like(incoming)], axis=1)
    sums, slopes = rows.totals(every, incoming)
    high, low = limits.high[groups.leaves], limits.low[groups.leaves]
    held = np.flatnonzero((sums > high) | (sums < low))
    if len(held):
        goal = np.where(sums > high, high, low)[held]
        known = np.stack([sums[held], slopes[held]], axis=1)
        answers[held] = rows.roots(held, goal, start=incoming[held], known=known)
        price[groups.leaves] = answers[:, 0]
    return price, answers


def _gap_of_limits(
    groups: Groups, limits: NodeCaps, *, price: FloatArray, sums: FloatArray, demand: Demand
) -> float:
    """Add up what the prices of limits that do not hold exactly add to the gap."""
    own = price[groups.parent[1:]] - price[1:]
    bound = np.where(own > 0.0, limits.high[1:], limits.low[1:])
    slack = np.where(own != 0.0, bound - sums[1:], 0.0)
    missing = demand.required - float(sums[0])
    size, first = float(limits.size[0]), float(price[0])
    return float((own * slack).sum()) + _gap_of_missing(
        missing, size=size, price=first, demand=demand
    )


def _gap_of_missing(missing: float, *, size: float, price: float, demand: Demand) -> float:
    """Count what is missing at the price cap, less what it is worth at the price."""
    if abs(missing) <= ROUNDING * size:
        return 2.0 * abs(price * missing)  # told as residual
    if not np.isfinite(demand.price_cap):
        return 0.0  # as much as can be given is given: the best of what is possible
    return demand.price_cap * abs(missing) - price * missing
