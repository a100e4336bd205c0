"""What settlement takes and gives: promised and delivered seconds, and the statement."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from cloud_coordinator.market.bands import CommandStep
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.identifiers import ObligationId, SiteId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What was promised, what was delivered, and what is missing.

    Attributes
    ----------
    statement_id : str
        Digest of everything below; the same data gives the same id.
    obligation_id, zone, service, interval, rule_set_id
        What was settled, and by which rules.
    award_w, tolerance_w : float
        W.
    seconds_expected, seconds_complete : int
        A second is complete when every bound site has a row.
    missing : tuple of (int, int)
        Runs of incomplete seconds as half-open Unix ranges; never filled.
    promised_wh, delivered_wh : int
        Energy of all promised seconds; of all rows there are (the sum of the sites').
    within_tolerance_ratio, within_band_ratio : float
        Part of the expected seconds inside the award's tolerance, and inside the rule's
        band; an incomplete second is outside.
    band_kept : bool
        Whether the rule's pass ratio is reached.
    error_rms_w, error_median_w, error_worst_w : float or None
        Delivered less promised over complete seconds; median and worst of its magnitude.
    capacity_value_jpy : Decimal
        Price x award x half hours, not rounded; penalties are not in it.
    sites : tuple of SiteShare
        By site id.
    """

    statement_id: str
    obligation_id: ObligationId
    zone: ZoneId
    service: Service
    interval: Interval
    rule_set_id: str
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
    error_rms_w: float | None
    error_median_w: float | None
    error_worst_w: float | None
    capacity_value_jpy: Decimal
    sites: tuple[SiteShare, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Commands that were in force during the award, by time, clipped to the award."""

    steps: tuple[CommandStep, ...]
