"""What settlement takes and gives: promised and delivered seconds, and the statement."""

import enum
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from cloud_coordinator.market.availability import Charge, Filing
from cloud_coordinator.market.bands import CommandStep
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.calendar import Slot
from protocols.vocabulary.droop import Owing
from protocols.vocabulary.identifiers import ObligationId, SiteId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What else is known of an award; by default nothing was amiss.

    Attributes
    ----------
    filing : Filing
        Plan, pattern number, breakdown, baseline.
    lost_s : tuple of int
        Unix seconds whose telemetry came late and was not filed by form either.
    unable_kw : tuple of (Slot, Decimal)
        Declared unable in time (代替不可申請).
    constrained : frozenset of Slot
        Slots in which a grid constraint that nobody could foresee took power away.
    excluded : frozenset of Slot
        Slots with a command outside the contract; Assessment II leaves them out.
    applied_on : date or None
        Day of the plant's application for connection, for the lag.
    uplink_s : float
        Delay of the telemetry on its way up, s.
    """

    filing: Filing = field(default_factory=Filing)
    lost_s: tuple[int, ...] = ()
    unable_kw: tuple[tuple[Slot, Decimal], ...] = ()
    constrained: frozenset[Slot] = frozenset()
    excluded: frozenset[Slot] = frozenset()
    applied_on: date | None = None
    uplink_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimaryTerms:
    """What primary reserve needs beside the award.

    Attributes
    ----------
    owing : Owing
        The law.
    frequency_hz : FloatArray
        Shape (n,), every second of the award; NaN where unknown.
    """

    owing: Owing
    frequency_hz: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardTermsOf:
    """The award to be settled.

    Attributes
    ----------
    obligation_id, zone, service, interval
        Which award; the interval begins and ends on whole seconds.
    award_w, tolerance_w : float
        W; the tolerance is the half width of the award's own band.
    price_jpy_per_kw_30min : Decimal
        Capacity price.
    sites : tuple of SiteId
        Sites that are bound by it; a row of each is expected every second.
    child_w : tuple of float
        Their parts of the award, W.
    available_w : tuple of float
        Per slot the interval touches: what the bound sites could have delivered above their
        baselines, W.
    final_at : datetime
        Until when late telemetry may still be filed by form.
    circumstances : Circumstances
        Filing, late telemetry and so on.
    primary : PrimaryTerms or None
        For primary reserve; without it nothing can be shown and the slot fails.
    """

    obligation_id: ObligationId
    zone: ZoneId
    service: Service
    interval: Interval
    award_w: float
    tolerance_w: float
    price_jpy_per_kw_30min: Decimal
    sites: tuple[SiteId, ...]
    child_w: tuple[float, ...]
    available_w: tuple[float, ...]
    final_at: datetime
    circumstances: Circumstances = field(default_factory=Circumstances)
    primary: PrimaryTerms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredRows:
    """Power delivered per site and second, in any order; repeated rows must be equal.

    Attributes
    ----------
    site_index, second : IntArray
        Shape (n,), into ``AwardTermsOf.sites``; Unix seconds.
    delivered_w : FloatArray
        Shape (n,), meter less baseline, W, + toward the grid; NaN counts as missing.
    """

    site_index: IntArray
    second: IntArray
    delivered_w: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySeries:
    """Promised against delivered, second by second.

    Attributes
    ----------
    second : IntArray
        Shape (n,), every second of the award.
    promised_w : FloatArray
        Shape (n,), the command in force.
    delivered_w : FloatArray
        Shape (n,), sum of the rows there are.
    sites_present : IntArray
        Shape (n,), how many of the sites have a row.
    complete : ndarray of bool
        Shape (n,), whether all have.
    """

    second: IntArray
    promised_w: FloatArray
    delivered_w: FloatArray
    sites_present: IntArray
    complete: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteShare:
    """One site's part.

    Attributes
    ----------
    site_id : SiteId
        Who.
    award_w : float
        Its part of the award, W.
    energy_wh : int
        Delivered over the seconds that are there, + toward the grid.
    seconds_present, seconds_missing : int
        Sum to the award's length.
    """

    site_id: SiteId
    award_w: float
    energy_wh: int
    seconds_present: int
    seconds_missing: int


class Performance(enum.Enum):
    """Verdict of Assessment II on a slot."""

    PASSED = "passed"
    FAILED = "failed"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotResult:
    """One slot of an award, assessed.

    Attributes
    ----------
    slot : Slot
        Which.
    seconds : int
        How many of its seconds the award covers; 1800 in the market.
    points, points_inside : int
        Points that were due, and those that were there and inside the band.
    performance : Performance
        Assessment II.
    charge : Charge
        Assessment I and the penalties, JPY.
    fee_jpy : Decimal
        Price x award, not rounded.
    nothing_counts : str
        Why nothing counts as available; empty where what was there counts.
    abnormal : bool
        Whether it failed after a fall of the frequency.
    """

    slot: Slot
    seconds: int
    points: int
    points_inside: int
    performance: Performance
    charge: Charge
    fee_jpy: Decimal
    nothing_counts: str
    abnormal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What was promised, what was delivered, and what is missing.

    Attributes
    ----------
    statement_id : str
        Digest of everything below; the same data gives the same id.
    obligation_id, zone, service, interval, rule_set_id
        What was settled, and by which rules.
    rule_version : str
        Rule set id and digest of its text.
    final_at : datetime
        Until then late telemetry may still change it.
    award_w, tolerance_w : float
        W.
    seconds_expected, seconds_complete : int
        A second is complete when every bound site has a row.
    missing : tuple of (int, int)
        Runs of incomplete seconds as half-open Unix ranges; never filled.
    promised_wh, delivered_wh : int
        Energy of all promised seconds; of all rows there are (the sum of the sites').
    within_tolerance_ratio : float
        Part of the expected seconds inside the award's tolerance; an incomplete second is
        outside.
    within_band_ratio : float
        Part of the points of the rule that are inside its band; a missing point is outside.
    band_kept : bool
        Whether Assessment II is passed in every slot where it applies.
    available : bool
        Whether Assessment I is passed in every slot.
    error_rms_w, error_median_w, error_worst_w : float or None
        Delivered less promised over complete seconds; median and worst of its magnitude.
    capacity_value_jpy : Decimal
        Price x award x half hours, not rounded; the sum of the slots' fees.
    penalty_availability_jpy, penalty_performance_jpy : Decimal
        Sums of the slots' penalties I (with what was declared unable) and II, not rounded.
    amount_yen : int
        Capacity value less penalties, the fraction of a yen cut; negative is owed by us.
    slots : tuple of SlotResult
        By time; their sums are the sums here.
    sites : tuple of SiteShare
        By site id.
    """

    statement_id: str
    obligation_id: ObligationId
    zone: ZoneId
    service: Service
    interval: Interval
    rule_set_id: str
    rule_version: str
    final_at: datetime
    award_w: float
    tolerance_w: float
    seconds_expected: int
    seconds_complete: int
    missing: tuple[tuple[int, int], ...]
    promised_wh: int
    delivered_wh: int
    within_tolerance_ratio: float
    within_band_ratio: float
    band_kept: bool
    available: bool
    error_rms_w: float | None
    error_median_w: float | None
    error_worst_w: float | None
    capacity_value_jpy: Decimal
    penalty_availability_jpy: Decimal
    penalty_performance_jpy: Decimal
    amount_yen: int
    slots: tuple[SlotResult, ...]
    sites: tuple[SiteShare, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Commands that were in force during the award, by time, clipped to the award."""

    steps: tuple[CommandStep, ...]
