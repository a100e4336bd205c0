"""Solve the horizon problem with OSQP; there is always a plan, and its reason.

The only module of the room that imports a solver, so that deciding and replaying need none. The
solver is limited by iterations, never by wall time, and its rho is fixed: the same inputs and warm
start give the same plan, bit for bit, whether its workspace is new or old. It is run by the cycle
in a worker.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import msgpack
import numpy as np
import osqp
from scipy import sparse

from edge_agent.control.plan import Plan, PlanStatus
from edge_agent.control.problem import (
    PlanInputs,
    Structure,
    Vectors,
    coupling,
    curvature,
    structure_of,
    vectors,
)
from edge_agent.control.projection import (
    idle_rows,
    project,
    rows_from,
    shifted,
    steps_between,
)
from edge_agent.control.records import from_plain, to_plain
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.intervals import Interval

ACCURACY = 1e-3
"""Absolute: a thousandth of the unit of power, and of a yen per kWh."""
ACCURACY_RELATIVE = 1e-4
ITERATIONS = 4000
CHECK_EVERY = 25
RHO = 0.3
WARM_VERSION = 1
SOLVED = 1
"""OSQP's status value of a solved problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStart:
    """Where the next solve begins. Journaled with the plan, so that a solve can be replayed.

    Attributes
    ----------
    structure : Structure
        It fits problems of this structure only.
    start : datetime
        Of the plan it comes from.
    primal, dual : FloatArray
        Shapes (variables,) and (rows + variables,).
    """

    structure: Structure
    start: datetime
    primal: FloatArray
    dual: FloatArray


def pack_warm_start(warm: WarmStart) -> bytes:
    """Pack a warm start for the journal, exact."""
    return cast("bytes", msgpack.packb([WARM_VERSION, to_plain(WarmStart, warm)]))


def unpack_warm_start(data: bytes) -> WarmStart | None:
    """Unpack a warm start; None if it is of another version: the next solve begins cold."""
    version, plain = msgpack.unpackb(data)
    return from_plain(WarmStart, plain) if version == WARM_VERSION else None


class HorizonSolver:
    """OSQP workspaces by structure; keeps no state that changes an answer."""

    def __init__(self, *, iterations: int = ITERATIONS) -> None:
        self._iterations = iterations
        self._structure: Structure | None = None
        self._workspace: osqp.OSQP | None = None

    def solve(
        self, inputs: PlanInputs, *, warm: WarmStart | None = None, previous: Plan | None = None
    ) -> tuple[Plan, WarmStart | None]:
        """Make a plan.

        Parameters
        ----------
        inputs : PlanInputs
            The problem.
        warm : WarmStart or None
            From the last solve; not used if it does not fit.
        previous : Plan or None
            Falls in, shifted and projected, when the solver does not converge.

        Returns
        -------
        tuple of Plan and WarmStart or None
            The plan, and where the next solve may begin; None after a failure.
        """
        structure = structure_of(inputs)
        numbers = vectors(inputs, structure)
        workspace = self._prepared(structure)
        workspace.update(q=numbers.cost, l=numbers.low, u=numbers.high)
        primal, dual = _begin(structure, inputs, warm)
        workspace.warm_start(x=primal, y=dual)
        result = workspace.solve(raise_error=False)
        iterations = int(result.info.iter)
        if int(result.info.status_val) != SOLVED or not np.isfinite(result.x).all():
            return _fallback(inputs, previous, iterations=iterations), None
        x, y = np.array(result.x), np.array(result.y)
        return (
            _solved(inputs, structure, (x, y), iterations=iterations),
            WarmStart(structure=structure, start=inputs.start, primal=x, dual=y),
        )

    def _prepared(self, structure: Structure) -> osqp.OSQP:
        """Workspace of a structure, scaled by the structure alone and not by any numbers."""
        if self._workspace is not None and self._structure == structure:
            return self._workspace
        rows, columns, values = coupling(structure)
        shape = (structure.rows, structure.variables)
        matrix = sparse.vstack(
            [
                sparse.csc_matrix((values, (rows, columns)), shape=shape),
                sparse.identity(structure.variables, format="csc"),
            ],
            format="csc",
        )
        blank = _blank(structure)
        workspace = osqp.OSQP()
        workspace.setup(
            P=sparse.diags(curvature(structure), format="csc"),
            q=blank.cost,
            A=matrix,
            l=blank.low,
            u=blank.high,
            verbose=False,
            eps_abs=ACCURACY,
            eps_rel=ACCURACY_RELATIVE,
            max_iter=self._iterations,
            check_termination=CHECK_EVERY,
            rho=RHO,
            adaptive_rho=False,
            polishing=False,
        )
        self._workspace, self._structure = workspace, structure
        return workspace


