"""Bids and plans as they go to a venue, also in the audit trail."""

from collections.abc import Sequence
from datetime import date

from cloud_coordinator.services.auditing import Deed, Trail
from cloud_coordinator.services.trading import (
    SubmissionRecord,
    SubmissionState,
    SubmissionStore,
)


class RecordedSubmissions:
    """A store of submissions in front of another.

    Parameters
    ----------
    store : SubmissionStore
        Where submissions are kept.
    trail : Trail
        Where each step of one is written down.
    who : str
        Who submits: an account, or the service itself.
    """

    def __init__(self, store: SubmissionStore, trail: Trail, *, who: str) -> None:
        self._store = store
        self._trail = trail
        self._who = who

    def save(self, record: SubmissionRecord) -> None:
        """Insert or replace; durable on return, and on record before anything is sent."""
        what = f"submit: {record.venue} {record.day} {record.request_id}"
        deed = Deed(who=self._who, what=what, where=record.venue)
        self._trail.note(deed, f"done: {record.state.value}")
        self._store.save(record)

    def find(self, request_id: str) -> SubmissionRecord | None:
        """Return the record, if there is one."""
        return self._store.find(request_id)

    def submissions(
        self, *, day: date | None = None, state: SubmissionState | None = None
    ) -> Sequence[SubmissionRecord]:
        """Return the records of a day and a state, by time."""
        return self._store.submissions(day=day, state=state)
