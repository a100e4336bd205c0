"""Allocation and dispatch hold their laws for any offers."""

import math
from datetime import UTC, datetime, timedelta

import clarabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cloud_coordinator.allocation.capacity import Bound, CapacityOffer, allocate_capacity
from cloud_coordinator.allocation.curves import aggregate, curve_table, shares
from cloud_coordinator.allocation.dispatch import dispatch
from protocols.vocabulary.arrays import column
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.offer import OfferCurve, share

START = datetime(2026, 7, 22, tzinfo=UTC)
HOUR = Interval(start=START, end=START + timedelta(hours=1))
SERVICE = Service.SECONDARY_1

thousandths = st.integers(min_value=-50_000, max_value=100_000)
watts = st.integers(min_value=-10_000, max_value=10_000)


@st.composite
def curves(draw: st.DrawFn, name: str = "site") -> OfferCurve:
    """Draw a curve: 1 to 8 breakpoints, flat stretches and dead bands included."""
    points = draw(st.lists(thousandths, min_size=1, max_size=8, unique=True))
    powers = draw(st.lists(watts, min_size=len(points), max_size=len(points)))
    return OfferCurve(
        site_id=SiteId(name),
        service=SERVICE,
        version=1,
        multipliers=column([p / 1000.0 for p in sorted(points)]),
        power_w=column([float(p) for p in sorted(powers)]),
        interval=HOUR,
    )


@st.composite
def offers(draw: st.DrawFn) -> list[CapacityOffer]:
    """Draw up to 12 offers with caps of their own."""
    drawn = []
    for index in range(draw(st.integers(min_value=0, max_value=12))):
        curve = draw(curves(f"site-{index}"))
        caps = [draw(st.integers(min_value=0, max_value=12_000)) for _ in range(2)]
        drawn.append(
            CapacityOffer(
                site_id=curve.site_id,
                curve=curve,
                up=Bound(power_w=min(caps[0], max(0.0, curve.power_w[-1])), limited_by="cap"),
                down=Bound(power_w=min(caps[1], max(0.0, -curve.power_w[0])), limited_by="cap"),
            )
        )
    return drawn


@given(offers(), st.integers(0, 100_000), st.integers(0, 100_000))
def test_conserves_within_bounds(drawn: list[CapacityOffer], up_w: int, down_w: int) -> None:
    """Children would not add up to the award, or a site be asked for more than it offered."""
    result = allocate_capacity(drawn, up_w=float(up_w), down_w=float(down_w))
    by_site = {offer.site_id: offer for offer in drawn}
    total = math.fsum(result.up.power_w)
    assert abs(total + result.up.shortfall_w - up_w) < 1e-6
    assert abs(-math.fsum(result.down.power_w) + result.down.shortfall_w - down_w) < 1e-6
    for row, site in enumerate(result.sites):
        assert -1e-9 <= result.up.power_w[row] <= by_site[site].up.power_w + 1e-9
        assert -by_site[site].down.power_w - 1e-9 <= result.down.power_w[row] <= 1e-9
    if result.up.shortfall_w > 0.0:
        assert total == pytest.approx(math.fsum(o.up.power_w for o in drawn))


@given(offers(), st.integers(0, 60_000), st.randoms(use_true_random=False))
def test_order_does_not_matter(drawn: list[CapacityOffer], up_w: int, rng: object) -> None:
    """Who is committed would depend on who spoke first."""
    shuffled = list(drawn)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    one = allocate_capacity(drawn, up_w=float(up_w), down_w=float(up_w))
    two = allocate_capacity(shuffled, up_w=float(up_w), down_w=float(up_w))
    assert one.sites == two.sites
    assert one.up.power_w.tolist() == two.up.power_w.tolist()
    assert one.down.power_w.tolist() == two.down.power_w.tolist()


@given(offers(), st.integers(0, 60_000))
def test_certificate(drawn: list[CapacityOffer], up_w: int) -> None:
    """A dearer sharing than necessary would pass unnoticed."""
    result = allocate_capacity(drawn, up_w=float(up_w), down_w=float(up_w))
    for direction in (result.up, result.down):
        assert abs(direction.duality_gap_jpy_per_h) < 1e-6 * (1 + abs(direction.cost_jpy_per_h))


