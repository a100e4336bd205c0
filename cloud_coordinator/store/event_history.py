"""What an event left in the store, for learning: rows with their resources, and the signals.

Read in batches of sites from worker threads; the lists of resource values come as arrow
columns and are reshaped, never looped over.
"""

import itertools
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy import select

from cloud_coordinator.services.learning_ports import LearningPorts, SentSignals, SiteRows
from cloud_coordinator.store import tables
from cloud_coordinator.store.database import Database
from cloud_coordinator.store.history import History
from cloud_coordinator.store.packing import unpack_layout
from cloud_coordinator.store.registry import Registry
from protocols.link.messages import Layout
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.identifiers import ObligationId, SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.measurement import Quality

_ROWS: Final = """
SELECT s.position AS position, t.journal_id AS journal_id, t.layout_version AS version,
       t.time_s AS time_s, t.meter_w AS meter_w, t.quality AS quality,
       t.resource_power_w AS power_w, t.resource_setpoint_w AS setpoint_w,
       t.resource_soc AS soc, t.resource_quality AS resource_quality
FROM read_parquet(?) AS t
JOIN (SELECT unnest(?) AS site_id, unnest(?) AS position) AS s USING (site_id)
WHERE t.time_s >= ? AND t.time_s < ?
QUALIFY row_number() OVER (
    PARTITION BY t.site_id, t.time_s ORDER BY t.received_ms, t.journal_id, t.sequence) = 1
ORDER BY s.position, t.time_s
"""
_LISTS: Final = ("power_w", "setpoint_w", "soc", "resource_quality")
_LayoutKey = tuple[str, str, int]


class StoredEvents:
    """The event history of the embedded store.

    Parameters
    ----------
    history : History
        The telemetry.
    database : Database
        The registry: layouts and signals.
    """

    def __init__(self, history: History, database: Database) -> None:
        self._history = history
        self._database = database

    def rows(self, sites: Sequence[SiteId], interval: Interval) -> Sequence[SiteRows]:
        """Rows with ``start <= second < end``; a site without rows or layout is left out.

        Of a site whose layout changed in that time, the rows of the later layout.

        Raises
        ------
        StoreError
            If the store cannot be read.
        """
        start_s, end_s = int(interval.start.timestamp()), int(interval.end.timestamp())
        parameters = (list(sites), list(range(len(sites))), start_s, end_s)
        table = self._history.table(_ROWS, parameters, sites=sites, span=interval)
        if table is None or table.num_rows == 0:
            return []
        layouts = self._layouts(sites)
        position = _numbers(table, "position").astype(np.int64)
        edges = np.flatnonzero(np.diff(position)) + 1
        bounds = [0, *edges.tolist(), len(position)]
        found = []
        for first, end in itertools.pairwise(bounds):
            part = table.slice(first, end - first)
            one = _site_rows(sites[int(position[first])], part, layouts)
            if one is not None:
                found.append(one)
        return found

    def signals(self, obligation_id: ObligationId) -> SentSignals:
        """All signals that were sent for an award.

        Raises
        ------
        StoreError
            If the database refuses.
        """
        table = tables.dispatches
        query = (
            select(table.c.sent_at, table.c.multiplier)
            .where(table.c.obligation_id == obligation_id)
            .order_by(table.c.sent_at, table.c.number)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return SentSignals(
            sent_s=np.array([row.sent_at.timestamp() for row in rows], dtype=np.float64),
            multiplier=np.array([row.multiplier for row in rows], dtype=np.float64),
        )

    def _layouts(self, sites: Sequence[SiteId]) -> dict[_LayoutKey, Layout]:
        query = select(tables.layouts).where(tables.layouts.c.site_id.in_(list(sites)))
        with self._database.reading() as connection:
            return {
                (row["site_id"], row["journal_id"], int(row["version"])): unpack_layout(
                    row["layout"]
                )
                for row in connection.execute(query).mappings()
            }


def learning_ports(registry: Registry, history: History) -> LearningPorts:
    """Give learning its stores."""
    return LearningPorts(
        history=StoredEvents(history, registry.database),
        learned=registry.learned,
        totals=registry.totals,
    )


def _site_rows(
    site_id: SiteId, table: pa.Table, layouts: dict[_LayoutKey, Layout]
) -> SiteRows | None:
    """Rows of one site in the layout of its last row."""
    journals = np.asarray(table.column("journal_id").to_pylist(), dtype=np.str_)
    versions = _numbers(table, "version").astype(np.int64)
    layout = layouts.get((site_id, str(journals[-1]), int(versions[-1])))
    if layout is None:
        return None
    alike = (journals == journals[-1]) & (versions == versions[-1])
    table = table.filter(pa.array(alike))
    count, width = table.num_rows, len(layout.resources)
    lists = {name: _matrix(table, name, shape=(count, width)) for name in _LISTS}
    return SiteRows(
        site_id=site_id,
        layout=layout,
        second=_numbers(table, "time_s").astype(np.int64),
        meter_w=_numbers(table, "meter_w"),
        quality=_qualities(_numbers(table, "quality")),
        power_w=lists["power_w"],
        setpoint_w=lists["setpoint_w"],
        soc=lists["soc"],
        resource_quality=_qualities(lists["resource_quality"]),
    )


def _numbers(table: pa.Table, name: str) -> FloatArray:
    values: npt.NDArray[Any] = table.column(name).to_numpy()
    return np.asarray(values, dtype=np.float64)


def _matrix(table: pa.Table, name: str, *, shape: tuple[int, int]) -> FloatArray:
    """Reshape a column of lists of one length."""
    flat = [chunk.flatten() for chunk in table.column(name).chunks]
    if sum(len(chunk) for chunk in flat) != shape[0] * shape[1]:
        raise StoreError(f"telemetry history: a row of {name} does not fit its layout")
    values = [chunk.to_numpy(zero_copy_only=False) for chunk in flat]
    joined = np.concatenate(values) if values else np.empty(0)
    return np.asarray(joined, dtype=np.float64).reshape(shape)


def _qualities(values: FloatArray) -> npt.NDArray[np.int8]:
    known = np.isin(values, [int(one) for one in Quality])
    return np.where(known, values, int(Quality.BAD)).astype(np.int8)
