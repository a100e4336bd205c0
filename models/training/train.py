"""Make the shipped models: samples, networks, calibration, export; the same from the same seed."""

from collections.abc import Callable
from datetime import date, time
from pathlib import Path

import torch
from torch import Tensor

from models.contract import ModelContract, TensorSpec
from models.day_ahead.context import BEFORE_DAYS
from models.day_ahead.frame import (
    DAY,
    DAY_AHEAD_VERSION,
    FORECAST,
    FRAME,
    QUANTILES,
    SLOTS,
)
from models.day_ahead.targets import Target
from models.training.export import Ensemble, export
from models.training.fit import BATCH, answers, fit, stretch_of, tensors_of
from models.training.nets import Calibration, Forecaster
from models.training.recipes import KINDS, RECIPES, Trained
from models.training.samples import Samples, split
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY, jst_moment
from protocols.vocabulary.identifiers import ModelId


def train(
    samples: Samples,
    target: Target,
    *,
    test_from: date,
    path: Path,
    tick: Callable[[str, float], None],
) -> Trained:
    """Train one target's model and write it.

    Parameters
    ----------
    samples : Samples
        Of all days; those of the test are not looked at.
    target : Target
        Quantity.
    test_from : date
        First day that must not be seen.
    path : Path
        File to write.
    tick : callable
        Called with what is done and with the part of it that is done, 0..1.

    Returns
    -------
    Trained
        What came of it.
    """
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)  # noqa: FBT003 torch's own signature
    samples = samples.of(samples.ordinal < test_from.toordinal())
    losses: list[tuple[str, float]] = []
    groups: list[list[Forecaster]] = []
    stretches: list[list[Tensor]] = []
    for kind in KINDS:
        groups.append([])
        stretches.append([])
        for recipe in (one for one in RECIPES[target.name] if one.kind == kind):
            name = f"{kind} {recipe.seed}"
            parts = split(samples, test_from, held_year=recipe.held_year)
            data = tensors_of(parts.fit, cut=recipe.cut)
            validation = tensors_of(parts.validation, cut=recipe.cut)
            total = recipe.epochs * -(-len(data.slots) // BATCH)
            network, loss = fit(recipe, data, validation, tick=_counter(total, _named(tick, name)))
            losses.append((name, loss))
            groups[-1].append(network)
            held = tensors_of(parts.calibration, cut=recipe.cut)
            stretches[-1].append(stretch_of(answers(network, held), held))
    contract = _contract(target, samples, test_from=test_from)
    ensemble = Ensemble(groups, _calibrations(stretches))
    result = export(ensemble, path, contract=contract, samples=samples)
    tick("export", 1.0)
    return Trained(
        contract=contract,
        export=result,
        validation=tuple(losses),
        samples=len(samples.truth),
    )


def _named(tick: Callable[[str, float], None], name: str) -> Callable[[float], None]:
    """Report the progress of one network."""
    return lambda part: tick(name, part)


def _counter(total: int, report: Callable[[float], None]) -> Callable[[], None]:
    """Count calls and report the part of the total that is done."""
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        report(done / max(total, 1))

    return tick


def _calibrations(stretches: list[list[Tensor]]) -> list[Calibration]:
    """Calibrate the mean of all, then each kind, by what each network's held-back year asked."""
    each = [torch.stack(group).mean(0) for group in stretches]
    return [Calibration(stretch) for stretch in (torch.stack(each).mean(0), *each)]


def _contract(target: Target, samples: Samples, *, test_from: date) -> ModelContract:
    """Contract of the model of a target."""
    unit = target.series.unit
    answer = (1, SLOTS_A_DAY, len(QUANTILES))
    return ModelContract(
        model_id=ModelId(f"day-ahead-{target.name}-{test_from:%Y%m%d}"),
        features_version=DAY_AHEAD_VERSION,
        inputs=(
            TensorSpec(name=SLOTS, shape=(1, *samples.slots.shape[1:]), unit="1"),
            TensorSpec(name=DAY, shape=(1, samples.day.shape[1]), unit="1"),
            TensorSpec(name=FRAME, shape=(1, SLOTS_A_DAY, 2), unit=unit),
        ),
        outputs=tuple(TensorSpec(name=one, shape=answer, unit=unit) for one in (FORECAST, *KINDS)),
        step_s=SLOT_S,
        lookback=BEFORE_DAYS * SLOTS_A_DAY,
        horizon=SLOTS_A_DAY,
        scale_w=1.0,
        quantiles=QUANTILES,
        data_from=jst_moment(date.fromordinal(int(samples.ordinal.min())), time()),
        data_until=jst_moment(test_from, time()),
    )
