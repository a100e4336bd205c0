"""How clear the sky over the areas was, as their PV says: clouds come from the west."""

from typing import Final

import numpy as np

from models.day_ahead.history import History, Series
from models.day_ahead.places import PV_AREAS, PV_PLACE
from models.day_ahead.sky import clear_sky
from models.day_ahead.weather import GATE_SLOT, known_mean
from protocols.vocabulary.arrays import FloatArray

BRIGHT_W_PER_M2: Final = 150.0
BRIGHTEST: Final = 0.95
MONTH: Final = slice(-32, -2)
"""Rows of the last 30 full days."""
_LAST_HOURS: Final = slice(16, GATE_SLOT)


def brightest_ratio(output: FloatArray, clear: FloatArray) -> float:
    """PV per W/m2 of clear sky that the brightest slots of the last month gave, 1 if unknown.

    Parameters
    ----------
    output : FloatArray
        Shape (days, 48), MW.
    clear : FloatArray
        Shape (days, 48), W/m2.

    Returns
    -------
    float
        MW per W/m2, > 0.
    """
    for part in (MONTH, slice(None)):
        usable = np.isfinite(output[part]) & (clear[part] > BRIGHT_W_PER_M2)
        if usable.any():
            ratio = output[part][usable] / clear[part][usable]
            found = float(np.quantile(ratio, BRIGHTEST))
            if found > 0.0:
                return found
    return 1.0


def area_clearness(known: History) -> FloatArray:
    """For each PV area: last two hours, morning, the two days before and the week, (5 x 7,)."""
    found = []
    for area in PV_AREAS:
        output = known.column(Series.PV, area)
        clear = clear_sky(PV_PLACE[area], known.first_day, known.days)
        best = brightest_ratio(output, clear)
        bright = np.where(clear > BRIGHT_W_PER_M2, output / (np.maximum(clear, 1.0) * best), np.nan)
        found += [
            known_mean(bright[-2, _LAST_HOURS]),
            known_mean(bright[-2, :GATE_SLOT]),
            known_mean(bright[-3]),
            known_mean(bright[-4]),
            known_mean(bright[-9:-2]),
        ]
    return np.array(found)
