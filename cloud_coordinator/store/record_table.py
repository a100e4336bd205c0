"""Durable records of the protocol roles the coordinator plays, in the registry's database.

A book is the state of one role (one IEEE 2030.5 server, one VTN, ...) as named records; the
role gives them meaning. One call of ``put`` is one transaction, so many requests' changes can
be made durable by a single commit. Opened by the programs' wiring.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import delete, insert, select

from cloud_coordinator.store.database import Database
from cloud_coordinator.store.tables import records
from protocols.sansio.records import Change
from protocols.vocabulary.errors import StoreError

KEY_LENGTH_MAX: Final = 255
_BATCH: Final = 500
"""Keys per statement; SQLite takes 32,766 variables, others fewer."""


class RecordTable:
    """The records of one role.

    Parameters
    ----------
    database : Database
        Where they are kept.
    book : str
        Name of the role's book, at most 64 characters.
    """

    def __init__(self, database: Database, *, book: str) -> None:
        self._database = database
        self._book = book

    def load(self) -> Mapping[str, bytes]:
        """All records.

        Raises
        ------
        StoreError
            If the database refuses.
        """
        query = select(records.c.record_key, records.c.value).where(records.c.book == self._book)
        with self._database.reading() as connection:
            return {row.record_key: bytes(row.value) for row in connection.execute(query)}

    def put(self, changes: Iterable[Change]) -> None:
        """Apply all changes or none; of several to one key the last counts.

        Raises
        ------
        StoreError
            If the database refuses, or a key is too long; nothing is stored then.
        """
        last = {change.key: change.value for change in changes}
        if not last:
            return
        too_long = next((key for key in last if len(key) > KEY_LENGTH_MAX), None)
        if too_long is not None:
            raise StoreError(f"record key of {len(too_long)} characters: {too_long[:40]}...")
        keys = list(last)
        rows = [
            {"book": self._book, "record_key": key, "value": value}
            for key, value in last.items()
            if value is not None
        ]
        with self._database.writing() as connection:
            for first in range(0, len(keys), _BATCH):
                connection.execute(
                    delete(records).where(
                        records.c.book == self._book,
                        records.c.record_key.in_(keys[first : first + _BATCH]),
                    )
                )
            if rows:
                connection.execute(insert(records), rows)
