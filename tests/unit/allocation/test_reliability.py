"""What a promise is worth when sites fail, alone and together; checked by drawing."""

import math
from dataclasses import replace

import numpy as np
import pytest

from cloud_coordinator.allocation.certificate import certify, to_data, verify
from cloud_coordinator.allocation.dependable import Demanded, allocate_dependably
from cloud_coordinator.allocation.experience import learned_spread, simulated_probability
from cloud_coordinator.allocation.problem import AllocationInputError, FleetColumns, Product
from cloud_coordinator.allocation.promise import Promise, SharedOutage
from cloud_coordinator.allocation.reliability import delivered_law, moments

DRAWS = 100_000
SEED = 20260731
ERRORS = 4.0
"""Standard errors between a law and the drawing."""


def _promise(sites: int, seed: int, *, giant: bool = False) -> Promise:
    """Sites of mixed size on feeders and with vendors whose systems fail at times."""
    rng = np.random.default_rng(seed)
    power = rng.lognormal(9.0, 0.8, sites)
    if giant:
        power[rng.integers(sites)] = power.sum()
    vendor, feeder = rng.integers(0, 3, sites), rng.integers(0, 6, sites)
    causes = [
        SharedOutage(
            name=f"vendor {v}", outage_probability=0.003, members=np.flatnonzero(vendor == v)
        )
        for v in range(3)
    ]
    causes += [
        SharedOutage(
            name=f"feeder {f}", outage_probability=0.004, members=np.flatnonzero(feeder == f)
        )
        for f in range(6)
    ]
    reliability = rng.uniform(0.85, 0.999, sites)
    return Promise(power_w=power, reliability=reliability, causes=tuple(causes))


def _seen(promise: Promise, required_w: float) -> tuple[float, float]:
    """Share of the draws that deliver, and its standard error."""
    random = np.random.default_rng(SEED)
    share = simulated_probability(promise, required_w, draws=DRAWS, random=random)
    return share, math.sqrt(max(share * (1.0 - share), 1.0 / DRAWS) / DRAWS)


@pytest.mark.parametrize(("sites", "giant"), [(60, False), (200, False), (200, True), (400, False)])
@pytest.mark.parametrize("wanted", [0.99, 0.999])
def test_law_of_many_sites_is_what_draws_show(sites: int, *, giant: bool, wanted: float) -> None:
    """If it fails, 99.9 % is written where 98 % is true, and the market takes its penalty."""
    promise = _promise(sites, sites, giant=giant)
    required_w = delivered_law(promise).dependable_w(wanted)
    share, error = _seen(promise, required_w)
    assert abs(share - wanted) <= ERRORS * error + 2e-4


@pytest.mark.parametrize(("feeders", "units_max"), [(8, 12), (50, 0), (50, 12), (150, 0)])
@pytest.mark.parametrize("least", [0.9, 0.99])
def test_law_of_many_feeders_is_what_draws_show(feeders: int, units_max: int, least: float) -> None:
    """If it fails, a file with more feeders than are enumerated makes every plan too sure."""
    rng = np.random.default_rng(feeders)
    sites = 10 * feeders
    causes = tuple(
        SharedOutage(name=f"{f}", outage_probability=2e-4, members=np.arange(10 * f, 10 * f + 10))
        for f in range(feeders)
    )
    promise = Promise(
        power_w=rng.lognormal(9.0, 0.5, sites),
        reliability=rng.uniform(least, 0.5 + 0.5 * least, sites),
        causes=causes,
    )
    law = delivered_law(promise, units_max=units_max)
    for wanted in (0.99, 0.999):
        required_w = law.dependable_w(wanted)
        share, error = _seen(promise, required_w)
        assert abs(share - wanted) <= ERRORS * error + 3e-4


@pytest.mark.parametrize("units_max", [0, 12])
def test_rare_feeders_are_no_bell(units_max: int) -> None:
    """If it fails, a large fleet on fifty feeders is said to promise nothing, or everything."""
    sites, feeders = 20_000, 50
    part = sites // feeders
    promise = Promise(
        power_w=np.full(sites, 1e3),
        reliability=np.full(sites, 0.95),
        causes=tuple(
            SharedOutage(
                name=f"{f}", outage_probability=2e-4, members=np.arange(f * part, (f + 1) * part)
            )
            for f in range(feeders)
        ),
    )
    law, usual_w = delivered_law(promise, units_max=units_max), 0.95e3 * sites
    none = (1.0 - 2e-4) ** feeders
    one = feeders * 2e-4 * (1.0 - 2e-4) ** (feeders - 1)
    assert law.probability(0.99 * usual_w) == pytest.approx(none, abs=1e-6)
    assert law.probability(0.97 * usual_w) == pytest.approx(none + one, abs=1e-6)
    assert 0.97 <= law.dependable_w(0.999) / usual_w <= 0.98


