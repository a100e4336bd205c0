"""Keeps a file that cannot be used: renamed beside the journal, never overwritten.

Called by the opening of a journal only, under its lock.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from edge_agent.journal.records import SetAside

COMPANIONS: Final = ("-wal", "-shm")
_NAMES_MAX: Final = 1000


def set_aside(path: Path, cause: str, reason: str, *, now: datetime) -> SetAside:
    """Rename a journal and its companions to ``<name>.<cause>-<UTC time>[-n]``.

    Parameters
    ----------
    path : Path
        The journal; the file itself may be missing when only companions were left.
    cause, reason : str
        As in :class:`SetAside`.
    now : datetime
        Aware UTC, for the name.

    Returns
    -------
    SetAside
        Where it is kept. The companions keep their names beside it, so the kept file opens
        with everything that was committed to it.
    """
    target = _free_name(path, f"{cause}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}")
    for suffix in ("", *COMPANIONS):
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.rename(target.with_name(target.name + suffix))
    sync_folder(path.parent)
    return SetAside(path=target, cause=cause, reason=reason)


def kept_aside(path: Path) -> tuple[Path, ...]:
    """Files of a journal that were kept aside, oldest name first."""
    found = [
        candidate
        for cause in ("corrupt", "foreign")
        for candidate in path.parent.glob(f"{path.name}.{cause}-*")
        if not candidate.name.endswith(COMPANIONS)
    ]
    return tuple(sorted(found))


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _free_name(path: Path, ending: str) -> Path:
    for number in range(1, _NAMES_MAX):
        tail = ending if number == 1 else f"{ending}-{number}"
        target = path.with_name(f"{path.name}.{tail}")
        names = [target.with_name(target.name + suffix) for suffix in ("", *COMPANIONS)]
        if not any(name.exists() for name in names):
            return target
    raise AssertionError("a thousand journals were kept aside within one second")
