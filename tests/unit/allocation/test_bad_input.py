"""What is asked wrongly is refused by name; what contradicts itself is answered and named."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from cloud_coordinator.allocation.allocate import Grid, allocate
from cloud_coordinator.allocation.groups import prepare_groups
from cloud_coordinator.allocation.outcome import Allocation, Binding, binding
from cloud_coordinator.allocation.problem import (
    AllocationInputError,
    Direction,
    FleetColumns,
    GroupCaps,
    Product,
)
from cloud_coordinator.allocation.rows import Engine
from tests.unit.allocation.engines_here import ENGINES, engine_of

NAN, INF = float("nan"), float("inf")
FLEET = FleetColumns(
    price_jpy_per_kwh=np.array([10.0, 20.0, 30.0, 40.0]),
    steepness_jpy_per_kwh_w=np.array([1e-3, 2e-3, 1e-3, 0.0]),
    power_w_min=np.zeros(4),
    power_w_max=np.array([5e3, 8e3, 1e4, 2e3]),
)
ENERGY = Product(name="energy", required_w=12e3, shortage_jpy_per_kwh=500.0)
PAIR = (ENERGY, replace(ENERGY, name="more", required_w=5e3))


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine that runs here."""
    return engine_of(request.param)


def _changed(column: str, row: int, value: float) -> FleetColumns:
    array = getattr(FLEET, column).copy()
    array[row] = value
    return replace(FLEET, **{column: array})


def _delivers(answer: Allocation, fleet: FleetColumns, products: tuple[Product, ...]) -> None:
    """Check that an answer keeps the bounds and its own book."""
    assert np.isfinite(answer.power_w).all()
    for p in range(len(products)):
        assert (answer.power_w[p] >= fleet.power_w_min - 1e-6).all()
        assert (answer.power_w[p] <= fleet.power_w_max + 1e-6).all()
    required = np.array([product.required_w for product in products])
    total = answer.delivered_w + answer.shortfall_w + answer.residual_w
    assert total == pytest.approx(required, abs=1e-6)
    assert answer.delivered_w == pytest.approx(answer.power_w.sum(axis=1), abs=1e-6)


COLUMNS = (
    "price_jpy_per_kwh",
    "steepness_jpy_per_kwh_w",
    "power_w_min",
    "power_w_max",
)


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("value", [NAN, INF, -INF, 1e300])
def test_number_that_is_none_is_refused_by_name(column: str, value: float, engine: Engine) -> None:
    """If it fails, one broken meter decides what a hundred thousand sites do."""
    for products in ((ENERGY,), PAIR):
        with pytest.raises(AllocationInputError, match=r"row 2|upward"):
            allocate(_changed(column, 2, value), products, engine=engine)


@pytest.mark.parametrize("products", [(ENERGY,), PAIR], ids=["one", "several"])
def test_crossed_bounds_and_falling_costs_are_refused(
    products: tuple[Product, ...], engine: Engine
) -> None:
    """If it fails, a site is told to give more than it has, or a cost without an optimum."""
    with pytest.raises(AllocationInputError, match="row 1"):
        allocate(_changed("power_w_min", 1, 9e3), products, engine=engine)
    with pytest.raises(AllocationInputError, match="row 3"):
        allocate(_changed("steepness_jpy_per_kwh_w", 3, -1e-9), products, engine=engine)


BAD_PRODUCTS: Mapping[str, tuple[Product, ...]] = {
    "none": (),
    "no number": (replace(ENERGY, required_w=NAN),),
    "free shortage": (replace(ENERGY, shortage_jpy_per_kwh=0.0),),
    "no price": (replace(ENERGY, shortage_jpy_per_kwh=NAN),),
    "twice": (ENERGY, ENERGY),
    "nine": tuple(replace(ENERGY, name=str(at)) for at in range(9)),
    "infinite of two": (ENERGY, replace(ENERGY, name="b", shortage_jpy_per_kwh=INF)),
    "other way": (ENERGY, replace(ENERGY, name="b", required_w=-1.0)),
    "past": (replace(ENERGY, duration_s=-1.0),),
}


@pytest.mark.parametrize("name", BAD_PRODUCTS)
def test_product_that_cannot_be_meant_is_refused(name: str, engine: Engine) -> None:
    """If it fails, a typing error in an award moves the fleet."""
    with pytest.raises(AllocationInputError):
        allocate(FLEET, BAD_PRODUCTS[name], engine=engine)


