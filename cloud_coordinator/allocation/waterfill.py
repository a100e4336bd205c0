"""Caps on nested groups: sums from the leaves up, prices from the root down.

At one price p for a whole subtree, what a node gives is its children's sum cut to its own
caps, which never falls with p. So a node that its cap holds has one price of its own, found by
Newton inside a bracket, for all nodes of a depth at once. Shared by one product and by
several; pure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.allocation.groups import Groups, add_to_parents
from cloud_coordinator.allocation.rows import Engine
from protocols.vocabulary.arrays import FloatArray, IntArray

ROUNDS_MAX: Final = 200
TOLERANCE: Final = 2e-14
"""Of a node's sum, relative to the sum of its resources' magnitudes."""
GAIN: Final = 0.25
"""Part of what was missing three rounds ago that Newton may leave."""
STRAY: Final = 10.0
"""Tolerances by which a node is beyond doubt not where it belongs."""

Totals = Callable[[IntArray, FloatArray], tuple[FloatArray, FloatArray]]
"""Sum and slope of some leaves at a price each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCaps:
    """Caps that can be kept, by node, and by how much the caller's were widened.

    Attributes
    ----------
    low, high : FloatArray
        Shape (nodes,), W; infinite where there is none.
    reach_low, reach_high : FloatArray
        What each node can give at least and at most.
    size : FloatArray
        Sum of its resources' magnitudes.
    widened_low, widened_high : FloatArray
        W by which a cap had to give way to the resources' own bounds.
    """

    low: FloatArray
    high: FloatArray
    reach_low: FloatArray
    reach_high: FloatArray
    size: FloatArray
    widened_low: FloatArray
    widened_high: FloatArray


def reachable_caps(
    groups: Groups, *, low: FloatArray, high: FloatArray, leaves: FloatArray
) -> NodeCaps:
    """Widen caps that contradict the resources' bounds, from the leaves up.

    Parameters
    ----------
    groups : Groups
        The grid.
    low, high : FloatArray
        Shape (nodes,), the caller's caps.
    leaves : FloatArray
        Shape (m, 3), sum of the lower bounds, of the upper bounds, of the magnitudes.
    """
    sums = np.zeros((groups.nodes, 3))
    sums[groups.leaves] = leaves
    low, high = low.copy(), high.copy()
    widened_low, widened_high = np.zeros(groups.nodes), np.zeros(groups.nodes)
    for level in (*reversed(groups.levels), None):
        nodes = np.zeros(1, dtype=np.int64) if level is None else level.nodes
        least, most = sums[nodes, 0], sums[nodes, 1]
        widened_high[nodes] = np.maximum(least - high[nodes], 0.0)
        widened_low[nodes] = np.maximum(low[nodes] - most, 0.0)
        high[nodes] = np.maximum(high[nodes], least)
        low[nodes] = np.minimum(low[nodes], most)
        sums[nodes, 0] = np.maximum(least, low[nodes])
        sums[nodes, 1] = np.minimum(most, high[nodes])
        if level is not None:
            add_to_parents(level, sums, sums)
    return NodeCaps(
        low=low,
        high=high,
        reach_low=sums[:, 0],
        reach_high=sums[:, 1],
        size=sums[:, 2],
        widened_low=widened_low,
        widened_high=widened_high,
    )


