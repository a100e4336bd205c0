"""Rows of the telemetry as they wait for a flush, and as the table of a segment.

A batch is what came in one message or in many at once; a segment's table is made of all
batches by columns. Pure; called by :mod:`cloud_coordinator.store.telemetry` alone.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloud_coordinator.store.segments import ORDER, SCHEMA
from protocols.link.messages import RESOURCE_COLUMNS, SITE_COLUMNS
from protocols.vocabulary.arrays import IntArray
from protocols.vocabulary.identifiers import PARTITIONS, JournalId, SiteId, partition_of

_SITE_VALUES: Final = len(SITE_COLUMNS)
_PER_RESOURCE: Final = len(RESOURCE_COLUMNS)
_LISTS: Final = (
    "resource_power_w",
    "resource_setpoint_w",
    "resource_soc",
    "resource_quality",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows as they wait in the buffer: runs of consecutive rows, of one site each.

    All messages of a batch have rows of one width; ``counts`` says how many rows each run has.
    """

    site_ids: list[SiteId]
    journal_ids: list[JournalId]
    first_sequences: IntArray
    counts: IntArray
    layout_versions: IntArray
    received_ms: int
    times_s: IntArray
    signal_ids: IntArray
    values: npt.NDArray[np.float32]

    def of_group(self, group: int, partitions: int) -> "Batch | None":
        """Keep the runs of one group of partitions; None if there are none."""
        if partitions == PARTITIONS:
            return self
        mine = np.array(
            [partition_of(site_id) // partitions == group for site_id in self.site_ids],
            dtype=np.bool_,
        )
        if not mine.any():
            return None
        runs, rows = np.flatnonzero(mine).tolist(), np.repeat(mine, self.counts)
        return Batch(
            site_ids=[self.site_ids[run] for run in runs],
            journal_ids=[self.journal_ids[run] for run in runs],
            first_sequences=self.first_sequences[mine],
            counts=self.counts[mine],
            layout_versions=self.layout_versions[mine],
            received_ms=self.received_ms,
            times_s=self.times_s[rows],
            signal_ids=self.signal_ids[rows],
            values=self.values[rows],
        )


def table_of(batches: list[Batch]) -> pa.Table:
    """Columns of many messages at once, sorted by site, journal, sequence."""
    by_width: dict[int, list[Batch]] = {}
    for batch in batches:
        by_width.setdefault(batch.values.shape[1], []).append(batch)
    tables = [_columns(some) for some in by_width.values()]
    return pa.concat_tables(tables).sort_by(list(ORDER))


def _columns(batches: list[Batch]) -> pa.Table:
    """Columns of messages that have the same number of resources."""
    counts = np.concatenate([batch.counts for batch in batches])
    values = np.concatenate([batch.values for batch in batches])
    rows, resources = len(values), (values.shape[1] - _SITE_VALUES) // _PER_RESOURCE
    ends = np.cumsum(counts)
    firsts = np.concatenate([batch.first_sequences for batch in batches])
    sequences = np.arange(rows) - np.repeat(ends - counts - firsts, counts)
    received_ms = np.repeat(
        np.array([batch.received_ms for batch in batches], dtype=np.int64),
        [len(batch.times_s) for batch in batches],
    )

    def text(items: list[str]) -> pa.Array:
        return pa.array(items).take(pa.array(np.repeat(np.arange(len(items)), counts)))

    layouts = np.concatenate([batch.layout_versions for batch in batches])
    columns = [
        text([site_id for batch in batches for site_id in batch.site_ids]),
        text([journal_id for batch in batches for journal_id in batch.journal_ids]),
        pa.array(sequences.astype(np.int64)),
        pa.array(np.concatenate([batch.times_s for batch in batches]).astype(np.int64)),
        pa.array(np.concatenate([batch.signal_ids for batch in batches]).astype(np.int64)),
        pa.array(np.repeat(layouts, counts).astype(np.int32)),
        pa.array(received_ms),
    ]
    columns += [pa.array(np.ascontiguousarray(values[:, i])) for i in range(_SITE_VALUES)]
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * np.int32(resources))
    for index in range(len(_LISTS)):
        block = np.ascontiguousarray(values[:, _SITE_VALUES + index :: _PER_RESOURCE])
        columns.append(pa.ListArray.from_arrays(offsets, pa.array(block.ravel())))
    return pa.table(columns, schema=SCHEMA)
