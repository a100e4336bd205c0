"""The horizon problem: against an oracle, bit for bit, and when it fails."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import clarabel
import numpy as np
import pytest
from scipy import sparse

from edge_agent.control.plan import Plan, PlanStatus
from edge_agent.control.problem import (
    PlanInputs,
    PlannedGenerator,
    PlannedStore,
    coupling,
    curvature,
    structure_of,
    vectors,
)
from edge_agent.control.projection import project
from edge_agent.control.solver import (
    HorizonSolver,
    pack_warm_start,
    solve_plan,
    unpack_warm_start,
)
from protocols.vocabulary.identifiers import ResourceId

T0 = datetime(2026, 7, 22, tzinfo=UTC)


def case(seed: int, *, steps: int = 24, owed: bool = True) -> PlanInputs:
    """Make a day of a house with two batteries, a car that leaves, PV and an award."""
    drawn = np.random.default_rng(seed)
    hour = np.arange(steps) * 24.0 / steps
    stores = tuple(
        PlannedStore(
            resource_id=ResourceId(f"s/battery-{i}"),
            power_w_min=np.full(steps, -3000.0),
            power_w_max=np.full(steps, 2500.0 + 500.0 * i),
            energy_wh_capacity=8000.0 + 2000.0 * i,
            efficiency_charge=0.95,
            efficiency_discharge=0.93,
            soc=float(drawn.random()),
            soc_min=0.1,
            soc_max=0.95,
            wear_jpy_per_kwh=3.0,
            end_value_jpy_per_kwh=15.0,
        )
        for i in range(2)
    )
    car = PlannedStore(
        resource_id=ResourceId("s/ev-1"),
        power_w_min=np.where(hour < 8.0, -6000.0, 0.0),
        power_w_max=np.zeros(steps),
        energy_wh_capacity=40_000.0,
        efficiency_charge=0.92,
        efficiency_discharge=1.0,
        soc=0.4,
        soc_min=0.0,
        soc_max=1.0,
        wear_jpy_per_kwh=0.0,
        end_value_jpy_per_kwh=0.0,
        soc_needed=0.8,
        needed_step=int(np.sum(hour < 8.0)) - 1,
    )
    sun = np.maximum(0.0, 4000.0 * np.sin((hour - 6.0) / 12.0 * np.pi))
    return PlanInputs(
        plan_id=f"plan-{seed}",
        start=T0,
        step_s=86_400.0 / steps,
        stores=(*stores, car),
        generators=(PlannedGenerator(resource_id=ResourceId("s/pv-1"), available_w=sun),),
        residual_w=-400.0 - 900.0 * drawn.random(steps),
        import_jpy_per_kwh=np.where(hour < 7.0, 18.0, 32.0),
        export_jpy_per_kwh=np.full(steps, 8.0),
        meter_w_min=np.full(steps, -8000.0),
        meter_w_max=np.full(steps, 5000.0),
        target_meter_w=np.full(steps, 1000.0),
        shortage_jpy_per_kwh=np.where((hour >= 9.0) & (hour < 11.0) & owed, 200.0, 0.0),
    )


def cost_of(inputs: PlanInputs, power_w: np.ndarray) -> float:
    """Money a plan costs once it is projected, JPY."""
    power_w, soc, meter_w = project(inputs, power_w)
    kw, meter = power_w / 1000.0, meter_w / 1000.0
    money = np.maximum(-meter, 0.0) * inputs.import_jpy_per_kwh
    money -= np.maximum(meter, 0.0) * inputs.export_jpy_per_kwh
    money += np.abs(meter - inputs.target_meter_w / 1000.0) * inputs.shortage_jpy_per_kwh
    total = float(money.sum()) * inputs.hours
    for i, store in enumerate(inputs.stores):
        total += float(np.abs(kw[i]).sum()) * inputs.hours * store.wear_jpy_per_kwh
        left = soc[i, -1] * store.energy_wh_capacity / 1000.0
        total -= left * store.end_value_jpy_per_kwh
    return total


def oracle(inputs: PlanInputs) -> np.ndarray:
    """Powers by Clarabel, W."""
    structure = structure_of(inputs)
    numbers = vectors(inputs, structure)
    rows, columns, values = coupling(structure)
    shape = (structure.rows, structure.variables)
    matrix = sparse.vstack(
        [sparse.csc_matrix((values, (rows, columns)), shape=shape), sparse.eye(shape[1])]
    )
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    both = sparse.csc_matrix(sparse.vstack([matrix, -matrix]))
    bounds = np.concatenate([numbers.high, -numbers.low])
    solution = clarabel.DefaultSolver(
        sparse.diags(curvature(structure), format="csc"),
        numbers.cost,
        both,
        bounds,
        [clarabel.NonnegativeConeT(len(bounds))],
        settings,
    ).solve()
    assert str(solution.status) == "Solved"
    x, n = np.array(solution.x), structure.steps
    found = []
    for i in range(len(inputs.stores)):
        charge, discharge = structure.store_column(i, 0), structure.store_column(i, 1)
        found.append(x[discharge : discharge + n] - x[charge : charge + n])
    first = structure.generator_column(0)
    found.append(x[first : first + n])
    return np.array(found) * structure.unit_w


def larger(inputs: PlanInputs, factor: float) -> PlanInputs:
    """Make the same site of another size."""
    return replace(
        inputs,
        stores=tuple(
            replace(
                store,
                power_w_min=store.power_w_min * factor,
                power_w_max=store.power_w_max * factor,
                energy_wh_capacity=store.energy_wh_capacity * factor,
            )
            for store in inputs.stores
        ),
        generators=tuple(
            replace(generator, available_w=generator.available_w * factor)
            for generator in inputs.generators
        ),
        residual_w=inputs.residual_w * factor,
        meter_w_min=inputs.meter_w_min * factor,
        meter_w_max=inputs.meter_w_max * factor,
        target_meter_w=inputs.target_meter_w * factor,
    )


@pytest.mark.parametrize("factor", [0.25, 64.0])
def test_a_small_and_a_large_site_are_solved_alike(factor: float) -> None:
    """A factory's problem would not converge, because a household's units were taken for it."""
    inputs = larger(case(2), factor)
    plan, _ = solve_plan(inputs)
    assert plan.status is PlanStatus.SOLVED
    best = cost_of(inputs, oracle(inputs))
    assert cost_of(inputs, plan.power_w) <= best + max(0.005 * abs(best), 2.0 * factor)


@pytest.mark.parametrize("steps", [24, 48])
@pytest.mark.parametrize("seed", range(6))
def test_the_plan_costs_what_the_oracle_s_costs(seed: int, steps: int) -> None:
    """The site would pay more than it must, every day."""
    inputs = case(seed, steps=steps)
    plan, warm = solve_plan(inputs)
    assert plan.status is PlanStatus.SOLVED
    assert warm is not None
    best = cost_of(inputs, oracle(inputs))
    assert cost_of(inputs, plan.power_w) <= best + max(0.005 * abs(best), 2.0)


def test_a_plan_keeps_bounds_and_charge_exactly() -> None:
    """A solver's last digits would be handed to devices as setpoints."""
    inputs = case(3)
    plan, _ = solve_plan(inputs)
    for i, store in enumerate(inputs.stores):
        assert (plan.power_w[i] >= store.power_w_min).all()
        assert (plan.power_w[i] <= store.power_w_max).all()
        assert (plan.soc[i] >= store.soc_min).all()
        assert (plan.soc[i] <= store.soc_max).all()
    assert plan.meter_w == pytest.approx(inputs.residual_w + plan.power_w.sum(axis=0))


