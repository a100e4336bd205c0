"""Two searches over the six weights: NSGA-III for a front to pick from, and a swarm.

Seconds, not milliseconds: off the control path.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.services.search.nsga3 import pareto_front
from cloud_coordinator.services.search.swarm import swarm
from cloud_coordinator.services.strategies.figures import (
    LEVEL,
    Verdict,
    accounts,
    missing_w,
    profit_jpy,
    quick_loss_jpy,
    reach_w,
    verdict,
)
from cloud_coordinator.services.strategies.port import Aim, Plan, Question
from cloud_coordinator.services.strategies.weights import HIGH, LOW, plan_of
from protocols.vocabulary.arrays import FloatArray

DEPENDABLE: Final = 0.999
"""Probability of the power that the front counts as reliable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long to search: points at once, and how often."""

    population: int
    generations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A point of the front.

    Attributes
    ----------
    weights : FloatArray
        Shape (6,).
    profit_jpy, grid_impact_w, dependable_w, degradation_jpy : float
        What it gives; dependable power is reached with 99.9 %.
    """

    weights: FloatArray
    profit_jpy: float
    grid_impact_w: float
    dependable_w: float
    degradation_jpy: float


class Nsga3:
    """A front by NSGA-III, and of it the point that the aim likes best.

    Parameters
    ----------
    effort : Effort
        How long.
    seed : int
        The same seed finds the same plan.
    """

    def __init__(self, effort: Effort, *, seed: int) -> None:
        self._effort = effort
        self._seed = seed

    @property
    def name(self) -> str:
        """For tables."""
        return "nsga3"

    def front(self, question: Question, aim: Aim) -> tuple[Choice, ...]:
        """Search the front of the four figures."""
        found = pareto_front(
            lambda points: np.array([_objectives(question, aim, point) for point in points]),
            low=LOW,
            high=HIGH,
            seed=self._seed,
            population=self._effort.population,
            generations=self._effort.generations,
        )
        return tuple(
            Choice(
                weights=point,
                profit_jpy=-float(value[0]),
                grid_impact_w=float(value[1]),
                dependable_w=-float(value[2]),
                degradation_jpy=float(value[3]),
            )
            for point, value in zip(found.points, found.values, strict=True)
        )

    def plan(self, question: Question, aim: Aim) -> Plan:
        """Pick from the front."""
        plans = [plan_of(question, aim, one.weights) for one in self.front(question, aim)]
        judged = [verdict(question, aim, plan.power_w) for plan in plans]
        return plans[min(range(len(plans)), key=lambda at: _order(judged[at]))]


class Swarm:
    """One best point by a swarm of particles.

    Parameters
    ----------
    effort : Effort
        How long.
    seed : int
        The same seed finds the same plan.
    """

    def __init__(self, effort: Effort, *, seed: int) -> None:
        self._effort = effort
        self._seed = seed

    @property
    def name(self) -> str:
        """For tables."""
        return "pso"

    def plan(self, question: Question, aim: Aim) -> Plan:
        """Search the aim's own measure."""
        best = swarm(
            lambda points: np.array(
                [
                    quick_loss_jpy(question, aim, plan_of(question, aim, one).power_w)
                    for one in points
                ]
            ),
            low=LOW,
            high=HIGH,
            random=np.random.default_rng(self._seed),
            particles=self._effort.population,
            rounds=self._effort.generations,
        )
        return plan_of(question, aim, best.point)


def _order(judged: Verdict) -> tuple[float, float]:
    """Put the probability first, in steps within which it counts as alike; then the loss."""
    return max(judged.missed - LEVEL, 0.0), judged.loss_jpy


def _objectives(question: Question, aim: Aim, weights: FloatArray) -> list[float]:
    """Four figures of which each should be small."""
    added = accounts(question, plan_of(question, aim, weights).power_w)
    profit = profit_jpy(question, added, missing_w(question, added))
    dependable = min(reach_w(added.seen, DEPENDABLE), question.owed_w)
    return [-profit, added.grid_impact_w, -dependable, added.degradation_jpy]
