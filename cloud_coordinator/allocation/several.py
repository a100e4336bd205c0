"""Several products of one direction, from sorted columns to a certified answer.

Lays out the rows, starts from a sample, and where many rows have a flat price approaches the
answer over less flat ones. Pure. Called by :mod:`cloud_coordinator.allocation.allocate`.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cloud_coordinator.allocation.balance import ROUNDING, Answer, node_sums
from cloud_coordinator.allocation.dual import Dual, Look, Scene
from cloud_coordinator.allocation.groups import Groups
from cloud_coordinator.allocation.products import (
    FLATNESS,
    LOOKS_FEW,
    LOOKS_MAX,
    ROUGH,
    Goal,
    sampled,
    search,
)
from cloud_coordinator.allocation.rows import (
    Engine,
    ProductColumns,
    ProductRows,
    ProductSurvey,
)
from cloud_coordinator.allocation.waterfill import NodeCaps, reachable_caps
from protocols.vocabulary.arrays import FloatArray

SAMPLE_SHARE_MIN: Final = 1e-3
"""A product of which less than this part of what is possible is required is measured at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """P products of one direction, turned upward.

    Attributes
    ----------
    columns : ProductColumns
        Sorted by leaf; q >= 0.
    required, price_cap : FloatArray
        Shape (P,).
    low, high : FloatArray
        Shape (nodes,), caps.
    """

    columns: ProductColumns
    required: FloatArray
    price_cap: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """What stays while rows are laid out more or less flat."""

    groups: Groups
    bundle: Bundle
    engine: Engine
    caps: NodeCaps
    facts: ProductSurvey

    def scene(self, rows: ProductRows) -> Scene:
        """Put rows on the grid."""
        return Scene(
            groups=self.groups,
            engine=self.engine,
            rows=rows,
            caps=self.caps,
            required=self.bundle.required,
            which=np.arange(len(self.groups.leaves)),
            cost_max=2.0 * (self.facts.cost_max or 1.0),
            delivery_max=self.facts.delivery_max,
        )


def deliver(
    groups: Groups, bundle: Bundle, *, engine: Engine, before: Look | None
) -> tuple[Answer, Look]:
    """Find the cheapest powers for several products.

    Parameters
    ----------
    groups : Groups
        The grid.
    bundle : Bundle
        What there is and what is required.
    engine : Engine
        That does the rows.
    before : Look or None
        Prices of an earlier answer on the same grid.

    Returns
    -------
    tuple
        The answer, and its prices to begin the next one from.
    """
    columns = bundle.columns
    rows = engine.product_rows(columns)
    facts = rows.survey
    cost_max = facts.cost_max or 1.0
    caps = reachable_caps(groups, low=bundle.low, high=bundle.high, leaves=facts.leaves)
    stage = _Stage(groups=groups, bundle=bundle, engine=engine, caps=caps, facts=facts)
    flat = facts.rise_min < FLATNESS[-1] * cost_max
    if flat:
        columns = _steep(columns, FLATNESS[-1] * cost_max)
        rows = engine.product_rows(columns)
    scene, goal = stage.scene(rows), _goal(rows, bundle)
    looks = 0
    if before is None or before.node_price.shape != (groups.nodes,):
        before, looks = _first(scene, goal, facts.capacity)
    limit = replace(goal, looks=LOOKS_FEW if flat else LOOKS_MAX)
    dual = Dual(scene)
    look = search(dual, limit, price=before.price, before=before)
    looks += dual.looks
    if flat and not goal.reached(look):
        for flatness in FLATNESS:
            columns = _steep(bundle.columns, flatness * cost_max)
            rows = engine.product_rows(columns)
            scene, goal = stage.scene(rows), _goal(rows, bundle)
            dual = Dual(scene)
            look = search(dual, goal, price=look.price, before=look)
            looks += dual.looks
    return _answer(scene, bundle, columns=columns, look=look, looks=looks), look


def _steep(columns: ProductColumns, least: float) -> ProductColumns:
    """Columns in which every row's price rises by at least ``least`` from low to high."""
    c, q = [], []
    for p in range(len(columns.c)):
        span = columns.high[p] - columns.low[p]
        still = np.where(columns.q[p] > 0.0, columns.q[p], 1.0)
        wanted = np.divide(least, span, out=still, where=span > 0.0)
        flat = columns.q[p] < wanted
        q.append(np.where(flat, wanted, columns.q[p]))
        c.append(
            np.where(flat, columns.c[p] - (wanted - columns.q[p]) * columns.low[p], columns.c[p])
        )
    return replace(columns, c=c, q=q)


def _goal(rows: ProductRows, bundle: Bundle) -> Goal:
    possible = rows.survey.capacity.sum(axis=0)
    size = np.maximum(np.abs(bundle.required), SAMPLE_SHARE_MIN * np.abs(possible))
    return Goal(
        price_cap=bundle.price_cap,
        bend=rows.survey.bend,
        size=np.where(size > 0.0, size, 1.0),
    )


def _first(scene: Scene, goal: Goal, capacity: FloatArray) -> tuple[Look, int]:
    """Prices to begin with: of a sample where there are many leaves, else of nothing."""
    start = np.minimum(np.full(len(goal.size), 0.25 * scene.cost_max), goal.price_cap)
    sample = sampled(scene, capacity)
    if sample is None:
        dual = Dual(scene)
        return dual.look(start, None), 1
    part = len(sample.which) / len(scene.which)
    rough = replace(
        goal, bend=goal.bend * part, size=goal.size * part, exact=ROUGH, near=ROUGH, looks=LOOKS_FEW
    )
    dual = Dual(sample)
    look = search(dual, rough, price=start, before=None)
    return look, 0


def _answer(
    scene: Scene, bundle: Bundle, *, columns: ProductColumns, look: Look, looks: int
) -> Answer:
    """Powers at the prices, and how far their cost is above what the prices prove."""
    groups = scene.groups
    found = scene.rows.powers(look.price, -look.node_price[groups.leaves])
    true, delivered = bundle.columns, found.delivered
    cost, slack = found.cost, 0.0
    for p, x in enumerate(found.power):
        if columns.q[p] is true.q[p]:
            continue
        more_c, more_q = columns.c[p] - true.c[p], columns.q[p] - true.q[p]
        cost -= float((x * (more_c + 0.5 * more_q * x)).sum())
        slack += float(((x - true.low[p]) * (true.high[p] - x) * more_q).sum())
    missing = bundle.required - delivered
    rounding = np.abs(missing) <= ROUNDING * (np.abs(bundle.required) + found.sums.sum())
    worth = np.where(rounding, np.abs(look.price), bundle.price_cap)
    shortage = float(worth @ np.abs(missing))
    return Answer(
        power=found.power,
        price=look.price,
        node_price=look.node_price,
        sums=node_sums(groups, found.sums),
        caps=scene.caps,
        delivered=delivered,
        cost=cost,
        gap=found.cost + shortage - look.value + slack,
        rounds=looks,
    )
