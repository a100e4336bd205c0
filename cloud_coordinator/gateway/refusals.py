"""What the gateway does not take, counted, and told to the operator without a flood.

Part of the link's gateway. One event per site, kind and minute, with how many there were.
"""

from dataclasses import dataclass
from typing import Final

import structlog

from cloud_coordinator.services.ports import EventStore
from cloud_coordinator.services.records import EventRecord
from protocols.link.messages import Plain
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Clock

EVENT_EVERY_NS: Final = 60_000_000_000
PLACES_MAX: Final = 4096
"""Sites and kinds that are told apart; the rest share one count."""
REASON_CHARACTERS: Final = 300

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Place:
    told_ns: int
    untold: int = 0


class Refusals:
    """Counts what was refused and makes events of it.

    Parameters
    ----------
    events : EventStore
        Where the operator finds them.
    clock : Clock
        For times.
    epoch : int
        Of this run, so that event keys are never used twice.

    Attributes
    ----------
    total : int
        Refused messages since the start.
    """

    def __init__(self, events: EventStore, clock: Clock, *, epoch: int) -> None:
        self.total = 0
        self._events = events
        self._clock = clock
        self._epoch = epoch
        self._number = 0
        self._places: dict[tuple[SiteId | None, str], _Place] = {}

    def refused(self, site_id: SiteId | None, kind: str, reason: str) -> None:
        """Count a refused message; make an event of the first in a minute.

        Parameters
        ----------
        site_id : SiteId or None
            Whose topic it came on, if that could be read.
        kind : str
            ``noun.verbed`` of the event.
        reason : str
            Why, for people.
        """
        self.total += 1
        self.notice(site_id, kind, reason)

    def notice(self, site_id: SiteId | None, kind: str, reason: str) -> None:
        """Make an event of something that may repeat, at most one a minute per site and kind."""
        now_ns = self._clock.monotonic_ns()
        key = (site_id, kind)
        if key not in self._places and len(self._places) >= PLACES_MAX:
            key = (None, kind)
        place = self._places.get(key)
        if place is not None and now_ns - place.told_ns < EVENT_EVERY_NS:
            place.untold += 1
            return
        untold = 0 if place is None else place.untold
        self._places[key] = _Place(told_ns=now_ns)
        self.tell(key[0], kind, {"reason": reason[:REASON_CHARACTERS], "also": untold})

    def tell(self, site_id: SiteId | None, kind: str, payload: dict[str, Plain]) -> None:
        """Make an event; if the store refuses, the log has it."""
        at = self._clock.now()
        self._number += 1
        try:
            self._events.save_event(
                EventRecord(
                    event_key=f"gateway/{self._epoch}/{self._number}",
                    site_id=site_id,
                    recorded_at=at,
                    received_at=at,
                    kind=kind,
                    payload=payload,
                )
            )
        except StoreError as error:
            _log.warning("event.unsaved", kind=kind, site_id=site_id, cause=str(error))
