"""What of a site's forecasts goes into the journal: where they come from, and the half hours.

An event tells each change of model or reason, so that any second can be explained; the latest
forecast's first hours are kept for the technician's status.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

import msgpack

from edge_agent.control.records import microseconds, moment_of
from edge_agent.cycle.record import Happened
from edge_agent.forecast.half_hours import STATE_KEY, HalfHours
from edge_agent.forecast.port import SiteForecast
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.errors import JournalError

CHANGED_KIND: Final = "forecast.changed"
FORECAST_KEY: Final = "forecast"
ALARM: Final = "forecast"
_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlooked:
    """The forecast in use, as the technician is shown it. Powers in W, generator frame.

    Attributes
    ----------
    start : datetime
        Of its first step, aware UTC.
    model_id, reason, quality : str
        Where it comes from.
    load_w, pv_w : float
        Mean of the first step.
    load_band_w, pv_band_w : tuple of float or None
        In eight of ten cases the first step lies between; None where nothing says so.
    day_load_wh, day_pv_wh : float
        Energy over the whole forecast.
    """

    start: datetime
    model_id: str
    reason: str
    quality: str
    load_w: float
    pv_w: float
    load_band_w: tuple[float, float] | None
    pv_band_w: tuple[float, float] | None
    day_load_wh: float
    day_pv_wh: float


class Outlooks:
    """Watches the forecasts of a site for what must be told and kept.

    Parameters
    ----------
    half_hours : HalfHours
        The site's own past.
    """

    def __init__(self, half_hours: HalfHours) -> None:
        self.half_hours = half_hours
        self._saved = half_hours.latest
        self._last: SiteForecast | None = None
        self._fresh = False
        self._source = ("", "")
        self._happened: list[Happened] = []

    def look(self, forecast: SiteForecast) -> None:
        """Look at a new forecast."""
        self._last, self._fresh = forecast, True
        source = (forecast.model_id, forecast.reason if forecast.fault else "")
        if source != self._source:
            self._source = source
            payload = {
                "model": forecast.model_id,
                "reason": forecast.reason,
                "quality": forecast.quality.name,
            }
            self._happened = [Happened(kind=CHANGED_KIND, payload=payload)]

    def told(self) -> tuple[Happened, ...]:
        """Events since the last call."""
        happened, self._happened = tuple(self._happened), []
        return happened

    def trouble(self) -> tuple[str, str]:
        """Name of the alarm, and what is wrong with a model; empty when nothing is."""
        return ALARM, "" if self._last is None else self._last.fault

    def kept(self) -> dict[str, bytes]:
        """State of the journal that changed since the last call."""
        found = {}
        if self._fresh and self._last is not None:
            found[FORECAST_KEY], self._fresh = _packed(self._last), False
        if self.half_hours.latest != self._saved:
            found[STATE_KEY], self._saved = self.half_hours.packed(), self.half_hours.latest
        return found


def _packed(forecast: SiteForecast) -> bytes:
    """Pack what the technician is shown."""
    hours = forecast.step_s / 3600.0
    parts = [
        _VERSION,
        microseconds(forecast.start),
        forecast.model_id,
        forecast.reason,
        forecast.quality.name,
        float(forecast.load_w[0]),
        float(forecast.pv_w[0]),
        _first(forecast.load_band_w),
        _first(forecast.pv_band_w),
        float(forecast.load_w.sum()) * hours,
        float(forecast.pv_w.sum()) * hours,
    ]
    return cast("bytes", msgpack.packb(parts))


def _first(band_w: FloatArray | None) -> list[float] | None:
    return None if band_w is None else [float(one) for one in band_w[0]]


def outlooked(packed: bytes) -> Outlooked:
    """Read the forecast that the journal keeps.

    Raises
    ------
    JournalError
        If it is not what this program writes.
    """
    try:
        version, start, model_id, reason, quality, load, pv, *rest = msgpack.unpackb(packed)
        load_band, pv_band, day_load, day_pv = rest
    except (ValueError, TypeError) as error:
        raise JournalError(f"{FORECAST_KEY}: not what this program writes: {error}") from error
    if version != _VERSION:
        raise JournalError(f"{FORECAST_KEY}: version {version!r} is not known")
    return Outlooked(
        start=moment_of(start),
        model_id=model_id,
        reason=reason,
        quality=quality,
        load_w=load,
        pv_w=pv,
        load_band_w=None if load_band is None else (load_band[0], load_band[1]),
        pv_band_w=None if pv_band is None else (pv_band[0], pv_band[1]),
        day_load_wh=day_load,
        day_pv_wh=day_pv,
    )