def test_the_car_is_ready_when_it_leaves_and_charged_when_it_is_cheap() -> None:
    """The driver would find an empty car, or a dear one."""
    whole = case(1, owed=False)
    inputs = replace(whole, stores=whole.stores[2:], generators=())
    plan, _ = solve_plan(inputs)
    step = inputs.stores[0].needed_step
    assert plan.soc[0, step + 1] >= 0.79
    dear = inputs.import_jpy_per_kwh > 20.0
    assert -plan.power_w[0][dear].sum() < 0.01 * -plan.power_w[0].sum()


def test_the_obligation_is_kept_where_it_can_be() -> None:
    """The plan would sell the award for a cheaper tariff."""
    inputs = case(2)
    plan, _ = solve_plan(inputs)
    owed = inputs.shortage_jpy_per_kwh > 0.0
    assert np.abs(plan.meter_w[owed] - 1000.0).max() <= 60.0


def test_an_impossible_obligation_still_gives_a_plan() -> None:
    """One bad award would leave the site without any plan."""
    inputs = case(4)
    inputs = replace(inputs, target_meter_w=np.full(24, 50_000.0))
    plan, _ = solve_plan(inputs)
    assert plan.status is PlanStatus.SOLVED


def test_an_old_workspace_gives_the_same_bits_as_a_new_one() -> None:
    """A plan could not be replayed, because it depended on what was solved before it."""
    old = HorizonSolver()
    for seed in range(3):
        old.solve(case(seed))
    warm, before = None, None
    for k in range(6):
        inputs = replace(case(7, owed=k < 3), start=T0 + timedelta(minutes=20 * k))
        inputs = replace(inputs, residual_w=inputs.residual_w + 37.0 * k)
        one, after = old.solve(inputs, warm=warm, previous=before)
        two, _ = solve_plan(inputs, warm=warm, previous=before)
        assert np.array_equal(one.power_w, two.power_w)
        assert np.array_equal(one.stored_value_jpy_per_kwh, two.stored_value_jpy_per_kwh)
        assert one.iterations == two.iterations
        warm, before = after, one


