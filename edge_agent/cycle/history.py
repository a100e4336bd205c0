"""The last two days of a site by the minute, for the forecaster."""

from collections import deque
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from models.features import SiteHistory
from protocols.vocabulary.intervals import utc_from_seconds

MINUTE_S: Final = 60
KEPT_MINUTES: Final = 2 * 24 * 60


class MinuteHistory:
    """Minute means of the uncontrolled power and of PV; missing minutes stay missing."""

    def __init__(self) -> None:
        self._minutes: deque[tuple[int, float, float, int]] = deque(maxlen=KEPT_MINUTES)

    def add(self, at: datetime, residual_w: float, pv_w: float) -> None:
        """Add one second.

        Parameters
        ----------
        at : datetime
            Aware UTC; seconds of a minute already left are dropped.
        residual_w, pv_w : float
            W, generator frame.
        """
        minute = int(at.timestamp()) // MINUTE_S
        if self._minutes and self._minutes[-1][0] == minute:
            _, load, pv, count = self._minutes[-1]
            self._minutes[-1] = (minute, load + residual_w, pv + pv_w, count + 1)
        elif not self._minutes or minute > self._minutes[-1][0]:
            self._minutes.append((minute, residual_w, pv_w, 1))

    def site_history(self) -> SiteHistory | None:
        """Return the regular grid up to the last minute begun; None before the first second."""
        if not self._minutes:
            return None
        last = self._minutes[-1][0]
        first = max(self._minutes[0][0], last - KEPT_MINUTES + 1)
        load_w = np.full(last - first + 1, np.nan)
        pv_w = np.full(last - first + 1, np.nan)
        for minute, load, pv, count in self._minutes:
            if minute >= first:
                load_w[minute - first] = load / count
                pv_w[minute - first] = pv / count
        until = utc_from_seconds(last * MINUTE_S) + timedelta(seconds=MINUTE_S)
        return SiteHistory(until=until, step_s=float(MINUTE_S), load_w=load_w, pv_w=pv_w)
