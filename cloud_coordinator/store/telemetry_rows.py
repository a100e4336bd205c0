"""Rows of one journal by sequence, read beside a running coordinator: nothing is changed."""

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cloud_coordinator.store.segments import SCHEMA, SegmentName
from protocols.link.messages import SITE_COLUMNS
from protocols.link.row_digest import RowDigest, RowSeen
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.identifiers import SiteId, partition_of

ATTEMPTS: Final = 3
"""A merge may take a file away while it is read."""
_LISTS: Final = ("resource_power_w", "resource_setpoint_w", "resource_soc", "resource_quality")


def digested_rows(root: Path, site_id: SiteId, digest: RowDigest) -> list[RowSeen]:
    """Rows that a digest is about, as far as they are stored, by sequence.

    Parameters
    ----------
    root : Path
        The history's directory.
    site_id : SiteId
        Whose.
    digest : RowDigest
        Says which journal and sequences, and about when.

    Raises
    ------
    StoreError
        If a segment cannot be read.
    """
    wanted = [
        ("site_id", "==", site_id),
        ("journal_id", "==", digest.journal_id),
        ("sequence", ">=", digest.first),
        ("sequence", "<=", digest.last),
    ]
    for attempt in range(ATTEMPTS):
        paths = [path for path in root.glob("*/*.parquet") if _may_hold(path, site_id, digest)]
        try:
            tables = [pq.read_table(path, filters=wanted).cast(SCHEMA) for path in paths]
        except FileNotFoundError as error:
            if attempt == ATTEMPTS - 1:
                raise StoreError(f"{root}: changes while it is read: {error}") from error
            continue
        except (pa.ArrowException, OSError) as error:
            raise StoreError(f"{root}: a segment cannot be read: {error}") from error
        rows = {row.sequence: row for table in tables for row in _rows(table)}
        return [rows[sequence] for sequence in sorted(rows)]
    return []


def _may_hold(path: Path, site_id: SiteId, digest: RowDigest) -> bool:
    name = SegmentName.parse(path.name)
    return (
        name is not None
        and name.first_partition <= partition_of(site_id) <= name.last_partition
        and name.first_minute <= digest.last_s // 60
        and name.last_minute >= digest.first_s // 60
    )


def _rows(table: pa.Table) -> list[RowSeen]:
    return [
        RowSeen(
            sequence=row["sequence"],
            time_s=row["time_s"],
            signal_id=row["signal_id"],
            layout_version=row["layout_version"],
            values=np.array(
                [row[name] for name in SITE_COLUMNS]
                + [
                    value
                    for one in zip(*(row[name] for name in _LISTS), strict=True)
                    for value in one
                ],
                dtype=np.float32,
            ),
        )
        for row in table.to_pylist()
    ]
