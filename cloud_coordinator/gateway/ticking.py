"""The coordinator's beat: a tick each second, and a look at the fleet half a second later.

Made by main; :mod:`cloud_coordinator.gateway.cycle_log` may stand between to measure.
"""

import asyncio
from typing import Final, Protocol

import structlog

from cloud_coordinator.gateway.collecting import Garbage
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.intervals import Clock

TICK_PHASE_S: Final = 0.9
"""Part of the second at which signals go out: before the sites' next cycles begin."""
WATCH_PHASE_S: Final = 0.4
TICK_LEAST_S: Final = 0.05

_log = structlog.get_logger()


class Ticking(Protocol):
    """What is done every second: :class:`cloud_coordinator.services.coordinator.Coordinator`."""

    def tick(self) -> None:
        """Do what is due."""

    def watch(self) -> None:
        """Do what cannot wait for the tick."""


class Pulse(Protocol):
    """Who is told that a tick is done."""

    def ticked(self, *, store_up: bool) -> None:
        """Note a completed tick, and whether the store took what it wrote."""


async def tick_forever(coordinator: Ticking, clock: Clock, pulse: Pulse) -> None:
    """Tick at the same part of each second; a store that fails is told and tried again."""
    with Garbage(clock) as garbage:
        while True:
            await _until(WATCH_PHASE_S, clock)
            try:
                coordinator.watch()
            except StoreError as error:
                _log.error("store.failed", cause=str(error))
            await _until(TICK_PHASE_S, clock)
            try:
                coordinator.tick()
            except StoreError as error:
                pulse.ticked(store_up=False)
                _log.error("store.failed", cause=str(error))
            else:
                pulse.ticked(store_up=True)
            await asyncio.sleep(0)
            garbage.collect()


async def _until(phase_s: float, clock: Clock) -> None:
    wait_s = (phase_s - clock.now().timestamp()) % 1.0
    await asyncio.sleep(wait_s if wait_s >= TICK_LEAST_S else wait_s + 1.0)
