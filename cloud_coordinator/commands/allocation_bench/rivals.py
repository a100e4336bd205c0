"""General solvers on the same question: PIQP, Clarabel, OSQP.

They come with the extra ``dev`` and are loaded by name; one that is not there is left out and
named. What is timed is setting up and solving; the matrices are made before.
"""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cloud_coordinator.commands.allocation_bench.fleets import Question
from protocols.vocabulary.arrays import FloatArray, IntArray

TIME_LIMIT_S: Final = 60.0
ITERATIONS_MAX: Final = 200_000
OSQP_TUNED: Final = {"rho": 10.0, "eps_abs": 1e-4, "eps_rel": 1e-4}
"""The best of rho 0.001 ... 10, adaptive or fixed, at this accuracy."""
LARGEST: Final = {
    "PIQP": {"F1": 1_000_000, "F2": 1_000_000, "F3": 100_000},
    "Clarabel": {"F1": 1_000_000, "F2": 100_000, "F3": 100_000},
    "OSQP tuned": {"F1": 100_000, "F2": 100_000, "F3": 10_000},
    "OSQP default": {"F1": 100_000, "F2": 100_000, "F3": 10_000},
}
"""Resources above which a solver is left out: it would take minutes, or gigabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """Minimise ``x P x / 2 + c x`` with ``lower <= A x <= upper``, ``low <= x <= high``.

    Scaled: powers by the mean bound, so that a solver's tolerances mean something.
    """

    square: FloatArray
    linear: FloatArray
    matrix: Any
    lower: FloatArray
    upper: FloatArray
    low: FloatArray
    high: FloatArray
    scale: float

    def cost(self, x: FloatArray) -> float:
        """Cost in JPY/h."""
        return float(self.linear @ x + 0.5 * (self.square * x) @ x) * self.scale / 1000.0


def make_programme(question: Question) -> Programme:
    """Lay out a question with one slack column per product for what is missing."""
    sparse = importlib.import_module("scipy.sparse")
    fleet, products = question.fleet, question.products
    rows, count = fleet.rows, len(products)
    scale = float(np.mean(np.abs(fleet.power_w_max)))
    factor = np.ones((count, rows)) if fleet.delivery is None else fleet.delivery
    every = np.arange(rows)
    data, place, column = [], [], []
    lower, upper = [], []
    for p in range(count):
        place += [np.full(rows, p), np.array([p])]
        column += [p * rows + every, np.array([count * rows + p])]
        data += [factor[p], np.ones(1)]
        lower.append(np.array([products[p].required_w / scale]))
        upper.append(lower[-1])
    at = count
    if fleet.headroom_w_up is not None:
        for p in range(count):
            place.append(at + every)
            column.append(p * rows + every)
            data.append(np.ones(rows))
        lower.append(np.full(rows, -np.inf))
        upper.append(fleet.headroom_w_up / scale)
        at += rows
    if question.grid is not None:
        for group, members in enumerate(_members(question)):
            for p in range(count):
                place.append(np.full(len(members), at))
                column.append(p * rows + members)
                data.append(np.ones(len(members)))
            lower.append(np.array([-np.inf]))
            upper.append(question.grid.caps.power_w_max[group : group + 1] / scale)
            at += 1
    size = count * rows + count
    matrix = sparse.csc_matrix(
        (np.concatenate(data), (np.concatenate(place), np.concatenate(column))), shape=(at, size)
    )
    caps = np.array([product.shortage_jpy_per_kwh for product in products])
    return Programme(
        square=np.append(fleet.steepness_jpy_per_kwh_w.ravel() * scale, np.zeros(count)),
        linear=np.append(fleet.price_jpy_per_kwh.ravel(), caps),
        matrix=matrix,
        lower=np.concatenate(lower),
        upper=np.concatenate(upper),
        low=np.append(fleet.power_w_min.ravel() / scale, np.zeros(count)),
        high=np.append(
            fleet.power_w_max.ravel() / scale,
            [max(product.required_w, 1.0) / scale for product in products],
        ),
        scale=scale,
    )


def _members(question: Question) -> list[IntArray]:
    """Rows below each group; the benchmark's rows are sorted by feeder."""
    assert question.grid is not None, "asked only where there are groups"
    groups = question.grid.groups
    found = []
    for node in range(1, 1 + groups.count):
        leaves = np.flatnonzero((groups.above == node).any(axis=0))
        parts = [np.arange(groups.starts[leaf], groups.starts[leaf + 1]) for leaf in leaves]
        found.append(np.concatenate(parts) if parts else np.empty(0, dtype=np.int64))
    return found


