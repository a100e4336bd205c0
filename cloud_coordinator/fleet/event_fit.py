"""What one event shows of delay and gain, and which promises it proves kept. Pure.

Rows are resources or sites, columns are seconds. The delay is the shift at which call and
delivery agree best (correlation, with the top of the parabola between seconds); the gain is a
robust slope with the delay taken out; a block of a minute is kept if most of its seconds lie
in the tolerance around what was to be expected. Called by
:mod:`cloud_coordinator.services.evidence`; the bounded update is
:mod:`cloud_coordinator.fleet.learning`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from protocols.vocabulary.arrays import FloatArray, IntArray

DELAY_S_MAX: Final = 30
"""Longest delay that is looked for."""
NAMEPLATE: Final = 1.05
"""A meter may read this much beyond the nameplate."""
FROZEN_S: Final = 30
"""A value that stands still for so long while the call moves is no measurement."""
CORRELATION_MIN: Final = 0.6
"""Less agreement than this between call and delivery tells no delay."""
TELLING_PART: Final = 0.2
"""Calls below this part of the event's greatest say nothing about the gain."""
TELLING_S: Final = 30
"""Seconds that are needed to say anything."""
STANDING_PART: Final = 0.1
"""A block whose calls all stay below this part of the greatest proves nothing."""
TOLERANCE_PART: Final = 0.1
"""Of the greatest call: half width of the tolerance, unless the promise allows more."""
ANSWER_PART: Final = 0.4
"""A minute in which less of the call came was no answer; it counts for the reliability."""
BLOCK_S: Final = 60
BLOCK_KEPT_PART: Final = 0.8
"""Part of a block's seconds that must lie in the tolerance."""
_HUBER: Final = 1.345
_ROUNDS: Final = 4
_NOTHING: Final = 1e-9
"""Variance, in parts of the greatest value squared, below which nothing moved."""
_TO_SIGMA: Final = 1.4826

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSeconds:
    """The seconds of one event.

    Attributes
    ----------
    called_w : FloatArray
        Shape (n, t), W that were called for; NaN where nothing was.
    delivered_w : FloatArray
        Shape (n, t), W that came, on the same zero; NaN where no row came.
    good : Mask
        Shape (n, t), whether the quality was GOOD.
    power_w_min, power_w_max : FloatArray
        Shape (n,), nameplate on the same zero, W.
    tolerance_w : FloatArray
        Shape (n,), half width of the band that the promise allows, W.
    """

    called_w: FloatArray
    delivered_w: FloatArray
    good: Mask
    power_w_min: FloatArray
    power_w_max: FloatArray
    tolerance_w: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """Seconds with what is not believed taken out.

    Attributes
    ----------
    seconds : EventSeconds
        As they came.
    usable : Mask
        Shape (n, t), which are believed.
    discarded_s : IntArray
        Shape (n,), seconds that came and are not believed.
    """

    seconds: EventSeconds
    usable: Mask
    discarded_s: IntArray

    @property
    def reach_w(self) -> FloatArray:
        """Greatest call of the event, shape (n,), W."""
        called = np.nan_to_num(np.abs(self.seconds.called_w))
        return np.asarray(called.max(axis=1, initial=0.0), dtype=np.float64)

    @property
    def tolerance_w(self) -> FloatArray:
        """Half width of the tolerance, shape (n,), W."""
        return np.maximum(self.seconds.tolerance_w, TOLERANCE_PART * self.reach_w)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFit:
    """What the event shows, shape (n,); NaN where it shows nothing."""

    delay_s: FloatArray
    gain: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Minutes of the event, shape (n, b).

    Attributes
    ----------
    judged : Mask
        Whether enough was called in it to prove anything.
    kept : Mask
        Whether it was delivered; False where nothing proves it.
    """

    judged: Mask
    kept: Mask


def screen(seconds: EventSeconds, disputed: Mask | None = None) -> Screened:
    """Take out what is not GOOD, beyond the nameplate, frozen or disputed.

    Parameters
    ----------
    seconds : EventSeconds
        As they came.
    disputed : Mask or None
        Shape (n, t), seconds that another measurement contradicts.
    """
    delivered_w = seconds.delivered_w
    came = np.isfinite(delivered_w)
    span = np.maximum(seconds.power_w_max - seconds.power_w_min, 1.0)
    room = (NAMEPLATE - 1.0) * span
    with np.errstate(invalid="ignore"):
        possible = (delivered_w >= (seconds.power_w_min - room)[:, None]) & (
            delivered_w <= (seconds.power_w_max + room)[:, None]
        )
    usable = came & seconds.good & possible
    whole = Screened(seconds=seconds, usable=usable, discarded_s=np.zeros(0, dtype=np.int64))
    usable &= ~_frozen(seconds, whole.tolerance_w)
    if disputed is not None:
        usable &= ~disputed
    return Screened(seconds=seconds, usable=usable, discarded_s=(came & ~usable).sum(axis=1))


def _frozen(seconds: EventSeconds, tolerance_w: FloatArray) -> Mask:
    """Seconds of runs in which the value stood still and the call went by more than allowed."""
    rows, length = seconds.delivered_w.shape
    frozen = np.zeros((rows, length), dtype=np.bool_)
    if length < FROZEN_S:
        return frozen
    still = np.zeros((rows, length), dtype=np.bool_)
    still[:, 1:] = seconds.delivered_w[:, 1:] == seconds.delivered_w[:, :-1]
    for row in np.flatnonzero(still.sum(axis=1) >= FROZEN_S - 1).tolist():
        edges = np.flatnonzero(np.diff(np.concatenate(([0], still[row], [0]))))
        for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            run = slice(first - 1, end)
            called_w = seconds.called_w[row, run]
            called_w = called_w[np.isfinite(called_w)]
            moved = len(called_w) > 0 and float(np.ptp(called_w)) > tolerance_w[row]
            if moved and end - first + 1 >= FROZEN_S:
                frozen[row, run] = True
    return frozen


def fit_event(screened: Screened) -> EventFit:
    """Find delay and gain of each row; NaN where the event does not tell."""
    called_w = screened.seconds.called_w
    known = screened.usable
    reach_w = screened.reach_w
    held_w = np.clip(
        np.nan_to_num(screened.seconds.delivered_w), -2.0 * reach_w[:, None], 2.0 * reach_w[:, None]
    )
    delay_s = _summit(_agreements(called_w, held_w, known))
    assumed_s = np.nan_to_num(delay_s)
    gain = _slope(shifted(called_w, assumed_s), held_w, known=known, reach_w=reach_w)
    return EventFit(delay_s=delay_s, gain=np.where(np.isfinite(delay_s), gain, np.nan))


def _agreements(called_w: FloatArray, held_w: FloatArray, known: Mask) -> FloatArray:
    """Correlate the calls with what came each lag later, shape (lags, n); -1 where it is void.

    All sums over the seconds in which both are known, for all lags at once, by the Fourier
    transform.
    """
    length = called_w.shape[1]
    lags = min(DELAY_S_MAX, max(length - TELLING_S, 0)) + 1
    size = 1 << (length + lags).bit_length()
    early = [np.fft.rfft(part, size).conj() for part in _powers(called_w, np.isfinite(called_w))]
    late = [np.fft.rfft(part, size) for part in _powers(held_w, known)]

    def summed(x: int, y: int) -> FloatArray:
        return np.asarray(np.fft.irfft(early[x] * late[y], size)[:, :lags], dtype=np.float64)

    count = np.maximum(summed(0, 0), 1.0)
    spread_x = summed(2, 0) - summed(1, 0) ** 2 / count
    spread_y = summed(0, 2) - summed(0, 1) ** 2 / count
    both = summed(1, 1) - summed(1, 0) * summed(0, 1) / count
    telling = (count >= TELLING_S) & (spread_x > _NOTHING * count) & (spread_y > _NOTHING * count)
    scale = np.sqrt(np.where(telling, spread_x * spread_y, 1.0))
    return np.where(telling, both / scale, -1.0).T


def _powers(values: FloatArray, known: Mask) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Zeroth, first and second power of the values about their middle, 0 where not known."""
    weight = known.astype(np.float64)
    held = np.where(known, values, 0.0)
    held = (held - (held.sum(axis=1) / np.maximum(weight.sum(axis=1), 1.0))[:, None]) * weight
    held /= np.maximum(np.abs(held).max(axis=1, initial=0.0), np.finfo(np.float64).tiny)[:, None]
    return weight, held, held**2


