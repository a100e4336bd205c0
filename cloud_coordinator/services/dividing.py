"""Dividing: the headroom of sites among awards of several products that wait together.

One allocation over all of them (several products that share headroom and energy), so that the
product that pays more does not starve the other and no watt is promised twice. What it leaves is
spare for each product's own margin. Pure. Called by candidates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.allocation.allocate import allocate
from cloud_coordinator.allocation.problem import FleetColumns, Product
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.offer import OfferCurve

SHORTAGE_JPY_PER_KWH: Final = 10_000.0
"""Above every cost of a watt; the award's own price is added, so the dearer is served first."""

GREATEST: Final = 1e12
"""No offer is beyond it; one that is counts as this much, so that one site stops no award."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a site could give one product, W and Wh, >= 0.

    Attributes
    ----------
    curve : OfferCurve
        For what it costs.
    power_w : float
        All of it for this product.
    headroom_w, energy_wh : float
        That all products share.
    """

    curve: OfferCurve
    power_w: float
    headroom_w: float
    energy_wh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One waiting award.

    Attributes
    ----------
    name : str
        Of the award.
    award_w : float
        W.
    price : float
        JPY per kW and half hour.
    duration_s : float
        How long the power may be called in full.
    rooms : mapping of SiteId to Room
        Who offered.
    """

    name: str
    award_w: float
    price: float
    duration_s: float
    rooms: Mapping[SiteId, Room]


def divided(wanted: Sequence[Wanted]) -> tuple[Mapping[SiteId, float], ...]:
    """Say how much of each site's headroom each award may use, W.

    Parameters
    ----------
    wanted : sequence of Wanted
        2 to 8 awards, each of another product.

    Returns
    -------
    tuple of mapping
        By award, a part for each of its sites; over all awards they sum to the headroom at most.
    """
    sites = sorted({site for one in wanted for site in one.rooms})
    shape = (len(wanted), len(sites))
    power_w, price, steep = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    headroom_w, energy_wh = np.zeros(len(sites)), np.zeros(len(sites))
    for row, one in enumerate(wanted):
        for place, site in enumerate(sites):
            room = one.rooms.get(site)
            if room is None:
                continue
            power_w[row, place] = room.power_w
            price[row, place], steep[row, place] = _cost(room.curve)
            headroom_w[place] = max(headroom_w[place], room.headroom_w)
            energy_wh[place] = max(energy_wh[place], room.energy_wh)
    power_w, headroom_w, energy_wh = (
        np.clip(np.nan_to_num(column), 0.0, GREATEST) for column in (power_w, headroom_w, energy_wh)
    )
    price, steep = (np.clip(np.nan_to_num(c), -GREATEST, GREATEST) for c in (price, steep))
    found = allocate(
        FleetColumns(
            price_jpy_per_kwh=price,
            steepness_jpy_per_kwh_w=steep,
            power_w_min=np.zeros(shape),
            power_w_max=np.minimum(power_w, headroom_w),
            headroom_w_up=headroom_w,
            energy_wh_up=energy_wh,
        ),
        [
            Product(
                name=one.name,
                required_w=one.award_w,
                shortage_jpy_per_kwh=SHORTAGE_JPY_PER_KWH + one.price,
                duration_s=one.duration_s,
            )
            for one in wanted
        ],
    )
    parts_w = _with_spare(found.power_w, wanted, power_w=power_w, headroom_w=headroom_w)
    places = {site: place for place, site in enumerate(sites)}
    return tuple(
        {site: float(parts_w[row, places[site]]) for site in one.rooms}
        for row, one in enumerate(wanted)
    )


def _with_spare(
    given_w: FloatArray, wanted: Sequence[Wanted], *, power_w: FloatArray, headroom_w: FloatArray
) -> FloatArray:
    """Give what is left of each site to its products, as the awards are to each other."""
    spare_w = np.maximum(headroom_w - given_w.sum(axis=0), 0.0)
    award_w = np.array([one.award_w for one in wanted])[:, None] * (power_w > 0.0)
    sums = award_w.sum(axis=0)
    weights = np.divide(award_w, sums, out=np.zeros_like(award_w), where=sums > 0.0)
    return np.asarray(np.minimum(given_w + weights * spare_w, power_w), dtype=np.float64)


def _cost(curve: OfferCurve) -> tuple[float, float]:
    """Price of a curve's first watt upward, and how it rises to its last, JPY/kWh and per W."""
    top_w = float(curve.power_w[-1])
    first = float(np.interp(0.0, curve.power_w, curve.multipliers))
    if top_w <= 0.0:
        return first, 0.0
    last = float(curve.multipliers[int(np.searchsorted(curve.power_w, top_w))])
    return first, max(last - first, 0.0) / top_w
