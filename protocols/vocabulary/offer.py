"""OfferCurve and DispatchSignal: the promise of a site and the price that calls it.

``share`` is the only place where a multiplier becomes a power. Edge, coordinator, fleet
simulator and ``explain`` all call it, so a share can be recomputed by anybody afterwards.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.identifiers import SignalId, SiteId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service

NO_CURVE: Final = 0
"""Version that no curve has."""
SHARE_VERSION: Final = (1 << 31) - 1
"""Version of a curve that is one share, sent by message to a site that uses a wrong curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferCurve:
    """Committed monotone curve power(multiplier) of one site for one service.

    Attributes
    ----------
    site_id : SiteId
        Who promised it.
    service : Service
        The product whose multiplier drives it.
    version : int
        Rises with each commitment of the site.
    multipliers : FloatArray
        Shape (m,), m >= 1, JPY/kWh, strictly increasing.
    power_w : FloatArray
        Shape (m,), W relative to the site's baseline, not decreasing, generator frame.
    interval : Interval
        When the promise holds.
    """

    site_id: SiteId
    service: Service
    version: int
    multipliers: FloatArray
    power_w: FloatArray
    interval: Interval

    def __post_init__(self) -> None:
        """Check shape and monotony."""
        assert len(self.multipliers) == len(self.power_w) >= 1, "curve columns differ"
        assert bool((self.multipliers[1:] > self.multipliers[:-1]).all()), (
            "curve multipliers must rise"
        )
        assert bool((self.power_w[1:] >= self.power_w[:-1]).all()), "curve power must not fall"


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchSignal:
    """The one message that dispatches a zone.

    Attributes
    ----------
    zone : ZoneId
        Who should act.
    signal_id : SignalId
        Rises within an epoch; telemetry echoes it.
    epoch : int
        Fencing number of the sender; a lower one is refused.
    interval : Interval
        When it may be applied.
    multipliers : mapping of Service to float
        JPY/kWh per product.
    """

    zone: ZoneId
    signal_id: SignalId
    epoch: int
    interval: Interval
    multipliers: Mapping[Service, float]


def share(curve: OfferCurve, multipliers: Mapping[Service, float]) -> float:
    """Power a site owes at the given multipliers.

    Parameters
    ----------
    curve : OfferCurve
        The committed curve.
    multipliers : mapping of Service to float
        JPY/kWh; a service that is not in it counts as no call.

    Returns
    -------
    float
        W relative to the baseline, + toward the grid: linear between breakpoints, constant
        outside them, 0.0 when the service is not called.
    """
    price = multipliers.get(curve.service)
    if price is None:
        return 0.0
    prices, powers = curve.multipliers, curve.power_w
    upper = bisect_right(prices, price)
    if upper == 0:
        return float(powers[0])
    if upper == len(prices):
        return float(powers[-1])
    low_price, high_price = float(prices[upper - 1]), float(prices[upper])
    low_w, high_w = float(powers[upper - 1]), float(powers[upper])
    return low_w + (high_w - low_w) * ((price - low_price) / (high_price - low_price))
