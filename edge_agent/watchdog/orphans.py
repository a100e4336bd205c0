"""Release what an earlier life leased and the configuration no longer knows.

Called by ``main`` before any driver is opened, so the gateway's own ports are still free. A
device that does not confirm stays in the book: it is tried again at the next start, and by the
watchdog.
"""

from collections.abc import Collection
from typing import Final

import structlog

from edge_agent.watchdog.errand import SETTLED
from edge_agent.watchdog.recipe import Recipe, ReleaseRecipe
from edge_agent.watchdog.release import release_all
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.intervals import Clock

ORPHANS_S: Final = 3.0
"""Longest time the start waits for devices that are none of this site's any more."""

log = structlog.get_logger(__name__)


def release_orphans(book: ReleaseRecipe, known: Collection[ResourceId], clock: Clock) -> None:
    """Release every device in the book that is not known; blocks.

    Parameters
    ----------
    book : ReleaseRecipe
        The lease book.
    known : collection of ResourceId
        Devices of the configuration; their leases are their drivers' business.
    clock : Clock
        For the time allowed.
    """
    orphans = tuple(leased for leased in book.left_over() if leased.resource_id not in known)
    if not orphans:
        return
    recipe = Recipe(
        gateway_address=book.gateway_address, gateway_port=book.gateway_port, devices=orphans
    )
    released = release_all(
        recipe,
        monotonic_s=lambda: clock.monotonic_ns() / 1e9,
        silent=lambda: True,
        budget_s=ORPHANS_S,
    )
    for result in released.results:
        log.warning(
            "lease.orphaned",
            resource_id=result.leased.resource_id,
            restores=result.leased.restores,
            state=result.state.value,
            detail=result.detail,
        )
        if result.state in SETTLED:
            book.drop(result.leased.resource_id)
