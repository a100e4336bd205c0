"""A warm start of an actor: it imitates good actions before it tries for itself.

Trying around from nothing finds the rough outline of a good policy slowly; where an optimum can
be computed off-line it may as well be shown. What follows is reinforcement all the same.
"""

from typing import Final, Protocol, runtime_checkable

import torch
from torch import nn

from protocols.vocabulary.arrays import FloatArray

RATE: Final = 5e-3
RATE_END: Final = 0.01
"""Of the first rate, at the last pass."""


@runtime_checkable
class Teaching(Protocol):
    """An environment that shows good actions, after it was reset."""

    def lessons(self) -> tuple[FloatArray, FloatArray]:
        """Observations (k, o) and a good action for each (k, a)."""


def imitate(actor: nn.Sequential, seen: FloatArray, action: FloatArray, *, passes: int) -> None:
    """Move an actor toward what is shown, least squares.

    Parameters
    ----------
    actor : Sequential
        Is changed.
    seen : FloatArray
        Normalised observations, shape (k, o).
    action : FloatArray
        Shape (k, a), -1 ... 1.
    passes : int
        Over all that is shown.
    """
    given = torch.as_tensor(seen, dtype=torch.float32)
    wanted = torch.as_tensor(action, dtype=torch.float32)
    optimiser = torch.optim.Adam(actor.parameters(), lr=RATE)
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, RATE_END, passes)
    for _ in range(passes):
        optimiser.zero_grad()
        (actor(given) - wanted).square().mean().backward()
        optimiser.step()
        falling.step()
