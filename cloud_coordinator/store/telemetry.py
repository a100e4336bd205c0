"""The writer of the telemetry history: a buffer, made durable as one segment per flush.

A flush writes one file per group of partitions, so all rows of a site become durable together
or not at all, with one fsync. Small segments are merged later (twelve flushes, then sixty of
those, ...), each time with one rename, so a kill at any moment neither loses nor doubles a row.
The link's gateway appends from the event loop; flush and merge run in a worker thread.
Durability is what the segments' own footers say; the SQL watermark is a cache for journals
whose segments are gone.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import structlog

from cloud_coordinator.store.batches import Batch, table_of
from cloud_coordinator.store.catalog import Catalog, JournalKey
from cloud_coordinator.store.segments import (
    MINUTE_MAX,
    ORDER,
    Segment,
    SegmentName,
    read_rows,
)
from protocols.link.messages import Telemetry
from protocols.link.telemetry import RowBlock
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.identifiers import PARTITIONS, SiteId
from protocols.vocabulary.intervals import Clock

BUFFER_ROWS_MAX: Final = 500_000
"""Rows that may wait for a flush; beyond it the gateway takes nothing and sites keep theirs."""
MERGE_FAN_IN: Final = (12, 60, 24)
"""How many segments of level 0, 1, 2 become one of the next level: minutes, hours, days."""
MERGE_ROWS_MAX: Final = 500_000


_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """Where the history is and how it is cut.

    Attributes
    ----------
    root : Path
        Its directory.
    partitions_per_segment : int
        1..64. 64 writes one file per flush and minute, which suits one machine; 1 writes a
        file per partition, which suits coordinators that share an object store.
    buffer_rows_max : int
        Named limit of the buffer.
    merge_fan_in : tuple of int
        Segments of level 0, 1, ... that become one of the next.
    merge_rows_max : int
        Rows of the largest merged segment.
    """

    root: Path
    partitions_per_segment: int = PARTITIONS
    buffer_rows_max: int = BUFFER_ROWS_MAX
    merge_fan_in: tuple[int, ...] = MERGE_FAN_IN
    merge_rows_max: int = MERGE_ROWS_MAX


class TelemetryStore:
    """Appends rows to the history and knows what of it is durable.

    Parameters
    ----------
    settings : TelemetrySettings
        Directory and cut.
    clock : Clock
        For the receipt time of rows.
    cached : mapping of (SiteId, JournalId) to int
        Durable sequences a database remembers; they only count for journals and sequences
        that no segment knows better.

    Attributes
    ----------
    catalog : Catalog
        The segments; readers take it from here.
    overlaps : int
        Rows that were appended though the history had them, and dropped.
    """

    def __init__(
        self,
        settings: TelemetrySettings,
        clock: Clock,
        cached: Mapping[JournalKey, int] | None = None,
    ) -> None:
        assert 1 <= settings.partitions_per_segment <= PARTITIONS, "partitions per segment"
        self.catalog = Catalog(settings.root)
        for cause in self.catalog.report.corrupt:
            _log.error("segment.damaged", cause=cause)
        self.overlaps = 0
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._buffer: list[Batch] = []
        self._rows = 0
        self._durable: dict[JournalKey, int] = dict(cached or {})
        for key, sequence in self.catalog.watermarks().items():
            self._durable[key] = max(sequence, self._durable.get(key, 0))
        self._received = dict(self._durable)

    @property
    def full(self) -> bool:
        """Whether the buffer takes no more rows until a flush succeeds."""
        return self._rows >= self._settings.buffer_rows_max

    def append(self, site_id: SiteId, telemetry: Telemetry) -> None:
        """Queue rows that continue the journal's stored sequence; not durable yet.

        Rows the history has are dropped and counted: whatever the caller does, a sequence is
        stored once. A gap is taken as it comes (the journal lost those rows) and stays visible
        in the accounts.

        Raises
        ------
        StoreError
            If the buffer is full.
        """
        if self.full:
            message = f"telemetry buffer holds {self._rows} rows that the disk does not take"
            raise StoreError(message)
        key = (site_id, telemetry.journal_id)
        known = self._received.get(key, 0)
        skip = max(0, known + 1 - telemetry.first_sequence)
        rows = len(telemetry.times_s) - skip
        self.overlaps += min(skip, len(telemetry.times_s))
        if rows <= 0:
            return
        first = telemetry.first_sequence + skip
        batch = Batch(
            site_ids=[site_id],
            journal_ids=[telemetry.journal_id],
            first_sequences=np.array([first]),
            counts=np.array([rows]),
            layout_versions=np.array([telemetry.layout_version]),
            received_ms=int(self._clock.now().timestamp() * 1000),
            times_s=telemetry.times_s[skip:],
            signal_ids=telemetry.signal_ids[skip:],
            values=telemetry.values[skip:],
        )
        with self._lock:
            self._received[key] = first + rows - 1
            self._buffer.append(batch)
            self._rows += rows

    def append_rows(self, sites: Sequence[SiteId], block: RowBlock) -> None:
        """Queue one row of each of many sites, as :meth:`append` does; each site once.

        Raises
        ------
        StoreError
            If the buffer is full.
        """
        keys = list(zip(sites, block.journal_ids, strict=True))
        sequences = block.sequences.tolist()
        received = self._received
        next_ones = [
            received.get(key, 0) + 1 == sequence
            for key, sequence in zip(keys, sequences, strict=True)
        ]
        rows = [row for row, good in enumerate(next_ones) if good]
        for row, good in enumerate(next_ones):
            if not good:
                self.append(sites[row], block.message(row))
        if not rows:
            return
        chosen = block.only(rows)
        batch = Batch(
            site_ids=[sites[row] for row in rows],
            journal_ids=chosen.journal_ids,
            first_sequences=chosen.sequences,
            counts=np.ones(len(rows), dtype=np.int64),
            layout_versions=chosen.layout_versions,
            received_ms=int(self._clock.now().timestamp() * 1000),
            times_s=chosen.times_s,
            signal_ids=chosen.signal_ids,
            values=chosen.values,
        )
        with self._lock:
            for row in rows:
                received[keys[row]] = sequences[row]
            self._buffer.append(batch)
            self._rows += len(rows)

    def flush(self) -> None:
        """Make everything appended so far durable; on return it may be acknowledged.

        Raises
        ------
        StoreError
            If the disk refuses; the rows stay in the buffer and the next flush tries again.
        """
        with self._writing:
            with self._lock:
                batches, self._buffer = self._buffer, []
            groups = self._grouped(batches)
            while groups:
                group, waiting = groups.popitem()
                try:
                    self._write(group, waiting)
                except OSError as error:
                    groups[group] = waiting
                    with self._lock:
                        left = [batch for some in groups.values() for batch in some]
                        self._buffer = left + self._buffer
                    message = f"{self._settings.root}: {error.strerror or error}"
                    raise StoreError(message) from error

    def durable(self) -> Mapping[JournalKey, int]:
        """Highest durable sequence per journal."""
        with self._lock:
            return dict(self._durable)

    def received(self) -> Mapping[JournalKey, int]:
        """Highest appended sequence per journal."""
        with self._lock:
            return dict(self._received)

    def compact(self) -> int:
        """Merge small segments; bounded work, to be called after a flush.

        Returns
        -------
        int
            Segments that were replaced.

        Raises
        ------
        StoreError
            If the disk refuses or a segment is damaged; a damaged one is kept aside.
        """
        with self._writing:
            merged = 0
            for level in range(len(self._settings.merge_fan_in)):
                merged += self._merge_level(level)
            return merged

    def _grouped(self, batches: list[Batch]) -> dict[int, list[Batch]]:
        """Part the runs by group of partitions; each group becomes a file."""
        size = self._settings.partitions_per_segment
        groups: dict[int, list[Batch]] = {}
        for batch in batches:
            for group in range((PARTITIONS + size - 1) // size):
                part = batch.of_group(group, size)
                if part is not None:
                    groups.setdefault(group, []).append(part)
        return groups

    def _write(self, group: int, batches: list[Batch]) -> None:
        table = table_of(batches)
        self.catalog.add(self._name(group, table, level=0), table)
        with self._lock:
            for batch in batches:
                last = (batch.first_sequences + batch.counts - 1).tolist()
                keys = zip(batch.site_ids, batch.journal_ids, strict=True)
                self._durable.update(zip(keys, last, strict=True))
                self._rows -= len(batch.times_s)

    def _merge_level(self, level: int) -> int:
        groups: dict[int, list[Segment]] = {}
        fan_in, rows_max = self._settings.merge_fan_in[level], self._settings.merge_rows_max
        for segment in self.catalog.segments():
            if segment.name.level == level and segment.rows < rows_max:
                groups.setdefault(segment.name.first_partition, []).append(segment)
        merged = 0
        for first_partition, segments in groups.items():
            inputs = _affordable(segments[:fan_in], rows_max)
            if len(segments) < fan_in or not inputs:
                continue
            group = first_partition // self._settings.partitions_per_segment
            self._merge(group, level + 1, inputs)
            merged += len(inputs)
        return merged

    def _merge(self, group: int, level: int, inputs: list[Segment]) -> None:
        tables = []
        for segment in inputs:
            try:
                tables.append(read_rows(self.catalog.root, [segment.name]))
            except StoreError:
                self.catalog.set_aside(segment.name)
                raise
        table = pa.concat_tables(tables).sort_by(list(ORDER))
        try:
            self.catalog.replace(inputs, self._name(group, table, level=level), table)
        except OSError as error:
            message = f"{self._settings.root}: {error.strerror or error}"
            raise StoreError(message) from error

    def _name(self, group: int, table: pa.Table, *, level: int) -> SegmentName:
        minutes = np.asarray(table.column("time_s")) // 60
        first_partition = group * self._settings.partitions_per_segment
        last_partition = first_partition + self._settings.partitions_per_segment - 1
        return SegmentName(
            first_minute=min(max(int(minutes.min()), 0), MINUTE_MAX),
            last_minute=min(max(int(minutes.max()), 0), MINUTE_MAX),
            first_partition=first_partition,
            last_partition=min(last_partition, PARTITIONS - 1),
            level=level,
            number=self.catalog.next_number(),
        )


def _affordable(segments: list[Segment], rows_max: int) -> list[Segment]:
    """Return neighbours, two at least, whose rows fit into one merged segment; or nothing."""
    chosen: list[Segment] = []
    rows = 0
    for segment in segments:
        if rows + segment.rows > rows_max:
            if len(chosen) > 1:
                break
            chosen, rows = [], 0
        chosen.append(segment)
        rows += segment.rows
    return chosen if len(chosen) > 1 else []