Solve = Callable[[Programme], FloatArray | None]


def _piqp(programme: Programme) -> FloatArray | None:
    piqp, sparse = importlib.import_module("piqp"), importlib.import_module("scipy.sparse")
    equal = programme.lower == programme.upper
    solver = piqp.SparseSolver()
    solver.settings.verbose = False
    solver.setup(
        sparse.diags(programme.square, format="csc"),
        programme.linear,
        programme.matrix[equal],
        programme.lower[equal],
        programme.matrix[~equal] if (~equal).any() else None,
        None,
        programme.upper[~equal] if (~equal).any() else None,
        programme.low,
        programme.high,
    )
    status = solver.solve()
    return np.array(solver.result.x) if status == piqp.PIQP_SOLVED else None


def _clarabel(programme: Programme) -> FloatArray | None:
    clarabel, sparse = importlib.import_module("clarabel"), importlib.import_module("scipy.sparse")
    equal = programme.lower == programme.upper
    boxes = sparse.identity(len(programme.linear), format="csc")
    matrix = sparse.vstack(
        [programme.matrix[equal], programme.matrix[~equal], boxes, -boxes], format="csc"
    )
    bound = np.concatenate(
        [programme.lower[equal], programme.upper[~equal], programme.high, -programme.low]
    )
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.time_limit = TIME_LIMIT_S
    cones = [
        clarabel.ZeroConeT(int(equal.sum())),
        clarabel.NonnegativeConeT(len(bound) - int(equal.sum())),
    ]
    solver = clarabel.DefaultSolver(
        sparse.diags(programme.square, format="csc"),
        programme.linear,
        matrix,
        bound,
        cones,
        settings,
    )
    found = solver.solve()
    return np.array(found.x) if str(found.status) in {"Solved", "AlmostSolved"} else None


def _osqp(programme: Programme, settings: dict[str, Any]) -> FloatArray | None:
    osqp, sparse = importlib.import_module("osqp"), importlib.import_module("scipy.sparse")
    solver = osqp.OSQP()
    boxes = sparse.identity(len(programme.linear), format="csc")
    solver.setup(
        P=sparse.diags(programme.square, format="csc"),
        q=programme.linear,
        A=sparse.vstack([programme.matrix, boxes], format="csc"),
        l=np.concatenate([programme.lower, programme.low]),
        u=np.concatenate([programme.upper, programme.high]),
        verbose=False,
        max_iter=ITERATIONS_MAX,
        time_limit=TIME_LIMIT_S,
        **settings,
    )
    found = solver.solve()
    return np.asarray(found.x) if found.info.status == "solved" else None


RIVALS: Final[dict[str, tuple[str, Solve]]] = {
    "PIQP": ("piqp", _piqp),
    "Clarabel": ("clarabel", _clarabel),
    "OSQP tuned": ("osqp", lambda programme: _osqp(programme, OSQP_TUNED)),
    "OSQP default": ("osqp", lambda programme: _osqp(programme, {})),
}
"""Package to install, and how to ask it."""


def missing_rivals() -> dict[str, str]:
    """Name the solvers that are not installed, and their packages."""
    found = {}
    for name, (package, _) in RIVALS.items():
        if any(importlib.util.find_spec(one) is None for one in (package, "scipy")):
            found[name] = package
    return found
