"""The integral action: what counts as error at the meter and what does not."""

from datetime import timedelta

import numpy as np
import pytest

from cloud_coordinator.services.tracking import Rows, SignalTable, Tracking
from protocols.vocabulary.arrays import FloatArray, column
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.identifiers import ModelId, ObligationId, SiteId
from protocols.vocabulary.intervals import Interval, utc_from_seconds
from protocols.vocabulary.obligation import HoldRule, Obligation, RelativeTo, Service
from protocols.vocabulary.offer import OfferCurve

T0 = 1_784_680_000
BASELINE_W = -700.0
SPAN = Interval(start=utc_from_seconds(T0), end=utc_from_seconds(T0) + timedelta(hours=1))


def commitment() -> Commitment:
    """One site whose share is 100 W per JPY/kWh."""
    return Commitment(
        obligation=Obligation(
            obligation_id=ObligationId("a/site-1"),
            parent_id=ObligationId("a"),
            target="site-1",
            service=Service.SECONDARY_1,
            interval=SPAN,
            step_s=3600.0,
            power_w=column([1000.0]),
            relative_to=RelativeTo.BASELINE,
            tolerance_w=50.0,
        ),
        curve=OfferCurve(
            site_id=SiteId("site-1"),
            service=Service.SECONDARY_1,
            version=1,
            multipliers=column([-20.0, 20.0]),
            power_w=column([-2000.0, 2000.0]),
            interval=SPAN,
        ),
        envelope=Envelope(
            target="site-1",
            interval=SPAN,
            step_s=3600.0,
            power_w_min=column([-2000.0]),
            power_w_max=column([2000.0]),
            energy_wh_min=column([0.0, -9000.0]),
            energy_wh_max=column([0.0, 9000.0]),
            ramp_w_per_s=1e6,
        ),
        baseline=Baseline(
            target="site-1",
            interval=SPAN,
            step_s=3600.0,
            power_w=column([BASELINE_W]),
            method="constant",
            computed_at=SPAN.start,
            data_until=SPAN.start,
            model_id=ModelId("constant"),
        ),
        hold=HoldRule.HOLD_SHARE,
        band_lower_w=column([-50.0]),
        band_upper_w=column([50.0]),
    )


def row(second: int, *, delivered_w: float, signal_id: int, share_w: float = np.nan) -> Rows:
    return Rows(
        heard=np.array([True]),
        second=np.array([T0 + second]),
        signal_id=np.array([signal_id]),
        curve_version=np.array([0]),
        meter_w=np.array([BASELINE_W + delivered_w]),
        share_w=np.array([share_w]),
    )


def test_a_prompt_site_shows_no_error_while_the_command_moves() -> None:
    """The correction would fight every change of the command."""
    tracking, before_w = Tracking([commitment()], start_s=T0), 0.0
    for k in range(60):
        called = 15.0 * np.sin(k / 5.0)
        tracking.signals.add(k + 1, called, sent_s=T0 + k - 0.1)
        tracking.observe(row(k, delivered_w=before_w, signal_id=k + 1))
        before_w = 100.0 * called
        assert abs(tracking.error_w[0]) < 1e-9


def test_a_lasting_offset_is_found() -> None:
    """A site that always gives 100 W too little would never be made up."""
    tracking = Tracking([commitment()], start_s=T0)
    tracking.signals.add(1, 10.0, sent_s=T0)
    for k in range(30):
        tracking.observe(row(k, delivered_w=900.0 if k else 0.0, signal_id=1))
    assert tracking.error_w[0] == pytest.approx(-100.0, abs=2.0)
    assert not tracking.unmoved[0]


def test_the_same_row_counts_once() -> None:
    """Commands between ticks would multiply one second's error."""
    tracking = Tracking([commitment()], start_s=T0)
    tracking.signals.add(1, 10.0, sent_s=T0)
    tracking.observe(row(9, delivered_w=1000.0, signal_id=1))
    tracking.observe(row(10, delivered_w=800.0, signal_id=1))
    once = tracking.error_w[0]
    for _ in range(50):
        tracking.observe(row(10, delivered_w=800.0, signal_id=1))
    assert tracking.error_w[0] == once != 0.0