def _oracle_cost(drawn: list[CapacityOffer], goal_w: float) -> float:
    """Least cost by Clarabel: each rising stretch of each curve is a variable in [0, rise]."""
    linear, quadratic, rises = [], [], []
    for offer in drawn:
        points, powers = offer.curve.multipliers, offer.curve.power_w
        stretches = [(points[0], points[0], 0.0, powers[0])]
        stretches += [
            (points[j], points[j + 1], powers[j], powers[j + 1]) for j in range(len(points) - 1)
        ]
        for low, high, from_w, to_w in stretches:
            start = min(max(from_w, 0.0), offer.up.power_w)
            end = min(max(to_w, 0.0), offer.up.power_w)
            if end <= start:
                continue
            slope = (high - low) / (to_w - from_w)
            linear.append(low + slope * (start - from_w))
            quadratic.append(slope)
            rises.append(end - start)
    n = len(rises)
    problem = sparse.vstack([np.ones((1, n)), sparse.eye(n), -sparse.eye(n)]).tocsc()
    settings_ = clarabel.DefaultSettings()
    settings_.verbose = False
    solution = clarabel.DefaultSolver(
        sparse.diags(quadratic).tocsc(),
        np.array(linear),
        problem,
        np.concatenate([[goal_w], rises, np.zeros(n)]),
        [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(2 * n)],
        settings_,
    ).solve()
    return float(solution.obj_val) / 1000.0


@settings(max_examples=40, deadline=None)
@given(offers(), st.floats(min_value=0.05, max_value=0.95))
def test_as_cheap_as_a_general_solver(drawn: list[CapacityOffer], part: float) -> None:
    """The price search would miss the optimum that a general solver finds."""
    goal_w = part * math.fsum(offer.up.power_w for offer in drawn)
    if goal_w < 1.0:
        return
    ours = allocate_capacity(drawn, up_w=goal_w).up.cost_jpy_per_h
    assert ours == pytest.approx(_oracle_cost(drawn, goal_w), rel=1e-5, abs=1e-3)


@given(st.lists(curves(), min_size=1, max_size=12), st.floats(0.0, 1.0))
def test_dispatch_meets_the_requirement(drawn: list[OfferCurve], part: float) -> None:
    """Shares computed at the sites would not sum to the command."""
    table = curve_table(drawn)
    total = aggregate(table)
    low_w, high_w = math.fsum(table.power_w[:, 0]), math.fsum(table.power_w[:, -1])
    required_w = low_w + part * (high_w - low_w)
    call = dispatch(total, required_w)
    reached_w = math.fsum(share(curve, {SERVICE: call.multiplier}) for curve in drawn)
    slope = max(
        (float(np.max(np.diff(total.power_w) / np.diff(total.multipliers))), 0.0)
        if len(total.power_w) > 1
        else (0.0,)
    )
    assert abs(reached_w - required_w) < 1e-6 + slope * 2e-14
    assert call.shortfall_w == pytest.approx(0.0, abs=1e-6)


@given(st.lists(curves(), min_size=1, max_size=8), st.floats(-1e5, 1e5), st.floats(0.0, 1e5))
def test_more_power_never_costs_less(
    drawn: list[OfferCurve], required_w: float, more_w: float
) -> None:
    """The multiplier would fall when more is asked, and the loop would oscillate."""
    total = aggregate(curve_table(drawn))
    low, high = dispatch(total, required_w), dispatch(total, required_w + more_w)
    assert low.multiplier <= high.multiplier
    assert low.reached_w <= high.reached_w
    assert low.shortfall_w <= high.shortfall_w + 1e-9


@given(st.lists(curves(), min_size=1, max_size=8), st.floats(-60.0, 120.0))
def test_rows_equal_the_vocabulary(drawn: list[OfferCurve], multiplier: float) -> None:
    """Coordinator and site would compute different shares from the same promise."""
    ours = shares(curve_table(drawn), multiplier)
    assert ours.tolist() == [share(curve, {SERVICE: multiplier}) for curve in drawn]


def test_hundred_thousand() -> None:
    """A fleet of the size we answer for would lose exactness."""
    rng = np.random.default_rng(1)
    drawn = [
        OfferCurve(
            site_id=SiteId(f"site-{i}"),
            service=SERVICE,
            version=1,
            multipliers=column(np.sort(rng.uniform(-10.0, 60.0, 4))),
            power_w=column(np.sort(rng.uniform(-5000.0, 5000.0, 4))),
            interval=HOUR,
        )
        for i in range(100_000)
    ]
    table = curve_table(drawn)
    call = dispatch(aggregate(table), 12_345_678.0)
    assert abs(math.fsum(shares(table, call.multiplier)) - 12_345_678.0) < 1e-6
    bound = Bound(power_w=2000.0, limited_by="cap")
    result = allocate_capacity(
        [CapacityOffer(site_id=c.site_id, curve=c, up=bound, down=bound) for c in drawn],
        up_w=50_000_000.0,
    )
    assert abs(math.fsum(result.up.power_w) - 50_000_000.0) < 1e-6
    assert abs(result.up.duality_gap_jpy_per_h) < 1e-9 * result.up.cost_jpy_per_h
