"""Faults of a journal file, told apart by what must be done with the file.

Damaged and foreign files are kept aside and a new journal begins. Anything else (a full disk,
missing rights, a file in use) leaves the file where it is and is told to people.
"""

import sqlite3
from pathlib import Path
from typing import Final

from protocols.vocabulary.errors import JournalError

_DAMAGE_CODES: Final = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
)
_PRIMARY_CODE: Final = 0xFF


class DamagedJournalError(JournalError):
    """The file is not what a journal of this version looks like."""


class ForeignJournalError(JournalError):
    """A sound database that is not this site's journal."""


class JournalInUseError(JournalError):
    """Another process writes this journal."""


def journal_error(path: Path, error: sqlite3.Error) -> JournalError:
    """Turn a database error into ours, damaged or not."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    if code in _DAMAGE_CODES:
        return DamagedJournalError(f"{path}: damaged: {error}")
    return JournalError(f"{path}: {error}")
