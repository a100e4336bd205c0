"""``vpp allocation strategies`` and ``train``: the strategies side by side, the policy made anew.

Training needs the extra ``train``; its trainer is loaded by name, so that no program that runs
for long knows of it.
"""

import importlib
import json
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

import numpy as np
import typer

from cloud_coordinator.gateway.exchanges.catalogue import Catalogue
from cloud_coordinator.services.market_history import MarketSeries
from cloud_coordinator.services.strategies.aims import load_aims
from cloud_coordinator.services.strategies.comparing import Row, Trial, compared
from cloud_coordinator.services.strategies.learned import Learned, policy_bytes
from cloud_coordinator.services.strategies.practice import Practice
from cloud_coordinator.services.strategies.scenes import SCENES, Scene, scenes_of
from cloud_coordinator.services.strategies.searched import Effort, Nsga3, Swarm
from cloud_coordinator.services.strategies.sight import OBSERVATIONS
from cloud_coordinator.services.strategies.weights import PARAMETERS
from protocols.vocabulary.errors import ConfigError

FORMAT: Final = "vpp-strategies/1"
RESOURCES: Final = 200
AREA: Final = "tokyo"
RESOURCES_MAX: Final = 5_000
POPULATION, GENERATIONS = 40, 10
STEPS: Final = 30_000
STEPS_MAX: Final = 10_000_000
ENVIRONMENTS: Final = 32
PRACTICE_RESOURCES: Final = 240
POLICY_ID: Final = "strategy-weights/2"
LESSONS: Final = 3_000
"""Passes over what the exact strategy did, before the policy tries for itself."""
TRYING: Final = {"log_spread": -3.0, "rate": 3e-4, "discount": 0.0}
"""It begins near a good policy, so it tries little; each question is an episode of its own."""
TRAINER: Final = "models.training.actor_critic"
SEEDS: Final = 1 << 31
DEFINITIONS: Final = {
    "profit_jpy": "price of what is delivered in the mean, less running cost, wear and the price "
    "of what is missing in the mean; mean of the questions, each of half an hour",
    "grid_impact_w": "delivered W, each weighed by how full its feeder is already",
    "reliability": "probability of delivering what is owed; the least of the questions",
    "degradation_jpy": "wear of batteries",
    "gap": "the objective's own loss above the exact strategy's, of what the owed energy is "
    "worth; mean of the level questions, null if there is none",
    "level": "questions in which the wanted probability is reached as well as by the exact "
    "strategy; in the others no cost makes up for it",
    "kept": "questions in which what is owed is delivered with the wanted probability, or in the "
    "mean where that is wanted",
    "cpu_ms": "processor time of one plan; the worst of the questions",
}


def strategies(
    *,
    resources: Annotated[
        int, typer.Option(min=1, max=RESOURCES_MAX, help="Of each fleet. リソース数。")
    ] = RESOURCES,
    seed: Annotated[
        int, typer.Option(min=0, max=SEEDS, help="Of fleets and searches. 乱数の種。")
    ] = 1,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of published prices, e.g. ../shared/data. 公開価格のフォルダ。"),
    ] = None,
    area: Annotated[str, typer.Option(help="Of these prices. エリア。")] = AREA,
    json_output: Annotated[
        bool, typer.Option("--json", help="JSON on standard output. JSONで出力。")
    ] = False,
) -> None:
    """Compare exact, NSGA-III, swarm and policy on the same questions.

    厳密解・NSGA-III・PSO・学習済み方策を同じ条件で比較します。
    """
    scenes = SCENES if data is None else _priced(data, area)
    effort = Effort(population=POPULATION, generations=GENERATIONS)
    others = (Nsga3(effort, seed=seed), Swarm(effort, seed=seed), Learned(policy_bytes()))
    rows: list[Row] = []
    for row in compared(
        others,
        load_aims(),
        Trial(scenes=scenes, resources=resources, seed=seed),
        cpu_ns=time.process_time_ns,
    ):
        rows.append(row)
        sys.stderr.write(f"{row.scene} {row.objective.value} {row.strategy}\n")
    table = _table(rows)
    if json_output:
        told = {
            "format": FORMAT,
            "resources": resources,
            "seed": seed,
            "prices_jpy_per_kwh": {one.name: one.price_jpy_per_kwh for one in scenes},
            "table": table,
            "answers": [asdict(row) | {"objective": row.objective.value} for row in rows],
            "machine": f"{platform.machine()}, Python {platform.python_version()}",
            "definitions": DEFINITIONS,
        }
        sys.stdout.write(json.dumps(told, indent=1) + "\n")
    else:
        _print(table, sys.stdout)


