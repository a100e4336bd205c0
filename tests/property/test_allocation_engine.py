"""What is always true of an allocation, whatever is asked."""

import importlib.util
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_coordinator.allocation.allocate import Grid, allocate
from cloud_coordinator.allocation.groups import leaf_of_rows, prepare_groups
from cloud_coordinator.allocation.outcome import Allocation
from cloud_coordinator.allocation.problem import FleetColumns
from cloud_coordinator.allocation.rows import Engine
from tests.unit.allocation.engines_here import ENGINES, engine_of
from tests.unit.allocation.oracle import Programme, ancestors, cost_with_shortage
from tests.unit.allocation.random_fleets import downward, question

SEEDS = st.integers(min_value=0, max_value=100_000)
NEAR = 1e-7
ROW_COLUMNS = (
    "price_jpy_per_kwh",
    "steepness_jpy_per_kwh_w",
    "power_w_min",
    "power_w_max",
    "delivery",
    "headroom_w_up",
    "energy_wh_up",
)
SIZES = ("power_w_min", "power_w_max", "headroom_w_up", "energy_wh_up")


@pytest.fixture(params=ENGINES, scope="module")
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine that runs here."""
    return engine_of(request.param)


def _scale(asked: dict[str, Any]) -> float:
    return float(
        np.abs(asked["fleet"].power_w_max).sum() + np.abs(asked["fleet"].power_w_min).sum()
    )


def _worth(asked: dict[str, Any], answer: Allocation) -> float:
    """Cost in JPY/h with the stated shortage."""
    got = answer.delivered_w + answer.residual_w
    return cost_with_shortage(
        asked["fleet"], asked["products"], power=answer.power_w, delivered=got
    )


def _taken(fleet: FleetColumns, rows: np.ndarray[Any, Any]) -> FleetColumns:
    columns = {name: getattr(fleet, name) for name in ROW_COLUMNS}
    return replace(
        fleet,
        **{name: values[..., rows] for name, values in columns.items() if values is not None},
    )


def _regrouped(grid: Grid | None, rows: np.ndarray[Any, Any]) -> Grid | None:
    """Put other rows into the same grid, each where the named row of the first was."""
    if grid is None:
        return None
    above = [path[0] if path else -1 for path in ancestors(grid)]
    parent = grid.groups.parent[1 : 1 + grid.groups.count] - 1
    return replace(grid, groups=prepare_groups(parent, np.array(above)[rows]))


@settings(max_examples=150, deadline=None)
@given(seed=SEEDS)
def test_answer_keeps_every_limit_and_proves_itself(seed: int, engine: Engine) -> None:
    """If it fails, a site, a feeder or an obligation gets something else than was agreed."""
    asked = question(seed)
    fleet, products, grid = asked["fleet"], asked["products"], asked["grid"]
    answer = allocate(**asked, engine=engine)
    near, power = 1e-9 * _scale(asked) + 1e-9, answer.power_w
    assert (power >= np.asarray(fleet.power_w_min) - near).all()
    assert (power <= np.asarray(fleet.power_w_max) + near).all()
    total = power.sum(axis=0)
    if fleet.headroom_w_up is not None:
        assert (total <= fleet.headroom_w_up + near).all()
    if fleet.energy_wh_up is not None:
        hours = np.array([product.duration_s for product in products]) / 3600.0
        assert (hours @ power <= fleet.energy_wh_up + near).all()
    if grid is not None:
        for k, cap in enumerate(grid.caps.power_w_max):
            inside = [k in path for path in ancestors(grid)]
            assert total[inside].sum() <= cap + 1e-8 * _scale(asked)
    factor = 1.0 if fleet.delivery is None else fleet.delivery
    assert answer.delivered_w == pytest.approx((factor * power).sum(axis=1), abs=near)
    required = [product.required_w for product in products]
    assert answer.delivered_w + answer.shortfall_w + answer.residual_w == pytest.approx(
        required, abs=near
    )
    assert np.abs(answer.residual_w).max() <= 1e-8 * (_scale(asked) + np.abs(required).max())
    assert -NEAR <= answer.relative_gap <= NEAR
    assert leaf_of_rows(grid.groups).shape == (fleet.rows,) if grid else True


@pytest.mark.skipif(
    not (importlib.util.find_spec("clarabel") and importlib.util.find_spec("scipy")),
    reason="clarabel is not installed: it comes with the extra dev",
)
@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_no_other_solver_finds_a_cheaper_answer(seed: int, engine: Engine) -> None:
    """If it fails, the fleet pays more than it has to, and the proof did not notice."""
    asked = question(seed)
    answer = allocate(**asked, engine=engine)
    best, _ = Programme(asked["fleet"], asked["products"], asked["grid"]).solve()
    scale = abs(best) + 1e-3 * _scale(asked)
    assert _worth(asked, answer) <= best + 1e-6 * scale


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_both_engines_say_the_same(seed: int) -> None:
    """If it fails, a coordinator without a compiler decides otherwise than one with it."""
    asked = question(seed)
    first = allocate(**asked, engine=engine_of("numpy"))
    second = allocate(**asked, engine=engine_of("compiled"))
    near = 1e-6 * _scale(asked) + 1e-9
    assert first.power_w == pytest.approx(second.power_w, abs=near)
    assert first.shortfall_w == pytest.approx(second.shortfall_w, abs=near)
    assert _worth(asked, first) == pytest.approx(_worth(asked, second), rel=NEAR, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_order_of_resources_does_not_matter(seed: int, engine: Engine) -> None:
    """If it fails, who enrolled first gets another share."""
    asked = question(seed)
    order = np.random.default_rng(seed).permutation(asked["fleet"].rows)
    turned = {
        "fleet": _taken(asked["fleet"], order),
        "products": asked["products"],
        "grid": _regrouped(asked["grid"], order),
    }
    first, second = allocate(**asked, engine=engine), allocate(**turned, engine=engine)
    near = 1e-6 * _scale(asked) + 1e-9
    assert second.power_w == pytest.approx(first.power_w[:, order], abs=near)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, part=st.floats(min_value=0.05, max_value=0.95))
def test_a_resource_split_in_two_gives_the_same_together(
    seed: int, part: float, engine: Engine
) -> None:
    """If it fails, an owner gains by registering one battery as two."""
    asked = question(seed)
    fleet, rows = asked["fleet"], np.arange(asked["fleet"].rows)
    twice = _taken(fleet, np.append(rows, 0))
    for name, shares in [*((name, (part, 1.0 - part)) for name in SIZES)]:
        values = getattr(twice, name)
        if values is not None:
            values[..., 0] *= shares[0]
            values[..., -1] *= shares[1]
    twice.steepness_jpy_per_kwh_w[..., 0] /= part
    twice.steepness_jpy_per_kwh_w[..., -1] /= 1.0 - part
    split = {
        "fleet": twice,
        "products": asked["products"],
        "grid": _regrouped(asked["grid"], np.append(rows, 0)),
    }
    first, second = allocate(**asked, engine=engine), allocate(**split, engine=engine)
    joined = second.power_w[:, :-1].copy()
    joined[:, 0] += second.power_w[:, -1]
    assert joined == pytest.approx(first.power_w, abs=2e-6 * _scale(asked) + 1e-9)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, exponent=st.integers(min_value=-4, max_value=4))
def test_units_do_not_matter(seed: int, exponent: int, engine: Engine) -> None:
    """If it fails, the answer in kW is another one than in W."""
    asked = question(seed)
    fleet, factor = asked["fleet"], 10.0**exponent
    sizes = {name: getattr(fleet, name) for name in SIZES}
    scaled: dict[str, Any] = {
        "fleet": replace(
            fleet,
            steepness_jpy_per_kwh_w=fleet.steepness_jpy_per_kwh_w / factor,
            **{name: values * factor for name, values in sizes.items() if values is not None},
        ),
        "products": tuple(
            replace(one, required_w=one.required_w * factor) for one in asked["products"]
        ),
        "grid": None,
    }
    if asked["grid"] is not None:
        caps = asked["grid"].caps
        more = replace(
            caps, power_w_min=caps.power_w_min * factor, power_w_max=caps.power_w_max * factor
        )
        scaled["grid"] = replace(asked["grid"], caps=more)
    first, second = allocate(**asked, engine=engine), allocate(**scaled, engine=engine)
    near = 1e-6 * _scale(asked) + 1e-9
    assert second.power_w / factor == pytest.approx(first.power_w, abs=near)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_downward_is_upward_mirrored(seed: int, engine: Engine) -> None:
    """If it fails, a downward product is served by another rule than an upward one."""
    asked = question(seed)
    first = allocate(**asked, engine=engine)
    second = allocate(**downward(**asked), engine=engine)
    near = 1e-6 * _scale(asked) + 1e-9
    assert -second.power_w == pytest.approx(first.power_w, abs=near)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_a_warm_start_saves_time_and_changes_nothing(seed: int, engine: Engine) -> None:
    """If it fails, what the fleet does depends on what it did a second ago."""
    asked = question(seed)
    moved = {
        **asked,
        "products": tuple(
            replace(one, required_w=one.required_w * 1.02) for one in asked["products"]
        ),
    }
    cold = allocate(**moved, engine=engine)
    warm = allocate(**moved, start=allocate(**asked, engine=engine), engine=engine)
    near = 1e-6 * _scale(asked) + 1e-9
    assert warm.power_w == pytest.approx(cold.power_w, abs=near)
