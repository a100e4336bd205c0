"""What a gateway would send of itself, made for an aggregator: layout, offer, rows. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from cloud_coordinator.gateway.aggregators.port import MeterReading, Terms
from protocols.link.messages import Layout, Offer, Telemetry
from protocols.vocabulary.arrays import column
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.identifiers import JournalId, ModelId, ResourceId, SignalId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.offer import OfferCurve
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

BASELINE_S: Final = 300.0
"""The mean of so much past is the baseline."""
BASELINE_MODEL: Final = ModelId("persistence-300s")
LAYOUT_VERSION: Final = 1
_NAN: Final = float("nan")
_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is known of one second. Powers in W, NaN where there is no number."""

    second: int
    signal_id: SignalId
    meter_w: float
    baseline_w: float
    share_w: float


def layout_of(terms: Terms) -> Layout:
    """Make the layout: one resource, which is all that can be called."""
    resource = Resource(
        resource_id=ResourceId(f"{terms.site_id}/aggregate"),
        site_id=terms.site_id,
        kind=ResourceKind.LOAD,
        power_w_min=-terms.down_w,
        power_w_max=terms.up_w,
        ramp_w_per_s=_ramp(terms),
        capabilities=frozenset({Capability.TAKES_SETPOINT, Capability.MEASURES_SITE}),
    )
    return Layout(version=LAYOUT_VERSION, resources=(resource,))


def baseline_w(readings: Sequence[MeterReading], now: datetime) -> float | None:
    """Mean power of the last minutes, W; None if they were not measured."""
    since = now - timedelta(seconds=BASELINE_S)
    recent = [one for one in readings if one.start >= since]
    if not recent:
        return None
    total_s = sum(one.duration_s for one in recent)
    return sum(one.power_w * one.duration_s for one in recent) / total_s


def offer_of(
    terms: Terms,
    service: Service,
    interval: Interval,
    *,
    baseline: tuple[float, datetime],
    number: tuple[JournalId, int],
) -> Offer:
    """Make an offer of everything that was agreed.

    Parameters
    ----------
    terms : Terms
        What was agreed.
    service, interval : Service, Interval
        What is asked for.
    baseline : tuple of float and datetime
        W at the meter, and the moment of the offer.
    number : tuple of JournalId and int
        Journal and sequence of the offer, also the version of its curve.
    """
    points = [(terms.up_price[0], 0.0), (terms.up_price[1], terms.up_w)]
    if terms.down_w > 0.0:
        points = [(terms.down_price[1], -terms.down_w), (terms.down_price[0], 0.0), *points]
    hours = interval.duration_s / _HOUR_S
    power_w, now = baseline
    return Offer(
        journal_id=number[0],
        sequence=number[1],
        curve=OfferCurve(
            site_id=terms.site_id,
            service=service,
            version=number[1],
            multipliers=column([price for price, _ in points]),
            power_w=column([power for _, power in points]),
            interval=interval,
        ),
        envelope=Envelope(
            target=terms.site_id,
            interval=interval,
            step_s=interval.duration_s,
            power_w_min=column([-terms.down_w]),
            power_w_max=column([terms.up_w]),
            energy_wh_min=column([0.0, -terms.down_w * hours]),
            energy_wh_max=column([0.0, terms.up_w * hours]),
            ramp_w_per_s=_ramp(terms),
            limited_by="contract",
        ),
        baseline=Baseline(
            target=terms.site_id,
            interval=interval,
            step_s=interval.duration_s,
            power_w=column([power_w]),
            method=BASELINE_MODEL,
            computed_at=now,
            data_until=now,
            model_id=BASELINE_MODEL,
        ),
    )


def telemetry_of(rows: Sequence[Row], journal_id: JournalId, first_sequence: int) -> Telemetry:
    """Make telemetry; there is at least one row."""
    good = float(Quality.GOOD)
    values = [
        (
            *(row.meter_w, row.baseline_w, row.share_w, _NAN, _NAN, good),
            *(_NAN, row.baseline_w + row.share_w, _NAN, good),
        )
        for row in rows
    ]
    return Telemetry(
        journal_id=journal_id,
        first_sequence=first_sequence,
        layout_version=LAYOUT_VERSION,
        times_s=np.array([row.second for row in rows], dtype=np.int64),
        signal_ids=np.array([row.signal_id for row in rows], dtype=np.int64),
        values=np.array(values, dtype=np.float32),
    )


def _ramp(terms: Terms) -> float:
    return (terms.up_w + terms.down_w) / terms.response_s