def test_a_resource_that_comes_twice_is_refused(engine: Engine) -> None:
    """If it fails, one battery is counted and paid twice."""
    with pytest.raises(AllocationInputError, match="'b' comes twice"):
        allocate(replace(FLEET, resource_id=("a", "b", "c", "b")), [ENERGY], engine=engine)


def test_columns_of_other_lengths_are_refused(engine: Engine) -> None:
    """If it fails, one resource's limit is laid on another."""
    with pytest.raises(AllocationInputError, match="shape"):
        allocate(replace(FLEET, power_w_min=np.zeros(5)), [ENERGY], engine=engine)
    with pytest.raises(AllocationInputError, match="shape"):
        allocate(replace(FLEET, headroom_w_up=np.zeros(3)), [ENERGY], engine=engine)


@pytest.mark.parametrize("products", [(ENERGY,), PAIR], ids=["one", "several"])
def test_no_resource_is_a_stated_shortfall(products: tuple[Product, ...], engine: Engine) -> None:
    """If it fails, a coordinator without sites falls over instead of saying so."""
    nothing = FleetColumns(
        price_jpy_per_kwh=np.zeros(0),
        steepness_jpy_per_kwh_w=np.zeros(0),
        power_w_min=np.zeros(0),
        power_w_max=np.zeros(0),
    )
    answer = allocate(nothing, products, engine=engine)
    assert answer.shortfall_w == pytest.approx([product.required_w for product in products])
    assert [one.limit for one in answer.relaxed] == [f"product {one.name}" for one in products]


@pytest.mark.parametrize("products", [(ENERGY,), PAIR], ids=["one", "several"])
def test_zero_capacity_is_a_stated_shortfall(products: tuple[Product, ...], engine: Engine) -> None:
    """If it fails, a fleet that is all offline promises power."""
    fleet = replace(FLEET, power_w_max=np.zeros(4))
    answer = allocate(fleet, products, engine=engine)
    _delivers(answer, fleet, products)
    assert answer.shortfall_w == pytest.approx([product.required_w for product in products])


@pytest.mark.parametrize("load", [3.0, -3.0])
@pytest.mark.parametrize("cap", [500.0, INF])
def test_three_times_the_fleet_is_all_of_it_and_the_rest_is_named(
    load: float, cap: float, engine: Engine
) -> None:
    """If it fails, an impossible award is answered with impossible powers."""
    fleet = replace(FLEET, power_w_min=-FLEET.power_w_max)
    product = replace(ENERGY, required_w=load * 25e3, shortage_jpy_per_kwh=cap)
    answer = allocate(fleet, [product], engine=engine)
    _delivers(answer, fleet, (product,))
    assert answer.power_w[0] == pytest.approx(np.sign(load) * FLEET.power_w_max)
    assert answer.shortfall_w == pytest.approx([load * 25e3 * 2 / 3])
    assert answer.relaxed[0].limit == "product energy"


def _grid(low: float, high: float) -> Grid:
    groups = prepare_groups(np.array([-1, 0]), np.array([0, 1, 1, -1]))
    caps = GroupCaps(power_w_min=np.array([-INF, low]), power_w_max=np.array([INF, high]))
    return Grid(groups=groups, caps=caps)


def test_cap_below_the_least_power_gives_way_and_is_named(engine: Engine) -> None:
    """If it fails, a feeder whose must-run units exceed its cap stops the whole allocation."""
    fleet = replace(FLEET, power_w_min=np.array([0.0, 4e3, 3e3, 0.0]))
    more = replace(ENERGY, required_w=14e3)
    answer = allocate(fleet, [more], grid=_grid(-INF, 5e3), engine=engine)
    _delivers(answer, fleet, (more,))
    assert answer.power_w[0, 1:3] == pytest.approx([4e3, 3e3])
    assert [(one.limit, one.amount_w) for one in answer.relaxed] == [
        ("group 1 power_w_max", pytest.approx(2e3))
    ]
    assert answer.group_multiplier_jpy_per_kwh[0, 1] > 0.0


