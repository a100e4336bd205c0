"""Fitting: an offer beside what its site owes already, and inside its part of the headroom.

A site that owes another product at the same time has that much less to offer, and its meter is
counted from one baseline for both. Pure. Called by candidates.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from protocols.link.messages import Offer
from protocols.vocabulary.arrays import FloatArray, column
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.offer import OfferCurve

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600.0


def on_minutes(interval: Interval) -> bool:
    """Whether an interval begins and ends on whole minutes, as products at once have to."""
    return not (interval.start.timestamp() % _MINUTE_S or interval.duration_s % _MINUTE_S)


def fitted(offer: Offer, interval: Interval, held: Sequence[Commitment]) -> Offer:
    """Take what a site owes already out of an offer, and count both from one baseline.

    Parameters
    ----------
    offer : Offer
        Covers the interval.
    interval : Interval
        Of the award; whole minutes where ``held`` is not empty.
    held : sequence of Commitment
        What the site owes of other awards in that time.

    Returns
    -------
    Offer
        For the interval; the offer itself where nothing is held. Envelope and curve are what is
        left around the baseline that is committed already, where one is.
    """
    if not held:
        return offer
    step_s = _step_s(offer, interval, held)
    count = round(interval.duration_s / step_s)
    edges = interval.start.timestamp() + step_s * np.arange(count + 1, dtype=np.float64)
    seconds = edges[:-1]
    own_w = _looked_up(offer.baseline, offer.baseline.power_w, seconds)
    base_w, taken_w = own_w.copy(), np.zeros(count)
    for one in sorted(held, key=lambda commitment: commitment.baseline.computed_at):
        owed = one.obligation.interval
        inside = (seconds >= owed.start.timestamp()) & (seconds < owed.end.timestamp())
        theirs_w = _looked_up(one.baseline, one.baseline.power_w, seconds)
        base_w = np.where(inside, theirs_w, base_w)
        taken_w += np.where(inside, float(one.obligation.power_w.max()), 0.0)
    moved_w = base_w - own_w
    high_w = _looked_up(offer.envelope, offer.envelope.power_w_max, seconds) - moved_w - taken_w
    low_w = _looked_up(offer.envelope, offer.envelope.power_w_min, seconds) - moved_w + taken_w
    high_w, low_w = np.maximum(high_w, 0.0), np.minimum(low_w, 0.0)
    spent_wh = np.concatenate([[0.0], np.cumsum(moved_w + taken_w)]) * step_s / _HOUR_S
    freed_wh = np.concatenate([[0.0], np.cumsum(moved_w - taken_w)]) * step_s / _HOUR_S
    out_wh = _energy(offer.envelope, offer.envelope.energy_wh_max, edges) - spent_wh
    in_wh = _energy(offer.envelope, offer.envelope.energy_wh_min, edges) - freed_wh
    envelope = Envelope(
        target=offer.envelope.target,
        interval=interval,
        step_s=step_s,
        power_w_min=low_w,
        power_w_max=high_w,
        energy_wh_min=np.minimum(in_wh, 0.0),
        energy_wh_max=np.maximum(out_wh, 0.0),
        ramp_w_per_s=offer.envelope.ramp_w_per_s,
        limited_by=offer.envelope.limited_by,
    )
    baseline = replace(offer.baseline, interval=interval, step_s=step_s, power_w=base_w)
    fit = replace(offer, envelope=envelope, baseline=baseline)
    return within(fit, low_w=float(low_w.max()), high_w=float(high_w.min()))


def within(offer: Offer, *, low_w: float, high_w: float) -> Offer:
    """Keep an offer's curve and envelope inside bounds, W, ``low_w <= 0 <= high_w``."""
    curve, envelope = offer.curve, offer.envelope
    return replace(
        offer,
        curve=_bounded(curve, low_w, high_w),
        envelope=replace(
            envelope,
            power_w_min=np.maximum(envelope.power_w_min, low_w),
            power_w_max=np.minimum(envelope.power_w_max, high_w),
        ),
    )


def _bounded(curve: OfferCurve, low_w: float, high_w: float) -> OfferCurve:
    """Bound a curve at its corners: still a promise that rises, though dearer in between."""
    return replace(curve, power_w=column(np.clip(curve.power_w, low_w, high_w).tolist()))


def _step_s(offer: Offer, interval: Interval, held: Sequence[Commitment]) -> float:
    """Longest step on which everything is constant, whole minutes at least."""
    begin = interval.start.timestamp()
    parts = [interval.duration_s]
    for span, step_s in (
        (offer.baseline.interval, offer.baseline.step_s),
        (offer.envelope.interval, offer.envelope.step_s),
        *((one.baseline.interval, one.baseline.step_s) for one in held),
        *((one.obligation.interval, one.obligation.interval.duration_s) for one in held),
    ):
        parts += [span.start.timestamp() - begin, step_s]
    return float(max(math.gcd(*(round(abs(part)) for part in parts)), _MINUTE_S))


def _looked_up(series: Baseline | Envelope, values: FloatArray, seconds: FloatArray) -> FloatArray:
    """Values in force at some seconds; the first or last outside."""
    steps = np.floor((seconds - series.interval.start.timestamp()) / series.step_s)
    return np.asarray(values[np.clip(steps.astype(np.int64), 0, len(values) - 1)], dtype=np.float64)


def _energy(envelope: Envelope, values: FloatArray, edges: FloatArray) -> FloatArray:
    """Energy that may be given between the first edge and each, Wh."""
    times = envelope.interval.start.timestamp() + envelope.step_s * np.arange(len(values))
    found = np.interp(edges, times, values)
    return np.asarray(found - found[0], dtype=np.float64)