def test_a_site_without_a_meter_reading_teaches_nothing() -> None:
    """NaN from a dead meter would poison the whole zone's correction."""
    tracking = Tracking([commitment()], start_s=T0)
    tracking.signals.add(1, 10.0, sent_s=T0)
    for k in range(10):
        tracking.observe(row(k, delivered_w=np.nan, signal_id=1))
    assert tracking.error_w[0] == 0.0
    assert tracking.delivered_w[0] == 0.0


def test_a_site_that_does_not_move_is_found_and_taken_back() -> None:
    """A site that hears but stands still would be counted on for ever, or never again."""
    tracking = Tracking([commitment()], start_s=T0)
    tracking.signals.add(1, 10.0, sent_s=T0)
    for k in range(15):
        tracking.observe(row(k, delivered_w=0.0, signal_id=1))
    assert tracking.unmoved[0]
    for k in range(15, 45):
        tracking.observe(row(k, delivered_w=1000.0, signal_id=1))
    assert not tracking.unmoved[0]


def rows_of(second: int, delivered_w: FloatArray) -> Rows:
    n = len(delivered_w)
    return Rows(
        heard=np.full(n, fill_value=True),
        second=np.full(n, T0 + second),
        signal_id=np.full(n, 1),
        curve_version=np.zeros(n, dtype=np.int64),
        meter_w=BASELINE_W + delivered_w,
        share_w=np.full(n, np.nan),
    )


@pytest.mark.parametrize(("tripped", "is_sudden"), [(1, False), (40, True)])
def test_a_trip_of_many_is_taken_at_once_and_one_is_not(tripped: int, *, is_sudden: bool) -> None:
    """A tripped feeder would be waited out, or every kettle be answered by all the others."""
    tracking = Tracking([commitment()] * 200, start_s=T0)
    tracking.signals.add(1, 4.0, sent_s=T0)
    delivered_w = np.full(200, 400.0)
    for k in range(10):
        tracking.observe(rows_of(k, delivered_w))
    assert not tracking.has_gap(rows_of(10, delivered_w))
    delivered_w[:tripped] = 0.0
    fallen = rows_of(10, delivered_w)
    assert tracking.has_gap(fallen) == is_sudden
    assert not tracking.error_w.any(), "looking changes nothing"
    tracking.observe(fallen)
    assert not tracking.has_gap(fallen), "it is known now"
    assert bool(tracking.unmoved[:tripped].all()) == is_sudden
    assert not tracking.unmoved[tripped:].any()
    delivered_w[:] = 400.0
    for k in range(11, 16):
        tracking.observe(rows_of(k, delivered_w))
    assert not tracking.unmoved.any(), "back with its power"
    assert np.abs(tracking.error_w).max() < 30.0


def test_held_share_is_what_the_site_reported_last() -> None:
    """A cut site would be booked at a share it never received."""
    tracking = Tracking([commitment()], start_s=T0)
    tracking.signals.add(1, 10.0, sent_s=T0)
    last = row(1, delivered_w=1000.0, signal_id=1, share_w=1000.0)
    tracking.observe(last)
    tracking.signals.add(2, -10.0, sent_s=T0 + 2)
    assert tracking.held_w(last)[0] == 1000.0


def test_held_share_of_a_site_not_heard_since_a_restart() -> None:
    """After a restart a cut site would be booked at nothing and made up twice."""
    tracking = Tracking([commitment()], start_s=T0)
    tracking.signals.add(1, 7.0, sent_s=T0)
    never = Rows(
        heard=np.array([False]),
        second=np.array([0]),
        signal_id=np.array([0]),
        curve_version=np.array([0]),
        meter_w=np.array([np.nan]),
        share_w=np.array([np.nan]),
    )
    assert tracking.held_w(never)[0] == pytest.approx(700.0)


def test_signal_table() -> None:
    """An echo would be read as another signal's multiplier."""
    table = SignalTable()
    assert table.sent_by(1e12) == 0
    for i in range(1, 1000):
        table.add(i * 10, float(i), sent_s=float(i))
    found = table.multipliers(np.array([9990, 9995, 10, 5, 99_999]))
    assert found[0] == 999.0
    assert np.isnan(found[1:]).all(), "forgotten and unknown ids have no multiplier"
    assert table.sent_by(900.5) == 9000
