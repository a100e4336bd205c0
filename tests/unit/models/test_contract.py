"""The contract of a model in its metadata."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from models.contract import (
    METADATA_KEY,
    ModelContract,
    TensorSpec,
    check_tensors,
    from_metadata,
    to_metadata,
)
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ModelId

CONTRACT = ModelContract(
    model_id=ModelId("lstm-7"),
    features_version=1,
    inputs=(TensorSpec(name="history", shape=(1, 96, 2), unit="scale_w"),),
    outputs=(TensorSpec(name="forecast", shape=(1, 48, 2, 3), unit="scale_w"),),
    step_s=1800,
    lookback=96,
    horizon=48,
    scale_w=2500.0,
    quantiles=(0.1, 0.5, 0.9),
    data_from=datetime(2024, 4, 1, tzinfo=UTC),
    data_until=datetime(2026, 3, 31, tzinfo=UTC),
)


def test_a_contract_comes_back_as_it_was() -> None:
    """A model would be run with another scale or horizon than it was trained with."""
    assert from_metadata(to_metadata(CONTRACT)) == CONTRACT
    assert CONTRACT.median_index == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("contract_version", 2),
        ("step_s", "1800"),
        ("step_s", 0),
        ("quantiles", [0.9, 0.5]),
        ("quantiles", 0.5),
        ("quantiles", [0.1, 0.9]),
        ("inputs", [7]),
        ("inputs", [{"name": "history"}]),
        ("data_until", "yesterday"),
        ("data_until", "2020-01-01T00:00:00+00:00"),
        ("scale_w", None),
    ],
)
def test_a_contract_that_makes_no_sense_is_refused(field: str, value: object) -> None:
    """A damaged or future model would be trusted."""
    plain = json.loads(to_metadata(CONTRACT)[METADATA_KEY]) | {field: value}
    with pytest.raises(ConfigError):
        from_metadata({METADATA_KEY: json.dumps(plain)})


def test_a_contract_with_a_missing_field_is_refused() -> None:
    """A default would take the place of a promise."""
    plain = json.loads(to_metadata(CONTRACT)[METADATA_KEY])
    for field in list(plain):
        less = {key: value for key, value in plain.items() if key != field}
        with pytest.raises(ConfigError):
            from_metadata({METADATA_KEY: json.dumps(less)})
    for text in ("", "[]", "{"):
        with pytest.raises(ConfigError):
            from_metadata({METADATA_KEY: text})


def test_other_tensors_are_refused() -> None:
    """A model could be fed the calendar for the load."""
    check_tensors(CONTRACT.inputs, {"history": (1, 96, 2)})
    for actual in ({"history": (1, 95, 2)}, {"load": (1, 96, 2)}, {}):
        with pytest.raises(ConfigError, match="the contract says"):
            check_tensors(CONTRACT.inputs, actual)
    with pytest.raises(ConfigError):
        check_tensors(replace(CONTRACT, inputs=()).inputs, {"history": (1, 96, 2)})
