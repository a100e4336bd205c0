"""What a reader of the fleet gets: read-only copies, and the judgement of links."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from cloud_coordinator.fleet.moment import Moment
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.identifiers import SiteId, ZoneId

LATE_TICKS: Final = 3
"""Missed 1-Hz ticks after which a site no longer counts as answering."""
LOST_TICKS: Final = 10
"""Missed 1-Hz ticks after which its link counts as lost."""
SKEW_ALLOWED_S: Final = 2.0
"""How much later than now - age the second of a row may be, for clocks and for the way."""

_Array = TypeVar("_Array", bound=npt.NDArray[Any])


class LinkCondition(enum.IntEnum):
    """What missed ticks say about a site's link."""

    NEVER = 0
    LIVE = 1
    LATE = 2
    LOST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSnapshot:
    """The sites' columns at one moment, by site index; arrays are read-only copies.

    Attributes
    ----------
    sites, zones : tuple
        Ids; the index is the row.
    meter_w, baseline_w, share_w, flexible_w : FloatArray
        W, generator frame; NaN where unknown.
    mode, quality : FloatArray
        Numbers of the enumerations; NaN before the first row. Quality is at least STALE for
        a site that is not LIVE.
    age_s : FloatArray
        Age of the row: the greater of source age and receipt age; inf if none ever came.
    receipt_age_s : FloatArray
        Time since the row came, s; inf if none ever did.
    greeted_age_s : FloatArray
        Time since the site came back with a hello; very large if it never did.
    condition : ndarray of int8
        ``LinkCondition``.
    second, signal_id, curve_version : IntArray
        Second the latest row speaks of, the signal it echoes, and the version of the committed
        curve in use; NO_CURVE if it tells none.
    """

    sites: tuple[SiteId, ...]
    zones: tuple[ZoneId, ...]
    meter_w: FloatArray
    baseline_w: FloatArray
    share_w: FloatArray
    flexible_w: FloatArray
    mode: FloatArray
    quality: FloatArray
    age_s: FloatArray
    receipt_age_s: FloatArray
    greeted_age_s: FloatArray
    condition: npt.NDArray[np.int8]
    second: IntArray
    signal_id: IntArray
    curve_version: IntArray

    def live_in(self, zone: ZoneId) -> Sequence[SiteId]:
        """Return the sites of a zone whose link is LIVE, by id."""
        live = np.flatnonzero(self.condition == LinkCondition.LIVE).tolist()
        return sorted(self.sites[row] for row in live if self.zones[row] == zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondRows:
    """All sites' rows of one second, by site index; only where ``present``."""

    second: int
    present: npt.NDArray[np.bool_]
    signal_id: IntArray
    meter_w: FloatArray
    baseline_w: FloatArray
    share_w: FloatArray


def frozen_copy(array: _Array) -> _Array:
    """Copy an array and make the copy read-only."""
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def silence_s(second: IntArray, received_ns: IntArray, now: Moment) -> FloatArray:
    """Seconds of silence per site, by arrival and by what the rows speak of.

    Parameters
    ----------
    second : IntArray
        Unix second of the latest row.
    received_ns : IntArray
        Monotonic time at which it came.
    now : Moment
        The present.

    Returns
    -------
    FloatArray
        The greater of receipt age and source age less ``SKEW_ALLOWED_S``; a gateway whose
        clock is ahead gains nothing by it.
    """
    receipt = (now.monotonic_ns - received_ns) / 1e9
    source = now.wall_s - second - SKEW_ALLOWED_S
    return np.asarray(np.maximum(receipt, source), dtype=np.float64)
