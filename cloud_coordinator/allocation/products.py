"""Several products: prices at which what all resources deliver is what is required.

Newton on the concave dual of P prices inside the box of their caps, damped where the dual is
flat or kinked, every step judged by the dual's value. The start comes from a sample of the
leaves. Pure. Called by :mod:`cloud_coordinator.allocation.allocate`.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cloud_coordinator.allocation.dual import ROUGH_NODES, Dual, Look, Scene
from cloud_coordinator.allocation.waterfill import NodeCaps
from protocols.vocabulary.arrays import FloatArray, IntArray

LOOKS_MAX: Final = 1_000
LOOKS_FEW: Final = 60
"""After so many a dual with many flat prices is approached over less flat ones."""
EXACT: Final = 1e-11
NEAR: Final = 1e-6
"""Of a product's delivery, relative to what is required and possible."""
STALLED: Final = 12
"""Looks without getting nearer, near the end: the prices' last digits are used up."""
ROUGH: Final = 3e-4
FLATNESS: Final = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
"""Least rise of a row's price, relative to the highest price: the last one is what holds."""
SAMPLE_EVERY: Final = 20
SAMPLE_LEAVES_MIN: Final = 40
"""Fewer leaves than this are not worth a sample, and no sample is smaller."""
_DAMPING_MIN: Final = 1e-12
_DAMPING_MAX: Final = 1e6
_ENOUGH: Final = 1e-4
_NOISE: Final = 4e-15
_SHORTENED: Final = 0.95
_SIDES_MAX: Final = 6
_PULL: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """When a search is over.

    Attributes
    ----------
    price_cap : FloatArray
        Shape (P,), no price is further from zero.
    bend : FloatArray
        Shape (P,), the most that delivery can follow a price.
    size : FloatArray
        Shape (P,), W that what is missing is compared with.
    exact, near : float
        Of the size: when it is done, and below what it may end when it gets no nearer.
    looks : int
        How often the dual is looked at, at most.
    """

    price_cap: FloatArray
    bend: FloatArray
    size: FloatArray
    exact: float = EXACT
    near: float = NEAR
    looks: int = LOOKS_MAX

    def reached(self, look: Look) -> bool:
        """Whether a look is near enough."""
        return _size(look, self) <= self.near


def search(dual: Dual, goal: Goal, *, price: FloatArray, before: Look | None) -> Look:
    """Climb to the top of the dual.

    Parameters
    ----------
    dual : Dual
        What is climbed.
    goal : Goal
        Where to stop.
    price : FloatArray
        Shape (P,), where to begin.
    before : Look or None
        An earlier look whose nodes' prices are near.

    Returns
    -------
    Look
        The best one; what it misses at a price within its cap is below the goal unless the
        looks ran out.
    """
    here = dual.look(np.clip(price, -goal.price_cap, goal.price_cap), before)
    damping, best, since = _DAMPING_MIN, np.inf, 0
    while dual.looks < goal.looks and since < STALLED:
        size = _size(here, goal)
        if size <= goal.exact:
            break
        since = 0 if size < 0.5 * best or size > goal.near else since + 1
        best = min(best, size)
        step = _step(here, goal, damping)
        there = _along(dual, goal, here=here, step=step)
        if there is None:
            if damping >= _DAMPING_MAX:
                break
            damping *= 1e3
            continue
        gone = float(np.abs(there.price - here.price).max())
        shortened = gone < _SHORTENED * float(np.abs(step).max())
        damping *= 10.0 if shortened else 0.1
        damping = min(max(damping, _DAMPING_MIN), _DAMPING_MAX)
        here = there
    return here


def _wrong(look: Look, goal: Goal) -> FloatArray:
    """Leave of what is missing what the price could still do something about."""
    at_top = (look.price >= goal.price_cap) & (look.missing > 0.0)
    at_bottom = (look.price <= -goal.price_cap) & (look.missing < 0.0)
    return np.where(at_top | at_bottom, 0.0, look.missing)