def _priced(data: Path, area: str) -> tuple[Scene, ...]:
    """Take the scenes' prices from a folder of published data."""
    history = Catalogue(data)
    spot = history.column(MarketSeries.SPOT, area)
    if not len(spot.values):
        raise ConfigError(f"--data {data}: {'; '.join(history.missing()) or 'no prices'}")
    return scenes_of(spot)


def _table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Put the questions of an objective and a strategy together."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.objective.value, row.strategy].append(row)
    return [
        {
            "objective": objective,
            "strategy": strategy,
            "profit_jpy": round(float(np.mean([one.told.profit_jpy for one in found])), 1),
            "grid_impact_w": round(float(np.mean([one.told.grid_impact_w for one in found]))),
            "reliability": round(min(one.told.reliability for one in found), 5),
            "degradation_jpy": round(
                float(np.mean([one.told.degradation_jpy for one in found])), 1
            ),
            "kept": sum(one.is_kept for one in found),
            "questions": len(found),
            "level": sum(one.gap is not None for one in found),
            "gap": _mean([one.gap for one in found], digits=4),
            "gap_jpy": _mean([one.gap_jpy for one in found], digits=1),
            "missed": round(max(one.judged.missed for one in found), 5),
            "cpu_ms": round(max(one.cpu_ms for one in found), 1),
        }
        for (objective, strategy), found in groups.items()
    ]


def _mean(values: Sequence[float | None], *, digits: int) -> float | None:
    known = [one for one in values if one is not None]
    return round(float(np.mean(known)), digits) if known else None


def _print(table: Sequence[dict[str, Any]], out: TextIO) -> None:
    out.write(
        "objective        strategy  profit JPY  grid W     reliab.  wear JPY  kept level "
        "gap to exact   CPU ms\n"
    )
    for row in table:
        out.write(
            f"{row['objective']:16} {row['strategy']:8} {row['profit_jpy']:11,.1f} "
            f"{row['grid_impact_w']:8,} {row['reliability']:10.5f} {row['degradation_jpy']:9,.1f} "
            f"{row['kept']:3}/{row['questions']} {row['level']:3}/{row['questions']} "
            f"{_percent(row['gap']):>12} {row['cpu_ms']:8,.1f}\n"
        )


def _percent(gap: float | None) -> str:
    return "-" if gap is None else f"{100 * gap:.2f} %"


def train(
    *,
    output: Annotated[Path, typer.Option(help="ONNX file to write. 出力先。")],
    seed: Annotated[int, typer.Option(min=0, max=SEEDS, help="Of every draw. 乱数の種。")] = 1,
    steps: Annotated[
        int, typer.Option(min=1, max=STEPS_MAX, help="Questions to answer. 学習回数。")
    ] = STEPS,
) -> None:
    """Train the policy that picks strategy weights; needs the extra train.

    戦略の重みを選ぶ方策を学習します（追加パッケージ train が必要）。
    """
    if output.is_dir() or not output.resolve().parent.is_dir():
        raise ConfigError(f"--output {output}: is a folder, or its folder does not exist")
    try:
        trainer = importlib.import_module(TRAINER)
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed: pip install 'vpp[train]'") from error
    trained = trainer.train_actor(
        Practice(load_aims(), count=ENVIRONMENTS, resources=PRACTICE_RESOURCES),
        trainer.Named(policy_id=POLICY_ID, observations=OBSERVATIONS, actions=PARAMETERS),
        seed=seed,
        settings=trainer.Settings(steps=steps, lessons=LESSONS, **TRYING),
        told=_progress,
    )
    output.write_bytes(trained.model)
    sys.stdout.write(
        f"{output}: {len(trained.model):,} bytes, reward {trained.rewards[0]:.3f} -> "
        f"{trained.rewards[-1]:.3f}, exported actions differ by at most {trained.parity:.1e}\n"
    )


def _progress(steps: int, reward: float) -> None:
    sys.stderr.write(f"{steps:,} steps, reward {reward:.3f}\n")
