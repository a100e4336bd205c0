"""The allocation as a plain quadratic programme, for a solver that is not ours."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cloud_coordinator.allocation.allocate import Grid
from cloud_coordinator.allocation.problem import Direction, FleetColumns, Product

Floats = npt.NDArray[np.float64]
BIG_PRICE = 1e6
"""Stands for an infinite price cap."""


def ancestors(grid: Grid) -> list[list[int]]:
    """Find the groups above each resource, in the caller's order."""
    groups = grid.groups
    leaf = np.repeat(groups.leaves, np.diff(groups.starts))
    nodes = np.empty(groups.rows, dtype=np.int64)
    nodes[slice(None) if groups.order is None else groups.order] = leaf
    found = []
    for node in nodes.tolist():
        here, above = node, []
        while here > 0:
            if here <= groups.count:
                above.append(here - 1)
            here = int(groups.parent[here])
        found.append(above)
    return found


def _of(values: Floats, p: int) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    return array[p] if array.ndim > 1 else array


class Programme:
    """Rows of ``low <= A x <= high`` over powers per product, then shortage and surplus."""

    def __init__(
        self, fleet: FleetColumns, products: Sequence[Product], grid: Grid | None = None
    ) -> None:
        self.fleet, self.products, self.count = fleet, products, fleet.rows
        size = len(products) * self.count
        self.variables = size + 2 * len(products)
        self.rows: list[tuple[dict[int, float], float, float]] = []
        self.linear, self.square = np.zeros(self.variables), np.zeros(self.variables)
        for p, product in enumerate(products):
            own = slice(p * self.count, (p + 1) * self.count)
            self.linear[own] = _of(fleet.price_jpy_per_kwh, p)
            self.square[own] = _of(fleet.steepness_jpy_per_kwh_w, p)
            cap = min(product.shortage_jpy_per_kwh, BIG_PRICE)
            self.linear[size + 2 * p : size + 2 * p + 2] = cap
            self._bounds(p, product)
            factor = np.ones(self.count) if fleet.delivery is None else _of(fleet.delivery, p)
            balance = {p * self.count + i: float(factor[i]) for i in range(self.count)}
            balance |= {size + 2 * p: 1.0, size + 2 * p + 1: -1.0}
            self.rows.append((balance, product.required_w, product.required_w))
            self.rows += [({size + 2 * p + k: 1.0}, 0.0, np.inf) for k in (0, 1)]
        for direction in Direction:
            self._shared(direction)
        if grid is not None:
            self._groups(grid)

    def _bounds(self, p: int, product: Product) -> None:
        low, high = _of(self.fleet.power_w_min, p), _of(self.fleet.power_w_max, p)
        for i in range(self.count):
            reach = np.inf
            if self.fleet.ramp_w_per_s is not None and product.response_s is not None:
                reach = float(self.fleet.ramp_w_per_s[i]) * product.response_s
            least, most = max(float(low[i]), -reach), min(float(high[i]), reach)
            self.rows.append(({p * self.count + i: 1.0}, least, most))

    def _shared(self, direction: Direction) -> None:
        sign = direction.value
        of = [
            p
            for p, product in enumerate(self.products)
            if len(self.products) == 1 or product.direction is direction
        ]
        up = direction is Direction.UP
        head = self.fleet.headroom_w_up if up else self.fleet.headroom_w_down
        energy = self.fleet.energy_wh_up if up else self.fleet.energy_wh_down
        for i in range(self.count):
            if head is not None and of:
                row = {p * self.count + i: float(sign) for p in of}
                self.rows.append((row, -np.inf, float(head[i])))
            if energy is not None and of:
                row = {p * self.count + i: sign * self.products[p].duration_s / 3600.0 for p in of}
                self.rows.append((row, -np.inf, float(energy[i])))

    def _groups(self, grid: Grid) -> None:
        above = ancestors(grid)
        several = len(self.products) > 1
        for k in range(grid.groups.count):
            members = [i for i in range(self.count) if k in above[i]]
            low, high = float(grid.caps.power_w_min[k]), float(grid.caps.power_w_max[k])
            if not several:
                self.rows.append((dict.fromkeys(members, 1.0), low, high))
                continue
            for direction in Direction:
                row = {
                    p * self.count + i: 1.0
                    for p, product in enumerate(self.products)
                    if product.direction is direction
                    for i in members
                }
                up = direction is Direction.UP
                self.rows.append((row, -np.inf if up else low, high if up else np.inf))

    def solve(self) -> tuple[float, Floats]:
        """Cost in JPY/h with shortage, and powers (P, n), by Clarabel."""
        import clarabel
        from scipy import sparse

        scale = max(abs(high) for _, _, high in self.rows if np.isfinite(high)) or 1.0
        data, place, column, bound, equal = [], [], [], [], []
        at = 0
        for kind in ("equal", "less"):
            for row, low, high in self.rows:
                if not row:
                    continue
                sides = []
                if low == high:
                    sides = [(1.0, low)] if kind == "equal" else []
                elif kind == "less":
                    sides = [(1.0, high)] * bool(np.isfinite(high))
                    sides += [(-1.0, -low)] * bool(np.isfinite(low))
                for sign, limit in sides:
                    data += [sign * value for value in row.values()]
                    column += list(row)
                    place += [at] * len(row)
                    bound.append(limit / scale)
                    equal.append(kind == "equal")
                    at += 1
        matrix = sparse.csc_matrix((data, (place, column)), shape=(at, self.variables))
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-11
        money = float(np.abs(self.linear[: -2 * len(self.products)]).max()) or 1.0
        cones = [clarabel.ZeroConeT(sum(equal)), clarabel.NonnegativeConeT(at - sum(equal))]
        solver = clarabel.DefaultSolver(
            sparse.diags(self.square * scale / money, format="csc"),
            self.linear / money,
            matrix,
            np.array(bound),
            cones,
            settings,
        )
        found = solver.solve()
        assert str(found.status) in {"Solved", "AlmostSolved"}, str(found.status)
        x = np.array(found.x) * scale
        cost = float(self.linear @ x + 0.5 * self.square @ x**2) / 1000.0
        return cost, x[: len(self.products) * self.count].reshape(len(self.products), -1)


def cost_with_shortage(
    fleet: FleetColumns, products: Sequence[Product], *, power: Floats, delivered: Floats
) -> float:
    """Cost of an answer in JPY/h, what is missing counted at its price cap."""
    total = 0.0
    for p, product in enumerate(products):
        c, q = _of(fleet.price_jpy_per_kwh, p), _of(fleet.steepness_jpy_per_kwh_w, p)
        total += float(c @ power[p] + 0.5 * q @ power[p] ** 2)
        cap = min(product.shortage_jpy_per_kwh, BIG_PRICE)
        total += cap * abs(product.required_w - float(delivered[p]))
    return total / 1000.0
