"""The reader of the telemetry history: DuckDB over the segments' files.

Only files whose name overlaps the asked minutes and partitions are opened; inside them DuckDB
skips row groups by their statistics, as the rows are sorted by site. Called by the services
through their port, from worker threads; each call has its own cursor.
"""

import contextlib
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import structlog

from cloud_coordinator.services.records import SiteSeconds, StreamAccount
from cloud_coordinator.store.catalog import JournalKey
from cloud_coordinator.store.segments import SegmentName, read_rows
from cloud_coordinator.store.telemetry import TelemetryStore
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.identifiers import JournalId, SiteId, partition_of
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.measurement import Quality

THREADS: Final = 2
MEMORY_LIMIT: Final = "1GB"
UNKNOWN_MODE: Final = -1
_INT8_LIMIT: Final = 128

_Columns = dict[str, npt.NDArray[Any]]

_log = structlog.get_logger(__name__)

_SITE_SECONDS = """
SELECT s.position AS position, t.time_s, t.signal_id, t.meter_w, t.baseline_w, t.share_w,
       t.mode, t.quality
FROM read_parquet(?) AS t
JOIN (SELECT unnest(?) AS site_id, unnest(?) AS position) AS s USING (site_id)
WHERE t.time_s >= ? AND t.time_s < ?
QUALIFY row_number() OVER (
    PARTITION BY t.site_id, t.time_s ORDER BY t.received_ms, t.journal_id, t.sequence) = 1
ORDER BY t.time_s, s.position
"""
_RESOURCE_SECONDS = """
SELECT t.time_s, t.resource_power_w[p.position] AS power_w,
       t.resource_setpoint_w[p.position] AS setpoint_w, t.resource_soc[p.position] AS soc,
       t.resource_quality[p.position] AS quality
FROM read_parquet(?) AS t
JOIN (SELECT unnest(?) AS journal_id, unnest(?) AS layout_version, unnest(?) AS position) AS p
    USING (journal_id, layout_version)
WHERE t.site_id = ? AND t.time_s >= ? AND t.time_s < ?
QUALIFY row_number() OVER (
    PARTITION BY t.time_s ORDER BY t.received_ms, t.journal_id, t.sequence) = 1
ORDER BY t.time_s
"""
_ACCOUNTS = """
SELECT site_id, journal_id, count(*) AS n, count(DISTINCT sequence) AS different,
       min(sequence) AS a, max(sequence) AS b
FROM read_parquet(?) GROUP BY site_id, journal_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSeconds:
    """Stored values of one resource, one row per second, sorted.

    Attributes
    ----------
    second : IntArray
        Shape (n,), Unix time.
    power_w, setpoint_w, soc : FloatArray
        Shape (n,), W in generator frame, soc 0..1; NaN where there was no number.
    quality : ndarray of int8
        Shape (n,), :class:`protocols.vocabulary.measurement.Quality`.
    """

    second: IntArray
    power_w: FloatArray
    setpoint_w: FloatArray
    soc: FloatArray
    quality: npt.NDArray[np.int8]


class History:
    """Reads what :class:`~cloud_coordinator.store.telemetry.TelemetryStore` made durable.

    Parameters
    ----------
    store : TelemetryStore
        Whose segments and progress are read.
    """

    def __init__(self, store: TelemetryStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._database = duckdb.connect(":memory:")
        self._database.execute(f"SET threads = {THREADS}")
        self._database.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")

    def close(self) -> None:
        """Free DuckDB's memory."""
        self._database.close()

    def site_seconds(self, sites: Sequence[SiteId], interval: Interval) -> SiteSeconds:
        """Rows with ``start <= second < end``, each (site, second) once.

        Where a site's clock stepped back and a second was recorded twice, the row that was
        received first counts, so a statement never changes afterwards.

        Parameters
        ----------
        sites : sequence of SiteId
            Whose rows; none means none.
        interval : Interval
            When.

        Raises
        ------
        StoreError
            If a segment cannot be read.
        """
        start_s, end_s = _seconds(interval)
        partitions = {partition_of(site) for site in sites}
        columns = self._columns(
            _SITE_SECONDS,
            (list(sites), list(range(len(sites))), start_s, end_s),
            lambda name: _holds(name, partitions, start_s=start_s, end_s=end_s),
        )
        return SiteSeconds(
            sites=tuple(sites),
            site_index=_integers(columns, "position"),
            second=_integers(columns, "time_s"),
            signal_id=_integers(columns, "signal_id"),
            meter_w=_floats(columns, "meter_w"),
            baseline_w=_floats(columns, "baseline_w"),
            share_w=_floats(columns, "share_w"),
            mode=_small(columns, "mode", UNKNOWN_MODE),
            quality=_small(columns, "quality", Quality.BAD),
        )

    def resource_seconds(
        self,
        site_id: SiteId,
        positions: Mapping[tuple[JournalId, int], int],
        interval: Interval,
    ) -> ResourceSeconds:
        """Rows of one resource with ``start <= second < end``.

        Parameters
        ----------
        site_id : SiteId
            Where the resource is.
        positions : mapping of (JournalId, int) to int
            0-based place of the resource in each layout version of each journal.
        interval : Interval
            When.

        Raises
        ------
        StoreError
            If a segment cannot be read.
        """
        start_s, end_s = _seconds(interval)
        partitions = {partition_of(site_id)}
        columns = self._columns(
            _RESOURCE_SECONDS,
            (
                [journal for journal, _ in positions],
                [version for _, version in positions],
                [position + 1 for position in positions.values()],
                site_id,
                start_s,
                end_s,
            ),
            lambda name: _holds(name, partitions, start_s=start_s, end_s=end_s),
        )
        return ResourceSeconds(
            second=_integers(columns, "time_s"),
            power_w=_floats(columns, "power_w"),
            setpoint_w=_floats(columns, "setpoint_w"),
            soc=_floats(columns, "soc"),
            quality=_small(columns, "quality", Quality.BAD),
        )

    def table(
        self, query: str, parameters: tuple[object, ...], *, sites: Sequence[SiteId], span: Interval
    ) -> pa.Table | None:
        """Answer another reader's query over the segments that can hold some seconds.

        Parameters
        ----------
        query : str
            SQL; its first parameter is the list of files.
        parameters : tuple
            The others.
        sites, span : sequence of SiteId, Interval
            Whose rows of when.

        Returns
        -------
        pyarrow.Table or None
            None if there is no segment.

        Raises
        ------
        StoreError
            If a segment cannot be read.
        """
        start_s, end_s = _seconds(span)
        partitions = {partition_of(site) for site in sites}
        with self._store.catalog.reading() as segments:
            names = [segment.name for segment in segments]
            names = [one for one in names if _holds(one, partitions, start_s=start_s, end_s=end_s)]
            if not names:
                return None
            files = [str(self._store.catalog.root / name.path) for name in names]
            with self._lock:
                cursor = self._database.cursor()
            try:
                with contextlib.closing(cursor):
                    return cursor.sql(query, params=[files, *parameters]).to_arrow_table()
            except duckdb.Error as error:
                message = f"telemetry history: {str(error).splitlines()[0]}"
                raise StoreError(message) from error

    def accounts(self) -> list[StreamAccount]:
        """Per site and journal, by site: counted in the stored rows themselves."""
        received, durable = self._store.received(), self._store.durable()
        columns = self._columns(_ACCOUNTS, (), lambda _: True)
        counted: dict[JournalKey, tuple[int, int, int, int]] = {}
        numbers = [_integers(columns, name).tolist() for name in ("n", "different", "a", "b")]
        names = [columns.get(name, np.empty(0)) for name in ("site_id", "journal_id")]
        for site, journal, rows, distinct, first, last in zip(*names, *numbers, strict=True):
            counted[SiteId(site), JournalId(journal)] = rows, distinct, first, last
        accounts = []
        for key in sorted(set(counted) | set(received)):
            rows, distinct, first, last = counted.get(key, (0, 0, 0, 0))
            accounts.append(
                StreamAccount(
                    site_id=key[0],
                    journal_id=key[1],
                    rows=rows,
                    distinct=distinct,
                    first_sequence=first,
                    last_sequence=last,
                    received=received.get(key, 0),
                    durable=durable.get(key, 0),
                )
            )
        return accounts

    def _columns(
        self, query: str, parameters: tuple[object, ...], wanted: Callable[[SegmentName], bool]
    ) -> _Columns:
        """Run a query; a damaged segment is kept aside and the query asked once more."""
        with self._store.catalog.reading() as segments:
            chosen = [segment.name for segment in segments if wanted(segment.name)]
            try:
                return self._execute(query, parameters, chosen)
            except duckdb.Error as error:
                whole = [name for name in chosen if self._is_whole(name)]
                if len(whole) == len(chosen):
                    message = f"telemetry history: {str(error).splitlines()[0]}"
                    raise StoreError(message) from error
            try:
                return self._execute(query, parameters, whole)
            except duckdb.Error as error:
                message = f"telemetry history: {str(error).splitlines()[0]}"
                raise StoreError(message) from error

    def _execute(
        self, query: str, parameters: tuple[object, ...], names: list[SegmentName]
    ) -> _Columns:
        if not names:
            return {}
        files = [str(self._store.catalog.root / name.path) for name in names]
        with self._lock:
            cursor = self._database.cursor()
        with contextlib.closing(cursor):
            columns: _Columns = cursor.execute(query, [files, *parameters]).fetchnumpy()
        return columns

    def _is_whole(self, name: SegmentName) -> bool:
        try:
            read_rows(self._store.catalog.root, [name])
        except StoreError as error:
            self._store.catalog.set_aside(name)
            _log.error("segment.damaged", cause=str(error))
            return False
        return True


def _seconds(interval: Interval) -> tuple[int, int]:
    """Whole seconds of a half-open interval: start <= second < end."""
    return math.ceil(interval.start.timestamp()), math.ceil(interval.end.timestamp())


def _holds(name: SegmentName, partitions: set[int], *, start_s: int, end_s: int) -> bool:
    """Whether a segment can hold rows of these seconds and partitions."""
    if name.last_minute < start_s // 60 or name.first_minute > (end_s - 1) // 60:
        return False
    return any(name.first_partition <= part <= name.last_partition for part in partitions)


def _integers(columns: _Columns, name: str) -> IntArray:
    return np.asarray(columns.get(name, np.empty(0)), dtype=np.int64)


def _floats(columns: _Columns, name: str) -> FloatArray:
    values = np.ma.filled(columns.get(name, np.empty(0)), np.nan)
    return np.asarray(values, dtype=np.float64)


def _small(columns: _Columns, name: str, unknown: int) -> npt.NDArray[np.int8]:
    values = _floats(columns, name)
    known = np.isfinite(values) & (np.abs(values) < _INT8_LIMIT)
    return np.where(known, values, unknown).astype(np.int8)
