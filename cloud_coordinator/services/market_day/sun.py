"""What the portfolio's PV is expected to give, as known at a moment. Pure over its ports.

PV is a part of the area's: nameplate against the area's greatest output of a year. On the day
itself the forecast follows what the sun really did so far, the less the later a slot is.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np

from cloud_coordinator.services.forecasting import QuantileForecast
from cloud_coordinator.services.market_day.asking import Market
from cloud_coordinator.services.market_history import KnownHistory, MarketSeries
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY, market_day

SLOT_H: Final = 0.5
PV_YEAR: Final = 365 * SLOTS_A_DAY
SEEN_SLOTS: Final = 4
"""The last metered slots that say how the day turned out."""
BRIGHT_SHARE: Final = 0.05
"""Slots below this part of the day's greatest forecast say nothing of the weather."""
FORGET_SLOTS: Final = 6.0
"""What was seen counts 1/e after so many slots."""
RATIO_MAX: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sun:
    """PV of the portfolio on a day.

    Attributes
    ----------
    energy_kwh : FloatArray
        Shape (48,), expected.
    forecast : QuantileForecast or None
        Of the area, MW; None where the portfolio has no PV or nothing is known.
    alerts : tuple of str
        What was assumed.
    """

    energy_kwh: FloatArray
    forecast: QuantileForecast | None
    alerts: tuple[str, ...]


def pv_part(market: Market, at: datetime) -> float | None:
    """Part of the area's PV (kW per MW) that is ours; None where nothing is known of the area."""
    known = KnownHistory(market.history, at).column(MarketSeries.PV, market.area.name)
    past = known.values[-PV_YEAR:]
    if not np.isfinite(past).any() or float(np.nanmax(past)) <= 0.0:
        return None
    return market.portfolio.pv_kw / float(np.nanmax(past))


def expected_sun(market: Market, day: date, at: datetime) -> Sun:
    """Say what is expected of a day.

    Parameters
    ----------
    market : Market
        Forecasts, history, portfolio.
    day : date
        Of delivery.
    at : datetime
        What was published later is not used, aware UTC.
    """
    area = market.area.name
    nothing = np.zeros(SLOTS_A_DAY)
    if not market.portfolio.pv_kw:
        return Sun(energy_kwh=nothing, forecast=None, alerts=())
    part = pv_part(market, at)
    if part is None:
        alert = f"PV of {area}: nothing known; none is sold"
        return Sun(energy_kwh=nothing, forecast=None, alerts=(alert,))
    forecast = market.forecasts.pv(area, day, at)
    median = np.maximum(forecast.median, 0.0)
    alerts: tuple[str, ...] = ()
    if forecast.reason is not None:
        alerts = (f"forecast of pv: {forecast.source}: {forecast.reason}",)
    if day == market_day(at):
        seen = KnownHistory(market.history, at).column(MarketSeries.PV, area).of_day(day)
        median = followed(median, seen)
    return Sun(energy_kwh=median * part * SLOT_H, forecast=forecast, alerts=alerts)


def followed(forecast: FloatArray, seen: FloatArray) -> FloatArray:
    """Move the rest of a day toward what its last slots did.

    Parameters
    ----------
    forecast : FloatArray
        Shape (48,), of the day.
    seen : FloatArray
        Shape (48,), NaN where not metered yet.

    Returns
    -------
    FloatArray
        Shape (48,): what was seen, then the forecast times a factor that fades to 1.
    """
    bright = np.isfinite(seen) & (forecast > BRIGHT_SHARE * forecast.max(initial=0.0))
    where = np.flatnonzero(bright)[-SEEN_SLOTS:]
    found = np.where(np.isfinite(seen), seen, forecast)
    if not len(where):
        return np.asarray(found, dtype=np.float64)
    ratio = min(float(seen[where].sum() / forecast[where].sum()), RATIO_MAX)
    later = np.arange(SLOTS_A_DAY) - int(where[-1])
    factor = 1.0 + (ratio - 1.0) * np.exp(-np.maximum(later, 0) / FORGET_SLOTS)
    return np.asarray(np.where(np.isfinite(seen), seen, forecast * factor), dtype=np.float64)