@pytest.mark.parametrize("sites", [1, 5, 20, 49])
def test_law_of_few_sites_never_promises_too_much(sites: int) -> None:
    """If it fails, a handful of sites is certified for what they do not deliver."""
    promise = _promise(sites, sites)
    law = delivered_law(promise)
    for part in (0.3, 0.6, 0.8, 0.95):
        required_w = part * float(promise.power_w.sum())
        share, error = _seen(promise, required_w)
        claimed = law.probability(required_w)
        assert claimed <= share + ERRORS * error
        assert claimed >= share - ERRORS * error - 0.01


def test_three_coins_are_counted_by_hand() -> None:
    """If it fails, the simplest sum is wrong, and every other with it."""
    promise = Promise(power_w=np.array([4.0, 2.0, 1.0]), reliability=np.array([0.9, 0.8, 0.7]))
    law = delivered_law(promise)
    assert law.probability(7.0) == pytest.approx(0.9 * 0.8 * 0.7)
    assert law.probability(6.0) == pytest.approx(0.9 * 0.8)
    assert law.probability(4.0) == pytest.approx(0.9)
    assert law.probability(0.0) == 1.0
    assert law.probability(7.1) == 0.0
    together = replace(
        promise,
        causes=(SharedOutage(name="all", outage_probability=0.5, members=np.arange(3)),),
    )
    assert delivered_law(together).probability(4.0) == pytest.approx(0.45)


def test_moments_count_what_fails_together() -> None:
    """If it fails, a shared feeder counts as if its sites failed one by one."""
    alone = Promise(power_w=np.full(100, 10.0), reliability=np.full(100, 0.9))
    cause = SharedOutage(name="feeder", outage_probability=0.01, members=np.arange(50))
    together = replace(alone, causes=(cause,))
    assert moments(alone).mean_w == pytest.approx(900.0)
    assert moments(alone).deviation_w == pytest.approx(30.0)
    assert moments(together).mean_w == pytest.approx(900.0 - 0.01 * 450.0)
    assert moments(together).deviation_w > 50.0
    assert moments(together).skewness < moments(alone).skewness


def _fleet(sites: int, seed: int) -> tuple[FleetColumns, np.ndarray]:
    rng = np.random.default_rng(seed)
    power = rng.uniform(2e3, 2e4, sites)
    power[rng.random(sites) < 0.05] = 250e3
    fleet = FleetColumns(
        price_jpy_per_kwh=rng.uniform(5.0, 40.0, sites),
        steepness_jpy_per_kwh_w=rng.uniform(2.0, 20.0, sites) / power,
        power_w_min=np.zeros(sites),
        power_w_max=power,
    )
    return fleet, np.clip(rng.normal(0.95, 0.03, sites), 0.5, 0.999)


