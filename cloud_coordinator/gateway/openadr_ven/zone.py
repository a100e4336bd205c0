"""The zone behind a VEN: its awards are commanded, and its delivery is written down.

Between the VEN's conversation and the coordinator's use cases; once a second, and once a minute
for what sites that were cut off have sent since.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from cloud_coordinator.fleet.moment import moment_of
from cloud_coordinator.gateway.openadr_ven.following import CommandDesk, Follower
from cloud_coordinator.gateway.openadr_ven.minutes import (
    MINUTE,
    DeliveredMinutes,
    LiveSecond,
    StoredSeconds,
    minutes_of,
)
from cloud_coordinator.gateway.openadr_ven.plan import Step
from cloud_coordinator.services.products import by_simple_line, follows_frequency
from cloud_coordinator.services.records import AwardRecord
from protocols.sansio.records import RecordBook
from protocols.vocabulary.identifiers import ObligationId, SiteId, ZoneId
from protocols.vocabulary.intervals import Clock

LATE_AFTER: Final = timedelta(seconds=30)
"""How long after its end a minute that is not whole is looked for in the store."""
LATE_UNTIL: Final = timedelta(days=1)
"""How long it is looked for."""
PAUSE_S: Final = (60.0, 1800.0)
"""Shortest and longest time between two looks at an award; doubled while nothing is new."""


class Stored(Protocol):
    """A delivery as the store has it; ``DeliveryView`` of the services is one."""

    @property
    def series(self) -> StoredSeconds:
        """All sites together."""

    @property
    def sites(self) -> Sequence[SiteId]:
        """Sites that are bound."""


class Record(Protocol):
    """Awards and their delivery, as the store has them; the queries of ``services`` are one."""

    def awards(self) -> Sequence[AwardRecord]:
        """All awards by start."""

    def delivery(self, obligation_id: ObligationId) -> Stored:
        """Promised against delivered; may take a while. ``StoreError``."""


class Present(Protocol):
    """Live seconds; the live board of ``services`` is one."""

    def points_after(self, obligation_id: ObligationId, second: int) -> Sequence[LiveSecond]:
        """Points of an award after a Unix second, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonePorts:
    """What a VEN needs of the coordinator.

    Attributes
    ----------
    record : Record
        Awards and stored delivery.
    present : Present
        Live seconds.
    desk : CommandDesk
        Where commands go.
    book : RecordBook
        Records of this VEN alone.
    clock : Clock
        The coordinator's.
    draw : callable
        Draws so many random bytes.
    """

    record: Record
    present: Present
    desk: CommandDesk
    book: RecordBook
    clock: Clock
    draw: Callable[[int], bytes]


class Zone:
    """One zone, commanded by one VTN.

    Parameters
    ----------
    zone : ZoneId
        Which.
    factor : float
        From our sign to the VTN's.
    ports : ZonePorts
        The coordinator.

    Attributes
    ----------
    minutes : DeliveredMinutes
        What it delivered.
    """

    def __init__(self, zone: ZoneId, factor: float, ports: ZonePorts) -> None:
        self._zone = zone
        self._ports = ports
        self._follower = Follower(zone, ports.desk)
        self._seconds: dict[ObligationId, int] = {}
        self._pauses: dict[ObligationId, tuple[datetime, float]] = {}
        self.minutes = DeliveredMinutes(ports.book, factor)

    def second(self, steps: Sequence[Step]) -> None:
        """Command what is owed now, and take the live seconds since the last call.

        Parameters
        ----------
        steps : sequence of Step
            What the VTN's events ask, by time.

        Raises
        ------
        StoreError
            If a command could not be kept.
        """
        now = moment_of(self._ports.clock)
        awards = self._ports.record.awards()
        for award in told(awards, self._zone):
            self._listen(award, now.at)
        self._follower.follow(steps, awards, now)

    def _listen(self, award: AwardRecord, now: datetime) -> None:
        key, awarded = award.obligation.obligation_id, award.obligation.interval
        if not awarded.start <= now < awarded.end + MINUTE:
            self._seconds.pop(key, None)
            return
        points = self._ports.present.points_after(key, self._seconds.get(key, 0))
        if points:
            self._seconds[key] = points[-1].second
            self.minutes.add(points, awarded)

    async def look_back(self, owe: Callable[[tuple[datetime, datetime]], None]) -> None:
        """Make minutes again whose sites' record has come since.

        Parameters
        ----------
        owe : callable
            Told the begin and end of what became better.

        Raises
        ------
        StoreError
            If the history cannot be read.
        """
        now = self._ports.clock.now()
        for award in told(self._ports.record.awards(), self._zone):
            key, awarded = award.obligation.obligation_id, award.obligation.interval
            since = now - LATE_UNTIL
            if awarded.end <= since:
                self._pauses.pop(key, None)
                continue
            wanted = [
                minute
                for minute in minutes_of(awarded, since, now - LATE_AFTER)
                if not self._is_whole(minute)
            ]
            due_at, pause_s = self._pauses.get(key, (now, PAUSE_S[0]))
            if not wanted or now < due_at:
                continue
            view = await asyncio.to_thread(self._ports.record.delivery, key)
            better = self.minutes.correct(view.series, len(view.sites), wanted, awarded=awarded)
            for minute in better:
                owe((minute, minute + MINUTE))
            pause_s = PAUSE_S[0] if better else min(2 * pause_s, PAUSE_S[1])
            self._pauses[key] = now + timedelta(seconds=pause_s), pause_s

    def _is_whole(self, minute: datetime) -> bool:
        known = self.minutes.find(minute)
        return known is not None and known.is_whole


def told(awards: Sequence[AwardRecord], zone: ZoneId) -> list[AwardRecord]:
    """Awards of a zone whose delivery is told on the line: those that it commands.

    One that follows the frequency is not, nor one of a dedicated line beside one of this line: a
    minute has one power.
    """
    ours = [
        one
        for one in awards
        if one.zone == zone and one.commitments and not follows_frequency(one.obligation.service)
    ]
    simple = [one for one in ours if by_simple_line(one.obligation.service)]
    return [
        one
        for one in ours
        if one in simple
        or not any(one.obligation.interval.overlaps(s.obligation.interval) for s in simple)
    ]
