"""Fleet: what is known now of every site and resource, as struct of arrays.

Telemetry is decoded straight into the columns. No I/O and no clock: times are arguments.
A value never looks fresher than it is: its age is the greater of the age of the second it
speaks of and of the time since it came, a row that is not newer changes nothing, and the
quality of a silent site's values is at least STALE. Called by ``services``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud_coordinator.fleet.columns import Columns
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.fleet.snapshot import (
    LATE_TICKS,
    LOST_TICKS,
    FleetSnapshot,
    LinkCondition,
    SecondRows,
    frozen_copy,
    silence_s,
)
from protocols.link.messages import RESOURCE_COLUMNS, SITE_COLUMNS, Layout, Telemetry
from protocols.link.telemetry import RowBlock
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.identifiers import JournalId, ResourceId, SiteId, ZoneId
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.offer import NO_CURVE
from protocols.vocabulary.resource import Resource

RING_S: Final = 8
"""Seconds of rows that are kept per site, so that sites can be added up second by second."""

NEVER_GREETED_NS: Final = -(10**18)
GREETING_S: Final = 30.0
"""Greetings closer together are one: a site that repeats itself does not hear us."""

_SITE: Final = len(SITE_COLUMNS)
_PER_RESOURCE: Final = len(RESOURCE_COLUMNS)
_NO_LAYOUT: Final = -1
_NAN = float("nan")
_RING: Final = ("meter_w", "baseline_w", "share_w")
_SITE_FIELDS: Final = {
    **dict.fromkeys(SITE_COLUMNS, ("f8", _NAN, 0)),
    "second": ("i8", 0, 0),
    "signal_id": ("i8", 0, 0),
    "curve_version": ("i8", NO_CURVE, 0),
    "sequence": ("i8", 0, 0),
    "received_ns": ("i8", 0, 0),
    "heard": ("?", 0, 0),
    "greeted_ns": ("i8", NEVER_GREETED_NS, 0),
    "greeting_ns": ("i8", NEVER_GREETED_NS, 0),
    "layout_version": ("i8", _NO_LAYOUT, 0),
    "block_first": ("i8", 0, 0),
    "block_length": ("i8", 0, 0),
    "condition": ("i1", LinkCondition.NEVER, 0),
    "ring_second": ("i8", -1, RING_S),
    "ring_signal_id": ("i8", 0, RING_S),
    **{f"ring_{name}": ("f8", _NAN, RING_S) for name in _RING},
}
_RESOURCE_FIELDS: Final = {
    **dict.fromkeys(RESOURCE_COLUMNS, ("f8", _NAN, 0)),
    "site_index": ("i8", -1, 0),
    "power_w_min": ("f8", 0.0, 0),
    "power_w_max": ("f8", 0.0, 0),
    "energy_wh_capacity": ("f8", 0.0, 0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkChange:
    """A site whose link condition changed at a tick."""

    site_id: SiteId
    before: LinkCondition
    after: LinkCondition


class Fleet:
    """The live table.

    Parameters
    ----------
    capacity : int
        Sites to make room for at once; it grows by doubling.
    """

    def __init__(self, capacity: int = 64) -> None:
        self._sites = Columns(_SITE_FIELDS, capacity)
        self._resources = Columns(_RESOURCE_FIELDS, capacity * 4)
        self._ids: list[SiteId] = []
        self._zones: list[ZoneId] = []
        self._journals: list[JournalId] = []
        self._layouts: list[Layout | None] = []
        self._index: dict[SiteId, int] = {}
        self._resource_of: list[Resource | None] = []
        self._layout_changes = 0

    def upsert_site(self, site_id: SiteId, zone: ZoneId) -> int:
        """Add a site, or move it to another zone; return its index, which never changes."""
        index = self._index.get(site_id)
        if index is None:
            index = self._sites.extend(1)
            self._index[site_id] = index
            self._ids.append(site_id)
            self._zones.append(zone)
            self._journals.append(JournalId(""))
            self._layouts.append(None)
        self._zones[index] = zone
        return index

    def greet(self, site_id: SiteId, now: Moment) -> None:
        """Note that a site came back: it said hello after a time without any."""
        sites, index = self._sites, self._index[site_id]
        if now.monotonic_ns - int(sites["greeting_ns"][index]) > GREETING_S * 1e9:
            sites["greeted_ns"][index] = now.monotonic_ns
        sites["greeting_ns"][index] = now.monotonic_ns

    def upsert_layout(self, site_id: SiteId, layout: Layout) -> None:
        """Take a site's list of resources; the same version again changes nothing.

        The site must be known. Values of a replaced layout are forgotten, not carried over.
        """
        index = self._index[site_id]
        if self._layouts[index] == layout:
            return
        self._layout_changes += 1
        length = len(layout.resources)
        first = int(self._sites["block_first"][index])
        old = int(self._sites["block_length"][index])
        self._resources.reset(slice(first, first + old))
        self._resource_of[first : first + old] = [None] * old
        if length > old:
            first = self._resources.extend(length)
            self._resource_of.extend([None] * length)
        block = slice(first, first + length)
        self._resource_of[block] = list(layout.resources)
        self._resources["site_index"][block] = index
        for name in ("power_w_min", "power_w_max", "energy_wh_capacity"):
            self._resources[name][block] = [getattr(r, name) for r in layout.resources]
        self._sites["block_first"][index] = first
        self._sites["block_length"][index] = length
        self._sites["layout_version"][index] = layout.version
        self._layouts[index] = layout
        if self._resources.size > 64 + 2 * int(self._sites["block_length"].sum()):
            self._compact()

    def update(self, site_id: SiteId, telemetry: Telemetry, received: Moment) -> bool:
        """Take live rows; rows that are not newer than what is known change nothing.

        Parameters
        ----------
        site_id : SiteId
            A known site.
        telemetry : Telemetry
            Live rows, ascending.
        received : Moment
            When they came.

        Returns
        -------
        bool
            False if nothing was newer. A row of an unknown layout updates the site's own
            columns only.
        """
        index, sites = self._index[site_id], self._sites
        rows = len(telemetry.times_s)
        if rows == 0:
            return False
        if not self._is_newer(index, telemetry, received):
            return False
        self._journals[index] = telemetry.journal_id
        self._remember(index, telemetry)
        for column, name in enumerate(SITE_COLUMNS):
            sites[name][index] = telemetry.values[-1, column]
        sites["second"][index] = int(telemetry.times_s[-1])
        sites["signal_id"][index] = int(telemetry.signal_ids[-1])
        sites["curve_version"][index] = telemetry.curve_version
        sites["sequence"][index] = telemetry.first_sequence + rows - 1
        sites["received_ns"][index] = received.monotonic_ns
        sites["heard"][index] = True
        self._decode_resources(index, telemetry)
        return True

    def _newer_rows(
        self, indices: IntArray, block: RowBlock, received: Moment
    ) -> npt.NDArray[np.bool_]:
        sites = self._sites
        same = np.array(
            [
                self._journals[index] == journal_id
                for index, journal_id in zip(indices.tolist(), block.journal_ids, strict=True)
            ],
            dtype=np.bool_,
        )
        known = sites["second"][indices]
        later = (block.times_s > known) | (known > received.wall_s + 1.0)
        newer = np.where(same, block.sequences > sites["sequence"][indices], later)
        return np.asarray(newer | ~sites["heard"][indices])

    def _resource_rows(self, indices: IntArray, rows: RowBlock) -> None:
        sites, length = self._sites, (rows.values.shape[1] - _SITE) // _PER_RESOURCE
        fits = (sites["layout_version"][indices] == rows.layout_versions) & (
            sites["block_length"][indices] == length
        )
        first = sites["block_first"][indices[fits]]
        places = first[:, None] + np.arange(length)
        values = rows.values[fits, _SITE:].reshape(len(first), length, _PER_RESOURCE)
        for column, name in enumerate(RESOURCE_COLUMNS):
            self._resources[name][places] = values[:, :, column]

    def _is_newer(self, index: int, telemetry: Telemetry, received: Moment) -> bool:
        if not self._sites["heard"][index]:
            return True
        if telemetry.journal_id == self._journals[index]:
            last_sequence = telemetry.first_sequence + len(telemetry.times_s) - 1
            return last_sequence > int(self._sites["sequence"][index])
        known = int(self._sites["second"][index])
        return int(telemetry.times_s[-1]) > known or known > received.wall_s + 1.0

    def _remember(self, index: int, telemetry: Telemetry) -> None:
        sites = self._sites
        for row in range(max(0, len(telemetry.times_s) - RING_S), len(telemetry.times_s)):
            slot = int(telemetry.times_s[row]) % RING_S
            sites["ring_second"][index, slot] = telemetry.times_s[row]
            sites["ring_signal_id"][index, slot] = telemetry.signal_ids[row]
            for column, name in enumerate(_RING):
                sites[f"ring_{name}"][index, slot] = telemetry.values[row, column]

    def _decode_resources(self, index: int, telemetry: Telemetry) -> None:
        length = int(self._sites["block_length"][index])
        width = len(SITE_COLUMNS) + len(RESOURCE_COLUMNS) * length
        known = int(self._sites["layout_version"][index]) == telemetry.layout_version
        if not known or telemetry.values.shape[1] != width:
            return
        first = int(self._sites["block_first"][index])
        block = telemetry.values[-1, len(SITE_COLUMNS) :].reshape(length, len(RESOURCE_COLUMNS))
        for column, name in enumerate(RESOURCE_COLUMNS):
            self._resources[name][first : first + length] = block[:, column]

    def tick(self, now: Moment) -> Sequence[LinkChange]:
        """Judge every link by its missed ticks; return what changed since the last tick."""
        condition, before = self._judge(now), self._sites["condition"].copy()
        self._sites["condition"][:] = condition
        return [
            LinkChange(
                site_id=self._ids[index],
                before=LinkCondition(int(before[index])),
                after=LinkCondition(int(condition[index])),
            )
            for index in np.flatnonzero(condition != before)
        ]

    def _judge(self, now: Moment) -> npt.NDArray[np.int8]:
        sites = self._sites
        missed = np.floor(silence_s(sites["second"], sites["received_ns"], now))
        condition = np.full(sites.size, LinkCondition.LIVE, dtype=np.int8)
        condition[missed >= LATE_TICKS] = LinkCondition.LATE
        condition[missed >= LOST_TICKS] = LinkCondition.LOST
        condition[~sites["heard"]] = LinkCondition.NEVER
        return condition

    def snapshot(self, now: Moment) -> FleetSnapshot:
        """Copy what is known; later updates do not change the copy."""
        sites, condition = self._sites, self._judge(now)
        source_age = now.wall_s - sites["second"]
        receipt_age = (now.monotonic_ns - sites["received_ns"]) / 1e9
        age = np.where(sites["heard"], np.maximum(source_age, receipt_age), np.inf)
        quality = sites["quality"].copy()
        quality[(condition != LinkCondition.LIVE) & ~(quality >= Quality.STALE)] = Quality.STALE
        return FleetSnapshot(
            sites=tuple(self._ids),
            zones=tuple(self._zones),
            age_s=frozen_copy(age),
            receipt_age_s=frozen_copy(np.where(sites["heard"], receipt_age, np.inf)),
            greeted_age_s=frozen_copy((now.monotonic_ns - sites["greeted_ns"]) / 1e9),
            condition=frozen_copy(condition),
            second=frozen_copy(sites["second"]),
            signal_id=frozen_copy(sites["signal_id"]),
            curve_version=frozen_copy(sites["curve_version"]),
            quality=frozen_copy(quality),
            **{
                name: frozen_copy(sites[name])
                for name in ("meter_w", "baseline_w", "share_w", "flexible_w", "mode")
            },
        )

    def rows_of(self, second: int) -> SecondRows:
        """Return the rows of one recent second, by site index, and which sites sent one."""
        slot, sites = second % RING_S, self._sites
        return SecondRows(
            second=second,
            present=frozen_copy(sites["ring_second"][:, slot] == second),
            signal_id=frozen_copy(sites["ring_signal_id"][:, slot]),
            meter_w=frozen_copy(sites["ring_meter_w"][:, slot]),
            baseline_w=frozen_copy(sites["ring_baseline_w"][:, slot]),
            share_w=frozen_copy(sites["ring_share_w"][:, slot]),
        )

    def index_of(self, site_id: SiteId) -> int | None:
        """Index of a site in snapshots, or None."""
        return self._index.get(site_id)

    def resources_of(self, site_id: SiteId) -> dict[ResourceId, dict[str, float]]:
        """Latest values of a site's resources: the telemetry columns, NaN where unknown."""
        index = self._index[site_id]
        first = int(self._sites["block_first"][index])
        found: dict[ResourceId, dict[str, float]] = {}
        for row in range(first, first + int(self._sites["block_length"][index])):
            resource = self._resource_of[row]
            assert resource is not None, "a site's block holds its resources"
            found[resource.resource_id] = {
                name: float(self._resources[name][row]) for name in RESOURCE_COLUMNS
            }
        return found

    def layout_of(self, site_id: SiteId) -> Layout | None:
        """Layout of a site, or None before its first hello."""
        return self._layouts[self._index[site_id]]

    def _compact(self) -> None:
        rows: list[int] = []
        for index in range(self._sites.size):
            first = int(self._sites["block_first"][index])
            length = int(self._sites["block_length"][index])
            self._sites["block_first"][index] = len(rows)
            rows.extend(range(first, first + length))
        self._resources = self._resources.take(np.array(rows, dtype=np.int64))
        self._resource_of = [self._resource_of[row] for row in rows]


