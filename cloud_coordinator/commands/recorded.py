"""Acts of local verbs on record: who sits at this terminal, and the trail of a registry."""

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from cloud_coordinator.process import SystemClock
from cloud_coordinator.services.auditing import Deed, Trail
from cloud_coordinator.store.audit import AuditRegistry
from cloud_coordinator.store.database import Database, open_database

REGISTRY: Final = "registry.sqlite3"
USUAL: Final = Path("coordinator-data")
RecordOption = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Whose audit trail records it. 記録先のデータ。"),
]


def who_acts() -> str:
    """Name the account of this shell."""
    return f"shell:{getpass.getuser()}"


def shell_deed(what: str, why: str = "") -> Deed:
    """Describe what the person at this terminal does."""
    return Deed(who=who_acts(), what=what, why=why, where=f"local uid {os.getuid()}")


def trail_of(database: Database) -> Trail:
    """Return the trail of an opened registry."""
    return Trail(AuditRegistry(database), SystemClock())


@contextmanager
def recorded(data_dir: Path | None, what: str, why: str = "") -> Iterator[None]:
    """Write an act into the trail of a data directory: intent, then result.

    Parameters
    ----------
    data_dir : Path or None
        As a person named it; None takes the usual one if there is a registry in it, and says
        so if there is none.
    what, why : str
        The act.

    Raises
    ------
    StoreError
        If the trail cannot be written; then nothing is done.
    """
    if data_dir is None and not (USUAL / REGISTRY).is_file():
        sys.stderr.write(f"not on record 監査ログ未記録: no {USUAL / REGISTRY}; --data-dir\n")
        yield
        return
    database = open_database((data_dir or USUAL) / REGISTRY)
    try:
        with trail_of(database).act(shell_deed(what, why)):
            yield
    finally:
        database.close()
