"""Attributing: what a meter shows, told apart by the products that were owed at the same time.

A meter shows the sum of everything a site does. For each award the other awards of its zone are
taken out at what was owed of them: the command in force, or what the frequency asked for, shared
among their sites as their parts. So a lack counts against every product that was owed in that
second; none is excused by another. The frequency comes from the sites' own record of primary
reserve. Called by queries.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Final

import numpy as np

from cloud_coordinator.market.areas import Area, load_areas
from cloud_coordinator.market.bands import command_at
from cloud_coordinator.market.primary import owing_of
from cloud_coordinator.services.commands import CommandBook
from cloud_coordinator.services.ports import EventStore
from cloud_coordinator.services.products import follows_frequency
from cloud_coordinator.services.records import AwardRecord, EventQuery, EventRecord
from cloud_coordinator.settlement.records import PrimaryTerms
from protocols.link.primary_line import SECOND, SINCE, WHOLE_EVERY_S, Line, opened
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import ObligationState

LINE_KIND: Final = "primary.logged"
WITNESSES: Final = 3
"""So many sites' records are read; the frequency is the median of theirs."""
_LATE: Final = timedelta(seconds=60)
_UNOWED: Final = frozenset({ObligationState.PROPOSED, ObligationState.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What an award owed, second by second, and whose it was.

    Attributes
    ----------
    interval : Interval
        Of the award.
    power_w : FloatArray
        Shape (seconds,), W.
    parts : mapping of SiteId to float
        Each site's part of it, summing to 1.
    by_command : bool
        Whether sites tell it as their share.
    """

    interval: Interval
    power_w: FloatArray
    parts: Mapping[SiteId, float]
    by_command: bool

    def of(self, sites: Sequence[SiteId], index: IntArray, second: IntArray) -> FloatArray:
        """Return what sites owed of it in some seconds, W; 0 outside the award."""
        parts = np.array([self.parts.get(site, 0.0) for site in sites])
        place = second - int(self.interval.start.timestamp())
        inside = (place >= 0) & (place < len(self.power_w))
        at = np.clip(place, 0, len(self.power_w) - 1)
        return np.where(inside, self.power_w[at] * parts[index], 0.0)


class Attributing:
    """Says what is owed of awards.

    Parameters
    ----------
    commands : CommandBook
        Of the operator.
    events : EventStore
        The sites' record of primary reserve.
    """

    def __init__(self, commands: CommandBook, events: EventStore) -> None:
        self._commands = commands
        self._events = events

    def primary(self, award: AwardRecord) -> PrimaryTerms | None:
        """Law and frequency of an award of primary reserve; None for others."""
        area = _areas().get(award.zone)
        if area is None or not follows_frequency(award.obligation.service):
            return None
        sites = [SiteId(c.obligation.target) for c in bound_of(award)]
        interval = award.obligation.interval
        return PrimaryTerms(
            owing=owing_of(area, award.award_w),
            frequency_hz=frequency_hz(self._events, sites, interval),
        )

    def owed(self, award: AwardRecord) -> Owed:
        """Return what was owed of an award in each of its seconds.

        The frequency is answered by all that is committed for it, the margin too: nobody can call
        a part of it only.
        """
        interval, bound = award.obligation.interval, bound_of(award)
        first, count = int(interval.start.timestamp()), int(interval.duration_s)
        child_w = {SiteId(c.obligation.target): float(c.obligation.power_w.max()) for c in bound}
        total_w = math.fsum(child_w.values())
        primary = self.primary(award)
        if primary is None:
            seconds = np.arange(first, first + count, dtype=np.float64)
            power_w = command_at(seconds, self._commands.steps(award.obligation.obligation_id))
        else:
            owing, nominal = primary.owing, primary.owing.droop.nominal_hz
            hertz = np.nan_to_num(primary.frequency_hz, nan=nominal)
            power_w = np.array([owing.theory_w(one) for one in hertz.tolist()])
            power_w *= total_w / award.award_w
        return Owed(
            interval=interval,
            power_w=power_w,
            parts={site: one / total_w for site, one in child_w.items()} if total_w else {},
            by_command=primary is None,
        )

    def others(self, award: AwardRecord, awards: Sequence[AwardRecord]) -> tuple[Owed, ...]:
        """Return what was owed of the other awards of its zone in the same time."""
        return tuple(self.owed(one) for one in beside(award, awards))


def beside(award: AwardRecord, awards: Sequence[AwardRecord]) -> list[AwardRecord]:
    """Other awards of the same zone and time that bound anybody."""
    return [
        one
        for one in awards
        if one.zone == award.zone
        and one.obligation.obligation_id != award.obligation.obligation_id
        and one.obligation.state not in _UNOWED
        and one.commitments
        and one.obligation.interval.overlaps(award.obligation.interval)
    ]


def bound_of(award: AwardRecord) -> tuple[Commitment, ...]:
    """Return the commitments that bind: all but those a site refused."""
    return tuple(c for c in award.commitments if c.obligation.state is not ObligationState.REFUSED)


def frequency_hz(events: EventStore, sites: Sequence[SiteId], interval: Interval) -> FloatArray:
    """Frequency of each second of an interval, shape (seconds,); NaN where no site told it."""
    count, first = int(interval.duration_s), int(interval.start.timestamp())
    found = np.full((WITNESSES, count), np.nan)
    for row, site_id in enumerate(sorted(sites)[:WITNESSES]):
        told = events.events(
            EventQuery(
                site_id=site_id,
                kind=LINE_KIND,
                since=interval.start - timedelta(seconds=WHOLE_EVERY_S),
                until=interval.end + _LATE,
                limit=count + 2 * WHOLE_EVERY_S,
            )
        )
        for line in _lines(told):
            second, hertz = line.get(SECOND), line.get("frequency_hz")
            if not isinstance(second, int) or not isinstance(hertz, int | float):
                continue
            if 0 <= second - first < count:
                found[row, second - first] = hertz
    told_at = np.isfinite(found).any(axis=0)
    result = np.full(count, np.nan)
    result[told_at] = np.nanmedian(found[:, told_at], axis=0)
    return result


def _lines(events: Sequence[EventRecord]) -> list[Line]:
    """Open the lines of a record, those whose whole line is there."""
    whole: dict[object, Line] = {}
    found: list[Line] = []
    for event in sorted(events, key=lambda one: (one.recorded_at, SINCE in one.payload)):
        line = event.payload
        if SINCE not in line:
            whole[line.get(SECOND)] = line
            found.append(line)
        elif line[SINCE] in whole:
            found.append(opened(line, whole[line[SINCE]]))
    return found


@cache
def _areas() -> Mapping[str, Area]:
    return load_areas()