def _summit(scores: FloatArray) -> FloatArray:
    """Delay at the top of the scores of shape (lags, n), between seconds; NaN if it is low."""
    lags, rows = scores.shape
    best = scores.argmax(axis=0)
    at = np.arange(rows)
    inner = np.clip(best, 1, max(lags - 2, 1))
    delay = best.astype(np.float64)
    if lags >= 3:  # noqa: PLR2004  a parabola goes through three points
        left, middle, right = (scores[inner + step, at] for step in (-1, 0, 1))
        bend = left - 2.0 * middle + right
        curved = (bend < 0.0) & (inner == best)
        part = 0.5 * (left - right) / np.where(curved, bend, -1.0)
        delay += np.where(curved, np.clip(part, -0.5, 0.5), 0.0)
    return np.where(scores[best, at] >= CORRELATION_MIN, delay, np.nan)


def shifted(called_w: FloatArray, delay_s: FloatArray) -> FloatArray:
    """Delay the calls by each row's delay, between seconds linearly; the first is held.

    Parameters
    ----------
    called_w : FloatArray
        Shape (n, t), W.
    delay_s : FloatArray
        Shape (n,), s, >= 0.
    """
    length = called_w.shape[1]
    at = np.arange(length)[None, :] - delay_s[:, None]
    low = np.floor(at).astype(np.int64)
    part = at - low
    first = np.take_along_axis(called_w, np.clip(low, 0, length - 1), axis=1)
    second = np.take_along_axis(called_w, np.clip(low + 1, 0, length - 1), axis=1)
    return np.asarray(np.where(part > 0.0, first + part * (second - first), first))


