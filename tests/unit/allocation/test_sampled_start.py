"""Fleets large enough for a sampled start: every load level, cold and warm, in both engines."""

import numpy as np
import pytest

from cloud_coordinator.allocation.allocate import allocate
from cloud_coordinator.allocation.outcome import Allocation
from cloud_coordinator.commands.allocation_bench.fleets import LOADS, Question, make_question, moved
from tests.unit.allocation.engines_here import ENGINES, engine_of

ROWS = 8_000


def _keeps_its_limits(question: Question, answer: Allocation) -> None:
    fleet, grid = question.fleet, question.grid
    assert grid is not None
    total = answer.power_w.sum(axis=0)
    assert (answer.power_w >= fleet.power_w_min - 1e-6).all()
    assert (answer.power_w <= fleet.power_w_max + 1e-6).all()
    if fleet.headroom_w_up is not None:
        assert (total <= fleet.headroom_w_up + 1e-6).all()
    groups = grid.groups
    leaf_sums = np.add.reduceat(total, groups.starts[:-1])
    for k, cap in enumerate(grid.caps.power_w_max):
        inside = (groups.above == 1 + k).any(axis=0)
        assert leaf_sums[inside].sum() <= cap * (1.0 + 1e-8)
    required = np.array([product.required_w for product in question.products])
    assert np.abs(answer.residual_w).max() <= 1e-8 * required.max()
    assert -1e-9 <= answer.relative_gap <= 1e-8


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("family", ["F2", "F3"])
def test_every_load_is_served_exactly(family: str, load: float, name: str) -> None:
    """If it fails, the fleet is shared well at one load and badly at another."""
    engine = engine_of(name)
    question = make_question(family, ROWS, load=load)
    answer = allocate(question.fleet, question.products, grid=question.grid, engine=engine)
    _keeps_its_limits(question, answer)
    later = moved(question)
    warm = allocate(later.fleet, later.products, grid=later.grid, start=answer, engine=engine)
    _keeps_its_limits(later, warm)
    cold = allocate(later.fleet, later.products, grid=later.grid, engine=engine)
    scale = float(np.abs(cold.power_w).max())
    assert warm.power_w == pytest.approx(cold.power_w, abs=1e-6 * scale)