def test_a_warm_start_saves_most_of_the_work() -> None:
    """The gateway would heat its case with iterations it has done before."""
    solver = HorizonSolver()
    inputs = case(5)
    cold, warm = solver.solve(inputs)
    moved = replace(inputs, residual_w=inputs.residual_w * 1.01)
    again, _ = solver.solve(moved, warm=warm)
    assert again.iterations * 2 < cold.iterations


def test_a_warm_start_comes_back_from_the_journal_bit_for_bit() -> None:
    """A plan made after a restart could not be replayed."""
    inputs = case(5)
    _, warm = solve_plan(inputs)
    assert warm is not None
    back = unpack_warm_start(pack_warm_start(warm))
    assert back is not None
    assert back.structure == warm.structure
    one, _ = solve_plan(inputs, warm=warm)
    two, _ = solve_plan(inputs, warm=back)
    assert np.array_equal(one.power_w, two.power_w)
    assert unpack_warm_start(b"\x92\x63\x90") is None


def failing(inputs: PlanInputs, previous: Plan | None) -> Plan:
    """Plan of a solver that may not iterate."""
    plan, warm = HorizonSolver(iterations=1).solve(inputs, previous=previous)
    assert warm is None
    return plan


def test_without_convergence_the_plan_before_is_shifted_and_projected() -> None:
    """A bad minute of the solver would leave the site without a plan."""
    inputs = case(6)
    before, _ = solve_plan(inputs)
    empty = tuple(replace(store, soc=0.1) for store in inputs.stores[:2])
    later = replace(
        inputs,
        start=T0 + timedelta(seconds=inputs.step_s),
        stores=(*empty, inputs.stores[2]),
    )
    plan = failing(later, before)
    assert plan.status is PlanStatus.SHIFTED
    assert plan.power_w[0, 0] <= max(before.power_w[0, 1], 0.0) + 1e-9
    assert (plan.soc >= -1e-12).all()
    same = failing(replace(inputs, start=later.start), before)
    assert same.power_w[3, :-1] == pytest.approx(
        np.minimum(before.power_w[3, 1:], inputs.generators[0].available_w[:-1])
    )


def test_without_any_plan_the_stores_rest_and_the_car_charges() -> None:
    """The very first failure would leave nothing to fall back on."""
    plan = failing(case(6), None)
    assert plan.status is PlanStatus.PROJECTED
    assert (plan.power_w[:2] == 0.0).all()
    assert plan.soc[2, -1] == pytest.approx(0.8)


def test_a_plan_of_other_resources_is_not_shifted() -> None:
    """The powers of one battery would be given to another."""
    inputs = case(6)
    before, _ = solve_plan(inputs)
    other = replace(before, resource_ids=before.resource_ids[::-1])
    assert failing(inputs, other).status is PlanStatus.PROJECTED


def test_two_efficiencies_are_paid() -> None:
    """The plan would think that energy comes back whole."""
    inputs = case(8)
    power_w = np.zeros((4, 24))
    power_w[0, :2] = [-1000.0, 1000.0]
    store = replace(inputs.stores[0], soc=0.5)
    inputs = replace(inputs, stores=(store, *inputs.stores[1:]))
    _, soc, _ = project(inputs, power_w)
    hours, capacity = inputs.hours, store.energy_wh_capacity
    assert soc[0, 1] == pytest.approx(0.5 + 1000.0 * 0.95 * hours / capacity)
    assert soc[0, 2] == pytest.approx(soc[0, 1] - 1000.0 / 0.93 * hours / capacity)
