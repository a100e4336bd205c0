"""Assessment II of primary reserve: slope in ordinary time, a lower bound after a fall. Pure.

The law itself is :mod:`protocols.vocabulary.droop`, which the site's own loop follows too; this
module cuts a record into slots and falls.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud_coordinator.market.areas import Area
from cloud_coordinator.market.product import LineKind, ProductRule
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S
from protocols.vocabulary.commitment import Droop
from protocols.vocabulary.droop import (
    DROOP_MAX,
    NormalVerdict,
    Owing,
    Trace,
    assess_abnormal,
    assess_normal,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrequencyRecord:
    """A second-by-second record.

    Attributes
    ----------
    first_s : int
        Unix time of the first second.
    frequency_hz : FloatArray
        Shape (n,); NaN where unknown.
    power_w : FloatArray
        Shape (n,), supplied power, W; NaN where missing.
    uplink_s : int
        Delay of the telemetry on its way up, s.
    """

    first_s: int
    frequency_hz: FloatArray
    power_w: FloatArray
    uplink_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimarySlot:
    """Verdict of one slot.

    Attributes
    ----------
    start_s : int
        Unix time.
    normal : NormalVerdict or None
        None where the frequency never left the dead band, so that nothing was asked.
    abnormal_points : int
        Seconds judged after a fall.
    abnormal_failed : tuple of float
        Those at which too little was supplied, or nothing is known.
    """

    start_s: int
    normal: NormalVerdict | None
    abnormal_points: int = 0
    abnormal_failed: tuple[float, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether both assessments are passed; a single miss after a fall fails the slot."""
        return (self.normal is None or self.normal.passed) and not self.abnormal_failed


def judge_primary(
    record: FrequencyRecord, owing: Owing, rule: ProductRule
) -> tuple[PrimarySlot, ...]:
    """Judge a record slot by slot.

    Parameters
    ----------
    record : FrequencyRecord
        Frequency and supplied power.
    owing : Owing
        Law, award and threshold.
    rule : ProductRule
        Of primary reserve; the offline product is judged in ordinary time only.

    Notes
    -----
    EPRX trading rules Art.40 (japan-market R12, R13). Ordinary time is every second outside
    falls; the permitted delay and the uplink's are taken out of the power's time.
    """
    n = len(record.frequency_hz)
    times = np.arange(record.first_s, record.first_s + n, dtype=np.int64)
    low = _low(record, owing)
    online = LineKind.OFFLINE not in rule.lines
    points, failed = _falls(record, owing, times=times, low=low) if online else ([], [])
    shift = round(owing.droop.delay_s) + record.uplink_s
    answered = np.full(n, np.nan)
    answered[: max(n - shift, 0)] = record.power_w[min(shift, n) :]
    found = []
    for number in np.unique(times // SLOT_S):
        chosen = times // SLOT_S == number
        start_s = int(number) * SLOT_S
        end_s = start_s + SLOT_S
        ordinary = chosen & ~low & np.isfinite(record.frequency_hz)
        deviation_hz = record.frequency_hz[ordinary] - owing.droop.nominal_hz
        asked = bool((np.abs(deviation_hz) > owing.droop.dead_band_hz).any())
        found.append(
            PrimarySlot(
                start_s=start_s,
                normal=assess_normal(deviation_hz.tolist(), answered[ordinary].tolist())
                if asked
                else None,
                abnormal_points=sum(start_s <= time_s < end_s for time_s in points),
                abnormal_failed=tuple(t for t in failed if start_s <= t < end_s),
            )
        )
    return tuple(found)


def owing_of(area: Area, award_w: float) -> Owing:
    """Return the law of primary in an area: all of the award is due at the abnormal deviation."""
    rated_w = award_w * DROOP_MAX * area.nominal_hz / area.abnormal_hz
    droop = Droop(
        nominal_hz=area.nominal_hz, droop=DROOP_MAX, dead_band_hz=area.dead_band_hz, delay_s=2.0
    )
    return Owing(droop=droop, rated_w=rated_w, award_w=award_w, threshold_hz=area.abnormal_hz)


def _low(record: FrequencyRecord, owing: Owing) -> npt.NDArray[np.bool_]:
    threshold_hz = owing.droop.nominal_hz - owing.threshold_hz
    return np.asarray(record.frequency_hz < threshold_hz, dtype=np.bool_)


def _falls(
    record: FrequencyRecord,
    owing: Owing,
    *,
    times: npt.NDArray[np.int64],
    low: npt.NDArray[np.bool_],
) -> tuple[list[float], list[float]]:
    """Find the times that are judged after falls, and those that failed."""
    below = np.asarray(record.frequency_hz < owing.droop.nominal_hz, dtype=np.bool_)
    points: list[float] = []
    failed: list[float] = []
    for first, last in _runs(low):
        above = np.flatnonzero(~below[:first])
        began = int(above[-1]) + 1 if len(above) else 0
        verdict = assess_abnormal(
            owing,
            Trace(
                times_s=times[first:last].astype(np.float64).tolist(),
                frequency_hz=record.frequency_hz[first:last].tolist(),
                power_w=record.power_w[first:last].tolist(),
            ),
            began_s=float(times[began]),
        )
        if verdict.checked_from_s is not None:
            points.extend(verdict.checked_from_s + k for k in range(verdict.points))
            failed.extend(verdict.failed)
    return points, failed


def _runs(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open index ranges in which a mask holds."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(int(b), int(e)) for b, e in zip(begins, ends, strict=True)]
