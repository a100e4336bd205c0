"""The registry of sites, their layouts and the requirement's table of resources."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from sqlalchemy import Connection, RowMapping, Table, insert, select, update

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
        layout = pack_layout(site.layout)
        with self._database.writing() as connection:
            put(
                connection,
                tables.sites,
                key={"site_id": site.site_id},
                values={
                    "zone": site.zone,
                    "journal_id": site.journal_id,
                    "agent_version": site.agent_version,
                    "layout": layout,
                    "seen_at": site.seen_at,
                },
            )
            put(
                connection,
                tables.layouts,
                key={
                    "site_id": site.site_id,
                    "journal_id": site.journal_id,
                    "version": site.layout.version,
                },
                values={"layout": layout},
            )
            _put_resources(connection, site)

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


def _site(row: RowMapping) -> SiteRecord:
    return SiteRecord(
        site_id=SiteId(row["site_id"]),
        zone=ZoneId(row["zone"]),
        journal_id=JournalId(row["journal_id"]),
        agent_version=row["agent_version"],
        layout=unpack_layout(row["layout"]),
        seen_at=row["seen_at"],
    )


def _put_resources(connection: Connection, site: SiteRecord) -> None:
    """Keep the requirement's table in step: what a site no longer has is INACTIVE there."""
    table = tables.resources
    shown = [r for r in site.layout.resources if r.kind in _TYPES]
    connection.execute(
        update(table)
        .where(table.c.owner_id == site.site_id)
        .where(table.c.resource_id.not_in([r.resource_id for r in shown]))
        .values(status="INACTIVE", last_update=site.seen_at)
    )
    for resource in shown:
        put(
            connection,
            table,
            key={"resource_id": resource.resource_id},
            values={**_resource(resource), "status": "ACTIVE", "last_update": site.seen_at},
        )


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