def _blank(structure: Structure) -> Vectors:
    """Vectors that depend on the structure alone."""
    size = structure.rows + structure.variables
    return Vectors(np.full(structure.variables, structure.hours), np.zeros(size), np.ones(size))


def _begin(
    structure: Structure, inputs: PlanInputs, warm: WarmStart | None
) -> tuple[FloatArray, FloatArray]:
    """Where the solver begins: the warm start moved to the present, or zero."""
    size = structure.rows + structure.variables
    if warm is None or warm.structure != structure:
        return np.zeros(structure.variables), np.zeros(size)
    steps = steps_between(warm.start, inputs.start, inputs.step_s)
    if not 0 <= steps < structure.steps:
        return np.zeros(structure.variables), np.zeros(size)
    n, stores = structure.steps, len(structure.stores)
    body = structure.variables - stores

    def move(column: FloatArray) -> FloatArray:
        return shifted(column.reshape(-1, n), steps).reshape(-1)

    primal = np.concatenate([move(warm.primal[:body]), warm.primal[body:]])
    dual = np.concatenate([move(warm.dual[: structure.rows + body]), warm.dual[-stores:]])
    if stores == 0:
        dual = move(warm.dual)
    return primal, dual


def _solved(
    inputs: PlanInputs,
    structure: Structure,
    answer: tuple[FloatArray, FloatArray],
    *,
    iterations: int,
) -> Plan:
    """Plan of a solution, projected so that it holds exactly."""
    n, h = structure.steps, inputs.hours
    x, y = answer
    wanted = np.zeros((len(inputs.stores) + len(inputs.generators), n))
    value = np.zeros_like(wanted)
    for i in range(len(inputs.stores)):
        charge, discharge = structure.store_column(i, 0), structure.store_column(i, 1)
        wanted[i] = (x[discharge : discharge + n] - x[charge : charge + n]) * structure.unit_w
        row = structure.store_row(i, 0)
        value[i] = np.maximum(y[row : row + n], 0.0)
    for j in range(len(inputs.generators)):
        first = structure.generator_column(j)
        wanted[len(inputs.stores) + j] = x[first : first + n] * structure.unit_w
    power = structure.site_row(0)
    return _plan(
        inputs,
        (wanted, value, -y[power : power + n] / h),
        status=PlanStatus.SOLVED,
        iterations=iterations,
        reason="solved",
    )


def _fallback(inputs: PlanInputs, previous: Plan | None, *, iterations: int) -> Plan:
    """Plan without a solution: the one before, shifted; without one, idle."""
    moved = None if previous is None else rows_from(previous, inputs)
    if previous is None or moved is None:
        wanted, value = idle_rows(inputs)
        status, reason = PlanStatus.PROJECTED, "solver did not converge; no plan before"
        price = inputs.import_jpy_per_kwh
    else:
        wanted, value = moved
        status, reason = PlanStatus.SHIFTED, "solver did not converge; plan before, shifted"
        steps = steps_between(previous.interval.start, inputs.start, inputs.step_s)
        price = shifted(previous.price_jpy_per_kwh, steps)
    return _plan(
        inputs, (wanted, value, price), status=status, iterations=iterations, reason=reason
    )


def _plan(
    inputs: PlanInputs,
    columns: tuple[FloatArray, FloatArray, FloatArray],
    *,
    status: PlanStatus,
    iterations: int,
    reason: str,
) -> Plan:
    """Plan of wanted powers (r, n), stored values (r, n) and prices (n,)."""
    wanted, value, price = columns
    power_w, soc, meter_w = project(inputs, wanted)
    length = timedelta(seconds=inputs.step_s * inputs.steps)
    for array in (power_w, soc, meter_w):
        array.flags.writeable = False
    return Plan(
        plan_id=inputs.plan_id,
        interval=Interval(start=inputs.start, end=inputs.start + length),
        step_s=inputs.step_s,
        resource_ids=tuple(
            [s.resource_id for s in inputs.stores] + [g.resource_id for g in inputs.generators]
        ),
        power_w=power_w,
        soc=soc,
        meter_w=meter_w,
        price_jpy_per_kwh=np.array(price),
        stored_value_jpy_per_kwh=np.array(value),
        status=status,
        iterations=iterations,
        reason=reason,
        computed_at=inputs.start,
    )


def solve_plan(
    inputs: PlanInputs, *, warm: WarmStart | None = None, previous: Plan | None = None
) -> tuple[Plan, WarmStart | None]:
    """Make one plan in a workspace of its own; see :meth:`HorizonSolver.solve`."""
    return HorizonSolver().solve(inputs, warm=warm, previous=previous)
