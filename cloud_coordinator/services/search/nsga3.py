"""NSGA-III over a few parameters: a front of answers among which somebody may choose.

Off the control path: a search takes seconds. pymoo is imported when the first search begins.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from protocols.vocabulary.arrays import FloatArray

PARTITIONS_MAX: Final = 99
"""Of the reference directions' grid."""
WORST: Final = 1e30
"""Stands for a figure that is no number, so that such a point is never on the front."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """Points of which none is better than another in everything.

    Attributes
    ----------
    points : FloatArray
        Shape (p, v), p >= 1.
    values : FloatArray
        Shape (p, m), what the objective said; less is better.
    """

    points: FloatArray
    values: FloatArray


def pareto_front(  # noqa: PLR0913  a search is its question and its size
    objective: Callable[[FloatArray], FloatArray],
    *,
    low: FloatArray,
    high: FloatArray,
    seed: int,
    population: int,
    generations: int,
) -> Front:
    """Search the front of several figures that should all be small.

    Parameters
    ----------
    objective : callable
        (k, v) points to (k, m) figures.
    low, high : FloatArray
        Shape (v,), bounds of the points.
    seed : int
        The same seed finds the same front.
    population, generations : int
        Points at once, and how often, >= 1.

    Returns
    -------
    Front
        In rising order of the first figure.

    Notes
    -----
    Deb and Jain (2014), NSGA-III; the reference directions are Das and Dennis's (1998) grid.
    """
    from pymoo.algorithms.moo.nsga3 import NSGA3  # noqa: PLC0415  only a search needs pymoo
    from pymoo.core.problem import Problem  # noqa: PLC0415  only a search needs pymoo
    from pymoo.optimize import minimize  # noqa: PLC0415  only a search needs pymoo

    figures = int(objective(0.5 * (low + high)[None, :]).shape[1])

    def evaluate(points: FloatArray, out: dict[str, Any]) -> None:
        out["F"] = np.nan_to_num(objective(points), nan=WORST, posinf=WORST, neginf=-WORST)

    problem = Problem(n_var=len(low), n_obj=figures, xl=low, xu=high)
    problem._evaluate = lambda points, out, *_, **__: evaluate(points, out)
    directions = _directions(figures, population)
    algorithm = NSGA3(ref_dirs=directions, pop_size=max(population, len(directions)))
    found = minimize(problem, algorithm, ("n_gen", generations), seed=seed, verbose=False)
    points, values = np.atleast_2d(found.X), np.atleast_2d(found.F)
    order = np.lexsort(values.T[::-1])
    return Front(
        points=np.asarray(points[order], dtype=np.float64),
        values=np.asarray(values[order], dtype=np.float64),
    )


def _directions(figures: int, population: int) -> FloatArray:
    """Lay the finest grid of directions that has no more points than the population."""
    from pymoo.util.ref_dirs import get_reference_directions  # noqa: PLC0415  as above

    found = np.asarray(get_reference_directions("das-dennis", figures, n_partitions=1))
    for partitions in range(2, PARTITIONS_MAX + 1):
        finer = get_reference_directions("das-dennis", figures, n_partitions=partitions)
        if len(finer) > population or len(finer) == len(found):
            break
        found = np.asarray(finer)
    return np.asarray(found, dtype=np.float64)
