"""Strategies that search six weights of a plan: NSGA-III with a front to pick from, and a swarm.

Off the control path; every draw comes from the question's seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.services.bidding.parameters import HIGH, LOW, Expansion
from cloud_coordinator.services.bidding.port import BidBook, BidQuestion
from cloud_coordinator.services.bidding.prices import Menu, menu_of
from cloud_coordinator.services.bidding.worth import answer, worth
from cloud_coordinator.services.search.nsga3 import pareto_front
from cloud_coordinator.services.search.swarm import swarm
from protocols.vocabulary.arrays import FloatArray

POPULATION: Final = 100
GENERATIONS: Final = 50
PARTICLES: Final = 50
ROUNDS: Final = 60
EQUAL_WEIGHTS: Final = (0.85, 0.05, 0.05, 0.05)
"""Of profit, grid impact, reliability and wear, when the operator picks nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BidFront:
    """Plans of which none is better than another in all four aims.

    Attributes
    ----------
    points : FloatArray
        Shape (p, 6), as :data:`~cloud_coordinator.services.bidding.parameters.PARAMETERS`.
    aims : FloatArray
        Shape (p, 4), as :data:`~cloud_coordinator.services.bidding.worth.AIMS`; less is better.
    """

    points: FloatArray
    aims: FloatArray

    def pick(self, weights: Sequence[float]) -> int:
        """Place of the point that is least far from the best in every aim, by weight."""
        best, worst = self.aims.min(axis=0), self.aims.max(axis=0)
        width = np.where(worst > best, worst - best, 1.0)
        away = (self.aims - best) / width
        return int(np.argmin(away @ np.asarray(weights, dtype=np.float64)))


class ParetoSearch:
    """NSGA-III over the four aims; answers with the point its weights pick.

    Parameters
    ----------
    weights : sequence of float
        Of the four aims, >= 0.
    population, generations : int
        Size of the search.
    """

    def __init__(
        self,
        *,
        weights: Sequence[float] = EQUAL_WEIGHTS,
        population: int = POPULATION,
        generations: int = GENERATIONS,
    ) -> None:
        self._weights = tuple(weights)
        self._population = population
        self._generations = generations

    @property
    def name(self) -> str:
        """What people call it."""
        return "nsga3"

    def bids(self, question: BidQuestion) -> BidBook:
        """Search the front and answer with one of its points."""
        front = self.front(question)
        return book_at(front.points[front.pick(self._weights)], question, strategy=self.name)

    def front(self, question: BidQuestion) -> BidFront:
        """Search the front."""
        menu = menu_of(question)
        expansion = Expansion(menu, question)
        found = pareto_front(
            lambda points: worth(expansion(points), menu, question).aims,
            low=LOW,
            high=HIGH,
            seed=question.seed,
            population=self._population,
            generations=self._generations,
        )
        return BidFront(points=found.points, aims=found.values)


class SwarmSearch:
    """A swarm of particles that looks for profit alone.

    Parameters
    ----------
    particles, rounds : int
        Size of the search.
    """

    def __init__(self, *, particles: int = PARTICLES, rounds: int = ROUNDS) -> None:
        self._particles = particles
        self._rounds = rounds

    @property
    def name(self) -> str:
        """What people call it."""
        return "pso"

    def bids(self, question: BidQuestion) -> BidBook:
        """Search the point of most expected profit."""
        menu = menu_of(question)
        expansion = Expansion(menu, question)
        found = swarm(
            lambda points: -worth(expansion(points), menu, question).profit_jpy,
            low=LOW,
            high=HIGH,
            random=np.random.default_rng(question.seed),
            particles=self._particles,
            rounds=self._rounds,
        )
        return _book(found.point, menu, question, expansion=expansion, strategy=self.name)


def book_at(point: FloatArray, question: BidQuestion, *, strategy: str) -> BidBook:
    """Book of one point, for example one that an operator picked from a front."""
    menu = menu_of(question)
    return _book(point, menu, question, expansion=Expansion(menu, question), strategy=strategy)


def _book(
    point: FloatArray,
    menu: Menu,
    question: BidQuestion,
    *,
    expansion: Expansion,
    strategy: str,
) -> BidBook:
    return answer(expansion(point[None]), menu, question, strategy=strategy)
