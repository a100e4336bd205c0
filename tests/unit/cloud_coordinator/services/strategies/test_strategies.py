"""The strategies on drawn fleets: what each promises is feasible, and none beats the exact one."""

from dataclasses import replace

import numpy as np
import pytest

from cloud_coordinator.allocation.promise import SharedOutage
from cloud_coordinator.services.market_history import HalfHours
from cloud_coordinator.services.strategies.aims import load_aims, parse_aims
from cloud_coordinator.services.strategies.comparing import Trial, compared
from cloud_coordinator.services.strategies.exact import Exact
from cloud_coordinator.services.strategies.figures import figures, verdict
from cloud_coordinator.services.strategies.learned import Learned, policy_bytes
from cloud_coordinator.services.strategies.port import Objective, Question, Strategy
from cloud_coordinator.services.strategies.scenes import SCENES, make_question, scenes_of
from cloud_coordinator.services.strategies.searched import Effort, Nsga3, Swarm
from cloud_coordinator.services.strategies.sight import part_of, volume_of
from protocols.vocabulary.errors import ConfigError

EFFORT = Effort(population=12, generations=2)
STRATEGIES: tuple[Strategy, ...] = (
    Exact(),
    Nsga3(EFFORT, seed=1),
    Swarm(EFFORT, seed=1),
    Learned(policy_bytes()),
)


def question(scene: int = 1, *, resources: int = 80) -> Question:
    random = np.random.default_rng(scene)
    drawn = make_question(SCENES[scene], load_aims(), resources=resources, random=random)
    return replace(drawn, causes=())


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda one: str(one.name))
@pytest.mark.parametrize("objective", Objective)
def test_every_plan_is_feasible(strategy: Strategy, objective: Objective) -> None:
    """If it fails, a searched or learned plan would overload a feeder or a battery."""
    asked = question()
    assert asked.grid is not None
    power_w = strategy.plan(asked, load_aims().aims[objective]).power_w
    assert (power_w >= 0.0).all()
    assert (power_w <= asked.power_w_max * (1.0 + 1e-9)).all()
    feeder = np.arange(len(power_w)) // 40
    flow = np.bincount(feeder, power_w)
    assert (flow <= asked.grid.caps.power_w_max * (1.0 + 1e-6) + 1e-3).all()
    assert float(asked.delivery @ power_w) <= asked.sellable_w * (1.0 + 1e-6)


@pytest.mark.parametrize("scene", range(len(SCENES)))
@pytest.mark.parametrize("objective", [Objective.PROFIT_MAX, Objective.COST_MIN])
def test_nobody_beats_the_exact_strategy(scene: int, objective: Objective) -> None:
    """If it fails, the default would not be the optimum that it is said to be."""
    asked, aim = question(scene), load_aims().aims[objective]
    best = verdict(asked, aim, Exact().plan(asked, aim).power_w)
    for strategy in STRATEGIES[1:]:
        other = verdict(asked, aim, strategy.plan(asked, aim).power_w)
        assert other.loss_jpy >= best.loss_jpy - 1e-6 * abs(best.loss_jpy)


def test_stability_first_keeps_its_probability() -> None:
    """If it fails, what is called stable would fail one time in ten."""
    asked = question(0, resources=300)
    aims = load_aims().aims
    stable = figures(asked, Exact().plan(asked, aims[Objective.STABILITY_FIRST]).power_w)
    cheap = figures(asked, Exact().plan(asked, aims[Objective.COST_MIN]).power_w)
    assert stable.reliability >= 0.998
    assert cheap.reliability < 0.9
    assert stable.profit_jpy < cheap.profit_jpy


def test_what_takes_all_of_them_down_is_counted() -> None:
    """If it fails, a plan is called surer than the grid it hangs on."""
    aim = load_aims().aims[Objective.STABILITY_FIRST]
    asked = replace(question(0, resources=300), spared=0.9995)
    plan = Exact().plan(asked, aim)
    told = figures(asked, plan.power_w)
    assert aim.probability <= told.reliability + 2e-4 <= 0.9998
    alone = figures(replace(asked, spared=1.0), plan.power_w)
    assert told.reliability == pytest.approx(0.9995 * alone.reliability)
    assert told.delivered_w == pytest.approx(0.9995 * alone.delivered_w)
    hopeless = replace(asked, spared=0.99)
    assert f"probability {aim.probability:g}" in Exact().plan(hopeless, aim).relaxed