def _slope(x: FloatArray, y: FloatArray, *, known: Mask, reach_w: FloatArray) -> FloatArray:
    """Slope through zero: median of the ratios, then Huber's weights, shape (n,)."""
    with np.errstate(invalid="ignore"):
        used = known & (np.abs(x) >= TELLING_PART * reach_w[:, None]) & (np.abs(x) > 0.0)
    used &= _answered(x, y, used)
    enough = used.sum(axis=1) >= TELLING_S
    ratio = np.where(used, y / np.where(used, x, 1.0), np.nan)
    gain = np.full(len(x), np.nan)
    if not enough.any():
        return gain
    gain[enough] = np.nanmedian(ratio[enough], axis=1)
    x, y = np.where(used, x, 0.0)[enough], np.where(used, y, 0.0)[enough]
    some, slope = used[enough], gain[enough]
    for _ in range(_ROUNDS):
        off = np.abs(y - slope[:, None] * x)
        scale = _TO_SIGMA * np.nanmedian(np.where(some, off, np.nan), axis=1)
        limit = _HUBER * np.maximum(scale, 1e-3 * reach_w[enough])
        weight = np.minimum(1.0, limit[:, None] / np.maximum(off, limit[:, None] * 1e-6))
        slope = (weight * x * y).sum(axis=1) / (weight * x * x).sum(axis=1)
    gain[enough] = slope
    return gain


def _answered(x: FloatArray, y: FloatArray, used: Mask) -> Mask:
    """Seconds of minutes in which a fair part came: what stays away is no matter of the gain."""
    length = x.shape[1]
    starts = np.arange(0, length, BLOCK_S)
    call = np.add.reduceat(np.where(used, x * x, 0.0), starts, axis=1)
    answer = np.add.reduceat(np.where(used, x * y, 0.0), starts, axis=1)
    return np.repeat(answer >= ANSWER_PART * call, BLOCK_S, axis=1)[:, :length]


def judge(screened: Screened, *, delay_s: FloatArray, gain: FloatArray) -> Blocks:
    """Judge minute by minute whether what was to be expected came.

    Parameters
    ----------
    screened : Screened
        The event.
    delay_s, gain : FloatArray
        Shape (n,), what is known of each row.

    Returns
    -------
    Blocks
        A second that is not believed is not in the tolerance: silence and lies prove nothing.
    """
    expected_w = gain[:, None] * shifted(screened.seconds.called_w, delay_s)
    with np.errstate(invalid="ignore"):
        off_w = np.abs(screened.seconds.delivered_w - expected_w)
        inside = screened.usable & (off_w <= screened.tolerance_w[:, None])
        standing = np.abs(expected_w) < STANDING_PART * screened.reach_w[:, None]
    called = np.isfinite(expected_w)
    asked, size = fold(called), min(BLOCK_S, called.shape[1])
    judged = (asked >= size // 2) & (fold(called & ~standing) > 0)
    return Blocks(judged=judged, kept=judged & (fold(inside & called) >= BLOCK_KEPT_PART * asked))


def fold(mask: Mask) -> IntArray:
    """Count the seconds of each minute, the event's end being the end of the last one.

    Parameters
    ----------
    mask : Mask
        Shape (n, t); what is over at the beginning is left out.

    Returns
    -------
    IntArray
        Shape (n, b).
    """
    rows, length = mask.shape
    count, size = max(length // BLOCK_S, 1), min(BLOCK_S, length)
    cut = mask[:, length - count * size :].reshape(rows, count, size)
    return np.asarray(cut.sum(axis=2), dtype=np.int64)
