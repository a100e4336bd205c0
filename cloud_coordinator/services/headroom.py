"""What the resources of a VPP can add to their power now, from the live fleet.

A resource counts if its site's link is LIVE and follows signals, its own values are good, and
its driver found that it takes setpoints or limits. What cannot be known is no headroom.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.fleet.fleet import (
    Fleet,
    copy_resources,
    resource_sites,
    resources_of_rows,
)
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.fleet.snapshot import FleetSnapshot, LinkCondition
from cloud_coordinator.services.plan_columns import Mask, Static
from protocols.link.messages import RESOURCE_COLUMNS
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.identifiers import ZoneId
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.mode import Mode
from protocols.vocabulary.resource import Resource

FOLLOWING: Final = (Mode.NORMAL, Mode.DEGRADED)
_RUNNING_W: Final = 50.0
"""A load that takes less is off, or not there: it can be asked for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """A copy of the fleet at one moment; may be read by another thread.

    Attributes
    ----------
    sites : FleetSnapshot
        The sites.
    changes : int
        Layout changes seen.
    resources : tuple of Resource or None
        Of every row.
    site_index : IntArray
        Shape (r,).
    columns : mapping of str to FloatArray
        Latest values, shape (r,).
    """

    sites: FleetSnapshot
    changes: int
    resources: tuple[Resource | None, ...]
    site_index: IntArray
    columns: dict[str, FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """The rows that can be commanded, shape (n,).

    Attributes
    ----------
    rows : IntArray
        Of the fleet.
    site_index : IntArray
        Of each row's site.
    power_w : FloatArray
        Power now, W.
    up_w, down_w : FloatArray
        What can be added, and taken away, W >= 0.
    """

    rows: IntArray
    site_index: IntArray
    power_w: FloatArray
    up_w: FloatArray
    down_w: FloatArray


def present_of(fleet: Fleet, now: Moment) -> Present:
    """Copy what is known; called where the fleet is changed."""
    changes, resources = resources_of_rows(fleet)
    columns = {name: np.empty(len(resources)) for name in RESOURCE_COLUMNS}
    copy_resources(fleet, columns)
    return Present(
        sites=fleet.snapshot(now),
        changes=changes,
        resources=resources,
        site_index=resource_sites(fleet),
        columns=columns,
    )


def live_sites(present: Present, vpp: ZoneId) -> Mask:
    """Sites of a VPP that answer and follow signals."""
    sites = present.sites
    ours = np.array([zone == vpp for zone in sites.zones], dtype=np.bool_)
    following = np.isin(sites.mode, [float(mode) for mode in FOLLOWING])
    good = sites.quality < Quality.STALE
    return np.asarray(ours & (sites.condition == LinkCondition.LIVE) & following & good)


def headroom_of(
    present: Present, static: Static, live: Mask, *, lead_s: float, duration_h: float
) -> Headroom:
    """Find what can be added and taken away.

    Parameters
    ----------
    present : Present
        The fleet.
    static : Static
        Of the same layouts.
    live : ndarray of bool
        By site.
    lead_s : float
        Time until it is needed, s; bounds it by the ramp.
    duration_h : float
        How long it is kept up, h; bounds it by the energy.
    """
    power, quality = present.columns["power_w"], present.columns["quality"]
    used = static.is_commanded & np.isfinite(power) & (quality < Quality.STALE)
    used &= live[np.maximum(present.site_index, 0)] & (present.site_index >= 0)
    rows = np.flatnonzero(used)
    at = slice(None) if len(rows) == len(power) else rows
    power, limit = power[at], {name: column[at] for name, column in static.columns.items()}
    soc = present.columns["soc"][at]
    reach = limit["ramp_w_per_s"] * lead_s
    # The energy bounds the power in all; stopping to charge needs none.
    out = (soc - limit["soc_min"]) * (limit["out_wh"] / duration_h) - power
    room = (limit["soc_max"] - soc) * (limit["room_wh"] / duration_h) + power
    up = np.fmin(np.minimum(limit["power_w_max"] - power, reach), out)
    down = np.fmin(np.minimum(power - limit["power_w_min"], reach), room)
    lost = static.is_store[at] & ~np.isfinite(soc)
    off = (static.is_load[at] & (power > -_RUNNING_W)) | lost
    up[off | static.is_pv[at]] = 0.0
    down[off] = 0.0
    return Headroom(
        rows=rows,
        site_index=present.site_index[at],
        power_w=power,
        up_w=np.maximum(up, 0.0),
        down_w=np.maximum(down, 0.0),
    )
