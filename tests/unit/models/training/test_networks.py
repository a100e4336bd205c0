"""The networks themselves; only where torch is installed (extra ``train``)."""

from datetime import timedelta

import pytest

from models.day_ahead.targets import TARGETS
from models.training.recipes import KINDS, Recipe
from models.training.samples import build_samples, split
from tests.unit.models.day_ahead.synthetic import LAST_DAY, country

torch = pytest.importorskip("torch", reason="torch is not installed: extra `train`")


def test_the_same_seed_gives_the_same_network_whose_quantiles_never_cross() -> None:
    """If it fails, `make train` does not reproduce what is shipped, or a band is inside out."""
    from models.training.fit import answers, fit, stretch_of, tensors_of
    from models.training.nets import Calibration

    torch.set_num_threads(1)
    days = [LAST_DAY - timedelta(days=k) for k in range(12, -1, -1)]
    samples = build_samples(country(), TARGETS[1], days=days, tick=lambda: None)
    parts = split(samples, LAST_DAY + timedelta(days=1), held_year=3)
    data = tensors_of(parts.fit, cut=6.0)
    for kind in ("lstm", "transformer"):
        recipe = Recipe(kind=kind, width=8, epochs=1, seed=3, held_year=1)
        one, two = (fit(recipe, data, data, tick=lambda: None)[0] for _ in range(2))
        first, second = answers(one, data), answers(two, data)
        assert torch.equal(first, second)
        stretched = Calibration(stretch_of(first, data))(first)
        assert bool((torch.diff(stretched, dim=-1) >= 0.0).all())


def test_a_recipe_of_each_kind_is_shipped() -> None:
    """If it fails, the card speaks of an LSTM or a Transformer that is not in the file."""
    from models.day_ahead.shipped import shipped_models

    for models in shipped_models().values():
        for model in models:
            assert {spec.name for spec in model.contract().outputs} == {"forecast", *KINDS}
