"""The ONNX forecaster: a tiny model, and every way in which one can be wrong."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_agent.forecast.onnx_model import OnnxForecaster, open_site_model
from edge_agent.forecast.persistence import PersistenceForecaster
from edge_agent.forecast.port import Grid, SiteForecast
from models.contract import ModelContract, TensorSpec, to_metadata
from models.features import FEATURES_VERSION, SiteHistory, input_specs
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ModelId
from protocols.vocabulary.measurement import Quality

NOW = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
LOOKBACK, HORIZON = 4, 3
CONTRACT = ModelContract(
    model_id=ModelId("mean-1"),
    features_version=FEATURES_VERSION,
    inputs=input_specs(lookback=LOOKBACK, horizon=HORIZON),
    outputs=(TensorSpec(name="forecast", shape=(1, HORIZON, 2, 3), unit="scale_w"),),
    step_s=1800,
    lookback=LOOKBACK,
    horizon=HORIZON,
    scale_w=1000.0,
    quantiles=(0.1, 0.5, 0.9),
    data_from=datetime(2024, 4, 1, tzinfo=UTC),
    data_until=datetime(2026, 3, 31, tzinfo=UTC),
)


def model(contract: ModelContract | None, factor: float = 1.0) -> onnx.ModelProto:
    """Make a model: the mean of the history times 0.9, 1, 1.1, for every step ahead."""
    spread = np.array([0.9, 1.0, 1.1], dtype=np.float32) * factor
    whole = np.broadcast_to(spread, (1, HORIZON, 2, 3)).copy()
    history = helper.make_tensor_value_info("history", TensorProto.FLOAT, (1, LOOKBACK, 2))
    known = helper.make_tensor_value_info("known", TensorProto.FLOAT, (1, LOOKBACK + HORIZON, 6))
    answer = helper.make_tensor_value_info("forecast", TensorProto.FLOAT, (1, HORIZON, 2, 3))
    nodes = [
        helper.make_node("ReduceMean", ["history", "time"], ["mean"], keepdims=1),
        helper.make_node("Unsqueeze", ["mean", "last"], ["column"]),
        helper.make_node("ReduceMean", ["known", "all"], ["calendar"], keepdims=0),
        helper.make_node("Mul", ["calendar", "nothing"], ["zero"]),
        helper.make_node("Mul", ["column", "spread"], ["spread_mean"]),
        helper.make_node("Add", ["spread_mean", "zero"], ["forecast"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([1], dtype=np.int64), "time"),
        numpy_helper.from_array(np.array([3], dtype=np.int64), "last"),
        numpy_helper.from_array(np.array([0, 1, 2], dtype=np.int64), "all"),
        numpy_helper.from_array(np.array(0.0, dtype=np.float32), "nothing"),
        numpy_helper.from_array(whole, "spread"),
    ]
    graph = helper.make_graph(nodes, "mean", [history, known], [answer], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    made.ir_version = 9
    if contract is not None:
        helper.set_model_props(made, to_metadata(contract))
    return made


def written(folder: Path, contract: ModelContract | None, factor: float = 1.0) -> Path:
    """Write a model to a file."""
    path = folder / "model.onnx"
    path.write_bytes(model(contract, factor).SerializeToString())
    return path


def history(missing: int = 0) -> SiteHistory:
    """Make two hours of a steady site, the first steps unknown."""
    load = np.full(24, -800.0)
    load[:missing] = np.nan
    return SiteHistory(until=NOW, step_s=300.0, load_w=load, pv_w=np.full(24, 300.0))


def ask(path: Path, past: SiteHistory | None = None) -> SiteForecast:
    """Ask a new forecaster once."""
    fallback = PersistenceForecaster(grid=Grid(step_s=1800.0, steps=8))
    return OnnxForecaster(path, fallback).forecast(past or history(), NOW)


def test_a_good_model_answers_with_its_median_in_watts(tmp_path: Path) -> None:
    """The plan would be made from the wrong quantile, or from kilowatts."""
    made = ask(written(tmp_path, CONTRACT))
    assert made.load_w == pytest.approx([-800.0] * HORIZON, rel=1e-6)
    assert made.pv_w == pytest.approx([300.0] * HORIZON, rel=1e-6)
    assert made.quality is Quality.GOOD
    assert made.model_id == "mean-1"
    assert made.step_s == 1800.0


def test_a_missing_file_is_told_and_persistence_answers(tmp_path: Path) -> None:
    """A site without its model would have no forecast at all."""
    made = ask(tmp_path / "none.onnx")
    assert made.quality is Quality.SUBSTITUTED
    assert "none.onnx" in made.reason
    assert list(made.load_w) == [-800.0] * 8


def test_a_torn_file_is_told_and_persistence_answers(tmp_path: Path) -> None:
    """Half a download would stop the agent."""
    path = written(tmp_path, CONTRACT)
    path.write_bytes(path.read_bytes()[:100])
    assert "no usable ONNX model" in ask(path).reason


@pytest.mark.parametrize(
    ("contract", "words"),
    [
        (None, "vpp.contract"),
        (replace(CONTRACT, features_version=FEATURES_VERSION + 1), "features version"),
        (replace(CONTRACT, lookback=LOOKBACK + 1), "the contract says"),
        (replace(CONTRACT, quantiles=(0.5, 0.9)), "of shape"),
        (replace(CONTRACT, inputs=CONTRACT.inputs[:1]), "the contract says"),
        (replace(CONTRACT, scale_w=0.0), "scale_w must be positive"),
    ],
)
def test_a_model_that_breaks_its_contract_is_refused(
    tmp_path: Path, contract: ModelContract | None, words: str
) -> None:
    """A model trained on other features would give plausible nonsense."""
    path = written(tmp_path, contract)
    with pytest.raises(ConfigError, match=words):
        open_site_model(path)
    made = ask(path)
    assert made.quality is Quality.SUBSTITUTED
    assert words in made.reason


def test_an_implausible_answer_is_not_believed(tmp_path: Path) -> None:
    """A model gone wrong would plan a hundred kilowatts for a house."""
    made = ask(written(tmp_path, CONTRACT, factor=100.0))
    assert made.quality is Quality.SUBSTITUTED
    assert "implausible" in made.reason
    assert made.load_w[0] == -800.0


def test_a_model_is_not_asked_about_a_history_full_of_holes(tmp_path: Path) -> None:
    """Filled-in numbers would come back as a confident forecast."""
    path = written(tmp_path, CONTRACT)
    assert ask(path, history(missing=3)).quality is Quality.GOOD
    made = ask(path, history(missing=12))
    assert made.quality is Quality.SUBSTITUTED
    assert "missing" in made.reason
