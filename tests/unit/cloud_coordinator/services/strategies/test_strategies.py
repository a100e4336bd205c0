"""The strategies on drawn fleets: what each promises is feasible, and none beats the exact one."""

from dataclasses import replace

import numpy as np
import pytest

from cloud_coordinator.services.strategies.aims import load_aims, parse_aims
from cloud_coordinator.services.strategies.comparing import compared
from cloud_coordinator.services.strategies.exact import Exact
from cloud_coordinator.services.strategies.figures import figures, loss_jpy
from cloud_coordinator.services.strategies.learned import Learned, policy_bytes
from cloud_coordinator.services.strategies.port import Objective, Question, Strategy
from cloud_coordinator.services.strategies.scenes import SCENES, make_question
from cloud_coordinator.services.strategies.searched import Effort, Nsga3, Swarm
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
    best = loss_jpy(asked, aim, Exact().plan(asked, aim).power_w)
    for strategy in STRATEGIES[1:]:
        other = loss_jpy(asked, aim, strategy.plan(asked, aim).power_w)
        assert other >= best - 1e-6 * abs(best)


def test_stability_first_keeps_its_probability() -> None:
    """If it fails, what is called stable would fail one time in ten."""
    asked = question(0, resources=300)
    aims = load_aims().aims
    stable = figures(asked, Exact().plan(asked, aims[Objective.STABILITY_FIRST]).power_w)
    cheap = figures(asked, Exact().plan(asked, aims[Objective.COST_MIN]).power_w)
    assert stable.reliability >= 0.998
    assert cheap.reliability < 0.9
    assert stable.profit_jpy < cheap.profit_jpy


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
        compared([Learned(policy_bytes())], load_aims(), resources=40, seed=3, cpu_ns=lambda: 0)
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
