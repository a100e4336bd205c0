"""Run a model of a site: the past in, quantiles in W out, or one clear line why not."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from models.contract import ModelContract
from models.day_ahead.frame import FORECAST, DayFeatures
from models.session import Session, open_session, runtime_errors
from models.site.past import SitePast
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.errors import ConfigError

SITE_VERSION: Final = 1
"""Of the builders of this package; a model made for another one is refused."""
LOAD_MODEL: Final = "site-load"
PV_MODEL: Final = "site-pv"
IMPLAUSIBLE_LEVELS: Final = 50.0
"""An answer beyond this multiple of the site's level is not believed."""


class SiteModel:
    """One model file; opened with the first question.

    Parameters
    ----------
    path : Path
        The ONNX file.
    build : callable
        Makes its inputs.
    """

    def __init__(self, path: Path, build: Callable[[SitePast], DayFeatures]) -> None:
        self._path = path
        self._build = build
        self._opened: tuple[Session, ModelContract] | None = None
        self._fault = ""

    def contract(self) -> ModelContract:
        """Return the contract.

        Raises
        ------
        ConfigError
            If the file is no model, or not one for this program.
        """
        return self._open()[1]

    def answer(self, past: SitePast) -> FloatArray:
        """Forecast 48 half hours from ``past.until`` on.

        Parameters
        ----------
        past : SitePast
            What the site did.

        Returns
        -------
        FloatArray
            Shape (48, q), W, positive, rising.

        Raises
        ------
        ConfigError
            If the model cannot be opened or fails, or its answer cannot be believed.
        """
        session, contract = self._open()
        features = self._build(past)
        try:
            found = session.run([FORECAST], features.tensors())[0][0].astype(np.float64)
        except runtime_errors() as error:
            raise ConfigError(f"{contract.model_id} failed: {error}") from error
        if not (np.abs(found) <= IMPLAUSIBLE_LEVELS * features.level).all():
            raise ConfigError(f"{contract.model_id} gave an implausible answer")
        values: FloatArray = np.maximum.accumulate(found, axis=1)
        return values

    def _open(self) -> tuple[Session, ModelContract]:
        """Open once; a file that is no model is not read again."""
        if self._fault:
            raise ConfigError(self._fault)
        if self._opened is None:
            try:
                self._opened = open_session(self._path, features_version=SITE_VERSION)
            except ConfigError as error:
                self._fault = str(error)
                raise
        return self._opened
