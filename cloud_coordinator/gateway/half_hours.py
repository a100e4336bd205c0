"""Keeps each half hour's rows beside the tick: in a worker thread, with a pause after each step."""

import asyncio
from typing import Final

import structlog

from cloud_coordinator.services.half_hours import HalfHourRows
from protocols.vocabulary.errors import VppError
from protocols.vocabulary.intervals import Clock

LOOK_S: Final = 20.0
PAUSE_S: Final = 0.05

_log = structlog.get_logger(__name__)


async def keep_half_hours(rows: HalfHourRows, clock: Clock) -> None:
    """Keep what has ended, for ever; what fails is logged and done again at the next look."""
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            for slot in rows.due(clock.now()):
                for step in rows.steps(slot):
                    await asyncio.to_thread(step)
                    await asyncio.sleep(PAUSE_S)
        except VppError as error:
            _log.warning("half_hours.failed", cause=str(error))
