"""Commitment: the one child obligation a site gets at award, with everything it needs alone.

Children sum to the parent, or the shortfall is stated with the allocation. During delivery
only multipliers travel; a site that is cut off still has all of this.
"""

from dataclasses import dataclass

from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.obligation import HoldRule, Obligation
from protocols.vocabulary.offer import OfferCurve


@dataclass(frozen=True, slots=True, kw_only=True)
class Droop:
    """Parameters of a primary-reserve law (japan-market R11).

    Attributes
    ----------
    nominal_hz : float
        50.0 or 60.0.
    droop : float
        Per unit, 0..0.05.
    dead_band_hz : float
        Half width, Hz.
    delay_s : float
        Allowed delay, s.
    """

    nominal_hz: float
    droop: float
    dead_band_hz: float
    delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """A site's child obligation and its terms.

    Attributes
    ----------
    obligation : Obligation
        ``target`` is the site.
    curve : OfferCurve
        The committed curve; its span may exceed ``obligation.power_w`` so that others'
        failures can be made up.
    envelope : Envelope
        Relative to the baseline, W; the share is never outside it.
    baseline : Baseline
        The site's meter power that shares are added to.
    hold : HoldRule
        What to do when the signal ends.
    band_lower_w, band_upper_w : FloatArray
        Shape (n,), W around the share inside which delivery counts as kept.
    droop : Droop or None
        For primary reserve.
    rule_set_id : str
        Rule set it was made under.
    """

    obligation: Obligation
    curve: OfferCurve
    envelope: Envelope
    baseline: Baseline
    hold: HoldRule
    band_lower_w: FloatArray
    band_upper_w: FloatArray
    droop: Droop | None = None
    rule_set_id: str = "seed-internal"
