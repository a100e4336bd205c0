"""Commands of the system operator: taken once, stored first, held until the next."""

import enum
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.market.bands import CommandStep
from cloud_coordinator.market.product import LineKind
from cloud_coordinator.market.rules import RuleBook
from cloud_coordinator.services.book import AwardBook
from cloud_coordinator.services.errors import ConflictError, RejectedError
from cloud_coordinator.services.ports import CommandStore
from cloud_coordinator.services.products import MANNERS, follows_frequency
from cloud_coordinator.services.records import AwardRecord, TsoCommand
from protocols.vocabulary.calendar import Slot, market_day, slots_of
from protocols.vocabulary.identifiers import ObligationId
from protocols.vocabulary.intervals import Interval

AHEAD_TOLERANCE_S: Final = 5.0
"""How far ahead of our clock a command may be issued."""
BEFORE_START_S: Final = 60.0
"""How long before the start of the award its first command may be issued; where commands come on
the simple line, a response time earlier, for there they come so long before their target."""


class Taken(enum.Enum):
    """What became of a command."""

    ACCEPTED = "accepted"
    KNOWN = "known"
    SUPERSEDED = "superseded"


class CommandBook:
    """The commands per award, always behind the store.

    Reading is safe from any thread; ``take`` is called from one.

    Parameters
    ----------
    book : AwardBook
        The awards they belong to.
    store : CommandStore
        Written before a command counts.
    rules : RuleBook or None
        For response times; None knows none.
    """

    def __init__(
        self, book: AwardBook, store: CommandStore, *, rules: RuleBook | None = None
    ) -> None:
        self._book = book
        self._store = store
        self._rules = rules
        self._commands: dict[ObligationId, list[TsoCommand]] = {}

    def take(
        self,
        obligation_id: ObligationId,
        *,
        issued_at: datetime,
        power_w: float,
        now: Moment,
        source: str = "",
    ) -> tuple[TsoCommand, Taken]:
        """Take a command, clipped to plus or minus the award, or to 0 and the award.

        Parameters
        ----------
        obligation_id : ObligationId
            A known award.
        issued_at : datetime
            Aware UTC. An older command than the last one taken is ignored.
        power_w : float
            W, + upward.
        now : Moment
            The present.
        source : str
            Who sent it, kept with it.

        Returns
        -------
        tuple of TsoCommand, Taken
            The command in force after it, or the ignored one, and what became of it.

        Raises
        ------
        UnknownError
            If there is no such award.
        RejectedError
            If a field is wrong.
        ConflictError
            If the same instant already holds a different power.
        """
        award = self._book.get(obligation_id)
        interval, service = award.obligation.interval, award.obligation.service
        if follows_frequency(service):
            raise RejectedError(f"service: {service.value} follows the frequency, not commands")
        if not math.isfinite(power_w):
            raise RejectedError("power_w: must be a number of W")
        if issued_at > now.at + timedelta(seconds=AHEAD_TOLERANCE_S):
            raise RejectedError(f"issued_at: {issued_at.isoformat()} is in the future")
        ahead = timedelta(seconds=BEFORE_START_S + self._response_s(award))
        if not interval.start - ahead <= issued_at < interval.end:
            raise RejectedError(f"issued_at: {issued_at.isoformat()} is outside the award")
        manner = MANNERS.get(service)
        least_w = 0.0 if manner is not None and not manner.downward else -award.award_w
        command = TsoCommand(
            obligation_id=obligation_id,
            issued_at=issued_at,
            power_w=power_w,
            clipped_w=min(max(power_w, least_w), award.award_w),
            received_at=now.at,
            source=source,
        )
        known = self._known(obligation_id)
        same = next((c for c in known if c.issued_at == issued_at), None)
        if same is not None:
            if same.power_w != power_w:
                raise ConflictError(f"issued_at {issued_at.isoformat()} has another power")
            return same, Taken.KNOWN
        if known and known[-1].issued_at > issued_at:
            return command, Taken.SUPERSEDED
        self._store.save_command(command)
        known.append(command)
        return command, Taken.ACCEPTED

    def in_force_w(self, obligation_id: ObligationId, at: datetime) -> float:
        """Power owed at a time: the latest command, held; 0 W before the first."""
        command = self.at(obligation_id, at)
        return 0.0 if command is None else command.clipped_w

    def at(self, obligation_id: ObligationId, at: datetime) -> TsoCommand | None:
        """Return the command in force at a time, None before the first."""
        for command in reversed(self._known(obligation_id)):
            if command.issued_at <= at:
                return command
        return None

    def last(self, obligation_id: ObligationId) -> TsoCommand | None:
        """Return the latest command taken, None before the first."""
        known = self._known(obligation_id)
        return known[-1] if known else None

    def steps(self, obligation_id: ObligationId) -> Sequence[CommandStep]:
        """All commands as steps, by time."""
        return tuple(
            CommandStep(at_s=command.issued_at.timestamp(), power_w=command.clipped_w)
            for command in self._known(obligation_id)
        )

    def beyond_award(self, obligation_id: ObligationId) -> frozenset[Slot]:
        """Slots in which a command stood that asked for more than the award."""
        known = self._known(obligation_id)
        over = self._book.get(obligation_id).obligation.interval.end
        ends = [*(command.issued_at for command in known), over][1:]
        return frozenset(
            slot
            for command, end in zip(known, ends, strict=True)
            if command.power_w != command.clipped_w and command.issued_at < end
            for slot in slots_of(Interval(start=command.issued_at, end=end))
        )

    def _response_s(self, award: AwardRecord) -> float:
        """How long before its target a command of the award comes on the simple line, s."""
        if self._rules is None:
            return 0.0
        obligation = award.obligation
        day = market_day(obligation.interval.start)
        rule = self._rules.rule(award.terms.rule_set_id, obligation.service, day)
        return float(rule.response_s) if LineKind.SIMPLE in rule.lines else 0.0

    def _known(self, obligation_id: ObligationId) -> list[TsoCommand]:
        known = self._commands.get(obligation_id)
        if known is None:
            stored = list(self._store.commands(obligation_id))
            known = self._commands.setdefault(obligation_id, stored)
        return known
