"""The contract of a forecast model: what goes in, what comes out, and what it was made from.

It travels in the ONNX file's own metadata, so that a model and its contract cannot be parted.
Written by the export, read and checked at run time before a model is trusted.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ModelId

METADATA_KEY: Final = "vpp.contract"
CONTRACT_VERSION: Final = 1
POLICY_METADATA_KEY: Final = "vpp.policy"
"""Where a trained actor carries what its columns mean."""
POLICY_VERSION: Final = 1
MEDIAN: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """One input or output of a model: ``name``, ``shape`` and the ``unit`` of its numbers."""

    name: str
    shape: tuple[int, ...]
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelContract:
    """What a model promises.

    Attributes
    ----------
    model_id : ModelId
        Name and version of the model.
    features_version : int
        Of :mod:`models.features` it was trained with.
    inputs, outputs : tuple of TensorSpec
        Float32 tensors, batch of one.
    step_s, lookback, horizon : int
        Length of a step in s; steps looked back and ahead.
    scale_w : float
        Powers are divided by this before and multiplied after, W, > 0.
    quantiles : tuple of float
        Of the last axis of the output, rising, with 0.5 among them.
    data_from, data_until : datetime
        Period of the data it was made from, aware UTC.
    """

    model_id: ModelId
    features_version: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    step_s: int
    lookback: int
    horizon: int
    scale_w: float
    quantiles: tuple[float, ...]
    data_from: datetime
    data_until: datetime

    @property
    def median_index(self) -> int:
        """Place of the median on the last axis of the output."""
        return self.quantiles.index(MEDIAN)


def to_metadata(contract: ModelContract) -> dict[str, str]:
    """Return the contract as metadata properties of an ONNX model."""
    plain = asdict(contract) | {
        "contract_version": CONTRACT_VERSION,
        "data_from": contract.data_from.isoformat(),
        "data_until": contract.data_until.isoformat(),
    }
    return {METADATA_KEY: json.dumps(plain, sort_keys=True)}


def from_metadata(metadata: Mapping[str, str]) -> ModelContract:
    """Read the contract of a model.

    Parameters
    ----------
    metadata : mapping of str to str
        The ONNX model's metadata properties.

    Returns
    -------
    ModelContract
        Checked in itself.

    Raises
    ------
    ConfigError
        If there is none, it is of another version, or it does not make sense.
    """
    text = metadata.get(METADATA_KEY)
    if text is None:
        raise ConfigError(f"model has no {METADATA_KEY!r} in its metadata")
    try:
        contract = _parsed(json.loads(text))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"model contract cannot be read: {error!r}") from error
    _check(contract)
    return contract


def _parsed(plain: Mapping[str, object]) -> ModelContract:
    """Build a contract from its JSON form."""
    if plain["contract_version"] != CONTRACT_VERSION:
        raise ValueError(f"contract version {plain['contract_version']!r} is not known")
    return ModelContract(
        model_id=ModelId(str(plain["model_id"])),
        features_version=_integer(plain["features_version"]),
        inputs=_tensors(plain["inputs"]),
        outputs=_tensors(plain["outputs"]),
        step_s=_integer(plain["step_s"]),
        lookback=_integer(plain["lookback"]),
        horizon=_integer(plain["horizon"]),
        scale_w=_number(plain["scale_w"]),
        quantiles=tuple(_number(q) for q in _items(plain["quantiles"])),
        data_from=_instant(plain["data_from"]),
        data_until=_instant(plain["data_until"]),
    )


def _items(plain: object) -> list[object]:
    """Return a JSON list."""
    if not isinstance(plain, list):
        raise TypeError(f"expected a list, got {plain!r}")
    return plain


def _integer(plain: object) -> int:
    """Return a JSON integer."""
    if not isinstance(plain, int):
        raise TypeError(f"expected an integer, got {plain!r}")
    return plain


def _number(plain: object) -> float:
    """Return a JSON number."""
    if not isinstance(plain, int | float):
        raise TypeError(f"expected a number, got {plain!r}")
    return float(plain)


def _instant(plain: object) -> datetime:
    """Return an aware UTC datetime of its ISO form."""
    return datetime.fromisoformat(str(plain)).astimezone(UTC)


def _tensors(plain: object) -> tuple[TensorSpec, ...]:
    """Return tensor specifications of their JSON form."""
    found = []
    for item in _items(plain):
        if not isinstance(item, dict):
            raise TypeError(f"expected a tensor, got {item!r}")
        shape = tuple(_integer(size) for size in _items(item["shape"]))
        found.append(TensorSpec(name=str(item["name"]), shape=shape, unit=str(item["unit"])))
    return tuple(found)


def _check(contract: ModelContract) -> None:
    """Refuse a contract that does not make sense."""
    rising = all(a < b for a, b in zip(contract.quantiles, contract.quantiles[1:], strict=False))
    faults = {
        "step_s, lookback and horizon must be positive": min(
            contract.step_s, contract.lookback, contract.horizon
        )
        <= 0,
        "scale_w must be positive": not contract.scale_w > 0.0,
        "quantiles must rise and hold 0.5": not rising or MEDIAN not in contract.quantiles,
        "data_from must lie before data_until": contract.data_from >= contract.data_until,
    }
    found = [words for words, wrong in faults.items() if wrong]
    if found:
        raise ConfigError(f"model contract {contract.model_id}: {'; '.join(found)}")


def check_tensors(expected: tuple[TensorSpec, ...], actual: Mapping[str, tuple[int, ...]]) -> None:
    """Compare a contract's tensors with those of the model itself.

    Parameters
    ----------
    expected : tuple of TensorSpec
        From the contract or from the feature builder.
    actual : mapping of str to tuple of int
        Name to shape, as the model says.

    Raises
    ------
    ConfigError
        If a name or a shape differs.
    """
    wanted = {spec.name: spec.shape for spec in expected}
    if wanted != dict(actual):
        raise ConfigError(f"model tensors are {dict(actual)}, the contract says {wanted}")
