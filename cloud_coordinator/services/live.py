"""LiveView: what a page shows now. Readings carry their age; nothing here decides."""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Final

import numpy as np

from cloud_coordinator.fleet.fleet import RING_S, Fleet
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.fleet.snapshot import FleetSnapshot, LinkCondition
from cloud_coordinator.market.bands import Called, band
from cloud_coordinator.market.rules import RuleBook
from cloud_coordinator.services.attributing import beside
from cloud_coordinator.services.delivery import Delivery
from cloud_coordinator.services.dispatching import Books, Dispatching
from cloud_coordinator.services.membership import accepted_mask
from cloud_coordinator.services.records import AwardRecord, DispatchRecord
from protocols.vocabulary.calendar import market_day
from protocols.vocabulary.identifiers import ObligationId, SignalId, SiteId, ZoneId
from protocols.vocabulary.intervals import utc_from_seconds

SETTLE_S: Final = 2
"""A second is shown this long after it began, when its rows have come."""
POINTS_KEPT: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePoint:
    """One second of an award.

    Attributes
    ----------
    second : int
        Unix time.
    promised_w : float
        Command in force.
    measured_w : float
        Meter less baseline of the sites that have reported the second.
    booked_w : float
        What accepted sites that have not reported are taken to hold.
    reporting, expected : int
        Sites.
    lower_w, upper_w : float
        Band of the rules that steer.
    """

    second: int
    promised_w: float
    measured_w: float
    booked_w: float
    reporting: int
    expected: int
    lower_w: float
    upper_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAward:
    """An award as it runs.

    Attributes
    ----------
    award : AwardRecord
        With its children's states.
    command_w : float
        In force now, W.
    dispatch : DispatchRecord or None
        The latest signal's reasons.
    points : sequence of LivePoint
        The last seconds, oldest first.
    """

    award: AwardRecord
    command_w: float
    dispatch: DispatchRecord | None
    points: Sequence[LivePoint]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSite:
    """A site as last heard. Powers in W, None where there is no number.

    ``age_s`` is None if it was never heard since this program started; ``mode`` and
    ``quality`` are the enumerations' numbers.
    """

    site_id: SiteId
    zone: ZoneId
    link: LinkCondition
    age_s: float | None
    meter_w: float | None
    baseline_w: float | None
    share_w: float | None
    flexible_w: float | None
    mode: int | None
    quality: int | None
    signal_id: SignalId


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveView:
    """Everything the live page needs, at one moment."""

    at: datetime
    sites: Sequence[LiveSite]
    awards: Sequence[LiveAward]


