"""Features of a site's PV: what it lately gave at that time of day, and the sun on its way.

Tilt, direction and shade of a roof are in its own best half hours; nobody need measure them.
"""

from datetime import timedelta
from typing import Final

import numpy as np

from models.clear_sky import clear_irradiance, cosine_of_zenith
from models.day_ahead.frame import DayFeatures
from models.site.past import (
    PAST_DAYS,
    PAST_SLOTS,
    SitePast,
    by_day,
    clock_columns,
    extreme_known,
    known_days,
    mean_known,
)
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY

SUN_W_PER_M2: Final = 1000.0
BRIGHT_W_PER_M2: Final = 200.0
DIM_W_PER_M2: Final = 20.0
BRIGHTEST: Final = 0.98
"""The part of bright half hours below which the site's best ratio lies."""
ASSUMED: Final = 0.75
"""Part of the rated peak that a roof gives under the brightest sun, before it was seen."""
LAGS: Final = (1, 2, 3, 7)
LAST: Final = 12
RATIO_MAX: Final = 1.5
_FADE: Final = 8.0


def pv_features(past: SitePast) -> DayFeatures:
    """Make the inputs of the PV model.

    Parameters
    ----------
    past : SitePast
        Half hours up to the moment of the forecast.

    Returns
    -------
    DayFeatures
        48 half hours from ``past.until`` on, W; ``unit`` is 0 where no sun can be.
    """
    rows = by_day(past.pv_w)
    before, ahead = _sky(past)
    best = best_ratio(rows, before, past.place.peak_w)
    level = SUN_W_PER_M2 * best
    unit = _most(rows, ahead, best)
    safe = np.maximum(unit, 0.02 * level)
    part = np.clip(rows / safe[None, :], 0.0, RATIO_MAX)
    light = (before > DIM_W_PER_M2) & (unit > 0.0)[None, :]
    sunny = _sunny(rows, np.broadcast_to(unit, rows.shape), light)
    now = _sunny(rows[-1:, -LAST:], unit[None, -LAST:], light[-1:, -LAST:])[0]
    lead = np.arange(SLOTS_A_DAY)
    day_s = past.until.timestamp() + 240.0 * past.place.longitude
    solar = (day_s + SLOT_S * (lead + 0.5)) / (SLOT_S * SLOTS_A_DAY)
    columns = [
        unit / level,
        ahead / SUN_W_PER_M2,
        *(part[-lag] for lag in LAGS),
        *(mean_known(part[-days:]) for days in (3, 7, PAST_DAYS)),
        extreme_known(part, largest=False),
        now * np.exp(-lead / _FADE),
        np.full(SLOTS_A_DAY, now),
        np.exp(-lead / _FADE),
        lead / SLOTS_A_DAY,
    ]
    tail = rows[-1, -LAST:] / level
    day = [*sunny[-7:], now, mean_known(sunny[-7:]), known_days(past.pv_w) / PAST_DAYS, *tail]
    return DayFeatures(
        slots=np.concatenate([np.stack(columns, axis=1), clock_columns(solar)], axis=1),
        day=np.array([*day, ahead.mean() / SUN_W_PER_M2]),
        offset=np.zeros(SLOTS_A_DAY),
        unit=unit,
        level=level,
    )


def best_ratio(rows: FloatArray, clear: FloatArray, peak_w: float) -> float:
    """Output in W per W/m2 of clear sky at its best; the rated peak's where it was not seen."""
    bright = np.isfinite(rows) & (clear > BRIGHT_W_PER_M2)
    assumed = max(peak_w, 1.0) * ASSUMED / SUN_W_PER_M2
    if not bright.any():
        return assumed
    seen = float(np.quantile(rows[bright] / clear[bright], BRIGHTEST))
    certain = min(float(bright.sum()) / SLOTS_A_DAY, 1.0)
    return max(seen, (1.0 - certain) * assumed, 0.05 * assumed)


def _sky(past: SitePast) -> tuple[FloatArray, FloatArray]:
    """Clear sky of the past, shape (14, 48), and of what comes, shape (48,), W/m2."""
    cosine = cosine_of_zenith(
        past.until - timedelta(seconds=SLOT_S * PAST_SLOTS),
        SLOT_S,
        PAST_SLOTS + SLOTS_A_DAY,
        latitude=past.place.latitude,
        longitude=past.place.longitude,
    )
    clear = clear_irradiance(cosine)
    return by_day(clear[:PAST_SLOTS]), clear[PAST_SLOTS:]


def _most(rows: FloatArray, ahead: FloatArray, best: float) -> FloatArray:
    """Most that a slot may give: the best of two weeks, its neighbours, and the clear sky."""
    seen = np.where(np.isfinite(rows), rows, 0.0).max(axis=0)
    wide = np.maximum(seen, np.maximum(np.roll(seen, 1), np.roll(seen, -1)))
    light = (ahead > 0.0) | (seen > 0.01 * SUN_W_PER_M2 * best)
    return np.where(light, np.maximum(0.5 * (seen + wide), 0.5 * ahead * best), 0.0)


def _sunny(
    rows: FloatArray, most: FloatArray, light: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> FloatArray:
    """Output of each row over the most it may give, by daylight; NaN where none is known."""
    usable = light & np.isfinite(rows)
    given = np.where(usable, rows, 0.0).sum(axis=1)
    possible = np.where(usable, most, 0.0).sum(axis=1)
    return np.where(possible > 0.0, given / np.where(possible > 0.0, possible, 1.0), np.nan)
