"""The forecast port: a site's history in, a site's forecast with its quality and reason out.

Always an answer: a forecaster that cannot do better says so in quality and reason. Called by the
cycle; the clock is an argument.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from models.features import SiteHistory
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.identifiers import ModelId
from protocols.vocabulary.measurement import Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Steps ahead: ``steps`` of ``step_s`` seconds."""

    step_s: float
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteForecast:
    """What a site will do by itself, generator frame.

    Attributes
    ----------
    start : datetime
        Of the first step, aware UTC.
    step_s : float
        Length of a step, s.
    load_w : FloatArray
        Shape (n,), W that nobody controls, without PV; consumption is negative.
    pv_w : FloatArray
        Shape (n,), W that PV could give.
    quality : Quality
        GOOD, or SUBSTITUTED when something had to be assumed.
    reason : str
        How it was made, for people.
    model_id : ModelId
        Model or rule.
    data_until : datetime
        Latest measurement used, aware UTC.
    load_band_w, pv_band_w : FloatArray or None
        Shape (n, 2), W: in eight of ten cases it lies between; None where nothing says so.
    fault : str
        What is wrong with a model that should have answered; empty if nothing is.
    """

    start: datetime
    step_s: float
    load_w: FloatArray
    pv_w: FloatArray
    quality: Quality
    reason: str
    model_id: ModelId
    data_until: datetime
    load_band_w: FloatArray | None = None
    pv_band_w: FloatArray | None = None
    fault: str = ""

    def __post_init__(self) -> None:
        """Check shapes."""
        assert len(self.load_w) == len(self.pv_w) >= 1, "forecast columns differ in length"

    def step_at(self, moment: datetime) -> int | None:
        """Index of the step that holds a moment, None outside the forecast."""
        step = (moment - self.start) // timedelta(seconds=self.step_s)
        return step if 0 <= step < len(self.load_w) else None


class Forecaster(Protocol):
    """Something that looks ahead."""

    def forecast(self, history: SiteHistory, now: datetime) -> SiteForecast:
        """Forecast from ``now`` on."""
