"""One Parquet segment of the telemetry history: its name, its columns, its footer.

A segment is written whole, made durable and then given its name by one rename, so it is there
or it is not. Its name says which minutes and partitions it holds; its footer says which
sequences, and which older segments it replaces. What the set of segments means is
:mod:`cloud_coordinator.store.catalog`.

Resource values are lists within the site's row, not rows of their own: one row is one
sequence, so counting rows proves that nothing is lost or twice; the lists are the received
block cut by columns, without a copied id per value; and DuckDB reads only the list it is
asked for.
"""

import json
import os
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.identifiers import JournalId, SiteId

FOOTER_VERSION: Final = 1
ROW_GROUP_ROWS: Final = 16_384
MINUTE_MAX: Final = 253_402_300_799 // 60
"""The last minute of the year 9999; a site's wild clock is held inside it in names only."""

SCHEMA: Final = pa.schema(
    [
        ("site_id", pa.string()),
        ("journal_id", pa.string()),
        ("sequence", pa.int64()),
        ("time_s", pa.int64()),
        ("signal_id", pa.int64()),
        ("layout_version", pa.int32()),
        ("received_ms", pa.int64()),
        ("meter_w", pa.float32()),
        ("baseline_w", pa.float32()),
        ("share_w", pa.float32()),
        ("flexible_w", pa.float32()),
        ("mode", pa.float32()),
        ("quality", pa.float32()),
        ("resource_power_w", pa.list_(pa.float32())),
        ("resource_setpoint_w", pa.list_(pa.float32())),
        ("resource_soc", pa.list_(pa.float32())),
        ("resource_quality", pa.list_(pa.float32())),
    ]
)
_LEAVES: Final = ["element" if pa.types.is_list(field.type) else field.name for field in SCHEMA]
ORDER: Final = (("site_id", "ascending"), ("journal_id", "ascending"), ("sequence", "ascending"))

