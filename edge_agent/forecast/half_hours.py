"""The site's own half hours of four weeks: what the site models look at, kept over a restart."""

from collections import deque
from datetime import datetime, timedelta
from typing import Final, cast

import msgpack
import numpy as np

from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.intervals import utc_from_seconds

KEPT_DAYS: Final = 29
KEPT_SLOTS: Final = KEPT_DAYS * SLOTS_A_DAY
LEAST_SECONDS: Final = SLOT_S // 2
"""A half hour of which less was seen stays unknown."""
STATE_KEY: Final = "half_hours"
_VERSION: Final = 1


class HalfHours:
    """Means of the uncontrolled power and of PV per half hour; what was not seen stays unknown.

    Parameters
    ----------
    kept : bytes or None
        What :meth:`packed` gave in an earlier life.

    Raises
    ------
    JournalError
        If that is not what this program writes.
    """

    def __init__(self, kept: bytes | None = None) -> None:
        self._closed: deque[tuple[int, float, float]] = deque(maxlen=KEPT_SLOTS)
        self._slot = 0
        self._sums = (0.0, 0.0, 0)
        if kept is not None:
            self._closed.extend(_unpacked(kept))

    def add(self, at: datetime, residual_w: float, pv_w: float) -> None:
        """Add one second.

        Parameters
        ----------
        at : datetime
            Aware UTC; seconds of a half hour already left are dropped.
        residual_w, pv_w : float
            W, generator frame.
        """
        slot = int(at.timestamp()) // SLOT_S
        if slot < self._slot or (self._closed and slot <= self._closed[-1][0]):
            return
        if slot > self._slot:
            self._close()
            self._slot = slot
        residual, pv, count = self._sums
        self._sums = (residual + residual_w, pv + pv_w, count + 1)

    def columns(self, until: datetime) -> tuple[FloatArray, FloatArray]:
        """Uncontrolled power and PV of the half hours that end at a moment.

        Parameters
        ----------
        until : datetime
            Aware UTC, on the half hour; nothing later is in the columns.

        Returns
        -------
        tuple of FloatArray
            Shape (KEPT_SLOTS,) each, oldest first, W; NaN where not known.
        """
        end = int(until.timestamp()) // SLOT_S
        residual_w, pv_w = np.full(KEPT_SLOTS, np.nan), np.full(KEPT_SLOTS, np.nan)
        for slot, residual, pv in [*self._closed, *self._done(end)]:
            place = slot - end + KEPT_SLOTS
            if 0 <= place < KEPT_SLOTS:
                residual_w[place], pv_w[place] = residual, pv
        return residual_w, pv_w

    @property
    def latest(self) -> datetime | None:
        """End of the last half hour that is known; None if none is."""
        if not self._closed:
            return None
        return utc_from_seconds(self._closed[-1][0] * SLOT_S) + timedelta(seconds=SLOT_S)

    def packed(self) -> bytes:
        """Return what a next life needs."""
        slots, residual_w, pv_w = zip(*self._closed, strict=True) if self._closed else ((), (), ())
        columns = [np.array(one, dtype=np.float32).tobytes() for one in (residual_w, pv_w)]
        return cast("bytes", msgpack.packb([_VERSION, list(slots), *columns]))

    def _done(self, end: int) -> list[tuple[int, float, float]]:
        """Half hour that is over, though no second of the next has been added."""
        residual, pv, count = self._sums
        if self._slot >= end or count < LEAST_SECONDS:
            return []
        return [(self._slot, residual / count, pv / count)]

    def _close(self) -> None:
        """Keep the half hour that is over."""
        residual, pv, count = self._sums
        if count >= LEAST_SECONDS:
            self._closed.append((self._slot, residual / count, pv / count))
        self._sums = (0.0, 0.0, 0)


def _unpacked(kept: bytes) -> list[tuple[int, float, float]]:
    """Half hours of their packed form."""
    try:
        version, slots, *columns = msgpack.unpackb(kept)
        residual_w, pv_w = (np.frombuffer(one, dtype=np.float32) for one in columns)
        rows = [
            (int(slot), float(one), float(two))
            for slot, one, two in zip(slots, residual_w, pv_w, strict=True)
        ]
    except (ValueError, TypeError) as error:
        raise JournalError(f"{STATE_KEY}: not what this program writes: {error}") from error
    if version != _VERSION:
        raise JournalError(f"{STATE_KEY}: version {version!r} is not known")
    return rows
