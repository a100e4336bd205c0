"""Worked examples of what the numbers of a control mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.ieee2030_5.resources.der import CurveData, DERCurve
from protocols.ieee2030_5.resources.elements import ActivePower, ApparentPower
from protocols.ieee2030_5.units import (
    amount_of,
    encode_active_power,
    percent_of_ratio,
    points_of,
    ratio_of_percent,
    ratio_per_s_of_gradient,
    scaled,
    seconds_of_ramp,
)
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError


def test_max_lim_w_worked() -> None:
    """If it fails, an inverter of 10 kW is curtailed to something else than 5 kW."""
    assert ratio_of_percent(5000) * 10_000.0 == 5000.0


def test_fixed_w_worked() -> None:
    """If it fails, a battery discharges where it was to charge at a quarter."""
    assert ratio_of_percent(-2500) == -0.25
    assert ratio_of_percent(2500) == 0.25
    assert percent_of_ratio(-0.25) == -2500


def test_target_w_worked() -> None:
    """If it fails, a target of 1.5 kW becomes another."""
    assert amount_of(ActivePower(multiplier=2, value=15)) == 1500.0


def test_ramp_and_gradient_worked() -> None:
    """If it fails, a ramp is a hundred times too fast."""
    assert seconds_of_ramp(250) == 2.5
    assert ratio_per_s_of_gradient(27) == 0.0027


def test_finest_multiplier() -> None:
    """If it fails, a power loses watts that the wire could carry."""
    assert encode_active_power(32_767.0) == ActivePower(multiplier=0, value=32_767)
    assert encode_active_power(32_768.0) == ActivePower(multiplier=1, value=3277)
    assert encode_active_power(-32_768.0) == ActivePower(multiplier=0, value=-32_768)
    assert scaled(ApparentPower, 40_000.0) == ApparentPower(multiplier=0, value=40_000)


@given(st.floats(-3e13, 3e13))
def test_power_is_within_half_a_step(power_w: float) -> None:
    """If it fails, a reported power is further from the truth than it has to be."""
    coded = encode_active_power(power_w)
    assert abs(amount_of(coded) - power_w) <= 0.5 * 10**coded.multiplier


@pytest.mark.parametrize("power_w", [float("nan"), float("inf"), 4e13, -4e13])
def test_power_that_no_wire_carries(power_w: float) -> None:
    """If it fails, a broken reading is sent as a number."""
    with pytest.raises(LocalProtocolError):
        encode_active_power(power_w)


def test_numbers_no_device_can_have() -> None:
    """If it fails, a hostile server's number becomes a setpoint."""
    with pytest.raises(RemoteProtocolError):
        amount_of(ActivePower(multiplier=127, value=1))
    with pytest.raises(RemoteProtocolError):
        ratio_of_percent(10_001)


def curve(points: int, *, x_multiplier: int = -2) -> DERCurve:
    return DERCurve(
        mrid="0" * 32,
        creation_time=0,
        curve_data=tuple(CurveData(xvalue=6003 + n, yvalue=10_000) for n in range(points)),
        curve_type=0,
        x_multiplier=x_multiplier,
        y_multiplier=-2,
        y_ref_type=1,
    )


def test_frequency_watt_curve_worked() -> None:
    """If it fails, an inverter reduces at another frequency than its neighbours."""
    assert points_of(curve(2)) == ((60.03, 100.0), (60.04, 100.0))


@pytest.mark.parametrize("bad", [curve(0), curve(11), curve(1, x_multiplier=-30)])
def test_curves_that_are_none(bad: DERCurve) -> None:
    """If it fails, a hostile curve reaches a device."""
    with pytest.raises(RemoteProtocolError):
        points_of(bad)
