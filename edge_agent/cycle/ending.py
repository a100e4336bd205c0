"""The end of an agent's life: every device is given back, and that is written down."""

import asyncio
import contextlib
from collections.abc import Collection
from typing import Final

import structlog

from edge_agent.cycle.memory import AgentMemory
from edge_agent.cycle.parts import AgentParts
from edge_agent.cycle.record import Happened, event_drafts, outcome_drafts
from edge_agent.drivers.port import WriteOutcome
from edge_agent.journal.records import JournalStream
from protocols.link.messages import Stream
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.identifiers import ResourceId

RELEASE_DEADLINE_S: Final = 8.0
LAST_WORDS_S: Final = 0.2
"""Time for the last event to leave before the connection does."""

log = structlog.get_logger()


async def let_go(parts: AgentParts, memory: AgentMemory, lent: Collection[ResourceId] = ()) -> None:
    """Release every leased device, within a bounded time, and journal what came of it.

    Parameters
    ----------
    parts : AgentParts
        The agent's rooms; its driver and its link still run.
    memory : AgentMemory
        With the leases in force.
    lent : collection of ResourceId
        Devices that the primary loop has written to.
    """
    releases = [
        parts.driver.release(resource.resource_id)
        for resource in parts.driver.resources()
        if resource.resource_id in lent
        or memory.control.setpoint_of(resource.resource_id) is not None
    ]
    outcomes: list[WriteOutcome] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RELEASE_DEADLINE_S):
            outcomes = await asyncio.gather(*releases)
    payload = {"released": len(outcomes), "held": len(releases)}
    stopped = Happened(kind="agent.stopped", payload=payload)
    drafts = outcome_drafts(outcomes, memory.cycle) + event_drafts([stopped], (), memory.cycle)
    try:
        last = await asyncio.to_thread(parts.journal.append, drafts)
    except JournalError as error:
        log.warning("journal.refused", cycle=memory.cycle, cause=str(error))
        return
    parts.link.journaled({Stream.EVENT: last[JournalStream.EVENT]})
    await asyncio.sleep(LAST_WORDS_S)
    log.info("agent.stopped", released=len(outcomes), held=len(releases))
