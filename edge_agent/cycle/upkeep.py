"""What need not happen within the second: the watchdog's life, the journal's size."""

import asyncio
from typing import Final, Protocol

import structlog

from edge_agent.config.site import JournalConfig
from edge_agent.cycle.memory import HeldMemory
from edge_agent.journal.records import JournalStream, Retention, TrimReport
from edge_agent.link.site_link import SiteLink
from protocols.link.messages import Stream
from protocols.vocabulary.errors import JournalError

EVERY_S: Final = 5.0
TRIM_EVERY: Final = 12
"""Rounds between two looks at the journal's size."""
TRIM_CALLS_MAX: Final = 10
"""Calls in a row; each holds the journal's write lock for a few milliseconds only."""

log = structlog.get_logger()


class Watched(Protocol):
    """The watchdog process."""

    def ensure(self) -> bool:
        """Start it if it does not run; True if it had to be started."""


class Kept(Protocol):
    """The journal, as far as its file must be looked after."""

    def tidy(self) -> None:
        """Copy the write-ahead log into the database."""

    def trim(self, retention: Retention) -> TrimReport:
        """Forget the oldest entries that may be forgotten."""

    def oldest(self, stream: JournalStream) -> int:
        """First sequence still held."""


class Upkeep:
    """Keeps the watchdog alive and the journal inside its size.

    Parameters
    ----------
    watchdog, journal, link : Watched, Kept, SiteLink
        What is looked after, and who must know of it.
    held : HeldMemory
        For the durable acknowledgements.
    limits : JournalConfig
        How much is kept.
    """

    def __init__(
        self,
        watchdog: Watched,
        journal: Kept,
        link: SiteLink,
        *,
        held: HeldMemory,
        limits: JournalConfig,
    ) -> None:
        self._watchdog = watchdog
        self._journal = journal
        self._link = link
        self._held = held
        self._limits = limits

    async def run(self) -> None:
        """Work until cancelled."""
        rounds = 0
        while True:
            if self._watchdog.ensure():
                log.info("watchdog.started")
            await self._tidy()
            if rounds % TRIM_EVERY == 0:
                await self._trim()
            rounds += 1
            await asyncio.sleep(EVERY_S)

    async def _tidy(self) -> None:
        try:
            await asyncio.to_thread(self._journal.tidy)
        except JournalError as error:
            log.warning("journal.not_tidied", cause=str(error))

    async def _trim(self) -> None:
        retention = Retention(
            bytes_max=self._limits.bytes_max,
            tick_age_s_max=self._limits.tick_age_s_max,
            durable={
                JournalStream(stream.value): last
                for stream, last in self._held.memory.durable.items()
            },
        )
        for _ in range(TRIM_CALLS_MAX):
            try:
                report = await asyncio.to_thread(self._journal.trim, retention)
            except JournalError as error:
                log.warning("journal.not_trimmed", cause=str(error))
                return
            for stream in Stream:
                name = JournalStream(stream.value)
                if report.removed.get(name, 0):
                    self._link.trimmed(stream, self._journal.oldest(name) - 1)
            if sum(report.removed.values()) < retention.rows_max:
                break
        if report.over_bytes:
            log.warning("journal.over_size", over_bytes=report.over_bytes)