def update_rows(fleet: Fleet, indices: IntArray, block: RowBlock, *, received: Moment) -> None:
    """Take one live row of each of many sites; what is not newer changes nothing.

    Parameters
    ----------
    indices : IntArray
        Shape (n,), index of each row's site; each site once.
    block : RowBlock
        The rows.
    received : Moment
        When they came.
    """
    newer = np.flatnonzero(fleet._newer_rows(indices, block, received))
    if len(newer) == 0:
        return
    rows = block.only(newer.tolist())
    indices, sites = indices[newer], fleet._sites
    for index, journal_id in zip(indices.tolist(), rows.journal_ids, strict=True):
        fleet._journals[index] = journal_id
    slots = rows.times_s % RING_S
    sites["ring_second"][indices, slots] = rows.times_s
    sites["ring_signal_id"][indices, slots] = rows.signal_ids
    for column, name in enumerate(_RING):
        sites[f"ring_{name}"][indices, slots] = rows.values[:, column]
    for column, name in enumerate(SITE_COLUMNS):
        sites[name][indices] = rows.values[:, column]
    sites["second"][indices] = rows.times_s
    sites["signal_id"][indices] = rows.signal_ids
    sites["curve_version"][indices] = rows.curve_versions
    sites["sequence"][indices] = rows.sequences
    sites["received_ns"][indices] = received.monotonic_ns
    sites["heard"][indices] = True
    fleet._resource_rows(indices, rows)


def resource_sites(fleet: Fleet) -> IntArray:
    """Index of the site of every resource row, shape (r,); -1 for a row not in use."""
    return np.asarray(frozen_copy(fleet._resources["site_index"]), dtype=np.int64)


def resources_of_rows(fleet: Fleet) -> tuple[int, tuple[Resource | None, ...]]:
    """Return how often a layout has changed, and the resource of every row, None for no use."""
    return fleet._layout_changes, tuple(fleet._resource_of)


def copy_resources(fleet: Fleet, into: Mapping[str, FloatArray]) -> None:
    """Copy resource columns into arrays that are there, each as long as there are rows."""
    for name, array in into.items():
        np.copyto(array, fleet._resources[name])
