"""Opens a site's journal: locked, checked, and begun anew where the file cannot be used.

A damaged or foreign file is kept aside, never overwritten. Called by :class:`Journal` only.
"""

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from edge_agent.journal.aside import COMPANIONS, set_aside, sync_folder
from edge_agent.journal.faults import (
    DamagedJournalError,
    ForeignJournalError,
    JournalInUseError,
)
from edge_agent.journal.reader import JournalReader
from edge_agent.journal.records import JournalStream, OpenReport, SetAside
from edge_agent.journal.schema import Meta, create
from edge_agent.journal.verify import verify_stream
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.identifiers import JournalId, SiteId

TAIL_CHECKED: Final = 2000
"""Newest entries of each stream whose chain is checked at every start."""
PAGES_CHECKED_BYTES_MAX: Final = 128_000_000
"""Files up to this size have all their pages checked at every start."""
_JOURNAL_ID_BYTES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What opening needs.

    Attributes
    ----------
    path : Path
        The journal's file.
    site_id : SiteId
        Whose journal it must be.
    now : datetime
        Aware UTC.
    entropy : callable
        Gives that many random bytes, for the id of a new journal.
    """

    path: Path
    site_id: SiteId
    now: datetime
    entropy: Callable[[int], bytes]


def lock(path: Path) -> int:
    """Take the journal's lock; the kernel lets go of it however the process ends.

    Returns
    -------
    int
        The descriptor that holds it.

    Raises
    ------
    JournalInUseError
        If another process has it.
    """
    name = path.with_name(f"{path.name}.lock")
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise JournalInUseError(
            f"{path}: in use by process {owner or 'unknown'}; one agent per site"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
    return descriptor


def suspect_mark(path: Path) -> Path:
    """File that says that a read or write found damage; the next start checks every page."""
    return path.with_name(f"{path.name}.suspect")


def prepare(opening: Opening) -> OpenReport:
    """Make sure that a usable journal of the site is at the path.

    Parameters
    ----------
    opening : Opening
        What is wanted; the lock is held.

    Returns
    -------
    OpenReport
        What was done.

    Raises
    ------
    JournalError
        If the file can neither be used nor be kept aside.
    """
    path = opening.path
    if path.exists() and not path.is_file():
        raise JournalError(f"{path}: is not a file")
    aside: list[SetAside] = []
    if path.exists():
        fault = _fault(opening)
        if fault is None:
            suspect_mark(path).unlink(missing_ok=True)
            return OpenReport(created=False)
        cause, reason = fault
        aside.append(set_aside(path, cause, reason, now=opening.now))
    elif any(path.with_name(path.name + suffix).exists() for suffix in COMPANIONS):
        reason = "a write-ahead log was left without its database"
        aside.append(set_aside(path, "corrupt", reason, now=opening.now))
    _begin(opening)
    suspect_mark(path).unlink(missing_ok=True)
    return OpenReport(created=True, set_aside=tuple(aside))


def _fault(opening: Opening) -> tuple[str, str] | None:
    """Cause and reason for keeping the file aside, None if it can be used."""
    try:
        reader = JournalReader(opening.path)
    except ForeignJournalError as error:
        return "foreign", _short(error, opening.path)
    except DamagedJournalError as error:
        return "corrupt", _short(error, opening.path)
    try:
        if reader.meta.site_id != opening.site_id:
            return "foreign", f"the journal of site {reader.meta.site_id!r}"
        reason = _damage(reader)
    except DamagedJournalError as error:
        reason = _short(error, opening.path)
    finally:
        reader.close()
    return ("corrupt", reason) if reason else None


def _damage(reader: JournalReader) -> str:
    """Say what is wrong with pages, states or the newest entries; empty if nothing is."""
    small = reader.path.stat().st_size <= PAGES_CHECKED_BYTES_MAX
    damage = reader.damage(pages=small or suspect_mark(reader.path).exists())
    if damage:
        return damage
    for stream in JournalStream:
        report = verify_stream(reader, stream, newest=TAIL_CHECKED)
        if report.fault:
            return f"stream {stream.value}: {report.fault}"
    return ""


def _begin(opening: Opening) -> None:
    """Make a new journal under another name and move it into place whole."""
    path = opening.path
    fresh = path.with_name(f"{path.name}.new")
    for suffix in ("", *COMPANIONS):
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
    meta = Meta(
        journal_id=JournalId(opening.entropy(_JOURNAL_ID_BYTES).hex()),
        site_id=opening.site_id,
        created_at=opening.now,
    )
    create(fresh, meta)
    fresh.rename(path)
    sync_folder(path.parent)


def _short(error: JournalError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")


def writer_pid(path: Path) -> int | None:
    """Process id of the agent that writes a journal now, None if none does."""
    try:
        descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(descriptor)
    return None
