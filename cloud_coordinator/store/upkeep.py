"""The store's own housekeeping beside the link: lagging writes, the cache, merging.

Runs in worker threads, so the event loop never waits for it. Started by main.
"""

import asyncio
from typing import Final

import structlog

from cloud_coordinator.store.registry import Registry
from cloud_coordinator.store.telemetry import TelemetryStore
from protocols.link.messages import Stream
from protocols.vocabulary.errors import StoreError

DISPATCH_S: Final = 1.0
MERGE_EVERY: Final = 5
CACHE_EVERY: Final = 60

_log = structlog.get_logger(__name__)


async def keep_up(registry: Registry, telemetry: TelemetryStore) -> None:
    """Do what is due, for ever; a failure is logged and tried again.

    Parameters
    ----------
    registry : Registry
        Whose dispatch records are written, and where the watermarks are cached.
    telemetry : TelemetryStore
        Whose segments are merged.
    """
    count = 0
    while True:
        await asyncio.sleep(DISPATCH_S)
        count += 1
        try:
            await asyncio.to_thread(_once, registry, telemetry, count=count)
        except StoreError as error:
            _log.warning("store.upkeep_failed", cause=str(error))


def _once(registry: Registry, telemetry: TelemetryStore, *, count: int) -> None:
    registry.dispatches.flush()
    if count % MERGE_EVERY == 0:
        telemetry.compact()
    if count % CACHE_EVERY == 0:
        durable = telemetry.durable()
        registry.progress.save_many(
            {key: {Stream.TELEMETRY: sequence} for key, sequence in durable.items()}
        )
