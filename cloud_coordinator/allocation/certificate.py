"""The certificate of a commitment: what it holds against, checkable from the file alone.

It carries every site's promised power and reliability and every common cause, and what follows
from them: the probability of delivering at least the obligation, which share of the sites may
be missing whichever they are, and how many sites up to a size. ``verify`` computes all of it
again from the numbers in the file. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cloud_coordinator.allocation.problem import AllocationInputError
from cloud_coordinator.allocation.promise import Promise, SharedOutage, check_promise
from cloud_coordinator.allocation.reliability import delivered_law
from protocols.vocabulary.arrays import FloatArray

FORMAT: Final = "vpp-certificate/1"
SIZE_QUANTILES: Final = (0.5, 0.9, 1.0)
PROBABILITY_NEAR: Final = 1e-6
"""Two computations of the same law agree to this."""
_DIGITS: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a commitment holds against.

    Attributes
    ----------
    obligation_w : float
        W.
    promise : Promise
        Of all sites.
    site_id : tuple of str
        Shape (n,).
    delivery_probability : float
        Of at least the obligation.
    any_share : float
        Of the sites that may be missing, whichever they are, while the others deliver.
    any_sites : tuple of (int, float)
        So many sites of at most that size, W, may be missing, whichever they are.
    """

    obligation_w: float
    promise: Promise
    site_id: tuple[str, ...]
    delivery_probability: float
    any_share: float
    any_sites: tuple[tuple[int, float], ...]


def certify(site_id: Sequence[str], promise: Promise, obligation_w: float) -> Certificate:
    """Find what a promise holds against.

    Raises
    ------
    AllocationInputError
        If ids are missing or come twice, or a number is none.
    """
    check_promise(promise)
    if len(site_id) != len(promise.power_w) or len(set(site_id)) != len(site_id):
        raise AllocationInputError("certificate: one id of its own per site")
    if not np.isfinite(obligation_w) or obligation_w < 0.0:
        raise AllocationInputError(f"certificate: obligation {obligation_w} W")
    power = promise.power_w
    sizes = sorted({float(np.quantile(power, at)) for at in SIZE_QUANTILES}) if len(power) else []
    return Certificate(
        obligation_w=obligation_w,
        promise=promise,
        site_id=tuple(site_id),
        delivery_probability=delivered_law(promise).probability(obligation_w),
        any_share=_spared(power, obligation_w, np.inf) / max(len(power), 1),
        any_sites=tuple((_spared(power, obligation_w, size), size) for size in sizes),
    )


def _spared(power: FloatArray, obligation_w: float, size_w: float) -> int:
    """How many sites of at most a size may be missing, whichever they are."""
    total = float(power.sum())
    if total < obligation_w:
        return 0
    largest = np.sort(power[power <= size_w])[::-1]
    left = total - np.cumsum(largest)
    return int((left >= obligation_w * (1.0 - 1e-12)).sum())


def to_data(certificate: Certificate) -> dict[str, Any]:
    """Lay a certificate out in JSON's own types."""
    promise = certificate.promise
    return {
        "format": FORMAT,
        "obligation_w": certificate.obligation_w,
        "claims": {
            "delivery_probability": round(certificate.delivery_probability, _DIGITS),
            "any_share_of_sites_offline": round(certificate.any_share, _DIGITS),
            "any_sites_offline": [
                {"count": count, "size_w_max": size} for count, size in certificate.any_sites
            ],
        },
        "sites": {
            "id": list(certificate.site_id),
            "power_w": promise.power_w.tolist(),
            "reliability": promise.reliability.tolist(),
        },
        "common_causes": [
            {
                "name": cause.name,
                "outage_probability": cause.outage_probability,
                "members": cause.members.tolist(),
            }
            for cause in promise.causes
        ],
    }


def promise_of(data: Mapping[str, Any]) -> Promise:
    """Read the promise out of a certificate's data.

    Raises
    ------
    AllocationInputError
        If the data is something else.
    """
    try:
        if data["format"] != FORMAT:
            raise AllocationInputError(f"certificate: format {data['format']!r}, not {FORMAT!r}")
        sites = data["sites"]
        promise = Promise(
            power_w=np.array(sites["power_w"], dtype=np.float64),
            reliability=np.array(sites["reliability"], dtype=np.float64),
            causes=tuple(
                SharedOutage(
                    name=str(cause["name"]),
                    outage_probability=float(cause["outage_probability"]),
                    members=np.array(cause["members"], dtype=np.int64),
                )
                for cause in data["common_causes"]
            ),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise AllocationInputError(f"certificate: {error!r} in its data") from error
    check_promise(promise)
    return promise


def verify(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Compute a certificate's claims again from its own numbers.

    Returns
    -------
    tuple of str
        What does not hold, one sentence each; empty if all does.

    Raises
    ------
    AllocationInputError
        If the data is no certificate.
    """
    promise = promise_of(data)
    try:
        obligation_w, claims = float(data["obligation_w"]), data["claims"]
        chance = float(claims["delivery_probability"])
        share = float(claims["any_share_of_sites_offline"])
        sparings = [
            (int(one["count"]), float(one["size_w_max"])) for one in claims["any_sites_offline"]
        ]
        again = certify([str(one) for one in data["sites"]["id"]], promise, obligation_w)
    except (KeyError, TypeError, ValueError) as error:
        raise AllocationInputError(f"certificate: {error!r} in its claims") from error
    wrong = []
    if not chance <= again.delivery_probability + PROBABILITY_NEAR:
        wrong.append(
            f"delivered with probability {again.delivery_probability:.6f}, not {chance:.6f}"
        )
    if not share <= again.any_share + 10.0**-_DIGITS:
        wrong.append(f"holds with any {again.any_share:.4%} of the sites offline, not {share:.4%}")
    for count, size_w in sparings:
        spared = _spared(promise.power_w, obligation_w, size_w)
        if count > spared:
            wrong.append(f"holds without any {spared} sites up to {size_w:.0f} W, not {count}")
    return tuple(wrong)
