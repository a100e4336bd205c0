"""A site's health on one page: configuration, journals, watchdog, disk, port, devices.

Every check says what it looked at; nothing is repaired here.
"""

import asyncio
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from edge_agent.config.site import SiteConfig
from edge_agent.journal.aside import kept_aside
from edge_agent.journal.opening import writer_pid
from edge_agent.technician.journals import JournalSummary, summarise
from edge_agent.technician.reach import own_ports, reach
from edge_agent.technician.status import WATCHDOG_FOLDER
from edge_agent.watchdog.lock import running_pid
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

DISK_FREE_BYTES_MIN: Final = 500_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
        What.
    ok : bool
        Whether it is well.
    detail : str
        What was found.
    """

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReport:
    """Everything that was looked at.

    Attributes
    ----------
    site_id : str
        The site.
    looked_at : datetime
        Aware UTC.
    ok : bool
        Whether every check is well. Journals kept aside do not count: they are told.
    checks : tuple of Check
        In order.
    journals : tuple of JournalSummary
        The journal in use first, then those kept aside.
    """

    site_id: str
    looked_at: datetime
    ok: bool
    checks: tuple[Check, ...]
    journals: tuple[JournalSummary, ...]


def examine_site(config: SiteConfig, clock: Clock, *, ask_devices: bool) -> DoctorReport:
    """Look at a site.

    Parameters
    ----------
    config : SiteConfig
        The site; that it could be loaded is the first check.
    clock : Clock
        Time.
    ask_devices : bool
        Whether to ask each device; only while the agent does not run.
    """
    running = writer_pid(config.journal_path)
    journals = examine_journals(config.journal_path)
    checks = [
        Check(name="config", ok=True, detail=f"{len(config.devices)} devices"),
        _journal_check(config.journal_path, journals),
        Check(
            name="agent",
            ok=True,
            detail="does not run" if running is None else f"runs, process {running}",
        ),
        _watchdog_check(config, running),
        _disk_check(config),
        _port_check(config, running),
    ]
    if ask_devices:
        checks += _device_checks(config, clock, running)
    return DoctorReport(
        site_id=config.site_id,
        looked_at=clock.now(),
        ok=all(check.ok for check in checks),
        checks=tuple(checks),
        journals=journals,
    )


def examine_journals(path: Path) -> tuple[JournalSummary, ...]:
    """Summarise a journal, if there is one, and the files kept aside for it."""
    current = (summarise(path, aside=False),) if path.is_file() else ()
    return (*current, *(summarise(kept, aside=True) for kept in kept_aside(path)))


def _journal_check(path: Path, journals: tuple[JournalSummary, ...]) -> Check:
    aside = [journal for journal in journals if journal.aside]
    told = f"; {len(aside)} kept aside" if aside else ""
    if len(aside) == len(journals):
        return Check(name="journal", ok=not aside, detail=f"{path}: none yet{told}")
    journal = journals[0]
    counts = ", ".join(f"{name} {stream.count}" for name, stream in journal.streams.items())
    detail = journal.fault or f"{journal.journal_id}: chain holds; {counts}"
    return Check(name="journal", ok=journal.chain_ok, detail=f"{detail}{told}")


def _watchdog_check(config: SiteConfig, agent: int | None) -> Check:
    pid = running_pid(config.data_dir / WATCHDOG_FOLDER)
    if pid is not None:
        return Check(name="watchdog", ok=True, detail=f"runs, process {pid}")
    detail = "does not run although the agent does" if agent else "does not run, nor the agent"
    return Check(name="watchdog", ok=agent is None, detail=detail)


def _disk_check(config: SiteConfig) -> Check:
    folder = config.data_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    ok = free >= DISK_FREE_BYTES_MIN
    least = "" if ok else f", at least {DISK_FREE_BYTES_MIN / 1e9:g} GB are wanted"
    return Check(name="disk", ok=ok, detail=f"{free / 1e9:.1f} GB free at {folder}{least}")


def _port_check(config: SiteConfig, agent: int | None) -> Check:
    if agent is not None:
        return Check(name="port", ok=True, detail="held by the agent")
    ports = own_ports(config)
    faults = [fault for port in ports if (fault := port.fault())]
    free = ", ".join(str(port) for port in ports) + " free" if ports else "none is needed"
    return Check(name="port", ok=not faults, detail="; ".join(faults) or free)


def _device_checks(config: SiteConfig, clock: Clock, agent: int | None) -> list[Check]:
    if agent is not None:
        detail = "not asked, the agent runs: see `edge-agent points`"
        return [Check(name="devices", ok=True, detail=detail)]
    try:
        answers = asyncio.run(reach(config, clock))
    except ConfigError as error:
        return [Check(name="devices", ok=False, detail=f"cannot ask: {error}")]
    return [Check(name=f"device {one.device_id}", ok=one.ok, detail=one.detail) for one in answers]
