"""What was learned of sites and resources, in the registry's database.

A site's rows and the mark that it learned from an award are one transaction, so an award
teaches a site once, whatever is interrupted.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Integer,
    RowMapping,
    String,
    Table,
    bindparam,
    insert,
    select,
    update,
)

from cloud_coordinator.fleet.characteristics import Characteristics
from cloud_coordinator.services.learning_ports import LearnedTotal, SiteCharacteristics
from cloud_coordinator.store.database import Database
from cloud_coordinator.store.tables import LONG_NAME, NAME, UtcDateTime, metadata
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.identifiers import ObligationId, SiteId

characteristics: Final = Table(
    "characteristics",
    metadata,
    Column("site_id", String(NAME), primary_key=True),
    Column("name", String(LONG_NAME), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("delay_s", Float, nullable=False),
    Column("gain", Float, nullable=False),
    Column("kept", Float, nullable=False),
    Column("missed", Float, nullable=False),
    Column("efficiency", Float),
    Column("degradation_jpy_per_kwh", Float, nullable=False),
    Column("events", Integer, nullable=False),
    Column("discarded_s", BigInteger, nullable=False),
)
learned_sites: Final = Table(
    "learned_sites",
    metadata,
    Column("obligation_id", String(LONG_NAME), primary_key=True),
    Column("site_id", String(NAME), primary_key=True),
)
learned_totals: Final = Table(
    "learned_totals",
    metadata,
    Column("obligation_id", String(LONG_NAME), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("start_at", UtcDateTime, nullable=False),
    Column("rows_count", Integer, nullable=False),
    Column("called_w", Float, nullable=False),
    Column("delivered_w", Float, nullable=False),
    Column("expected_w", Float, nullable=False),
    Column("deviation_w", Float, nullable=False),
    Column("error_prior_w", Float, nullable=False),
    Column("error_learned_w", Float, nullable=False),
    Column("discarded_s", BigInteger, nullable=False),
)
_KEYS_MAX: Final = 5_000
"""Sites in one question; SQLite takes 32,766 values."""
_WHOLE: Final = ""
"""Instead of a site: all of the award is learned."""
_KEY: Final = ("site_id", "name", "kind")
_VALUES: Final = tuple(c.name for c in characteristics.columns if c.name not in _KEY)


class LearnedRegistry:
    """Characteristics by site and resource.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def all_rows(self) -> SiteCharacteristics:
        """Everything that is known, by site, then name."""
        query = select(characteristics).order_by(*(characteristics.c[name] for name in _KEY))
        with self._database.reading() as connection:
            return _columns(connection.execute(query).mappings().all())

    def rows_of(self, sites: Sequence[SiteId]) -> SiteCharacteristics:
        """Return what is known of some sites and their resources."""
        with self._database.reading() as connection:
            return _columns(_found(connection, sites))

    def save_rows(
        self, obligation_id: ObligationId, learned: SiteCharacteristics, *, sites: Sequence[SiteId]
    ) -> None:
        """Keep rows and that these sites learned from the award, in one transaction; durable."""
        marks = [{"obligation_id": obligation_id, "site_id": site} for site in sites]
        rows = _rows(learned)
        with self._database.writing() as connection:
            known = {tuple(row[name] for name in _KEY) for row in _found(connection, learned.sites)}
            fresh = [row for row in rows if tuple(row[name] for name in _KEY) not in known]
            changed = [row for row in rows if tuple(row[name] for name in _KEY) in known]
            if marks:
                connection.execute(insert(learned_sites), marks)
            if fresh:
                connection.execute(insert(characteristics), fresh)
            if changed:
                where = [characteristics.c[name] == bindparam(f"_{name}") for name in _KEY]
                connection.execute(
                    update(characteristics)
                    .where(*where)
                    .values({name: bindparam(name) for name in _VALUES}),
                    [
                        {f"_{name}": row[name] for name in _KEY}
                        | {name: row[name] for name in _VALUES}
                        for row in changed
                    ],
                )

    def learned_sites(self, obligation_id: ObligationId) -> frozenset[SiteId]:
        """Sites that learned from an award."""
        query = select(learned_sites.c.site_id).where(
            learned_sites.c.obligation_id == obligation_id, learned_sites.c.site_id != _WHOLE
        )
        with self._database.reading() as connection:
            return frozenset(SiteId(site) for site in connection.execute(query).scalars())


