"""``vpp bids train``: trains the bidding policy; needs the extra ``train``."""

import importlib
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from protocols.vocabulary.errors import ConfigError

TRAINER: Final = "models.training.bidding"
SEEDS: Final = 1 << 31
STEPS: Final = 3_000_000
STEPS_MAX: Final = 1_000_000_000
SEED: Final = 7
_BAR: Final = 40


def train_policy(output: Path, data: Path, *, seed: int, steps: int) -> str:
    """Train the policy and write it; return what to tell.

    Raises
    ------
    ConfigError
        If a folder is missing, holds no prices, or the extra is not installed.
    """
    if output.is_dir() or not output.resolve().parent.is_dir():
        raise ConfigError(f"--output {output}: is a folder, or its folder does not exist")
    if not data.is_dir():
        raise ConfigError(f"--data: {data} is no folder")
    try:
        trainer = importlib.import_module(TRAINER)
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed: pip install 'vpp[train]'") from error

    def told(done: int, reward: float) -> None:
        filled = int(_BAR * min(done / steps, 1.0))
        sys.stderr.write(f"\r[{'#' * filled:<{_BAR}}] {done:,} steps, reward {reward:.4f}")

    days = trainer.read_days(data)
    trained = trainer.train_bidding(days, seed=seed, steps=steps, told=told)
    sys.stderr.write("\n")
    try:
        output.write_bytes(trained.model)
    except OSError as error:
        raise ConfigError(f"{output}: {error.strerror or error}") from error
    return (
        f"{output}: {len(trained.model):,} bytes, reward {trained.rewards[0]:.4f} -> "
        f"{trained.rewards[-1]:.4f}, exported actions differ by at most {trained.parity:.1e}"
    )


SeedOption = Annotated[int, typer.Option(min=0, max=SEEDS, help="Of every draw. 乱数の種。")]
StepsOption = Annotated[int, typer.Option(min=1, max=STEPS_MAX, help="Slots. 学習回数。")]
