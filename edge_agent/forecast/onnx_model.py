"""Run a forecast model that was trained elsewhere, and fall back when it cannot be trusted.

The ONNX file carries its contract; contract, features version and tensors are checked before the
first answer. Whatever is wrong with the model, the fallback answers, and says what was wrong. One
thread, no spinning. onnxruntime is imported when the first model is opened.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from edge_agent.forecast.port import Forecaster, SiteForecast
from models.contract import ModelContract, check_tensors, from_metadata
from models.features import (
    CHANNELS,
    FEATURES_VERSION,
    FORECAST,
    Float32Array,
    SiteHistory,
    build_features,
    input_specs,
    missing_ratio,
    resampled,
)
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.measurement import Quality

MISSING_MAX = 0.2
"""A model is not asked when more than this part of its history is missing."""
IMPLAUSIBLE_SCALES = 10.0
"""An answer beyond this multiple of the model's scale is not believed."""


class Session(Protocol):
    """The part of an ONNX session that is used."""

    def run(self, outputs: list[str], inputs: Mapping[str, Float32Array]) -> list[Float32Array]:
        """Run the model."""


def _runtime_errors() -> tuple[type[BaseException], ...]:
    """List what the runtime raises; its errors have no family of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as states  # noqa: PLC0415 see open_session

    return (
        states.Fail,
        states.InvalidArgument,
        states.InvalidGraph,
        states.InvalidProtobuf,
        states.NotImplemented,
        states.RuntimeException,
    )


def open_session(path: Path) -> tuple[Session, ModelContract]:
    """Open a model and check it against its contract and our features.

    Parameters
    ----------
    path : Path
        The ONNX file.

    Returns
    -------
    tuple of Session and ModelContract
        Ready to run.

    Raises
    ------
    ConfigError
        If the file is no model, or not one for this program.
    """
    import onnxruntime  # noqa: PLC0415 21 MB that a site without a model need not load

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(
            path.read_bytes(), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except _runtime_errors() as error:
        raise ConfigError(f"{path}: no usable ONNX model: {error}") from error
    contract = from_metadata(session.get_modelmeta().custom_metadata_map)
    _check(
        contract,
        inputs={i.name: tuple(i.shape) for i in session.get_inputs()},
        outputs={o.name: tuple(o.shape) for o in session.get_outputs()},
    )
    return cast("Session", session), contract


def _check(
    contract: ModelContract,
    *,
    inputs: Mapping[str, tuple[int, ...]],
    outputs: Mapping[str, tuple[int, ...]],
) -> None:
    """Refuse a model that does not keep its contract, or was made for other features."""
    if contract.features_version != FEATURES_VERSION:
        raise ConfigError(
            f"model {contract.model_id} wants features version {contract.features_version}, "
            f"this program builds {FEATURES_VERSION}"
        )
    check_tensors(contract.inputs, inputs)
    check_tensors(contract.outputs, outputs)
    built = input_specs(lookback=contract.lookback, horizon=contract.horizon)
    check_tensors(built, {spec.name: spec.shape for spec in contract.inputs})
    shape = (1, contract.horizon, CHANNELS, len(contract.quantiles))
    if outputs.get(FORECAST) != shape:
        raise ConfigError(f"model {contract.model_id} must answer {FORECAST!r} of shape {shape}")


class OnnxForecaster:
    """A model with a fallback behind it.

    Parameters
    ----------
    path : Path
        The ONNX file; it is opened with the first forecast.
    fallback : Forecaster
        Answers when the model cannot.
    """

    def __init__(self, path: Path, fallback: Forecaster) -> None:
        self._path = path
        self._fallback = fallback
        self._opened: tuple[Session, ModelContract] | None = None
        self._fault = ""

    def forecast(self, history: SiteHistory, now: datetime) -> SiteForecast:
        """Forecast from ``now`` on; by the fallback, with the reason, if the model cannot."""
        if self._opened is None and not self._fault:
            try:
                self._opened = open_session(self._path)
            except ConfigError as error:
                self._fault = str(error)
        if self._opened is None:
            return self._instead(history, now, self._fault)
        session, contract = self._opened
        load_w, _ = resampled(history, step_s=contract.step_s, count=contract.lookback)
        missing = missing_ratio(load_w)
        if missing > MISSING_MAX:
            return self._instead(history, now, f"{missing:.0%} of the history is missing")
        features = build_features(
            history,
            step_s=contract.step_s,
            lookback=contract.lookback,
            horizon=contract.horizon,
            scale_w=contract.scale_w,
        )
        try:
            answer = session.run([FORECAST], features)[0]
        except _runtime_errors() as error:
            return self._instead(history, now, f"{contract.model_id} failed: {error}")
        return self._answer(history, now, answer[0, :, :, contract.median_index])

    def _answer(self, history: SiteHistory, now: datetime, median: Float32Array) -> SiteForecast:
        """Forecast of a model's median, if it can be believed."""
        assert self._opened is not None, "only an opened model answers"
        contract = self._opened[1]
        if not (np.abs(median) <= IMPLAUSIBLE_SCALES).all():
            return self._instead(history, now, f"{contract.model_id} gave an implausible answer")
        power_w = median.astype(np.float64) * contract.scale_w
        return SiteForecast(
            start=history.until,
            step_s=contract.step_s,
            load_w=power_w[:, 0],
            pv_w=np.maximum(power_w[:, 1], 0.0),
            quality=Quality.GOOD,
            reason=f"model {contract.model_id}",
            model_id=contract.model_id,
            data_until=history.until,
        )

    def _instead(self, history: SiteHistory, now: datetime, why: str) -> SiteForecast:
        """Return the fallback's answer with the reason why it was asked."""
        answer = self._fallback.forecast(history, now)
        return replace(
            answer, quality=Quality.SUBSTITUTED, reason=f"{why}; instead {answer.reason}"
        )
