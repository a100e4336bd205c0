"""Tracking: how far each site's meter is from the share it was called for.

The integral action of dispatch, in observer form. Per site the lasting difference between
delivered and called power is estimated; the sum over the sites that follow is taken off the
next command. That settles at zero error like an integrator, and has no wind-up by build: a
saturated fleet is compared with what it was called for, a site that leaves takes its estimate
with it, a gap that closes by itself is no error, and a moving command is compared with what sites
could have done by then.

Pure but for its own state. Called by ``dispatching`` every second.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud_coordinator.allocation.curves import CurveTable, curve_table, shares
from cloud_coordinator.services.baselines import CommittedBaselines
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.commitment import Commitment

SETTLING_S: Final = 4.0
"""Time constant of the estimate."""
ENTRY_S: Final = 2
"""Seconds at the start in which sites may still come from what they did before."""
SLOW_RESPONSE: Final = 0.5
"""Part of a change that the slowest healthy site makes within a second; the fastest makes all.

A meter between the fast and the slow answer to the recent calls shows no error; a site acts on
a call as it comes, so its row may already show the call that it is the first to echo.
"""
APPROACH_PART: Final = 0.1
"""Part of its gap that a site on its way to its call closes within a second, at least: such a
gap is no lasting error, however slow its devices are."""
RELEASE_S: Final = 1.0
RELEASE_PART: Final = 0.05
"""An estimate that is too large by this part of a curve's reach is given up with this time
constant: what a saturated site could not follow is over when its call is within reach again."""
SUDDEN_PART: Final = 0.05
SUDDEN_TOGETHER_PART: Final = 0.01
SUDDEN_S: Final = 2
"""A gap beyond the first part of a curve's reach that a site opens within one row, by moving away
from its call, is taken in full for some seconds, and what the site did before says nothing any
more: a tripped feeder is not waited out. Only where such gaps together pass the second part, of the
reach of all: a kettle's step is made up by its own site, and chasing each would be noise. Rows
of one second come over several looks, so the gaps of all these seconds count together."""
MEMORY_S: Final = 8.0
"""How long calls and answers are remembered to judge whether a site moves at all."""
UNMOVED_BELOW: Final = 0.15
MOVED_ABOVE: Final = 0.5
"""Part of its calls that a site delivers: below the one it counts as unmoved, until above the
other it is taken back. A site that gives a larger part is saturated, not unmoved: it will follow
when its call comes back within its reach, and who counted it by its meter would call the others,
and it with them, down by as much."""
TELLING_PART: Final = 0.1
"""Calls smaller than this part of the curve's reach say nothing about that."""
SIGNALS_KEPT: Final = 256


Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The latest telemetry row per commitment; shape (n,) each.

    Attributes
    ----------
    heard : Mask
        Whether any row ever came.
    second, signal_id : IntArray
        What the row speaks of, and the signal it echoes.
    curve_version : IntArray
        Version of the committed curve in use; NO_CURVE if it tells none.
    meter_w, share_w : FloatArray
        W; NaN where there is no number.
    """

    heard: Mask
    second: IntArray
    signal_id: IntArray
    curve_version: IntArray
    meter_w: FloatArray
    share_w: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """Rows held against what was called; shape (n,) each, W.

    Attributes
    ----------
    fresh, usable : Mask
        Rows that are new, and those of them that say something of the call.
    steps : IntArray
        Seconds since the row before.
    called_w, slow_w : FloatArray
        What the row's signal calls for, and what a slow site would have done by now.
    usual_w : FloatArray
        Half way between what a fast and a slow site would give.
    delivered_w, error_w, moved_w : FloatArray
        Meter less baseline, how far that is from any healthy answer, and from the row before.
    """

    fresh: Mask
    usable: Mask
    steps: IntArray
    called_w: FloatArray
    slow_w: FloatArray
    usual_w: FloatArray
    delivered_w: FloatArray
    error_w: FloatArray
    moved_w: FloatArray


class SignalTable:
    """The multipliers of the latest signals, found by id."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._multipliers: list[float] = []
        self._sent_s: list[float] = []

    def add(self, signal_id: int, multiplier: float, *, sent_s: float) -> None:
        """Remember a signal sent at a Unix time; ids must rise."""
        assert not self._ids or signal_id > self._ids[-1], "signal ids rise"
        self._ids.append(signal_id)
        self._multipliers.append(multiplier)
        self._sent_s.append(sent_s)
        for kept in (self._ids, self._multipliers, self._sent_s):
            del kept[:-SIGNALS_KEPT]

    def multipliers(self, signal_ids: IntArray) -> FloatArray:
        """Multiplier of each id; NaN for one that is not known."""
        if not self._ids:
            return np.full(len(signal_ids), np.nan)
        ids = np.array(self._ids, dtype=np.int64)
        place = np.minimum(np.searchsorted(ids, signal_ids), len(ids) - 1)
        return np.where(ids[place] == signal_ids, np.array(self._multipliers)[place], np.nan)

    def sent_by(self, moment_s: float) -> int:
        """Id of the latest signal sent at or before a Unix time; 0 if none was."""
        place = bisect_right(self._sent_s, moment_s)
        return self._ids[place - 1] if place else 0

    @property
    def last(self) -> float | None:
        """Multiplier of the latest signal."""
        return self._multipliers[-1] if self._multipliers else None