def _step(look: Look, goal: Goal, damping: float) -> FloatArray:
    """Where the dual's quadratic picture is highest inside the box of prices.

    A small quadratic programme with bounds, solved by an active set: from where we are toward
    the best of the free prices, stopping at the first bound, letting go of a bound that pulls
    inward.
    """
    count = len(look.price)
    matrix = look.curvature + np.diag(damping * goal.bend)
    low, high = -goal.price_cap - look.price, goal.price_cap - look.price
    step, free = np.zeros(count), _wrong(look, goal) != 0.0
    for _ in range(_SIDES_MAX * count):
        pull = look.missing - matrix @ step
        if free.any():
            part = matrix[np.ix_(free, free)]
            move = np.zeros(count)
            move[free] = np.linalg.lstsq(part, pull[free], rcond=None)[0]
            with np.errstate(divide="ignore", invalid="ignore"):
                room = np.where(move > 0.0, (high - step) / move, (low - step) / move)
            room[move == 0.0] = np.inf
            way = min(1.0, float(room.min()))
            hit = (room <= way) & (way < 1.0)
            step = np.clip(step + way * move, low, high)
            step[hit] = np.where(move[hit] > 0.0, high[hit], low[hit])
            free &= ~hit
            if hit.any():
                continue
            pull = look.missing - matrix @ step
        inward = np.where(step >= high, -pull, np.where(step <= low, pull, 0.0))
        inward[free] = 0.0
        if not inward.max() > _PULL * goal.size[inward.argmax()]:
            break
        free[inward.argmax()] = True
    return step


def _along(dual: Dual, goal: Goal, *, here: Look, step: FloatArray) -> Look | None:
    """Find a good look along a step, shortened where the dual bends away; None if none is."""
    rise = float(here.missing @ step)
    if not rise > 0.0:
        return None
    noise = _NOISE * max(abs(here.value), float(np.abs(here.price) @ goal.size))
    part = 1.0
    for _ in range(6):
        there = dual.look(here.price + part * step, here)
        gained = there.value - here.value
        slope = float(there.missing @ step)
        if slope >= 0.0 or gained >= _ENOUGH * part * rise:
            return there
        if gained >= -noise and _size(there, goal) < 0.9 * _size(here, goal):
            return there
        part *= min(max(rise / (rise - slope), 0.05), 0.9)
    return None


def _size(look: Look, goal: Goal) -> float:
    return float((np.abs(_wrong(look, goal)) / goal.size).max())


def sampled(scene: Scene, capacity: FloatArray) -> Scene | None:
    """Take every twentieth leaf of a scene, caps and requirement made smaller alike.

    Parameters
    ----------
    scene : Scene
        The whole.
    capacity : FloatArray
        Shape (m, P), what each leaf can deliver of each product.

    Returns
    -------
    Scene or None
        None where a sample is not worth it.
    """
    groups = scene.groups
    leaves = len(groups.leaves)
    every = min(SAMPLE_EVERY, leaves // SAMPLE_LEAVES_MIN)
    if every <= 1:
        return None
    which = np.arange(every // 2, leaves, every)
    total, part = capacity.sum(axis=0), capacity[which].sum(axis=0)
    share = np.divide(part, total, out=np.zeros_like(part), where=total > 0.0)
    return replace(
        scene,
        which=which,
        required=scene.required * share,
        caps=_sampled_caps(scene, which),
        exact=ROUGH_NODES,
    )


def _sampled_caps(scene: Scene, which: IntArray) -> NodeCaps:
    """Caps of the nodes above the leaves, made smaller by how much of them is in the sample."""
    groups, caps = scene.groups, scene.caps
    chosen = np.zeros(groups.nodes)
    chosen[groups.leaves[which]] = caps.size[groups.leaves[which]]
    for level in reversed(groups.levels):
        chosen[level.parents] += np.add.reduceat(chosen[level.nodes], level.firsts)
    share = np.divide(chosen, caps.size, out=np.zeros(groups.nodes), where=caps.size > 0.0)
    share[groups.leaves[which]] = 1.0
    nothing = share <= 0.0
    with np.errstate(invalid="ignore"):
        low = np.where(nothing, -np.inf, caps.low * share)
        high = np.where(nothing, np.inf, caps.high * share)
    return replace(
        caps,
        low=low,
        high=high,
        size=np.where(nothing, caps.size, chosen),
    )