def test_many_that_fail_together_get_a_margin_for_it() -> None:
    """If it fails, the margin of a large fleet forgets the feeders, or the deadline."""
    aim, asked = load_aims().aims[Objective.STABILITY_FIRST], question(0, resources=30_000)
    part = len(asked.gain) // 10
    causes = tuple(
        SharedOutage(
            name=f"feeder {f}", outage_probability=1e-3, members=np.arange(f * part, (f + 1) * part)
        )
        for f in range(10)
    )
    together = replace(asked, causes=causes)
    alone_w = Exact().plan(asked, aim).power_w
    plan = Exact().plan(together, aim)
    assert plan.relaxed == ()
    assert figures(together, alone_w).reliability < 0.995
    assert figures(together, plan.power_w).reliability >= aim.probability - 1e-4


def test_a_probability_comes_before_any_cost() -> None:
    """If it fails, a plan that gives its probability up is called better because it is cheap."""
    asked, aim = question(0), load_aims().aims[Objective.STABILITY_FIRST]
    aims = load_aims().aims
    sure = verdict(asked, aim, Exact().plan(asked, aim).power_w)
    cheap = verdict(asked, aim, Exact().plan(asked, aims[Objective.COST_MIN]).power_w)
    assert cheap.loss_jpy < sure.loss_jpy
    assert not cheap.is_level_with(sure)
    assert sure.is_level_with(cheap)


def test_the_shipped_policy_is_near_the_optimum() -> None:
    """If it fails, the policy in the package is worse than what docs/strategies.md says of it."""
    rows = [
        row
        for row in compared(
            [Learned(policy_bytes())],
            load_aims(),
            Trial(scenes=SCENES, resources=100, seed=11),
            cpu_ns=lambda: 0,
        )
        if row.strategy == "policy" and row.objective is not Objective.STABILITY_FIRST
    ]
    gaps = [row.gap for row in rows if row.gap is not None]
    assert len(gaps) == len(rows)
    assert max(gaps) < 0.05


def test_a_volume_is_read_as_it_was_told() -> None:
    """If it fails, what the policy is shown is not what its action then does."""
    for volume in (-0.2, -0.01, 0.0, 0.003, 0.2, 1.0):
        assert volume_of(part_of(volume)) == pytest.approx(volume, abs=1e-12)


def test_a_high_price_sells_more_than_is_owed() -> None:
    """If it fails, the fleet would stand idle in the hours that pay for the others."""
    asked = replace(question(3), price_jpy_per_kwh=200.0)
    aims = load_aims().aims
    sold = figures(asked, Exact().plan(asked, aims[Objective.PROFIT_MAX]).power_w)
    owed = figures(asked, Exact().plan(asked, aims[Objective.COST_MIN]).power_w)
    assert sold.delivered_w > 1.2 * asked.owed_w
    assert owed.delivered_w == pytest.approx(asked.owed_w, rel=1e-6)
    assert sold.profit_jpy > owed.profit_jpy


def test_the_same_seed_finds_the_same_front() -> None:
    """If it fails, a front that somebody chose from could not be made again."""
    asked, aim = question(), load_aims().aims[Objective.PROFIT_MAX]
    fronts = [Nsga3(EFFORT, seed=7).front(asked, aim) for _ in range(2)]
    assert [one.profit_jpy for one in fronts[0]] == [one.profit_jpy for one in fronts[1]]
    assert len(fronts[0]) > 1


def test_the_table_asks_all_the_same() -> None:
    """If it fails, the table would compare answers to different questions."""
    rows = list(
        compared(
            [Learned(policy_bytes())],
            load_aims(),
            Trial(scenes=SCENES, resources=40, seed=3),
            cpu_ns=lambda: 0,
        )
    )
    assert len(rows) == len(SCENES) * len(Objective) * 2
    assert all(row.gap_jpy == 0.0 for row in rows if row.strategy == "exact")


def test_the_shipped_policy_is_small() -> None:
    """If it fails, the package would carry a model of many megabytes."""
    assert len(policy_bytes()) < 100_000


@pytest.mark.parametrize(
    "text", ["", "[aim", "[aim.PROFIT_MAX]\nsells_surplus = 1", "[reference]\nx = nan"]
)
def test_a_broken_file_is_refused(text: str) -> None:
    """If it fails, a slip of the pen in the objectives would change what they mean."""
    with pytest.raises(ConfigError, match=r"aims\.toml"):
        parse_aims(text, "aims.toml")


def test_scenes_take_the_prices_of_a_history() -> None:
    """If it fails, the table for real prices shows those of another year."""
    values = np.tile(np.arange(48.0), 30)
    spot = HalfHours(start_s=15 * 3600 - 86_400, values=values)
    prices = {one.name: one.price_jpy_per_kwh for one in scenes_of(spot)}
    assert prices["03:00"] == 6.0
    assert prices["18:00"] == 36.0
    assert prices["tight"] == pytest.approx(47.0, abs=0.5)
    with pytest.raises(ConfigError, match="03:00"):
        scenes_of(HalfHours(start_s=spot.start_s, values=np.full(48, np.nan)))
