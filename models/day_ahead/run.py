"""Run a shipped day-ahead model: features in, quantiles in units out, or one clear line why not."""

from pathlib import Path
from typing import Final

import numpy as np

from models.contract import ModelContract
from models.day_ahead.frame import DAY_AHEAD_VERSION, FORECAST, MISSING_MAX, DayFeatures
from models.session import Session, open_session, runtime_errors
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.errors import ConfigError

IMPLAUSIBLE_LEVELS: Final = 20.0
"""An answer beyond this multiple of the level is not believed."""


class DayAheadModel:
    """One model file; opened with the first question.

    Parameters
    ----------
    path : Path
        The ONNX file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: tuple[Session, ModelContract] | None = None

    def contract(self) -> ModelContract:
        """Return the contract.

        Raises
        ------
        ConfigError
            If the file is no model, or not one for this program.
        """
        return self._open()[1]

    def answer(self, features: DayFeatures) -> FloatArray:
        """Forecast.

        Parameters
        ----------
        features : DayFeatures
            Of a place and a day.

        Returns
        -------
        FloatArray
            Shape (48, q), in the unit of its level, rising, >= 0.

        Raises
        ------
        ConfigError
            If the model cannot be opened or fails, too little is known, or its answer cannot be
            believed.
        """
        session, contract = self._open()
        if features.missing > MISSING_MAX:
            raise ConfigError(
                f"{features.missing:.0%} of what {contract.model_id} needs is missing"
            )
        try:
            found = session.run([FORECAST], features.tensors())[0][0].astype(np.float64)
        except runtime_errors() as error:
            raise ConfigError(f"{contract.model_id} failed: {error}") from error
        if not (np.abs(found) <= IMPLAUSIBLE_LEVELS * features.level).all():
            raise ConfigError(f"{contract.model_id} gave an implausible answer")
        values: FloatArray = np.maximum.accumulate(found, axis=1)
        return values

    def _open(self) -> tuple[Session, ModelContract]:
        if self._opened is None:
            self._opened = open_session(self._path, features_version=DAY_AHEAD_VERSION)
        return self._opened
