"""Filling by price, on any curves."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.control.supply import Curve, fill, total_of


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    """Draw a rising curve with strictly rising prices."""
    count = draw(st.integers(1, 5))
    price, power = draw(st.floats(-50.0, 50.0)), draw(st.floats(-9000.0, 9000.0))
    prices, powers = [price], [power]
    for _ in range(count - 1):
        prices.append(prices[-1] + draw(st.floats(0.01, 20.0)))
        powers.append(powers[-1] + draw(st.sampled_from([0.0, 1.0, 500.0, 4000.0])))
    return Curve(tuple(prices), tuple(powers))


@settings(max_examples=300, deadline=None)
@given(st.lists(curves(), min_size=1, max_size=8), st.floats(-60_000.0, 60_000.0))
def test_filling_reaches_the_total_or_the_nearest_end(found: list[Curve], total_w: float) -> None:
    """The sum of the setpoints would not be what was wanted."""
    price, powers = fill(found, total_w)
    low_w = math.fsum(c.low_w for c in found)
    high_w = math.fsum(c.high_w for c in found)
    assert abs(math.fsum(powers) - min(max(total_w, low_w), high_w)) <= 1e-6
    for curve, power in zip(found, powers, strict=True):
        assert curve.low_w <= power <= curve.high_w
    assert math.isfinite(price)


@settings(max_examples=300, deadline=None)
@given(st.lists(curves(), min_size=1, max_size=8), st.floats(-60_000.0, 60_000.0))
def test_filling_is_cheapest(found: list[Curve], total_w: float) -> None:
    """A dear resource would run while a cheaper one has room."""
    price, powers = fill(found, total_w)
    for curve, power in zip(found, powers, strict=True):
        below = curve.power_at(price - 1e-6)
        above = curve.power_at(price + 1e-6)
        assert below - 1e-6 <= power <= above + 1e-6


@settings(max_examples=200, deadline=None)
@given(
    st.lists(curves(), min_size=1, max_size=6),
    st.floats(-80.0, 200.0),
    st.tuples(st.floats(-20_000.0, 20_000.0), st.floats(0.0, 20_000.0)),
)
def test_a_clipped_sum_is_the_sum_clipped(
    found: list[Curve], price: float, bounds: tuple[float, float]
) -> None:
    """A group's batteries would be promised beyond what their conditioner takes."""
    total = total_of(found)
    low_w, width_w = bounds
    low_w = min(max(low_w, total.low_w), total.high_w)
    high_w = min(low_w + width_w, total.high_w)
    expected = min(max(math.fsum(c.power_at(price) for c in found), low_w), high_w)
    assert abs(total.clipped(low_w, high_w).power_at(price) - expected) <= 1e-5
