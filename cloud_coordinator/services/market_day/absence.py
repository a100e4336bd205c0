"""Which sites do not answer, as the trading of days asks it: the live table, slow to accuse."""

from collections.abc import Callable, Collection
from typing import Final

import numpy as np

from cloud_coordinator.fleet.fleet import Fleet
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.fleet.snapshot import LinkCondition
from protocols.vocabulary.identifiers import SiteId

PATIENCE_S: Final = 300.0
"""A site that was not heard since the program started counts as absent after this time, and one
that was heard when it has been silent so long: nothing is bought back for a broken minute."""


class Absences:
    """Sites that do not answer.

    Parameters
    ----------
    fleet : Fleet
        The live table.
    now : callable
        The moment.
    """

    def __init__(self, fleet: Fleet, now: Callable[[], Moment]) -> None:
        self._fleet = fleet
        self._now = now
        self._began_s = now().wall_s

    def __call__(self) -> Collection[SiteId]:
        """Return the sites that are known and silent."""
        now = self._now()
        snapshot = self._fleet.snapshot(now)
        gone = snapshot.age_s > PATIENCE_S
        if now.wall_s - self._began_s < PATIENCE_S:
            gone &= snapshot.condition != LinkCondition.NEVER
        return frozenset(snapshot.sites[row] for row in np.flatnonzero(gone).tolist())
