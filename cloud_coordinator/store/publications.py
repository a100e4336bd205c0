"""Published values of markets and areas, and the provenance of each file they came from.

Nothing is overwritten: every import keeps its values, and what is read is, slot by slot, that
of the most final publication, of equal ones the newest, of equally new ones the last imported.
So it can be asked what was known at an earlier moment.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    RowMapping,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    insert,
    select,
    update,
)

from cloud_coordinator.services.publications import (
    ImportRecord,
    Origin,
    Publication,
    Series,
    Stage,
)
from cloud_coordinator.store.database import Database
from cloud_coordinator.store.tables import LONG_NAME, NAME, UtcDateTime, metadata
from protocols.vocabulary.arrays import IntArray
from protocols.vocabulary.intervals import Interval, utc_from_seconds

_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")

imports: Final = Table(
    "imports",
    metadata,
    Column("number", _NUMBER, primary_key=True),
    Column("sha256", String(NAME), nullable=False),
    Column("source", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("encoding", String(16), nullable=False),
    Column("layout", String(NAME), nullable=False),
    Column("publisher", String(LONG_NAME), nullable=False),
    Column("stage", Integer, nullable=False),
    Column("published_at", UtcDateTime),
    Column("ranked_at", UtcDateTime, nullable=False),
    Column("area", String(255), nullable=False),
    Column("start_at", UtcDateTime, nullable=False),
    Column("end_at", UtcDateTime, nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("missing_count", Integer, nullable=False),
    Column("current_count", Integer, nullable=False),
    Column("imported_at", UtcDateTime, nullable=False),
    Column("imported_by", String(255), nullable=False),
    UniqueConstraint("sha256", "area"),
)
area_series: Final = Table(
    "area_series",
    metadata,
    Column(
        "import_number",
        _NUMBER,
        ForeignKey("imports.number"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("kind", String(NAME), primary_key=True),
    Column("area", String(LONG_NAME), primary_key=True),
    Column("step_s", Integer, primary_key=True, autoincrement=False),
    Column("first_s", BigInteger, nullable=False),
    Column("end_s", BigInteger, nullable=False),
    Column("start_s", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("quality", LargeBinary, nullable=False),
    Index("ix_area_series_kind_area_step_s_first_s", "kind", "area", "step_s", "first_s"),
)
"""A series of an import is one row: its slots, values and qualities packed, so that a file of
400,000 values holds up the coordinator's own writes for milliseconds."""
_START, _VALUE, _QUALITY = np.dtype("<i8"), np.dtype("<f8"), np.dtype("i1")
_WORST_FIRST: Final = (imports.c.stage, imports.c.ranked_at, imports.c.number)


