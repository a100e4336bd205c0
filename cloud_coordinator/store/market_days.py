"""Market days in the registry: the customer's five tables, and the book of statements."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, insert, select

from cloud_coordinator.services.market_day.rows import RequirementRows
from cloud_coordinator.services.statements import StatementEntry, pack_slots, unpack_slots
from cloud_coordinator.store import tables
from cloud_coordinator.store.database import Database
from cloud_coordinator.store.sites import put_many

_TABLES: Final = (
    ("resources", tables.resources, "resource_id"),
    ("predictions", tables.prediction_data, "prediction_id"),
    ("transactions", tables.market_transactions, "transaction_id"),
    ("controls", tables.control_history, "control_id"),
    ("performance", tables.vpp_performance, "performance_id"),
)


class MarketDays:
    """Writes days; the same day again updates the same rows.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, rows: RequirementRows) -> None:
        """Keep all rows of a day in one transaction; durable.

        Raises
        ------
        StoreError
            If the database refuses; nothing of the day is stored then.
        """
        with self._database.writing() as connection:
            for name, table, key in _TABLES:
                found = getattr(rows, name)
                if found:
                    put_many(connection, table, found, key=key)

    def entries(self, prefix: str) -> Sequence[StatementEntry]:
        """Entries of all accounts whose name begins so, by account and number."""
        table = tables.statement_entries
        query = (
            select(table)
            .where(table.c.account.startswith(prefix, autoescape=True))
            .order_by(table.c.account, table.c.number)
        )
        with self._database.reading() as connection:
            return [
                StatementEntry(
                    account=row["account"],
                    number=row["number"],
                    kind=row["kind"],
                    settled_at=row["settled_at"],
                    statement_id=row["statement_id"],
                    amount_jpy=row["amount_jpy"],
                    change_jpy=row["change_jpy"],
                    reason=row["reason"],
                    slots_jpy=unpack_slots(bytes(row["body"])),
                )
                for row in connection.execute(query).mappings()
            ]

    def append(self, entries: Sequence[StatementEntry]) -> None:
        """Keep new entries in one transaction; durable.

        Raises
        ------
        StoreError
            If the database refuses, or an entry of that number is there; nothing is stored then.
        """
        with self._database.writing() as connection:
            _append(connection, entries)


def _append(connection: Connection, entries: Sequence[StatementEntry]) -> None:
    rows = [
        {
            "entry_id": f"{one.account}#{one.number}",
            "account": one.account,
            "number": one.number,
            "kind": one.kind,
            "settled_at": one.settled_at,
            "statement_id": one.statement_id,
            "amount_jpy": one.amount_jpy,
            "change_jpy": one.change_jpy,
            "reason": one.reason,
            "body": pack_slots(one.slots_jpy),
        }
        for one in entries
    ]
    connection.execute(insert(tables.statement_entries), rows)
