"""The networks: an LSTM and a Transformer over the 48 slots of a day; quantiles never cross.

Both start from a linear answer of the slot's own numbers and learn what that misses.
"""

from typing import Final

import torch
from torch import Tensor, nn

from models.day_ahead.frame import QUANTILES
from models.training.recipes import Drop
from protocols.vocabulary.calendar import SLOTS_A_DAY

CUT: Final = 6.0
"""Standardised numbers are cut here: a value never seen must not lead far away."""
SMALLEST: Final = 1e-3
HEADS: Final = 4
_MIDDLE: Final = QUANTILES.index(0.5)


class Standard(nn.Module):
    """Standardise numbers, with the mean for what is not known.

    Parameters
    ----------
    mean, scale : Tensor
        Of the training samples, shape (k,).
    """

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, numbers: Tensor) -> Tensor:
        """Of any shape (..., k)."""
        mean, scale = self.get_buffer("mean"), self.get_buffer("scale")
        known = torch.where(torch.isnan(numbers), mean.expand_as(numbers), numbers)
        return ((known - mean) / scale).clamp(-CUT, CUT)


class Quantiles(nn.Module):
    """Median and distances from it that are never negative."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, len(QUANTILES))
        )
        last = self.out[-1]
        assert isinstance(last, nn.Linear), "the head ends linear"
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, -3.0)
        with torch.no_grad():
            last.bias[_MIDDLE] = 0.0

    def forward(self, tokens: Tensor, linear: Tensor) -> Tensor:
        """Shape (b, 48, q), rising."""
        raw = self.out(tokens)
        middle = raw[..., _MIDDLE : _MIDDLE + 1] + linear
        down = nn.functional.softplus(raw[..., :_MIDDLE]).flip(-1).cumsum(-1).flip(-1)
        up = nn.functional.softplus(raw[..., _MIDDLE + 1 :]).cumsum(-1)
        return torch.cat([middle - down, middle, middle + up], dim=-1)


class Tokens(nn.Module):
    """One token a slot: its numbers, the day's numbers, its place."""

    def __init__(self, slot_count: int, day_count: int, *, width: int, drop: Drop) -> None:
        super().__init__()
        self.slot = nn.Linear(slot_count, width)
        self.day = nn.Sequential(
            nn.Dropout(drop.numbers),
            nn.Linear(day_count, width),
            nn.GELU(),
            nn.Dropout(drop.hidden),
            nn.Linear(width, width),
        )
        self.place = nn.Parameter(torch.zeros(SLOTS_A_DAY, width))

    def forward(self, slots: Tensor, day: Tensor) -> Tensor:
        """Shape (b, 48, width)."""
        tokens: Tensor = self.slot(slots) + self.day(day).unsqueeze(1) + self.place
        return tokens


class LstmBody(nn.Module):
    """Both directions along the day."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.join = nn.Linear(2 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the same shape."""
        along, _ = self.lstm(nn.functional.gelu(tokens))
        joined: Tensor = tokens + self.join(along)
        return joined


class AttentionBlock(nn.Module):
    """Pre-norm attention and a feed-forward part."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.wide = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * width, width)
        )
        self.width = width

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the same shape."""
        each = self.width // HEADS
        query, key, value = self.query(self.first(tokens)).chunk(3, dim=-1)
        split = [
            one.reshape(-1, SLOTS_A_DAY, HEADS, each).transpose(1, 2) for one in (query, key, value)
        ]
        look = torch.softmax(split[0] @ split[1].transpose(2, 3) / each**0.5, dim=-1)
        seen = (look @ split[2]).transpose(1, 2).reshape(-1, SLOTS_A_DAY, self.width)
        tokens = tokens + self.join(seen)
        result: Tensor = tokens + self.wide(self.second(tokens))
        return result


class Forecaster(nn.Module):
    """One network: standardise, tokens, body, quantiles of the model's number."""

    def __init__(
        self, slots: Standard, day: Standard, *, width: int, kind: str, drop: Drop
    ) -> None:
        super().__init__()
        self.slots, self.day = slots, day
        slot_count = slots.get_buffer("mean").shape[0]
        self.linear = nn.Linear(slot_count, 1)
        day_count = day.get_buffer("mean").shape[0]
        self.tokens = Tokens(slot_count, day_count, width=width, drop=drop)
        self.body: nn.Module = (
            LstmBody(width)
            if kind == "lstm"
            else nn.Sequential(AttentionBlock(width), AttentionBlock(width))
        )
        self.head = Quantiles(width)

    def forward(self, slots: Tensor, day: Tensor) -> Tensor:
        """Shape (b, 48, q)."""
        numbers = self.slots(slots)
        tokens = self.body(self.tokens(numbers, self.day(day)))
        answer: Tensor = self.head(tokens, self.linear(numbers))
        return answer


class Calibration(nn.Module):
    """Stretch the distances from the median by what held-back weeks asked for.

    Parameters
    ----------
    stretch : Tensor
        Shape (q,), >= 0; one of the median has no effect.
    """

    def __init__(self, stretch: Tensor) -> None:
        super().__init__()
        self.register_buffer("stretch", stretch)

    def forward(self, answer: Tensor) -> Tensor:
        """Return the same shape, still rising."""
        middle = answer[..., _MIDDLE : _MIDDLE + 1]
        wide = middle + (answer - middle) * self.get_buffer("stretch")
        found = list(wide.split(1, dim=-1))
        for k in range(_MIDDLE - 1, -1, -1):
            found[k] = torch.minimum(found[k], found[k + 1])
        for k in range(_MIDDLE + 1, len(found)):
            found[k] = torch.maximum(found[k], found[k - 1])
        return torch.cat(found, dim=-1)
