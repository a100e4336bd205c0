"""The store's own housekeeping beside the link: lagging writes, the cache, merging.

Runs in worker threads, so the event loop never waits for it. Started by main.
"""

import asyncio
from typing import Final

import structlog

from cloud_coordinator.services.learning import Learning
from cloud_coordinator.store.registry import Registry
from cloud_coordinator.store.telemetry import TelemetryStore
from protocols.link.messages import Stream
from protocols.vocabulary.errors import StoreError

DISPATCH_S: Final = 1.0
MERGE_EVERY: Final = 5
CACHE_EVERY: Final = 60
LEARN_S: Final = 10.0
LEARN_PAUSE_S: Final = 0.05

_log = structlog.get_logger(__name__)


async def keep_up(
    registry: Registry, telemetry: TelemetryStore, learning: Learning | None = None
) -> None:
    """Do what is due, for ever; a failure is logged and tried again.

    Parameters
    ----------
    registry : Registry
        Whose dispatch records are written, and where the watermarks are cached.
    telemetry : TelemetryStore
        Whose segments are merged.
    learning : Learning or None
        Whose steps are done, with a pause after each for the dispatch.
    """
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_keep_stores(registry, telemetry), name="stores")
        if learning is not None:
            tasks.create_task(_keep_learning(learning), name="learning")


async def _keep_stores(registry: Registry, telemetry: TelemetryStore) -> None:
    count = 0
    while True:
        await asyncio.sleep(DISPATCH_S)
        count += 1
        try:
            await asyncio.to_thread(_once, registry, telemetry, count=count)
        except StoreError as error:
            _log.warning("store.upkeep_failed", cause=str(error))


async def _keep_learning(learning: Learning) -> None:
    """Learn from each award that has ended, one short step after the other, for ever."""
    while True:
        await asyncio.sleep(LEARN_S)
        for award in learning.due():
            try:
                for step in learning.steps(award):
                    await asyncio.to_thread(step)
                    await asyncio.sleep(LEARN_PAUSE_S)
            except StoreError as error:
                _log.warning("store.upkeep_failed", cause=str(error))
            else:
                _log.info("award.learned", obligation_id=award.obligation.obligation_id)


def _once(registry: Registry, telemetry: TelemetryStore, *, count: int) -> None:
    registry.dispatches.flush()
    if count % MERGE_EVERY == 0:
        telemetry.compact()
    if count % CACHE_EVERY == 0:
        durable = telemetry.durable()
        registry.progress.save_many(
            {key: {Stream.TELEMETRY: sequence} for key, sequence in durable.items()}
        )
