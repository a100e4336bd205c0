"""Fit one network: pinball loss, one cycle of the learning rate, mean weights, best epoch."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from models.day_ahead.frame import QUANTILES
from models.training.nets import SMALLEST, Forecaster, Standard
from models.training.recipes import Recipe
from models.training.samples import Samples, normalised_truth

BATCH: Final = 128
MEAN_DECAY: Final = 0.995
RIDGE: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensors:
    """Samples as tensors: inputs, truth as the model's number, weights."""

    slots: Tensor
    day: Tensor
    truth: Tensor
    weight: Tensor


def tensors_of(samples: Samples, *, cut: float) -> Tensors:
    """Turn samples into tensors for training; truths beyond ``cut`` are cut."""
    truth, weight = normalised_truth(samples)
    return Tensors(
        slots=torch.from_numpy(samples.slots),
        day=torch.from_numpy(samples.day),
        truth=torch.from_numpy(truth).clamp(-cut, cut),
        weight=torch.from_numpy(weight),
    )


def pinball(answer: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean pinball loss over the quantiles."""
    quantiles = torch.tensor(QUANTILES)
    error = truth.unsqueeze(-1) - answer
    loss = torch.maximum(quantiles * error, (quantiles - 1.0) * error).mean(-1)
    return (loss * weight).sum() / weight.sum()


def standard(numbers: Tensor) -> Standard:
    """Mean and scale of the known numbers of the last axis."""
    flat = numbers.reshape(-1, numbers.shape[-1])
    mean = torch.nan_to_num(torch.nanmean(flat, dim=0))
    spread = torch.nanmean((flat - mean) ** 2, dim=0).sqrt()
    return Standard(mean, torch.nan_to_num(spread).clamp_min(SMALLEST))


def _start_linear(network: Forecaster, data: Tensors) -> None:
    """Give the linear part the ridge solution of the slots' own numbers."""
    with torch.no_grad():
        numbers = network.slots(data.slots).reshape(-1, data.slots.shape[-1]).double()
        weight = data.weight.reshape(-1, 1).double()
        truth = data.truth.reshape(-1, 1).double()
        ones = torch.cat([numbers, torch.ones(len(numbers), 1, dtype=torch.float64)], dim=1)
        left = ones.T @ (ones * weight) + RIDGE * torch.eye(ones.shape[1], dtype=torch.float64)
        solution = torch.linalg.solve(left, ones.T @ (truth * weight)).float()
        network.linear.weight.copy_(solution[:-1].T)
        network.linear.bias.copy_(solution[-1])


def answers(network: torch.nn.Module, data: Tensors) -> Tensor:
    """Answers of a network, shape (n, 48, q)."""
    network.eval()
    with torch.no_grad():
        parts = [
            network(data.slots[k : k + 1024], data.day[k : k + 1024])
            for k in range(0, len(data.slots), 1024)
        ]
    return torch.cat(parts)


def fit(
    recipe: Recipe, data: Tensors, validation: Tensors, *, tick: Callable[[], None]
) -> tuple[Forecaster, float]:
    """Train a network.

    Parameters
    ----------
    recipe : Recipe
        How.
    data, validation : Tensors
        To learn from; to stop by.
    tick : callable
        Called after each batch.

    Returns
    -------
    tuple of Forecaster and float
        The network with the mean weights of its best epoch, and its validation loss.
    """
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    network = Forecaster(
        standard(data.slots),
        standard(data.day),
        width=recipe.width,
        kind=recipe.kind,
        drop=recipe.drop,
    )
    _start_linear(network, data)
    mean = copy.deepcopy(network)
    batches = -(-len(data.slots) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.rate, total_steps=batches * recipe.epochs, pct_start=0.15
    )
    best, kept = float("inf"), copy.deepcopy(network)
    for _ in range(recipe.epochs):
        network.train()
        for rows in np.array_split(random.permutation(len(data.slots)), batches):
            chosen = torch.from_numpy(rows)
            answer = network(data.slots[chosen], data.day[chosen])
            loss = pinball(answer, data.truth[chosen], data.weight[chosen])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            rate.step()
            _follow(mean, network)
            tick()
        score = float(pinball(answers(mean, validation), validation.truth, validation.weight))
        if score < best:
            best, kept = score, copy.deepcopy(mean)
    return kept.eval(), best


def _follow(mean: Forecaster, network: Forecaster) -> None:
    """Move the mean weights a little toward the present ones."""
    with torch.no_grad():
        for slow, fast in zip(mean.parameters(), network.parameters(), strict=True):
            slow.lerp_(fast, 1.0 - MEAN_DECAY)


def stretch_of(answer: Tensor, data: Tensors) -> Tensor:
    """Stretch of each quantile's distance from the median that holds on held-back weeks.

    Parameters
    ----------
    answer : Tensor
        Shape (n, 48, q), of the calibration samples.
    data : Tensors
        Those samples.

    Returns
    -------
    Tensor
        Shape (q,): the factor by which a quantile's distance had to grow so that its part of
        the truths lies below it (split conformal, scaled by the model's own distance).
    """
    middle = QUANTILES.index(0.5)
    found = torch.ones(len(QUANTILES))
    usable = data.weight > 0.0
    gap = (data.truth - answer[..., middle])[usable].numpy()
    for k, quantile in enumerate(QUANTILES):
        if k == middle:
            continue
        distance = (answer[..., k] - answer[..., middle])[usable].abs().clamp_min(1e-6).numpy()
        ratio = gap / distance * (1.0 if k > middle else -1.0)
        level = quantile if k > middle else 1.0 - quantile
        found[k] = float(np.clip(np.quantile(ratio, level), 0.3, 3.0))
    return found
