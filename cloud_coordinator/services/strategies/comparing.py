"""The strategies side by side: the same fleets, the same questions, the same figures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.services.strategies.aims import Aims
from cloud_coordinator.services.strategies.exact import Exact
from cloud_coordinator.services.strategies.figures import LEVEL, Figures, Verdict, figures, verdict
from cloud_coordinator.services.strategies.port import Aim, Objective, Question, Strategy
from cloud_coordinator.services.strategies.scenes import Scene, make_question

NEAR: Final = 1e-6
"""Of what is owed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One answer.

    Attributes
    ----------
    scene, strategy : str
        Names.
    objective : Objective
        What was wanted.
    told : Figures
        What it is worth.
    judged : Verdict
        By the objective itself.
    gap_jpy, gap : float or None
        Loss above the exact strategy's, and of what the owed energy is worth; None where the
        probability is reached worse: no cost makes up for it.
    cpu_ms : float
        Processor time of the plan.
    is_kept : bool
        Whether what is owed is delivered as the objective wants it.
    """

    scene: str
    strategy: str
    objective: Objective
    told: Figures
    judged: Verdict
    gap_jpy: float | None
    gap: float | None
    cpu_ms: float
    is_kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is asked of all: scenes, each of a fleet of so many resources drawn from a seed."""

    scenes: Sequence[Scene]
    resources: int
    seed: int


def compared(
    strategies: Sequence[Strategy],
    aims: Aims,
    trial: Trial,
    *,
    cpu_ns: Callable[[], int],
) -> Iterator[Row]:
    """Ask every strategy every question.

    Parameters
    ----------
    strategies : sequence of Strategy
        Beside the exact one, which comes first in every question.
    aims : Aims
        Objectives and costs.
    trial : Trial
        What is asked.
    cpu_ns : callable
        Processor time of this thread.
    """
    exact = Exact()
    for place, scene in enumerate(trial.scenes):
        random = np.random.default_rng([trial.seed, place])
        question = make_question(scene, aims, resources=trial.resources, random=random)
        for aim in aims.aims.values():
            best: Verdict | None = None
            for strategy in (exact, *strategies):
                began = cpu_ns()
                power_w = strategy.plan(question, aim).power_w
                cpu_ms = (cpu_ns() - began) / 1e6
                judged = verdict(question, aim, power_w)
                best = judged if best is None else best
                gap = judged.loss_jpy - best.loss_jpy if judged.is_level_with(best) else None
                told = figures(question, power_w)
                yield Row(
                    scene=scene.name,
                    strategy=strategy.name,
                    objective=aim.objective,
                    told=told,
                    judged=judged,
                    gap_jpy=gap,
                    gap=None if gap is None else gap / _worth(question),
                    cpu_ms=cpu_ms,
                    is_kept=_is_kept(question, aim, told),
                )


def _worth(question: Question) -> float:
    return question.price_jpy_per_kwh * question.owed_w * question.duration_h / 1000.0


def _is_kept(question: Question, aim: Aim, told: Figures) -> bool:
    if aim.asks_for_mean:
        return told.delivered_w >= question.owed_w * (1.0 - NEAR)
    return told.reliability >= aim.probability - LEVEL
