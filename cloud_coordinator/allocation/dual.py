"""The dual of several products: what all resources answer to the products' prices.

For given prices of P products every cap of the grid gets its own exact price, from the root
down; what is left is a concave function of P prices with its gradient and curvature. Prices of
held nodes are carried from one look to the next, so that most of them are found at once. Pure.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.allocation.groups import Groups
from cloud_coordinator.allocation.rows import Engine, ProductRows, Question
from cloud_coordinator.allocation.waterfill import NodeCaps, Waterfill
from protocols.vocabulary.arrays import FloatArray, IntArray

SLOPE: Final = 1
VALUE: Final = 2
PRODUCTS: Final = 3
"""Columns of a leaf's facts, after its sum; from the last on P delivered powers, P cross slopes,
the square."""
EXACT_NODES: Final = 4e-13
ROUGH_NODES: Final = 1e-6
"""Tolerance of nodes' sums, relative to their resources' magnitudes: in the end, in a sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The dual at some prices.

    Attributes
    ----------
    price : FloatArray
        Shape (P,), of the products.
    node_price : FloatArray
        Shape (nodes,), own price of each node; 0 at node 0.
    state : IntArray
        Shape (nodes,), 1 held at its highest sum, -1 at its lowest, else 0.
    facts : FloatArray
        Shape (nodes, ...), of each node.
    value : float
        Of the dual function: no answer costs less.
    missing : FloatArray
        Shape (P,), required less delivered; the dual's gradient.
    curvature : FloatArray
        Shape (P, P), how fast delivery follows the prices.
    """

    price: FloatArray
    node_price: FloatArray
    state: IntArray
    facts: FloatArray
    value: float
    missing: FloatArray
    curvature: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the dual is a function of: everything but the prices.

    Attributes
    ----------
    groups : Groups
        The grid.
    engine : Engine
        That made the rows.
    rows : ProductRows
        The resources.
    caps : NodeCaps
        Of the nodes.
    required : FloatArray
        Shape (P,), W.
    which : IntArray
        The leaves that count; others give nothing.
    cost_max, delivery_max : float
        No marginal cost within the bounds is further from zero, and no factor larger.
    exact : float
        Tolerance of nodes' sums, relative to their resources' magnitudes.
    """

    groups: Groups
    engine: Engine
    rows: ProductRows
    caps: NodeCaps
    required: FloatArray
    which: IntArray
    cost_max: float
    delivery_max: float
    exact: float = EXACT_NODES


