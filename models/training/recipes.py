"""How each shipped model is trained, and what a training reports; needs no torch."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from models.contract import ModelContract
from models.site.run import LOAD_MODEL, PV_MODEL


class Drop(NamedTuple):
    """Parts that are left out at random while learning: of the day's numbers, of hidden ones."""

    numbers: float
    hidden: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one network is trained.

    Attributes
    ----------
    kind : str
        ``lstm`` or ``transformer``.
    epochs, seed : int
        Passes over the samples, start.
    held_year : int
        Year before the test that it does not learn from; 0 leaves out single weeks instead.
    width : int
        Size of a token.
    drop : Drop
        What is left out at random.
    decay, rate : float
        Decay of the weights, highest learning rate.
    cut : float
        Truths are cut here in the model's number: a crash of the market must not rule the loss.
    """

    kind: str
    epochs: int
    seed: int
    held_year: int
    width: int = 48
    drop: Drop = Drop(numbers=0.1, hidden=0.2)  # noqa: RUF009 a named tuple does not change
    decay: float = 3e-2
    rate: float = 3e-3
    cut: float = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What the export found.

    Attributes
    ----------
    size_bytes : int
        Of the file.
    difference : float
        Largest difference of torch and onnxruntime over the level.
    """

    size_bytes: int
    difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What came of a training.

    Attributes
    ----------
    contract : ModelContract
        Of the file.
    export : Export
        Size and parity.
    validation : tuple of tuple
        Name and seed of each network and its loss on the validation weeks.
    samples : int
        Learned from.
    """

    contract: ModelContract
    export: Export
    validation: tuple[tuple[str, float], ...]
    samples: int


_LIGHT: Final = Drop(numbers=0.0, hidden=0.1)
LONG: Final = (
    Recipe(kind="lstm", epochs=6, seed=1, held_year=1),
    Recipe(kind="lstm", epochs=6, seed=2, held_year=2),
    Recipe(kind="transformer", epochs=5, seed=3, held_year=1),
    Recipe(kind="transformer", epochs=5, seed=4, held_year=2),
)
"""Nine years of data: each of the last two is learned from by one network of each kind."""
SHORT: Final = (
    Recipe(kind="lstm", epochs=8, seed=1, held_year=0, drop=_LIGHT, decay=1e-2),
    Recipe(kind="transformer", epochs=8, seed=1, held_year=0, drop=_LIGHT, decay=1e-2),
)
"""Too few years to leave one out: single weeks are held back."""
KINDS: Final = ("lstm", "transformer")
RECIPES: Final = {"demand": LONG, "pv": SHORT, "price": LONG, "balancing": SHORT}
"""Networks of each target; the mean of each kind and the mean of both kinds are answered."""

_SITE: Final = Drop(numbers=0.1, hidden=0.1)
SITE_RECIPES: Final = {
    LOAD_MODEL: (
        Recipe(kind="lstm", epochs=14, seed=1, held_year=0, width=32, drop=_SITE, decay=1e-2),
        Recipe(kind="transformer", epochs=5, seed=1, held_year=0, width=32, drop=_SITE, decay=1e-2),
    ),
    PV_MODEL: (
        Recipe(kind="lstm", epochs=5, seed=1, held_year=0, width=32, drop=_SITE, decay=1e-2),
        Recipe(kind="transformer", epochs=5, seed=1, held_year=0, width=32, drop=_SITE, decay=1e-2),
    ),
}
"""Homes and roofs are few beside areas: small networks, one of each kind."""
