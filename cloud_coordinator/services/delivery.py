"""Delivery: one award while it is dispatched: who follows, and which multiplier calls them."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cloud_coordinator.allocation.curves import AggregateCurve, CurveTable, aggregate, shares
from cloud_coordinator.allocation.dispatch import Call, dispatch
from cloud_coordinator.fleet.fleet import Fleet
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.fleet.snapshot import FleetSnapshot, LinkCondition
from cloud_coordinator.services.membership import (
    ECHO_S,
    GREETED_S,
    Membership,
    Sighting,
    accepted_mask,
    classify,
    overdue,
)
from cloud_coordinator.services.records import AwardRecord
from cloud_coordinator.services.straying import Straying
from cloud_coordinator.services.tracking import Mask, Rows, Tracking
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.offer import NO_CURVE

CORRECTION_LIMIT: Final = 0.5
"""The integral action stays within this part of the award."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One decision.

    Attributes
    ----------
    call : Call
        The multiplier and what it reaches.
    membership : Membership
        Who follows and who is booked, by commitment.
    correction_w : float
        Integral action added to the command, W.
    held_w : float
        Booked for sites that do not hear us or do not move, W.
    """

    call: Call
    membership: Membership
    correction_w: float
    held_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What else the sites of an award owe now, shape (n,) each, by commitment.

    Attributes
    ----------
    shared : ndarray of bool
        Whether the site follows commands of another award too: its meter shows both, and so
        does the share it tells.
    droop : ndarray of bool
        Whether its devices answer the frequency too. What they add is not known here within the
        second, so such a site is called by its curve alone and its meter corrects nothing.
    untold : ndarray of bool
        Whether the curve version it tells is that of another award.
    """

    shared: Mask
    droop: Mask
    untold: Mask

    @classmethod
    def nothing(cls, n: int) -> "Beside":
        """Of an award that is alone."""
        no = np.zeros(n, dtype=np.bool_)
        return cls(shared=no, droop=no, untold=no)