class Tracking:
    """Called and delivered power of the sites of one award.

    Parameters
    ----------
    commitments : sequence of Commitment
        Row i of every array is commitment i.
    start_s : int
        Unix second at which the award begins; before it nothing is called.
    """

    def __init__(self, commitments: Sequence[Commitment], *, start_s: int) -> None:
        n = len(commitments)
        self.table: CurveTable = curve_table([c.curve for c in commitments])
        self.signals = SignalTable()
        self._baselines = CommittedBaselines(commitments)
        self._start_s = start_s
        self._second = np.zeros(n, dtype=np.int64)
        self._called_w = np.zeros(n)
        self._slow_w = np.zeros(n)
        self._error_w = np.zeros(n)
        self._delivered_w = np.zeros(n)
        self._gap_w = np.zeros(n)
        self._opened_s = np.zeros(n, dtype=np.int64)
        self._answer = np.zeros(n)
        self._call = np.zeros(n)
        self._reach_w = np.maximum(np.abs(self.table.power_w).max(axis=1, initial=0.0), 1.0)
        self._unmoved = np.zeros(n, dtype=np.bool_)

    @property
    def error_w(self) -> FloatArray:
        """Lasting difference delivered - called per site, W, shape (n,)."""
        return self._error_w.copy()

    @property
    def unmoved(self) -> Mask:
        """Whether a site hears its calls but does not move, shape (n,)."""
        return self._unmoved.copy()

    @property
    def delivered_w(self) -> FloatArray:
        """Latest meter less committed baseline per site, W, shape (n,)."""
        return self._delivered_w.copy()

    def baseline_w(self, second: int) -> FloatArray:
        """Look up the committed baseline per site at a Unix second, W, shape (n,)."""
        n = len(self._second)
        return self._baselines.at(np.arange(n), np.full(n, second, dtype=np.int64))

    def held_w(self, rows: Rows) -> FloatArray:
        """Estimate what each site goes on delivering if it does not hear us.

        Parameters
        ----------
        rows : Rows
            Latest rows.

        Returns
        -------
        FloatArray
            Shape (n,), W: the share it reported last, else the share of the last signal;
            plus its lasting error.
        """
        last = self.signals.last
        unheard = shares(self.table, last) if last is not None else np.zeros(len(rows.heard))
        reported = np.where(np.isfinite(rows.share_w), rows.share_w, self._called_w)
        running = rows.second >= self._start_s
        held = np.where(running, reported, 0.0)
        return np.where(rows.heard, held, unheard) + self._error_w

    def observe(self, rows: Rows) -> None:
        """Take the latest rows; a row that was seen before changes nothing."""
        new = self._compare(rows)
        sudden = self._sudden(new, rows)
        self._learn(new, sudden)
        self._delivered_w = np.where(
            new.fresh & np.isfinite(new.delivered_w), new.delivered_w, self._delivered_w
        )
        self._judge(new, sudden)
        self._called_w = np.where(new.fresh, new.called_w, self._called_w)
        self._slow_w = np.where(new.fresh & (self._second == 0), new.called_w, new.slow_w)
        self._second = np.where(new.fresh, rows.second, self._second)

    def has_gap(self, rows: Rows) -> bool:
        """Tell whether rows that were not taken yet show a sudden gap that weighs."""
        new = self._compare(rows)
        return self._weighs(new.error_w[self._opened(new)])

    def _compare(self, rows: Rows) -> "_Compared":
        """Hold rows against what was called; changes nothing."""
        passed = np.where(rows.heard, rows.second - self._second, 0)
        fresh = passed > 0
        first = fresh & (self._second == 0)
        steps = np.where(first, 1, passed)
        baseline_w = self._baselines.at(np.arange(len(passed)), rows.second)
        slow_w = self._slow_w + np.where(
            fresh, (1.0 - (1.0 - SLOW_RESPONSE) ** steps) * (self._called_w - self._slow_w), 0.0
        )
        low = np.minimum(self._called_w, slow_w)
        high = np.maximum(self._called_w, slow_w)
        called_w = self._called(rows)
        soonest_w = np.where(fresh, called_w, self._called_w)
        delivered_w = rows.meter_w - baseline_w
        error_w = delivered_w - np.clip(
            delivered_w, np.minimum(low, soonest_w), np.maximum(high, soonest_w)
        )
        usable = fresh & ~first & np.isfinite(error_w) & (rows.second > self._start_s + ENTRY_S)
        return _Compared(
            fresh=fresh,
            usable=usable,
            steps=steps,
            called_w=called_w,
            slow_w=slow_w,
            usual_w=(low + high) / 2.0,
            delivered_w=delivered_w,
            error_w=np.nan_to_num(error_w),
            moved_w=np.nan_to_num(delivered_w - self._delivered_w),
        )

    def _opened(self, new: "_Compared") -> Mask:
        """Which sites moved away from their call within a row, and far."""
        far = new.usable & (np.abs(new.error_w) > SUDDEN_PART * self._reach_w)
        away_w = new.moved_w * np.sign(new.error_w)
        return np.asarray(far & (away_w > np.abs(new.error_w) / 2.0), dtype=np.bool_)

    def _weighs(self, gaps_w: FloatArray) -> bool:
        return abs(float(gaps_w.sum())) > SUDDEN_TOGETHER_PART * float(self._reach_w.sum())

    def _sudden(self, new: "_Compared", rows: Rows) -> Mask:
        """Which sites opened a gap within the last seconds, if the gaps weigh together."""
        self._opened_s = np.where(self._opened(new), rows.second, self._opened_s)
        present_s = float(np.median(rows.second[rows.heard])) if rows.heard.any() else 0.0
        is_open = self._opened_s > present_s - SUDDEN_S
        self._gap_w = np.where(is_open, np.where(new.usable, new.error_w, self._gap_w), 0.0)
        return np.asarray(is_open & self._weighs(self._gap_w), dtype=np.bool_)

    def _learn(self, new: "_Compared", sudden: Mask) -> None:
        """Move the estimates, without wind-up: not while a site is on its way, and fast back."""
        error_w, size_w = new.error_w, np.abs(new.error_w)
        on_its_way = new.moved_w * -np.sign(error_w) > APPROACH_PART * new.steps * size_w
        growing = new.usable & ~(on_its_way & (size_w > np.abs(self._error_w)))
        surplus_w = np.abs(self._error_w) - size_w
        settling_s = np.where(surplus_w > RELEASE_PART * self._reach_w, RELEASE_S, SETTLING_S)
        gain = 1.0 - np.exp(-new.steps / settling_s)
        self._error_w += np.where(growing, gain * (error_w - self._error_w), 0.0)
        self._error_w[sudden] = self._gap_w[sudden]

    def forget(self, chosen: Mask) -> None:
        """Drop what was learned of sites that were not called by their committed curves."""
        for learned in (self._error_w, self._gap_w, self._answer, self._call, self._unmoved):
            learned[chosen] = 0

    def _judge(self, new: "_Compared", sudden: Mask) -> None:
        """Compare what was called with what came, over the last seconds."""
        fade = np.where(sudden, 0.0, np.exp(-new.steps / MEMORY_S))
        answer = fade * self._answer + new.usual_w * self._delivered_w
        call = fade * self._call + new.usual_w**2
        self._answer = np.where(new.usable, answer, self._answer)
        self._call = np.where(new.usable, call, self._call)
        enough = self._call > MEMORY_S * (TELLING_PART * self._reach_w) ** 2
        telling = new.usable & (sudden | enough)
        self._unmoved |= telling & (self._answer < UNMOVED_BELOW * self._call)
        self._unmoved &= ~(telling & (self._answer > MOVED_ABOVE * self._call))

    def _called(self, rows: Rows) -> FloatArray:
        """Share in force in the second that each row speaks of."""
        multiplier = self.signals.multipliers(rows.signal_id)
        known = np.isfinite(multiplier)
        called_w = shares(self.table, np.where(known, multiplier, 0.0))
        reported_w = np.nan_to_num(rows.share_w)
        called_w = np.where(known, called_w, reported_w)
        return np.where(rows.second >= self._start_s, called_w, 0.0)
