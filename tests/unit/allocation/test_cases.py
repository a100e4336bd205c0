"""Reference cases: small questions, each with the optimum of a solver that is not ours."""

import importlib.util
from collections.abc import Sequence

import numpy as np
import pytest

from cloud_coordinator.allocation.allocate import allocate
from cloud_coordinator.allocation.rows import Engine
from tests.unit.allocation.case_files import Case, all_cases
from tests.unit.allocation.engines_here import ENGINES, engine_of
from tests.unit.allocation.oracle import Programme, cost_with_shortage

CASES = all_cases()
NEAR = 1e-8
HAS_SOLVER = all(importlib.util.find_spec(name) for name in ("clarabel", "scipy"))


def _named(cases: Sequence[Case]) -> list[str]:
    return [case.name for case in cases]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine that runs here."""
    return engine_of(request.param)


@pytest.mark.parametrize("case", CASES, ids=_named(CASES))
def test_answer_is_the_optimum(case: Case, engine: Engine) -> None:
    """If it fails, an obligation is shared in a way that costs more than it has to."""
    answer = allocate(case.fleet, case.products, grid=case.grid, engine=engine)
    cost = cost_with_shortage(
        case.fleet, case.products, power=answer.power_w, delivered=answer.delivered_w
    )
    if case.fleet.running_jpy_per_h is not None:
        is_on = answer.power_w[0] > 0.0
        cost += float(
            case.fleet.running_jpy_per_h[is_on & (case.fleet.running_jpy_per_h > 0)].sum()
        )
    best = case.optimum["cost_with_shortage_jpy_per_h"]
    assert cost == pytest.approx(best, rel=NEAR, abs=1e-6)
    assert answer.shortfall_w == pytest.approx(case.optimum["missing_w"], abs=0.01)
    assert np.abs(answer.residual_w).max() < 1e-6
    assert -1e-9 <= answer.relative_gap <= NEAR


@pytest.mark.parametrize("case", CASES, ids=_named(CASES))
def test_optimum_on_file_is_the_solvers(case: Case) -> None:
    """If it fails, the reference cases say something that no solver says."""
    if not HAS_SOLVER:
        pytest.skip("clarabel is not installed: it comes with the extra dev")
    if case.fleet.running_w_min is not None:
        pytest.skip("switched units: the file's optimum is of all ways to switch them")
    cost, _ = Programme(case.fleet, case.products, case.grid).solve()
    assert cost == pytest.approx(case.optimum["cost_with_shortage_jpy_per_h"], rel=1e-7, abs=1e-5)


def test_cases_cover_every_family() -> None:
    """If it fails, a family of questions has no reference any more."""
    families = {case.name[:2] for case in CASES}
    assert families == {"f1", "f2", "f3"}
    assert all(case.about and case.solver for case in CASES)
