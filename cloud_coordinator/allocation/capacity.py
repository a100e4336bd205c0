"""Capacity: share one award among offers at least cost, by price, exactly.

Minimise the sum of every site's cost (the integral of its multiplier over its power) so that
the powers sum to the award. The costs are separable and convex, so the optimum is a price: a
search over breakpoints, then one interpolation between two neighbours, which also shares a
flat price in proportion. Pure, deterministic, independent of the order of the offers. The
result carries its multiplier, limits, shortfall and duality gap, so it can be checked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.allocation.curves import curve_table
from cloud_coordinator.allocation.supply import (
    Supply,
    cost_jpy_per_h,
    mirrored,
    supplied,
    upward,
)
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.envelope import Envelope
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.offer import OfferCurve

BINDING_W: Final = 1e-6
"""Powers this close are equal: a site at its bound, two limits that bind alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The least of a site's limits in one direction: W >= 0, and its name."""

    power_w: float
    limited_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityOffer:
    """What one site offers for an award.

    Attributes
    ----------
    site_id : SiteId
        Who; unique among the offers.
    curve : OfferCurve
        Its offered curve.
    up, down : Bound
        What it can keep up during the whole award.
    """

    site_id: SiteId
    curve: OfferCurve
    up: Bound
    down: Bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """The result of one direction.

    Attributes
    ----------
    power_w : FloatArray
        Shape (n,), W in the generator frame: >= 0 upward, <= 0 downward.
    multiplier : float
        JPY/kWh of the last watt; NaN if nothing was asked or offered.
    shortfall_w : float
        W that no offer covers, >= 0.
    limited_by : tuple of str
        Name of the limit that binds per site; "" where none does.
    cost_jpy_per_h, duality_gap_jpy_per_h : float
        Cost, and how far it is above the bound that the multiplier proves.
    """

    power_w: FloatArray
    multiplier: float
    shortfall_w: float
    limited_by: tuple[str, ...]
    cost_jpy_per_h: float
    duality_gap_jpy_per_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityAllocation:
    """Both directions; ``sites`` is sorted by id and gives the rows of both."""

    sites: tuple[SiteId, ...]
    up: Direction
    down: Direction


def bounds(
    curve: OfferCurve, envelope: Envelope, interval: Interval, *, response_s: float
) -> tuple[Bound, Bound]:
    """Find what a site can keep up for a whole interval, upward and downward.

    Parameters
    ----------
    curve : OfferCurve
        Its offered curve.
    envelope : Envelope
        Relative to the baseline; covers the interval.
    interval : Interval
        The award's.
    response_s : float
        Time in which the power must be reached, s; bounds the power by the ramp.

    Returns
    -------
    tuple of Bound
        Up and down. The least of curve, envelope power, energy over the duration, and ramp
        over the response time; the first of them on a tie.
    """
    since_s = (interval.start - envelope.interval.start).total_seconds()
    first = max(0, math.floor(since_s / envelope.step_s))
    last = math.ceil((since_s + interval.duration_s) / envelope.step_s)
    assert last <= len(envelope.power_w_min), "the envelope does not cover the interval"
    steps = slice(first, last)
    hours = interval.duration_s / 3600.0
    ramp_w = envelope.ramp_w_per_s * response_s
    up = (
        ("curve", float(curve.power_w[-1])),
        (envelope.limited_by or "power", float(envelope.power_w_max[steps].min())),
        ("energy", float(envelope.energy_wh_max[last]) / hours),
        ("ramp", ramp_w),
    )
    down = (
        ("curve", -float(curve.power_w[0])),
        (envelope.limited_by or "power", -float(envelope.power_w_min[steps].max())),
        ("energy", -float(envelope.energy_wh_min[last]) / hours),
        ("ramp", ramp_w),
    )
    return _least(up), _least(down)


def _least(limits: Sequence[tuple[str, float]]) -> Bound:
    least_w = min(power_w for _, power_w in limits)
    name = next(name for name, power_w in limits if power_w <= least_w + BINDING_W)
    return Bound(power_w=max(0.0, least_w), limited_by=name)


