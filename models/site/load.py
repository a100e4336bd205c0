"""Features of a site's load: its own days over its own level, so that any site looks alike.

The one builder for training and for the gateway. It sees half hours that are over, and the
calendar of those to come.
"""

from typing import Final

import numpy as np

from models.day_ahead.frame import DayFeatures
from models.site.past import (
    PAST_DAYS,
    SitePast,
    by_day,
    clock_columns,
    extreme_known,
    is_weekend,
    known_days,
    mean_known,
    smooth,
)
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY

LEAST_LEVEL_W: Final = 20.0
"""A site that takes less than this is forecast as if it took this."""
LAGS: Final = (1, 2, 3, 7, 14)
LAST: Final = 12
"""Last half hours that are told one by one."""
_FADES: Final = (3.0, 12.0)
"""Half hours in which what is unusual now is taken to fade."""


def load_features(past: SitePast) -> DayFeatures:
    """Make the inputs of the load model.

    Parameters
    ----------
    past : SitePast
        Half hours up to the moment of the forecast.

    Returns
    -------
    DayFeatures
        48 half hours from ``past.until`` on, W, consumption positive.
    """
    rows = by_day(past.consumption_w)
    then, ahead = past.local_days()
    level = site_level(past.consumption_w)
    week = mean_known(rows[-7:])
    alike = _same_kind(rows, is_weekend(then) == is_weekend(ahead)[None, :])
    offset = _filled(_filled(smooth(alike), smooth(week)), np.full(SLOTS_A_DAY, level))
    unusual = (rows[-1] - _filled(week, offset)) / level
    lead = np.arange(SLOTS_A_DAY)
    columns = [
        *(rows[-lag] / level for lag in LAGS),
        smooth(rows[-1]) / level,
        week / level,
        mean_known(rows) / level,
        alike / level,
        offset / level,
        extreme_known(rows, largest=True) / level,
        extreme_known(rows, largest=False) / level,
        mean_known(np.abs(rows - week[None, :])) / level,
        unusual[-1] * np.exp(-lead / _FADES[0]),
        mean_known(unusual[-LAST:]) * np.exp(-lead / _FADES[1]),
        lead / SLOTS_A_DAY,
        is_weekend(ahead).astype(np.float64),
    ]
    return DayFeatures(
        slots=np.concatenate([np.stack(columns, axis=1), clock_columns(ahead)], axis=1),
        day=np.concatenate([_shape(rows, level), unusual[-LAST:], _week(then)]),
        offset=offset,
        unit=np.full(SLOTS_A_DAY, level),
        level=level,
    )


def site_level(consumption_w: FloatArray) -> float:
    """Mean of what is known of the last week, else of two, W; at least LEAST_LEVEL_W."""
    for part in (consumption_w[-7 * SLOTS_A_DAY :], consumption_w):
        known = part[np.isfinite(part)]
        if len(known):
            return max(float(known.mean()), LEAST_LEVEL_W)
    return LEAST_LEVEL_W


def _filled(values: FloatArray, other: FloatArray) -> FloatArray:
    """Values, where not known those of another."""
    return np.where(np.isfinite(values), values, other)


def _same_kind(
    rows: FloatArray, alike: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> FloatArray:
    """Mean over past days of the same kind: workday or weekend."""
    return mean_known(np.where(alike, rows, np.nan))


def _shape(rows: FloatArray, level: float) -> FloatArray:
    """How even the site is, what it took on each of the last days, and how much is known."""
    known = rows[np.isfinite(rows)] / level
    if not len(known):
        known = np.ones(1)
    parts = np.quantile(known, (0.05, 0.5, 0.95))
    days = mean_known(rows[-7:], axis=1) / level
    return np.concatenate([parts, [known.std(), known_days(rows) / PAST_DAYS], days])


def _week(then: FloatArray) -> FloatArray:
    """Day of the week as two waves."""
    angle = 2.0 * np.pi * then[-1, -1] / 7.0
    return np.array([np.sin(angle), np.cos(angle)])
