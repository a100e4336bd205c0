"""Headroom among products: what a site owes already, and what awards that wait together get."""

from datetime import timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cloud_coordinator.services.dividing import Room, Wanted, divided
from cloud_coordinator.services.fitting import fitted, on_minutes
from protocols.link.messages import Offer
from protocols.vocabulary.arrays import column
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.identifiers import JournalId, ModelId, ObligationId, SiteId
from protocols.vocabulary.intervals import Interval, utc_from_seconds
from protocols.vocabulary.obligation import HoldRule, Obligation, RelativeTo, Service
from protocols.vocabulary.offer import OfferCurve

SITE = SiteId("site-1")
START = utc_from_seconds(1_784_678_400)


def interval(first_min: int, last_min: int) -> Interval:
    return Interval(
        start=START + timedelta(minutes=first_min), end=START + timedelta(minutes=last_min)
    )


def curve(power_w: float, service: Service, when: Interval) -> OfferCurve:
    return OfferCurve(
        site_id=SITE,
        service=service,
        version=1,
        multipliers=column([10.0, 20.0, 30.0]),
        power_w=column([-power_w, 0.0, power_w]),
        interval=when,
    )


def offered(when: Interval, *, power_w: float, baseline_w: float, service: Service) -> Offer:
    hours = when.duration_s / 3600.0
    return Offer(
        journal_id=JournalId("j"),
        sequence=1,
        curve=curve(power_w, service, when),
        envelope=Envelope(
            target=SITE,
            interval=when,
            step_s=when.duration_s,
            power_w_min=column([-power_w]),
            power_w_max=column([power_w]),
            energy_wh_min=column([0.0, -power_w * hours]),
            energy_wh_max=column([0.0, power_w * hours]),
            ramp_w_per_s=1e6,
        ),
        baseline=Baseline(
            target=SITE,
            interval=when,
            step_s=when.duration_s,
            power_w=column([baseline_w]),
            method="constant",
            computed_at=START,
            data_until=START,
            model_id=ModelId("m"),
        ),
    )


def owed(offer: Offer, power_w: float) -> Commitment:
    when = offer.curve.interval
    return Commitment(
        obligation=Obligation(
            obligation_id=ObligationId("a/site-1"),
            parent_id=ObligationId("a"),
            target=SITE,
            service=offer.curve.service,
            interval=when,
            step_s=when.duration_s,
            power_w=column([power_w]),
            relative_to=RelativeTo.BASELINE,
            tolerance_w=0.0,
        ),
        curve=offer.curve,
        envelope=offer.envelope,
        baseline=offer.baseline,
        hold=HoldRule.HOLD_SHARE,
        band_lower_w=column([0.0]),
        band_upper_w=column([0.0]),
    )


def test_what_is_owed_is_not_offered_again() -> None:
    """If it fails, a site sells the same watt twice, or its meter is counted from two baselines."""
    first = offered(interval(0, 60), power_w=5e3, baseline_w=-1e3, service=Service.SECONDARY_1)
    second = offered(interval(30, 90), power_w=5e3, baseline_w=-1.5e3, service=Service.TERTIARY_1)
    fit = fitted(second, interval(30, 90), [owed(first, 3e3)])
    assert fit.baseline.step_s == 1800.0
    assert fit.baseline.power_w.tolist() == [-1e3, -1.5e3]
    # at the meter it reaches -1.5 + 5 = 3.5 kW; from -1 kW with 3 kW owed 1.5 kW are left
    assert fit.envelope.power_w_max.tolist() == [1.5e3, 1.5e3]
    assert fit.envelope.power_w_min.tolist() == [-2.5e3, -2.5e3]
    assert fit.curve.power_w.tolist() == [-2.5e3, 0.0, 1.5e3]
    assert fit.envelope.energy_wh_max.tolist() == [0.0, 750.0, 3250.0]
    alone = fitted(second, interval(30, 90), [])
    assert alone is second


def test_only_whole_minutes_stand_together() -> None:
    """If it fails, a day of seconds is sent to each site."""
    late = Interval(start=START + timedelta(seconds=30), end=START + timedelta(minutes=30))
    assert on_minutes(interval(0, 30))
    assert not on_minutes(late)


@given(
    reach=st.lists(st.floats(100.0, 5000.0), min_size=2, max_size=6),
    parts=st.lists(st.floats(0.05, 0.6), min_size=2, max_size=4),
)
def test_parts_never_exceed_the_headroom(reach: list[float], parts: list[float]) -> None:
    """If it fails, awards that wait together are promised more than there is."""
    when, total = interval(0, 30), sum(reach)
    wanted = [
        Wanted(
            name=str(number),
            award_w=part * total,
            price=5.0 + number,
            duration_s=1800.0,
            rooms={
                SiteId(f"s{place}"): Room(
                    curve=curve(one, Service.SECONDARY_1, when),
                    power_w=one,
                    headroom_w=one,
                    energy_wh=one,
                )
                for place, one in enumerate(reach)
            },
        )
        for number, part in enumerate(parts)
    ]
    found = divided(wanted)
    for place, one in enumerate(reach):
        assert sum(some[SiteId(f"s{place}")] for some in found) <= one * (1.0 + 1e-6)
    if sum(parts) < 0.98:
        sums = np.array([sum(some.values()) for some in found])
        assert (sums >= np.array([one.award_w for one in wanted]) * (1.0 - 1e-6)).all()
