"""Small nouns for the tests of the cycle."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from protocols.vocabulary.arrays import column
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.identifiers import ModelId, ObligationId, SignalId, SiteId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import HoldRule, Obligation, RelativeTo, Service
from protocols.vocabulary.offer import DispatchSignal, OfferCurve

NOW = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
SITE = SiteId("site-001")
ZONE = ZoneId("tokyo")


def interval(start_s: float = 0.0, length_s: float = 600.0) -> Interval:
    start = NOW + timedelta(seconds=start_s)
    return Interval(start=start, end=start + timedelta(seconds=length_s))


def commitment(
    name: str = "award-1/site-001", *, version: int = 1, span: Interval | None = None
) -> Commitment:
    span = span or interval()
    return Commitment(
        obligation=Obligation(
            obligation_id=ObligationId(name),
            parent_id=ObligationId("award-1"),
            service=Service.SECONDARY_1,
            power_w=column([1000.0]),
            relative_to=RelativeTo.BASELINE,
            tolerance_w=100.0,
            version=version,
            target=SITE,
            interval=span,
            step_s=span.duration_s,
        ),
        curve=OfferCurve(
            site_id=SITE,
            service=Service.SECONDARY_1,
            version=1,
            multipliers=column([0.0, 20.0]),
            power_w=column([-1000.0, 1000.0]),
            interval=span,
        ),
        envelope=Envelope(
            power_w_min=column([-1000.0]),
            power_w_max=column([1000.0]),
            energy_wh_min=column([0.0, -100.0]),
            energy_wh_max=column([0.0, 100.0]),
            ramp_w_per_s=1000.0,
            target=SITE,
            interval=span,
            step_s=span.duration_s,
        ),
        baseline=Baseline(
            power_w=column([-500.0]),
            method="persistence",
            computed_at=NOW,
            data_until=NOW,
            model_id=ModelId("persistence"),
            target=SITE,
            interval=span,
            step_s=span.duration_s,
        ),
        hold=HoldRule.HOLD_SHARE,
        band_lower_w=column([-100.0]),
        band_upper_w=column([100.0]),
    )


def signal(number: int = 1, *, epoch: int = 1, span: Interval | None = None) -> DispatchSignal:
    return DispatchSignal(
        zone=ZONE,
        signal_id=SignalId(number),
        epoch=epoch,
        interval=span or interval(0.0, 5.0),
        multipliers={Service.SECONDARY_1: 12.5},
    )


@pytest.fixture
def nouns() -> SimpleNamespace:
    """Makers of small nouns, and the moment they speak of."""
    return SimpleNamespace(
        now=NOW, site=SITE, zone=ZONE, interval=interval, commitment=commitment, signal=signal
    )
