"""What an aggregator is asked over time, and what its readings say of it."""

from datetime import UTC, datetime, timedelta

import pytest

from cloud_coordinator.gateway.aggregators.duty import Duty
from cloud_coordinator.gateway.aggregators.port import MeterReading, Terms
from cloud_coordinator.gateway.aggregators.rows import offer_of
from protocols.vocabulary.arrays import column
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import (
    JournalId,
    ObligationId,
    SignalId,
    SiteId,
    ZoneId,
)
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import HoldRule, Obligation, RelativeTo, Service
from protocols.vocabulary.offer import DispatchSignal

T0 = datetime(2026, 7, 22, 6, 0, tzinfo=UTC)
AWARD = Interval(start=T0, end=T0 + timedelta(hours=1))
BASELINE_W = -5000.0
TERMS = Terms(
    site_id=SiteId("agg-1"),
    zone=ZoneId("tokyo"),
    up_w=3000.0,
    down_w=1000.0,
    up_price=(20.0, 21.0),
    down_price=(10.0, 9.0),
    response_s=60.0,
    step_s=30.0,
    deadband_w=50.0,
    reading_s=60.0,
)


def at(seconds: float) -> datetime:
    """Moment after the start of the award."""
    return T0 + timedelta(seconds=seconds)


def duty() -> Duty:
    """Make a duty of an hour."""
    offer = offer_of(
        TERMS,
        Service.SECONDARY_1,
        AWARD,
        baseline=(BASELINE_W, T0),
        number=(JournalId("aggregator-1"), 1),
    )
    obligation = Obligation(
        obligation_id=ObligationId("award-1/agg-1"),
        parent_id=ObligationId("award-1"),
        target="agg-1",
        service=Service.SECONDARY_1,
        interval=AWARD,
        step_s=3600.0,
        power_w=column([3000.0]),
        relative_to=RelativeTo.BASELINE,
        tolerance_w=100.0,
    )
    commitment = Commitment(
        obligation=obligation,
        curve=offer.curve,
        envelope=offer.envelope,
        baseline=offer.baseline,
        hold=HoldRule.HOLD_SHARE,
        band_lower_w=column([-100.0]),
        band_upper_w=column([100.0]),
    )
    return Duty(commitment, TERMS)


def signal(price: float, moment: datetime) -> DispatchSignal:
    """Make a signal that holds for five seconds."""
    return DispatchSignal(
        zone=TERMS.zone,
        signal_id=SignalId(1),
        epoch=1,
        interval=Interval(start=moment, end=moment + timedelta(seconds=5)),
        multipliers={Service.SECONDARY_1: price},
    )


def asked(made: Duty, price: float | None, moment: datetime) -> float | None:
    """Share it is asked at a moment, noted as the site notes it."""
    ask = made.ask_for(None if price is None else signal(price, moment), moment)
    if ask is None:
        return None
    made.asked(ask.share_w, moment)
    return ask.share_w


def test_it_is_asked_seldom_exactly_and_to_the_end() -> None:
    """If it fails, an aggregator drowns in events, or is let go when the signal stops."""
    made = duty()
    assert asked(made, None, at(-20)) == 0.0, "told of the award before it begins"
    assert asked(made, 20.5, at(-1)) is None, "too soon after that"
    assert asked(made, 20.5, at(10)) == 1500.0
    assert asked(made, 21.0, at(20)) is None, "too soon"
    assert asked(made, None, at(41)) == 3000.0, "what it was owed when it may be told"
    assert asked(made, 20.99, at(80)) is None, "30 W are within the dead band"
    assert asked(made, None, at(600)) is None, "without a signal its share holds"
    assert asked(made, 15.0, at(601)) == 0.0
    assert asked(made, 9.0, at(640)) == -1000.0
    assert [made.share_at(at(s)) for s in (0, 10, 50, 620, 3599)] == [0, 1500, 3000, 0, -1000]
    assert made.share_at(at(3600)) == 0.0


def test_zero_is_always_told() -> None:
    """If it fails, an aggregator goes on with the last few watts though nothing is owed."""
    made = duty()
    assert asked(made, 20.01, at(0)) == pytest.approx(30.0)
    assert asked(made, 15.0, at(31)) == 0.0


@pytest.mark.parametrize(
    ("start_s", "power_w", "delivered_w"),
    [
        (30, BASELINE_W, None),  # not settled yet: it says nothing
        (60, BASELINE_W + 2900.0, None),
        (60, BASELINE_W + 1500.0, None),  # half: neither
        (60, BASELINE_W + 300.0, 300.0),
        (60, BASELINE_W - 900.0, -900.0),
        (3590, BASELINE_W, None),  # ends after the award
    ],
)
def test_a_reading_tells_whether_it_delivers(
    start_s: float, power_w: float, delivered_w: float | None
) -> None:
    """If it fails, a sleeping aggregator counts as delivering, or a good one as asleep."""
    made = duty()
    made.asked(3000.0, at(0))
    made.judge(MeterReading(start=at(start_s), duration_s=60, power_w=power_w))
    assert made.delivered_w == delivered_w


def test_it_is_believed_again_when_it_moves() -> None:
    """If it fails, an aggregator that slept once is left out for the rest of its award."""
    made = duty()
    made.asked(3000.0, at(0))
    made.judge(MeterReading(start=at(60), duration_s=60, power_w=BASELINE_W))
    assert made.delivered_w == 0.0
    made.judge(MeterReading(start=at(120), duration_s=60, power_w=BASELINE_W + 1400.0))
    assert made.delivered_w == 1400.0, "better, but not enough"
    made.judge(MeterReading(start=at(180), duration_s=60, power_w=BASELINE_W + 2800.0))
    assert made.delivered_w is None
