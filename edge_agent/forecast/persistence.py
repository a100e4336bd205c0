"""Persistence: a site goes on as it did, and PV follows the clear sky as it lately did.

The floor under every other forecaster, and good enough for minutes. No model, no file. Called by
the cycle and, as fallback, by the ONNX forecaster.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from edge_agent.forecast.port import Grid, SiteForecast
from models.clear_sky import clear_power, cosine_of_zenith
from models.features import SiteHistory, known_mean
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.identifiers import ModelId
from protocols.vocabulary.measurement import Quality

RECENT_S = 300.0
DAY_S = 86_400.0
RATIO_WINDOW_S = 1800.0
RATIO_MAX = 1.3
RATIO_ASSUMED = 0.6
"""Part of the clear sky assumed where no daylight has been measured yet."""
DAYLIGHT_RATIO = 0.05
"""Daylight is where the clear sky gives more than this part of the peak."""


def recent_mean(history: SiteHistory, values: FloatArray, window_s: float) -> float | None:
    """Mean of the known values of the last seconds, None if none is known."""
    count = max(round(window_s / history.step_s), 1)
    return known_mean(values[-count:])


def persisted(
    history: SiteHistory, values: FloatArray, now: datetime, *, grid: Grid
) -> tuple[FloatArray, str]:
    """Continue a column: now as in the last minutes, later as a day before where that is known.

    Parameters
    ----------
    history : SiteHistory
        Its grid.
    values : FloatArray
        Shape (n,), one of its columns, W.
    now : datetime
        Start of the first step, aware UTC.
    grid : Grid
        Steps ahead.

    Returns
    -------
    tuple of FloatArray and str
        Shape (grid.steps,), W, and how it was made; the reason is empty when nothing is known.
    """
    level = recent_mean(history, values, RECENT_S)
    if level is None:
        level = known_mean(values)
    if level is None:
        return np.zeros(grid.steps), ""
    ahead = np.full(grid.steps, level)
    history_start = history.until - timedelta(seconds=history.step_s * len(values))
    used = False
    for k in range(1, grid.steps):
        ahead_s = k * grid.step_s
        day_before = now + timedelta(seconds=ahead_s - DAY_S * (ahead_s // DAY_S + 1))
        first = (day_before - history_start).total_seconds() / history.step_s
        last = first + grid.step_s / history.step_s
        if first < 0.0 or last > len(values):
            continue
        then = known_mean(values[int(first) : max(int(last), int(first) + 1)])
        if then is not None:
            ahead[k], used = then, True
    return ahead, "as the day before" if used else "as in the last 300 s"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersistenceForecaster:
    """Load and PV go on as they did.

    Attributes
    ----------
    grid : Grid
        Steps ahead.
    """

    grid: Grid

    def forecast(self, history: SiteHistory, now: datetime) -> SiteForecast:
        """Forecast from ``now`` on."""
        load_w, load_reason = persisted(history, history.load_w, now, grid=self.grid)
        pv_w, _ = persisted(history, history.pv_w, now, grid=self.grid)
        known = bool(load_reason)
        return SiteForecast(
            start=now,
            step_s=self.grid.step_s,
            load_w=load_w,
            pv_w=np.maximum(pv_w, 0.0),
            quality=Quality.GOOD if known else Quality.SUBSTITUTED,
            reason=f"persistence: load {load_reason}" if known else "no history: zero assumed",
            model_id=ModelId("persistence"),
            data_until=history.until,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearSkyForecaster:
    """Load goes on as it did; PV keeps its lately measured ratio to the clear sky.

    Attributes
    ----------
    grid : Grid
        Steps ahead.
    latitude, longitude : float
        Degrees, north and east positive.
    peak_w : float
        Rated peak of the PV, W, >= 0.
    """

    grid: Grid
    latitude: float
    longitude: float
    peak_w: float

    def forecast(self, history: SiteHistory, now: datetime) -> SiteForecast:
        """Forecast from ``now`` on."""
        load_w, load_reason = persisted(history, history.load_w, now, grid=self.grid)
        ratio, measured = self._ratio(history)
        ahead = self._clear(now, self.grid.step_s, self.grid.steps)
        good = bool(load_reason) and (measured or self.peak_w <= 0.0)
        words = f"{ratio:.2f} of clear sky" + ("" if measured else " (assumed)")
        return SiteForecast(
            start=now,
            step_s=self.grid.step_s,
            load_w=load_w,
            pv_w=np.minimum(ahead * ratio, self.peak_w),
            quality=Quality.GOOD if good else Quality.SUBSTITUTED,
            reason=f"load {load_reason or 'not known: zero assumed'}; PV {words}",
            model_id=ModelId("clear-sky"),
            data_until=history.until,
        )

    def _clear(self, start: datetime, step_s: float, count: int) -> FloatArray:
        """Clear-sky power of each step, W."""
        cosine = cosine_of_zenith(
            start, step_s, count, latitude=self.latitude, longitude=self.longitude
        )
        return clear_power(cosine, peak_w=self.peak_w)

    def _ratio(self, history: SiteHistory) -> tuple[float, bool]:
        """Measured over clear-sky energy: of the last half-hour, else of all daylight known."""
        count = len(history.pv_w)
        start = history.until - timedelta(seconds=history.step_s * count)
        clear = self._clear(start, history.step_s, count)
        usable = np.isfinite(history.pv_w) & (clear > DAYLIGHT_RATIO * self.peak_w)
        recent = np.zeros(count, dtype=bool)
        recent[-max(round(RATIO_WINDOW_S / history.step_s), 1) :] = True
        for window in (usable & recent, usable):
            if window.any():
                ratio = float(history.pv_w[window].sum() / clear[window].sum())
                return min(max(ratio, 0.0), RATIO_MAX), True
        return RATIO_ASSUMED, False
