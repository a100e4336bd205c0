"""The shipped models of a site: small, fast, true to their contract, and described."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from models.day_ahead.frame import QUANTILES, DayFeatures
from models.shipped_files import LATEST, card_path, model_path, newest_path, shipped_paths
from models.site.load import load_features
from models.site.past import PAST_SLOTS, SitePast
from models.site.pv import pv_features
from models.site.run import LOAD_MODEL, PV_MODEL, SiteModel
from protocols.vocabulary.errors import ConfigError
from tests.unit.models.site.synthetic import UNTIL, home_columns, home_past

LARGEST_BYTES = 2_000_000
BOTH = [(LOAD_MODEL, load_features), (PV_MODEL, pv_features)]


@pytest.mark.parametrize(("name", "build"), BOTH, ids=[LOAD_MODEL, PV_MODEL])
def test_a_site_is_forecast_within_the_contract(
    name: str, build: Callable[[SitePast], DayFeatures]
) -> None:
    """If it fails, every gateway falls back to persistence and nobody knows why."""
    model = SiteModel(model_path(name), build)
    past = home_past()
    answer = model.answer(past)
    contract = model.contract()
    assert answer.shape == (48, len(QUANTILES))
    assert contract.quantiles == QUANTILES
    assert contract.lookback == PAST_SLOTS
    assert {one.name for one in contract.outputs} == {"forecast", "lstm", "transformer"}
    assert (np.diff(answer, axis=1) >= 0.0).all()
    assert (answer >= 0.0).all()
    consumption, pv = home_columns(UNTIL + timedelta(days=1), PAST_SLOTS)
    truth = (consumption if name == LOAD_MODEL else pv)[-48:]
    assert answer[:, 3].mean() == pytest.approx(truth.mean(), rel=0.6)
    large = replace(past, consumption_w=100.0 * past.consumption_w)
    if name == LOAD_MODEL:
        np.testing.assert_allclose(model.answer(large), 100.0 * answer, rtol=1e-3)


@pytest.mark.parametrize(("name", "build"), BOTH, ids=[LOAD_MODEL, PV_MODEL])
def test_a_site_model_fits_a_gateway(name: str, build: Callable[[SitePast], DayFeatures]) -> None:
    """If it fails, the small computer on the wall cannot hold the model or waits for it."""
    assert model_path(name).stat().st_size < LARGEST_BYTES
    model, past = SiteModel(model_path(name), build), home_past()
    model.answer(past)
    start = time.thread_time()
    for _ in range(20):
        model.answer(past)
    print(f"{name}: {(time.thread_time() - start) * 50.0:.2f} ms a forecast")  # noqa: T201 the figure is the point


@pytest.mark.parametrize("name", [LOAD_MODEL, PV_MODEL])
def test_a_site_model_has_a_card(name: str) -> None:
    """If it fails, nobody can tell what a model was made from or where it ends."""
    card = card_path(name).read_text(encoding="utf-8")
    for words in (f"{name}-1", "Made from", "Scores", "Limits", "lightgbm", "Sources", "new sites"):
        assert words in card


def test_a_model_of_all_data_is_taken_before_the_one_that_was_scored(tmp_path: Path) -> None:
    """If it fails, a gateway runs on old data though newer are installed."""
    assert newest_path("a", folder=tmp_path) == model_path("a", folder=tmp_path)
    latest = model_path("a" + LATEST, folder=tmp_path)
    latest.write_bytes(b"")
    assert newest_path("a", folder=tmp_path) == latest
    assert {model_path(LOAD_MODEL), model_path(PV_MODEL)} <= set(shipped_paths())


def test_a_file_that_is_no_model_is_one_clear_line_and_not_read_twice(tmp_path: Path) -> None:
    """If it fails, a damaged file is read again each minute, or stops the agent."""
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    model = SiteModel(path, load_features)
    with pytest.raises(ConfigError, match=r"broken\.onnx"):
        model.contract()
    path.unlink()
    with pytest.raises(ConfigError, match="no usable ONNX model"):
        model.answer(home_past())