class LiveBoard:
    """Collects the seconds and makes the view.

    Parameters
    ----------
    fleet : Fleet
        Readings.
    books : Books
        Awards and commands.
    dispatching : Dispatching
        Running deliveries.
    rules : RuleBook
        For the band.
    """

    def __init__(
        self, fleet: Fleet, books: Books, dispatching: Dispatching, *, rules: RuleBook
    ) -> None:
        self._fleet = fleet
        self._books = books
        self._dispatching = dispatching
        self._rules = rules
        self._points: dict[ObligationId, deque[LivePoint]] = {}

    def tick(self, now: Moment) -> None:
        """Add the seconds that have settled since the last tick; call it every second."""
        settled = int(now.wall_s) - SETTLE_S
        for award in self._books.awards.all():
            obligation = award.obligation
            delivery = self._dispatching.delivery_of(obligation.obligation_id)
            if delivery is None:
                continue
            points = self._points.setdefault(obligation.obligation_id, deque(maxlen=POINTS_KEPT))
            first = max(int(obligation.interval.start.timestamp()), settled - RING_S + 3)
            if points:
                first = max(first, points[-1].second + 1)
            for second in range(first, settled + 1):
                points.append(self._point(award, delivery, second=second, now=now))

    def points_after(self, obligation_id: ObligationId, second: int) -> Sequence[LivePoint]:
        """Return the points of an award after a Unix second, oldest first."""
        points = self._points.get(obligation_id, deque[LivePoint]())
        newer = takewhile(lambda point: point.second > second, reversed(points))
        return tuple(newer)[::-1]

    def view(self, now: Moment, *, last_s: int) -> LiveView:
        """Show the fleet and the open awards with their last seconds.

        Parameters
        ----------
        now : Moment
            The present.
        last_s : int
            How many seconds of each award.
        """
        shown = []
        for award in self._books.awards.all():
            obligation_id = award.obligation.obligation_id
            points = self._points.get(obligation_id)
            if points is None and now.at >= award.obligation.interval.end:
                continue
            shown.append(
                LiveAward(
                    award=award,
                    command_w=self._books.commands.in_force_w(obligation_id, now.at),
                    dispatch=self._dispatching.last_record(obligation_id),
                    points=list(points or ())[-last_s:],
                )
            )
        return LiveView(at=now.at, sites=live_sites(self._fleet.snapshot(now)), awards=shown)

    def _point(
        self, award: AwardRecord, delivery: Delivery, *, second: int, now: Moment
    ) -> LivePoint:
        indices = delivery.fleet_rows(self._fleet)
        rows = self._fleet.rows_of(second)
        expected = accepted_mask(award.commitments)
        delivered_w = rows.meter_w[indices] - delivery.tracking.baseline_w(second)
        reporting = rows.present[indices] & np.isfinite(delivered_w) & expected
        held_w = delivery.held_w(self._fleet, now)
        lower_w, upper_w = self._band(award, second)
        return LivePoint(
            second=second,
            promised_w=self._books.commands.in_force_w(
                award.obligation.obligation_id, utc_from_seconds(second)
            ),
            measured_w=float(delivered_w[reporting].sum()) - self._others_w(award, second),
            booked_w=float(held_w[expected & ~reporting].sum()),
            reporting=int(reporting.sum()),
            expected=int(expected.sum()),
            lower_w=lower_w,
            upper_w=upper_w,
        )

    def _others_w(self, award: AwardRecord, second: int) -> float:
        """Power called by other awards of the zone, which the same meters show, W."""
        at = utc_from_seconds(second)
        return math.fsum(
            self._books.commands.in_force_w(one.obligation.obligation_id, at)
            for one in beside(award, self._books.awards.all())
            if one.obligation.interval.contains(at)
        )

    def _band(self, award: AwardRecord, second: int) -> tuple[float, float]:
        """Band of one second; commands whose response is over matter by their power only."""
        obligation = award.obligation
        rule = self._rules.rule(
            award.terms.rule_set_id, obligation.service, market_day(obligation.interval.start)
        )
        steps = self._books.commands.steps(obligation.obligation_id)
        over = bisect_right(steps, float(second - rule.response_s), key=lambda step: step.at_s)
        called = Called(award_w=award.award_w, steps=tuple(steps[max(over - 1, 0) :]))
        found = band(np.array([float(second)]), called, rule)
        return float(found.lower_w[0]), float(found.upper_w[0])


def live_sites(snapshot: FleetSnapshot) -> list[LiveSite]:
    """Turn the columns into one record per site, by id."""
    found = [
        LiveSite(
            site_id=site,
            zone=snapshot.zones[row],
            link=LinkCondition(int(snapshot.condition[row])),
            age_s=_number(snapshot.age_s[row]),
            meter_w=_number(snapshot.meter_w[row]),
            baseline_w=_number(snapshot.baseline_w[row]),
            share_w=_number(snapshot.share_w[row]),
            flexible_w=_number(snapshot.flexible_w[row]),
            mode=_whole(snapshot.mode[row]),
            quality=_whole(snapshot.quality[row]),
            signal_id=SignalId(int(snapshot.signal_id[row])),
        )
        for row, site in enumerate(snapshot.sites)
    ]
    return sorted(found, key=lambda site: site.site_id)


def _number(value: np.float64) -> float | None:
    return float(value) if np.isfinite(value) else None


def _whole(value: np.float64) -> int | None:
    return int(value) if np.isfinite(value) else None
