"""Carries out what a VTN's events ask: each step becomes one command of the zone's award.

A command bears the moment from which it is owed: that of the step if it was known before, else
the present. What was commanded last is read from the commands themselves, so a restart in any
second commands nothing twice and nothing too late; a command that a person gave since is left.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import structlog

from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.gateway.openadr_ven.plan import SOURCE_OF_OURS, Step, step_at
from cloud_coordinator.services.commands import Taken
from cloud_coordinator.services.errors import ConflictError, RejectedError
from cloud_coordinator.services.products import by_simple_line, follows_frequency
from cloud_coordinator.services.records import AwardRecord, TsoCommand
from protocols.vocabulary.identifiers import ObligationId, ZoneId

_log = structlog.get_logger(__name__)


class CommandDesk(Protocol):
    """Where commands of the system operator go; the dispatching of ``services`` is one."""

    def accept_command(
        self,
        obligation_id: ObligationId,
        *,
        issued_at: datetime,
        power_w: float,
        now: Moment,
        source: str = "",
    ) -> tuple[TsoCommand, Taken]:
        """Take it once; ``RejectedError``, ``ConflictError``, ``StoreError``."""

    def last_command(self, obligation_id: ObligationId) -> TsoCommand | None:
        """Return the latest command of an award, None before the first."""


class Follower:
    """Commands one zone by the steps of one VTN.

    Parameters
    ----------
    zone : ZoneId
        Whose awards.
    desk : CommandDesk
        Where commands go.
    """

    def __init__(self, zone: ZoneId, desk: CommandDesk) -> None:
        self._zone = zone
        self._desk = desk
        self._known: Sequence[Step] | None = None
        self._done: tuple[ObligationId, Step] | None = None

    def follow(self, steps: Sequence[Step], awards: Sequence[AwardRecord], now: Moment) -> None:
        """Command what is owed now, if it was not commanded yet.

        Parameters
        ----------
        steps : sequence of Step
            By time, as they are known now.
        awards : sequence of AwardRecord
            All there are.
        now : Moment
            The present.

        Raises
        ------
        StoreError
            If the command could not be kept; it is tried again with the next call.
        """
        before = steps if self._known is None else self._known
        step = step_at(steps, now.at)
        award = _running(awards, self._zone, now.at)
        if step is not None and award is not None:
            key = award.obligation.obligation_id
            if (key, step) != self._done:
                was_expected = step_at(before, now.at) == step
                issued_at = step.since if was_expected else now.at
                begins = award.obligation.interval.start
                self._command(key, step, max(issued_at, begins), now=now)
                self._done = key, step
        self._known = steps

    def _command(self, key: ObligationId, step: Step, issued_at: datetime, *, now: Moment) -> None:
        """Give a command, unless it was given already, or ends what is not ours."""
        last = self._desk.last_command(key)
        is_ours = last is not None and last.source.startswith(SOURCE_OF_OURS)
        if not (step.rules or is_ours):
            return
        if last is not None and (last.source, last.power_w) == (step.source, step.power_w):
            return
        if last is not None and is_ours and issued_at <= last.issued_at:
            issued_at = now.at
        try:
            command, taken = self._desk.accept_command(
                key, issued_at=issued_at, power_w=step.power_w, now=now, source=step.source
            )
        except (RejectedError, ConflictError) as error:
            _log.warning("command.refused", source=step.source, cause=str(error))
            return
        _log.info(
            "command.taken",
            obligation_id=str(key),
            power_w=command.power_w,
            clipped_w=command.clipped_w,
            source=step.source,
            outcome=taken.value,
        )


def _running(awards: Sequence[AwardRecord], zone: ZoneId, at: datetime) -> AwardRecord | None:
    """Award of a zone that is commanded at a moment; one of the simple line before others."""
    running = [
        award
        for award in awards
        if award.zone == zone
        and award.obligation.interval.contains(at)
        and not follows_frequency(award.obligation.service)
    ]
    return min(running, key=lambda one: not by_simple_line(one.obligation.service), default=None)