class TotalRegistry:
    """What was expected and what came, award by award.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def save_totals(self, totals: Sequence[LearnedTotal]) -> None:
        """Keep the totals of an award, in one transaction; durable. Known ones stay."""
        table = learned_totals
        with self._database.writing() as connection:
            for total in totals:
                key = (table.c.obligation_id == total.obligation_id, table.c.kind == total.kind)
                if connection.execute(select(table.c.kind).where(*key)).first() is None:
                    connection.execute(insert(table).values(**_total_row(total)))

    def totals(self) -> Sequence[LearnedTotal]:
        """All totals by start, award and kind."""
        table = learned_totals
        query = select(table).order_by(table.c.start_at, table.c.obligation_id, table.c.kind)
        with self._database.reading() as connection:
            return [_total(row) for row in connection.execute(query).mappings()]

    def close_award(self, obligation_id: ObligationId) -> None:
        """Remember that all of an award is learned; durable."""
        with self._database.writing() as connection:
            connection.execute(
                insert(learned_sites).values(obligation_id=obligation_id, site_id=_WHOLE)
            )

    def closed(self) -> frozenset[ObligationId]:
        """Awards of which all is learned."""
        query = select(learned_sites.c.obligation_id).where(learned_sites.c.site_id == _WHOLE)
        with self._database.reading() as connection:
            return frozenset(ObligationId(one) for one in connection.execute(query).scalars())


def _found(connection: Connection, sites: Sequence[SiteId]) -> Sequence[RowMapping]:
    names = sorted(set(sites))
    found: list[RowMapping] = []
    for first in range(0, len(names), _KEYS_MAX):
        query = (
            select(characteristics)
            .where(characteristics.c.site_id.in_(names[first : first + _KEYS_MAX]))
            .order_by(*(characteristics.c[name] for name in _KEY))
        )
        found += connection.execute(query).mappings().all()
    return found


def _columns(rows: Sequence[RowMapping]) -> SiteCharacteristics:
    def column(name: str) -> FloatArray:
        return np.array(
            [np.nan if row[name] is None else row[name] for row in rows], dtype=np.float64
        )

    return SiteCharacteristics(
        sites=tuple(SiteId(row["site_id"]) for row in rows),
        rows=Characteristics(
            names=tuple(row["name"] for row in rows),
            kinds=tuple(row["kind"] for row in rows),
            delay_s=column("delay_s"),
            gain=column("gain"),
            kept=column("kept"),
            missed=column("missed"),
            efficiency=column("efficiency"),
            degradation_jpy_per_kwh=column("degradation_jpy_per_kwh"),
            events=column("events").astype(np.int64),
            discarded_s=column("discarded_s").astype(np.int64),
        ),
    )


def _rows(learned: SiteCharacteristics) -> list[Mapping[str, object]]:
    rows = learned.rows
    values: dict[str, list[float | None]] = {name: getattr(rows, name).tolist() for name in _VALUES}
    values["efficiency"] = [None if one != one else one for one in values["efficiency"]]  # noqa: PLR0124  NaN
    return [
        {"site_id": site, "name": rows.names[at], "kind": rows.kinds[at]}
        | {name: column[at] for name, column in values.items()}
        for at, site in enumerate(learned.sites)
    ]


def _total_row(total: LearnedTotal) -> Mapping[str, object]:
    return {
        column.name: getattr(total, "rows" if column.name == "rows_count" else column.name)
        for column in learned_totals.columns
    }


def _total(row: RowMapping) -> LearnedTotal:
    return LearnedTotal(
        obligation_id=ObligationId(row["obligation_id"]),
        kind=row["kind"],
        start_at=row["start_at"],
        rows=row["rows_count"],
        called_w=row["called_w"],
        delivered_w=row["delivered_w"],
        expected_w=row["expected_w"],
        deviation_w=row["deviation_w"],
        error_prior_w=row["error_prior_w"],
        error_learned_w=row["error_learned_w"],
        discarded_s=row["discarded_s"],
    )
