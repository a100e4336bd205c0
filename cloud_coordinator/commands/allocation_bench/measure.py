"""Rounds of one process, all contenders in turn, single-thread processor time."""

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from cloud_coordinator.allocation.allocate import allocate
from cloud_coordinator.allocation.outcome import Allocation
from cloud_coordinator.allocation.rows import Engine
from cloud_coordinator.allocation.rows_compiled import CompiledEngine
from cloud_coordinator.allocation.rows_numpy import NumpyEngine
from cloud_coordinator.commands.allocation_bench.fleets import (
    LOADS,
    Question,
    make_question,
    moved,
)
from cloud_coordinator.commands.allocation_bench.rivals import (
    LARGEST,
    RIVALS,
    Programme,
    make_programme,
    missing_rivals,
)

COMPILED: Final = "ours compiled"
WARM: Final = "ours compiled, warm"
NUMPY: Final = "ours NumPy"
FLOOR: Final = "memory floor"
SHORT_S: Final = 0.15
"""A contender is asked again in a round until this much time is used, ..."""
REPEATS_MAX: Final = 30
"""... or this often."""
SLOW_S: Final = 3.0
"""Who takes longer is asked in the first round only."""
ROUNDS: Final = {1_000: 3, 10_000: 3, 100_000: 3}
"""Rounds by size; one round above."""


@dataclass(slots=True, kw_only=True)
class Contender:
    """One way to answer, and what it took.

    Attributes
    ----------
    run : callable
        Answers once.
    times_ms : list of float
        Processor time of each answer.
    result : object
        The last answer.
    """

    run: Callable[[], Any]
    times_ms: list[float] = field(default_factory=list)
    result: Any = None

    def ask(self) -> None:
        """Answer until the time or the count is used up; who is slow answers once."""
        if self.times_ms and self.times_ms[0] > SLOW_S * 1e3:
            return
        spent = 0.0
        for _ in range(REPEATS_MAX):
            start = time.process_time_ns()
            self.result = self.run()
            took = (time.process_time_ns() - start) / 1e6
            self.times_ms.append(took)
            spent += took
            if spent > SHORT_S * 1e3:
                break

    def figures(self) -> dict[str, float]:
        """Least and median processor time, ms."""
        return {
            "cpu_ms": round(float(np.min(self.times_ms)), 4),
            "cpu_ms_median": round(float(np.median(self.times_ms)), 4),
            "answers": len(self.times_ms),
        }


def _ours(question: Question, engine: Engine, start: Allocation | None) -> Callable[[], Allocation]:
    return lambda: allocate(
        question.fleet, question.products, grid=question.grid, start=start, engine=engine
    )


def _floor(question: Question, engine: CompiledEngine) -> Callable[[], None]:
    """Four columns in, one out: what merely moving one product's numbers costs."""
    fleet = question.fleet
    four = [
        np.ascontiguousarray(np.atleast_2d(column)[0])
        for column in (
            fleet.price_jpy_per_kwh,
            fleet.steepness_jpy_per_kwh_w,
            fleet.power_w_min,
            fleet.power_w_max,
        )
    ]
    out = np.empty(fleet.rows)
    return engine.column_mover(four, out)


def measure_family(family: str, rows: int, *, compiled: CompiledEngine | None) -> dict[str, Any]:
    """Measure everybody on one fleet.

    Parameters
    ----------
    family : str
        F1, F2 or F3.
    rows : int
        Resources.
    compiled : CompiledEngine or None
        None where no kernel was built.
    """
    question = make_question(family, rows)
    contenders = {NUMPY: Contender(run=_ours(question, NumpyEngine(), None))}
    if compiled is not None:
        start = allocate(question.fleet, question.products, grid=question.grid, engine=compiled)
        contenders[COMPILED] = Contender(run=_ours(question, compiled, None))
        contenders[WARM] = Contender(run=_ours(moved(question), compiled, start))
        contenders[FLOOR] = Contender(run=_floor(question, compiled))
    left_out = {}
    absent = missing_rivals()
    wanted = []
    for name in RIVALS:
        if name in absent:
            left_out[name] = f"{absent[name]} is not installed: it comes with the extra dev"
        elif rows > LARGEST[name][family]:
            left_out[name] = f"not above {LARGEST[name][family]:,} resources: minutes or gigabytes"
        else:
            wanted.append(name)
    programme = make_programme(question) if wanted else None
    for name in wanted:
        assert programme is not None, "made where a rival is wanted"
        solve = RIVALS[name][1]
        contenders[name] = Contender(run=functools.partial(solve, programme))
    for _ in range(ROUNDS.get(rows, 1)):
        for contender in contenders.values():
            contender.ask()
    return _told(family, rows, contenders, programme=programme, left_out=left_out)


def _told(
    family: str,
    rows: int,
    contenders: dict[str, Contender],
    *,
    programme: Programme | None,
    left_out: dict[str, str],
) -> dict[str, Any]:
    first = contenders.get(COMPILED, contenders[NUMPY])
    answer: Allocation = first.result
    caps = np.array([one.shortage_jpy_per_kwh for one in make_question(family, rows).products])
    ours = answer.cost_jpy_per_h + float(caps @ np.abs(answer.shortfall_w)) / 1000.0
    told: dict[str, Any] = {}
    for name, contender in contenders.items():
        told[name] = contender.figures()
        told[name]["times_ours"] = round(told[name]["cpu_ms"] / first.figures()["cpu_ms"], 3)
        if name in RIVALS:
            solved = contender.result is not None
            told[name]["solved"] = solved
            if solved and programme is not None:
                cost = programme.cost(contender.result)
                told[name]["cost_above_ours"] = (cost - ours) / abs(ours)
    return {
        "family": family,
        "resources": rows,
        "contenders": told,
        "left_out": left_out,
        "ours": _proof(answer),
        "numpy_cost_above_ours": _cost_difference(contenders, answer),
    }


def _proof(answer: Allocation) -> dict[str, Any]:
    return {
        "relative_gap": answer.relative_gap,
        "balance_error": float(
            np.abs(answer.residual_w).max() / max(np.abs(answer.delivered_w).max(), 1.0)
        ),
        "shortfall_w": [round(float(value), 3) for value in answer.shortfall_w],
        "binding_groups": int((answer.group_multiplier_jpy_per_kwh > 0.0).sum()),
        "looks": answer.looks,
    }


def _cost_difference(contenders: dict[str, Contender], answer: Allocation) -> float:
    other: Allocation = contenders[NUMPY].result
    return (other.cost_jpy_per_h - answer.cost_jpy_per_h) / max(abs(answer.cost_jpy_per_h), 1e-9)


def measure_loads(rows: int, engine: Engine) -> Iterator[dict[str, Any]]:
    """Measure three products over load levels, from nothing and from a moment ago."""
    for load in LOADS:
        question = make_question("F3", rows, load=load)
        cold = Contender(run=_ours(question, engine, None))
        cold.ask()
        warm = Contender(run=_ours(moved(question), engine, cold.result))
        for _ in range(ROUNDS.get(rows, 1)):
            cold.ask()
            warm.ask()
        yield {
            "load": load,
            "resources": rows,
            "cold": cold.figures() | _proof(cold.result),
            "warm": warm.figures() | _proof(warm.result),
        }
