"""Groups of resources, nested to any depth: site, feeder, substation, area.

Prepared once for a grid (which resource is where) and used for every allocation after. Pure.
Nodes: 0 is everything, 1 + k is the caller's group k, further ones stand for resources that
hang directly on a group which has groups below it. A node without groups below is a leaf.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np

from cloud_coordinator.allocation.problem import AllocationInputError
from protocols.vocabulary.arrays import FloatArray, IntArray

DEPTH_MAX: Final = 64
"""Levels of a grid; a longer chain is taken for a circle."""
CHUNK_ROWS: Final = 512
"""Rows in a leaf; a larger group is cut into such."""
_NONE: Final = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Nodes at one depth, sorted by their parent.

    Attributes
    ----------
    nodes : IntArray
        Which.
    parents : IntArray
        The distinct parents, and from which of ``nodes`` on the children of each stand.
    firsts : IntArray
        Positions in ``nodes``.
    """

    nodes: IntArray
    parents: IntArray
    firsts: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """A prepared grid of n resources.

    Attributes
    ----------
    count : int
        How many groups the caller named.
    nodes : int
        How many nodes.
    parent : IntArray
        Shape (nodes,), parent of each; -1 for node 0.
    levels : tuple of Level
        From depth 1 down.
    leaves : IntArray
        Shape (m,), the node of each leaf that holds resources.
    starts : IntArray
        Shape (m + 1,), first row of each leaf, after sorting.
    order : IntArray or None
        Row of the caller for each sorted row; None if they are sorted already.
    upward : IntArray
        All nodes but 0, from the deepest up.
    below : tuple of int
        How many of them lie below each depth.
    above : IntArray
        Shape (depths, m), ancestor of each leaf at each depth, itself from its own depth on.
    """

    count: int
    nodes: int
    parent: IntArray
    levels: tuple[Level, ...]
    leaves: IntArray
    starts: IntArray
    order: IntArray | None
    upward: IntArray
    below: tuple[int, ...]
    above: IntArray

    @property
    def rows(self) -> int:
        """How many resources."""
        return int(self.starts[-1])


def all_in_one(rows: int) -> Groups:
    """Everything in one leaf below node 0."""
    return in_chunks(rows, chunk_rows=max(rows, 1))


@lru_cache(maxsize=8)
def in_chunks(rows: int, *, chunk_rows: int = CHUNK_ROWS) -> Groups:
    """Everything in leaves of at most so many rows below node 0."""
    starts = np.append(np.arange(0, rows, chunk_rows, dtype=np.int64), rows)
    leaves = np.arange(1, len(starts), dtype=np.int64)
    none = np.zeros(1, dtype=np.int64)
    level = Level(nodes=leaves, parents=none, firsts=none)
    return Groups(
        count=0,
        nodes=len(starts),
        parent=np.append(-1, np.zeros(len(leaves), dtype=np.int64)),
        levels=(level,) if rows else (),
        leaves=leaves,
        starts=starts,
        order=None,
        upward=leaves,
        below=(len(leaves), 0),
        above=np.stack([np.zeros_like(leaves), leaves]),
    )


def leaf_of_rows(groups: Groups) -> IntArray:
    """Position of each resource's leaf, in the caller's order."""
    leaf = np.repeat(np.arange(len(groups.leaves)), np.diff(groups.starts))
    if groups.order is None:
        return leaf
    found = np.empty_like(leaf)
    found[groups.order] = leaf
    return found


def with_rows(groups: Groups, leaf: IntArray) -> Groups:
    """Put other resources into the same grid, each in a leaf that has some already."""
    order = np.argsort(leaf, kind="stable")
    counts = np.bincount(leaf, minlength=len(groups.leaves))
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
    return replace(groups, order=order, starts=starts)


