"""The audit trail on disk: appended in one transaction with the look at its last entry."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, insert, select

from cloud_coordinator.audit.chain import GENESIS, Act, Entry, chained
from cloud_coordinator.audit.checkpoint import Checkpoint, read_checkpoint
from cloud_coordinator.store.access_tables import audit_checkpoints, audit_entries
from cloud_coordinator.store.database import Database

_ENTRIES_MAX: Final = 10_000_000


class AuditRegistry:
    """Appends to the trail and reads it; nothing changes what is there.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, act: Act) -> Entry:
        """Add an entry; durable on return, also beside other programs that append.

        Raises
        ------
        StoreError
            If the database refuses.
        """
        with self._database.writing() as connection:
            _own(connection)
            last = connection.execute(
                select(audit_entries.c.number, audit_entries.c.digest)
                .order_by(audit_entries.c.number.desc())
                .limit(1)
            ).first()
            number, previous = (last.number, last.digest) if last else (0, GENESIS)
            entry = chained(act, number=number + 1, previous=previous)
            connection.execute(
                insert(audit_entries).values(
                    number=entry.number, body=entry.body, digest=entry.digest
                )
            )
        return entry

    def entries(self, *, after: int = 0, limit: int = _ENTRIES_MAX) -> Sequence[Entry]:
        """Entries after a number, oldest first."""
        query = (
            select(audit_entries)
            .where(audit_entries.c.number > after)
            .order_by(audit_entries.c.number)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [
                Entry(number=row.number, body=_bytes(row.body), digest=row.digest)
                for row in connection.execute(query)
            ]

    def last(self) -> Entry | None:
        """Return the newest entry; None while there is none."""
        query = select(audit_entries).order_by(audit_entries.c.number.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return (
            None
            if row is None
            else Entry(number=row.number, body=_bytes(row.body), digest=row.digest)
        )

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep a signed checkpoint; durable on return."""
        with self._database.writing() as connection:
            connection.execute(insert(audit_checkpoints).values(body=checkpoint.encode()))

    def checkpoints(self) -> Sequence[Checkpoint | None]:
        """All checkpoints, oldest first; None stands for one that cannot be read."""
        query = select(audit_checkpoints.c.body).order_by(audit_checkpoints.c.number)
        with self._database.reading() as connection:
            return [read_checkpoint(_bytes(row.body)) for row in connection.execute(query)]


def _bytes(found: object) -> bytes:
    """Return a body as it is stored, also where somebody put text in its place."""
    return found if isinstance(found, bytes) else str(found).encode()


def _own(connection: Connection) -> None:
    """Take the write lock before looking, so that no other program appends in between."""
    if connection.dialect.name == "sqlite":
        if not connection.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("LOCK TABLE audit_entries IN EXCLUSIVE MODE")