@pytest.mark.parametrize("with_causes", [False, True])
@pytest.mark.parametrize("sites", [30, 200])
def test_obligation_is_kept_as_often_as_is_promised(sites: int, *, with_causes: bool) -> None:
    """If it fails, the coordinator sells power that is not there one time in a hundred."""
    fleet, reliability = _fleet(sites, sites)
    causes = tuple(
        SharedOutage(
            name=f"feeder {f}",
            outage_probability=0.004,
            members=np.arange(f * sites // 10, (f + 1) * sites // 10),
        )
        for f in range(10 if with_causes else 0)
    )
    product = Product(
        name="reserve", required_w=0.3 * fleet.power_w_max.sum(), shortage_jpy_per_kwh=1e3
    )
    demanded = Demanded(product=product, reliability=reliability, causes=causes)
    found = allocate_dependably(fleet, demanded)
    assert found.is_kept
    share, error = _seen(found.promise, product.required_w)
    assert share >= 0.999 - ERRORS * error - 2e-4
    assert found.margin_w > 0.0


def test_risk_in_the_price_is_cheaper_than_a_margin_alone() -> None:
    """If it fails, reliability is bought where it is dear."""
    fleet, reliability = _fleet(200, 4)
    reliability[:100] = 0.80
    reliability[100:] = 0.99
    product = Product(
        name="reserve", required_w=0.3 * fleet.power_w_max.sum(), shortage_jpy_per_kwh=1e3
    )
    found = allocate_dependably(fleet, Demanded(product=product, reliability=reliability))
    used = found.promise.power_w / fleet.power_w_max
    assert found.is_kept
    assert used[100:].mean() > used[:100].mean()


def test_a_fleet_that_is_too_small_says_what_it_can_do() -> None:
    """If it fails, an impossible reliability is certified."""
    fleet, reliability = _fleet(40, 5)
    product = Product(
        name="reserve", required_w=0.93 * fleet.power_w_max.sum(), shortage_jpy_per_kwh=1e3
    )
    found = allocate_dependably(fleet, Demanded(product=product, reliability=reliability))
    assert not found.is_kept
    share, error = _seen(found.promise, product.required_w)
    assert found.probability <= share + ERRORS * error


def test_a_probability_that_a_shortage_outbids_is_named() -> None:
    """If it fails, a promise that is sold as 99.9 % sure has quietly become a cheaper one."""
    fleet, reliability = _fleet(40, 5)
    product = Product(
        name="reserve", required_w=0.5 * fleet.power_w_max.sum(), shortage_jpy_per_kwh=12.0
    )
    cheap = allocate_dependably(fleet, Demanded(product=product, reliability=reliability))
    assert not cheap.is_kept
    (named,) = [one for one in cheap.allocation.relaxed if one.limit == "probability 0.999"]
    sure_w = delivered_law(cheap.promise).dependable_w(0.999)
    assert named.amount_w == pytest.approx(product.required_w - sure_w, rel=1e-3)
    product = replace(product, shortage_jpy_per_kwh=1e4)
    dear = allocate_dependably(fleet, Demanded(product=product, reliability=reliability))
    assert dear.is_kept
    assert not [one for one in dear.allocation.relaxed if one.limit.startswith("probability")]


def test_spread_learns_slowly_and_cannot_be_poisoned() -> None:
    """If it fails, one broken meter makes every promise four times as careful."""
    rng = np.random.default_rng(7)
    mean, deviation = np.full(200, 1e6), np.full(200, 1e4)
    as_promised = mean + deviation * rng.normal(size=200)
    twice = mean + 2.0 * deviation * rng.normal(size=200)
    assert learned_spread(mean, deviation, as_promised) == pytest.approx(1.0, abs=0.1)
    assert 1.6 < learned_spread(mean, deviation, twice) < 2.1
    broken = as_promised.copy()
    broken[0] = -np.inf
    assert learned_spread(mean, deviation, broken) < 1.15
    assert learned_spread(mean[:1], deviation[:1], np.array([0.0])) < 1.4
    assert learned_spread(mean[:0], deviation[:0], mean[:0]) == 1.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"power_w": np.array([np.nan, 1.0])},
        {"power_w": np.array([-1.0, 1.0])},
        {"reliability": np.array([1.1, 1.0])},
        {"reliability": np.array([0.5])},
        {"causes": (SharedOutage(name="c", outage_probability=1.0, members=np.array([0])),)},
        {"causes": (SharedOutage(name="c", outage_probability=0.1, members=np.array([2])),)},
    ],
)
def test_promise_that_is_none_is_refused(wrong: dict[str, object]) -> None:
    """If it fails, a probability of 110 % makes every obligation safe."""
    promise = Promise(power_w=np.array([1.0, 2.0]), reliability=np.array([0.9, 0.9]))
    with pytest.raises(AllocationInputError):
        delivered_law(replace(promise, **wrong))


def test_certificate_holds_what_it_says_and_draws_agree() -> None:
    """If it fails, an auditor cannot trust the file that stands behind a commitment."""
    promise = _promise(300, 11)
    obligation_w = 0.8 * float(promise.power_w.sum())
    data = to_data(certify([f"s{at}" for at in range(300)], promise, obligation_w))
    assert verify(data) == ()
    share, error = _seen(promise, obligation_w)
    assert abs(data["claims"]["delivery_probability"] - share) <= ERRORS * error + 2e-4
    spared = round(data["claims"]["any_share_of_sites_offline"] * 300)
    largest = np.sort(promise.power_w)[::-1]
    assert largest[spared:].sum() >= obligation_w > largest[spared + 1 :].sum()
    for one in data["claims"]["any_sites_offline"]:
        small = np.sort(promise.power_w[promise.power_w <= one["size_w_max"]])[::-1]
        assert promise.power_w.sum() - small[: one["count"]].sum() >= obligation_w


@pytest.mark.parametrize("what", ["probability", "share", "count", "power", "obligation"])
def test_certificate_that_was_changed_does_not_hold(what: str) -> None:
    """If it fails, a claim can be improved with a text editor."""
    promise = _promise(100, 12)
    data = to_data(
        certify([f"s{at}" for at in range(100)], promise, 0.8 * float(promise.power_w.sum()))
    )
    claims = data["claims"]
    if what == "probability":
        claims["delivery_probability"] = min(1.0, claims["delivery_probability"] + 0.001)
    elif what == "share":
        claims["any_share_of_sites_offline"] += 0.02
    elif what == "count":
        claims["any_sites_offline"][0]["count"] += 1
    elif what == "power":
        data["sites"]["power_w"] = [0.9 * power for power in data["sites"]["power_w"]]
    else:
        data["obligation_w"] *= 1.1
    assert verify(data)


@pytest.mark.parametrize("missing", ["format", "obligation_w", "claims", "sites", "common_causes"])
def test_data_that_is_no_certificate_is_refused(missing: str) -> None:
    """If it fails, a broken file ends in a stack trace, or worse, in "holds"."""
    promise = _promise(5, 13)
    data = to_data(certify([f"s{at}" for at in range(5)], promise, 1e3))
    del data[missing]
    with pytest.raises(AllocationInputError):
        verify(data)
