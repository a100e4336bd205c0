"""An award shared with the margin that keeps it."""

import numpy as np
import pytest

from cloud_coordinator.allocation.capacity import Bound, CapacityOffer, allocate_capacity
from cloud_coordinator.allocation.dependable_capacity import (
    Assurance,
    DependableCapacity,
    allocate_capacity_dependably,
)
from cloud_coordinator.allocation.experience import learned_spread, simulated_probability
from cloud_coordinator.allocation.promise import SharedOutage
from protocols.vocabulary.arrays import column
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Interval, utc_from_seconds
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.offer import OfferCurve

SPAN = Interval(start=utc_from_seconds(0), end=utc_from_seconds(3600))


def offers(count: int, seed: int = 1) -> list[CapacityOffer]:
    dice = np.random.default_rng(seed)
    found = []
    for number in range(count):
        power, middle = float(dice.uniform(2000, 5000)), float(dice.uniform(15, 25))
        curve = OfferCurve(
            site_id=SiteId(f"site-{number:04d}"),
            service=Service.SECONDARY_1,
            version=1,
            multipliers=column([middle - 12, middle, middle + 12]),
            power_w=column([-power, 0.0, power]),
            interval=SPAN,
        )
        bound = Bound(power_w=power, limited_by="curve")
        found.append(CapacityOffer(site_id=curve.site_id, curve=curve, up=bound, down=bound))
    return found


def shared(
    found: list[CapacityOffer], award_w: float, *, up: float = 0.94, causes: int = 0
) -> DependableCapacity:
    count = len(found)
    return allocate_capacity_dependably(
        found,
        Assurance(
            probability=0.999,
            reliability=np.full(count, up),
            causes=tuple(
                SharedOutage(
                    name=f"feeder {one}",
                    outage_probability=2e-4,
                    members=np.arange(one, count, causes),
                )
                for one in range(causes)
            ),
        ),
        up_w=award_w,
        down_w=award_w,
    )


@pytest.mark.parametrize(("count", "causes"), [(20, 0), (40, 4), (300, 8)])
def test_the_award_is_kept_as_often_as_was_wanted(count: int, causes: int) -> None:
    """If it fails, an award is missed more often than one second in a thousand."""
    found = offers(count)
    award_w = 0.4 * sum(one.up.power_w for one in found)
    made = shared(found, award_w, causes=causes)
    for side, powers in ((made.up, made.allocation.up), (made.down, made.allocation.down)):
        assert side.is_kept
        assert side.margin_w == pytest.approx(abs(powers.power_w.sum()) - award_w)
        assert 0.0 < side.margin_w < award_w, "not simply everything"
        drawn = simulated_probability(
            side.promise, award_w, draws=20_000, random=np.random.default_rng(1)
        )
        assert drawn >= 0.999 - 4 * (0.001 / 20_000) ** 0.5


def test_without_failures_there_is_no_margin() -> None:
    """If it fails, sure sites are paid for power that nobody needs."""
    found = offers(10)
    award_w = 0.5 * sum(one.up.power_w for one in found)
    plain, made = allocate_capacity(found, up_w=award_w), shared(found, award_w, up=1.0)
    assert made.up.probability == 1.0
    assert abs(made.up.margin_w) <= 2e-3 * award_w
    assert made.allocation.up.cost_jpy_per_h == pytest.approx(plain.up.cost_jpy_per_h, rel=5e-3)


def test_an_unreliable_site_is_asked_less() -> None:
    """If it fails, who fails most is committed like who never fails."""
    found = offers(30)
    reliability = np.where(np.arange(30) < 15, 0.99, 0.7)
    award_w = 0.4 * sum(one.up.power_w for one in found)
    made = allocate_capacity_dependably(
        found,
        Assurance(probability=0.999, reliability=reliability),
        up_w=award_w,
        down_w=0.0,
    )
    caps = np.array([one.up.power_w for one in found])
    part = made.allocation.up.power_w / caps
    assert part[:15].mean() > part[15:].mean() + 0.1
    assert made.down.probability == 1.0


def test_out_of_reach_is_stated() -> None:
    """If it fails, an award that cannot be sure looks as if it were."""
    found = offers(5)
    total_w = sum(one.up.power_w for one in found)
    tight = shared(found, 0.99 * total_w)
    assert not tight.up.is_kept
    assert tight.up.probability == pytest.approx(0.94**5, abs=2e-3)
    short = shared(found, 1.5 * total_w)
    assert short.allocation.up.shortfall_w == pytest.approx(0.5 * total_w)
    assert short.up.probability == 0.0
    assert short.up.margin_w == pytest.approx(-0.5 * total_w)


def test_a_fleet_that_delivered_worse_gets_a_larger_margin() -> None:
    """If it fails, a fleet that missed by more than its law says is believed the same again."""
    found, dice = offers(200), np.random.default_rng(3)
    award_w = 0.4 * sum(one.up.power_w for one in found)
    told = {}
    for name, width in (("as promised", 1.0), ("worse", 2.5)):
        expected, deviation = np.full(60, award_w), np.full(60, 0.02 * award_w)
        came = expected + width * deviation * dice.normal(size=60)
        spread = learned_spread(expected, deviation, came)
        assurance = Assurance(probability=0.999, reliability=np.full(200, 0.94), spread=spread)
        told[name] = allocate_capacity_dependably(found, assurance, up_w=award_w, down_w=award_w)
    for side in ("up", "down"):
        before, after = getattr(told["as promised"], side), getattr(told["worse"], side)
        assert after.is_kept
        assert after.spread > before.spread
        assert after.margin_w > 1.15 * before.margin_w
        plain = simulated_probability(
            after.promise, award_w, draws=5_000, random=np.random.default_rng(1)
        )
        assert plain >= after.probability


def test_nothing_offered() -> None:
    """If it fails, an award without offers brings the coordinator down."""
    made = shared([], 1000.0)
    assert made.allocation.sites == ()
    assert made.allocation.up.shortfall_w == 1000.0
    assert not made.up.is_kept
