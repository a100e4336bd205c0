"""Opens a site's devices for a technician's command, in the place of the agent.

While a command speaks with devices it holds the journal's lock, so no agent starts beside it
and no second command does. A command that moves devices also has the agent's watchdog beside
it: should the command die, the watchdog gives back what it had leased.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from edge_agent.config.site import SiteConfig
from edge_agent.drivers.families import open_site
from edge_agent.drivers.family import FamilyPorts
from edge_agent.drivers.frames import FrameTap
from edge_agent.drivers.ledger import FileLedger
from edge_agent.drivers.site import SiteDriver
from edge_agent.journal.faults import JournalInUseError
from edge_agent.journal.opening import lock, writer_pid
from edge_agent.technician.status import WATCHDOG_FOLDER
from edge_agent.watchdog.heartbeat import Heartbeat
from edge_agent.watchdog.process import LOG_FILE, start_watchdog
from edge_agent.watchdog.recipe import ReleaseRecipe
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

BEAT_S: Final = 1.0
WATCHDOG_S: Final = 10.0
"""Longest wait for the watchdog, to start and to end."""
LOOK_S: Final = 0.05


@asynccontextmanager
async def open_devices(
    config: SiteConfig, clock: Clock, tap: FrameTap
) -> AsyncIterator[SiteDriver]:
    """Open every family to look, and keep it running until the command is done.

    Raises
    ------
    ConfigError
        If the agent, or another command, speaks with the devices now.
    """
    with _alone(config):
        async with _serving(config, clock, tap) as driver:
            yield driver


@asynccontextmanager
async def open_to_move(
    config: SiteConfig, clock: Clock, tap: FrameTap
) -> AsyncIterator[SiteDriver]:
    """Open every family to move devices, with the watchdog beside the command.

    Raises
    ------
    ConfigError
        As :func:`open_devices`, and if the watchdog does not start.
    """
    with _alone(config):
        async with _watched(config), _serving(config, clock, tap) as driver:
            yield driver


@contextmanager
def _alone(config: SiteConfig) -> Iterator[None]:
    """Hold the journal's lock."""
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True)
        held = lock(config.journal_path)
    except JournalInUseError:
        running = writer_pid(config.journal_path)
        raise ConfigError(
            f"process {running} speaks with the devices (the agent, or another command); "
            "stop it first, or see `edge-agent points`"
        ) from None
    except OSError as error:
        raise ConfigError(f"data_dir: {config.data_dir}: {error.strerror or error}") from None
    try:
        yield
    finally:
        os.close(held)


@asynccontextmanager
async def _serving(config: SiteConfig, clock: Clock, tap: FrameTap) -> AsyncIterator[SiteDriver]:
    ledger = FileLedger(config.data_dir, clock)
    book = ReleaseRecipe.of_site(config, config.data_dir / WATCHDOG_FOLDER)
    driver = await open_site(config, FamilyPorts(clock=clock, book=book, ledger=ledger, tap=tap))
    task = asyncio.create_task(driver.run())
    try:
        yield driver
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        ledger.close()


@asynccontextmanager
async def _watched(config: SiteConfig) -> AsyncIterator[None]:
    """Beat in the agent's place; the clean stop in the end lets the watchdog end too."""
    state_dir = config.data_dir / WATCHDOG_FOLDER
    heartbeat = Heartbeat(state_dir)
    watchdog = start_watchdog(state_dir)
    beating = asyncio.create_task(_beat(heartbeat))
    try:
        for _ in range(round(WATCHDOG_S / LOOK_S)):
            if watchdog.pid is not None:
                break
            await asyncio.sleep(LOOK_S)
        else:
            raise ConfigError(f"the watchdog does not start; see {state_dir / LOG_FILE}")
        yield
    finally:
        beating.cancel()
        heartbeat.stop()
        await asyncio.to_thread(watchdog.wait, WATCHDOG_S)


async def _beat(heartbeat: Heartbeat) -> None:
    while True:
        heartbeat.beat()
        await asyncio.sleep(BEAT_S)