class Dual:
    """The dual function of a scene.

    Parameters
    ----------
    scene : Scene
        What it is a function of.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        groups = scene.groups
        self.looks = 0
        self._products = len(scene.required)
        self._node = groups.leaves[scene.which]
        is_leaf = np.zeros(groups.nodes, dtype=bool)
        is_leaf[groups.leaves] = True
        self._upper = [level.nodes[~is_leaf[level.nodes]] for level in groups.levels]
        caps = scene.caps
        self._tolerance = scene.exact * caps.size
        self._leaf_caps = np.stack(
            [caps.low[self._node], caps.high[self._node], self._tolerance[self._node]], axis=1
        )
        self._place = np.full(len(groups.leaves), -1, dtype=np.int64)
        self._place[scene.which] = np.arange(len(scene.which))
        rows, columns = np.triu_indices(self._products)
        self._square = np.empty((self._products, self._products), dtype=np.int64)
        self._square[rows, columns] = self._square[columns, rows] = np.arange(len(rows))

    def look(self, price: FloatArray, before: Look | None) -> Look:
        """Evaluate the dual.

        Parameters
        ----------
        price : FloatArray
            Shape (P,), of the products.
        before : Look or None
            An earlier look to begin from.
        """
        self.looks += 1
        groups = self._scene.groups
        node_price, state = self._predicted(price, before)
        reach = 1.001 * float(np.abs(price).max()) * self._scene.delivery_max + self._scene.cost_max
        asked = Question(which=self._scene.which, price=price, reach=reach or 1.0)
        incoming = node_price[groups.parent[self._node]]
        own, leaf_state, out = self._scene.rows.respond(
            asked, -incoming, caps=self._leaf_caps, nu=-node_price[self._node]
        )
        answers = _Answers(price=-own, state=leaf_state, facts=out, incoming=incoming)
        if any(len(nodes) for nodes in self._upper):
            self._place_upper(asked, answers, node_price=node_price, state=state)
        node_price[self._node] = answers.price
        state[self._node] = answers.state
        facts = np.zeros((groups.nodes, answers.facts.shape[1]))
        facts[self._node] = answers.facts
        self._scene.engine.fold_up(groups, state, facts=facts, products=self._products)
        return self._seen(price, node_price=node_price, state=state, facts=facts)

    def _seen(
        self, price: FloatArray, *, node_price: FloatArray, state: IntArray, facts: FloatArray
    ) -> Look:
        caps, count = self._scene.caps, self._products
        held = np.flatnonzero(state)
        own = node_price[self._scene.groups.parent[held]] - node_price[held]
        bound = np.where(state[held] > 0, caps.high[held], caps.low[held])
        missing = self._scene.required - facts[0, PRODUCTS : PRODUCTS + count]
        value = facts[0, VALUE] + price @ self._scene.required - own @ bound
        return Look(
            price=price,
            node_price=node_price,
            state=state,
            facts=facts,
            value=float(value),
            missing=missing,
            curvature=facts[0, PRODUCTS + 2 * count :][self._square],
        )

    def _predicted(self, price: FloatArray, before: Look | None) -> tuple[FloatArray, IntArray]:
        """Own prices of held nodes as they would move with the products' prices."""
        groups = self._scene.groups
        node_price, state = np.zeros(groups.nodes), np.zeros(groups.nodes, dtype=np.int64)
        if before is None:
            return node_price, state
        step, count = price - before.price, self._products
        cross = before.facts[:, PRODUCTS + count : PRODUCTS + 2 * count] @ step
        slope = before.facts[:, SLOPE]
        moved = before.node_price - np.divide(
            cross, slope, out=np.zeros(groups.nodes), where=slope > 0.0
        )
        for level in groups.levels:
            nodes = level.nodes
            incoming = node_price[groups.parent[nodes]]
            stays = before.state[nodes] * (incoming - moved[nodes]) > 0.0
            node_price[nodes] = np.where(stays, moved[nodes], incoming)
            state[nodes] = np.where(stays, before.state[nodes], 0)
        return node_price, state

    def _place_upper(
        self, asked: Question, answers: "_Answers", *, node_price: FloatArray, state: IntArray
    ) -> None:
        """Give every node above the leaves its price, and the leaves that follow it theirs."""
        scene, groups = self._scene, self._scene.groups
        fill = Waterfill(
            groups,
            scene.caps,
            engine=scene.engine,
            totals=lambda which, price: self._totals(asked, answers, which=which, price=price),
            span=(-asked.reach, asked.reach),
        )
        fill.loosen(scene.exact)
        first = np.zeros((2, len(groups.leaves)))
        first[:, scene.which] = answers.facts[:, :2].T
        first[:, scene.which] = self._at_caps(answers.state, first[:, scene.which], self._leaf_caps)
        fill.remember(first)
        # A node was judged with the nodes below it at predicted prices; where these were wrong,
        # once more with the right ones.
        for _ in range(len(groups.levels)):
            self._descend(fill, node_price, state)
            if not fill.strays(self._upper, state):
                break
        incoming = node_price[groups.parent[self._node]]
        stays = answers.state * (incoming - answers.price) >= 0.0
        again = np.flatnonzero((incoming != answers.incoming) & ~(stays & (answers.state != 0)))
        if len(again):
            part = Question(which=asked.which[again], price=asked.price, reach=asked.reach)
            own, leaf_state, out = scene.rows.respond(
                part, -incoming[again], caps=self._leaf_caps[again], nu=-incoming[again]
            )
            answers.price[again] = -own
            answers.state[again] = leaf_state
            answers.facts[again] = out

    @staticmethod
    def _at_caps(state: IntArray, found: FloatArray, caps: FloatArray) -> FloatArray:
        """Take sums and slopes of leaves, those that a cap holds exactly there."""
        sums = np.where(state > 0, caps[:, 1], np.where(state < 0, caps[:, 0], found[0]))
        return np.stack([sums, np.where(state == 0, found[1], 0.0)])

    def _descend(self, fill: Waterfill, node_price: FloatArray, state: IntArray) -> None:
        """Put the nodes above the leaves where they belong, from the root down."""
        parent = self._scene.groups.parent
        asked_again = np.zeros(len(parent), dtype=bool)
        for depth, nodes in enumerate(self._upper, start=1):
            if len(nodes):
                above = parent[nodes]
                asked_again[nodes] = asked_again[above]
                state[nodes[asked_again[nodes]]] = 0
                follows = nodes[state[nodes] == 0]
                node_price[follows] = node_price[parent[follows]]
                again = fill.hold(
                    depth, nodes, incoming=node_price[above], price=node_price, state=state
                )
                asked_again[again] = True

    def _totals(
        self, asked: Question, answers: "_Answers", *, which: IntArray, price: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Add up leaves at other prices; a leaf that its cap holds there is not asked."""
        at = self._place[which]
        sums, slopes = np.zeros(len(which)), np.zeros(len(which))
        counts = at >= 0
        held = counts & (answers.state[at] != 0)
        held &= answers.state[at] * (price - answers.price[at]) >= 0.0
        sums[held] = np.where(
            answers.state[at[held]] > 0,
            self._leaf_caps[at[held], 1],
            self._leaf_caps[at[held], 0],
        )
        wanted = np.flatnonzero(counts & ~held)
        if len(wanted):
            part = Question(which=which[wanted], price=asked.price, reach=asked.reach)
            sums[wanted], slopes[wanted] = self._scene.rows.totals(part, -price[wanted])
        return sums, slopes


@dataclass(slots=True, kw_only=True)
class _Answers:
    """What the leaves answered: own price, state, facts, and the price they were asked at."""

    price: FloatArray
    state: IntArray
    facts: FloatArray
    incoming: FloatArray
