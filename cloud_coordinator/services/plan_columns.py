"""What layouts say of every resource, as columns; made off the request where much has changed.

A fleet of 100,000 that has just joined takes half a second to lay out. So that is done on a
thread of its own, a few thousand rows at a time, begun by the coordinator's tick; a request lays
out no more than :data:`ROWS_AT_ONCE` itself and is refused while more is missing. Only rows
whose resource changed are laid out again.
"""

import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from cloud_coordinator.fleet.characteristics import Characteristics
from cloud_coordinator.services.errors import StaleError
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

ROWS_AT_ONCE: Final = 3_000
"""Rows that a request lays out itself: some 15 ms."""
CHUNK_ROWS: Final = 2_000
PAUSE_S: Final = 0.001
"""Between two chunks other threads go on."""
SET_POWER: Final = "set_power"
LIMIT_POWER: Final = "limit_power"
EFFICIENCY_MIN: Final = 1e-3
_LOADS: Final = frozenset({ResourceKind.LOAD, ResourceKind.HEAT_PUMP, ResourceKind.EV_CHARGER})
_KINDS: Final = {"": 0} | {kind.value: at for at, kind in enumerate(ResourceKind, start=1)}
_LIMITS: Final = ("power_w_min", "power_w_max", "ramp_w_per_s", "soc_min", "soc_max")
_ENERGY: Final = ("out_wh", "room_wh")

_Kind = TypeVar("_Kind", bound=np.generic)

Mask = npt.NDArray[np.bool_]
Rows = tuple[Resource | None, ...]


