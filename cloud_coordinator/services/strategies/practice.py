"""What the policy learns on: questions of drawn fleets, each answered once.

An episode is one question, one action, one reward: how near the plan comes to the exact one, by
the objective itself. Before it tries anything it is shown what the exact strategy did, as
weights: a warm start, from which trying around goes on.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud_coordinator.services.strategies.aims import Aims
from cloud_coordinator.services.strategies.exact import Exact
from cloud_coordinator.services.strategies.figures import Verdict, dot, verdict
from cloud_coordinator.services.strategies.learned import EDGE, weights_of
from cloud_coordinator.services.strategies.port import Aim, Question
from cloud_coordinator.services.strategies.scenes import SCENES, make_question
from cloud_coordinator.services.strategies.sight import observed, part_of, volume_for
from cloud_coordinator.services.strategies.weights import HIGH, LOW, VOLUME, plan_of
from protocols.vocabulary.arrays import FloatArray

QUESTIONS: Final = 600
"""Different ones that are drawn; each environment asks one of them at a time."""
REWARD_MIN: Final = -4.0
"""A very bad answer is not worse than this."""
MISSED: Final = 0.2
"""Reward that a missed probability costs at once, of what the owed energy is worth, ..."""
MISSED_WIDTH: Final = 0.01
"""... and once more for each such part of it."""
VOLUME_HALVINGS: Final = 12
_ONE_JPY: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A question, what is seen of it, how good the optimum is, and what owed energy is worth."""

    question: Question
    aim: Aim
    seen: FloatArray
    best: Verdict
    delivered_w: float
    scale_jpy: float


class Practice:
    """Many questions at once.

    Parameters
    ----------
    aims : Aims
        Objectives and costs.
    count : int
        Environments at once.
    resources : int
        Of the largest fleet; the others have a quarter or half of it.
    """

    def __init__(self, aims: Aims, *, count: int, resources: int) -> None:
        self._aims = aims
        self._count = count
        self._resources = resources
        self._cases: list[_Case] = []
        self._now: list[_Case] = []
        self._random = np.random.default_rng(0)

    def reset(self, random: np.random.Generator) -> FloatArray:
        """Draw the questions and begin."""
        self._random = random
        self._cases = [self._case(random) for _ in range(QUESTIONS)]
        return self._next()

    def lessons(self) -> tuple[FloatArray, FloatArray]:
        """Show what the exact strategy did: observations (n, o) and actions (n, 6)."""
        return (
            np.stack([case.seen for case in self._cases]),
            np.stack([_shown(case) for case in self._cases]),
        )

    def step(self, action: FloatArray) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
        """Judge the answers, shape (n, 6), and ask the next questions."""
        reward = np.array([_reward(*pair) for pair in zip(self._now, action, strict=True)])
        return self._next(), reward, np.ones(self._count, dtype=np.bool_)

    def _next(self) -> FloatArray:
        picked = self._random.integers(0, len(self._cases), self._count)
        self._now = [self._cases[at] for at in picked.tolist()]
        return np.stack([case.seen for case in self._now])

    def _case(self, random: np.random.Generator) -> _Case:
        scene = SCENES[int(random.integers(len(SCENES)))]
        scene = replace(
            scene,
            price_jpy_per_kwh=scene.price_jpy_per_kwh * float(random.uniform(0.7, 1.4)),
            load=float(random.uniform(0.05, 0.5)),
        )
        size = self._resources // int(random.choice([1, 2, 4]))
        question = make_question(scene, self._aims, resources=size, random=random)
        aims = list(self._aims.aims.values())
        aim = aims[int(random.integers(len(aims)))]
        power_w = Exact().plan(question, aim).power_w
        worth = question.price_jpy_per_kwh * question.owed_w * question.duration_h / 1000.0
        return _Case(
            question=question,
            aim=aim,
            seen=observed(question, aim),
            best=verdict(question, aim, power_w),
            delivered_w=dot(question.delivery, power_w),
            scale_jpy=max(worth, _ONE_JPY),
        )


def _reward(case: _Case, action: FloatArray) -> float:
    plan = plan_of(case.question, case.aim, weights_of(action))
    found = verdict(case.question, case.aim, plan.power_w)
    reward = (case.best.loss_jpy - found.loss_jpy) / case.scale_jpy
    if not found.is_level_with(case.best):
        reward -= MISSED * (1.0 + (found.missed - case.best.missed) / MISSED_WIDTH)
    return max(reward, REWARD_MIN)


def _shown(case: _Case) -> FloatArray:
    """Say the exact plan as an action: true prices, and the volume that does as well."""
    volume = volume_for(case.question, case.delivered_w)
    if not case.aim.asks_for_mean:
        volume = _least_volume(case)
    wished = np.array([1.0, 1.0, case.aim.grid_jpy_per_kwh, 0.0, 0.0, 0.0])
    action = 2.0 * (wished - LOW) / (HIGH - LOW) - 1.0
    action[VOLUME] = part_of(volume)
    return np.asarray(EDGE * action)


def _least_volume(case: _Case) -> float:
    """Search the least volume that is as dependable as the exact plan, prices as they are."""
    low, high = 0.0, float(HIGH[VOLUME])
    for _ in range(VOLUME_HALVINGS):
        middle = 0.5 * (low + high)
        weights = np.array([1.0, 1.0, case.aim.grid_jpy_per_kwh, 0.0, 0.0, middle])
        plan = plan_of(case.question, case.aim, weights)
        found = verdict(case.question, case.aim, plan.power_w)
        low, high = (low, middle) if found.is_level_with(case.best) else (middle, high)
    return high
