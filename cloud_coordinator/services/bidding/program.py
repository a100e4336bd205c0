"""A mixed-integer program that is written line by line, and HiGHS that solves it.

The only module that knows HiGHS; it is imported when the first program is solved.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.errors import ConfigError, SolverFailedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """What was found: values of the variables, the gain, and how far from the best it may be.

    Attributes
    ----------
    values : FloatArray
        Shape (n,).
    gain : float
        Of the objective.
    gap : float
        Relative distance to the proven bound.
    """

    values: FloatArray
    gain: float
    gap: float


class Program:
    """Maximise a gain under linear rules."""

    def __init__(self) -> None:
        self._low: list[float] = []
        self._high: list[float] = []
        self._gain: list[float] = []
        self._whole: list[bool] = []
        self._start: list[int] = [0]
        self._index: list[int] = []
        self._value: list[float] = []
        self._row_low: list[float] = []
        self._row_high: list[float] = []

    def variable(
        self, low: float, high: float, *, gain: float = 0.0, kind: type[int] | type[float] = float
    ) -> int:
        """Add a variable between bounds, whole if its kind is ``int``; return its number."""
        self._low.append(low)
        self._high.append(high)
        self._gain.append(gain)
        self._whole.append(kind is int)
        return len(self._low) - 1

    def at_most(self, terms: Mapping[int, float], bound: float) -> None:
        """Add the rule: sum of coefficient x variable is at most a bound."""
        self._row(terms, -np.inf, bound)

    def equal(self, terms: Mapping[int, float], value: float) -> None:
        """Add the rule: sum of coefficient x variable is a value."""
        self._row(terms, value, value)

    def solve(self, *, gap: float, nodes: int) -> Solution:
        """Solve, until the relative gap is small enough or so many nodes were looked at.

        Raises
        ------
        ConfigError
            If HiGHS is not installed.
        SolverFailedError
            If there is no answer.
        """
        if not self._low:
            return Solution(values=np.zeros(0), gain=0.0, gap=0.0)
        try:
            import highspy  # noqa: PLC0415  only this strategy needs the solver
        except ImportError:
            raise ConfigError("exact bids need HiGHS: pip install 'vpp[cloud]'") from None
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = len(self._low), len(self._row_low)
        model.sense_ = highspy.ObjSense.kMaximize
        model.col_cost_ = np.array(self._gain)
        model.col_lower_, model.col_upper_ = np.array(self._low), np.array(self._high)
        model.row_lower_, model.row_upper_ = np.array(self._row_low), np.array(self._row_high)
        model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        model.a_matrix_.start_ = np.array(self._start, dtype=np.int32)
        model.a_matrix_.index_ = np.array(self._index, dtype=np.int32)
        model.a_matrix_.value_ = np.array(self._value)
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        model.integrality_ = [kinds[int(one)] for one in self._whole]
        solver = highspy.Highs()  # type: ignore[no-untyped-call]
        solver.setOptionValue("output_flag", False)  # noqa: FBT003  HiGHS's own signature
        solver.setOptionValue("threads", 1)
        solver.setOptionValue("mip_rel_gap", gap)
        solver.setOptionValue("mip_max_nodes", nodes)
        solver.passModel(model)
        solver.run()
        info = solver.getInfo()
        values = np.array(solver.getSolution().col_value, dtype=np.float64)
        if len(values) != len(self._low) or info.primal_solution_status != int(
            highspy.SolutionStatus.kSolutionStatusFeasible
        ):
            raise SolverFailedError(f"HiGHS: {solver.getModelStatus()}")
        found = float(info.mip_gap) if any(self._whole) else 0.0
        return Solution(values=values, gain=float(info.objective_function_value), gap=found)

    def _row(self, terms: Mapping[int, float], low: float, high: float) -> None:
        self._index.extend(terms)
        self._value.extend(terms.values())
        self._start.append(len(self._index))
        self._row_low.append(low)
        self._row_high.append(high)