_KEY: Final = b"vpp.segment"
_NAME = re.compile(
    r"(\d{8}T\d{4})Z-(\d{8}T\d{4})Z\.p(\d\d)-(\d\d)\.l(\d)\.s(\d{10})\.parquet(?:\.corrupt)?\Z"
)
_MINUTE_FORMAT: Final = "%Y%m%dT%H%M"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentName:
    """What a segment's file name says.

    Attributes
    ----------
    first_minute, last_minute : int
        Unix minutes of its rows, both inside.
    first_partition, last_partition : int
        Partitions it may hold, both inside.
    level : int
        0 for a flush, one more for each merge.
    number : int
        Rises with each segment; a merged one has a higher number than what it replaces.
    """

    first_minute: int
    last_minute: int
    first_partition: int
    last_partition: int
    level: int
    number: int

    @property
    def path(self) -> Path:
        """Path relative to the history's directory: the day, then the file."""
        first, last = _minute_text(self.first_minute), _minute_text(self.last_minute)
        return Path(first[:8]) / (
            f"{first}Z-{last}Z.p{self.first_partition:02d}-{self.last_partition:02d}"
            f".l{self.level}.s{self.number:010d}.parquet"
        )

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Read a file name; None if it is not a segment's."""
        match = _NAME.match(name)
        if match is None:
            return None
        try:
            first, last = (
                int(datetime.strptime(text, _MINUTE_FORMAT).replace(tzinfo=UTC).timestamp()) // 60
                for text in match.group(1, 2)
            )
        except ValueError:
            return None
        partitions, level, number = match.group(3, 4), match.group(5), match.group(6)
        return cls(
            first_minute=first,
            last_minute=last,
            first_partition=int(partitions[0]),
            last_partition=int(partitions[1]),
            level=int(level),
            number=int(number),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceRange:
    """Which sequences of one journal a segment holds; ``rows`` of them."""

    site_id: SiteId
    journal_id: JournalId
    first: int
    last: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A segment that is on the disk.

    Attributes
    ----------
    name : SegmentName
        What its file name says.
    rows : int
        Number of rows.
    ranges : tuple of SequenceRange
        Per journal, from the footer.
    replaces : frozenset of str
        Relative paths of the segments whose rows it has taken over.
    """

    name: SegmentName
    rows: int
    ranges: tuple[SequenceRange, ...]
    replaces: frozenset[str]


def write_segment(
    root: Path, name: SegmentName, table: pa.Table, *, replaces: Iterable[str] = ()
) -> Segment:
    """Write a table durably: temporary file, fsync, rename, fsync of the directory.

    Parameters
    ----------
    root : Path
        The history's directory.
    name : SegmentName
        Not in use yet.
    table : pyarrow.Table
        Of SCHEMA, sorted by ORDER, at least one row.
    replaces : iterable of str
        Relative paths of segments whose rows are in ``table``.

    Raises
    ------
    OSError
        If the disk refuses; nothing of the name is left then.
    """
    ranges = _ranges(table)
    replaced = frozenset(replaces)
    path = root / name.path
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
        _sync_directory(root)
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            with pq.ParquetWriter(
                file, SCHEMA, compression="zstd", write_page_checksum=True
            ) as writer:
                writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
                writer.add_key_value_metadata({_KEY: _footer(ranges, replaced)})
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_directory(path.parent)
    except OSError:
        temporary.unlink(missing_ok=True)
        path.unlink(missing_ok=True)  # its rows will be written again under another name
        raise
    return Segment(name=name, rows=table.num_rows, ranges=ranges, replaces=replaced)


def read_segment(root: Path, name: SegmentName) -> Segment:
    """Read a segment's footer.

    Raises
    ------
    StoreError
        If the file is torn, foreign or of a newer version.
    """
    path = root / name.path
    try:
        footer = pq.read_metadata(path)
        plain = json.loads(zlib.decompress((footer.metadata or {})[_KEY]))
        if plain["version"] != FOOTER_VERSION:
            message = f"{path}: version {plain['version']} is not {FOOTER_VERSION}"
            raise StoreError(message)
        ranges = tuple(
            SequenceRange(site_id=site, journal_id=journal, first=first, last=last, rows=rows)
            for site, journal, first, last, rows in plain["ranges"]
        )
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, zlib.error) as error:
        message = f"{path}: not a whole segment of ours: {error}"
        raise StoreError(message) from error
    if footer.schema.names != _LEAVES:
        message = f"{path}: its columns are not those of a segment"
        raise StoreError(message)
    return Segment(
        name=name,
        rows=sum(item.rows for item in ranges),
        ranges=ranges,
        replaces=frozenset(plain["replaces"]),
    )


def read_rows(root: Path, names: Iterable[SegmentName]) -> pa.Table:
    """Read whole segments, with their pages' checksums verified.

    Raises
    ------
    StoreError
        If a page is damaged; the message begins with the path.
    """
    tables = []
    for name in names:
        path = root / name.path
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                tables.append(file.read().cast(SCHEMA))
        except (pa.ArrowException, OSError) as error:
            message = f"{path}: damaged: {error}"
            raise StoreError(message) from error
    return pa.concat_tables(tables)


def _ranges(table: pa.Table) -> tuple[SequenceRange, ...]:
    grouped = table.group_by(["site_id", "journal_id"]).aggregate(
        [("sequence", "min"), ("sequence", "max"), ("sequence", "count")]
    )
    columns = ("site_id", "journal_id", "sequence_min", "sequence_max", "sequence_count")
    rows = zip(*(grouped.column(name).to_pylist() for name in columns), strict=True)
    return tuple(
        SequenceRange(site_id=site, journal_id=journal, first=first, last=last, rows=count)
        for site, journal, first, last, count in sorted(rows)
    )


def _footer(ranges: tuple[SequenceRange, ...], replaces: frozenset[str]) -> bytes:
    plain = {
        "version": FOOTER_VERSION,
        "ranges": [[r.site_id, r.journal_id, r.first, r.last, r.rows] for r in ranges],
        "replaces": sorted(replaces),
    }
    return zlib.compress(json.dumps(plain).encode(), 1)


def _minute_text(minute: int) -> str:
    held = min(max(minute, 0), MINUTE_MAX)
    return datetime.fromtimestamp(held * 60, tz=UTC).strftime(_MINUTE_FORMAT)


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
