"""What was handed in to exchanges and what they answered, kept before and after."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import RowMapping, select

from cloud_coordinator.services.trading import SubmissionRecord, SubmissionState
from cloud_coordinator.store.database import Database
from cloud_coordinator.store.sites import put
from cloud_coordinator.store.tables import submissions


class SubmissionTable:
    """The records, in the registry's database.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, record: SubmissionRecord) -> None:
        """Insert or replace by ``request_id``; durable on return.

        Raises
        ------
        StoreError
            If the database refuses.
        """
        values = {
            "venue": record.venue,
            "market_day": record.day,
            "rule_set_id": record.rule_set_id,
            "state": record.state.value,
            "sent_at": record.sent_at,
            "answered_at": record.answered_at,
            "sent": record.sent,
            "answered": record.answered,
        }
        with self._database.writing() as connection:
            put(connection, submissions, key={"request_id": record.request_id}, values=values)

    def find(self, request_id: str) -> SubmissionRecord | None:
        """Return the record, if there is one."""
        query = select(submissions).where(submissions.c.request_id == request_id)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _record(row)

    def submissions(
        self, *, day: date | None = None, state: SubmissionState | None = None
    ) -> Sequence[SubmissionRecord]:
        """Return the records of a day and a state, all where None; by time."""
        query = select(submissions).order_by(submissions.c.sent_at, submissions.c.request_id)
        if day is not None:
            query = query.where(submissions.c.market_day == day)
        if state is not None:
            query = query.where(submissions.c.state == state.value)
        with self._database.reading() as connection:
            return [_record(row) for row in connection.execute(query).mappings()]


def _record(row: RowMapping) -> SubmissionRecord:
    return SubmissionRecord(
        request_id=row["request_id"],
        venue=row["venue"],
        day=row["market_day"],
        rule_set_id=row["rule_set_id"],
        state=SubmissionState(row["state"]),
        sent_at=row["sent_at"],
        sent=bytes(row["sent"]),
        answered_at=row["answered_at"],
        answered=None if row["answered"] is None else bytes(row["answered"]),
    )
