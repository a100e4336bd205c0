"""What may be promised: envelopes, learned behaviour and the law of large and small numbers.

Never the nameplate: a site counts with what its envelope leaves above its baseline, what it
reaches within the product's response time, its learned gain, and how often it kept its word.
Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.allocation.promise import Promise
from cloud_coordinator.allocation.reliability import delivered_law
from cloud_coordinator.fleet.characteristics import Characteristics
from cloud_coordinator.market.bids import Source
from cloud_coordinator.market.product import ProductRule
from cloud_coordinator.services.bidding.risk import RiskCurve, risk_curve
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.errors import ConfigError

PROBABILITY: Final = 0.999
"""With which all promises of a half hour are to be kept together, in whichever lists."""
_SPLITS: Final = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)
"""Parts of the allowed failures that the first of two sources may be given."""
_HOUR_S: Final = 3600.0
_KW: Final = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """Sites of one source on one market day.

    Attributes
    ----------
    envelopes : tuple of Envelope
        One per site, 48 steps of half an hour.
    baselines : tuple of Baseline
        The same sites and steps.
    characteristics : Characteristics
        Learned, one row per site.
    """

    envelopes: tuple[Envelope, ...]
    baselines: tuple[Baseline, ...]
    characteristics: Characteristics


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependability:
    """What may be promised of one product.

    Attributes
    ----------
    power_kw : FloatArray
        Shape (48,), kW that is there with the wanted probability.
    risk : RiskCurve
        What promising a part of it risks, in the slot with least power.
    """

    power_kw: FloatArray
    risk: RiskCurve


def capability(
    sites: Sites, rules: Sequence[ProductRule], *, probability: float = PROBABILITY
) -> Dependability:
    """Find what may be promised of a product in every slot.

    Parameters
    ----------
    sites : Sites
        Of one source.
    rules : sequence of ProductRule
        All rule sets of the product; the shortest response and longest duration count. Empty
        for energy, which knows neither.
    probability : float
        With which the promise is to be kept.

    Raises
    ------
    ConfigError
        If envelopes, baselines and characteristics are not of the same sites and 48 half hours.
    """
    power_w = _reachable_w(sites, rules)
    reliability = sites.characteristics.dependable
    known: dict[bytes, float] = {}
    found = np.zeros(SLOTS_A_DAY)
    for at in range(SLOTS_A_DAY):
        total = float(power_w[:, at].sum())
        if total <= 0.0:
            continue
        shape = np.round(power_w[:, at] / total, 9)
        key = shape.tobytes()
        if key not in known:
            law = delivered_law(Promise(power_w=power_w[:, at], reliability=reliability))
            known[key] = law.dependable_w(probability) / total
        found[at] = known[key] * total
    least = int(np.argmin(np.where(found > 0.0, found, np.inf)))
    cautious = delivered_law(Promise(power_w=power_w[:, least], reliability=reliability))
    usual = sites.characteristics.reliability
    law = delivered_law(Promise(power_w=power_w[:, least], reliability=usual))
    tolerance = min((float(rule.tolerance.pct) / 100.0 for rule in rules), default=0.0)
    risk = risk_curve(law, float(found[least]), tolerance, cautious=cautious)
    return Dependability(power_kw=found / _KW, risk=risk)


def allowances(
    parts: Mapping[Source, Sites], probability: float = PROBABILITY
) -> Mapping[Source, float]:
    """Share the failures that are allowed among sources, so that they promise most together.

    Lists of different sources are assessed apart and fail independently, so the promise of the
    portfolio is kept with the product of their probabilities: two lists at 99.9 % each keep
    99.8 % together. What is allowed is split where the sum of dependable power is greatest.

    Parameters
    ----------
    parts : mapping
        Sites by source, one or two.
    probability : float
        With which all promises are to be kept.

    Raises
    ------
    ConfigError
        As :func:`capability`.
    """
    if len(parts) <= 1:
        return dict.fromkeys(parts, probability)
    first, second = parts

    def together(split: float) -> float:
        return sum(
            float(capability(parts[one], (), probability=probability**part).power_kw.sum())
            for one, part in ((first, split), (second, 1.0 - split))
        )

    best = max(_SPLITS, key=lambda split: (together(split), -abs(split - 0.5)))
    return {first: probability**best, second: probability ** (1.0 - best)}


def _reachable_w(sites: Sites, rules: Sequence[ProductRule]) -> FloatArray:
    """Power of each site above its baseline, in time and for long enough, shape (n, 48), W."""
    _check(sites)
    learned = sites.characteristics
    upper = np.stack([one.power_w_max for one in sites.envelopes])
    usual = np.stack([one.power_w for one in sites.baselines])
    found = np.maximum(upper - usual, 0.0)
    response_s = min((rule.response_s for rule in rules), default=SLOT_S)
    lag_s = min((rule.lag.newer_s for rule in rules if rule.lag.newer_s), default=response_s)
    duration_s = max((rule.duration_s for rule in rules), default=SLOT_S)
    ramp = np.array([one.ramp_w_per_s for one in sites.envelopes])
    left_s = np.maximum(response_s - learned.delay_s, 0.0)
    found = np.minimum(found, np.where(left_s > 0.0, ramp * left_s, 0.0)[:, None])
    found[learned.delay_s > lag_s] = 0.0
    if duration_s > 0:
        energy_wh = np.stack([one.energy_wh_max[1:] for one in sites.envelopes])
        found = np.minimum(found, np.maximum(energy_wh, 0.0) * _HOUR_S / duration_s)
    return np.asarray(found * learned.gain[:, None], dtype=np.float64)


def _check(sites: Sites) -> None:
    count = len(sites.characteristics.names)
    if not (count == len(sites.envelopes) == len(sites.baselines)) or count == 0:
        raise ConfigError("capability: one envelope, baseline and row of experience per site")
    steps = [(one.target, one.step_s, len(one.power_w_max)) for one in sites.envelopes]
    steps += [(one.target, one.step_s, len(one.power_w)) for one in sites.baselines]
    for target, step_s, length in steps:
        if length != SLOTS_A_DAY or step_s != SLOT_S:
            raise ConfigError(f"capability: {target} is not given in {SLOTS_A_DAY} half hours")