class Delivery:
    """State of one award's dispatch.

    Parameters
    ----------
    award : AwardRecord
        Allocated.
    began_ns : int
        Monotonic time at which this program took it up.
    epoch : int
        Of this program's run.
    """

    def __init__(self, award: AwardRecord, *, began_ns: int, epoch: int) -> None:
        self._began_ns = began_ns
        self._start_s = int(award.obligation.interval.start.timestamp())
        self._limit_w = CORRECTION_LIMIT * award.award_w
        self.sites = tuple(SiteId(c.obligation.target) for c in award.commitments)
        self._zone = award.zone
        self.tracking = Tracking(award.commitments, start_s=self._start_s)
        self.straying = Straying(award.commitments, start_s=self._start_s, epoch=epoch)
        self._following: Mask = np.zeros(len(self.sites), dtype=np.bool_)
        self._key = b""
        self._curve = AggregateCurve(multipliers=np.empty(0), power_w=np.empty(0))

    def decide(
        self,
        award: AwardRecord,
        fleet: Fleet,
        *,
        command_w: float,
        now: Moment,
        beside: Beside | None = None,
    ) -> Outcome:
        """Find the multiplier for a command.

        Parameters
        ----------
        award : AwardRecord
            The same award, with the sites' answers up to now.
        fleet : Fleet
            The live table.
        command_w : float
            What is owed, W.
        now : Moment
            The present.
        beside : Beside or None
            What else the sites owe; None: nothing.
        """
        beside = beside or Beside.nothing(len(self.sites))
        indices = self.fleet_rows(fleet)
        snapshot = fleet.snapshot(now)
        rows = self._own(_latest(snapshot, indices), beside)
        self.tracking.observe(rows)
        accepted = accepted_mask(award.commitments)
        self.straying.observe(rows, accepted)
        self.tracking.forget(self.straying.strayed | beside.droop)
        lenient = now.wall_s < self._start_s + ECHO_S
        membership = classify(
            accepted,
            rows,
            Sighting(
                live=snapshot.condition[indices] == LinkCondition.LIVE,
                greeted=snapshot.greeted_age_s[indices] < GREETED_S,
                required_id=0 if lenient else self.tracking.signals.sent_by(now.wall_s - ECHO_S),
                unmoved=self.tracking.unmoved & ~beside.droop,
                suspect=overdue(snapshot.receipt_age_s[indices], accepted & rows.heard),
                strayed=self.straying.strayed,
                age_s=(now.monotonic_ns - self._began_ns) / 1e9,
            ),
        )
        self._following = membership.following
        error_w = float(self.tracking.error_w[membership.following].sum())
        correction_w = min(max(-error_w, -self._limit_w), self._limit_w)
        held_w = float(
            self.tracking.held_w(rows)[membership.held].sum()
            + self.tracking.delivered_w[membership.unmoved].sum()
        )
        call = dispatch(self._sum_of(membership.following), command_w + correction_w - held_w)
        return Outcome(call=call, membership=membership, correction_w=correction_w, held_w=held_w)

    def has_news(self, award: AwardRecord, fleet: Fleet, now: Moment) -> bool:
        """Whether sites have missed their tick, or fallen far from their call, since the last look.

        Of those that followed at that decision; rows that show more than one award may tell
        falsely, and cost a decision.
        """
        if not self._following.any():
            return False
        snapshot, indices = fleet.snapshot(now), self.fleet_rows(fleet)
        if self.tracking.has_gap(_latest(snapshot, indices)):
            return True
        accepted = accepted_mask(award.commitments)
        silent = overdue(
            snapshot.receipt_age_s[indices], accepted & np.isfinite(snapshot.age_s[indices])
        )
        greeted = snapshot.greeted_age_s[indices] < GREETED_S
        return bool((self._following & silent & ~greeted).any())

    def held_w(self, fleet: Fleet, now: Moment) -> FloatArray:
        """Estimate what each site delivers if it does not hear us, W, shape (n,)."""
        indices = self.fleet_rows(fleet)
        return self.tracking.held_w(_latest(fleet.snapshot(now), indices))

    def fleet_rows(self, fleet: Fleet) -> IntArray:
        """Index of each site in the fleet."""
        found = [fleet.index_of(site) for site in self.sites]
        return np.array(
            [
                fleet.upsert_site(site, self._zone) if index is None else index
                for site, index in zip(self.sites, found, strict=True)
            ],
            dtype=np.int64,
        )

    def _own(self, rows: Rows, beside: Beside) -> Rows:
        """Take what the sites owe and deliver for other awards out of their rows."""
        if not (beside.shared.any() or beside.untold.any()):
            return rows
        multiplier = self.tracking.signals.multipliers(rows.signal_id)
        known = np.isfinite(multiplier)
        own_w = shares(self.tracking.table, np.where(known, multiplier, 0.0))
        own_w = np.where(known, own_w, np.nan)
        own_w = np.where(rows.second >= self._start_s, own_w, 0.0)
        others_w = np.where(beside.shared, rows.share_w - own_w, 0.0)
        return replace(
            rows,
            meter_w=rows.meter_w - others_w,
            share_w=np.where(beside.shared, own_w, rows.share_w),
            curve_version=np.where(beside.untold, NO_CURVE, rows.curve_version),
        )

    def _sum_of(self, chosen: Mask) -> AggregateCurve:
        """Sum of the chosen curves; built again only when the choice changes."""
        key, table = chosen.tobytes(), self.tracking.table
        if key != self._key:
            self._key = key
            self._curve = aggregate(
                CurveTable(
                    multipliers=table.multipliers[chosen],
                    power_w=table.power_w[chosen],
                    lengths=table.lengths[chosen],
                )
            )
        return self._curve


def _latest(snapshot: FleetSnapshot, indices: IntArray) -> Rows:
    return Rows(
        heard=np.isfinite(snapshot.age_s[indices]),
        second=snapshot.second[indices],
        signal_id=snapshot.signal_id[indices],
        curve_version=snapshot.curve_version[indices],
        meter_w=snapshot.meter_w[indices],
        share_w=snapshot.share_w[indices],
    )
