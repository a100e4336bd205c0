"""Score the shipped models and what they must beat on days that none of them was fitted on."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from datetime import time as clock
from pathlib import Path
from typing import Final

import numpy as np

from models.contract import ModelContract
from models.day_ahead.frame import (
    DAY,
    DAY_AHEAD_VERSION,
    FORECAST,
    FRAME,
    QUANTILES,
    SLOTS,
    Float32Array,
)
from models.day_ahead.history import History
from models.day_ahead.targets import Target
from models.session import open_session
from models.shipped_files import LATEST, model_path
from models.training.baselines import SCORED, Linear, naive, trees, with_error_quantiles
from models.training.samples import (
    FIRST_DAYS,
    Samples,
    days_with_truth,
    test_begins,
)
from models.training.scores import Score, score
from protocols.vocabulary.calendar import jst_moment
from protocols.vocabulary.errors import ConfigError

TREE_SEED: Final = 7
STEPS: Final = 4 + len(SCORED)
"""Ticks of an evaluation beside one for each day: two naive, linear, shipped, and each tree."""
_SCORED_PLACES: Final = [QUANTILES.index(part) for part in SCORED]
LEAST_DAYS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: a model, over all places and in the one shown."""

    model: str
    everywhere: Score
    shown: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Scores of one target.

    Attributes
    ----------
    target, shown : str
        Its name; the place of the second half of the table.
    unit : str
        Of error and pinball.
    test_from, test_until : date
        First and last day scored.
    rows : tuple of Row
        Baselines first, then the shipped model and its parts.
    seen : bool
        Whether the shipped model was made from some of these days.
    run_ms : float
        CPU time of one forecast, ms.
    """

    target: str
    shown: str
    unit: str
    test_from: date
    test_until: date
    rows: tuple[Row, ...]
    seen: bool
    run_ms: float

    @property
    def beaten(self) -> tuple[str, ...]:
        """Baselines that the shipped model does not beat in MAE or pinball, over all places."""
        shipped = next(row.everywhere for row in self.rows if row.model == "shipped")
        return tuple(
            row.model
            for row in self.rows
            if row.model in BASELINES
            and not (row.everywhere.mae > shipped.mae and row.everywhere.pinball > shipped.pinball)
        )


BASELINES: Final = ("naive day", "naive week", "linear", "lightgbm")


def evaluation_days(
    history: History, target: Target, test_from: date | None
) -> tuple[list[date], date]:
    """Days of the samples, and the first of the test.

    Raises
    ------
    ConfigError
        If there are too few days to fit a baseline and score it.
    """
    days = days_with_truth(history, target)
    if len(days) < LEAST_DAYS:
        raise ConfigError(f"{target.name}: {len(days)} days of data, {LEAST_DAYS} are needed")
    first = test_begins(days) if test_from is None else test_from
    if not days[FIRST_DAYS] < first <= days[-1]:
        raise ConfigError(f"{target.name}: no days to learn from before {first}, or none after")
    return days[FIRST_DAYS:], first


def unseen(target: Target, test_from: date, *, folder: Path | None) -> Path:
    """File of the newest shipped model that has not seen the test; the older one if both have.

    Parameters
    ----------
    target : Target
        Quantity.
    test_from : date
        First day scored.
    folder : Path or None
        Where the models lie; the package's own if None.
    """
    latest = model_path(target.name + LATEST, folder=folder)
    if latest.is_file():
        contract = open_session(latest, features_version=DAY_AHEAD_VERSION)[1]
        if contract.data_until <= jst_moment(test_from, clock.min):
            return latest
    return model_path(target.name, folder=folder)


def evaluate(  # noqa: PLR0913 data, question and place of the answer
    history: History,
    target: Target,
    samples: Samples,
    *,
    path: Path,
    test_from: date,
    tick: Callable[[], None],
) -> Evaluation:
    """Score a shipped model and the baselines.

    Parameters
    ----------
    history : History
        The catalogue.
    target : Target
        Quantity.
    samples : Samples
        Of all days.
    path : Path
        The shipped model.
    test_from : date
        First day scored.
    tick : callable
        Called for each of STEPS.

    Returns
    -------
    Evaluation
        Table of scores.

    Raises
    ------
    ConfigError
        If the model is not one for this program.
    """
    first = test_from
    before = samples.of(samples.ordinal < first.toordinal())
    asked = samples.of(samples.ordinal >= first.toordinal())
    answers = dict(_simple(history, target, samples, test_from=first, tick=tick))
    answers["linear"] = with_error_quantiles(Linear(before).answer(samples), samples, first)
    answers = {name: found[samples.ordinal >= first.toordinal()] for name, found in answers.items()}
    tick()
    answers["lightgbm"] = trees(before, asked, seed=TREE_SEED, tick=tick)
    shipped, contract, run_ms = run_all(path, asked)
    answers |= shipped
    tick()
    shown = target.places.index(target.shown)
    return Evaluation(
        target=target.name,
        shown=target.shown,
        unit=target.series.unit,
        test_from=first,
        test_until=date.fromordinal(int(asked.ordinal.max())),
        rows=tuple(
            Row(model=name, everywhere=score(found, asked), shown=score(found, asked, place=shown))
            for name, found in answers.items()
        ),
        seen=contract.data_until > jst_moment(first, clock.min),
        run_ms=run_ms,
    )


def _simple(
    history: History,
    target: Target,
    samples: Samples,
    *,
    test_from: date,
    tick: Callable[[], None],
) -> Mapping[str, Float32Array]:
    """Naive day and week with their own error quantiles."""
    found = {}
    for name, back in (("naive day", 1), ("naive week", 7)):
        answer = naive(history, target, samples, back=back)
        found[name] = with_error_quantiles(answer, samples, test_from)
        tick()
    return found


def run_all(
    path: Path, samples: Samples, *, features_version: int = DAY_AHEAD_VERSION
) -> tuple[dict[str, Float32Array], ModelContract, float]:
    """Run a shipped model on samples, as at run time: one by one.

    Returns
    -------
    tuple of dict, ModelContract and float
        Quantiles SCORED of the model (``shipped``) and of its parts by name, shape (n, 48, 3);
        its contract; CPU time of one run, ms.
    """
    session, contract = open_session(path, features_version=features_version)
    names = [spec.name for spec in contract.outputs]
    found: dict[str, list[Float32Array]] = {name: [] for name in names}
    start = time.process_time()
    for row in range(len(samples.truth)):
        inputs = {
            SLOTS: samples.slots[row : row + 1],
            DAY: samples.day[row : row + 1],
            FRAME: samples.frame[row : row + 1],
        }
        for name, answer in zip(names, session.run(names, inputs), strict=True):
            found[name].append(answer[0][:, _SCORED_PLACES])
    run_ms = (time.process_time() - start) * 1000.0 / max(len(samples.truth), 1)
    return (
        {("shipped" if name == FORECAST else name): np.stack(of) for name, of in found.items()},
        contract,
        run_ms,
    )
