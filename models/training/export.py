"""Put networks, their mean, calibration and units into one ONNX file, and prove it equal."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from models.contract import ModelContract, to_metadata
from models.day_ahead.frame import DAY, FORECAST, FRAME, SLOTS
from models.session import open_session
from models.training.nets import Calibration, Forecaster
from models.training.recipes import Export
from models.training.samples import Samples
from protocols.vocabulary.errors import ConfigError

OPSET: Final = 20
LARGEST_BYTES: Final = 2_000_000
PARITY_ROWS: Final = 20
PARITY_PART: Final = 2e-4
"""Largest difference of torch and onnxruntime, as a part of the level."""


class Ensemble(nn.Module):
    """All networks of a target as one graph.

    Answers the calibrated mean of all, then the calibrated mean of each kind alone, each in
    units and never below zero.

    Parameters
    ----------
    groups : sequence of sequence of Forecaster
        Networks of each kind.
    calibrations : sequence of Calibration
        Of the mean of all, then of each kind.
    weights : sequence of float or None
        Of each kind in the mean of all, summing to 1; all alike if None.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[Forecaster]],
        calibrations: Sequence[Calibration],
        *,
        weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.weights = weights
        self.groups = nn.ModuleList(nn.ModuleList(group) for group in groups)
        self.calibrations = nn.ModuleList(calibrations)

    def forward(self, slots: Tensor, day: Tensor, frame: Tensor) -> tuple[Tensor, ...]:
        """Shapes (b, 48, q)."""
        means = []
        for group in self.groups:
            assert isinstance(group, nn.ModuleList), "a group holds networks"
            means.append(torch.stack([network(slots, day) for network in group]).mean(0))
        everything = [weighted(means, self.weights), *means]
        offset, unit = frame[..., 0:1], frame[..., 1:2]
        return tuple(
            (offset + unit * calibrate(answer)).clamp_min(0.0)
            for calibrate, answer in zip(self.calibrations, everything, strict=True)
        )


def weighted(answers: Sequence[Tensor], weights: Sequence[float] | None) -> Tensor:
    """Weighted sum of answers of the same shape; their mean without weights."""
    if weights is None:
        return torch.stack(list(answers)).mean(0)
    parts = [part * one for part, one in zip(weights, answers, strict=True)]
    return torch.stack(parts).sum(0)


def export(ensemble: Ensemble, path: Path, *, contract: ModelContract, samples: Samples) -> Export:
    """Write a model and compare it with the networks it was made from.

    Parameters
    ----------
    ensemble : Ensemble
        Trained.
    path : Path
        File to write.
    contract : ModelContract
        Travels in the file.
    samples : Samples
        Some are put through both.

    Returns
    -------
    Export
        Size and parity.

    Raises
    ------
    ConfigError
        If the file is too large or answers differently.
    """
    ensemble.eval()
    torch.onnx.export(
        ensemble,
        _inputs(samples, 0),
        str(path),
        input_names=[SLOTS, DAY, FRAME],
        output_names=[spec.name for spec in contract.outputs],
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    model = onnx.load(str(path))
    del model.metadata_props[:]
    model.producer_name, model.doc_string = "vpp", ""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.helper.set_model_props(model, to_metadata(contract))
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        raise ConfigError(f"{path}: {size} bytes, more than {LARGEST_BYTES}")
    return Export(
        size_bytes=size, difference=_difference(ensemble, path, contract=contract, samples=samples)
    )


def _inputs(samples: Samples, row: int) -> tuple[Tensor, Tensor, Tensor]:
    """One sample as a batch of one."""
    return (
        torch.from_numpy(samples.slots[row : row + 1]),
        torch.from_numpy(samples.day[row : row + 1]),
        torch.from_numpy(samples.frame[row : row + 1]),
    )


def _difference(
    ensemble: Ensemble, path: Path, *, contract: ModelContract, samples: Samples
) -> float:
    """Largest difference over some samples, as a part of the level."""
    session, found = open_session(path, features_version=contract.features_version)
    assert found == contract, f"{json.dumps(str(path))}: the contract changed on its way"
    worst = 0.0
    for row in np.linspace(0, len(samples.truth) - 1, PARITY_ROWS).astype(int):
        slots, day, frame = _inputs(samples, int(row))
        with torch.no_grad():
            wanted = ensemble(slots, day, frame)[0].numpy()
        inputs = {SLOTS: slots.numpy(), DAY: day.numpy(), FRAME: frame.numpy()}
        answer = session.run([FORECAST], inputs)[0]
        worst = max(worst, float(np.abs(answer - wanted).max() / samples.level[row]))
    if not worst <= PARITY_PART:
        raise ConfigError(f"{path}: onnxruntime and torch differ by {worst:.2g} of the level")
    return worst