class PublicationRegistry:
    """Publications and their provenance, in the registry's database.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, publication: Publication, origin: Origin, *, at: datetime, by: str
    ) -> tuple[ImportRecord, bool]:
        """Keep one whole in one transaction; durable.

        Parameters
        ----------
        publication : Publication
            What the file says.
        origin : Origin
            Where it came from.
        at : datetime
            Moment of the import, aware UTC.
        by : str
            Who imports it.

        Returns
        -------
        record : ImportRecord
            As kept.
        is_new : bool
            False if the same content was there for the same areas; nothing was changed then.

        Raises
        ------
        StoreError
            If the database refuses; nothing is kept then.
        """
        areas = ",".join(sorted({one.area for one in publication.series}))[:255]
        rows = _rows(publication)
        with self._database.writing() as connection:
            same = (imports.c.sha256 == origin.sha256) & (imports.c.area == areas)
            number = connection.execute(select(imports.c.number).where(same)).scalar()
            is_new = number is None
            if number is None:
                values = _provenance(publication, origin)
                values |= {"area": areas, "imported_at": at, "imported_by": by[:255]}
                values["ranked_at"] = publication.published_at or at
                made = connection.execute(insert(imports).values(values)).inserted_primary_key
                assert made is not None, "a row that was written has a number"
                number = int(made[0])
                kept_rows = [{"import_number": number, **row} for row in rows]
                connection.execute(insert(area_series), kept_rows)
                _recount(connection, publication, number)
            kept = connection.execute(select(imports).where(imports.c.number == number))
            record = _record(kept.mappings().one())
        return record, is_new

    def imports(self) -> Sequence[ImportRecord]:
        """All imports by number."""
        with self._database.reading() as connection:
            rows = connection.execute(select(imports).order_by(imports.c.number))
            return [_record(row) for row in rows.mappings()]

    def series(
        self, kind: str, area: str, *, step_s: int, interval: Interval, known_at: datetime
    ) -> Series:
        """Values that begin in an interval, as known at a moment.

        Parameters
        ----------
        kind, area : str
            As published.
        step_s : int
            Length of the slots, s.
        interval : Interval
            Holds the starts of the slots.
        known_at : datetime
            Publications of later moments are left out; of those that say no moment, later
            imports.

        Returns
        -------
        Series
            Slots of which something is known; empty if nothing is.
        """
        first_s, end_s = int(interval.start.timestamp()), int(interval.end.timestamp())
        where = (
            _overlapping(kind, area, step_s=step_s, first_s=first_s, end_s=end_s)
            & (imports.c.ranked_at <= known_at)
        )  # fmt: skip
        columns = (area_series.c.start_s, area_series.c.value, area_series.c.quality)
        query = select(*columns).join(imports).where(where).order_by(*_WORST_FIRST)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        start_s, place = _last_of_each([np.frombuffer(row.start_s, _START) for row in rows])
        value = np.concatenate([[], *(np.frombuffer(row.value, _VALUE) for row in rows)])
        quality = np.frombuffer(b"".join(row.quality for row in rows), _QUALITY)
        inside = (start_s >= first_s) & (start_s < end_s)
        return Series(
            kind=kind,
            area=area,
            step_s=step_s,
            start_s=start_s[inside],
            value=value[place[inside]],
            quality=quality[place[inside]],
        )


def _provenance(publication: Publication, origin: Origin) -> dict[str, object]:
    first = min(int(one.start_s[0]) for one in publication.series)
    last = max(int(one.start_s[-1]) + one.step_s for one in publication.series)
    return {
        "sha256": origin.sha256,
        "source": origin.source,
        "size_bytes": origin.size_bytes,
        "encoding": origin.encoding,
        "layout": publication.layout,
        "publisher": publication.publisher,
        "stage": int(publication.stage),
        "published_at": publication.published_at,
        "start_at": utc_from_seconds(first),
        "end_at": utc_from_seconds(last),
        "row_count": publication.rows,
        "missing_count": publication.missing,
        "current_count": 0,
    }


def _rows(publication: Publication) -> list[dict[str, object]]:
    return [
        {
            "kind": one.kind,
            "area": one.area,
            "step_s": one.step_s,
            "first_s": int(one.start_s[0]),
            "end_s": int(one.start_s[-1]) + one.step_s,
            "start_s": one.start_s.astype(_START).tobytes(),
            "value": one.value.astype(_VALUE).tobytes(),
            "quality": one.quality.astype(_QUALITY).tobytes(),
        }
        for one in publication.series
    ]


def _overlapping(
    kind: str, area: str, *, step_s: int, first_s: int, end_s: int
) -> ColumnElement[bool]:
    """Rows of a series of any import with slots in ``[first_s, end_s)``."""
    return and_(
        area_series.c.kind == kind,
        area_series.c.area == area,
        area_series.c.step_s == step_s,
        area_series.c.first_s < end_s,
        area_series.c.end_s > first_s,
    )


def _last_of_each(starts: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """Each start once, rising, and the place of its last occurrence in the concatenation."""
    if not starts:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    together = np.concatenate(starts)
    found, place = np.unique(together[::-1], return_index=True)
    return found, together.size - 1 - place


def _recount(connection: Connection, publication: Publication, number: int) -> None:
    """Bring the counts of current slots up to date after an import was written."""
    change: Counter[int] = Counter()
    columns = (area_series.c.import_number, area_series.c.start_s)
    for one in publication.series:
        first_s, end_s = int(one.start_s[0]), int(one.start_s[-1]) + one.step_s
        where = _overlapping(one.kind, one.area, step_s=one.step_s, first_s=first_s, end_s=end_s)
        query = select(*columns).join(imports).where(where).order_by(*_WORST_FIRST)
        rows = [
            (int(row.import_number), np.frombuffer(row.start_s, _START))
            for row in connection.execute(query)
        ]
        for sign, some in ((-1, [row for row in rows if row[0] != number]), (1, rows)):
            _, place = _last_of_each([starts for _, starts in some])
            owners = [np.full(starts.size, owner) for owner, starts in some]
            for owner in np.concatenate([np.zeros(0, dtype=np.int64), *owners])[place].tolist():
                change[owner] += sign
    for owner, count in change.items():
        column = imports.c.current_count
        connection.execute(
            update(imports).where(imports.c.number == owner).values(current_count=column + count)
        )


def _record(row: RowMapping) -> ImportRecord:
    return ImportRecord(
        number=row["number"],
        origin=Origin(
            source=row["source"],
            sha256=row["sha256"],
            size_bytes=row["size_bytes"],
            encoding=row["encoding"],
        ),
        layout=row["layout"],
        publisher=row["publisher"],
        stage=Stage(row["stage"]),
        published_at=row["published_at"],
        area=row["area"],
        start_at=row["start_at"],
        end_at=row["end_at"],
        rows=row["row_count"],
        missing=row["missing_count"],
        imported_at=row["imported_at"],
        imported_by=row["imported_by"],
        current_rows=row["current_count"],
    )
