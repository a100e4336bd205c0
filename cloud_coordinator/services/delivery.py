"""Delivery: one award while it is dispatched: who follows, and which multiplier calls them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.allocation.curves import AggregateCurve, CurveTable, aggregate
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

    def decide(self, award: AwardRecord, fleet: Fleet, *, command_w: float, now: Moment) -> Outcome:
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
        """
        indices = self.fleet_rows(fleet)
        snapshot = fleet.snapshot(now)
        rows = _latest(snapshot, indices)
        self.tracking.observe(rows)
        accepted = accepted_mask(award.commitments)
        self.straying.observe(rows, accepted)
        self.tracking.forget(self.straying.strayed)
        lenient = now.wall_s < self._start_s + ECHO_S
        membership = classify(
            accepted,
            rows,
            Sighting(
                live=snapshot.condition[indices] == LinkCondition.LIVE,
                greeted=snapshot.greeted_age_s[indices] < GREETED_S,
                required_id=0 if lenient else self.tracking.signals.sent_by(now.wall_s - ECHO_S),
                unmoved=self.tracking.unmoved,
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

    def has_new_silence(self, award: AwardRecord, fleet: Fleet, now: Moment) -> bool:
        """Whether a site that followed at the last decision has missed its tick since."""
        if not self._following.any():
            return False
        snapshot, indices = fleet.snapshot(now), self.fleet_rows(fleet)
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
