"""Run a forecast model that was trained elsewhere, and fall back when it cannot be trusted.

The ONNX file carries its contract; contract, features version and tensors are checked before the
first answer. Whatever is wrong with the model, the fallback answers, and says what was wrong.
"""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from edge_agent.forecast.port import Forecaster, SiteForecast
from models.contract import ModelContract, check_tensors
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
from models.session import Session, open_session, runtime_errors
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.measurement import Quality

MISSING_MAX = 0.2
"""A model is not asked when more than this part of its history is missing."""
IMPLAUSIBLE_SCALES = 10.0
"""An answer beyond this multiple of the model's scale is not believed."""


def open_site_model(path: Path) -> tuple[Session, ModelContract]:
    """Open a model of a site's load and PV and check it.

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
    session, contract = open_session(path, features_version=FEATURES_VERSION)
    built = input_specs(lookback=contract.lookback, horizon=contract.horizon)
    check_tensors(built, {spec.name: spec.shape for spec in contract.inputs})
    shape = (1, contract.horizon, CHANNELS, len(contract.quantiles))
    if {spec.name: spec.shape for spec in contract.outputs}.get(FORECAST) != shape:
        raise ConfigError(f"model {contract.model_id} must answer {FORECAST!r} of shape {shape}")
    return session, contract


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
                self._opened = open_site_model(self._path)
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
        except runtime_errors() as error:
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
