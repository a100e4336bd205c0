"""The law of primary reserve: frequency to change of power, and what is owed by it.

Pure, and the only place where a frequency becomes a power: the edge's loop follows it, and
normal-time and abnormal-time assessment judge by it (japan-market R11, R12, R13). Powers in W,
generator frame: a frequency below the nominal asks for more power, one above it for less.
"""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from protocols.vocabulary.commitment import Droop

NOMINALS_HZ: Final = (50.0, 60.0)
DROOP_MAX: Final = 0.05
"""Greatest speed droop per unit that primary reserve may have."""
IMPLAUSIBLE_HZ: Final = 4.0
"""A measurement farther from the nominal is no grid frequency of that grid (50 and 60 Hz are
10 Hz apart; plants leave the grid within 3 Hz)."""
RESPONSE_S: Final = 10.0
DURATION_S: Final = 300.0
THRESHOLD_HZ: Final = 0.2
TOLERANCE_RATIO: Final = 0.1
POINTS_LEAST: Final = 2


class DeadBand(enum.Enum):
    """Shape of the law at the edge of its dead band; the rules do not say which.

    STEP answers with the whole deviation once it leaves the band, OFFSET with the part beyond
    the band only.
    """

    STEP = "step"
    OFFSET = "offset"


def unusable(droop: Droop) -> str:
    """Say why the parameters make no law; empty if they do."""
    if droop.nominal_hz not in NOMINALS_HZ:
        return f"nominal frequency {droop.nominal_hz:g} Hz is neither 50 nor 60"
    if not 0.0 < droop.droop <= DROOP_MAX:
        return f"droop {droop.droop:g} is not above 0 and at most {DROOP_MAX:g}"
    if not 0.0 <= droop.dead_band_hz < THRESHOLD_HZ:
        return f"dead band {droop.dead_band_hz:g} Hz is not in 0..{THRESHOLD_HZ:g}"
    if not 0.0 <= droop.delay_s < RESPONSE_S:
        return f"delay {droop.delay_s:g} s is not in 0..{RESPONSE_S:g}"
    return ""


def is_plausible(droop: Droop, frequency_hz: float) -> bool:
    """Whether a number can be the frequency of the law's grid."""
    return abs(frequency_hz - droop.nominal_hz) <= IMPLAUSIBLE_HZ


def droop_response_w(
    droop: Droop, rated_w: float, frequency_hz: float, *, shape: DeadBand = DeadBand.STEP
) -> float:
    """Change of power that a frequency asks for, before any limit.

    Parameters
    ----------
    droop : Droop
        Parameters for which :func:`unusable` finds nothing.
    rated_w : float
        Power the droop is counted from, W, >= 0.
    frequency_hz : float
        Hz, finite.
    shape : DeadBand
        At the edge of the dead band.

    Returns
    -------
    float
        W, + below the nominal frequency; 0.0 inside the dead band. It never rises with the
        frequency, and deviations of equal size have responses of equal size.

    Notes
    -----
    japan-market R11: (f0 - f) / f0 / droop * rated power.
    """
    deviation_hz = droop.nominal_hz - frequency_hz
    if abs(deviation_hz) <= droop.dead_band_hz:
        return 0.0
    if shape is DeadBand.OFFSET:
        deviation_hz -= math.copysign(droop.dead_band_hz, deviation_hz)
    return deviation_hz / droop.nominal_hz / droop.droop * rated_w


