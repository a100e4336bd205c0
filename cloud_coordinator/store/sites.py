"""The registry of sites, their layouts and the requirement's table of resources."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from sqlalchemy import Connection, RowMapping, Table, bindparam, insert, select, update

from cloud_coordinator.services.records import SiteRecord
from cloud_coordinator.store import tables
from cloud_coordinator.store.database import Database
from cloud_coordinator.store.packing import pack_layout, unpack_layout
from protocols.vocabulary.identifiers import JournalId, ResourceId, SiteId, ZoneId
from protocols.vocabulary.resource import Resource, ResourceKind

_TYPES: Final = {
    ResourceKind.BATTERY: "BATTERY",
    ResourceKind.PV: "SOLAR",
    ResourceKind.EV_CHARGER: "EV_CHARGER",
    ResourceKind.EV_V2H: "EV_CHARGER",
    ResourceKind.FUEL_CELL: "FUEL_CELL",
    ResourceKind.HEAT_PUMP: "DR_DEVICE",
    ResourceKind.LOAD: "DR_DEVICE",
}
"""The requirement's word for each kind; a meter is no resource there."""
_KEYS_MAX: Final = 5_000
"""Keys in one question; SQLite takes 32,766."""
_KEY: Final = "_key"


class SiteRegistry:
    """Sites as their last hello told them.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def save_site(self, site: SiteRecord) -> None:
        """Insert or replace by ``site_id``; durable on return."""
        self._database.put(_put_sites, [site])

    def sites(self) -> Sequence[SiteRecord]:
        """All sites, by id."""
        query = select(tables.sites).order_by(tables.sites.c.site_id)
        with self._database.reading() as connection:
            return [_site(row) for row in connection.execute(query).mappings()]

    def positions(self, resource_id: ResourceId) -> Mapping[tuple[JournalId, int], int]:
        """Where a resource is in each layout its site ever had, for the history.

        Returns
        -------
        mapping of (JournalId, int) to int
            Journal and layout version to 0-based position.
        """
        site_id = resource_id.partition("/")[0]
        query = select(tables.layouts).where(tables.layouts.c.site_id == site_id)
        positions: dict[tuple[JournalId, int], int] = {}
        with self._database.reading() as connection:
            for row in connection.execute(query).mappings():
                ids = [r.resource_id for r in unpack_layout(row["layout"]).resources]
                if resource_id in ids:
                    key = JournalId(row["journal_id"]), int(row["version"])
                    positions[key] = ids.index(resource_id)
        return positions


def put(
    connection: Connection, table: Table, *, key: Mapping[str, object], values: Mapping[str, object]
) -> None:
    """Insert a row, or update it if its key is there; alike on every database."""
    where = [table.c[name] == value for name, value in key.items()]
    found = connection.execute(select(*table.primary_key.columns).where(*where)).first()
    if found is None:
        connection.execute(insert(table).values(**key, **values))
    elif values:
        connection.execute(update(table).where(*where).values(**values))


def put_many(
    connection: Connection, table: Table, rows: Mapping[str, Mapping[str, object]], *, key: str
) -> None:
    """Insert or update many rows with the same columns, by one text key, in a few statements."""
    column = table.c[key]
    names = list(rows)
    known: set[str] = set()
    for first in range(0, len(names), _KEYS_MAX):
        some = select(column).where(column.in_(names[first : first + _KEYS_MAX]))
        known |= set(connection.execute(some).scalars())
    fresh = [{key: name, **rows[name]} for name in names if name not in known]
    if fresh:
        connection.execute(insert(table), fresh)
    changed = [{_KEY: name, **rows[name]} for name in names if name in known]
    if changed:
        connection.execute(update(table).where(column == bindparam(_KEY)), changed)


def _site(row: RowMapping) -> SiteRecord:
    return SiteRecord(
        site_id=SiteId(row["site_id"]),
        zone=ZoneId(row["zone"]),
        journal_id=JournalId(row["journal_id"]),
        agent_version=row["agent_version"],
        layout=unpack_layout(row["layout"]),
        seen_at=row["seen_at"],
    )


def _put_sites(connection: Connection, sites: Sequence[SiteRecord]) -> None:
    """Keep sites, their layouts and the requirement's table of resources in step.

    A site that only says hello again costs one row.
    """
    latest = {str(site.site_id): site for site in sites}
    before = _layouts_before(connection, list(latest))
    packed = {name: pack_layout(site.layout) for name, site in latest.items()}
    put_many(
        connection,
        tables.sites,
        {
            name: {
                "zone": site.zone,
                "journal_id": site.journal_id,
                "agent_version": site.agent_version,
                "layout": packed[name],
                "seen_at": site.seen_at,
            }
            for name, site in latest.items()
        },
        key="site_id",
    )
    fresh = [
        _layout_key(site) | {"layout": packed[n]} for n, site in latest.items() if n not in before
    ]
    if fresh:
        connection.execute(insert(tables.layouts), fresh)
    for name, site in latest.items():
        if name in before and before[name] != (site.journal_id, packed[name]):
            values = {"layout": packed[name]}
            put(connection, tables.layouts, key=_layout_key(site), values=values)
    changed = {
        name: site
        for name, site in latest.items()
        if before.get(name, ("", b""))[1] != packed[name]
    }
    _put_resources(connection, changed, before)


def _layout_key(site: SiteRecord) -> dict[str, object]:
    return {
        "site_id": site.site_id,
        "journal_id": site.journal_id,
        "version": site.layout.version,
    }


def _layouts_before(connection: Connection, names: Sequence[str]) -> dict[str, tuple[str, bytes]]:
    """Journal and packed layout of the sites that are known."""
    table = tables.sites
    known: dict[str, tuple[str, bytes]] = {}
    for first in range(0, len(names), _KEYS_MAX):
        query = select(table.c.site_id, table.c.journal_id, table.c.layout).where(
            table.c.site_id.in_(names[first : first + _KEYS_MAX])
        )
        for row in connection.execute(query):
            known[row.site_id] = (row.journal_id, row.layout)
    return known


def _put_resources(
    connection: Connection,
    sites: Mapping[str, SiteRecord],
    before: Mapping[str, tuple[str, bytes]],
) -> None:
    """Keep the requirement's table in step: what a site no longer has is INACTIVE there.

    Found by key from the former layout: the table has no index of owners, and a fleet is large.
    """
    table = tables.resources
    rows: dict[str, dict[str, object]] = {}
    for name, site in sites.items():
        shown = [r for r in site.layout.resources if r.kind in _TYPES]
        present = {str(r.resource_id) for r in shown}
        former = unpack_layout(before[name][1]).resources if name in before else ()
        gone = {str(r.resource_id) for r in former} - present
        if gone:
            connection.execute(
                update(table)
                .where(table.c.resource_id.in_(gone))
                .values(status="INACTIVE", last_update=site.seen_at)
            )
        for resource in shown:
            rows[str(resource.resource_id)] = {
                **_resource(resource),
                "status": "ACTIVE",
                "last_update": site.seen_at,
            }
    put_many(connection, table, rows, key="resource_id")


def _resource(resource: Resource) -> dict[str, object]:
    """Columns of the requirement; the owner is the site until there is a registry of owners."""
    power_w = max(resource.power_w_max, -resource.power_w_min)
    return {
        "resource_type": _TYPES[resource.kind],
        "owner_id": resource.site_id,
        "capacity_kw": _kilo(power_w),
        "capacity_kwh": _kilo(resource.energy_wh_capacity) if resource.energy_wh_capacity else None,
    }


def _kilo(value: float) -> Decimal:
    return (Decimal(repr(value)) / 1000).quantize(Decimal("0.01"))
