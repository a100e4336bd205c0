"""AwardBook: the awards in memory, always behind what the store holds durably.

Every change goes to the store first. Called by the other use cases; it decides nothing.
"""

from collections.abc import Sequence
from dataclasses import replace

from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.services.errors import UnknownError
from cloud_coordinator.services.ports import ObligationStore
from cloud_coordinator.services.records import AwardRecord, ChildState
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import ObligationId, SiteId, ZoneId
from protocols.vocabulary.obligation import ObligationState

_ENDED = frozenset({ObligationState.DONE, ObligationState.CANCELLED, ObligationState.REFUSED})


def child_id(obligation_id: ObligationId, site_id: SiteId) -> ObligationId:
    """Id of a site's part of an award."""
    return ObligationId(f"{obligation_id}/{site_id}")


class AwardBook:
    """All awards, found by id, zone and site.

    Parameters
    ----------
    store : ObligationStore
        Read once, then written before memory changes.
    """

    def __init__(self, store: ObligationStore) -> None:
        self._store = store
        self._awards: dict[ObligationId, AwardRecord] = {}
        self._places: dict[ObligationId, int] = {}
        self._of_site: dict[SiteId, dict[ObligationId, int]] = {}
        for award in store.awards():
            self._remember(award)

    def get(self, obligation_id: ObligationId) -> AwardRecord:
        """Return an award.

        Raises
        ------
        UnknownError
            If there is none with this id.
        """
        award = self._awards.get(obligation_id)
        if award is None:
            raise UnknownError(f"obligation {obligation_id!r} is not known")
        return award

    def find(self, obligation_id: ObligationId) -> AwardRecord | None:
        """Return an award, or None."""
        return self._awards.get(obligation_id)

    def all(self) -> Sequence[AwardRecord]:
        """All awards by start, then id."""
        return sorted(
            self._awards.values(),
            key=lambda a: (a.obligation.interval.start, a.obligation.obligation_id),
        )

    def open_in(self, zone: ZoneId) -> Sequence[AwardRecord]:
        """Awards of a zone that have not ended, by start."""
        return [a for a in self.all() if a.zone == zone and a.obligation.state not in _ENDED]

    def put(self, award: AwardRecord) -> None:
        """Store an award with its children, then remember it."""
        self._store.save_award(award)
        self._remember(award)

    def answered(self, child: ChildState) -> bool:
        """Take a site's answer to a commitment; False if it is not new or not ours."""
        parent = ObligationId(child.obligation_id.rpartition("/")[0])
        award = self._awards.get(parent)
        if award is None:
            return False
        index = self._places.get(child.obligation_id)
        if index is None:
            return False
        commitment = award.commitments[index]
        obligation = commitment.obligation
        if obligation.state is child.state or obligation.target != child.site_id:
            return False
        self._store.save_child_state(child)
        answered = replace(commitment, obligation=replace(obligation, state=child.state))
        children = (*award.commitments[:index], answered, *award.commitments[index + 1 :])
        self._awards[parent] = replace(award, commitments=children)
        return True

    def advance(self, now: Moment) -> Sequence[AwardRecord]:
        """Move allocated awards to ACTIVE at their start and to DONE at their end."""
        moved = []
        for award in list(self._awards.values()):
            state = self._state_at(award, now)
            if state is not award.obligation.state:
                changed = replace(award, obligation=replace(award.obligation, state=state))
                self._store.save_state(changed.obligation)
                self._awards[changed.obligation.obligation_id] = changed
                moved.append(changed)
        return moved

    def _state_at(self, award: AwardRecord, now: Moment) -> ObligationState:
        state, interval = award.obligation.state, award.obligation.interval
        if state in _ENDED:
            return state
        if now.at >= interval.end:
            return ObligationState.DONE if award.allocation else ObligationState.CANCELLED
        if state is ObligationState.ACCEPTED and now.at >= interval.start:
            return ObligationState.ACTIVE
        return state

    def commitments_of(self, site_id: SiteId) -> tuple[Commitment, ...]:
        """Return what a site still owes, by start; refused commitments are not among it."""
        owed = []
        for obligation_id, index in self._of_site.get(site_id, {}).items():
            award = self._awards[obligation_id]
            commitment = award.commitments[index]
            refused = commitment.obligation.state is ObligationState.REFUSED
            if award.obligation.state not in _ENDED and not refused:
                owed.append(commitment)
        return tuple(
            sorted(owed, key=lambda c: (c.obligation.interval.start, c.obligation.obligation_id))
        )

    def _remember(self, award: AwardRecord) -> None:
        """Keep an award and where each of its children is; a fleet has thousands."""
        known = self._awards.get(award.obligation.obligation_id)
        for commitment in () if known is None else known.commitments:
            self._places.pop(commitment.obligation.obligation_id, None)
            self._of_site[SiteId(commitment.obligation.target)].pop(
                award.obligation.obligation_id, None
            )
        self._awards[award.obligation.obligation_id] = award
        for index, commitment in enumerate(award.commitments):
            child = commitment.obligation
            self._places[child.obligation_id] = index
            self._of_site.setdefault(SiteId(child.target), {})[award.obligation.obligation_id] = (
                index
            )