def clipped(power_w: float, low_w: float, high_w: float) -> float:
    """Bound a power; ``low_w <= high_w``, W."""
    return min(max(power_w, low_w), high_w)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Frequency and supplied power of one period, sample by sample.

    Attributes
    ----------
    times_s : sequence of float
        Rising.
    frequency_hz : sequence of float
        Same length.
    power_w : sequence of float
        Supplied power, W (measured minus plan, or baseline minus load); NaN where it is missing.
    """

    times_s: Sequence[float]
    frequency_hz: Sequence[float]
    power_w: Sequence[float]

    def __post_init__(self) -> None:
        """Check the lengths."""
        same = len(self.times_s) == len(self.frequency_hz) == len(self.power_w)
        assert same, "columns of a trace differ in length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owing:
    """Who owes by which law.

    Attributes
    ----------
    droop : Droop
        Parameters of the law.
    rated_w : float
        Power the droop is counted from, W.
    award_w : float
        Awarded capacity; the law is clipped to it, W.
    threshold_hz : float
        Deviation from which a fall is abnormal (0.2; 0.3 in Hokkaido).
    """

    droop: Droop
    rated_w: float
    award_w: float
    threshold_hz: float = THRESHOLD_HZ

    def theory_w(self, frequency_hz: float) -> float:
        """Power the law asks for within the award, W."""
        asked_w = droop_response_w(self.droop, self.rated_w, frequency_hz)
        return clipped(asked_w, -self.award_w, self.award_w)

    def is_low(self, frequency_hz: float) -> bool:
        """Whether the frequency has fallen by more than the threshold."""
        return frequency_hz < self.droop.nominal_hz - self.threshold_hz


@dataclass(frozen=True, slots=True, kw_only=True)
class AbnormalVerdict:
    """Outcome of the abnormal-time assessment.

    Attributes
    ----------
    checked_from_s : float or None
        First time that counted; None if none did.
    points : int
        Samples that counted.
    failed : tuple of float
        Times at which too little was supplied, or nothing is known.
    least_margin_w : float or None
        Smallest distance above the lower bound, W; negative when failed.
    """

    checked_from_s: float | None
    points: int
    failed: tuple[float, ...]
    least_margin_w: float | None

    @property
    def passed(self) -> bool:
        """Whether every point that counted was kept; a single miss fails."""
        return not self.failed


def assess_abnormal(owing: Owing, trace: Trace, *, began_s: float) -> AbnormalVerdict:
    """Judge a fall of the frequency.

    Parameters
    ----------
    owing : Owing
        The law and the award.
    trace : Trace
        Samples.
    began_s : float
        When the trip was detected, or the frequency first fell below the nominal.

    Returns
    -------
    AbnormalVerdict
        Points count from ten seconds after the beginning, but not before the frequency is
        first below the threshold, as long as it stays there, for five minutes at most. At each
        the power must be at least theory minus a tenth of the award; there is no upper bound.

    Notes
    -----
    japan-market R12.
    """
    fell_s = next(
        (
            time_s
            for time_s, frequency_hz in zip(trace.times_s, trace.frequency_hz, strict=True)
            if time_s >= began_s and owing.is_low(frequency_hz)
        ),
        None,
    )
    if fell_s is None:
        return AbnormalVerdict(checked_from_s=None, points=0, failed=(), least_margin_w=None)
    start_s = max(began_s + RESPONSE_S, fell_s)
    margins: list[tuple[float, float]] = []
    for time_s, frequency_hz, power_w in zip(
        trace.times_s, trace.frequency_hz, trace.power_w, strict=True
    ):
        if time_s < start_s:
            continue
        if not owing.is_low(frequency_hz) or time_s - start_s > DURATION_S:
            break
        bound_w = owing.theory_w(frequency_hz) - TOLERANCE_RATIO * owing.award_w
        margins.append((time_s, power_w - bound_w))
    known = [margin_w for _, margin_w in margins if not math.isnan(margin_w)]
    return AbnormalVerdict(
        checked_from_s=margins[0][0] if margins else None,
        points=len(margins),
        failed=tuple(time_s for time_s, margin_w in margins if not margin_w >= -_ROUNDING_W),
        least_margin_w=min(known, default=None),
    )


_ROUNDING_W: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalVerdict:
    """Outcome of the normal-time assessment.

    Attributes
    ----------
    slope_w_per_hz : float or None
        Of all points; None without two different frequencies.
    upward_slope_w_per_hz : float or None
        Of the points that did not ask for less power; only where the first did not pass.
    points : int
        Pairs used for the first.
    """

    slope_w_per_hz: float | None
    upward_slope_w_per_hz: float | None
    points: int

    @property
    def passed(self) -> bool:
        """Whether power rises as the frequency falls."""
        return any(
            slope is not None and slope < 0.0
            for slope in (self.slope_w_per_hz, self.upward_slope_w_per_hz)
        )


def assess_normal(deviations_hz: Sequence[float], powers_w: Sequence[float]) -> NormalVerdict:
    """Judge whether the power followed the frequency in an ordinary period.

    Parameters
    ----------
    deviations_hz : sequence of float
        Frequency minus nominal, the permitted delay already taken out.
    powers_w : sequence of float
        Supplied power of the same moments, W; pairs with a NaN are left out.

    Returns
    -------
    NormalVerdict
        Least-squares slopes. Where all points together do not slope as the law does, those with
        a frequency above the nominal (which asked for less power) are left out and it is
        fitted again.

    Notes
    -----
    japan-market R13.
    """
    pairs = [
        (x, y)
        for x, y in zip(deviations_hz, powers_w, strict=True)
        if not (math.isnan(x) or math.isnan(y))
    ]
    slope = _slope(pairs)
    again = None
    if slope is None or slope >= 0.0:
        again = _slope([(x, y) for x, y in pairs if x <= 0.0])
    return NormalVerdict(slope_w_per_hz=slope, upward_slope_w_per_hz=again, points=len(pairs))


def _slope(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Slope of the least-squares line; None where it is not determined."""
    if len(pairs) < POINTS_LEAST:
        return None
    mean_x = math.fsum(x for x, _ in pairs) / len(pairs)
    mean_y = math.fsum(y for _, y in pairs) / len(pairs)
    spread = math.fsum((x - mean_x) ** 2 for x, _ in pairs)
    if spread == 0.0:
        return None
    return math.fsum((x - mean_x) * (y - mean_y) for x, y in pairs) / spread