def prepare_groups(parent: IntArray, group: IntArray) -> Groups:
    """Prepare a grid.

    Parameters
    ----------
    parent : IntArray
        Shape (k,), the group above each group, -1 for none.
    group : IntArray
        Shape (n,), the group of each resource, -1 for none.

    Returns
    -------
    Groups
        Sorted by leaf.

    Raises
    ------
    AllocationInputError
        If an index points nowhere or groups contain each other.
    """
    parent = np.asarray(parent, dtype=np.int64)
    group = np.asarray(group, dtype=np.int64)
    count = len(parent)
    for name, index in (("parent", parent), ("group", group)):
        if ((index < -1) | (index >= count)).any():
            raise AllocationInputError(f"{name}: an index is not in -1 ... {count - 1}")
    above = np.concatenate([np.array([-1]), parent + 1])
    node_of_row = group + 1
    has_groups = np.zeros(count + 1, dtype=bool)
    has_groups[above[1:]] = True
    has_groups[0] = True
    order = None
    if (np.diff(node_of_row) < 0).any():
        order = np.argsort(node_of_row, kind="stable")
        node_of_row = node_of_row[order]
    held, first = np.unique(node_of_row, return_index=True)
    starts = np.append(first, len(node_of_row))
    held, starts, above = _leaves(held, starts, above=above, has_groups=has_groups)
    depth = _depths(above)
    levels = _levels(above, depth)
    sizes = [len(level.nodes) for level in levels]
    return Groups(
        count=count,
        nodes=len(above),
        parent=above,
        levels=levels,
        leaves=held,
        starts=starts,
        order=order,
        upward=np.concatenate([level.nodes for level in reversed(levels)]) if levels else _NONE,
        below=tuple(sum(sizes[at:]) for at in range(len(sizes) + 1)),
        above=_ancestors(above, depth, held),
    )


def _leaves(
    held: IntArray,
    starts: IntArray,
    *,
    above: IntArray,
    has_groups: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> tuple[IntArray, IntArray, IntArray]:
    """Give resources that hang on a node with groups below, and chunks, nodes of their own."""
    leaves: list[int] = []
    cuts: list[int] = []
    parents: list[int] = []
    for position, node in enumerate(held.tolist()):
        start, end = int(starts[position]), int(starts[position + 1])
        if end - start <= CHUNK_ROWS and not has_groups[node]:
            leaves.append(node)
            cuts.append(start)
            continue
        for cut in range(start, end, CHUNK_ROWS):
            leaves.append(len(above) + len(parents))
            parents.append(node)
            cuts.append(cut)
    if not leaves:
        cuts = []
    rows = int(starts[-1])
    return (
        np.array(leaves, dtype=np.int64),
        np.array([*cuts, rows], dtype=np.int64),
        np.concatenate([above, np.array(parents, dtype=np.int64)]),
    )


def _depths(above: IntArray) -> IntArray:
    """Depth of each node; a circle has none."""
    depth = np.full(len(above), -1, dtype=np.int64)
    depth[0] = 0
    for level in range(1, DEPTH_MAX + 1):
        here = (depth < 0) & (depth[np.maximum(above, 0)] == level - 1)
        here[0] = False
        if not here.any():
            break
        depth[here] = level
    if (depth < 0).any():
        node = int(np.argmax(depth < 0)) - 1
        raise AllocationInputError(
            f"parent: group {node} is above itself, or deeper than {DEPTH_MAX} levels"
        )
    return depth


def _levels(above: IntArray, depth: IntArray) -> tuple[Level, ...]:
    levels = []
    for number in range(1, int(depth.max(initial=0)) + 1):
        nodes = np.flatnonzero(depth == number)
        nodes = nodes[np.argsort(above[nodes], kind="stable")]
        parents, firsts = np.unique(above[nodes], return_index=True)
        levels.append(Level(nodes=nodes, parents=parents, firsts=firsts))
    return tuple(levels)


def _ancestors(above: IntArray, depth: IntArray, leaves: IntArray) -> IntArray:
    deepest = int(depth.max(initial=0))
    found = np.empty((deepest + 1, len(leaves)), dtype=np.int64)
    here = leaves.copy()
    for level in range(deepest, -1, -1):
        found[level] = here
        climbs = depth[here] >= level
        here = np.where(climbs & (level > 0), above[here], here)
    return found


def add_to_parents(level: Level, values: FloatArray, into: FloatArray) -> None:
    """Add the values of a level's nodes to their parents'.

    Parameters
    ----------
    level : Level
        One depth.
    values, into : FloatArray
        Shape (nodes, ...), by node; ``into`` may be the same array.
    """
    if len(level.nodes):
        into[level.parents] += np.add.reduceat(values[level.nodes], level.firsts, axis=0)
