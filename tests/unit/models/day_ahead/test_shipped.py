"""The shipped models: small, fast, true to their contract, and described."""

import time
from pathlib import Path

import numpy as np
import pytest

from models.day_ahead.context import context_of
from models.day_ahead.frame import QUANTILES
from models.day_ahead.history import Series
from models.day_ahead.run import DayAheadModel
from models.day_ahead.shipped import shipped_models
from models.day_ahead.targets import TARGETS, Target
from models.shipped_files import LATEST, card_path, model_path
from protocols.vocabulary.calendar import market_day
from protocols.vocabulary.errors import ConfigError
from tests.unit.models.day_ahead.synthetic import LAST_DAY, country

HISTORY = country()
LARGEST_BYTES = 2_000_000


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: one.name)
def test_a_shipped_model_answers_within_its_contract(target: Target) -> None:
    """If it fails, every market day is forecast by persistence and nobody knows why."""
    model = shipped_models()[target.series][-1]
    features = target.build(context_of(HISTORY, LAST_DAY), target.shown)
    answer = model.answer(features)
    contract = model.contract()
    assert answer.shape == (48, len(QUANTILES))
    assert contract.quantiles == QUANTILES
    assert contract.outputs[0].unit == target.series.unit
    assert (np.diff(answer, axis=1) >= 0.0).all()
    assert (answer >= 0.0).all()
    assert answer[24, 3] == pytest.approx(features.level, rel=0.9)


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: one.name)
def test_a_shipped_model_fits_a_gateway(target: Target) -> None:
    """If it fails, the small computer on the wall cannot hold the model or waits for it."""
    assert model_path(target.name).stat().st_size < LARGEST_BYTES
    model = shipped_models()[target.series][-1]
    features = target.build(context_of(HISTORY, LAST_DAY), target.shown)
    model.answer(features)
    start = time.process_time()
    for _ in range(20):
        model.answer(features)
    print(f"{target.name}: {(time.process_time() - start) * 50.0:.2f} ms a forecast")  # noqa: T201 the figure is the point


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: one.name)
def test_a_shipped_model_has_a_card(target: Target) -> None:
    """If it fails, nobody can tell what a model was made from or where it ends."""
    card = card_path(target.name).read_text(encoding="utf-8")
    contract = shipped_models()[target.series][-1].contract()
    for words in (contract.model_id, "Made from", "Scores", "Limits", "lightgbm", "Sources"):
        assert words in card
    assert f"{market_day(contract.data_until)}" in card


def test_a_file_that_is_no_model_is_one_clear_line(tmp_path: Path) -> None:
    """If it fails, a damaged download stops the coordinator."""
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ConfigError, match=r"broken\.onnx"):
        DayAheadModel(path).contract()


def test_the_model_of_all_data_is_asked_first_and_the_scored_one_stays_beside_it(
    tmp_path: Path,
) -> None:
    """If it fails, the live service runs on old data, or a backtest on the answers."""
    scored = model_path("demand").read_bytes()
    model_path("demand", folder=tmp_path).write_bytes(scored)
    assert len(shipped_models(folder=tmp_path)[Series.DEMAND]) == 1
    model_path("demand" + LATEST, folder=tmp_path).write_bytes(b"no model")
    newest, older = shipped_models(folder=tmp_path)[Series.DEMAND]
    with pytest.raises(ConfigError, match="demand-latest"):
        newest.contract()
    assert older.contract().model_id.startswith("day-ahead-demand")