class Waterfill:
    """Prices of the nodes of one grid under caps.

    Parameters
    ----------
    groups : Groups
        The grid.
    caps : NodeCaps
        Its caps.
    engine : Engine
        Adds up.
    totals : callable
        Asks the leaves.
    span : tuple of float
        Prices below and above which nothing moves.
    """

    def __init__(
        self,
        groups: Groups,
        caps: NodeCaps,
        *,
        engine: Engine,
        totals: Totals,
        span: tuple[float, float],
    ) -> None:
        self._engine = engine
        self._groups = groups
        self._caps = caps
        self._totals = totals
        self._span = span
        self._answers = np.zeros((2, len(groups.leaves)))
        self._tolerance = TOLERANCE * caps.size

    def loosen(self, exact: float) -> None:
        """Be content with sums that are exact to this part of their resources' magnitudes."""
        self._tolerance = exact * self._caps.size

    def remember(self, answers: FloatArray) -> None:
        """Take sums and slopes of all leaves, shape (2, m), as if they had been asked."""
        self._answers[:] = answers

    def ask(self, which: IntArray, price: FloatArray) -> None:
        """Ask leaves at a price each and remember what they answer."""
        sums, slopes = self._totals(which, price)
        self._answers[0, which] = sums
        self._answers[1, which] = slopes

    def uncut(self, depth: int) -> FloatArray:
        """Sum and slope of the nodes at a depth before their own caps, as last asked.

        Returns
        -------
        FloatArray
            Shape (2, nodes); nodes at other depths mean nothing.
        """
        found = np.zeros((2, self._groups.nodes))
        found[:, self._groups.leaves] = self._answers
        bounds = (self._caps.low, self._caps.high)
        self._engine.cut_up(self._groups, depth, bounds=bounds, found=found)
        return found

    def settle(
        self,
        depth: int,
        nodes: IntArray,
        *,
        target: FloatArray,
        start: FloatArray,
        span: tuple[FloatArray, FloatArray] | None = None,
    ) -> FloatArray:
        """Find the price of each node at which it sums to a target.

        Parameters
        ----------
        depth : int
            Of the nodes.
        nodes : IntArray
            Shape (k,).
        target, start : FloatArray
            Shape (k,), a sum it can reach; where to begin. The leaves were last asked there.
        span : tuple of FloatArray or None
            Shape (k,) each, where the price lies; None: anywhere.

        Returns
        -------
        FloatArray
            Shape (k,). The leaves were last asked there.
        """
        owner = self._owners(depth, nodes)
        every = (np.full(len(nodes), self._span[0]), np.full(len(nodes), self._span[1]))
        first, last = every if span is None else span
        below, above = first.copy(), last.copy()
        price = np.clip(start, below, above)
        before = np.full(len(nodes), np.inf)
        is_open = np.ones(len(nodes), dtype=bool)
        seen_below, seen_above = np.zeros((2, len(nodes)), dtype=bool)
        for round_number in range(ROUNDS_MAX):
            if round_number > 0 or (price != start).any():
                which = np.flatnonzero((owner >= 0) & is_open[owner])
                self.ask(which, price[owner[which]])
            sums, slopes = self.uncut(depth)[:, nodes]
            missing = target - sums
            is_open &= np.abs(missing) > self._tolerance[nodes]
            less, more = is_open & (missing > 0.0), is_open & (missing < 0.0)
            below, above = np.where(less, price, below), np.where(more, price, above)
            seen_below |= less
            seen_above |= more
            middle = below + 0.5 * (above - below)
            is_open &= (middle > below) & (middle < above)
            if not is_open.any():
                break
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                newton = np.clip(price + missing / slopes, below, above)
            good = ((newton > below) | ~seen_below) & ((newton < above) | ~seen_above)
            good &= slopes > 0.0
            if round_number % 3 == 2:  # noqa: PLR2004  three rounds without much gain: halve it
                good &= np.abs(missing) <= GAIN * before
                before = np.abs(missing)
            price = np.where(is_open, np.where(good, newton, middle), price)
        return price

    def _owners(self, depth: int, nodes: IntArray) -> IntArray:
        """Position in ``nodes`` of what each leaf is below; -1 for others."""
        place = np.full(self._groups.nodes, -1, dtype=np.int64)
        place[nodes] = np.arange(len(nodes))
        return np.asarray(place[self._groups.above[depth]], dtype=np.int64)

    def hold(
        self,
        depth: int,
        nodes: IntArray,
        *,
        incoming: FloatArray,
        price: FloatArray,
        state: IntArray,
    ) -> IntArray:
        """Put nodes where their caps hold them, or at the incoming price.

        Parameters
        ----------
        depth : int
            Of the nodes.
        nodes, incoming : IntArray, FloatArray
            Shape (k,).
        price, state : FloatArray, IntArray
            By node; in: where the leaves were last asked, and which cap was thought to hold;
            out: where they are, and which does.

        Returns
        -------
        IntArray
            Nodes below which all leaves were asked again, at the node's price.
        """
        low, high = self._caps.low[nodes], self._caps.high[nodes]
        slack, held, here = self._tolerance[nodes], state[nodes], price[nodes]
        sums = self.uncut(depth)[0, nodes]
        over, under = sums > high + slack, sums < low - slack
        loose = ((held > 0) & (sums < high - slack)) | ((held < 0) & (sums > low + slack))
        wrong = np.where(held == 0, over | under, np.where(held > 0, over, under) | loose)
        root = np.flatnonzero(wrong)
        touched = nodes[root]
        if len(root):
            side = np.where(held == 0, np.where(over, 1, -1), held)[root]
            # A cap that holds too much lets the price come back, at most to the incoming one.
            back = incoming[root] if loose.any() else here[root]
            rising = loose[root] == (side > 0)
            lowest = np.where(rising, here[root], np.where(loose[root], back, self._span[0]))
            highest = np.where(rising, np.where(loose[root], back, self._span[1]), here[root])
            price[touched] = self.settle(
                depth,
                touched,
                target=np.where(side > 0, high[root], low[root]),
                start=here[root],
                span=(lowest, highest),
            )
            state[touched] = np.where(price[touched] == incoming[root], 0, side)
        return touched

    def strays(self, upper: Sequence[IntArray], state: IntArray) -> bool:
        """Whether a node above the leaves is not where its caps want it.

        Parameters
        ----------
        upper : sequence of IntArray
            Such nodes at each depth from 1 on.
        state : IntArray
            By node: which cap is thought to hold it.
        """
        for depth, nodes in enumerate(upper, start=1):
            if not len(nodes):
                continue
            low, high = self._caps.low[nodes], self._caps.high[nodes]
            sums, slack = self.uncut(depth)[0, nodes], STRAY * self._tolerance[nodes]
            held = state[nodes]
            loose = ((held > 0) & (sums < high - slack)) | ((held < 0) & (sums > low + slack))
            if bool((loose | (sums > high + slack) | (sums < low - slack)).any()):
                return True
        return False

    def descend(self, price: FloatArray) -> FloatArray:
        """Give every node below the root its price: its parent's, or where its caps hold it.

        Parameters
        ----------
        price : FloatArray
            Shape (nodes,), the root's at 0, at which all leaves were last asked.

        Returns
        -------
        FloatArray
            The same, filled in for all but the leaves' own caps.
        """
        groups, caps = self._groups, self._caps
        is_leaf = np.zeros(groups.nodes, dtype=bool)
        is_leaf[groups.leaves] = True
        for depth, level in enumerate(groups.levels, start=1):
            nodes = level.nodes
            price[nodes] = price[groups.parent[nodes]]
            upper = nodes[~is_leaf[nodes]]
            if not len(upper):
                continue
            sums = self.uncut(depth)[0, upper]
            over = sums > caps.high[upper] + self._tolerance[upper]
            under = sums < caps.low[upper] - self._tolerance[upper]
            held = upper[over | under]
            if len(held):
                target = np.where(over, caps.high[upper], caps.low[upper])[over | under]
                price[held] = self.settle(depth, held, target=target, start=price[held])
        return price
