"""Durable state of a pure role: named records that its shell keeps; knows no database.

A role returns the changes beside its answer. The shell makes them durable first and answers
then, so that what was promised to a peer is still known after a loss of power.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One record to write or to delete.

    Attributes
    ----------
    key : str
        Name of the record, unique in its book.
    value : bytes or None
        Whole new content; None deletes.
    """

    key: str
    value: bytes | None


class RecordBook(Protocol):
    """Where a shell keeps the records of one role."""

    def load(self) -> Mapping[str, bytes]:
        """All records."""

    def put(self, changes: Iterable[Change]) -> None:
        """Apply all changes or none; durable when it returns."""
