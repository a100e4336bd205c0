"""What is known of resources after an event: moved toward what it showed, within bounds. Pure.

Telemetry is written by those it speaks of, so no single event moves a characteristic far, and
what flatters moves more slowly than what does not. The bounds are the promise: a row's
delivery (gain times reliability) rises by at most ``DELIVERY_UP`` per event, whatever it says.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cloud_coordinator.fleet.characteristics import Characteristics
from protocols.vocabulary.arrays import FloatArray, IntArray

FORGETTING: Final = 0.97
"""The weight of what was seen fades by this with each further event."""
EVENT_WEIGHT: Final = 2.0
"""An event's minutes fail together, so all of them weigh as two independent trials."""
RELIABILITY_UP: Final = 0.02
RELIABILITY_DOWN: Final = 0.10
GAIN_UP: Final = 0.02
GAIN_DOWN: Final = 0.05
GAIN_MIN: Final = 0.05
DELAY_UP_S: Final = 2.0
DELAY_DOWN_S: Final = 0.5
EFFICIENCY_UP: Final = 0.01
EFFICIENCY_DOWN: Final = 0.02
WEAR_PART: Final = 0.10
"""Greatest change of the wear, as a part of what it was."""
RATE_MIN: Final = 0.15
"""Part of the way toward what the latest event showed, after many."""
DELIVERY_UP: Final = GAIN_UP + RELIABILITY_UP
"""Greatest rise of gain times reliability per event, both being at most 1."""
_BETA_MIN: Final = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one event showed of n rows, shape (n,); NaN where it showed nothing.

    Attributes
    ----------
    delay_s, gain : FloatArray
        Of the fit.
    kept, missed : FloatArray
        Parts of the judged minutes, 0 ... 1; both 0 where none was judged.
    efficiency, degradation_jpy_per_kwh : FloatArray
        Of batteries.
    discarded_s : IntArray
        Seconds that were not believed.
    """

    delay_s: FloatArray
    gain: FloatArray
    kept: FloatArray
    missed: FloatArray
    efficiency: FloatArray
    degradation_jpy_per_kwh: FloatArray
    discarded_s: IntArray


def moved(
    before: FloatArray,
    shown: FloatArray,
    *,
    down: FloatArray | float,
    up: FloatArray | float,
    events: IntArray,
) -> FloatArray:
    """Go part of the way to what was shown, no further than the bounds.

    Parameters
    ----------
    before, shown : FloatArray
        Shape (n,); NaN in ``shown`` moves nothing.
    down, up : FloatArray or float
        Greatest change, >= 0.
    events : IntArray
        Events before: the first ones count for more.
    """
    rate = np.maximum(1.0 / (events + 2.0), RATE_MIN)
    step = np.where(np.isfinite(shown), rate * (shown - before), 0.0)
    return np.asarray(before + np.clip(step, -np.asarray(down), np.asarray(up)), dtype=np.float64)


def pace(before: Characteristics, *, delay_s: FloatArray, gain: FloatArray) -> Characteristics:
    """Move delay and gain by what an event's fit shows; the rest stays as it was."""
    shown_gain = np.where(np.isfinite(gain), np.clip(gain, GAIN_MIN, 1.0), np.nan)
    return replace(
        before,
        delay_s=np.maximum(
            moved(before.delay_s, delay_s, down=DELAY_DOWN_S, up=DELAY_UP_S, events=before.events),
            0.0,
        ),
        gain=moved(before.gain, shown_gain, down=GAIN_DOWN, up=GAIN_UP, events=before.events),
    )


def learn(before: Characteristics, evidence: Evidence) -> Characteristics:
    """Take one event's evidence.

    Parameters
    ----------
    before : Characteristics
        What was known.
    evidence : Evidence
        Same rows.

    Returns
    -------
    Characteristics
        Every change within its bound.
    """
    paced = pace(before, delay_s=evidence.delay_s, gain=evidence.gain)
    kept, missed = _beta(before, evidence)
    wear = before.degradation_jpy_per_kwh
    seen = (
        np.isfinite(evidence.delay_s)
        | np.isfinite(evidence.efficiency)
        | (evidence.kept + evidence.missed > 0.0)
    )
    return replace(
        paced,
        kept=kept,
        missed=missed,
        efficiency=moved(
            before.efficiency,
            evidence.efficiency,
            down=EFFICIENCY_DOWN,
            up=EFFICIENCY_UP,
            events=before.events,
        ),
        degradation_jpy_per_kwh=moved(
            wear,
            evidence.degradation_jpy_per_kwh,
            down=WEAR_PART * wear,
            up=WEAR_PART * wear,
            events=before.events,
        ),
        events=before.events + seen,
        discarded_s=before.discarded_s + evidence.discarded_s,
    )


def _beta(before: Characteristics, evidence: Evidence) -> tuple[FloatArray, FloatArray]:
    """Weigh kept and missed, with the mean held inside its bounds."""
    told = evidence.kept + evidence.missed > 0.0
    fade = np.where(told, FORGETTING, 1.0)
    kept = fade * before.kept + EVENT_WEIGHT * evidence.kept
    missed = fade * before.missed + EVENT_WEIGHT * evidence.missed
    weight, old = kept + missed, before.reliability
    mean = np.clip(kept / weight, old - RELIABILITY_DOWN, old + RELIABILITY_UP)
    mean = np.clip(mean, _BETA_MIN, 1.0 - _BETA_MIN)
    mean = np.where(told, mean, old)
    return mean * weight, (1.0 - mean) * weight