class Answering(Protocol):
    """How resources were found to answer, or what is assumed of their kinds."""

    @property
    def version(self) -> int:
        """Changes when more was learned."""
        ...

    def of_resources(self, resources: Sequence[Resource]) -> Characteristics:
        """One row for each; called from a worker thread."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Static:
    """What layouts say of every row, shape (r,); never changed, replaced by a newer one.

    Attributes
    ----------
    changes, version : int
        Layout changes seen, and of what was learned.
    resources : tuple of Resource or None
        Of every row.
    quoted_id, command : list of str
        Id as JSON text, and command type; "" for a row that is not in use.
    kind_code : IntArray
        Place of the kind, 0 for a row that is not in use; see :meth:`code_of`.
    is_commanded, is_load, is_pv, is_store : ndarray of bool
        What each is.
    columns : mapping of str to FloatArray
        Limits; ``out_wh`` and ``room_wh``, what a full storage gives and an empty one takes at
        its terminals, are NaN without storage.
    reliability, gain, wear_jpy_per_kwh : FloatArray
        How each answers, and what a kWh of it costs in wear.
    """

    changes: int
    version: int
    resources: Rows
    quoted_id: list[str]
    command: list[str]
    kind_code: IntArray
    is_commanded: Mask
    is_load: Mask
    is_pv: Mask
    is_store: Mask
    columns: dict[str, FloatArray]
    reliability: FloatArray
    gain: FloatArray
    wear_jpy_per_kwh: FloatArray

    @property
    def kinds(self) -> int:
        """How many places of kinds there are."""
        return len(_KINDS)

    def code_of(self, kind: str) -> int:
        """Place of a kind."""
        return _KINDS[kind]

    def changed(self, resources: Rows) -> list[int]:
        """Rows that hold another resource now."""
        pairs = zip(self.resources, resources, strict=False)
        found = [row for row, (old, new) in enumerate(pairs) if old is not new]
        return found + list(range(len(self.resources), len(resources)))


NOTHING: Final = Static(
    changes=-1,
    version=-1,
    resources=(),
    quoted_id=[],
    command=[],
    kind_code=np.empty(0, dtype=np.int64),
    is_commanded=np.empty(0, dtype=np.bool_),
    is_load=np.empty(0, dtype=np.bool_),
    is_pv=np.empty(0, dtype=np.bool_),
    is_store=np.empty(0, dtype=np.bool_),
    columns={name: np.empty(0) for name in (*_LIMITS, *_ENERGY)},
    reliability=np.empty(0),
    gain=np.empty(0),
    wear_jpy_per_kwh=np.empty(0),
)


class PlanColumns:
    """Keeps the columns; :meth:`prepare` where the fleet is changed, :meth:`of` on any thread.

    Parameters
    ----------
    answering : Answering
        How resources answer.
    """

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._lock = threading.Lock()
        self._latest = NOTHING
        self._done_rows = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="plan-columns")
        self._work: Future[None] | None = None

    def prepare(self, changes: int, resources: Rows) -> bool:
        """Begin to lay out what has changed; return whether nothing has.

        Parameters
        ----------
        changes : int
            Layout changes seen.
        resources : tuple of Resource or None
            Of every row.
        """
        latest, version = self._latest, self._answering.version
        if latest.changes == changes and latest.version == version:
            return True
        if self._work is not None:
            if not self._work.done():
                return False
            self._work.result()
        self._work = self._thread.submit(self._renew, changes, resources)
        return False

    def of(self, changes: int, resources: Rows) -> Static:
        """Return the columns of a layout.

        Raises
        ------
        StaleError
            If too much of it is still to be laid out.
        """
        latest = self._latest
        if latest.changes == changes:
            return latest
        rows = latest.changed(resources)
        if len(rows) > ROWS_AT_ONCE:
            raise StaleError(
                f"{len(rows):,} of {len(resources):,} resources are new and are being laid out, "
                f"{self._done_rows:,} are done; ask again in a second"
            )
        renewed = _copied(latest, resources, changes=changes, version=latest.version)
        self._lay_out(renewed, rows)
        self._take(renewed)
        return renewed

    def _renew(self, changes: int, resources: Rows) -> None:
        """Lay out what changed; everything, if more was learned."""
        version = self._answering.version
        old = self._latest if self._latest.version == version else NOTHING
        after = _copied(old, resources, changes=changes, version=version)
        rows, self._done_rows = old.changed(resources), 0
        for first in range(0, len(rows), CHUNK_ROWS):
            self._lay_out(after, rows[first : first + CHUNK_ROWS])
            self._done_rows = min(first + CHUNK_ROWS, len(rows))
            time.sleep(PAUSE_S)
        self._take(after)

    def _lay_out(self, static: Static, rows: Sequence[int]) -> None:
        _lay_out(static, rows)
        used = [(row, one) for row in rows if (one := static.resources[row]) is not None]
        known = self._answering.of_resources([one for _, one in used])
        _answer(static, [row for row, _ in used], known)

    def _take(self, static: Static) -> None:
        with self._lock:
            if (static.changes, static.version) > (self._latest.changes, self._latest.version):
                self._latest = static


def _copied(old: Static, resources: Rows, *, changes: int, version: int) -> Static:
    """Copy the columns, as long as the fleet is now."""
    count = len(resources)
    more = [""] * max(count - len(old.quoted_id), 0)
    return Static(
        changes=changes,
        version=version,
        resources=resources,
        quoted_id=(old.quoted_id + more)[:count],
        command=(old.command + more)[:count],
        kind_code=_longer(old.kind_code, count),
        is_commanded=_longer(old.is_commanded, count),
        is_load=_longer(old.is_load, count),
        is_pv=_longer(old.is_pv, count),
        is_store=_longer(old.is_store, count),
        columns={name: _longer(column, count) for name, column in old.columns.items()},
        reliability=_longer(old.reliability, count),
        gain=_longer(old.gain, count),
        wear_jpy_per_kwh=_longer(old.wear_jpy_per_kwh, count),
    )


def _longer(column: npt.NDArray[_Kind], count: int) -> npt.NDArray[_Kind]:
    found, kept = np.zeros(count, dtype=column.dtype), min(len(column), count)
    found[:kept] = column[:kept]
    return found


def _lay_out(static: Static, rows: Sequence[int]) -> None:
    """Write what layouts say into some rows."""
    some = [static.resources[row] for row in rows]
    at = np.asarray(rows, dtype=np.int64)
    for row, one in zip(rows, some, strict=True):
        static.quoted_id[row] = "" if one is None else json.dumps(one.resource_id)
        static.command[row] = "" if one is None else _command(one)
    static.kind_code[at] = [0 if one is None else _KINDS[one.kind.value] for one in some]
    static.is_commanded[at] = [one is not None and _is_commanded(one) for one in some]
    static.is_load[at] = [one is not None and one.kind in _LOADS for one in some]
    static.is_pv[at] = [one is not None and one.kind is ResourceKind.PV for one in some]
    for name in _LIMITS:
        static.columns[name][at] = [0.0 if one is None else getattr(one, name) for one in some]
    capacity = np.array([0.0 if one is None else one.energy_wh_capacity for one in some])
    capacity = np.where(capacity > 0.0, capacity, np.nan)
    give = np.array([1.0 if one is None else one.efficiency_discharge for one in some])
    take = np.array([1.0 if one is None else one.efficiency_charge for one in some])
    static.columns["out_wh"][at] = capacity * give
    static.columns["room_wh"][at] = capacity / np.maximum(take, EFFICIENCY_MIN)
    static.is_store[at] = np.isfinite(capacity)


def _answer(static: Static, rows: Sequence[int], known: Characteristics) -> None:
    """Write how resources answer into some rows; learned efficiency replaces the nameplate's.

    What was learned is one number for both ways. It is shared as the nameplate shares it: each
    way is changed by the square root of learned over promised.
    """
    at = np.asarray(rows, dtype=np.int64)
    static.reliability[at] = known.reliability
    static.gain[at] = known.gain
    static.wear_jpy_per_kwh[at] = known.degradation_jpy_per_kwh
    seen = (known.events > 0) & np.isfinite(known.efficiency) & static.is_store[at]
    if not seen.any():
        return
    some = at[seen]
    give, take = static.columns["out_wh"][some], static.columns["room_wh"][some]
    factor = np.sqrt(known.efficiency[seen] / np.maximum(give / take, EFFICIENCY_MIN))
    static.columns["out_wh"][some] = give * factor
    static.columns["room_wh"][some] = take / np.maximum(factor, EFFICIENCY_MIN)


def _command(resource: Resource) -> str:
    return SET_POWER if Capability.TAKES_SETPOINT in resource.capabilities else LIMIT_POWER


def _is_commanded(resource: Resource) -> bool:
    able = {Capability.TAKES_SETPOINT, Capability.TAKES_LIMIT} & resource.capabilities
    return bool(able) and Capability.SUMS_OTHERS not in resource.capabilities
