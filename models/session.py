"""Open a model and run it: one thread, its contract checked before the first answer.

The one place where onnxruntime is met; shared by the gateway and the coordinator. onnxruntime is
imported when the first model is opened, for it costs 21 MB.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from models.contract import ModelContract, check_tensors, from_metadata
from protocols.vocabulary.errors import ConfigError

Float32Array = npt.NDArray[np.float32]


class Session(Protocol):
    """The part of an ONNX session that is used."""

    def run(self, outputs: list[str], inputs: Mapping[str, Float32Array]) -> list[Float32Array]:
        """Run the model."""


def runtime_errors() -> tuple[type[BaseException], ...]:
    """List what the runtime raises; its errors have no family of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as states  # noqa: PLC0415 see the module

    return (
        states.Fail,
        states.InvalidArgument,
        states.InvalidGraph,
        states.InvalidProtobuf,
        states.NotImplemented,
        states.RuntimeException,
    )


def open_session(path: Path, *, features_version: int) -> tuple[Session, ModelContract]:
    """Open a model and check it against its contract and our features.

    Parameters
    ----------
    path : Path
        The ONNX file.
    features_version : int
        Of the builder that will feed it.

    Returns
    -------
    tuple of Session and ModelContract
        Ready to run.

    Raises
    ------
    ConfigError
        If the file is no model, or not one for this program.
    """
    import onnxruntime  # noqa: PLC0415 see the module

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(
            path.read_bytes(), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except runtime_errors() as error:
        raise ConfigError(f"{path}: no usable ONNX model: {error}") from error
    contract = from_metadata(session.get_modelmeta().custom_metadata_map)
    if contract.features_version != features_version:
        raise ConfigError(
            f"model {contract.model_id} wants features version {contract.features_version}, "
            f"this program builds {features_version}"
        )
    check_tensors(contract.inputs, {one.name: tuple(one.shape) for one in session.get_inputs()})
    check_tensors(contract.outputs, {one.name: tuple(one.shape) for one in session.get_outputs()})
    return cast("Session", session), contract
