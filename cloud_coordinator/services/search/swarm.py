"""A swarm of particles over a few parameters (PSO): one best point.

Off the control path. Pure: drawn randomness is an argument.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from protocols.vocabulary.arrays import FloatArray

INERTIA: Final = 0.7298
PULL: Final = 1.4962
"""Of the own best point, and of everybody's: Clerc and Kennedy's constriction for 4.1."""
SPEED_MAX: Final = 0.5
"""Of the width of a parameter, in one round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The best point that was seen: shape (v,), and its value."""

    point: FloatArray
    value: float


def swarm(  # noqa: PLR0913  a search is its question and its size
    objective: Callable[[FloatArray], FloatArray],
    *,
    low: FloatArray,
    high: FloatArray,
    random: np.random.Generator,
    particles: int,
    rounds: int,
) -> Best:
    """Search the point of least value.

    Parameters
    ----------
    objective : callable
        (k, v) points to (k,) values; what is no number counts as the worst.
    low, high : FloatArray
        Shape (v,), bounds; a particle stops at a bound.
    random : Generator
        Draws.
    particles, rounds : int
        Points at once, and how often they move, >= 1.

    Notes
    -----
    Clerc and Kennedy (2002), The particle swarm: explosion, stability, and convergence.
    """
    width = high - low
    at = low + width * random.random((particles, len(low)))
    speed = SPEED_MAX * width * (random.random(at.shape) - 0.5)
    value = _valued(objective, at)
    own, own_value = at.copy(), value
    for _ in range(rounds):
        leader = own[int(np.argmin(own_value))]
        speed = (
            INERTIA * speed
            + PULL * random.random(at.shape) * (own - at)
            + PULL * random.random(at.shape) * (leader - at)
        )
        speed = np.clip(speed, -SPEED_MAX * width, SPEED_MAX * width)
        moved = at + speed
        at = np.clip(moved, low, high)
        speed = np.where(at == moved, speed, 0.0)
        value = _valued(objective, at)
        better = value < own_value
        own, own_value = np.where(better[:, None], at, own), np.where(better, value, own_value)
    best = int(np.argmin(own_value))
    return Best(point=own[best], value=float(own_value[best]))


def _valued(objective: Callable[[FloatArray], FloatArray], at: FloatArray) -> FloatArray:
    value = np.asarray(objective(at), dtype=np.float64)
    return np.where(np.isnan(value), np.inf, value)
