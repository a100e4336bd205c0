"""Make the models of a site: an LSTM and a Transformer, calibrated on homes not learned from."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import numpy as np
import torch

from models.contract import ModelContract, TensorSpec
from models.day_ahead.frame import DAY, FORECAST, FRAME, QUANTILES, SLOTS
from models.site.past import PAST_SLOTS
from models.site.run import LOAD_MODEL, PV_MODEL, SITE_VERSION
from models.training.export import Ensemble, export, weighted
from models.training.fit import BATCH, Tensors, answers, fit, pinball, stretch_of, tensors_of
from models.training.nets import Calibration, Forecaster
from models.training.recipes import KINDS, SITE_RECIPES, Trained
from models.training.samples import Samples
from models.training.site_samples import TEST_FROM, TEST_PART, SiteSamples, SiteTarget
from models.training.sites import Site
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ModelId

CUT: Final = 6.0
PARTS: Final = {LOAD_MODEL: (0.0, 0.25, 0.5, 0.75, 1.0), PV_MODEL: (0.5,)}
"""Weights of the LSTM that are tried on the sites that stop the training; few roofs can tell."""


def train_site(
    made: SiteSamples,
    target: SiteTarget,
    *,
    path: Path,
    tick: Callable[[str, float], None],
    all_data: bool = False,
) -> Trained:
    """Train one model and write it.

    Parameters
    ----------
    made : SiteSamples
        Of all sites; new ones, and the last fifth of all, are not looked at.
    target : SiteTarget
        Quantity.
    path : Path
        File to write.
    tick : callable
        Called with what is done and with the part of it that is done, 0..1.
    all_data : bool
        Learn from the last fifth and from new sites too; nothing is left to be scored on.

    Returns
    -------
    Trained
        What came of it.

    Raises
    ------
    ConfigError
        If there are too few sites, or the file is too large or answers differently.
    """
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)  # noqa: FBT003 torch's own signature
    role = dict(made.by_role())
    before = made.samples.ordinal < TEST_FROM.toordinal()
    if all_data:
        role["known"] = role["known"] | role["new"]
        before = np.ones_like(before)
    odd = made.samples.ordinal // 3 % 2 == 1
    if not (before & role["held"]).any():
        raise ConfigError(f"{target.name}: too few sites to hold one back (4 of a source at least)")
    known = made.samples.of(before & role["known"])
    stops = made.samples.of(before & role["held"] & odd)
    scales = made.samples.of(before & role["held"] & ~odd)
    networks, losses = [], []
    for recipe in SITE_RECIPES[target.name]:
        data, stop = tensors_of(known, cut=CUT), tensors_of(stops, cut=CUT)
        batches = recipe.epochs * -(-len(data.slots) // BATCH)
        network, loss = fit(recipe, data, stop, tick=_counted(batches, recipe.kind, tick))
        networks.append(network)
        losses.append((f"{recipe.kind} {recipe.seed}", loss))
    weights: tuple[float, ...] | None = None
    if len(PARTS[target.name]) > 1:
        weights, loss = best_weights(networks, tensors_of(stops, cut=CUT), PARTS[target.name])
        losses.append((f"{weights[0]:g} x lstm + {weights[1]:g} x transformer", loss))
    held = tensors_of(scales, cut=CUT)
    each = [answers(network, held) for network in networks]
    calibrations = [Calibration(stretch_of(one, held)) for one in (weighted(each, weights), *each)]
    contract = _contract(target, made.sites, known, part=1.0 if all_data else 1.0 - TEST_PART)
    ensemble = Ensemble([[one] for one in networks], calibrations, weights=weights)
    result = export(ensemble, path, contract=contract, samples=known)
    tick("export", 1.0)
    return Trained(
        contract=contract,
        export=result,
        validation=tuple(losses),
        samples=len(known.truth),
    )


def best_weights(
    networks: Sequence[Forecaster], stop: Tensors, tried: Sequence[float]
) -> tuple[tuple[float, float], float]:
    """Weights of LSTM and Transformer with the least loss on the sites that stop the training."""
    each = [answers(network, stop) for network in networks]
    found = []
    for part in tried:
        weights = (part, 1.0 - part)
        loss = float(pinball(weighted(each, weights), stop.truth, stop.weight))
        found.append((loss, weights))
    loss, weights = min(found)
    return weights, loss


def _counted(total: int, name: str, tick: Callable[[str, float], None]) -> Callable[[], None]:
    """Report the part of a network's batches that is done."""
    done = iter(range(1, total + 1))
    return lambda: tick(name, next(done, total) / max(total, 1))


def _contract(
    target: SiteTarget, sites: Sequence[Site], known: Samples, *, part: float
) -> ModelContract:
    """Contract of the model of a target."""
    answer = (1, SLOTS_A_DAY, len(QUANTILES))
    starts = [site.start for site in sites]
    return ModelContract(
        model_id=ModelId(f"{target.name}-{SITE_VERSION}"),
        features_version=SITE_VERSION,
        inputs=(
            TensorSpec(name=SLOTS, shape=(1, *known.slots.shape[1:]), unit="1"),
            TensorSpec(name=DAY, shape=(1, known.day.shape[1]), unit="1"),
            TensorSpec(name=FRAME, shape=(1, SLOTS_A_DAY, 2), unit="W"),
        ),
        outputs=tuple(TensorSpec(name=one, shape=answer, unit="W") for one in (FORECAST, *KINDS)),
        step_s=SLOT_S,
        lookback=PAST_SLOTS,
        horizon=SLOTS_A_DAY,
        scale_w=1.0,
        quantiles=QUANTILES,
        data_from=min(starts),
        data_until=max(_end(site, part) for site in sites),
    )


def _end(site: Site, part: float) -> datetime:
    """First moment of a site that was not looked at."""
    days = round(part * (len(site.values_w) // SLOTS_A_DAY))
    day = date.fromordinal(site.start.toordinal() + days)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
