"""Rules over telemetry: values that no real device tells. Pure, over columns.

Three signs, each held for some seconds before it counts, so that one bad row raises nothing:
a power outside the nameplate; a state of charge whose change does not fit the power that was
told (energy is not conserved against the meter of the device); a power that does not change
by one bit while it should (frozen), though the rows go on. 100,000 resources in a few
milliseconds: only numpy, nothing per resource but what is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud_coordinator.alerts.alert import Severity, Sighting
from protocols.vocabulary.arrays import FloatArray, IntArray

NAMEPLATE_PART: Final = 0.10
NAMEPLATE_LEAST_W: Final = 100.0
"""A power may exceed its nameplate by the greater of both: inverters overshoot."""
HELD_S: Final = 5
"""A sign must hold for so many looks in a row."""
ENERGY_WINDOW_S: Final = 900
ENERGY_PART: Final = 0.05
"""Part of the capacity by which state of charge and energy told may part in a window."""
FROZEN_S: Final = 900
FROZEN_LEAST_W: Final = 50.0
"""A power of less than this may stand still: nothing is going on."""
TOLD_MAX: Final = 50
"""Places told by name in one look; the rest are counted in one sighting of the fleet."""

TELEMETRY_RULES: Final = ("outside-nameplate", "energy-not-conserved", "frozen-value")
TELEMETRY_QUIET_S: Final = dict.fromkeys(TELEMETRY_RULES, 120.0)
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Columns of one look, one row a resource.

    Attributes
    ----------
    power_w, soc : FloatArray
        Latest, generator frame and 0..1; NaN where unknown.
    power_w_min, power_w_max, energy_wh_capacity : FloatArray
        Nameplate.
    second : IntArray
        Unix second the row speaks of.
    is_live : ndarray of bool
        Whether its site's link is live: what is not heard is not judged.
    """

    power_w: FloatArray
    soc: FloatArray
    power_w_min: FloatArray
    power_w_max: FloatArray
    energy_wh_capacity: FloatArray
    second: IntArray
    is_live: _Mask


class TelemetryWatch:
    """Remembers what the three rules need of the past, as columns.

    Parameters
    ----------
    rows : int
        Resources.
    """

    def __init__(self, rows: int) -> None:
        self._outside = np.zeros(rows, dtype=np.int32)
        self._apart = np.zeros(rows, dtype=np.int32)
        self._same_s = np.zeros(rows)
        self._power_w = np.full(rows, np.nan)
        self._second = np.full(rows, -1, dtype=np.int64)
        self._energy_wh = np.zeros(rows)
        self._soc_first = np.full(rows, np.nan)
        self._window_s = np.zeros(rows)

    @property
    def rows(self) -> int:
        """Resources it was made for."""
        return len(self._outside)

    def look(self, readings: Readings) -> dict[str, _Mask]:
        """Judge one look.

        Returns
        -------
        dict of str to ndarray of bool
            Per rule which resources show its sign for long enough.
        """
        step_s = np.where(self._second < 0, 0, readings.second - self._second).astype(np.float64)
        fresh = readings.is_live & (readings.second > self._second)
        judged = fresh & np.isfinite(readings.power_w)
        signs = {
            "outside-nameplate": self._nameplate(readings, judged),
            "frozen-value": self._frozen(readings, judged, step_s),
            "energy-not-conserved": self._energy(readings, judged, step_s),
        }
        self._power_w = np.where(judged, readings.power_w, self._power_w)
        self._second = np.where(fresh, readings.second, self._second)
        return signs

    def _nameplate(self, readings: Readings, judged: _Mask) -> _Mask:
        low, high = readings.power_w_min, readings.power_w_max
        room = np.maximum(NAMEPLATE_PART * np.maximum(high, -low), NAMEPLATE_LEAST_W)
        power = readings.power_w
        out = judged & ((power > high + room) | (power < low - room))
        self._outside = np.where(judged, np.where(out, self._outside + 1, 0), self._outside)
        return np.asarray(judged & (self._outside >= HELD_S))

    def _frozen(self, readings: Readings, judged: _Mask, step_s: FloatArray) -> _Mask:
        same = judged & (readings.power_w == self._power_w)
        same &= np.abs(readings.power_w) >= FROZEN_LEAST_W
        self._same_s = np.where(judged, np.where(same, self._same_s + step_s, 0.0), self._same_s)
        return np.asarray(judged & (self._same_s >= FROZEN_S))

    def _energy(self, readings: Readings, judged: _Mask, step_s: FloatArray) -> _Mask:
        """Compare the change of charge of a window with the energy the powers made in it."""
        capacity = readings.energy_wh_capacity
        stores = judged & (capacity > 0.0) & np.isfinite(readings.soc)
        gap = stores & (step_s > HELD_S)
        start = stores & (np.isnan(self._soc_first) | gap)
        self._soc_first = np.where(start, readings.soc, self._soc_first)
        moved_wh = np.nan_to_num(readings.power_w) * step_s / 3600.0
        self._energy_wh = np.where(start, 0.0, self._energy_wh + np.where(stores, moved_wh, 0.0))
        self._window_s = np.where(start, 0.0, self._window_s + np.where(stores, step_s, 0.0))
        full = stores & (self._window_s >= ENERGY_WINDOW_S)
        gained = (readings.soc - self._soc_first) * capacity
        apart = np.abs(gained + self._energy_wh) > ENERGY_PART * capacity + 0.2 * np.abs(
            self._energy_wh
        )
        self._apart = np.where(full, np.where(apart, self._apart + 1, 0), self._apart)
        self._soc_first = np.where(full, readings.soc, self._soc_first)
        self._energy_wh = np.where(full, 0.0, self._energy_wh)
        self._window_s = np.where(full, 0.0, self._window_s)
        return np.asarray(stores & (self._apart >= 1))


def told(
    rule: str,
    mask: _Mask,
    readings: Readings,
    *,
    names: Sequence[str],
    now_s: float,
) -> list[Sighting]:
    """Name the places of a sign; many at once are also a sighting of the fleet."""
    rows = np.flatnonzero(mask)
    found = [
        Sighting(
            rule=rule,
            place=names[row],
            severity=Severity.MEDIUM,
            at_s=now_s,
            evidence=(
                f"{readings.power_w[row]:.0f} W, nameplate {readings.power_w_min[row]:.0f} .. "
                f"{readings.power_w_max[row]:.0f} W, charge {readings.soc[row]:.3f}"
            ),
        )
        for row in rows[:TOLD_MAX].tolist()
    ]
    if len(rows) > TOLD_MAX:
        found.append(
            Sighting(
                rule=rule,
                place="fleet",
                severity=Severity.HIGH,
                at_s=now_s,
                evidence=f"{len(rows)} resources at once",
                count=len(rows),
            )
        )
    return found