def allocate_capacity(
    offers: Sequence[CapacityOffer], *, up_w: float, down_w: float = 0.0
) -> CapacityAllocation:
    """Share an award among offers at least cost.

    Parameters
    ----------
    offers : sequence of CapacityOffer
        In any order.
    up_w, down_w : float
        Awarded power upward and downward, W, >= 0.

    Returns
    -------
    CapacityAllocation
        Powers that sum to the award within 1e-6 W, or to all that is offered with the rest
        stated as shortfall.
    """
    assert up_w >= 0.0, "an award is a magnitude"
    assert down_w >= 0.0, "an award is a magnitude"
    ordered = sorted(offers, key=lambda offer: offer.site_id)
    sites = tuple(offer.site_id for offer in ordered)
    assert len(set(sites)) == len(sites), "one offer per site"
    table = curve_table([offer.curve for offer in ordered])
    up_cap = np.array([offer.up.power_w for offer in ordered], dtype=np.float64)
    down_cap = np.array([offer.down.power_w for offer in ordered], dtype=np.float64)
    up = share_out(upward(table, up_cap), up_w, [offer.up.limited_by for offer in ordered])
    down = share_out(
        upward(mirrored(table), down_cap), down_w, [offer.down.limited_by for offer in ordered]
    )
    return CapacityAllocation(
        sites=sites,
        up=up,
        down=Direction(
            power_w=-down.power_w,
            multiplier=-down.multiplier,
            shortfall_w=down.shortfall_w,
            limited_by=down.limited_by,
            cost_jpy_per_h=down.cost_jpy_per_h,
            duality_gap_jpy_per_h=down.duality_gap_jpy_per_h,
        ),
    )


def share_out(supply: Supply, required_w: float, names: Sequence[str]) -> Direction:
    """Share one direction: search the price, then certify it.

    Parameters
    ----------
    supply : Supply
        What n offers give, each up to its cap.
    required_w : float
        W, >= 0.
    names : sequence of str
        The limit behind each cap.
    """
    offered_w = math.fsum(supply.cap_w)
    goal_w = min(required_w, offered_w)
    if goal_w <= 0.0:
        power_w, multiplier = np.zeros(len(names)), math.nan
    elif goal_w >= offered_w:
        power_w, multiplier = supply.cap_w.copy(), _full_price(supply)
    else:
        power_w, multiplier = _root(supply, goal_w)
    cost = cost_jpy_per_h(supply, power_w)
    binds = (power_w >= supply.cap_w - BINDING_W) & (goal_w > 0.0)
    return Direction(
        power_w=power_w,
        multiplier=multiplier,
        shortfall_w=max(0.0, required_w - offered_w),
        limited_by=tuple(name if bound else "" for name, bound in zip(names, binds, strict=True)),
        cost_jpy_per_h=math.fsum(cost),
        duality_gap_jpy_per_h=_gap(supply, power_w, multiplier),
    )


def _full_price(supply: Supply) -> float:
    """Multiplier at which every row has reached its cap."""
    unfinished = supply.power_w < supply.cap_w[:, None]
    last = np.minimum(unfinished.sum(axis=1), supply.power_w.shape[1] - 1)
    prices = supply.multipliers[np.arange(len(last)), last]
    return float(prices[supply.cap_w > 0.0].max())


def _root(supply: Supply, goal_w: float) -> tuple[FloatArray, float]:
    """Powers and multiplier for a goal strictly between nothing and everything."""
    points = np.unique(supply.multipliers[np.isfinite(supply.multipliers)])
    low, high = 0, len(points) - 1
    while low < high:
        middle = (low + high) // 2
        reached_w = math.fsum(supplied(supply, float(points[middle]), after_jump=True))
        low, high = (low, middle) if reached_w >= goal_w else (middle + 1, high)
    price = float(points[low])
    before_jump = supplied(supply, price, after_jump=False)
    if math.fsum(before_jump) < goal_w:
        after_jump = supplied(supply, price, after_jump=True)
        return _between(before_jump, after_jump, goal_w)[0], price
    earlier = float(points[low - 1])
    power_w, part = _between(supplied(supply, earlier, after_jump=True), before_jump, goal_w)
    return power_w, earlier + (price - earlier) * part


def _between(low: FloatArray, high: FloatArray, goal_w: float) -> tuple[FloatArray, float]:
    """Interpolate all rows alike so that they sum to the goal."""
    low_w, high_w = math.fsum(low), math.fsum(high)
    part = (goal_w - low_w) / (high_w - low_w)
    return np.clip(low + (high - low) * part, low, high), part


def _gap(supply: Supply, power_w: FloatArray, multiplier: float) -> float:
    """Cost above the dual bound at the multiplier, JPY/h; 0 at the exact optimum."""
    if math.isnan(multiplier):
        return 0.0
    best_w = supplied(supply, multiplier, after_jump=True)
    difference = cost_jpy_per_h(supply, power_w) - cost_jpy_per_h(supply, best_w)
    return math.fsum(difference - multiplier * (power_w - best_w) / 1000.0)