def test_the_only_group_of_the_only_resource_is_capped(engine: Engine) -> None:
    """If it fails, the smallest grid is taken for none, and its feeder is overloaded."""
    one = FleetColumns(
        price_jpy_per_kwh=np.array([10.0]),
        steepness_jpy_per_kwh_w=np.array([1e-3]),
        power_w_min=np.zeros(1),
        power_w_max=np.array([5e3]),
    )
    groups = prepare_groups(np.array([-1]), np.array([0]))
    caps = GroupCaps(power_w_min=np.array([-INF]), power_w_max=np.array([2e3]))
    answer = allocate(one, [ENERGY], grid=Grid(groups=groups, caps=caps), engine=engine)
    assert answer.power_w == pytest.approx(2e3)
    assert answer.shortfall_w == pytest.approx([10e3])


@pytest.mark.parametrize(("low", "high"), [(NAN, 1.0), (2.0, 1.0), (INF, INF), (-INF, -INF)])
def test_caps_that_are_no_caps_are_refused(low: float, high: float, engine: Engine) -> None:
    """If it fails, a feeder without a sound cap counts as free."""
    with pytest.raises(AllocationInputError, match="group"):
        allocate(FLEET, [ENERGY], grid=_grid(low, high), engine=engine)


@pytest.mark.parametrize("parent", [[0], [1, 0], [5], [-2]])
def test_groups_that_contain_each_other_are_refused(parent: list[int]) -> None:
    """If it fails, a slip in the grid's table hangs the allocation."""
    with pytest.raises(AllocationInputError):
        prepare_groups(np.array(parent), np.zeros(3, dtype=np.int64))


def test_one_unit_of_nine_tenths_is_shared_exactly(engine: Engine) -> None:
    """If it fails, one large unit hides all others behind its rounding."""
    rng = np.random.default_rng(3)
    high = np.append(rng.uniform(1e3, 9e3, 999), 0.0)
    high[-1] = 9.0 * high.sum()
    fleet = FleetColumns(
        price_jpy_per_kwh=rng.uniform(5.0, 40.0, 1000),
        steepness_jpy_per_kwh_w=10.0 / high,
        power_w_min=np.zeros(1000),
        power_w_max=high,
    )
    for share in (0.02, 0.5, 0.97):
        product = replace(ENERGY, required_w=share * high.sum())
        answer = allocate(fleet, [product], engine=engine)
        _delivers(answer, fleet, (product,))
        assert answer.shortfall_w == pytest.approx([0.0])
        assert abs(answer.relative_gap) < 1e-9


def test_what_binds_is_named(engine: Engine) -> None:
    """If it fails, an operator asks why a site gives no more and nobody can say."""
    fleet = replace(
        FLEET,
        ramp_w_per_s=np.array([100.0, 10.0, 100.0, 100.0]),
        headroom_w_up=np.array([9e3, 9e3, 2e3, 9e3]),
        energy_wh_up=np.array([1e3, 9e3, 9e3, 9e3]),
    )
    product = replace(ENERGY, required_w=9e3, response_s=300.0, duration_s=1800.0)
    answer = allocate(fleet, [product], engine=engine)
    found = [Binding(code).name for code in binding(fleet, (product,), answer)[0].tolist()]
    assert found == ["ENERGY", "RAMP", "HEADROOM", "MOST_POWER"]


def test_product_with_the_higher_cap_goes_first(engine: Engine) -> None:
    """If it fails, the dearest promise is broken before the cheapest."""
    products = (
        replace(ENERGY, name="cheap", required_w=20e3, shortage_jpy_per_kwh=60.0),
        replace(ENERGY, name="dear", required_w=20e3, shortage_jpy_per_kwh=600.0),
    )
    fleet = replace(FLEET, headroom_w_up=FLEET.power_w_max)
    answer = allocate(fleet, products, engine=engine)
    assert answer.shortfall_w == pytest.approx([15e3, 0.0])
    assert [one.limit for one in answer.relaxed] == ["product cheap"]


def test_energy_too_small_for_the_least_power_is_named(engine: Engine) -> None:
    """If it fails, a battery that must give more than it holds is hidden."""
    fleet = replace(FLEET, power_w_min=np.full(4, 1e3), energy_wh_up=np.full(4, 100.0))
    products = tuple(replace(one, duration_s=3600.0, direction=Direction.UP) for one in PAIR)
    for asked in (products[:1], products):
        answer = allocate(fleet, asked, engine=engine)
        assert answer.relaxed[0].limit == "energy_wh_up"
